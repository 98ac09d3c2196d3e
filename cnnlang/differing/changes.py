"""What differs between two nets: the rows of both side by side, and of them the parts that are not equal."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from cnnlang.differing.pairing import Pairing
from cnnlang.differing.steps import Step, Steps, steps_of
from cnnlang.ir import Graph
from cnnlang.signature import show_number, show_short

CONTEXT = 1  # equal rows shown before and after a part that differs


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that differs, and its values as the language writes them; None where a side has no such argument."""

    name: str
    left: str | None
    right: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.left or 'none'} against {self.right or 'none'}"


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A step of each net, side by side; None where one net has none.

    Attributes
    ----------
    arguments
        What differs of the arguments of the same operator.
    wiring
        How they read their inputs otherwise, in words; empty where they do not.
    """

    left: Step | None
    right: Step | None
    arguments: tuple[Argument, ...] = ()
    wiring: str = ""

    @property
    def kind(self) -> str:
        """`equal`, `changed`, `rewired`, `removed` (only in the first net) or `added` (only in the second)."""
        if self.left is None or self.right is None:
            return "removed" if self.right is None else "added"
        if self.arguments or self.left.kind != self.right.kind:
            return "changed"
        return "rewired" if self.wiring else "equal"

    @property
    def is_layer(self) -> bool:
        return any(s is not None and s.is_layer for s in (self.left, self.right))

    @property
    def signature(self) -> Hashable:
        """What two rows have in common that differ alike."""
        named = [(a.name, a.left, a.right) for a in self.arguments]
        if self.kind == "changed" and self.left and self.right:
            return (self.kind, self.left.kind, self.right.kind, *named)
        return (self.kind, self.wiring, *(s.key for s in (self.left, self.right) if s))


@dataclass(frozen=True, slots=True, eq=False)
class Hunk:
    """Rows that differ and follow each other, with those around them.

    `alike` are further places where the same differs in the same way.
    """

    rows: tuple[Row, ...]
    alike: tuple[Hunk, ...] = ()

    @property
    def changes(self) -> tuple[Row, ...]:
        return tuple(r for r in self.rows if r.kind != "equal")


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two nets held side by side.

    Attributes
    ----------
    left, right
        The nets as steps.
    rows
        Every step of both, in order.
    """

    left: Steps
    right: Steps
    rows: tuple[Row, ...]

    @property
    def changes(self) -> tuple[Row, ...]:
        return tuple(r for r in self.rows if r.kind != "equal")

    @property
    def are_equal(self) -> bool:
        return not self.changes

    def hunks(self) -> tuple[Hunk, ...]:
        """The parts that differ, each the smallest, those that differ alike together."""
        found: dict[Hashable, list[Hunk]] = {}
        for hunk in self._parts():
            found.setdefault(tuple(r.signature for r in hunk.changes), []).append(hunk)
        return tuple(Hunk(first.rows, tuple(rest)) for first, *rest in found.values())

    def _parts(self) -> Iterator[Hunk]:
        places = [i for i, row in enumerate(self.rows) if row.kind != "equal"]
        start = 0
        for i, place in enumerate(places):
            if i + 1 == len(places) or places[i + 1] - place > 2 * CONTEXT:
                yield Hunk(self.rows[max(places[start] - CONTEXT, 0) : place + CONTEXT + 1])
                start = i + 1


def compare_graphs(left: Graph, right: Graph) -> Comparison:
    """Compare two nets, up to names, bn folding, dropout, branches' order where none is meant, and ways of padding."""
    one, other = steps_of(left), steps_of(right)
    pairing = Pairing(one, other)
    return Comparison(one, other, tuple(_rows(pairing)))


def _rows(pairing: Pairing) -> Iterator[Row]:
    """The steps of the first net in order; those that only the second has stand behind what they follow there."""
    right = pairing.right.order
    place = {step: i for i, step in enumerate(right)}
    told: set[Step] = set()
    for step in pairing.left.order:
        other = pairing[step]
        if other is not None:
            start = place[other]
            while start and right[start - 1] not in told and pairing[right[start - 1]] is None:
                start -= 1
            for extra in right[start : place[other]]:
                told.add(extra)
                yield Row(None, extra)
        yield _row(step, other, pairing)
    yield from (Row(None, extra) for extra in right if pairing[extra] is None and extra not in told)
    yield from _ends(pairing)


def _row(step: Step, other: Step | None, pairing: Pairing) -> Row:
    if other is None:
        return Row(step, None)
    if step.kind != other.kind:
        return Row(step, other, (), _wiring(step, other, pairing))
    return Row(step, other, tuple(_arguments(step, other)), _wiring(step, other, pairing))


def _ends(pairing: Pairing) -> Iterator[Row]:
    """Outputs that are not each other's."""
    left, right = pairing.left.outputs, pairing.right.outputs
    if any(pairing[s] is None for s in (*left, *right)):
        return  # the steps that lead there are rows of their own
    if len(left) != len(right):
        count = f"{len(left)} output{'s' * (len(left) != 1)} against {len(right)}"
        yield Row(left[-1], right[-1], (), count)
        return
    for one, other in zip(left, right, strict=True):
        if pairing[one] is not other:
            yield Row(one, other, (), "the output is another value")


def _arguments(one: Step, other: Step) -> Iterator[Argument]:
    for name in dict.fromkeys([*one.arguments, *other.arguments]):
        values = one.arguments.get(name), other.arguments.get(name)
        if values[0] != values[1]:
            yield Argument(name, *(None if v is None else shown(v) for v in values))
    if one.eps is not None and other.eps is not None and one.eps != other.eps:
        yield Argument("eps", shown(one.eps), shown(other.eps))
    if (one.owner is None) != (other.owner is None):
        yield Argument("weights", *("its own" if s.owner is None else "shared" for s in (one, other)))


def shown(value: Any) -> str:
    """An argument's value, briefly: equal numbers on all sides are one, and a kernel for all channels is one."""
    if isinstance(value, tuple) and len(value) in (2, 4) and len(set(value)) == 1:
        return str(value[0])
    while isinstance(value, list) and isinstance(value[0][0], list) and all(v == value[0] for v in value):
        value = value[0]
    return show_number(value) if isinstance(value, float) else show_short(_plain(value), 40)


def _plain(value: Any) -> Any:
    """A value in which whole numbers are integers, as a person writes them."""
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wiring(one: Step, other: Step, pairing: Pairing) -> str:
    """How a step reads other values than its counterpart does; what is missing on one side is looked through."""
    mine, theirs = _sources(one, pairing), _sources(other, pairing)
    if one.kind == "input":
        return ""
    expected = [pairing[s] for s in mine if s is not None]
    given = [s for s in theirs if s is not None]
    if len(mine) != len(theirs):
        return f"{len(mine)} branches against {len(theirs)}"
    if None in mine or None in theirs or expected == given:
        return ""
    if sorted(map(id, expected)) == sorted(map(id, given)):
        return "" if one.is_commutative else "its branches are in another order"
    return "it reads another value"


def _sources(step: Step, pairing: Pairing) -> list[Step | None]:
    """What a step reads: of inputs without a counterpart, what these read; None where that is several values."""
    found: list[Step | None] = []
    for value in step.inputs:
        source: Step | None = value
        while source is not None and pairing[source] is None:
            source = source.inputs[0] if len(source.inputs) == 1 else None
        found.append(source)
    return found

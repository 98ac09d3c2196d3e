"""Pieces of one shape as instances of one block: what differs between them becomes parameters and expressions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cnnlang.importing.lift.items import Call, Chain, Item, Loop, Merge, Parameter, Run, Step, Template
from cnnlang.importing.lift.names import Namespace
from cnnlang.importing.lift.shapes import Value, canonical, is_free
from cnnlang.ir import Node

T = TypeVar("T", Call, Run, Merge)

# What a parameter for an argument is called, where that is not the argument's name.
STEMS = {"channels": "width", "kernel": "k", "pad": "around"}


@dataclass(slots=True)
class Column:
    """One argument in every piece: `values` are None where a piece has none, `around` the channels of `in` there."""

    holder: Step | Call | Run | Template
    key: str
    values: list[Value]
    around: list[int | None]
    required: bool = True
    kernel: Column | None = None
    hint: str = ""


@dataclass(slots=True)
class Choice:
    """A branch that some pieces have: the chain of the template, and which pieces have it."""

    chain: Chain
    present: list[bool]
    around: list[int | None]
    made: list[int]
    stride: Column | None = None


@dataclass(slots=True)
class Table:
    """All columns of pieces of one shape."""

    columns: list[Column] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)


def tabulate(pieces: Sequence[list[Item]], entries: Sequence[Node | None], template: int) -> Table:
    """The columns of pieces of one shape; those of `template` are what is written."""
    table = Table()
    _tabulate(list(pieces), list(entries), list(entries), template, table)
    return table


def _tabulate(
    pieces: list[list[Item] | None], around: list[Node | None], flows: list[Node | None], template: int, table: Table
) -> None:
    model = pieces[template]
    assert model is not None
    flows = list(flows)
    sizes = [None if n is None else n.type.channels for n in around]
    for i, item in enumerate(model):
        same = [None if piece is None else piece[i] for piece in pieces]
        match item:
            case Step():
                kernel = None
                for f in item.node.op.fields():
                    if not is_free(item, f, True):
                        continue
                    values = [None if s is None else canonical(getattr(s.node.op, f.name)) for s in same]
                    column = Column(item, f.name, values, sizes, f.required)
                    column.kernel = kernel
                    if f.name == "kernel":
                        kernel = column
                    if f.same_as is not None and kernel is not None and values == kernel.values:
                        continue
                    table.columns.append(column)
            case Call():
                calls = _each(Call, same)
                for p in item.block.parameters:
                    values = [None if s is None else s.arguments[p.name] for s in calls]
                    table.columns.append(Column(item, p.name, values, sizes, p.default is None, hint=p.name))
            case Run():
                runs = _each(Run, same)
                if item.first:
                    _tabulate([None if s is None else s.first for s in runs], around, flows, template, table)
                turns = [s.items if s is not None and s.turns else None for s in runs]
                if turns[template] is not None:
                    _tabulate(turns, around, flows, template, table)
                counts: list[Value] = [None if s is None else len(s.turns) + bool(s.first) for s in runs]
                table.columns.append(Column(item, "n", counts, sizes, hint="n"))
            case Merge():
                _branches(item, _each(Merge, same), flows, template, table)
            case Loop():
                pass
        flows = [n if s is None else s.node for n, s in zip(flows, same, strict=True)]


def _each(kind: type[T], same: Sequence[Item | None]) -> list[T | None]:
    """The items of pieces of one shape, all of which are of one kind; None where a piece has none."""
    found: list[T | None] = []
    for item in same:
        assert item is None or isinstance(item, kind)
        found.append(item)
    return found


def _branches(item: Merge, same: list[Merge | None], flows: list[Node | None], template: int, table: Table) -> None:
    for b, chain in enumerate(item.branches):
        parts = [None if s is None else s.branches[b].items for s in same]
        if not chain.items:
            continue
        present = [bool(p) for p in parts]
        if not all(p is None or p for p in parts):
            made = [0 if s is None else s.node.type.channels for s in same]
            sizes = [None if n is None else n.type.channels for n in flows]
            table.choices.append(Choice(chain, present, sizes, made))
        _tabulate([p or None for p in parts], flows, flows, template, table)


@dataclass(slots=True)
class Solution:
    """Columns solved: the parameters, and every expression put where it is written."""

    parameters: list[Parameter]
    texts: list[tuple[list[Value], str]]


def is_constant(values: list[Value]) -> bool:
    return len({_key(v) for v in values if v is not None}) <= 1


def _key(value: Value) -> tuple[type, Value]:
    return (type(value), value)


def kind_of(key: str) -> str:
    """What an argument counts: a parameter may stand for another argument that counts the same."""
    if key.startswith(("stride", "#")):
        return key[:1]
    return KINDS.get(key.rstrip("0123456789"), "channels")


KINDS = {"kernel": "kernel", "k": "kernel", "pad": "pad", "around": "pad", "dilation": "pad", "n": "n"} | {
    name: name for name in ("rate", "slope", "amount", "scale", "mean", "std", "size", "project")
}


class Solver:
    """Finds for each column a constant, an expression, or a parameter of its own.

    `with_in` says that `in.channels` may be used, `with_multiples` that `4*width` may.
    """

    def __init__(self, names: Namespace, with_in: bool, with_multiples: bool = True) -> None:
        self.names = Namespace(names.taken)
        self.with_in = with_in
        self.with_multiples = with_multiples
        self.parameters: list[Parameter] = []
        self.owners: list[Column] = []

    def solve(self, table: Table, write: bool = True) -> None:
        for column in table.columns:
            if is_constant(column.values) and None not in column.values:
                continue
            if is_constant(column.values):  # some pieces have none: what fits them may say more than the number
                text = self.same_as(column)
                if text is None:
                    continue
            else:
                text = self.expression(column)
            if text is None:
                text = self.parameter(column)
            if write:
                column.holder.written[column.key] = text
        for choice in table.choices:
            choice.chain.test = self.test(choice)

    def same_as(self, column: Column) -> str | None:
        """A parameter for arguments of this name that has its values wherever it has any."""
        for p, owner in zip(self.parameters, self.owners, strict=True):
            if owner.key == column.key and _fits(column.values, p.values):
                return p.name
        return None

    def expression(self, column: Column) -> str | None:
        values = column.values
        for p, owner in zip(self.parameters, self.owners, strict=True):
            if kind_of(column.key) == kind_of(owner.key) and _fits(values, p.values):
                return p.name
        if column.key.startswith("#"):
            for p, owner in zip(self.parameters, self.owners, strict=True):
                if owner.key.startswith("#"):
                    apart = {v - o for v, o in zip(values, p.values, strict=True) if v is not None}
                    if len(apart) == 1:
                        (by,) = apart
                        return f"{p.name} + {by}" if by > 0 else f"{p.name} - {-by}"
            return None
        if column.key == "pad" and column.kernel is not None:
            kernels = column.kernel.values
            if all(isinstance(k, int) for k in kernels) and _fits(values, [k // 2 for k in kernels]):
                return f"{column.kernel.holder.written.get('kernel', 'k')}//2"
        if not all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in values if v is not None):
            return None
        if kind_of(column.key) == "channels":
            counted = [
                p
                for p, owner in zip(self.parameters, self.owners, strict=True)
                if self.with_multiples and p.default is None and kind_of(owner.key) == "channels"
            ]
            for p in counted:
                text = _multiple(values, p.values, p.name)
                if text is not None:
                    return text
            if self.with_in and None not in column.around:
                around = list(column.around)
                if _fits(values, around):
                    return "in.channels"
                return _multiple(values, around, "in.channels")
        return None

    def parameter(self, column: Column) -> str:
        stem = column.hint or STEMS.get(column.key, column.key)
        name = self.names.take(stem)
        known = [v for v in column.values if v is not None]
        common = Counter(map(_key, known)).most_common(1)[0][0][1]
        default = None
        if column.key in ("stride", "dilation", "groups") and 1 in known:
            default = 1
        elif column.key in ("pad", "around") and 0 in known:
            default = 0
        elif None in column.values:
            default = common
        values = [common if v is None else v for v in column.values]
        self.parameters.append(Parameter(name, values, default))
        self.owners.append(column)
        return name

    def test(self, choice: Choice) -> str:
        """The condition on which a branch is there."""
        strides = [(p, o) for p, o in zip(self.parameters, self.owners, strict=True) if p.name.startswith("stride")]
        wider: str | None = None
        if self.with_in and None not in choice.around:
            made = self.known(choice.made, choice.around)
            if made is not None:
                differs = [a != m for a, m in zip(choice.around, choice.made, strict=True)]
                for p, _ in strides:
                    moved = [v != 1 for v in p.values]
                    if [a or b for a, b in zip(moved, differs, strict=True)] == choice.present:
                        return f"{p.name} != 1 or in.channels != {made}"
                if differs == choice.present:
                    wider = f"in.channels != {made}"
        if wider is not None:
            return wider
        for p, _ in strides:
            if [v != 1 for v in p.values] == choice.present:
                return f"{p.name} != 1"
        for p in self.parameters:
            if p.values == choice.present:
                return p.name
        name = self.names.take("project")
        self.parameters.append(Parameter(name, list(choice.present), False))
        self.owners.append(Column(Template([], [], []), "test", [], []))
        return name

    def known(self, values: list[int], around: list[int | None]) -> str | None:
        """An expression for values of channels that takes no new parameter."""
        if is_constant(values):
            return str(values[0])
        for p, owner in zip(self.parameters, self.owners, strict=True):
            if kind_of(owner.key) == "channels" and _fits(values, p.values):
                return p.name
        for p in self.parameters:
            if p.default is None and all(isinstance(v, int) for v in p.values):
                text = _multiple(values, p.values, p.name)
                if text is not None:
                    return text
        return _multiple(values, around, "in.channels") if self.with_in and None not in around else None


def _fits(values: Sequence[Value], other: Sequence[Value]) -> bool:
    return all(v is None or _key(v) == _key(o) for v, o in zip(values, other, strict=True))


def _multiple(values: Sequence[Value], other: Sequence[Value], name: str) -> str | None:
    """`4*width` or `width//2`, where it holds for all."""
    pairs = [(v, o) for v, o in zip(values, other, strict=True) if v is not None]
    v, o = pairs[0]
    if not isinstance(o, int) or o <= 0:
        return None
    if v % o == 0 and v > o and all(w == v // o * p for w, p in pairs):
        return f"{v // o}*{name}" if name.isidentifier() else f"{v // o} * {name}"
    if o % v == 0 and o > v and all(isinstance(p, int) and p == o // v * w for w, p in pairs):
        return f"{name}//{o // v}" if name.isidentifier() else f"{name} // {o // v}"
    return None


def ordered_parameters(parameters: list[Parameter]) -> list[Parameter]:
    """Those without a default first."""
    return [p for p in parameters if p.default is None] + [p for p in parameters if p.default is not None]


def pieces_of(item: Item) -> Iterator[list[Item]]:
    """The lists of items directly inside one."""
    match item:
        case Merge():
            yield from (chain.items for chain in item.branches)
        case Run():
            yield item.first
            yield item.items
        case Loop():
            yield item.body
        case _:
            return

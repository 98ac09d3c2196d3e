"""What a class does, between the module tree and its source: values, and the steps that make them.

A class serves every instance of a block, so each thing here is said once, in terms of the constructor's parameters,
and known for every instance (a `Row`): nothing is written that has not been held against all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from cnnlang.backends.python_source.code import Code
from cnnlang.ir import Node, TensorType

T = TypeVar("T")


class Differs(Exception):
    """The instances of a block cannot share one class, or a construct one loop; there is a plainer way to say it."""


@dataclass(eq=False)
class Row:
    """One instance of a block, or one turn of a loop in it (`parent`): the values of the constructor's names there."""

    values: dict[str, Any]
    parent: Row | None = None
    base: str = ""  # the path of the instance

    def __getitem__(self, name: str) -> Any:
        row: Row | None = self
        while row is not None:
            if name in row.values:
                return row.values[name]
            row = row.parent
        raise KeyError(name)

    def turn(self, values: dict[str, Any]) -> Row:
        return Row(values, self, self.base)


class PerRow(Generic[T]):
    """Something that each row has; a loop's turn has what its instance has unless it has its own."""

    def __init__(self, own: dict[Row, T]) -> None:
        self.own = own

    def __getitem__(self, row: Row) -> T:
        found: Row | None = row
        while found is not None:
            if found in self.own:
                return self.own[found]
            found = found.parent
        raise KeyError(row)

    def of(self, rows: Sequence[Row]) -> list[T]:
        return [self[row] for row in rows]

    def has(self, row: Row) -> bool:
        found: Row | None = row
        while found is not None and found not in self.own:
            found = found.parent
        return found is not None


Path: TypeAlias = tuple[str, ...]


@dataclass(eq=False)
class Val:
    """A tensor: its node in every row, and its channels as the constructor says them (None where it cannot)."""

    nodes: PerRow[Node]
    channels: Code | None
    name: str = ""  # what the file calls it
    recalled: bool = False  # the file goes back to it by that name
    rank: int = 4

    def type(self, row: Row) -> TensorType:
        return self.nodes[row].type


@dataclass(eq=False)
class Module:
    """A module to construct: what it is called where nothing else names it, and its constructor."""

    kind: str
    made: Code


@dataclass(eq=False)
class Apply:
    """A module or function applied to values.

    Attributes
    ----------
    paths
        Where its module stands in the class, by row; None for a step without weights.
    modules
        As modules: one for a step with weights; for others what they are in an `nn.Sequential` (empty: they cannot).
    function
        As an expression in `forward`, from its inputs; None where the module is called.
    again
        Whether the module has been constructed by an earlier step (a shared one).
    scope
        The containers around it, for a step without weights.
    wraps
        Whether it reads well around its input: `F.relu(self.bn1(x))`.
    extra
        The results of auxiliary heads inside, in training.
    """

    inputs: tuple[Val, ...]
    output: Val
    rows: Sequence[Row]
    paths: PerRow[Path] | None = None
    modules: tuple[Module, ...] = ()
    function: Callable[[list[Code]], Code] | None = None
    again: bool = False
    scope: Path = ()
    wraps: bool = False
    activation: str | None = None  # the name by which the layer before it may take it over
    trails: bool = False  # it may stand in the container before it: an activation, a pooling
    extra: tuple[Val, ...] = ()
    attribute: str = ""  # what its module is called, once that is settled
    label: str = ""  # the file's name for a step without weights
    naming: Code | None = None  # the last part of its path, as the file computes it
    choice: Branch | None = None  # the `if` of which it is one module
    share: Share | None = None  # what it applies, where that is made once for several uses


@dataclass(eq=False)
class Share:
    """A layer that is made once and applied several times, or a block (`function` of inputs of these `shapes`).

    It is filled in where it is first applied.
    """

    name: str
    rows: Sequence[Row]
    made: Code | None = None
    function: Callable[[list[Code]], Code] | None = None
    shapes: tuple[Code, ...] = ()
    computed: tuple[bool, ...] = ()  # whether more than the size of an input is read
    title: Code | None = None  # the model's name
    variable: str = ""


@dataclass(eq=False)
class Merge:
    entry: Val
    branches: list[tuple[list[Step], Val]]
    output: Val
    rows: Sequence[Row]
    function: Callable[[list[Code]], Code]
    name: str


@dataclass(eq=False)
class Branch:
    """An `if` that the instances decide differently. `outputs` are (after, then's, else's) values."""

    test: Code
    entry: Val | None
    sides: tuple[list[Step], list[Step]]
    rows: tuple[Sequence[Row], Sequence[Row]]
    outputs: list[tuple[Val, Val | None, Val | None]]
    flag: str = ""


@dataclass(eq=False)
class Loop:
    """A `for` whose turns are alike; `carry` is (name, at first, after each turn) where the channels change."""

    target: str
    targets: tuple[str, ...]
    iterable: Code
    count: Code
    index: str
    body: list[Step]
    entry: Val
    exit: Val
    inner: Val
    output: Val
    rows: Sequence[Row]
    turns: dict[Row, list[Row]]
    carry: tuple[str, Code, Code] | None = None
    carries: bool = False  # a module or what follows the loop reads the carried channels
    own_index: bool = False  # the loop needs a counter of its own wherever `index` is read


@dataclass(eq=False)
class Define:
    """A `let` that the constructor computes."""

    name: str
    value: Code


@dataclass(eq=False)
class Head:
    """An auxiliary head: computed in training only."""

    name: str
    body: list[Step]
    output: Val


Step: TypeAlias = Apply | Merge | Branch | Loop | Define | Head | Share


@dataclass(eq=False)
class Parameter:
    """A parameter of a class's constructor.

    `source` says what it is: `channels`, `height`, `width` of the entry or of a tensor (`of`), or a `parameter` of the
    definition by its name in the file.
    """

    name: str
    source: str
    of: str = ""
    default: Code | None = None
    computed: Code | None = None  # a default that depends on other parameters
    kept: bool = True  # the class reads it, so that its constructor has it


@dataclass(eq=False)
class Definition:
    """A finished class, for those who construct it."""

    name: str
    parameters: tuple[Parameter, ...]
    tensors: tuple[str, ...]
    channels: Code | None
    heads: int
    reads: tuple[bool, ...]  # whether its forward reads what enters, and each tensor
    captured: tuple[Val, ...] = ()
    computed: tuple[bool, ...] = ()  # whether more than its size is read, in targets that read sizes from tensors


def child_steps(step: Step) -> Iterator[list[Step]]:
    """The lists of steps inside one."""
    match step:
        case Merge(branches=branches):
            yield from (steps for steps, _ in branches)
        case Branch(sides=sides):
            yield from sides
        case Loop(body=body) | Head(body=body):
            yield body
        case _:
            pass


def every(steps: Sequence[Step]) -> Iterator[Step]:
    """All steps, inner ones too, in order."""
    for step in steps:
        yield step
        for inner in child_steps(step):
            yield from every(inner)


@dataclass(eq=False)
class Lowered:
    """The body of a class."""

    rows: list[Row]
    entries: list[Val]  # what `forward` takes: the flowing value or the net's inputs, then tensors
    steps: list[Step]
    outputs: list[Val]
    heads: list[Val]
    parameters: list[Parameter] = field(default_factory=list)
    repeats: set[Path] = field(default_factory=set)
    reads: tuple[bool, ...] = ()  # whether each entry is read
    computed: tuple[bool, ...] = ()  # and whether more than its size is


def count_uses(steps: Sequence[Step], results: Sequence[Val]) -> Counter[Val]:
    """How often each value is read."""
    uses: Counter[Val] = Counter(results)
    for step in every(steps):
        match step:
            case Apply(inputs=inputs):
                uses.update(inputs)
            case Merge(branches=branches):
                uses.update(end for _, end in branches)
            case Branch(outputs=outputs):
                uses.update(v for _, *ends in outputs for v in ends if v is not None)
            case Loop(entry=entry, exit=exit):
                uses.update((entry, exit))
            case _:
                pass
    return uses


def origin(row: Row) -> Row:
    """The instance that a loop's turn belongs to."""
    while row.parent is not None and row.parent.base == row.base:
        row = row.parent
    return row

"""What a text will say, before it is written: chains of steps, merges, calls of blocks, runs and loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cnnlang.ir import Node
from cnnlang.ops.base import Input, Weight
from cnnlang.signature import Field


@dataclass(slots=True, eq=False)
class Template:
    """A path with numbers in it: `texts` around the numbers, which grow by `slopes` with each turn of a run."""

    texts: list[str]
    numbers: list[int]
    slopes: list[int]
    written: dict[str, str] = field(default_factory=dict)  # numbers that are expressions, as "#0"

    def counted(self) -> str | None:
        """The label without its last number, where that alone counts the turns, from 0, as `* n` does."""
        *before, last = self.slopes or [0]
        is_counted = last == 1 and not any(before) and self.written.get(f"#{len(before)}", str(self.numbers[-1])) == "0"
        if not is_counted or self.texts[-1] or not self.texts[-2].endswith("."):
            return None
        cut = Template([*self.texts[:-2], self.texts[-2][:-1]], self.numbers[:-1], before, self.written)
        return cut.text("")

    def text(self, turn: str) -> str:
        """The label, `turn` being the variable of the run."""
        made = self.texts[0]
        for k, (number, slope) in enumerate(zip(self.numbers, self.slopes, strict=True)):
            base = self.written.get(f"#{k}", str(number))
            grows = turn if slope == 1 else f"{slope}*{turn}"
            if slope and turn.isdigit():  # one turn of a run
                by = slope * int(turn)
                made += str(int(base) + by) if base.isdigit() else f"{{{base} {'+' if by > 0 else '-'} {abs(by)}}}"
            elif slope == 0:
                made += base if base.isdigit() else f"{{{base}}}"
            elif base == "0":
                made += f"{{{grows}}}"
            else:
                made += f"{{{grows} + {base}}}" if base.isdigit() else f"{{{base} + {grows}}}"
            made += self.texts[k + 1]
        return made


@dataclass(slots=True, eq=False)
class Step:
    """An operator with one input; `path` is the path of its weights, None where it has none."""

    node: Node
    path: str | None
    written: dict[str, str] = field(default_factory=dict)  # arguments that are expressions, by name
    label: Template | None = None  # the path with the variables of loops in it
    shared: str | None = None  # the name of the shared layer that it applies


@dataclass(slots=True, eq=False)
class Merge:
    """A merge; the branches whose `base` is the value that flows when the merge begins start with what enters."""

    node: Node
    branches: list[Chain]
    entry: Node | None = None
    test: str | None = None  # the condition on which only the branch that is not `in` is there

    def base(self, chain: Chain) -> Node | None:
        """The value from which a branch begins where that is not what enters."""
        return None if chain.base is self.entry else chain.base


@dataclass(slots=True, eq=False)
class Block:
    """A block: its parameters with their defaults, and its body."""

    name: str
    parameters: list[Parameter]
    body: list[Item]
    entry: Node | None
    key: tuple[Node, Node]
    prefix: str = ""  # of the layers' paths in the body


@dataclass(slots=True, eq=False)
class Parameter:
    """A parameter of a block, or a variable of a loop; `values` are its values, one for each instance or turn."""

    name: str
    values: list[Any]
    default: Any = None


@dataclass(slots=True, eq=False)
class Call:
    """An instance of a block: `items` is what it stands for."""

    block: Block
    arguments: dict[str, Any]
    path: str | None
    items: list[Item]
    node: Node
    entry: Node | None
    written: dict[str, str] = field(default_factory=dict)
    label: Template | None = None


@dataclass(slots=True, eq=False)
class Run:
    """Equal items one after the other: `* n`, or a `for` where their labels are counted.

    `items` are those of the first turn and `turns` all; `first` is a turn before that differs in its arguments.
    """

    turns: list[list[Item]]
    first: list[Item]
    node: Node
    written: dict[str, str] = field(default_factory=dict)

    @property
    def items(self) -> list[Item]:
        return self.turns[0]


@dataclass(slots=True, eq=False)
class Loop:
    """`for`: the variables, each with its values, and the body, which is that of the first turn."""

    variables: list[Parameter]
    body: list[Item]
    turns: list[list[Item]]
    node: Node


Item: TypeAlias = "Step | Merge | Call | Run | Loop"


@dataclass(slots=True, eq=False)
class Chain:
    """Steps that begin at a value; `end` is the value that they make, `test` the condition on which they are there."""

    base: Node | None
    items: list[Item] = field(default_factory=list)
    end: Node | None = None
    test: str | None = None


def layer_path(node: Node) -> str | None:
    """The path of a layer's weights: what stands before the last part; None for a step without any."""
    for weight in node.weights:
        if isinstance(weight.op, Weight):
            return weight.op.path.rpartition(".")[0]
    return None


def shown_fields(node: Node) -> list[Field]:
    """The arguments of an operator that are written: those that are required or not at their default."""
    op = node.op
    return [
        f
        for f in op.fields()
        if f.required or getattr(op, f.name) != (getattr(op, f.same_as) if f.same_as else f.default)
    ]


def entry_of(item: Item) -> Node | None:
    """The value that enters an item."""
    match item:
        case Step():
            return item.node.values[0]
        case Merge() | Call():
            return item.entry
        case Run():
            return entry_of((item.first or item.items)[0])
        case Loop():
            return entry_of(item.body[0])


def is_input(node: Node) -> bool:
    return isinstance(node.op, Input)

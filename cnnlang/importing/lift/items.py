"""What a text will say, before it is written: chains of steps, merges, calls of blocks, runs and loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cnnlang.ir import Node
from cnnlang.ops.base import Input, Weight
from cnnlang.signature import Field


@dataclass(slots=True, eq=False)
class Step:
    """An operator with one input; `path` is the path of its weights, None where it has none."""

    node: Node
    path: str | None
    written: dict[str, str] = field(default_factory=dict)  # arguments that are expressions, by name
    label: str | None = None  # the path as a text with `{expression}` in it
    shared: str | None = None  # the name of the shared layer that it applies


@dataclass(slots=True, eq=False)
class Merge:
    """A merge; the branches whose `base` is the value that flows when the merge begins start with what enters."""

    node: Node
    branches: list[Chain]


@dataclass(slots=True, eq=False)
class Block:
    """A block: its parameters with their defaults, and its body."""

    name: str
    parameters: list[Parameter]
    body: list[Item]
    entry: Node | None
    comment: str = ""


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
    label: str | None = None


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


def is_input(node: Node) -> bool:
    return isinstance(node.op, Input)

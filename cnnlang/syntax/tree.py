"""The syntax tree: one dataclass a grammar rule. Nothing here knows an operator.

Two trees are equal when they say the same; places and the way a number is written do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from cnnlang.source import Span


@dataclass(frozen=True, slots=True)
class Tree:
    span: Span = field(compare=False, repr=False)


# --- expressions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant(Tree):
    """A number, string, truth value or `none`; `text` is how it was written (`60_192_808`, `5M`, `1e-3`)."""

    value: int | float | str | bool | None
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pair(Tree):
    """`5x3`: height 5, width 3."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Name(Tree):
    name: str


@dataclass(frozen=True, slots=True)
class In(Tree):
    """`in`, what entered the innermost merge, block or net."""


@dataclass(frozen=True, slots=True)
class ListExpr(Tree):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class TupleExpr(Tree):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class DictExpr(Tree):
    """`{ face = cross_entropy, box = 0.5 * mse }`, in sections only."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Unary(Tree):
    """`op` is `-`, `+` or `not`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Power(Tree):
    base: Expr
    exponent: Expr


@dataclass(frozen=True, slots=True)
class Arithmetic(Tree):
    """`first op operand op operand ...`, one level of precedence (`+ -` or `* / // %`), from left to right."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Compare(Tree):
    """A chained comparison; each op is one of `== != < <= > >= in`, `not in`."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Logic(Tree):
    """`a and b and c` or `a or b or c`."""

    op: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Tree):
    """`then if test else otherwise`."""

    then: Expr
    test: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Index(Tree):
    value: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Attribute(Tree):
    """`in.channels`, `logits.channels`; `value` is an `In` or a `Name`."""

    value: Expr
    name: Name


@dataclass(frozen=True, slots=True)
class Argument(Tree):
    name: Name | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Tree):
    """`conv(6, 5x5)`; a bare `relu` has no parentheses (`parens` False) and no arguments."""

    name: Name
    arguments: tuple[Argument, ...] = ()
    parens: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Pipeline(Tree):
    """`shift(2) -> rotate(10)` as a value in a section; also `mean { | in | hflip }` (a chain of one step)."""

    chain: Chain


Expr: TypeAlias = (
    Constant
    | Pair
    | Name
    | In
    | ListExpr
    | TupleExpr
    | DictExpr
    | Unary
    | Power
    | Arithmetic
    | Compare
    | Logic
    | Conditional
    | Index
    | Attribute
    | Call
    | Pipeline
)


# --- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Template(Tree):
    """A string label, `"layer{i+1}.{j}"`: literal texts and expressions in turn."""

    parts: tuple[str | Expr, ...]


Label: TypeAlias = Name | Template


@dataclass(frozen=True, slots=True)
class Branch(Tree):
    """The statements from a `|` (where `bar` points) up to the next `|` or the `}`."""

    bar: Span = field(compare=False, repr=False)
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Merge(Tree):
    """`add { | a | b }`."""

    name: Name
    arguments: tuple[Argument, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Braces(Tree):
    """`{ ... }` as a step."""

    body: tuple[Statement, ...]


Action: TypeAlias = Call | Merge | Braces | In


@dataclass(frozen=True, slots=True)
class Step(Tree):
    """`action * times as label : [shape]`; an action without parentheses may be the name of a value."""

    action: Action
    times: Expr | None = None
    label: Label | None = None
    shape: tuple[Expr, ...] | None = None


@dataclass(frozen=True, slots=True)
class Chain(Tree):
    """`step -> step -> ...`."""

    steps: tuple[Step, ...]


# --- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry(Tree):
    """`key = value`."""

    key: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class Input(Tree):
    """`input image: [N, 3, 224, 224] { mean = ... }`."""

    name: Name
    shape: tuple[Expr, ...]
    metadata: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels(Tree):
    """`labels ["cat", "dog"]` or `labels "imagenet.txt"`."""

    value: Expr


@dataclass(frozen=True, slots=True)
class OutputItem(Tree):
    """`a` (a value's name) or `b = chain`."""

    name: Name
    chain: Chain | None = None


@dataclass(frozen=True, slots=True)
class Output(Tree):
    """`output a, b = chain`."""

    items: tuple[OutputItem, ...]


@dataclass(frozen=True, slots=True)
class Aux(Tree):
    """`aux head1(weight=0.3) = c2 -> ...`."""

    name: Name
    arguments: tuple[Argument, ...]
    chain: Chain


@dataclass(frozen=True, slots=True)
class Section(Tree):
    """`train`, `predict` or `meta` `{ key = value ... }`."""

    kind: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Check(Tree):
    """`check { params == 61_706, depth == 5 }`."""

    conditions: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Let(Tree):
    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class Group(Tree):
    """`group features { }` or `group "layer{i+1}" { }`."""

    label: Label
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Shared(Tree):
    """`shared enc = Encoder(128)`."""

    name: Name
    call: Call


@dataclass(frozen=True, slots=True)
class TupleTarget(Tree):
    """`(a, b)` among the names of a `for`."""

    items: tuple[Target, ...]


Target: TypeAlias = Name | TupleTarget


@dataclass(frozen=True, slots=True)
class For(Tree):
    targets: tuple[Target, ...]
    iterable: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class If(Tree):
    """`if test { then } else { otherwise }`; `else if` is an `otherwise` of one `If`; None where there is no `else`."""

    test: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] | None = None


Statement: TypeAlias = (
    Chain | Input | Labels | Output | Aux | Section | Check | Let | Group | Shared | For | If
)


# --- files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImportName(Tree):
    name: Name
    alias: Name | None = None


@dataclass(frozen=True, slots=True)
class Import(Tree):
    """`from "blocks.cnn" import a, b as c`, or `from std.resnet import a`, whose `origin` is the name `std.resnet`."""

    origin: Constant | Name
    names: tuple[ImportName, ...]


@dataclass(frozen=True, slots=True)
class Parameter(Tree):
    """`stride=1`, `width`, `skip: tensor`."""

    name: Name
    default: Expr | None = None
    tensor: bool = False


@dataclass(frozen=True, slots=True)
class Block(Tree):
    name: Name
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Net(Tree):
    name: Name
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Variant(Tree):
    """`net ResNet50 = ResNet([3, 4, 6, 3]) { check { ... } }`."""

    name: Name
    base: Call
    sections: tuple[Statement, ...] = ()


Item: TypeAlias = Import | Block | Net | Variant


@dataclass(frozen=True, slots=True)
class File(Tree):
    version: int
    items: tuple[Item, ...]

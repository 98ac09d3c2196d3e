"""The syntax tree: one dataclass a grammar rule. Nothing here knows an operator.

Two trees are equal when they say the same; places and the way a number is written do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeAlias, TypeVar, dataclass_transform

from cnnlang.source import Span

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def rule(cls: type[T]) -> type[T]:
    """A frozen dataclass whose equality is `Tree`'s: writing one for each class takes longer than reading a file."""
    return dataclass(frozen=True, slots=True, eq=False, repr=False)(cls)


@rule
class Tree:
    span: Span = field(compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash((type(self), *self._said()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._said()))})"

    def _said(self) -> tuple[Any, ...]:
        """What the fields say; places and ways of writing say nothing."""
        names = _said_by(type(self))  # type: ignore[arg-type]  # mypy takes the class's __hash__ for its instances'
        return tuple(getattr(self, name) for name in names)


@cache
def _said_by(cls: type[Any]) -> tuple[str, ...]:
    """The fields that say something; places and ways of writing do not."""
    return tuple(f.name for f in fields(cls) if f.compare)


# --- expressions ------------------------------------------------------------------------------------------------------


@rule
class Constant(Tree):
    """A number, string, truth value or `none`; `text` is how it was written (`60_192_808`, `5M`, `1e-3`)."""

    value: int | float | str | bool | None
    text: str = field(compare=False)


@rule
class Pair(Tree):
    """`5x3`: height 5, width 3."""

    height: int
    width: int


@rule
class Name(Tree):
    name: str


@rule
class In(Tree):
    """`in`, what entered the innermost merge, block or net."""


@rule
class ListExpr(Tree):
    items: tuple[Expr, ...]


@rule
class TupleExpr(Tree):
    items: tuple[Expr, ...]


@rule
class DictExpr(Tree):
    """`{ face = cross_entropy, box = 0.5 * mse }`, in sections only."""

    entries: tuple[Entry, ...]


@rule
class Unary(Tree):
    """`op` is `-`, `+` or `not`."""

    op: str
    operand: Expr


@rule
class Power(Tree):
    base: Expr
    exponent: Expr


@rule
class Arithmetic(Tree):
    """`first op operand op operand ...`, one level of precedence (`+ -` or `* / // %`), from left to right."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@rule
class Compare(Tree):
    """A chained comparison; each op is one of `== != < <= > >= in`, `not in`."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@rule
class Logic(Tree):
    """`a and b and c` or `a or b or c`."""

    op: str
    operands: tuple[Expr, ...]


@rule
class Conditional(Tree):
    """`then if test else otherwise`."""

    then: Expr
    test: Expr
    otherwise: Expr


@rule
class Index(Tree):
    value: Expr
    index: Expr


@rule
class Attribute(Tree):
    """`in.channels`, `logits.channels`; `value` is an `In` or a `Name`."""

    value: Expr
    name: Name


@rule
class Argument(Tree):
    name: Name | None
    value: Expr


@rule
class Call(Tree):
    """`conv(6, 5x5)`; a bare `relu` has no parentheses (`parens` False) and no arguments."""

    name: Name
    arguments: tuple[Argument, ...] = ()
    parens: bool = field(default=False, compare=False)


@rule
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


@rule
class Template(Tree):
    """A string label, `"layer{i+1}.{j}"`: literal texts and expressions in turn."""

    parts: tuple[str | Expr, ...]


Label: TypeAlias = Name | Template


@rule
class Branch(Tree):
    """The statements from a `|` (where `bar` points) up to the next `|` or the `}`."""

    bar: Span = field(compare=False, repr=False)
    body: tuple[Statement, ...]


@rule
class Merge(Tree):
    """`add { | a | b }`."""

    name: Name
    arguments: tuple[Argument, ...]
    branches: tuple[Branch, ...]


@rule
class Braces(Tree):
    """`{ ... }` as a step."""

    body: tuple[Statement, ...]


Action: TypeAlias = Call | Merge | Braces | In


@rule
class Step(Tree):
    """`action * times as label : [shape]`; an action without parentheses may be the name of a value."""

    action: Action
    times: Expr | None = None
    label: Label | None = None
    shape: tuple[Expr, ...] | None = None


@rule
class Chain(Tree):
    """`step -> step -> ...`."""

    steps: tuple[Step, ...]


# --- statements -------------------------------------------------------------------------------------------------------


@rule
class Entry(Tree):
    """`key = value`."""

    key: Name
    value: Expr


@rule
class Input(Tree):
    """`input image: [N, 3, 224, 224] { mean = ... }`."""

    name: Name
    shape: tuple[Expr, ...]
    metadata: tuple[Entry, ...] = ()


@rule
class Labels(Tree):
    """`labels ["cat", "dog"]` or `labels "imagenet.txt"`."""

    value: Expr


@rule
class OutputItem(Tree):
    """`a` (a value's name) or `b = chain`."""

    name: Name
    chain: Chain | None = None


@rule
class Output(Tree):
    """`output a, b = chain`."""

    items: tuple[OutputItem, ...]


@rule
class Aux(Tree):
    """`aux head1(weight=0.3) = c2 -> ...`."""

    name: Name
    arguments: tuple[Argument, ...]
    chain: Chain


@rule
class Section(Tree):
    """`train`, `predict` or `meta` `{ key = value ... }`."""

    kind: str
    entries: tuple[Entry, ...]


@rule
class Check(Tree):
    """`check { params == 61_706, depth == 5 }`."""

    conditions: tuple[Expr, ...]


@rule
class Let(Tree):
    name: Name
    value: Expr


@rule
class Group(Tree):
    """`group features { }` or `group "layer{i+1}" { }`."""

    label: Label
    body: tuple[Statement, ...]


@rule
class Shared(Tree):
    """`shared enc = Encoder(128)`."""

    name: Name
    call: Call


@rule
class TupleTarget(Tree):
    """`(a, b)` among the names of a `for`."""

    items: tuple[Target, ...]


Target: TypeAlias = Name | TupleTarget


@rule
class For(Tree):
    targets: tuple[Target, ...]
    iterable: Expr
    body: tuple[Statement, ...]


@rule
class If(Tree):
    """`if test { then } else { otherwise }`; `else if` is an `otherwise` of one `If`; None where there is no `else`."""

    test: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] | None = None


Statement: TypeAlias = Chain | Input | Labels | Output | Aux | Section | Check | Let | Group | Shared | For | If


# --- files ------------------------------------------------------------------------------------------------------------


@rule
class ImportName(Tree):
    name: Name
    alias: Name | None = None


@rule
class Import(Tree):
    """`from "blocks.cnn" import a, b as c`, or `from std.resnet import a`, whose `origin` is the name `std.resnet`."""

    origin: Constant | Name
    names: tuple[ImportName, ...]


@rule
class Parameter(Tree):
    """`stride=1`, `width`, `skip: tensor`."""

    name: Name
    default: Expr | None = None
    tensor: bool = False


@rule
class Block(Tree):
    name: Name
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@rule
class Net(Tree):
    name: Name
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@rule
class Variant(Tree):
    """`net ResNet50 = ResNet([3, 4, 6, 3]) { check { ... } }`."""

    name: Name
    base: Call
    sections: tuple[Statement, ...] = ()


Item: TypeAlias = Import | Block | Net | Variant


@rule
class File(Tree):
    version: int
    items: tuple[Item, ...]

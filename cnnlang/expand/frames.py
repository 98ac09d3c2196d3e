"""Where an expansion stands: the names in sight, the value that flows, and the part of the path that is open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from cnnlang.diagnostics import Edit, Help
from cnnlang.dims import Term
from cnnlang.expand.cures.flow import both_sides, sized
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.evaluate import Evaluator
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.ir import Node, TensorType
from cnnlang.ops.base import Input, Leaf
from cnnlang.signature import Value
from cnnlang.source import Expansion, Span
from cnnlang.syntax import tree

if TYPE_CHECKING:
    from cnnlang.expand.modules import Definition, Module
    from cnnlang.ops.base import Op
    from cnnlang.program import Scope


class Placeholder(Leaf):
    """A value that is not there, so that an expansion goes on after an error."""

    name = "unknown"


SIZES = ("channels", "height", "width")

UNKNOWN = Node(Placeholder(()), (), TensorType(()), name="unknown")  # an error before it has been reported
ABSENT = Node(Placeholder(()), (), TensorType(()), name="absent")  # nothing flows here: a net of several inputs


@dataclass(frozen=True, slots=True)
class Number:
    """A compile-time value that a name stands for."""

    value: Value


@dataclass(slots=True, eq=False)
class SharedValue:
    """What `shared` made: applied any number of times, with one set of weights."""

    statement: tree.Shared
    naming: Naming
    frame: Frame
    target: Definition | Op
    values: dict[str, Value]
    tensors: dict[str, Node]
    scope: Scope | None = None
    first: TensorType | None = None


Binding: TypeAlias = Number | Node | SharedValue


@dataclass(slots=True)
class Env:
    """Names and what they stand for, innermost first."""

    outer: Env | None = None
    own: dict[str, Binding] = field(default_factory=dict)

    def find(self, name: str) -> Binding | None:
        env: Env | None = self
        while env is not None:
            if name in env.own:
                return env.own[name]
            env = env.outer
        return None

    def is_outermost(self, name: str) -> bool:
        """Whether no loop, branch or braces bind a name."""
        env = self
        while env.outer is not None:
            if name in env.own:
                return False
            env = env.outer
        return True

    def numbers(self) -> list[str]:
        """The names in sight that stand for a compile-time value, innermost first."""
        names: dict[str, Binding] = {}
        env: Env | None = self
        while env is not None:
            names = {**names, **{n: b for n, b in env.own.items() if n not in names}}
            env = env.outer
        return [name for name, binding in names.items() if isinstance(binding, Number)]


@dataclass(slots=True)
class Naming:
    """One open part of a path: how many layers of each kind it has so far."""

    path: str
    counts: Counter[str] = field(default_factory=Counter)
    conditional: dict[str, dict[Span, bool]] = field(default_factory=dict)  # the `if`s that a kind's count depends on:
    # whether each is decided alike in every turn of a loop around it

    def inside(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


@dataclass(slots=True)
class Frame:
    """A body that is being expanded. `value` is what flows; `entry` is what `in` means."""

    env: Env
    naming: Naming
    module: Module
    value: Node
    entry: Node
    within: Expansion | None = None
    replay: bool = False  # a shared value applied again: its weights are there
    is_root: bool = False

    def inner(self, **changes: object) -> Frame:
        """The same place with names of its own."""
        return replace(self, env=Env(self.env), is_root=False, **changes)  # type: ignore[arg-type]

    def place(self, span: Span) -> Span:
        """A span as reached through the expansions that lead here."""
        return span.inside(self.within)

    def not_made(self, name: str, span: Span, findings: Findings) -> Abandon:
        """Report a name that has no value here, though it is made somewhere in the definition."""
        made = self.module.bound.get(name)
        place = f"it is made at {made}, in an `if` that is not taken" if made else ""
        return findings.report(
            "E0301",
            f"`{name}` has no value here",
            self.place(span),
            notes=(place,) if place else (),
            help=(both_sides(name, self.module.sides.get(name)),),
        )

    def evaluator(self, findings: Findings) -> Evaluator:
        return Evaluator(FrameNames(self, findings), findings, self.within)


@dataclass(slots=True)
class FrameNames:
    """The names of a frame, for expressions."""

    frame: Frame
    findings: Findings

    def value_of(self, name: tree.Name) -> Value:
        found = self.frame.env.find(name.name)
        if isinstance(found, Number):
            return found.value
        if found is None and name.name == "N":
            return Term.variable("N")
        if found is UNKNOWN:
            raise Abandon
        raise self._missing(name)

    def attribute_of(self, attribute: tree.Attribute) -> Value:
        if isinstance(attribute.value, tree.In):
            node: Binding | None = self.frame.entry
        else:
            assert isinstance(attribute.value, tree.Name)  # the grammar allows no other
            node = self.frame.env.find(attribute.value.name)
            if not isinstance(node, Node):
                raise self._missing(attribute.value)
        assert isinstance(node, Node)
        if node is UNKNOWN:
            raise Abandon
        if node is ABSENT:
            inputs = [n for n, b in self.frame.env.own.items() if isinstance(b, Node) and isinstance(b.op, Input)]
            edits = (Edit(attribute.value.span, inputs[0]),) if inputs else ()
            raise self.findings.report(
                "E0317",
                "nothing flows here: the net has several inputs",
                self.frame.place(attribute.span),
                help=(Help("write an input's name in place of `in`", edits),),
            )
        what = attribute.name.name
        if what not in SIZES:  # only what is not resolved before: the conditions of a `check`
            message = f"a value has no `{what}`; it has `channels`, `height` and `width`"
            place = attribute.name.span
            raise self.findings.report("E0301", message, place, help=did_you_mean(what, SIZES, place))
        if what != "channels" and node.type.rank != 4:
            raise self.findings.report(
                "E0201",
                f"{node.type} has no {what}",
                self.frame.place(attribute.span),
                help=(
                    Help("only a map [N, C, H, W] has a height and a width", (Edit(attribute.name.span, "channels"),)),
                ),
            )
        return node.type.shape[1 + SIZES.index(what)]

    def numbers(self) -> list[str]:
        return self.frame.env.numbers()

    def sized(self, size: Term) -> tuple[Help, ...]:
        return sized(size, self.frame.module.inputs)

    def _missing(self, name: tree.Name) -> Abandon:
        return self.frame.not_made(name.name, name.span, self.findings)

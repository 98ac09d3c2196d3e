"""Applying an operator: its arguments, its weights and their paths, its shape, the limits, and what is worth a lint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cnnlang.diagnostics import Help
from cnnlang.dims import Dim, Term
from cnnlang.errors import OperatorError
from cnnlang.expand.arguments import Callee, evaluated, match_arguments
from cnnlang.expand.bounds import MAX_PARTS, too_long
from cnnlang.expand.cures import operator as cures
from cnnlang.expand.cures.call import in_the_call
from cnnlang.expand.cures.flow import missing_flow, sized
from cnnlang.expand.cures.removal import remove_label
from cnnlang.expand.findings import Abandon, Enough, Findings
from cnnlang.expand.frames import ABSENT, UNKNOWN, Frame
from cnnlang.expand.paths import Paths, automatic, label_path
from cnnlang.ir import Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed, Op, Weight, WeightSpec
from cnnlang.ops.window import unseen
from cnnlang.program import Layer, Trace
from cnnlang.signature import Value
from cnnlang.source import Span
from cnnlang.syntax import tree

MAX_STEPS = 1_000_000
LAYER_STEPS = 5  # what a layer counts for among them
MAX_LAYERS = 100_000
MAX_ELEMENTS = 2**40

Traces = tuple[Trace, ...]


def _key(value: Value) -> object | None:
    """What two equal values of one type share, for simple values and pairs of them; None for others."""
    if isinstance(value, tuple):
        return (*map(type, value), value) if all(isinstance(v, int) for v in value) else None
    return (type(value), value) if isinstance(value, int | float | str | None) else None


class LimitReached(Exception):
    """A limit of the language is passed, which is reported; the net is not expanded further."""


class Layers(ABC):
    """What has been made so far, and how an operator joins it.

    Attributes
    ----------
    net
        The definition that is expanded, a variant's base.
    inputs
        The net's inputs, with the statements that declare them.
    weights
        The weights made, by path.
    made
        Every node made by an operator, in order.
    """

    def __init__(self, net: tree.Net, findings: Findings) -> None:
        self.net = net
        self.findings = findings
        self._reported = findings.reported
        self.paths = Paths(findings)
        self.inputs: list[tuple[tree.Input, Node]] = []
        self.weights: dict[str, Node] = {}
        self.made: list[Node] = []
        self._operators: dict[tuple[object, ...], Op] = {}  # by the call and the values of its arguments
        self.parameters: Dim = 0

    @property
    def failed(self) -> bool:
        """Whether this expansion has reported an error, be it one that was known before."""
        return self.findings.reported > self._reported

    @abstractmethod
    def body(self, statements: tuple[tree.Statement, ...], frame: Frame) -> Traces:
        """Expand statements in order; `frame.value` is then what leaves."""

    @contextmanager
    def _loop(self) -> Iterator[None]:
        self.findings.loops += 1
        try:
            yield
        finally:
            self.findings.loops -= 1

    def _tick(self, span: Span, frame: Frame, count: int = 1) -> None:
        """Count steps, over all nets of the file; beyond the limit all work ends."""
        self.findings.steps += count
        if self.findings.steps > MAX_STEPS:
            help = (Help("make the nets smaller, or divide the file"),)
            message = f"expanding takes more than {MAX_STEPS:_} steps"
            self.findings.report("E0311", message, frame.place(span), help=help)
            raise Enough

    def _limit(self, message: str, span: Span, frame: Frame, cure: str = "make the net smaller") -> None:
        self.findings.report("E0311", message, frame.place(span), help=(Help(cure),))
        raise LimitReached

    def _operator(self, call: tree.Call | tree.Merge, cls: type[Op], frame: Frame) -> Op:
        """The operator with its arguments, each error put where the argument stands."""
        bound = match_arguments(call.arguments, Callee.of_declared(cls), call.span, self.findings)
        values = evaluated(bound, frame.evaluator(self.findings).evaluate)
        key = (id(call), *(_key(value) for value in values.values()))
        if None not in key:
            if key not in self._operators:
                self._operators[key] = self._new_operator(call, cls, bound, values, frame)
            return self._operators[key]
        return self._new_operator(call, cls, bound, values, frame)

    def _new_operator(
        self,
        call: tree.Call | tree.Merge,
        cls: type[Op],
        bound: Mapping[str, tree.Argument],
        values: Mapping[str, Value],
        frame: Frame,
    ) -> Op:
        wrong = [self._refused(cls, name, value, call, frame) for name, value in values.items()]
        for reported in wrong:
            if reported is not None:
                raise reported
        try:
            return cls.make(values)
        except OperatorError as error:
            raise self._rejected(error, None, call, frame) from None

    def _refused(
        self, cls: type[Op], name: str, value: Value, call: tree.Call | tree.Merge, frame: Frame
    ) -> Abandon | None:
        """Report a value that an argument cannot have, whatever the others are."""
        place = cures.argument_span
        if isinstance(value, Term):
            message = f"`{name}` must be a number, and {value} is symbolic"
            help = sized(value, [s for s, _ in self.inputs])
            return self.findings.report("E0205", message, frame.place(place(call, name)), help=help)
        try:
            cls.form(next(f for f in cls.fields() if f.name == name), value)
        except OperatorError as error:
            help = in_the_call(cures.refused_value(error, call, value, frame.value), frame)
            return self.findings.report(error.code, error.message, frame.place(place(call, name)), help=help)
        return None

    def _rejected(
        self,
        error: OperatorError,
        op: Op | None,
        call: tree.Call | tree.Merge,
        frame: Frame,
        used: Span | None = None,
    ) -> Abandon:
        """An operator's own error, as a diagnostic at the argument that it names.

        `used` is where the operator is applied, if not where it is called: a `shared` one.
        """
        written = cures.written_argument(call, error.argument)
        place = written.value.span if written else used or cures.argument_span(call, None)
        return self.findings.report(
            error.code,
            error.message,
            frame.place(place),
            notes=cures.trail(frame.value) if error.code.startswith("E02") else (),
            help=in_the_call(cures.operator_help(error, op, call, frame.value, self.inputs, used or call.span), frame),
        )

    def _layer(self, step: tree.Step, call: tree.Call, frame: Frame, name: str | None) -> Traces:
        """Apply an operator; `name` is its part of the path where a repetition gives it."""
        op = self._operator(call, OPERATORS[call.name.name], frame)
        if frame.value is UNKNOWN:
            raise Abandon
        if frame.value is ABSENT:
            raise self._nothing_flows(call.span, frame)
        try:
            specs = op.weights(frame.value.type)
        except OperatorError as error:
            raise self._rejected(error, op, call, frame) from None
        has_path = any(spec.values is None for spec in specs)
        if isinstance(step.label, tree.Template) and not has_path:
            raise self._label_without_weights(step, frame)
        if has_path and name is None:
            automatic_name = automatic(call.name.name, frame, step, self.findings)
            name = label_path(step.label, frame, self.findings) if step.label is not None else automatic_name
        part = name if has_path else None
        path = frame.naming.inside(part) if part else ""
        if part and not frame.replay:
            self.paths.claim(path, "layer", frame.place(step.span), step, frame.naming.path)
        node = self._apply(op, specs, path, step, call, frame)
        return (Layer(step, node, part),)

    def _apply(
        self, op: Op, specs: tuple[WeightSpec, ...], path: str, step: tree.Step, call: tree.Call, frame: Frame
    ) -> Node:
        span = frame.place(call.span)
        weights = [self._weight(spec, f"{path}.{spec.name}", call, frame) for spec in specs]
        name = path or (step.label.name if isinstance(step.label, tree.Name) else op.name)
        try:
            node = Node.of(op, frame.value, *weights, span=span, name=name)
        except OperatorError as error:
            raise self._rejected(error, op, call, frame, step.action.span) from None
        self._check_elements(node.type.shape, call.span, frame)
        self._lint_layer(op, frame.value, call, frame)
        self._made(node, call.span, frame)
        return node

    def _made(self, node: Node, span: Span, frame: Frame) -> None:
        self.made.append(node)
        self._tick(span, frame, LAYER_STEPS)
        if len(self.made) > MAX_LAYERS:
            self._limit(f"a net has at most {MAX_LAYERS:_} layers", span, frame)
        frame.value = node

    def _weight(self, spec: WeightSpec, path: str, call: tree.Call, frame: Frame) -> Node:
        self._check_elements((1, *spec.shape), call.span, frame)
        span = frame.place(call.span)
        if spec.values is not None:
            return Node.of(Fixed(spec.shape, spec.values), span=span)
        if frame.replay and path in self.weights:
            node = self.weights[path]
            if node.type.shape != spec.shape:
                raise self.findings.report(
                    "E0210",
                    f"`{path}` is shared: it is {list(node.type.shape)}, and would have to be {list(spec.shape)} here",
                    span,
                    notes=cures.trail(frame.value),
                    help=(Help("what enters a shared layer has the same channels each time"),),
                )
            return node
        if spec.trained:
            for_net: Dim = 1
            for dim in spec.shape:
                for_net = for_net * dim
            self.parameters = self.parameters + for_net
            if isinstance(self.parameters, int) and self.parameters > MAX_ELEMENTS:
                self._limit("a net has at most 2**40 parameters", call.span, frame)
        self.weights[path] = Node.of(Weight(spec.shape, path, spec), span=span, name=path)
        return self.weights[path]

    def _check_elements(self, shape: tuple[Dim, ...], span: Span, frame: Frame) -> None:
        count = 1
        for dim in shape[1:]:
            if isinstance(dim, int):
                count *= dim
            elif too_long(dim):
                cure = "declare the input's size as numbers, or as a multiple such as 16*H"
                self._limit(f"a size of this map is a formula with more than {MAX_PARTS:_} parts", span, frame, cure)
        if count > MAX_ELEMENTS:
            sizes = " x ".join(f"{d:_}" if isinstance(d, int) else str(d) for d in shape[1:])
            self._limit(
                f"a tensor has at most 2**40 elements, and this one would have {count:_} ({sizes})", span, frame
            )

    def _lint_layer(self, op: Op, x: Node, call: tree.Call, frame: Frame) -> None:
        order = cures.foreign_order(call, x) if op.name in ("conv", "deconv") and x.type.rank == 4 else ()
        rows, columns = unseen(op, x.type) if x.type.rank == 4 else (0, 0)
        if order:
            self.findings.report(
                "W0511",
                f"this reads `{op}`, and looks like another order: channels in, channels out, kernel",
                frame.place(call.span),
                help=order,
            )
        elif rows or columns:
            parts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((rows, "row"), (columns, "column")) if n]
            self.findings.report(
                "W0505",
                f"`{op.name}` never sees the last {' and '.join(parts)} of {x.type}",
                frame.place(call.span),
                help=(
                    Help("if that is meant, say so: `# allow W0505`", (cures.allowing(call.span, "W0505"),)),
                    Help("otherwise add padding, or choose another size"),
                ),
            )
        if op.name in ("softmax", "log_softmax") and x.op.name in ("softmax", "log_softmax"):
            self.findings.report(
                "W0507",
                f"`{op.name}` after `{x.op.name}`: the values are probabilities already",
                frame.place(call.span),
                help=(Help("take one of them away", cures.remove_step(call)),),
            )

    def _nothing_flows(self, span: Span, frame: Frame) -> Abandon:
        names = ", ".join(f"`{s.name.name}`" for s, _ in self.inputs)
        words = (
            f"nothing flows here: begin the line with an input's name ({names})"
            if names
            else "the net has no input before this step"
        )
        help = missing_flow(self.inputs, span, self.net)
        return self.findings.report("E0316", words, frame.place(span), help=help)

    def _label_without_weights(self, step: tree.Step, frame: Frame) -> Abandon:
        assert step.label is not None
        return self.findings.report(
            "E0313",
            "a label in quotes names weights, and this step has none",
            frame.place(step.label.span),
            help=(Help("take it away; a name without quotes names the value", (remove_label(step),)),),
        )

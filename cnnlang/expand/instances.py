"""Applying what owns weights of its own: blocks, nets applied as blocks, and `shared` values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.errors import OperatorError
from cnnlang.expand.arguments import evaluated, match_arguments
from cnnlang.expand.cures.operator import trail
from cnnlang.expand.cures.removal import at
from cnnlang.expand.findings import Abandon
from cnnlang.expand.frames import ABSENT, UNKNOWN, Env, Frame, Naming, Number, SharedValue
from cnnlang.expand.layers import Layers, Traces
from cnnlang.expand.modules import Definition
from cnnlang.ir import Node, TensorType
from cnnlang.ops.base import Op, WeightSpec
from cnnlang.ops.merge import projection
from cnnlang.program import Applied, Layer, Scope
from cnnlang.signature import Value, show_short
from cnnlang.source import Expansion
from cnnlang.syntax import tree

INSTANCE_STEPS = 10  # what an instance counts for among the steps of an expansion


class Instances(Layers):
    """How an instance joins what has been made."""

    def _call_values(
        self, call: tree.Call, definition: Definition, frame: Frame
    ) -> tuple[dict[str, Value], dict[str, Node]]:
        """The values and tensors that a call gives a definition."""
        callee = definition.callee
        bound = match_arguments(call.arguments, callee, call.span, self.findings)
        tensors: dict[str, Node] = {}
        for slot in callee.slots:
            if slot.tensor and slot.name in bound:
                value = bound.pop(slot.name).value
                node = (
                    frame.entry
                    if isinstance(value, tree.In)
                    else frame.env.find(value.name)
                    if isinstance(value, tree.Name)
                    else None
                )
                if not isinstance(node, Node):
                    raise frame.not_made(value.span.text, value.span, self.findings)
                tensors[slot.name] = node
        return evaluated(bound, frame.evaluator(self.findings).evaluate), tensors

    def _bind_parameters(self, definition: Definition, values: Mapping[str, Value], frame: Frame) -> dict[str, Value]:
        """Bind every compile-time parameter in a frame, defaults in order; the answer is their values."""
        result: dict[str, Value] = {}
        for parameter in definition.parameters:
            name = parameter.name.name
            if parameter.tensor:
                continue
            if name in values:
                result[name] = values[name]
            else:
                assert parameter.default is not None  # a call that leaves it out is refused before
                result[name] = frame.evaluator(self.findings).evaluate(parameter.default)
            frame.env.own[name] = Number(result[name])
        return result

    def _instance(self, step: tree.Step, call: tree.Call, frame: Frame, name: str) -> Traces:
        definition = frame.module.definitions[call.name.name]
        values, tensors = self._call_values(call, definition, frame)
        path = frame.naming.inside(name)
        if not frame.replay:
            self.paths.claim(path, "scope", frame.place(step.span), step, frame.naming.path)
        scope, entry, body = self._expand_block(
            definition, values, tensors, call, name, Naming(path), frame, frame.replay
        )
        return (Applied(step, scope, entry, frame.value, tensors, body),)

    def _expand_block(
        self,
        definition: Definition,
        values: Mapping[str, Value],
        tensors: Mapping[str, Node],
        call: tree.Call,
        name: str,
        naming: Naming,
        frame: Frame,
        replay: bool,
    ) -> tuple[Scope, Node, Traces]:
        """Expand a block's body on `frame.value`, which is then its result."""
        base = base_of(definition)
        syntax = base.syntax
        self._tick(call.span, frame, INSTANCE_STEPS)
        assert not isinstance(syntax, tree.Variant)
        entry = frame.value
        if entry is ABSENT:
            raise self._nothing_flows(call.span, frame)
        if sum(isinstance(s, tree.Input) for s in syntax.body) > 1:
            raise self.findings.report(
                "E0316",
                f"net `{definition.name}` has several inputs, so it cannot be applied as a block",
                frame.place(call.span),
                help=(Help("a block takes one value, and others as parameters: `block pair(other: tensor)`"),),
            )
        shown = ", ".join(
            [*(f"{k}={show_short(v)}" for k, v in values.items()), *(f"{k}={n.name}" for k, n in tensors.items())]
        )
        within = Expansion(f"{definition.name}({shown})", frame.place(call.span))
        inner = Frame(Env(own=dict(tensors)), naming, base.module, entry, entry, within, replay)
        arguments = self._bind_parameters(definition, values, inner)
        scope = Scope("block", name, naming.path, syntax, arguments, call, entry)
        body = self.body(syntax.body, inner)
        scope.body, scope.output = body, inner.value
        frame.value = inner.value
        return scope, entry, body

    def _shared_again(self, step: tree.Step, shared: SharedValue, frame: Frame) -> Traces:
        if isinstance(step.label, tree.Template):
            raise self._label_without_weights(step, frame)
        call, name = shared.statement.call, shared.statement.name.name
        first = shared.scope is None
        replay = shared.frame.replay or not first
        if isinstance(shared.target, Op):
            if frame.value is UNKNOWN:
                raise Abandon
            if frame.value is ABSENT:
                raise self._nothing_flows(step.span, frame)
            here = replace(frame, replay=replay)
            try:
                specs = shared.target.weights(frame.value.type)
            except OperatorError as error:
                raise self._rejected(error, shared.target, call, frame, step.action.span) from None
            self._fits_shared(shared, specs, step, frame)
            node = self._apply(shared.target, specs, shared.naming.path, step, call, here)
            frame.value = node
            if first:
                shared.first = node.inputs[0].type
                shared.scope = Scope("shared", name, shared.naming.path, None, {}, call, node.inputs[0], node)
            return (Layer(step, node, name),)
        naming = Naming(shared.naming.path)
        scope, entry, body = self._expand_block(
            shared.target, shared.values, shared.tensors, call, name, naming, frame, replay
        )
        if shared.scope is None:
            scope.kind = "shared"
            shared.scope = scope
        return (Applied(step, shared.scope, entry, frame.value, shared.tensors, body),)

    def _fits_shared(self, shared: SharedValue, specs: tuple[WeightSpec, ...], step: tree.Step, frame: Frame) -> None:
        """Raise where a shared layer would need other weights than the first time."""
        for spec in specs:
            made = self.weights.get(f"{shared.naming.path}.{spec.name}")
            if made is None or made.type.shape == spec.shape or shared.first is None:
                continue
            given, name = frame.value.type, shared.statement.name.name
            step_before = projection(given, TensorType((given.batch, shared.first.channels, *given.shape[2:])))
            words = "what enters a shared layer has the same channels each time"
            cure = (Edit(at(step.span, step.action.span.start), f"{step_before} -> "),) if step_before else ()
            raise self.findings.report(
                "E0210",
                f"`{name}` is shared and was made for {shared.first}, and is given {given}",
                frame.place(step.action.span),
                labels=(Label(shared.statement.call.span, f"its {spec.name} is {list(made.type.shape)}"),),
                notes=trail(frame.value),
                help=(Help(f"{words}: write `{step_before} -> {name}`" if step_before else words, cure),),
            )


def base_of(definition: Definition) -> Definition:
    """The block or net that a definition is, through its variants."""
    while isinstance(definition.syntax, tree.Variant):
        definition = definition.module.definitions[definition.syntax.base.name.name]
    return definition

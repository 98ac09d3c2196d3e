"""Steps: one link of a chain, repeated or not, labelled or not."""

from __future__ import annotations

from dataclasses import replace

from cnnlang.diagnostics import Edit, Help
from cnnlang.errors import OperatorError
from cnnlang.expand.cures import operator as cures
from cnnlang.expand.cures.flow import fewer_repetitions
from cnnlang.expand.cures.merge import merge_mismatch
from cnnlang.expand.findings import Abandon
from cnnlang.expand.frames import ABSENT, UNKNOWN, Binding, Env, Frame, Naming, SharedValue
from cnnlang.expand.instances import Instances
from cnnlang.expand.layers import MAX_STEPS, Traces
from cnnlang.expand.paths import REPEAT, automatic, label_path
from cnnlang.ir import Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op
from cnnlang.program import Inlined, Merged, Named, Opened, Recalled, Repeated, Scope
from cnnlang.syntax import tree


class Steps(Instances):
    """How a step moves the value that flows."""

    def _step(self, step: tree.Step, frame: Frame) -> Traces:
        self._tick(step.span, frame)
        try:
            traces = self._repeated(step, frame) if step.times is not None else self._action(step, frame)
        except Abandon:
            frame.value = UNKNOWN
            traces = ()
        if isinstance(step.label, tree.Name):
            frame.env.own[step.label.name] = frame.value
            traces = (*traces, Named(step, step.label.name, frame.value))
        if step.shape is not None and frame.value is not UNKNOWN:
            self._assert_shape(step, frame)
        return traces

    def _assert_shape(self, step: tree.Step, frame: Frame) -> None:
        assert step.shape is not None
        evaluator = frame.evaluator(self.findings)
        wanted = [evaluator.evaluate(d) for d in step.shape]
        if tuple(wanted) == frame.value.type.shape:
            return
        span = step.shape[0].span.to(step.shape[-1].span)
        actual = ", ".join(map(str, frame.value.type.shape))
        self.findings.report(
            "E0204",
            f"the shape here is {frame.value.type}, and the file says [{', '.join(map(str, wanted))}]",
            frame.place(span),
            notes=cures.trail(frame.value),
            help=(Help(f"write [{actual}], or mend the steps before it", (Edit(span, actual),)),),
        )

    def _repeated(self, step: tree.Step, frame: Frame) -> Traces:
        assert step.times is not None
        times = frame.evaluator(self.findings).integer(step.times, "the number of repetitions")
        if times < 0:
            raise self.findings.report(
                "E0305",
                f"the number of repetitions must be from 0, not {times}",
                frame.place(step.times.span),
                help=fewer_repetitions(step.times),
            )
        if times > MAX_STEPS:
            message = f"{times:_} repetitions are more than the {MAX_STEPS:_} steps of an expansion"
            self._limit(message, step.times.span, frame, "write fewer repetitions")
        name = self._repeated_name(step, frame)
        entry = frame.value
        turns: list[Traces] = []
        with self._loop():
            for i in range(times):
                self._tick(step.span, frame)
                turns.append(self._turn(step, frame, f"{name}.{i}" if name else None))
        return (Repeated(step, times, tuple(turns), entry, frame.value),)

    def _repeated_name(self, step: tree.Step, frame: Frame) -> str | None:
        """The name that all turns of a repetition have before their number; None where nothing in it has weights."""
        action = step.action
        label = label_path(step.label, frame, self.findings) if step.label is not None else None
        if isinstance(action, tree.Braces):
            kind = REPEAT
        elif isinstance(action, tree.Call) and self._has_path(action, frame):
            kind = action.name.name
        else:
            if isinstance(step.label, tree.Template):
                raise self._label_without_weights(step, frame)
            if isinstance(action, tree.Call) and action.name.name in OPERATORS:
                self.findings.report(
                    "W0503",
                    f"`*` repeats only `{action.name.name}`, which has no weights",
                    frame.place(step.span),
                    help=cures.repeat_all(step),
                )
            return None
        automatic_name = automatic(kind, frame, step, self.findings)
        return label or automatic_name

    def _has_path(self, call: tree.Call, frame: Frame) -> bool:
        """Whether a call makes an instance, or a layer whose weights have a path."""
        if call.name.name in frame.module.definitions:
            return True
        cls = OPERATORS.get(call.name.name)
        if cls is None:
            return False
        if cls.weights is Op.weights or frame.value in (UNKNOWN, ABSENT):
            return cls.weights is not Op.weights
        op = self._operator(call, cls, frame)
        try:
            return any(spec.values is None for spec in op.weights(frame.value.type))
        except OperatorError:
            return True

    def _turn(self, step: tree.Step, frame: Frame, name: str | None) -> Traces:
        match step.action:
            case tree.Braces(body=body):
                assert name is not None
                path = frame.naming.inside(name)
                if not frame.replay:
                    self.paths.claim(path, "scope", frame.place(step.span), step, frame.naming.path)
                scope = Scope(REPEAT, name, path, input=frame.value)
                inner = replace(frame, env=Env(frame.env), naming=Naming(path), is_root=False)
                scope.body = self.body(body, inner)
                scope.output = inner.value
                opened = Opened(step, scope, frame.value, inner.value)
                frame.value = inner.value
                return (opened,)
            case tree.Call() as call if call.name.name in frame.module.definitions:
                assert name is not None
                return self._instance(step, call, frame, name)
            case tree.Call() as call if call.name.name in OPERATORS:
                return self._layer(step, call, frame, name)
        return self._action(step, frame)

    def _action(self, step: tree.Step, frame: Frame) -> Traces:
        match step.action:
            case tree.In():
                if frame.entry is ABSENT:
                    raise self._nothing_flows(step.action.span, frame)
                frame.value = frame.entry
                return (Recalled(step, frame.value),)
            case tree.Braces(body=body):
                if isinstance(step.label, tree.Template):
                    raise self._label_without_weights(step, frame)
                entry = frame.value
                inner = replace(frame, is_root=False)
                traces = self.body(body, inner)
                frame.value = inner.value
                return (Inlined(step, traces, entry, frame.value),)
            case tree.Merge() as merge:
                return self._merge(step, merge, frame)
            case call:
                return self._call(step, call, frame)

    def _call(self, step: tree.Step, call: tree.Call, frame: Frame) -> Traces:
        name = call.name.name
        binding: Binding | None = frame.env.find(name)
        if isinstance(binding, SharedValue):
            return self._shared_again(step, binding, frame)
        if isinstance(binding, Node):
            if isinstance(step.label, tree.Template):
                raise self._label_without_weights(step, frame)
            frame.value = binding
            return (Recalled(step, binding),)
        if name in frame.module.definitions:
            label = label_path(step.label, frame, self.findings) if step.label is not None else None
            automatic_name = automatic(name, frame, step, self.findings)
            return self._instance(step, call, frame, label or automatic_name)
        if name in OPERATORS:
            return self._layer(step, call, frame, None)
        raise frame.not_made(name, call.span, self.findings)

    def _merge(self, step: tree.Step, merge: tree.Merge, frame: Frame) -> Traces:
        if isinstance(step.label, tree.Template):
            raise self._label_without_weights(step, frame)
        op = self._operator(merge, OPERATORS[merge.name.name], frame)
        entry = frame.value
        branches = []
        for branch in merge.branches:
            inner = frame.inner(value=entry, entry=entry)
            traces = self.body(branch.body, inner)
            if inner.value is ABSENT:
                self._nothing_flows(branch.bar, frame)
                inner.value = UNKNOWN
            branches.append((branch, traces, inner.value))
        ends = [node for _, _, node in branches]
        if UNKNOWN in ends:
            raise Abandon
        if len(ends) == 1:
            node = ends[0]
        else:
            name = step.label.name if isinstance(step.label, tree.Name) else op.name
            try:
                node = Node.of(op, *ends, span=frame.place(merge.span), name=name)
            except OperatorError as error:
                raise merge_mismatch(error, op, merge, tuple(branches), frame, self.inputs, self.findings) from None
            self._check_elements(node.type.shape, merge.span, frame)
            self._made(node, merge.span, frame)
        frame.value = node
        return (Merged(step, node, entry, tuple(branches)),)

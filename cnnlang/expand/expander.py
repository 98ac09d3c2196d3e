"""From the syntax of one net to its graph and its module tree: the only place that turns text into operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatchmethod

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.dims import Dim, Term, solve, substitute, variables
from cnnlang.errors import OperatorError
from cnnlang.expand import cures
from cnnlang.expand.arguments import Callee, evaluated, match_arguments
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.frames import ABSENT, UNKNOWN, Binding, Env, Frame, Naming, Number, SharedValue
from cnnlang.expand.modules import Definition
from cnnlang.expand.paths import REPEAT, Paths, automatic, counted, label_path
from cnnlang.expand.resolve import callee_of, parameters_of
from cnnlang.ir import Node, TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed, Input, Op, Weight, WeightSpec
from cnnlang.ops.window import unseen
from cnnlang.program import (
    Applied,
    AuxHead,
    AuxMade,
    Bound,
    Chosen,
    Inlined,
    Layer,
    Looped,
    Merged,
    Named,
    Opened,
    OutputMade,
    Recalled,
    Repeated,
    Scope,
    SharedMade,
    Trace,
)
from cnnlang.signature import Value, is_number, show_value
from cnnlang.source import Expansion, Span
from cnnlang.syntax import tree

MAX_STEPS = 1_000_000
MAX_LAYERS = 100_000
MAX_NESTING = 100
MAX_ELEMENTS = 2**40

Traces = tuple[Trace, ...]


class LimitReached(Exception):
    """A limit of the language is passed, which is reported; the net is not expanded further."""


class Expander:
    """Expands one net.

    After `expand`, `root` is the module tree; `inputs`, `outputs`, `aux` hold what the net declares, and `values` the
    names that its `check` section may use.
    """

    def __init__(self, definition: Definition, overrides: Mapping[str, Value], findings: Findings) -> None:
        self.definition = definition
        self.overrides = overrides
        self.findings = findings
        self.paths = Paths(findings)
        self.weights: dict[str, Node] = {}
        self.inputs: list[tuple[tree.Input, Node]] = []
        self.outputs: list[tuple[str, Node]] = []
        self.aux: list[AuxHead] = []
        self.made: list[Node] = []
        self.parameters: Dim = 0
        self.steps = 0
        self.nesting = 0
        self.root = Scope("net", "", "")
        self.frame = Frame(Env(), Naming(""), definition.module, ABSENT, ABSENT, is_root=True)

    # --- the net ------------------------------------------------------------------------------------------------------

    def expand(self) -> None:
        """Expand the net's body; errors are reported, and after one the result means nothing."""
        base = base_of(self.definition)
        assert isinstance(base.syntax, tree.Net)
        frame = self.frame
        frame.module = base.module
        try:
            values = self._bind_parameters(self.definition, self._overridden(), frame)
            self.root.definition, self.root.arguments = base.syntax, values
            self.root.body = self.body(base.syntax.body, frame)
        except LimitReached:
            return
        except Abandon:
            return
        if not self.inputs and not self.findings.has_errors:
            self.findings.report(
                "E0316",
                f"net `{self.definition.name}` has no input",
                base.syntax.name.span,
                help=(
                    Help(
                        "say what goes in:  input image: [N, 3, 224, 224]",
                        (_insert_in_body(base.syntax, "input image: [N, 3, 224, 224]"),),
                    ),
                ),
            )
        self.root.input = self.inputs[0][1] if len(self.inputs) == 1 else None
        if not self.outputs:
            self._output_of_the_end(base.syntax, frame)
        self.root.output = self.outputs[0][1] if len(self.outputs) == 1 else None
        self._lint_lost_values()

    def _overridden(self) -> dict[str, Value]:
        names = {p.name.name for p in parameters_of(self.definition)}
        return {name: value for name, value in self.overrides.items() if name in names}

    def _output_of_the_end(self, net: tree.Net, frame: Frame) -> None:
        if frame.value is ABSENT or (self.inputs and frame.value is self.inputs[0][1]):
            if not self.findings.has_errors:
                self.findings.report(
                    "E0316",
                    f"net `{self.definition.name}` has no steps",
                    net.name.span,
                    help=(Help("write what happens to the input"),),
                )
            return
        chains = [s for s in net.body if isinstance(s, tree.Chain)]
        label = chains[-1].steps[-1].label if chains and net.body and _last_flow(net.body) is chains[-1] else None
        self.outputs.append((label.name if isinstance(label, tree.Name) else "output", frame.value))

    def _lint_lost_values(self) -> None:
        if self.findings.has_errors:
            return
        needed: set[Node] = set()
        stack = [*(n for _, n in self.outputs), *(a.node for a in self.aux)]
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack.extend(node.inputs)
        consumed = {i for n in self.made for i in n.inputs}
        for node in self.made:
            if node not in needed and node not in consumed and node.span is not None:
                self.findings.report(
                    "W0502",
                    f"this value reaches no output, so its work is lost: {node.type}",
                    node.span,
                    help=(Help("name it with `as` and use the name, or take the steps away"),),
                )
        for statement, node in self.inputs:
            if node not in needed:
                self.findings.report(
                    "W0502",
                    f"input `{statement.name.name}` reaches no output",
                    statement.name.span,
                    help=(Help("use it, or take it away"),),
                )

    # --- statements ---------------------------------------------------------------------------------------------------

    def body(self, statements: tuple[tree.Statement, ...], frame: Frame) -> Traces:
        """Expand statements in order; `frame.value` is then what leaves."""
        traces: list[Trace] = []
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self._limit(f"blocks, loops and braces nest at most {MAX_NESTING} deep", statements[0].span, frame)
        for statement in statements:
            self._tick(statement.span, frame)
            try:
                traces.extend(self.statement(statement, frame))
            except Abandon:
                if isinstance(statement, tree.Chain | tree.For | tree.If | tree.Group | tree.Input):
                    frame.value = UNKNOWN
                self._unknown_names(statement, frame)
        self.nesting -= 1
        return tuple(traces)

    def _unknown_names(self, statement: tree.Statement, frame: Frame) -> None:
        """Names that a statement would have made are unknown, not missing."""
        match statement:
            case tree.Let(name=name) | tree.Shared(name=name) | tree.Input(name=name) | tree.Aux(name=name):
                frame.env.own.setdefault(name.name, UNKNOWN)
            case tree.Chain(steps=steps):
                for step in steps:
                    if isinstance(step.label, tree.Name):
                        frame.env.own.setdefault(step.label.name, UNKNOWN)
            case tree.Output(items=items):
                for item in items:
                    frame.env.own.setdefault(item.name.name, UNKNOWN)
            case _:
                pass

    def _tick(self, span: Span, frame: Frame, count: int = 1) -> None:
        self.steps += count
        if self.steps > MAX_STEPS:
            self._limit(f"expanding takes more than {MAX_STEPS:_} steps", span, frame)

    def _limit(self, message: str, span: Span, frame: Frame) -> None:
        self.findings.report("E0311", message, frame.place(span), help=(Help("make the net smaller"),))
        raise LimitReached

    @singledispatchmethod
    def statement(self, statement: tree.Statement, frame: Frame) -> Traces:
        """Expand one statement."""
        return ()  # sections and labels: looked at when the graph is there

    @statement.register
    def _(self, chain: tree.Chain, frame: Frame) -> Traces:
        traces: list[Trace] = []
        for step in chain.steps:
            traces.extend(self._step(step, frame))
        return tuple(traces)

    @statement.register
    def _(self, statement: tree.Let, frame: Frame) -> Traces:
        value = frame.evaluator(self.findings).evaluate(statement.value)
        frame.env.own[statement.name.name] = Number(value)
        return (Bound(statement, value),)

    @statement.register
    def _(self, statement: tree.Input, frame: Frame) -> Traces:
        if not frame.is_root:
            self._incoming(statement, frame)
            return ()
        if self.made:
            self.findings.report(
                "E0316",
                "an input stands before the steps",
                statement.span,
                help=(Help("move it to the top of the net"),),
            )
        shape = self._declared_shape(statement, frame)
        node = Node.of(
            Input(shape, statement.name.name), span=frame.place(statement.name.span), name=statement.name.name
        )
        self._check_elements(node.type.shape, statement.span, frame)
        self.inputs.append((statement, node))
        frame.env.own[statement.name.name] = node
        frame.value = frame.entry = node if len(self.inputs) == 1 else ABSENT
        return ()

    def _declared_shape(self, statement: tree.Input, frame: Frame) -> tuple[Dim, ...]:
        self._bind_sizes(statement, frame)
        evaluator = frame.evaluator(self.findings)
        dims = [evaluator.evaluate(d) for d in statement.shape]
        batch = statement.shape[0]
        if dims[0] != Term.variable("N"):
            raise self.findings.report(
                "E0318",
                "the first size of an input is the batch, which is symbolic",
                batch.span,
                help=(Help("write `N`", (Edit(batch.span, "N"),)),),
            )
        if len(dims) not in (2, 4):
            raise self.findings.report(
                "E0318",
                f"an input is a map [N, C, H, W] or a vector [N, C], and this one has {len(dims)} sizes",
                statement.span,
                help=cures.input_shape(statement),
            )
        for i, (dim, expr) in enumerate(zip(dims, statement.shape, strict=True)):
            symbolic_allowed = i != 1
            if isinstance(dim, Term) and symbolic_allowed:
                continue
            if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
                words = "a positive integer" + (" or a symbolic size" if symbolic_allowed else "")
                raise self.findings.report("E0318", f"this size must be {words}, not {show_value(dim)}", expr.span)
        return tuple(dims)

    def _bind_sizes(self, statement: tree.Input, frame: Frame) -> None:
        from cnnlang.syntax.walk import walk

        for dim in statement.shape:
            for part in walk(dim):
                if isinstance(part, tree.Name) and frame.env.find(part.name) is None and part.name.isidentifier():
                    value = self.overrides.get(part.name) if part.name != "N" and frame.is_root else None
                    frame.env.own[part.name] = Number(Term.variable(part.name) if value is None else value)

    def _incoming(self, statement: tree.Input, frame: Frame) -> None:
        """A net applied as a block: what comes in must fit its declared input."""
        given = frame.value
        frame.env.own[statement.name.name] = given
        if given is UNKNOWN:
            self._bind_sizes(statement, frame)
            return
        wanted = self._declared_shape(statement, frame)
        sizes: dict[str, Dim] = {"N": given.type.batch if given.type.shape else 0}
        fits = len(wanted) == given.type.rank
        for want, have in zip(wanted, given.type.shape, strict=False):
            want = substitute(want, sizes)
            free = variables(want) - sizes.keys()
            if isinstance(want, Term) and len(free) == 1 and want == Term.variable(name := next(iter(free))):
                sizes[name] = have
            elif isinstance(want, Term) and free and isinstance(have, int):
                solution = solve(want, have, {})
                fits = fits and solution is not None
                sizes |= solution or {}
            elif want != have:
                fits = False
        if not fits:
            shape = f"[{', '.join(map(str, wanted))}]"
            raise self.findings.report(
                "E0204",
                f"this net takes {shape}, and was given {given.type}",
                frame.within.call if frame.within else statement.span,
                labels=(Label(statement.span, "its input"),),
            )
        for name, size in sizes.items():
            frame.env.own[name] = Number(size)

    @statement.register
    def _(self, statement: tree.Output, frame: Frame) -> Traces:
        traces: list[Trace] = []
        for item in statement.items:
            inner: Traces = ()
            if item.chain is None:
                node = frame.env.find(item.name.name)
            else:
                kept = frame.value
                inner = self.statement(item.chain, frame)
                node, frame.value = frame.value, kept
                frame.env.own[item.name.name] = node
            if not isinstance(node, Node) or node is UNKNOWN:
                raise Abandon
            if frame.is_root:
                if node is ABSENT:
                    raise self._nothing_flows(statement.span, frame)
                if any(item.name.name == name for name, _ in self.outputs):
                    raise self.findings.report("E0306", f"output `{item.name.name}` is named twice", item.name.span)
                self.outputs.append((item.name.name, node))
            else:
                if isinstance(traces, list) and traces:
                    self.findings.report(
                        "E0316",
                        "a net with several outputs cannot be applied as a block",
                        frame.within.call if frame.within else statement.span,
                    )
                frame.value = node
            traces.append(OutputMade(item, inner, node))
        return tuple(traces)

    @statement.register
    def _(self, statement: tree.Aux, frame: Frame) -> Traces:
        weight = self._aux_weight(statement, frame)
        name = statement.name.name
        path = frame.naming.inside(label_path(statement.name, frame, self.findings))
        if not frame.replay:
            self.paths.claim(path, "scope", frame.place(statement.name.span), frame.naming.path)
        inner = frame.inner(naming=Naming(path))
        scope = Scope("aux", name, path, input=frame.value)
        scope.body = self.statement(statement.chain, inner)
        scope.output = inner.value
        frame.env.own[name] = inner.value
        if not frame.replay:
            self.aux.append(AuxHead(path, weight, inner.value))
        return (AuxMade(statement, scope, weight, inner.value),)

    def _aux_weight(self, statement: tree.Aux, frame: Frame) -> float:
        from cnnlang.expand.arguments import Slot

        callee = Callee(statement.name.name, (Slot("weight", False),), "aux NAME(weight=1)", {})
        bound = match_arguments(statement.arguments, callee, statement.name.span, self.findings)
        if "weight" not in bound:
            return 1.0
        value = frame.evaluator(self.findings).evaluate(bound["weight"].value)
        if not is_number(value) or value < 0:
            raise self.findings.report(
                "E0305",
                f"`weight` of a head must be a number from 0, not {show_value(value)}",
                bound["weight"].value.span,
            )
        return float(value)

    @statement.register
    def _(self, statement: tree.Group, frame: Frame) -> Traces:
        name = label_path(statement.label, frame, self.findings)
        path = frame.naming.inside(name)
        if not frame.replay:
            self.paths.claim(path, "scope", frame.place(statement.label.span), frame.naming.path)
        scope = Scope("group", name, path, input=frame.value)
        inner = replace(frame, naming=Naming(path), is_root=False)
        scope.body = self.body(statement.body, inner)
        scope.output = frame.value = inner.value
        return (Opened(statement, scope, scope.input or frame.value, inner.value),)

    @statement.register
    def _(self, statement: tree.Shared, frame: Frame) -> Traces:
        call = statement.call
        target: Definition | type[Op]
        if call.name.name in frame.module.definitions:
            target = frame.module.definitions[call.name.name]
            values, tensors = self._call_values(call, target, frame)
            made: Definition | Op = target
        else:
            made, values, tensors = self._operator(call, OPERATORS[call.name.name], frame), {}, {}
        name = statement.name.name
        path = frame.naming.inside(label_path(statement.name, frame, self.findings))
        if not frame.replay:
            kind = "scope" if isinstance(made, Definition) else "layer"
            self.paths.claim(path, kind, frame.place(statement.name.span), frame.naming.path)
        frame.env.own[name] = SharedValue(statement, Naming(path), replace(frame), made, values, tensors)
        return (SharedMade(statement),)

    @statement.register
    def _(self, statement: tree.For, frame: Frame) -> Traces:
        items = frame.evaluator(self.findings).evaluate(statement.iterable)
        if not isinstance(items, list | tuple):
            raise self.findings.report(
                "E0305",
                f"`for` goes through a list, not {show_value(items)}",
                frame.place(statement.iterable.span),
                help=cures.loop(statement, items),
            )
        entry = frame.value
        turns = []
        self.findings.loops += 1
        for item in items:
            self._tick(statement.span, frame)
            inner = replace(frame, env=Env(frame.env), is_root=False)
            names: dict[str, Value] = {}
            self._bind_targets(statement.targets, item, names, frame)
            inner.env.own.update({n: Number(v) for n, v in names.items()})
            turns.append((names, self.body(statement.body, inner)))
            frame.value = inner.value
        self.findings.loops -= 1
        return (Looped(statement, tuple(turns), entry, frame.value),)

    def _bind_targets(
        self, targets: tuple[tree.Target, ...], item: Value, names: dict[str, Value], frame: Frame
    ) -> None:
        parts = [item] if len(targets) == 1 else item
        if not isinstance(parts, list | tuple) or len(parts) != len(targets):
            count = len(parts) if isinstance(parts, list | tuple) else 1
            span = targets[0].span.to(targets[-1].span)
            raise self.findings.report(
                "E0312",
                f"{len(targets)} names cannot take {count} value{'s' if count != 1 else ''}: {show_value(item)}",
                frame.place(span),
            )
        for target, part in zip(targets, parts, strict=True):
            if isinstance(target, tree.TupleTarget):
                self._bind_targets(target.items, part, names, frame)
            else:
                names[target.name] = part

    @statement.register
    def _(self, statement: tree.If, frame: Frame) -> Traces:
        taken = frame.evaluator(self.findings).truth(statement.test)
        entry = frame.value
        sides = statement.then, statement.otherwise
        inner = replace(frame, is_root=False)
        traces = self.body(sides[0] if taken else sides[1] or (), inner) if taken or sides[1] else ()
        frame.value = inner.value
        left, right = counted(sides[0], frame.module), counted(sides[1], frame.module)
        for key in left | right:
            if left[key] != right[key]:
                frame.naming.conditional.setdefault(key[0], statement.span)
        return (Chosen(statement, taken, traces, entry, frame.value),)

    # --- steps --------------------------------------------------------------------------------------------------------

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
                "E0305", f"the number of repetitions must be from 0, not {times}", frame.place(step.times.span)
            )
        if times > MAX_STEPS:
            self._limit(
                f"{times:_} repetitions are more than the {MAX_STEPS:_} steps of an expansion", step.times.span, frame
            )
        action = step.action
        if isinstance(action, tree.In) or (
            isinstance(action, tree.Call) and isinstance(frame.env.find(action.name.name), Node)
        ):
            raise self.findings.report("E0317", "a value cannot be repeated", frame.place(step.span))
        name = self._repeated_name(step, frame)
        entry = frame.value
        turns: list[Traces] = []
        self.findings.loops += 1
        for i in range(times):
            self._tick(step.span, frame)
            turns.append(self._turn(step, frame, f"{name}.{i}" if name else None))
        self.findings.loops -= 1
        return (Repeated(step, times, tuple(turns), entry, frame.value),)

    def _repeated_name(self, step: tree.Step, frame: Frame) -> str | None:
        """The name that all turns of a repetition have before their number; None where nothing in it has weights."""
        action = step.action
        label = label_path(step.label, frame, self.findings) if step.label is not None else None
        if isinstance(action, tree.Braces):
            kind = REPEAT
        elif (isinstance(action, tree.Call) and action.name.name in frame.module.definitions) or (isinstance(action, tree.Call) and action.name.name in OPERATORS and self._has_weights(action, frame)):
            kind = action.name.name
        else:
            if isinstance(step.label, tree.Template):
                raise self._label_without_weights(step.label, frame)
            if isinstance(action, tree.Call) and action.name.name in OPERATORS:
                self.findings.report(
                    "W0503",
                    f"`*` repeats only `{action.name.name}`, which has no weights",
                    frame.place(step.span),
                    help=cures.repeat_all(step),
                )
            return None
        automatic_name = automatic(kind, frame, step.span, self.findings, labelled=label is not None)
        return label or automatic_name

    def _has_weights(self, call: tree.Call, frame: Frame) -> bool:
        """Whether an operator as called owns weights that have a path."""
        cls = OPERATORS[call.name.name]
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
                    self.paths.claim(path, "scope", frame.place(step.span), frame.naming.path)
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
                    raise self._label_without_weights(step.label, frame)
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
                raise self._label_without_weights(step.label, frame)
            frame.value = binding
            return (Recalled(step, binding),)
        if name in frame.module.definitions:
            label = label_path(step.label, frame, self.findings) if step.label is not None else None
            automatic_name = automatic(name, frame, step.span, self.findings, labelled=label is not None)
            return self._instance(step, call, frame, label or automatic_name)
        if name in OPERATORS:
            return self._layer(step, call, frame, None)
        raise self.findings.report(
            "E0301",
            f"`{name}` has no value here",
            frame.place(call.span),
            notes=("it is made in an `if` that is not taken",),
        )

    # --- operators ----------------------------------------------------------------------------------------------------

    def _operator(self, call: tree.Call | tree.Merge, cls: type[Op], frame: Frame) -> Op:
        """The operator with its arguments, each error put where the argument stands."""
        bound = match_arguments(call.arguments, Callee.of_declared(cls), call.span, self.findings)
        values = evaluated(bound, frame.evaluator(self.findings).evaluate)
        for name, value in values.items():
            if isinstance(value, Term):
                raise self.findings.report(
                    "E0205",
                    f"`{name}` must be a number, and {value} is symbolic",
                    frame.place(bound[name].value.span),
                    help=(Help("give the size a value in `input`, or with `--set`"),),
                )
        try:
            return cls.make(values)
        except OperatorError as error:
            raise self._rejected(error, call, frame) from None

    def _rejected(self, error: OperatorError, call: tree.Call | tree.Merge, frame: Frame) -> Abandon:
        """An operator's own error, as a diagnostic at the argument that it names."""
        return self.findings.report(
            error.code,
            error.message,
            frame.place(cures.argument_span(call, error.argument)),
            notes=cures.trail(frame.value) if error.code.startswith("E02") else (),
            help=cures.operator_help(error, call, frame.value),
        )

    def _layer(self, step: tree.Step, call: tree.Call, frame: Frame, name: str | None) -> Traces:
        """Apply an operator; `name` is its part of the path where a repetition gives it."""
        op = self._operator(call, OPERATORS[call.name.name], frame)
        labelled = step.label is not None
        if frame.value is UNKNOWN:
            raise Abandon
        if frame.value is ABSENT:
            raise self._nothing_flows(call.span, frame)
        try:
            specs = op.weights(frame.value.type)
        except OperatorError as error:
            raise self._rejected(error, call, frame) from None
        has_path = any(spec.values is None for spec in specs)
        if isinstance(step.label, tree.Template) and not has_path:
            raise self._label_without_weights(step.label, frame)
        if has_path and name is None:
            automatic_name = automatic(call.name.name, frame, call.span, self.findings, labelled=labelled)
            name = label_path(step.label, frame, self.findings) if step.label is not None else automatic_name
        part = name if has_path else None
        path = frame.naming.inside(part) if part else ""
        if part and not frame.replay:
            self.paths.claim(path, "layer", frame.place(step.span), frame.naming.path)
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
            raise self._rejected(error, call, frame) from None
        self._check_elements(node.type.shape, call.span, frame)
        self._lint_layer(op, frame.value, call, frame)
        self._made(node, call.span, frame)
        return node

    def _made(self, node: Node, span: Span, frame: Frame) -> None:
        self.made.append(node)
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
            count *= dim if isinstance(dim, int) else 1
        if count > MAX_ELEMENTS:
            sizes = " x ".join(map(str, shape[1:]))
            self._limit(
                f"a tensor has at most 2**40 elements, and this one would have {count:_} ({sizes})", span, frame
            )

    def _lint_layer(self, op: Op, x: Node, call: tree.Call, frame: Frame) -> None:
        rows, columns = unseen(op, x.type) if x.type.rank == 4 else (0, 0)
        if rows or columns:
            parts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((rows, "row"), (columns, "column")) if n]
            self.findings.report(
                "W0505",
                f"the last {' and '.join(parts)} of {x.type} {'are' if rows + columns > 1 else 'is'} never seen by `{op.name}`",
                frame.place(call.span),
                help=(Help("add padding, choose another size, or allow it: `# allow W0505`"),),
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
        return self.findings.report("E0316", words, frame.place(span), help=cures.missing_input(self, frame))

    def _label_without_weights(self, label: tree.Template, frame: Frame) -> Abandon:
        return self.findings.report(
            "E0313",
            "a label in quotes names weights, and this step has none",
            frame.place(label.span),
            help=(Help("write a name without quotes to name the value"),),
        )

    # --- merges, blocks, shared values ----------------------------------------------------------------------------------

    def _merge(self, step: tree.Step, merge: tree.Merge, frame: Frame) -> Traces:
        if isinstance(step.label, tree.Template):
            raise self._label_without_weights(step.label, frame)
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
                raise cures.merge_mismatch(error, merge, tuple(branches), frame, self.findings) from None
            self._check_elements(node.type.shape, merge.span, frame)
            self._made(node, merge.span, frame)
        frame.value = node
        return (Merged(step, node, entry, tuple(branches)),)

    def _call_values(
        self, call: tree.Call, definition: Definition, frame: Frame
    ) -> tuple[dict[str, Value], dict[str, Node]]:
        """The values and tensors that a call gives a definition."""
        callee = callee_of(definition)
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
                    raise self.findings.report(
                        "E0301",
                        f"`{value.span.text}` has no value here",
                        frame.place(value.span),
                        notes=("it is made in an `if` that is not taken",),
                    )
                tensors[slot.name] = node
        return evaluated(bound, frame.evaluator(self.findings).evaluate), tensors

    def _bind_parameters(self, definition: Definition, values: Mapping[str, Value], frame: Frame) -> dict[str, Value]:
        """Bind every compile-time parameter in a frame, defaults in order; the answer is their values."""
        result: dict[str, Value] = {}
        for parameter in parameters_of(definition):
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
            self.paths.claim(path, "scope", frame.place(step.span), frame.naming.path)
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
        assert not isinstance(syntax, tree.Variant)
        entry = frame.value
        if entry is ABSENT:
            raise self._nothing_flows(call.span, frame)
        if sum(isinstance(s, tree.Input) for s in syntax.body) > 1:
            raise self.findings.report(
                "E0316",
                f"net `{definition.name}` has several inputs, so it cannot be applied as a block",
                frame.place(call.span),
            )
        shown = ", ".join(
            [*(f"{k}={show_value(v)}" for k, v in values.items()), *(f"{k}={n.name}" for k, n in tensors.items())]
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
            raise self._label_without_weights(step.label, frame)
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
                raise self._rejected(error, call, frame) from None
            node = self._apply(shared.target, specs, shared.naming.path, step, call, here)
            frame.value = node
            if first:
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


def base_of(definition: Definition) -> Definition:
    """The block or net that a definition is, through its variants."""
    while isinstance(definition.syntax, tree.Variant):
        definition = definition.module.definitions[definition.syntax.base.name.name]
    return definition


def _last_flow(body: tuple[tree.Statement, ...]) -> tree.Statement | None:
    """The last statement of a body that the value flows through."""
    flows = [s for s in body if isinstance(s, tree.Chain | tree.For | tree.If | tree.Group)]
    return flows[-1] if flows else None


def _insert_in_body(net: tree.Net, text: str) -> Edit:
    """The edit that puts a line at the top of a net."""
    brace = net.span.source.text.find("{", net.name.span.end)
    return Edit(Span(net.span.source, brace + 1, brace + 1), f"\n  {text}\n")


__all__ = ["Expander", "LimitReached", "TensorType", "base_of"]

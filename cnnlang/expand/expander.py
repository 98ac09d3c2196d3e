"""From the syntax of one net to its graph and its module tree: the only place that turns text into operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatchmethod

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.dims import Dim, Term, solve, substitute, variables
from cnnlang.expand.arguments import Callee, Slot, match_arguments
from cnnlang.expand.cures.flow import fitted, input_shape, input_size, loop, lost_value, missing_input, unpacked
from cnnlang.expand.cures.removal import at, end_of, remove_statement, top_of
from cnnlang.expand.cures.value import value_cure
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.frames import ABSENT, UNKNOWN, Env, Frame, Naming, Number, SharedValue
from cnnlang.expand.instances import base_of
from cnnlang.expand.layers import LimitReached, Traces
from cnnlang.expand.modules import Definition
from cnnlang.expand.paths import counted, label_path
from cnnlang.expand.steps import Steps
from cnnlang.ir import Node, TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Input, Op
from cnnlang.program import AuxHead, AuxMade, Bound, Chosen, Looped, Opened, OutputMade, Scope, SharedMade, Trace
from cnnlang.signature import Value, is_number, number, show_short
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

MAX_NESTING = 100


class Expander(Steps):
    """Expands one net.

    After `expand`, `root` is the module tree; `inputs`, `outputs`, `aux` hold what the net declares, and `frame` the
    names that its sections may use.
    """

    def __init__(self, definition: Definition, overrides: Mapping[str, Value], findings: Findings) -> None:
        base = base_of(definition).syntax
        assert isinstance(base, tree.Net)
        super().__init__(base, findings)
        self.definition = definition
        self.overrides = overrides
        self.outputs: list[tuple[str, Node]] = []
        self.aux: list[AuxHead] = []
        self.again: list[Node] = []  # what a head gives where its shared net is applied once more, which nobody trains
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
        if not self.inputs and not self.failed:
            self.findings.report(
                "E0316",
                f"net `{self.definition.name}` has no input",
                base.syntax.name.span,
                help=missing_input(base.syntax),
            )
        self.root.input = self.inputs[0][1] if len(self.inputs) == 1 else None
        if not self.outputs:
            self._output_of_the_end(base.syntax, frame)
        self.root.output = self.outputs[0][1] if len(self.outputs) == 1 else None
        self._lint_lost_values()

    def _overridden(self) -> dict[str, Value]:
        names = {p.name.name for p in self.definition.parameters}
        return {name: value for name, value in self.overrides.items() if name in names}

    def _output_of_the_end(self, net: tree.Net, frame: Frame) -> None:
        if frame.value is ABSENT or (self.inputs and frame.value is self.inputs[0][1]):
            if not self.failed:
                self.findings.report(
                    "E0316",
                    f"net `{self.definition.name}` has no steps",
                    net.name.span,
                    help=(Help("write what happens to it, for example `relu`", (end_of(net, "relu"),)),),
                )
            return
        chains = [s for s in net.body if isinstance(s, tree.Chain)]
        label = chains[-1].steps[-1].label if chains and net.body and _last_flow(net.body) is chains[-1] else None
        self.outputs.append((label.name if isinstance(label, tree.Name) else "output", frame.value))

    def _lint_lost_values(self) -> None:
        if self.failed:
            return
        needed: set[Node] = set()
        stack = [*(n for _, n in self.outputs), *(a.node for a in self.aux), *self.again]
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
                    help=lost_value(node, self.net),
                )
        for statement, node in self.inputs:
            if node not in needed:
                self.findings.report(
                    "W0502",
                    f"input `{statement.name.name}` reaches no output",
                    statement.name.span,
                    help=(Help("use it, or take it away", (remove_statement(statement.span),)),),
                )

    # --- statements ---------------------------------------------------------------------------------------------------

    def body(self, statements: tuple[tree.Statement, ...], frame: Frame) -> Traces:
        """Expand statements in order; `frame.value` is then what leaves."""
        traces: list[Trace] = []
        self.nesting += 1
        if self.nesting > MAX_NESTING and statements:
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
                help=(Help("move it to the top of the net", self._moved_to_top(statement)),),
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

    def _moved_to_top(self, statement: tree.Input) -> tuple[Edit, ...]:
        last = self.inputs[-1][0].span if self.inputs else None
        text = statement.span.text
        put = Edit(at(last, last.end), f"\n  {text}") if last else top_of(self.net, text)
        return (remove_statement(statement.span), put)

    def _declared_shape(self, statement: tree.Input, frame: Frame) -> tuple[Dim, ...]:
        self._bind_sizes(statement, frame)
        evaluator = frame.evaluator(self.findings)
        dims = [evaluator.evaluate(d) for d in statement.shape]
        batch = statement.shape[0]
        if len(dims) not in (2, 4):
            raise self.findings.report(
                "E0318",
                f"an input is a map [N, C, H, W] or a vector [N, C], and this one has {len(dims)} sizes",
                statement.shape[0].span.to(statement.shape[-1].span),
                help=input_shape(statement),
            )
        if dims[0] != Term.variable("N"):
            raise self.findings.report(
                "E0318",
                "the first size of an input is the batch, which is symbolic",
                batch.span,
                help=(Help("write `N`", (Edit(batch.span, "N"),)),),
            )
        for i, (dim, expr) in enumerate(zip(dims, statement.shape, strict=True)):
            symbolic_allowed = i != 1
            if isinstance(dim, Term) and symbolic_allowed:
                continue
            if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
                words = "a positive integer" + (" or a symbolic size" if symbolic_allowed else "")
                message = f"this size must be {words}, not {show_short(dim)}"
                raise self.findings.report("E0318", message, expr.span, help=input_size(i, expr.span))
        return tuple(dims)

    def _bind_sizes(self, statement: tree.Input, frame: Frame) -> None:
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
            shape = TensorType(wanted)
            raise self.findings.report(
                "E0204",
                f"this net takes {shape}, and was given {given.type}",
                frame.within.call if frame.within else statement.span,
                labels=(Label(statement.span, "its input"),),
                help=fitted(frame.within.call if frame.within else None, given.type, shape),
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
                self.outputs.append((item.name.name, node))
            else:
                if traces:
                    self.findings.report(
                        "E0316",
                        "a net with several outputs cannot be applied as a block",
                        frame.within.call if frame.within else statement.span,
                        help=(Help("make a block of what leads to the one that is wanted"),),
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
            self.paths.claim(path, "scope", frame.place(statement.name.span), statement, frame.naming.path)
        inner = frame.inner(naming=Naming(path))
        scope = Scope("aux", name, path, input=frame.value)
        scope.body = self.statement(statement.chain, inner)
        scope.output = inner.value
        frame.env.own[name] = inner.value
        if frame.replay:
            self.again.append(inner.value)
        else:
            self.aux.append(AuxHead(path, weight, inner.value))
        return (AuxMade(statement, scope, weight, inner.value),)

    def _aux_weight(self, statement: tree.Aux, frame: Frame) -> float:
        callee = Callee(statement.name.name, (Slot("weight", False),), "aux NAME(weight=1)", {})
        bound = match_arguments(statement.arguments, callee, statement.name.span, self.findings)
        if "weight" not in bound:
            return 1.0
        value = frame.evaluator(self.findings).evaluate(bound["weight"].value)
        if not is_number(value) or value < 0:
            raise self.findings.report(
                "E0305",
                f"`weight` of a head must be a number from 0, not {show_short(value)}",
                bound["weight"].value.span,
                help=value_cure(number("", lambda v: v >= 0), value, bound["weight"].value),
            )
        return float(value)

    @statement.register
    def _(self, statement: tree.Group, frame: Frame) -> Traces:
        name = label_path(statement.label, frame, self.findings)
        path = frame.naming.inside(name)
        if not frame.replay:
            self.paths.claim(path, "scope", frame.place(statement.label.span), statement, frame.naming.path)
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
            self.paths.claim(path, kind, frame.place(statement.name.span), statement, frame.naming.path)
        frame.env.own[name] = SharedValue(statement, Naming(path), replace(frame), made, values, tensors)
        return (SharedMade(statement),)

    @statement.register
    def _(self, statement: tree.For, frame: Frame) -> Traces:
        items = frame.evaluator(self.findings).evaluate(statement.iterable)
        if not isinstance(items, list | tuple):
            raise self.findings.report(
                "E0305",
                f"`for` goes through a list, not {show_short(items)}",
                frame.place(statement.iterable.span),
                help=loop(statement, items),
            )
        entry = frame.value
        help = unpacked(statement, items)
        turns = []
        with self._loop():
            for item in items:
                self._tick(statement.span, frame)
                inner = replace(frame, env=Env(frame.env), is_root=False)
                names: dict[str, Value] = {}
                self._bind_targets(statement.targets, item, names, frame, help)
                inner.env.own.update({n: Number(v) for n, v in names.items()})
                turns.append((names, self.body(statement.body, inner)))
                frame.value = inner.value
        return (Looped(statement, tuple(turns), entry, frame.value),)

    def _bind_targets(
        self,
        targets: tuple[tree.Target, ...],
        item: Value,
        names: dict[str, Value],
        frame: Frame,
        help: tuple[Help, ...] = (),
    ) -> None:
        parts = [item] if len(targets) == 1 else item
        if not isinstance(parts, list | tuple) or len(parts) != len(targets):
            count = len(parts) if isinstance(parts, list | tuple) else 1
            span = targets[0].span.to(targets[-1].span)
            raise self.findings.report(
                "E0312",
                f"{len(targets)} names cannot take {count} value{'s' if count != 1 else ''}: {show_short(item)}",
                frame.place(span),
                help=help,
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
        is_fixed = all(frame.env.is_outermost(p.name) for p in walk(statement.test) if isinstance(p, tree.Name))
        for key in left | right:
            if left[key] != right[key]:
                known = frame.naming.conditional.setdefault(key[0], {})
                known[statement.span] = known.get(statement.span, True) and is_fixed
        return (Chosen(statement, taken, traces, entry, frame.value),)


def _last_flow(body: tuple[tree.Statement, ...]) -> tree.Statement | None:
    """The last statement of a body that the value flows through."""
    flows = [s for s in body if isinstance(s, tree.Chain | tree.For | tree.If | tree.Group)]
    return flows[-1] if flows else None

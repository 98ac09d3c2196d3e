"""Classes for everything that a net applies: which instances share one, in what order they stand, and the net's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter

from cnnlang.backends.torch_source import rules_conv, rules_merge, rules_norm, rules_pool, rules_shape
from cnnlang.backends.torch_source.build import substituted
from cnnlang.backends.torch_source.code import Code, Lit, Value, Var
from cnnlang.backends.torch_source.evaluate import names
from cnnlang.backends.torch_source.lower import Lowering
from cnnlang.backends.torch_source.names import MODULE_NAMES, class_name, free, net_name
from cnnlang.backends.torch_source.rules import merged, pieces
from cnnlang.backends.torch_source.scope import Scope
from cnnlang.backends.torch_source.shapes import Shapes
from cnnlang.backends.torch_source.source import ClassSource, written
from cnnlang.backends.torch_source.steps import (
    Apply,
    ClassInfo,
    Define,
    Differs,
    Lowered,
    Merge,
    Parameter,
    Row,
    Val,
    every,
)
from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError
from cnnlang.ir import Node
from cnnlang.ops import Op
from cnnlang.ops.base import Weight
from cnnlang.program import (
    Applied,
    AuxMade,
    Chosen,
    Inlined,
    Layer,
    Looped,
    Merged,
    Opened,
    OutputMade,
    Program,
    Repeated,
    Trace,
)
from cnnlang.syntax import tree

TARGET = "torch"
FAMILIES = (rules_conv, rules_merge, rules_norm, rules_pool, rules_shape)  # importing them registers their rules
HELPERS = frozenset({"fixed_kernel", "real_avg_pool2d", "uneven_avg_pool2d", "GroupNorm", "Normalize", "SamePad"})
CONSTANTS = frozenset({"LABELS", "SCALE", "MEAN", "STD", "COLOR", "RESIZE", "CROP", "INVERT"})


@dataclass(eq=False)
class Made:
    """A class with its source and its constructor's parameters, as text."""

    source: ClassSource
    parameters: list[str]


@dataclass(eq=False)
class Compiler:
    """Compiles a program's module tree to classes, those that are applied before those that apply them."""

    program: Program
    helpers: set[str] = field(default_factory=set)
    classes: list[Made] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    infos: dict[str, ClassInfo] = field(default_factory=dict)

    def compile(self) -> None:
        """Fill `classes` and `helpers`; the net's own class is the last."""
        self.taken = set(MODULE_NAMES | HELPERS | CONSTANTS)
        name = net_name(self.program.name, self.taken)
        self.taken.add(name)
        for traces in self._definitions():
            self._definition(traces)
        self._net(name)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _definitions(self) -> list[list[Applied]]:
        """The uses of each definition, callees first; one use of each kind."""
        found: dict[int, dict[str, Applied]] = {}
        sorter: TopologicalSorter[int] = TopologicalSorter()
        rest: list[tuple[int, tuple[Trace, ...]]] = [(0, self.program.root.body)]
        while rest:
            caller, body = rest.pop()
            for applied in applied_in(body):
                callee = id(applied.scope.definition)
                uses = found.setdefault(callee, {})
                sorter.add(caller, callee)
                if (kind := kind_of(applied)) not in uses:
                    uses[kind] = applied
                    rest.append((callee, applied.body))
        return [list(found[key].values()) for key in sorter.static_order() if key in found]

    def info(self, applied: Applied) -> ClassInfo:
        return self.infos[kind_of(applied)]

    def _definition(self, traces: list[Applied]) -> None:
        definition = traces[0].scope.definition
        assert definition is not None
        wanted = class_name(definition.name.name)
        for group in self._divided(traces):
            for unrolled in (False, True):
                try:
                    info = self._block(group, free(wanted, self.taken), unrolled=unrolled)
                    break
                except Differs:
                    continue
            else:
                raise AssertionError(definition.name.name)
            for applied in group:
                self.infos[kind_of(applied)] = info

    def _divided(self, traces: list[Applied]) -> Iterator[list[Applied]]:
        """The fewest groups of instances that can share a class: all, those of one structure, or each its own."""
        if self._can_share(traces):
            yield traces
            return
        structures: dict[object, list[Applied]] = {}
        for applied in traces:
            structures.setdefault(self._structure(applied.body, applied.scope.path), []).append(applied)
        for group in structures.values():
            if self._can_share(group):
                yield group
            else:
                yield from ([applied] for applied in group)

    def _can_share(self, traces: list[Applied]) -> bool:
        if len(traces) == 1:
            return True
        for unrolled in (False, True):
            kept = self.snapshot()
            try:
                self._block(traces, "Trial", unrolled=unrolled)
            except Differs:
                continue
            else:
                return True
            finally:
                self.restore(kept)
        return False

    def snapshot(self) -> tuple[set[str], int, set[str]]:
        return set(self.helpers), len(self.classes), set(self.taken)

    def restore(self, kept: tuple[set[str], int, set[str]]) -> None:
        self.helpers, count, self.taken = set(kept[0]), kept[1], set(kept[2])
        del self.classes[count:]

    def _structure(self, body: Sequence[Trace], base: str) -> object:
        """What instances of one class have in common, as something to compare."""
        found: list[object] = []
        for trace in body:
            match trace:
                case Layer(node=node):
                    paths = [n.op.path[len(base) :] for n in node.inputs if isinstance(n.op, Weight)]
                    found.append((type(node.op), *paths))
                case Applied(scope=scope):
                    found.append((id(self.info(trace)), scope.path[len(base) :]))
                case Merged(branches=branches):
                    found.append(tuple(self._structure(inner, base) for _, inner, _ in branches))
                case Repeated(turns=turns):
                    found.append(("turns", *(self._structure(t, base) for t in turns)))
                case Looped(turns=looped):
                    found.append(("turns", *(self._structure(t, base) for _, t in looped)))
                case Opened(scope=scope) | AuxMade(scope=scope):
                    found.append((scope.path[len(base) :], self._structure(scope.body, base)))
                case Chosen(taken=taken, body=inner):
                    found.append((taken, self._structure(inner, base)))
                case Inlined(body=inner) | OutputMade(body=inner):
                    found.append(self._structure(inner, base))
                case _:
                    found.append(type(trace))
        return tuple(found)

    def _block(self, traces: list[Applied], name: str, *, unrolled: bool) -> ClassInfo:
        """The class of a block for instances; raises Differs where they cannot share one."""
        kept = self.snapshot()
        try:
            lowered = self._lowered_block(traces, unrolled=unrolled)
            tensors = tuple(traces[0].tensors)
            return self._finished(lowered, name, tensors)
        except Differs:
            self.restore(kept)
            raise

    def _lowered_block(self, traces: list[Applied], *, unrolled: bool) -> Lowered:
        definition = traces[0].scope.definition
        assert definition is not None
        rows = [Row({}, None, t.scope.path) for t in traces]
        lowering = Lowering(self, rows, unrolled=unrolled)
        scope = Scope()
        inputs = [s.name.name for s in definition.body if isinstance(s, tree.Input)]
        scope.entry, parameters = lowering.entry([t.input for t in traces], "in", inputs[0] if inputs else "x")
        if inputs:
            scope.values[inputs[0]] = scope.entry
        entries = [scope.entry]
        for tensor in traces[0].tensors:
            val, sizes = lowering.entry([t.tensors[tensor] for t in traces], tensor, tensor)
            scope.values[tensor] = val
            entries.append(val)
            parameters += sizes
        for parameter in definition.parameters:
            own = parameter.name.name
            if parameter.tensor:
                continue
            made = Parameter(lowering.name(own), "parameter", own)
            if parameter.default is not None:
                made.default, made.computed = self._default(lowering, parameter.default, scope)
            for row, applied in zip(rows, traces, strict=True):
                row.values[made.name] = applied.scope.arguments[own]
            scope.symbols[own] = Var(made.name)
            parameters.append(made)
        steps, end = lowering.body(rows, [t.body for t in traces], scope, scope.entry)
        if end is None:
            raise Differs
        return Lowered(rows, entries, steps, [end], lowering.heads, parameters, lowering.repeats)

    def _default(self, lowering: Lowering, expr: tree.Expr, scope: Scope) -> tuple[Code | None, Code | None]:
        """A default as Python can say it in a signature, or in terms of the other parameters."""
        try:
            made = lowering.translate(expr, Scope())
            # a list would be shared by all instances, and linters refuse it
            return (None, made) if isinstance(made, Lit) and isinstance(made.value, list) else (made, None)
        except Differs:
            pass
        try:
            return None, lowering.translate(expr, scope)
        except Differs:
            return None, None

    def turn_class(self, name: str, lowered: Lowered) -> ClassInfo:
        """The class of the turns of `{ ... } * n`; what it reads of the body around it are parameters too."""
        own = {p.name for p in lowered.parameters} | {s.name for s in every(lowered.steps) if isinstance(s, Define)}
        made_inside = {v for s in every(lowered.steps) for v in _made(s)} | set(lowered.entries)
        captured: list[Val] = []
        for step in every(lowered.steps):
            for val in _read(step):
                if val not in made_inside and val not in captured:
                    captured.append(val)
        kept = self.snapshot()
        try:
            lowered.entries += captured
            outer = {n for row in lowered.rows for n in _visible(row)} - own
            lowered.parameters += [Parameter(n, "captured", n) for n in sorted(outer)]
            info = self._finished(lowered, free(class_name(name), self.taken), ())
        except Differs:
            self.restore(kept)
            raise
        return replace(info, captured=tuple(captured))

    # --- the net ------------------------------------------------------------------------------------------------------

    def _net(self, name: str) -> None:
        arguments = self.program.arguments
        free_names = {n for n, v in arguments.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        for unrolled in (False, True):
            kept = self.snapshot()
            while True:
                try:
                    lowered, fixed = self._lowered_net(free_names, unrolled=unrolled)
                    if not fixed & free_names:
                        self._finished(lowered, name, (), is_root=True)
                        return
                except Differs:
                    self.restore(kept)
                    break
                self.restore(kept)
                free_names -= fixed
        raise AssertionError(name)

    def _lowered_net(self, free_names: set[str], *, unrolled: bool) -> tuple[Lowered, set[str]]:
        program = self.program
        row = Row({})
        lowering = Lowering(self, [row], is_root=True, unrolled=unrolled)
        scope = Scope()
        parameters: list[Parameter] = []
        own_names: dict[str, str] = {}
        for own, value in program.arguments.items():
            scope.symbols[own] = Lit(value)
            if own in free_names:
                made = Parameter(lowering.name(own), "parameter", own, Lit(value))
                row.values[made.name] = value
                scope.symbols[own] = Var(made.name)
                own_names[made.name] = own
                parameters.append(made)
        lowering.free_parameters = frozenset(own_names)
        entries: list[Val] = []
        for info in program.inputs:
            val = lowering.value([row], [info.node], None)
            val.name = info.name
            scope.values[info.name] = val
            entries.append(val)
        lowering.fixed.clear()
        scope.entry = entries[0] if len(entries) == 1 else None
        steps, end = lowering.body([row], [program.root.body], scope, scope.entry)
        outputs = lowering.outputs or ([end] if end is not None else [])
        lowered = Lowered([row], entries, steps, outputs, lowering.heads, parameters, lowering.repeats)
        return lowered, {own_names[n] for n in lowering.fixed if n in own_names}

    # --- finishing ----------------------------------------------------------------------------------------------------

    def _finished(self, lowered: Lowered, name: str, tensors: tuple[str, ...], *, is_root: bool = False) -> ClassInfo:
        describe = Shapes(lowered, is_root=is_root)
        docstring = "" if is_root else _docstring(lowered, describe)
        source = written(lowered, name, [p.name for p in lowered.parameters], describe, is_root=is_root)
        source.docstring = docstring
        for parameter in lowered.parameters:
            parameter.kept = parameter.name in source.used
        shown = [p for p in lowered.parameters if p.kept]
        for i, parameter in enumerate(shown):  # a default may not stand before a parameter without one
            if parameter.default is not None and any(p.default is None for p in shown[i + 1 :]):
                parameter.default, parameter.computed = None, parameter.default
        self.taken.add(name)
        self.classes.append(Made(source, [p.name if p.default is None else f"{p.name}={p.default}" for p in shown]))
        channels = None if is_root else lowered.outputs[0].channels
        defines = {s.name: s.value for s in every(lowered.steps) if isinstance(s, Define)}
        while channels is not None and names(channels) & defines.keys():
            channels = substituted(channels, defines)
        return ClassInfo(name, tuple(lowered.parameters), tensors, channels, len(lowered.heads), lowered.reads)

    def inexpressible(self, node: Node) -> FindingsError:
        message = f"the target `{TARGET}` has nothing for `{node.op.name}`"
        help = Help("write the step with operators that the target has, or use another target")
        return FindingsError([Diagnostic("E0401", message, node.span, help=(help,))])

    def unshareable(self, applied: Applied) -> FindingsError:
        message = f"the target `{TARGET}` cannot share `{applied.scope.name}`: here it would be another module"
        help = Help("let what is shared not depend on the shape of what enters, or define it twice")
        return FindingsError([Diagnostic("E0401", message, applied.step.span, help=(help,))])


def applied_in(body: Sequence[Trace]) -> Iterator[Applied]:
    """The blocks applied directly in a record, in groups, loops and branches too."""
    stack: list[Trace] = list(reversed(body))
    while stack:
        trace = stack.pop()
        match trace:
            case Applied():
                yield trace
            case Merged(branches=branches):
                stack.extend(t for _, traces, _ in reversed(branches) for t in reversed(traces))
            case Repeated(turns=turns):
                stack.extend(t for traces in reversed(turns) for t in reversed(traces))
            case Looped(turns=looped):
                stack.extend(t for _, traces in reversed(looped) for t in reversed(traces))
            case Opened(scope=scope) | AuxMade(scope=scope):
                stack.extend(reversed(scope.body))
            case Chosen(body=inner) | Inlined(body=inner) | OutputMade(body=inner):
                stack.extend(reversed(inner))
            case _:
                pass


def kind_of(applied: Applied) -> str:
    """What decides how a definition expands: the definition, its arguments and the shapes that enter."""
    arguments: dict[str, Value] = dict(applied.scope.arguments)
    tensors = {name: str(node.type) for name, node in applied.tensors.items()}
    return f"{id(applied.scope.definition)} {arguments!r} {applied.input.type} {tensors}"


def _docstring(lowered: Lowered, describe: Shapes) -> str:
    """`[N, in_channels, H, W] to [N, 4 * width, H / stride, W / stride]`, where all of it is known."""
    entering = [describe(e, outside=True) for e in lowered.entries]
    leaving = [describe(o, outside=True) for o in lowered.outputs]
    if not all(entering) or not all(leaving):
        return ""
    named = [entering[0], *(f"{e.name} {s}" for e, s in zip(lowered.entries[1:], entering[1:], strict=True))]
    return f"{', '.join(named)} to {' and '.join(leaving)}"


def _made(step: object) -> Iterator[Val]:
    output = getattr(step, "output", None)
    if isinstance(output, Val):
        yield output
    yield from getattr(step, "extra", ())
    inner = getattr(step, "inner", None)
    if isinstance(inner, Val):
        yield inner
    yield from (out for out, _, _ in getattr(step, "outputs", ()))


def _read(step: object) -> Iterator[Val]:
    match step:
        case Apply(inputs=inputs):
            yield from inputs
        case Merge(branches=branches):
            yield from (end for _, end in branches)
        case _:
            yield from (v for v in (getattr(step, "entry", None), getattr(step, "exit", None)) if isinstance(v, Val))
            for _, *ends in getattr(step, "outputs", ()):
                yield from (v for v in ends if v is not None)


def _visible(row: Row) -> Iterator[str]:
    """The names of the rows around a row."""
    outer = row.parent
    while outer is not None:
        yield from outer.values
        outer = outer.parent


def expressible(op: Op) -> bool:
    """Whether PyTorch has something for an operator."""
    rule = merged if op.is_merge else pieces
    return op.torch is not None or rule.dispatch(type(op)) is not rule.dispatch(Op)

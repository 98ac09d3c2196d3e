"""One definition for everything that a net applies: which instances share it, and in what order they stand.

A definition is a class or a function. A block's instances share one wherever they can; where they cannot, those of one
structure do, and at the last each has its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Any, ClassVar, Generic, TypeVar

from cnnlang.backends.python_source.code import Code, Lit, Value, Var
from cnnlang.backends.python_source.lower import Lowering
from cnnlang.backends.python_source.names import free
from cnnlang.backends.python_source.rules import Piece
from cnnlang.backends.python_source.shapes import Shapes
from cnnlang.backends.python_source.steps import Definition, Differs, Lowered, Parameter, Row, Val
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.python_source.values import Scope
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

M = TypeVar("M")


class Compiler(ABC, Generic[M]):
    """Compiles a program's module tree to definitions, those that are applied before those that apply them.

    Class attributes
    ----------------
    target
        The target's name.
    reserved
        Names that the emitted file uses for itself.

    Attributes
    ----------
    made
        What is written so far; the net's own is the last.
    permuted
        Flattenings that must put the channels first, where they are last.
    helpers
        The names of the helper definitions that are needed.
    taken
        The names at the file's top level.
    """

    target: ClassVar[str]
    reserved: ClassVar[frozenset[str]]

    def __init__(self, program: Program, taken: frozenset[str]) -> None:
        self.program = program
        self.helpers: set[str] = set()
        self.made: list[M] = []
        self.permuted: frozenset[Op] = frozenset()
        self.taken: set[str] = set(taken)
        self.infos: dict[str, Definition] = {}

    def compile(self) -> None:
        """Fill `made` and `helpers`."""
        name = self.net_name()
        self.taken.add(name)
        for traces in self._definitions():
            self._definition(traces)
        self._net(name)

    # --- what a target says -------------------------------------------------------------------------------------------

    @abstractmethod
    def net_name(self) -> str:
        """What the net's own definition is called."""

    @abstractmethod
    def called(self, block: str) -> str:
        """What the definition of a block should be called."""

    @abstractmethod
    def lowering(self, rows: list[Row], *, is_root: bool = False, unrolled: bool = False) -> Lowering:
        """What lowers the body of a definition."""

    @abstractmethod
    def pieces(self, op: Op, use: Use[Any]) -> Sequence[Piece]:
        """The pieces of an operator at a place; raises NoRule where the target cannot say it."""

    @abstractmethod
    def merged(self, op: Op, ranks: list[int]) -> Callable[[list[Code]], Code]:
        """The expression of a merge, from those of its branches; raises NoRule where the target cannot say it."""

    @abstractmethod
    def finished(self, lowered: Lowered, name: str, tensors: tuple[str, ...], *, is_root: bool = False) -> Definition:
        """Write a definition; raises Differs where the instances cannot share it."""

    def inexpressible(self, node: Node) -> FindingsError:
        return FindingsError([inexpressible(self.target, node)])

    def unshareable(self, name: str, step: tree.Step) -> FindingsError:
        message = f"the target `{self.target}` cannot share `{name}`: here it would be another one"
        help = Help("let what is shared not depend on the shape of what enters, or define it twice")
        return FindingsError([Diagnostic("E0401", message, step.span, help=(help,))])

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

    def info(self, applied: Applied) -> Definition:
        return self.infos[kind_of(applied)]

    def _definition(self, traces: list[Applied]) -> None:
        definition = traces[0].scope.definition
        assert definition is not None
        wanted = self.called(definition.name.name)
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
        return set(self.helpers), len(self.made), set(self.taken)

    def restore(self, kept: tuple[set[str], int, set[str]]) -> None:
        self.helpers, count, self.taken = set(kept[0]), kept[1], set(kept[2])
        del self.made[count:]

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

    def _block(self, traces: list[Applied], name: str, *, unrolled: bool) -> Definition:
        """The class of a block for instances; raises Differs where they cannot share one."""
        kept = self.snapshot()
        try:
            lowered = self._lowered_block(traces, unrolled=unrolled)
            tensors = tuple(traces[0].tensors)
            return self.finished(lowered, name, tensors)
        except Differs:
            self.restore(kept)
            raise

    def _lowered_block(self, traces: list[Applied], *, unrolled: bool) -> Lowered:
        definition = traces[0].scope.definition
        assert definition is not None
        rows = [Row({}, None, t.scope.path) for t in traces]
        lowering = self.lowering(rows, unrolled=unrolled)
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

    # --- the net ------------------------------------------------------------------------------------------------------

    def orders(self) -> Iterator[bool]:
        """Whether loops are written out, in the order in which that is tried."""
        yield from (False, True)

    def _net(self, name: str) -> None:
        arguments = self.program.arguments
        free_names = {n for n, v in arguments.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        for unrolled in self.orders():
            kept = self.snapshot()
            while True:
                try:
                    lowered, fixed = self._lowered_net(free_names, unrolled=unrolled)
                    if not fixed & free_names:
                        self.finished(lowered, name, (), is_root=True)
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
        lowering = self.lowering([row], is_root=True, unrolled=unrolled)
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


def inexpressible(target: str, node: Node) -> Diagnostic:
    """The finding for an operator that a target has nothing for."""
    message = f"the target `{target}` has nothing for `{node.op.name}`"
    help = Help("write the step with operators that the target has, or use another target")
    return Diagnostic("E0401", message, node.span, help=(help,))


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


def docstring(lowered: Lowered, describe: Shapes) -> str:
    """`[N, in_channels, H, W] to [N, 4 * width, H / stride, W / stride]`, where all of it is known."""
    entering = [describe(e, outside=True) for e in lowered.entries]
    leaving = [describe(o, outside=True) for o in lowered.outputs]
    if not all(entering) or not all(leaving):
        return ""
    named = [entering[0], *(f"{e.name} {s}" for e, s in zip(lowered.entries[1:], entering[1:], strict=True))]
    return f"{', '.join(named)} to {' and '.join(leaving)}"

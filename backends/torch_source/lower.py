"""From the records of a block's instances to the steps of one class, in terms of its constructor's parameters.

The instances are walked side by side. Where the file writes an expression, it is translated and held against the value
that every instance recorded; where it cannot be, a number that is the same everywhere stands in its place; where even
that fails, `Differs` is raised and the instances are divided (see `classes`). So a class is right for each of its
instances, or is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cnnlang.backends.torch_source import chain, rules
from cnnlang.backends.torch_source.code import (
    Argument,
    Binary,
    Call,
    Code,
    Lit,
    Local,
    Unknown,
    Var,
    binary,
    call,
    compare,
    evaluate,
    function,
    index,
    items,
    names,
    substituted,
    ternary,
    text,
    total,
    unary,
)
from cnnlang.backends.torch_source.names import BUILTINS, variable
from cnnlang.backends.torch_source.steps import (
    Apply,
    Branch,
    ClassInfo,
    Define,
    Differs,
    Head,
    Loop,
    Lowered,
    Merge,
    Module,
    Parameter,
    Path,
    PerRow,
    Row,
    Step,
    Val,
)
from cnnlang.backends.torch_source.use import Use
from cnnlang.ir import Node
from cnnlang.ops.base import Weight
from cnnlang.program import (
    Applied,
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
    SharedMade,
    Trace,
)
from cnnlang.signature import Value
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

if TYPE_CHECKING:
    from cnnlang.backends.torch_source.classes import Compiler

MAX_UNROLLED = 16  # turns of a net's loop that are written out
AXES = ("height", "width")


class Reshaped(Exception):
    """A shared value is another module here than where it was first applied."""


@dataclass(eq=False)
class SharedName:
    statement: tree.Shared
    scope: Scope


@dataclass(eq=False)
class Scope:
    """The names in sight: values, compile-time values and shared ones; `entry` is what `in` means."""

    entry: Val | None = None
    values: dict[str, Val] = field(default_factory=dict)
    symbols: dict[str, Code] = field(default_factory=dict)
    shared: dict[str, SharedName] = field(default_factory=dict)

    def copy(self, **changes: object) -> Scope:
        made = replace(self, values=dict(self.values), symbols=dict(self.symbols), shared=dict(self.shared))
        return replace(made, **changes)  # type: ignore[arg-type]


class Lowering:
    """Lowers the instances of one block, the turns of one repetition, or a net.

    Parameters
    ----------
    compiler
        Knows the classes of what the body applies.
    rows
        The instances.
    is_root
        Whether it is the net itself: there is one instance, and loops are written out.
    unrolled
        Whether loops and repetitions are written out.
    """

    def __init__(
        self, compiler: Compiler, rows: list[Row], *, is_root: bool = False, unrolled: bool = False
    ) -> None:
        self.compiler = compiler
        self.rows = rows
        self.is_root = is_root
        self.unrolled = unrolled
        self.free_parameters: frozenset[str] = frozenset()  # the net's parameters that may stay parameters
        self.fixed: set[str] = set()  # names of parameters on which something depends that is written as a number
        self.taken: set[str] = set(BUILTINS)
        self.sizes: dict[Val, dict[str, str]] = {}  # the parameters that hold an entry's height and width
        self.constructed: dict[Row, dict[Path, str]] = {}  # and what with
        self.containers: list[str] = []
        self.repeats: set[Path] = set()  # the containers of repetitions
        self.heads: list[Val] = []
        self.outputs: list[Val] = []

    # --- entries ------------------------------------------------------------------------------------------------------

    def entry(self, nodes: list[Node], prefix: str, name: str) -> tuple[Val, list[Parameter]]:
        """A tensor that enters, and the constructor's parameters for its sizes."""
        val = self.value(self.rows, nodes, None)
        val.name = name
        of = "" if prefix == "in" else name
        noun = "features" if val.rank == 2 and prefix == "in" else "channels"
        made = []
        for source, position in (("channels", 1), ("height", 2), ("width", 3))[: 1 if val.rank == 2 else 3]:
            parameter = self.name(f"{prefix}_{noun if source == 'channels' else source}")
            for row in self.rows:
                row.values[parameter] = val.type(row).shape[position]
            made.append(Parameter(parameter, source, of))
        val.channels = Var(made[0].name)
        self.sizes[val] = {p.source: p.name for p in made[1:]}
        return val, made

    def name(self, wanted: str) -> str:
        """A free name of the constructor."""
        made = variable(wanted, self.taken)
        self.taken.add(made)
        return made

    def _index_name(self) -> str:
        return self.name(next((n for n in ("i", "j", "k") if n not in self.taken), "i"))

    # --- values -------------------------------------------------------------------------------------------------------

    def values(self, made: Code, rows: Iterable[Row]) -> list[Value]:
        """An expression's value in each row; `Unknown` itself, equal to nothing, where it has none."""
        found: list[Value] = []
        for row in rows:
            try:
                found.append(evaluate(made, row))
            except Unknown:
                found.append(Unknown)
        return found

    def holds(self, made: Code, rows: Sequence[Row], values: Sequence[Value]) -> bool:
        return all(same(a, b) for a, b in zip(self.values(made, rows), values, strict=True))

    def value(self, rows: Sequence[Row], nodes: Sequence[Node], channels: Code | None) -> Val:
        """A tensor whose channels are an expression, if it holds in every row, else one number, else unknown."""
        ranks = {n.type.rank for n in nodes}
        if len(ranks) != 1:
            raise Differs
        actual = [n.type.channels for n in nodes]
        if channels is None or not self.holds(channels, rows, actual):
            if len(set(actual)) == 1:
                channels = Lit(actual[0])
                self.fixed |= self.free_parameters
            else:
                channels = None
        return Val(PerRow(dict(zip(rows, nodes, strict=True))), channels, rank=ranks.pop())

    def channels(self, val: Val) -> Code:
        """The channels of a value, for a module's constructor."""
        if val.channels is None:
            raise Differs
        if self.is_root and not _reads_well(val.channels):
            self.fixed |= names(val.channels)
        return val.channels

    def size(self, val: Val, axis: str, rows: Sequence[Row], *, as_read: bool = False) -> Code:
        """The height or width of a value: one number, or in terms of what enters the class.

        With `as_read` (the file reads `in.height`) a parameter comes before a number.
        """
        position = 2 + AXES.index(axis)
        actual = [val.type(row).shape[position] for row in rows]
        number = actual[0] if all(same(a, actual[0]) for a in actual) and isinstance(actual[0], int) else None
        if number is not None and not (as_read and not self.is_root):
            return Lit(number)
        for parameters in [self.sizes[val]] if val in self.sizes else self.sizes.values():
            if axis in parameters:
                source = Var(parameters[axis])
                for guess in self._scaled(source, actual, rows):
                    if self.holds(guess, rows, actual):
                        return guess
        if number is not None:
            return Lit(number)
        raise Differs

    def _scaled(self, source: Code, actual: Sequence[Value], rows: Sequence[Row]) -> Iterator[Code]:
        yield source
        (first, *_), wanted = self.values(source, rows), actual[0]
        if isinstance(first, int) and isinstance(wanted, int) and first and wanted:
            if first >= wanted:
                yield binary("//", source, Lit(first // wanted))
                yield binary("//", binary("+", source, Lit(1)), Lit(-(-first // wanted)))
            else:
                yield binary("*", source, Lit(wanted // first))

    def fix(self, expr: tree.Expr, scope: Scope) -> None:
        """Note that something written as a number depends on an expression."""
        if self.free_parameters:
            self.fixed |= {
                n for p in _names_in(expr) if p in scope.symbols for n in names(scope.symbols[p])
            } | ({n for v in _tensors_in(expr, scope) if v.channels is not None for n in names(v.channels)})

    # --- expressions --------------------------------------------------------------------------------------------------

    def translate(self, expr: tree.Expr, scope: Scope) -> Code:
        """A compile-time expression in Python.

        Raises
        ------
        Differs
            It reads what has no name in the constructor.
        """
        try:
            return self._translated(expr, scope)
        except (Unknown, RecursionError):
            raise Differs from None

    def _translated(self, expr: tree.Expr, scope: Scope) -> Code:
        def new(part: tree.Expr) -> Code:
            return self._translated(part, scope)

        match expr:
            case tree.Constant(value=value):
                return Lit(value)
            case tree.Pair(height=height, width=width):
                return Lit((height, width))
            case tree.Name(name=name) if name in scope.symbols:
                return scope.symbols[name]
            case tree.Attribute(value=value, name=name):
                return self._attribute(value, name.name, scope)
            case tree.ListExpr(items=parts):
                return items("[", tuple(map(new, parts)))
            case tree.TupleExpr(items=parts):
                return items("(", tuple(map(new, parts)))
            case tree.Unary(op=op, operand=operand):
                return new(operand) if op == "+" else unary(op, new(operand))
            case tree.Power(base=base, exponent=exponent):
                return binary("**", new(base), new(exponent))
            case tree.Arithmetic(first=first, rest=rest):
                made = new(first)
                for op, operand in rest:
                    made = binary(op, made, new(operand))
                return made
            case tree.Compare(first=first, rest=rest):
                return compare(new(first), tuple(op for op, _ in rest), tuple(new(e) for _, e in rest))
            case tree.Logic(op=op, operands=operands):
                made = new(operands[-1])
                for operand in reversed(operands[:-1]):
                    made = binary(op, new(operand), made)
                return made
            case tree.Conditional(then=then, test=test, otherwise=otherwise):
                decided = new(test)
                if isinstance(decided, Lit):  # the other side may have no value here
                    return new(then if decided.value else otherwise)
                return ternary(new(then), decided, new(otherwise))
            case tree.Index(value=listed, index=at):
                return index(new(listed), new(at))
            case tree.Call(name=name, arguments=arguments):
                return function(name.name, tuple(new(a.value) for a in arguments))
        raise Differs

    def _attribute(self, value: tree.Expr, what: str, scope: Scope) -> Code:
        val = scope.entry if isinstance(value, tree.In) else scope.values.get(getattr(value, "name", ""))
        if val is None:
            raise Differs
        if what == "channels":
            return self.channels(val)
        return self.size(val, what, self.rows if val in self.sizes else list(val.nodes.own), as_read=True)

    def said(self, expr: tree.Expr, scope: Scope, rows: Sequence[Row], values: Sequence[Value]) -> Code:
        """An expression as written where it holds in every row, else the one value that all have."""
        try:
            made = self.translate(expr, scope)
            if self.holds(made, rows, values):
                return made
        except Differs:
            pass
        if all(same(v, values[0]) for v in values):
            self.fix(expr, scope)
            return Lit(values[0])
        raise Differs

    # --- bodies -------------------------------------------------------------------------------------------------------

    def body(
        self, rows: Sequence[Row], records: Sequence[Sequence[Trace]], scope: Scope, flow: Val | None
    ) -> tuple[list[Step], Val | None]:
        """The steps of bodies recorded side by side, and the value that leaves."""
        if len({len(r) for r in records}) > 1:
            raise Differs
        steps: list[Step] = []
        for traces in zip(*records, strict=True):
            if len({type(t) for t in traces}) > 1 or len({id(_syntax(t)) for t in traces}) > 1:
                raise Differs
            flow = self.trace(rows, traces, scope, flow, steps)
        return steps, flow

    def trace(
        self, rows: Sequence[Row], traces: Sequence[Trace], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        """Lower one thing that happened; the answer is the value that flows on."""
        match traces[0]:
            case Layer():
                return self._layer(rows, traces, scope, _flowing(flow), steps)  # type: ignore[arg-type]
            case Applied():
                return self._applied(rows, traces, scope, _flowing(flow), steps)  # type: ignore[arg-type]
            case Merged():
                return self._merged(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
            case Repeated():
                return self._repeated(rows, traces, scope, _flowing(flow), steps)  # type: ignore[arg-type]
            case Opened():
                return self._opened(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
            case Looped():
                return self._looped(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
            case Chosen():
                return self._chosen(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
            case Inlined():
                inner, flow = self.body(rows, [t.body for t in traces], scope, flow)  # type: ignore[union-attr]
                steps += inner
                return flow
            case Recalled():
                return self._recalled(rows, traces, scope)  # type: ignore[arg-type]
            case Named(name=name):
                flow = _flowing(flow)
                scope.values[name] = flow
                flow.name = flow.name or name
                if steps and isinstance(last := steps[-1], Apply) and last.output is flow:
                    last.label = name
                return flow
            case Bound():
                self._bound(rows, traces, scope, steps)  # type: ignore[arg-type]
                return flow
            case SharedMade(statement=statement):
                scope.shared[statement.name.name] = SharedName(statement, scope.copy())
                return flow
            case OutputMade():
                return self._output(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
            case AuxMade():
                self._head(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
                return flow
        raise AssertionError(traces[0])

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What a failed attempt noted is forgotten."""
        classes = self.compiler.snapshot()
        kept = {row: dict(paths) for row, paths in self.constructed.items()}
        counts = len(self.containers), len(self.heads), len(self.outputs)
        fixed, taken = set(self.fixed), set(self.taken)
        try:
            yield
        except Differs:
            self.compiler.restore(classes)
            self.constructed, self.fixed, self.taken = kept, fixed, taken
            for listed, count in zip((self.containers, self.heads, self.outputs), counts, strict=True):
                del listed[count:]  # type: ignore[attr-defined]
            raise

    # --- layers and blocks --------------------------------------------------------------------------------------------

    def _layer(self, rows: Sequence[Row], traces: Sequence[Layer], scope: Scope, flow: Val, steps: list[Step]) -> Val:
        nodes = [t.node for t in traces]
        ops = [n.op for n in nodes]
        if len({type(op) for op in ops}) > 1:
            raise Differs
        call = traces[0].step.action
        assert isinstance(call, tree.Call)
        is_shared = call.name.name in scope.shared
        if is_shared:
            shared = scope.shared[call.name.name]
            call, scope = shared.statement.call, shared.scope
        slots = [f.name for f in ops[0].fields()]
        arguments = {(a.name.name if a.name else slots[i]): a.value for i, a in enumerate(call.arguments)}
        paths = self._weight_paths(rows, nodes)
        use = Use(self, scope, rows, ops, flow, arguments, is_weighted=paths is not None, is_shared=is_shared)
        try:
            made = rules.pieces(ops[0], use)
        except rules.NoRule:
            raise self.compiler.inexpressible(nodes[0]) from None
        try:
            channels: Code | None = rules.channels(ops[0], use)
        except Differs:
            channels = None
        output = self.value(rows, nodes, channels)
        for i, piece in enumerate(made):
            is_last = i == len(made) - 1
            after = output if is_last else Val(PerRow({}), None, rank=flow.rank)
            step = Apply(
                (flow,),
                after,
                rows,
                modules=piece.modules,
                function=_of_one(piece.function),
                scope=tuple(self.containers),
                wraps=piece.wraps,
                trails=piece.trails,
            )
            if piece.weighted and paths is not None:
                step.paths = paths
                step.again = self._again(rows, paths, Lit(None))  # its weights have one shape
                step.naming = self._naming(traces[0].step, rows, paths, scope)
            steps.append(step)
            flow = after
        return flow

    def _naming(self, step: tree.Step, rows: Sequence[Row], paths: PerRow[Path], scope: Scope) -> Code | None:
        """A label that the file computes, in Python, where it is the whole path in every row."""
        if not isinstance(step.label, tree.Template) or step.times is not None:
            return None
        try:
            parts = tuple(Lit(p) if isinstance(p, str) else self.translate(p, scope) for p in step.label.parts)
        except Differs:
            return None
        made = text(parts)
        whole = [(v,) for v in self.values(made, rows)]
        return made if not isinstance(made, Lit) and whole == paths.of(rows) else None

    def _weight_paths(self, rows: Sequence[Row], nodes: Sequence[Node]) -> PerRow[Path] | None:
        found: dict[Row, Path] = {}
        for row, node in zip(rows, nodes, strict=True):
            for weight in node.inputs:
                if isinstance(weight.op, Weight):
                    found[row] = self._relative(row, weight.op.path.rpartition(".")[0])
                    break
        if found and len(found) < len(rows):
            raise Differs
        return PerRow(found) if found else None

    def _relative(self, row: Row, path: str) -> Path:
        """A path within the class; raises Differs for one that is not (a shared value made outside)."""
        if row.base and not path.startswith(f"{row.base}."):
            raise Differs
        return tuple(path[len(row.base) + 1 if row.base else 0 :].split("."))

    def _again(self, rows: Sequence[Row], paths: PerRow[Path], made: Code) -> bool:
        """Whether a module is there already, in all rows or in none of them.

        Raises
        ------
        Reshaped
            It is there, and was constructed otherwise.
        """
        seen = set()
        for row in rows:
            path, place = paths[row], row
            how = self._signature(made, row)
            first = self.constructed.get(place, {}).get(path)
            while first is None and place.parent is not None and place.parent.base == row.base:
                place = place.parent
                first = self.constructed.get(place, {}).get(path)
            if first not in (None, how):
                raise Reshaped
            seen.add(first is not None)
            self.constructed.setdefault(row, {})[path] = how
            if row.parent is not None and row.parent.base == row.base:
                uses = self.constructed.setdefault(row.parent, {})
                if path in uses and first is None:
                    raise Differs  # two turns of a loop share it
                uses[path] = how
        if len(seen) > 1:
            raise Differs
        return seen.pop()

    def _signature(self, made: Code, row: Row) -> str:
        """What a constructor is called with in one row."""
        values = [self.values(a.value, [row])[0] for a in made.arguments] if isinstance(made, Call) else []
        return f"{made.function if isinstance(made, Call) else made} {values!r}"

    def _applied(
        self, rows: Sequence[Row], traces: Sequence[Applied], scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        infos = {self.compiler.info(t) for t in traces}
        if len(infos) > 1:
            raise Differs
        info = infos.pop()
        call = traces[0].step.action
        assert isinstance(call, tree.Call)
        if call.name.name in scope.shared:
            shared = scope.shared[call.name.name]
            call, scope = shared.statement.call, shared.scope
        definition = traces[0].scope.definition
        assert definition is not None
        slots = [p.name.name for p in definition.parameters]
        arguments = {(a.name.name if a.name else slots[i]): a.value for i, a in enumerate(call.arguments)}
        keywords = {a.name.name for a in call.arguments if a.name}
        tensors = [self._tensor(arguments[name], scope) for name in info.tensors]
        bound = {"": flow, **dict(zip(info.tensors, tensors, strict=True))}
        made, said = self._construct(info, rows, traces, arguments, keywords, bound, scope)
        paths = PerRow({r: self._relative(r, t.scope.path) for r, t in zip(rows, traces, strict=True)})
        output = self.value(
            rows, [t.output for t in traces], _replaced(info.channels, said)
        )
        inputs = tuple(v for v, is_read in zip((flow, *tensors), info.reads, strict=True) if is_read)
        step = Apply(inputs, output, rows, paths, (Module(info.name, made),), scope=tuple(self.containers))
        try:
            step.again = self._again(rows, paths, made)
        except Reshaped:
            self._must_be_bare(rows, traces)
            called = traces[0].scope.name.rpartition(".")[2]
            step.paths, step.label, step.modules = None, called, (Module(called, made),)
        else:
            step.naming = self._naming(traces[0].step, rows, paths, scope)
        step.extra = tuple(Val(PerRow({}), None, name=f"aux{i + 1}") for i in range(info.heads))
        if not step.again:
            self.heads += step.extra
        steps.append(step)
        return output

    def _must_be_bare(self, rows: Sequence[Row], traces: Sequence[Applied]) -> None:
        """A shared value that is another module at this place: right without weights, else beyond PyTorch."""
        if not any(isinstance(n.op, Weight) for t in traces for n in body_nodes(t.body)):
            return
        if len(rows) > 1:
            raise Differs
        raise self.compiler.unshareable(traces[0])

    def _tensor(self, expr: tree.Expr, scope: Scope) -> Val:
        val = scope.entry if isinstance(expr, tree.In) else scope.values.get(getattr(expr, "name", ""))
        if val is None:
            raise Differs
        val.recalled = val.recalled or not isinstance(expr, tree.In)
        return val

    def _construct(
        self,
        info: ClassInfo,
        rows: Sequence[Row],
        traces: Sequence[Applied],
        arguments: Mapping[str, tree.Expr],
        keywords: set[str],
        bound: Mapping[str, Val],
        scope: Scope,
    ) -> tuple[Code, dict[str, Code]]:
        """The call of a class's constructor, and what each of its parameters is there."""
        said: dict[str, Code] = {}
        listed: list[Argument] = []
        by_name = False
        for parameter in info.parameters:
            try:
                made = self._argument(parameter, rows, traces, arguments, bound, said, scope)
            except Differs:
                if parameter.kept:
                    raise
                continue
            said[parameter.name] = made
            if not parameter.kept:
                continue
            if parameter.source == "parameter":
                by_name = by_name or parameter.of in keywords
            is_default = parameter.default is not None and str(made) == str(parameter.default)
            if is_default and (parameter.of not in arguments or isinstance(made, Lit)):
                by_name = True
                continue
            listed.append(Argument(made, parameter.name if by_name else ""))
        return Call(Local(info.name), tuple(listed)), said

    def _argument(
        self,
        parameter: Parameter,
        rows: Sequence[Row],
        traces: Sequence[Applied],
        arguments: Mapping[str, tree.Expr],
        bound: Mapping[str, Val],
        said: Mapping[str, Code],
        scope: Scope,
    ) -> Code:
        if parameter.source == "channels":
            val = bound[parameter.of]
            if parameter.kept:
                return self.channels(val)
            if val.channels is None:
                raise Differs
            return val.channels
        if parameter.source in AXES:
            return self.size(bound[parameter.of], parameter.source, rows)
        values = [t.scope.arguments[parameter.of] for t in traces]
        if parameter.of in arguments:
            return self.said(arguments[parameter.of], scope, rows, values)
        return self._default(parameter, said, rows, values)

    def _default(self, parameter: Parameter, said: Mapping[str, Code], rows: Sequence[Row], values: list[Value]) -> Code:
        """The value of a parameter that the call does not write."""
        if parameter.default is not None and self.holds(parameter.default, rows, values):
            return parameter.default
        if parameter.computed is not None and names(parameter.computed) <= said.keys():
            made = _replaced(parameter.computed, said)
            if made is not None and self.holds(made, rows, values):
                return made
        if all(same(v, values[0]) for v in values):
            return Lit(values[0])
        raise Differs

    # --- merges, recalls, names ---------------------------------------------------------------------------------------

    def _merged(
        self, rows: Sequence[Row], traces: Sequence[Merged], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val:
        if len({len(t.branches) for t in traces}) > 1:
            raise Differs
        branches: list[tuple[list[Step], Val]] = []
        for i in range(len(traces[0].branches)):
            inner, end = self.body(rows, [t.branches[i][1] for t in traces], scope.copy(entry=flow), flow)
            branches.append((inner, _flowing(end)))
        if len(branches) == 1:
            steps += branches[0][0]
            return branches[0][1]
        nodes = [t.node for t in traces]
        ends = [end for _, end in branches]
        try:
            made = rules.merged(nodes[0].op, [e.rank for e in ends])
        except rules.NoRule:
            raise self.compiler.inexpressible(nodes[0]) from None
        output = self.value(rows, nodes, self._merged_channels(rows, nodes, ends))
        entry = flow if flow is not None else ends[0]
        steps.append(Merge(entry, branches, output, rows, made, nodes[0].op.name))
        return output

    def _merged_channels(self, rows: Sequence[Row], nodes: Sequence[Node], ends: Sequence[Val]) -> Code | None:
        actual = [n.type.channels for n in nodes]
        known = [e.channels for e in ends if e.channels is not None]
        guesses = sorted(known, key=lambda c: (not isinstance(c, Lit), len(str(c))))
        if len(known) == len(ends):
            guesses.append(total(known))
        return next((g for g in guesses if self.holds(g, rows, actual)), None)

    def _recalled(self, rows: Sequence[Row], traces: Sequence[Recalled], scope: Scope) -> Val:
        action = traces[0].step.action
        if isinstance(action, tree.In):
            val = scope.entry
        else:
            assert isinstance(action, tree.Call)
            val = scope.values.get(action.name.name)
            if val is not None:
                val.recalled = True
        if val is None or any(
            not val.nodes.has(r) or val.nodes[r] is not t.node for r, t in zip(rows, traces, strict=True)
        ):
            raise Differs
        return val

    def _bound(self, rows: Sequence[Row], traces: Sequence[Bound], scope: Scope, steps: list[Step]) -> None:
        """`let`: a variable of the constructor, or the number itself."""
        statement = traces[0].statement
        name = statement.name.name
        values = [t.value for t in traces]
        scope.symbols.pop(name, None)
        try:
            made = self.said(statement.value, scope, rows, values)
        except Differs:
            return
        if isinstance(made, Lit | Var):
            scope.symbols[name] = made
            return
        variable_name = self.name(name)
        for row, value in zip(rows, values, strict=True):
            row.values[variable_name] = value
        steps.append(Define(variable_name, made))
        scope.symbols[name] = Var(variable_name)

    def _output(
        self, rows: Sequence[Row], traces: Sequence[OutputMade], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        item = traces[0].item
        name = item.name.name
        if item.chain is None:
            val = scope.values.get(name)
        else:
            inner, val = self.body(rows, [t.body for t in traces], scope, flow)
            steps += inner
        val = _flowing(val)
        val.name = val.name or name
        val.recalled = True
        scope.values[name] = val
        if not self.is_root:
            return val
        self.outputs.append(val)
        return flow

    def _head(
        self, rows: Sequence[Row], traces: Sequence[AuxMade], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> None:
        name = traces[0].statement.name.name
        self.containers.append(name)
        inner, output = self.body(rows, [t.scope.body for t in traces], scope.copy(), flow)
        self.containers.pop()
        val = _flowing(output)
        val.name = val.name or name
        scope.values[name] = val
        self.heads.append(val)
        steps.append(Head(name, inner, val))

    # --- groups, repetitions, loops, choices ----------------------------------------------------------------------------

    def _opened(
        self, rows: Sequence[Row], traces: Sequence[Opened], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        around = list(self.containers)
        inside = {self._relative(r, t.scope.path) for r, t in zip(rows, traces, strict=True)}
        if len(inside) == 1:
            self.containers[:] = inside.pop()
        inner, end = self.body(rows, [t.scope.body for t in traces], scope, flow)
        self.containers[:] = around
        steps += inner
        return end

    def _repeated(
        self, rows: Sequence[Row], traces: Sequence[Repeated], scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        counts = [t.count for t in traces]
        times = traces[0].step.times
        assert times is not None
        made: Code | None = None
        try:
            made = self.translate(times, scope)
        except Differs:
            pass
        as_loop = not self.unrolled and made is not None and not isinstance(made, Lit) and not self.is_root and self.holds(made, rows, counts)
        if as_loop and made is not None:
            try:
                with self.attempt():
                    return self._repetition(rows, traces, made, scope, flow, steps)
            except Differs:
                pass
        if len(set(counts)) > 1:
            raise Differs
        self.fix(times, scope)
        self._note_repeat(rows, traces)
        turned = self._turned(rows, traces, scope)
        for i in range(counts[0]):
            flow = self._turn(rows, [t.turns[i] for t in traces], scope, flow, steps, turned)
        return flow

    def _note_repeat(self, rows: Sequence[Row], traces: Sequence[Repeated]) -> None:
        """Nothing but its turns goes into the container of a repetition."""
        for row, trace in zip(rows, traces, strict=True):
            for first in trace.turns[0] if trace.turns else ():
                if isinstance(first, Opened | Applied):
                    self.repeats.add(self._relative(row, first.scope.path)[:-1])
                elif isinstance(first, Layer) and (paths := self._weight_paths([row], [first.node])):
                    self.repeats.add(paths[row][:-1])

    def _turn(
        self,
        rows: Sequence[Row],
        turns: Sequence[Sequence[Trace]],
        scope: Scope,
        flow: Val,
        steps: list[Step],
        turned: ClassInfo | None,
    ) -> Val:
        """One turn of `{ ... } * n`: an instance of the class made of its body, or its steps."""
        if turned is None:
            inner, end = self.body(rows, turns, scope.copy(), flow)
            steps += inner
            return _flowing(end)
        opened = [t for turn in turns for t in turn if isinstance(t, Opened)]
        said: dict[str, Code] = {p.name: Var(p.name) for p in turned.parameters if p.source == "captured"}
        for parameter in turned.parameters:
            if parameter.source == "channels":
                said[parameter.name] = self.channels(flow)
            elif parameter.source in AXES and parameter.kept:
                said[parameter.name] = self.size(flow, parameter.source, rows)
        made = call(turned.name, *(said[p.name] for p in turned.parameters if p.kept))
        output = self.value(rows, [t.output for t in opened], _replaced(turned.channels, said))
        paths = PerRow({r: self._relative(r, t.scope.path) for r, t in zip(rows, opened, strict=True)})
        entering = (flow, *turned.captured)
        inputs = tuple(v for v, is_read in zip(entering, turned.reads, strict=True) if is_read)
        step = Apply(inputs, output, rows, paths, (Module(turned.name, made),), scope=tuple(self.containers))
        step.again = self._again(rows, paths, made)
        steps.append(step)
        return output

    def _turned(self, rows: Sequence[Row], traces: Sequence[Repeated], scope: Scope) -> ClassInfo | None:
        """A class for the turns of `{ ... } * n` whose body branches; None where the steps themselves serve."""
        inner: list[Row] = []
        opened: list[Opened] = []
        for row, trace in zip(rows, traces, strict=True):
            for turn in trace.turns:
                for t in turn:
                    if not isinstance(t, Opened) or is_chain(t.scope.body):
                        return None
                    inner.append(Row({}, row, t.scope.path))
                    opened.append(t)
        if not opened:
            return None
        part = Lowering(self.compiler, inner)
        part.taken = set(self.taken)
        try:
            entry, parameters = part.entry([t.input for t in opened], "", "x")
            steps, end = part.body(inner, [t.scope.body for t in opened], scope.copy(), entry)
            if part.heads:
                return None
            lowered = Lowered(inner, [entry], steps, [_flowing(end)], [], parameters, part.repeats)
            return self.compiler.turn_class(opened[0].scope.name.split(".")[-2], lowered)
        except Differs:
            return None

    def _repetition(
        self, rows: Sequence[Row], traces: Sequence[Repeated], count: Code, scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        """`action * n` with a number that differs: `nn.Sequential(*(... for i in range(n)))`."""
        turned = self._turned(rows, traces, scope)
        around = set(self.taken)
        i, carried = self._index_name(), self.name("channels")
        inner: list[Row] = []
        turns: list[Sequence[Trace]] = []
        nodes: list[Node] = []
        for row, trace in zip(rows, traces, strict=True):
            node = trace.input
            for number, turn in enumerate(trace.turns):
                inner.append(row.turn({i: number, carried: node.type.channels}))
                turns.append(turn)
                nodes.append(node)
                node = _end(turn, node)
        if not inner:
            raise Differs

        def lowered(channels: Code) -> tuple[Val, list[Step], Val]:
            entry = self.value(inner, nodes, channels)
            entry.channels = channels
            made: list[Step] = []
            return entry, made, self._turn(inner, turns, scope, entry, made, turned)

        with self.forgetting():
            _, _, end = lowered(Var(carried))
        closed = self._closed(flow, end.channels, Var(carried), Var(i), inner, nodes)
        entering, made, end = lowered(closed)
        first = turns[0][0] if turns[0] else None
        depth = len(
            self._relative(inner[0], first.scope.path)
            if isinstance(first, Opened | Applied)
            else next((s.paths[inner[0]] for s in made if isinstance(s, Apply) and s.paths), ())
        )
        module = chain.turn(made, entering, depth, i, count)
        self.taken = around
        assert module.paths is not None
        paths = PerRow({t.parent: module.paths[t][:-1] for t in inner if t.parent is not None})
        if len(paths.own) < len(rows):
            raise Differs  # no turn somewhere: the container has no name there
        output = self.value(rows, [t.output for t in traces], self._after_turns(rows, traces, closed, end, i, count))
        step = Apply((flow,), output, rows, paths, (Module("repeat", module.modules[0].made),), scope=tuple(self.containers))
        step.again = self._again(rows, paths, Lit(None))
        steps.append(step)
        return output

    def _after_turns(
        self, rows: Sequence[Row], traces: Sequence[Repeated], closed: Code, end: Val, i: str, count: Code
    ) -> Code | None:
        """The channels that leave a repetition: those that would enter one more turn."""
        guesses = [substituted(closed, {i: count})]
        if end.channels is not None:
            guesses.append(substituted(end.channels, {i: binary("-", count, Lit(1))}))
        actual = [t.output.type.channels for t in traces]
        return next((g for g in guesses if self.holds(g, rows, actual)), None)

    def _closed(
        self, flow: Val, after: Code | None, carried: Var, i: Var, inner: Sequence[Row], nodes: Sequence[Node]
    ) -> Code:
        """The channels that enter turn `i`, from those that enter the first and what a turn makes of them."""
        start = self.channels(flow)
        actual = [n.type.channels for n in nodes]
        guesses = [start]
        if after is not None:
            step = total([after, unary("-", carried)])
            if carried.name not in names(step):
                guesses.append(total([start, Binary("*", i, step)]))
            if carried.name not in names(after):
                guesses.append(ternary(start, compare(i, ("==",), (Lit(0),)), after))
        for guess in guesses:
            if self.holds(guess, inner, actual):
                return guess
        raise Differs

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """What is lowered inside is for its values only."""
        kept = {row: dict(paths) for row, paths in self.constructed.items()}
        yield
        self.constructed = kept

    def _looped(
        self, rows: Sequence[Row], traces: Sequence[Looped], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        counts = [len(t.turns) for t in traces]
        iterable = traces[0].statement.iterable
        made: Code | None = None
        try:
            made = self._iterable(iterable, scope)
        except Differs:
            pass
        written_out = made is not None and not names(made) and counts[0] <= MAX_UNROLLED
        if not self.unrolled and made is not None and not written_out and flow is not None and (not self.is_root or counts[0] > MAX_UNROLLED):
            try:
                with self.attempt():
                    return self._loop(rows, traces, made, scope, flow, steps)
            except Differs:
                pass
        if len(set(counts)) > 1:
            raise Differs
        self.fix(iterable, scope)
        for i in range(counts[0]):
            turns = [t.turns[i] for t in traces]
            inside = scope.copy()
            for name in turns[0][0]:
                values = [bound[name] for bound, _ in turns]
                if all(same(v, values[0]) for v in values):
                    inside.symbols[name] = Lit(values[0])
                else:
                    inside.symbols.pop(name, None)
            inner, flow = self.body(rows, [body for _, body in turns], inside, flow)
            steps += inner
        return flow

    def _iterable(self, expr: tree.Expr, scope: Scope) -> Code:
        """What a loop goes through: `range`, `zip` and `enumerate` stay calls."""
        if isinstance(expr, tree.Call) and expr.name.name in ("range", "zip", "enumerate"):
            arguments = tuple(self._iterable(a.value, scope) for a in expr.arguments)
            if expr.name.name == "range" and len(arguments) == 2 and str(arguments[0]) == "0":
                arguments = arguments[1:]
            return call(expr.name.name, *arguments)
        return self.translate(expr, scope)

    def _loop(
        self, rows: Sequence[Row], traces: Sequence[Looped], iterable: Code, scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        """A `for` that stays one, with a variable for the channels where they change from turn to turn."""
        syntax = traces[0].statement.targets
        around = set(self.taken)
        targets = {name: self.name(name) for name in _target_names(syntax)}
        i, carried = self._index_name(), self.name("channels")
        items = self.values(iterable, rows)
        for trace, listed in zip(traces, items, strict=True):
            if not isinstance(listed, list) or len(listed) != len(trace.turns):
                raise Differs
            if not all(same(_bound_to(syntax, item), bound) for item, (bound, _) in zip(listed, trace.turns, strict=True)):
                raise Differs
        inside = scope.copy()
        inside.symbols |= {name: Var(v) for name, v in targets.items()}
        turns: dict[Row, list[Row]] = {}
        bodies: list[Sequence[Trace]] = []
        nodes: list[Node] = []
        for row, trace in zip(rows, traces, strict=True):
            node = trace.input
            turns[row] = []
            for number, (bound, body) in enumerate(trace.turns):
                values = {targets[name]: value for name, value in bound.items()}
                turns[row].append(row.turn({i: number, carried: node.type.channels, **values}))
                bodies.append(body)
                nodes.append(node)
                node = _end(body, node)
            if node is not trace.output:
                raise Differs
            row.values[carried] = node.type.channels
        inner = [t for listed in turns.values() for t in listed]
        if max(map(len, turns.values())) < 2:
            raise Differs  # no loop is plainer
        noted = len(self.heads), len(self.outputs)

        def lowered(channels: Code) -> tuple[list[Step], Val, Val]:
            entry = self.value(inner, nodes, channels)
            entry.channels = channels
            made, end = self.body(inner, bodies, inside.copy(), entry)
            return made, entry, _flowing(end)

        start = self.channels(flow)
        with self.forgetting():
            made, entry, end = lowered(Var(carried))
        carry: tuple[str, Code, Code] | None = None
        if self.holds(start, inner, [n.type.channels for n in nodes]):
            made, entry, end = lowered(start)
            after: Code | None = start
        else:
            made, entry, end = lowered(Var(carried))
            if end.channels is None:
                raise Differs
            carry = (carried, start, end.channels)
            after = Var(carried)
        if (len(self.heads), len(self.outputs)) != noted:
            raise Differs
        index_name = next(
            (v for v in targets.values() if all(t[v] == t[i] and is_count(t[v]) for t in inner)), i
        )
        self.taken = around  # the loop's own names are free again, unless what follows reads one
        channels = self._after_loop(rows, traces, start, end, iterable, after)
        if channels is not None and carried in names(channels):
            self.taken.add(carried)
        output = self.value(rows, [t.output for t in traces], channels)
        target = ", ".join(_target_text(t, targets) for t in syntax)
        steps.append(
            Loop(
                target,
                tuple(targets.values()),
                iterable,
                _length(iterable),
                index_name,
                made,
                flow,
                end,
                entry,
                output,
                rows,
                turns,
                carry,
                own_index=index_name == i,
            )
        )
        return output

    def _after_loop(
        self,
        rows: Sequence[Row],
        traces: Sequence[Looped],
        start: Code,
        end: Val,
        iterable: Code,
        after: Code | None,
    ) -> Code | None:
        """The channels that leave a loop, without its own names where that can be said."""
        actual = [t.output.type.channels for t in traces]
        guesses: list[Code] = []
        if end.channels is not None:
            guesses.append(end.channels)
            if isinstance(after, Var):
                step = total([end.channels, unary("-", after)])
                guesses.append(total([start, binary("*", _length(iterable), step)]))
        visible = set(self.taken)
        for guess in guesses:
            if names(guess) <= visible and self.holds(guess, rows, actual):
                return guess
        return after

    def _chosen(
        self, rows: Sequence[Row], traces: Sequence[Chosen], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        statement = traces[0].statement
        taken = [t.taken for t in traces]
        if len(set(taken)) == 1:
            self.fix(statement.test, scope)
            inner, flow = self.body(rows, [t.body for t in traces], scope, flow)
            steps += inner
            return flow
        test = self.translate(statement.test, scope)
        if [bool(v) if v is not Unknown else None for v in self.values(test, rows)] != taken:
            raise Differs
        sides: list[list[Step]] = []
        ends: list[Val | None] = []
        scopes: list[Scope] = []
        parts = [[i for i, t in enumerate(taken) if t], [i for i, t in enumerate(taken) if not t]]
        for part in parts:
            inside = scope.copy()
            inner, end = self.body([rows[i] for i in part], [traces[i].body for i in part], inside, flow)
            sides.append(inner)
            ends.append(end)
            scopes.append(inside)
        outputs: list[tuple[Val, Val | None, Val | None]] = []
        if ends[0] is not None and ends[1] is not None and not (ends[0] is flow and ends[1] is flow):
            nodes = [t.output for t in traces]
            flow = self._either(rows, nodes, test, ends[0], ends[1])
            outputs.append((flow, ends[0], ends[1]))
        for name in [*scopes[0].values, *(n for n in scopes[1].values if n not in scopes[0].values)]:
            if name in scope.values:
                continue
            left, right = (s.values.get(name) for s in scopes)
            if left is None or right is None:
                scope.values[name] = left or right  # type: ignore[assignment]
                continue
            known = next((o for o, a, b in outputs if a is left and b is right), None)
            if known is None:
                nodes = [(left if t else right).nodes[r] for r, t in zip(rows, taken, strict=True)]
                known = self._either(rows, nodes, test, left, right)
                outputs.append((known, left, right))
            known.name = name
            scope.values[name] = known
        for side in scopes:
            scope.shared |= side.shared
        made = (sides[0], sides[1])
        steps.append(Branch(test, flow, made, ([rows[i] for i in parts[0]], [rows[i] for i in parts[1]]), outputs))
        return flow

    def _either(self, rows: Sequence[Row], nodes: Sequence[Node], test: Code, left: Val, right: Val) -> Val:
        """The value after an `if`: one side's or the other's."""
        actual = [n.type.channels for n in nodes]
        channels: Code | None = None
        if left.channels is not None and right.channels is not None:
            guesses = (left.channels, right.channels, ternary(left.channels, test, right.channels))
            channels = next((g for g in guesses if self.holds(g, rows, actual)), None)
        return self.value(rows, nodes, channels)


# --- small questions --------------------------------------------------------------------------------------------------


def same(left: Value, right: Value) -> bool:
    """Equality that tells `1` from `true` and from `1.0`."""
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def is_count(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def body_nodes(traces: Sequence[Trace]) -> Iterator[Node]:
    """The nodes of the layers in a record, and what they read."""
    for trace in traces:
        match trace:
            case Layer(node=node):
                yield from (node, *node.inputs)
            case Applied(body=body) | Inlined(body=body) | Chosen(body=body) | OutputMade(body=body):
                yield from body_nodes(body)
            case Opened(scope=scope) | AuxMade(scope=scope):
                yield from body_nodes(scope.body)
            case Merged(branches=branches):
                for _, inner, _ in branches:
                    yield from body_nodes(inner)
            case Repeated(turns=turns):
                for turn in turns:
                    yield from body_nodes(turn)
            case Looped(turns=looped):
                for _, turn in looped:
                    yield from body_nodes(turn)
            case _:
                pass


def is_chain(traces: Sequence[Trace]) -> bool:
    """Whether a body is one step after the other, so that a sequence of modules says it."""
    for trace in traces:
        match trace:
            case Layer() | Bound() | SharedMade() | Named():
                continue
            case Applied(tensors=tensors):
                if tensors:
                    return False
            case Inlined(body=body) | Chosen(body=body):
                if not is_chain(body):
                    return False
            case Opened(scope=scope):
                if not is_chain(scope.body):
                    return False
            case Repeated(turns=turns):
                if not all(is_chain(t) for t in turns):
                    return False
            case Looped(turns=looped):
                if not all(is_chain(t) for _, t in looped):
                    return False
            case _:
                return False
    return True


def _of_one(function: Callable[[Code], Code] | None) -> Callable[[list[Code]], Code] | None:
    """A function of one value as a function of a list of one."""
    return None if function is None else lambda xs: function(xs[0])


def _flowing(flow: Val | None) -> Val:
    if flow is None:
        raise Differs
    return flow


def _syntax(trace: Trace) -> object:
    """The syntax that a record is of."""
    match trace:
        case Opened(syntax=syntax):
            return syntax
        case Looped(statement=s) | Chosen(statement=s) | Bound(statement=s) | SharedMade(statement=s):
            return s
        case AuxMade(statement=statement):
            return statement
        case OutputMade(item=item):
            return item
    return trace.step  # type: ignore[union-attr]


def _end(traces: Sequence[Trace], entry: Node) -> Node:
    """The value that leaves a body."""
    for trace in reversed(traces):
        match trace:
            case Layer(node=node) | Merged(node=node) | Recalled(node=node) | Named(node=node):
                return node
            case Applied(output=node) | Repeated(output=node) | Opened(output=node) | Looped(output=node):
                return node
            case Chosen(output=node) | Inlined(output=node):
                return node
            case _:
                continue
    return entry


def _replaced(made: Code | None, said: Mapping[str, Code]) -> Code | None:
    """An expression of a class's parameters in its caller's terms, as a sum where it is one."""
    if made is None or not names(made) <= said.keys():
        return None
    try:
        fresh = substituted(made, said)
    except Unknown:
        return None
    return total([fresh]) if isinstance(fresh, Binary) and fresh.op in "+-" else fresh


def _reads_well(made: Code) -> bool:
    """Whether a net's parameter may stand in an argument that the file does not write: alone or multiplied."""
    match made:
        case Lit() | Var():
            return True
        case Binary(op="*", left=Lit(), right=Var()) | Binary(op="*", left=Var(), right=Lit()):
            return True
    return False


def _names_in(expr: tree.Expr) -> set[str]:
    return {p.name for p in walk(expr) if isinstance(p, tree.Name)}


def _tensors_in(expr: tree.Expr, scope: Scope) -> Iterator[Val]:
    """The values whose sizes an expression reads."""
    for part in walk(expr):
        if isinstance(part, tree.Attribute):
            val = scope.entry if isinstance(part.value, tree.In) else scope.values.get(getattr(part.value, "name", ""))
            if val is not None:
                yield val


def _target_names(targets: Sequence[tree.Target]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, tree.TupleTarget):
            yield from _target_names(target.items)
        else:
            yield target.name


def _bound_to(targets: Sequence[tree.Target], item: Value) -> dict[str, Value]:
    """What a turn's item binds."""
    parts = [item] if len(targets) == 1 else item
    if not isinstance(parts, list | tuple) or len(parts) != len(targets):
        raise Differs
    bound: dict[str, Value] = {}
    for target, part in zip(targets, parts, strict=True):
        bound |= _bound_to(target.items, part) if isinstance(target, tree.TupleTarget) else {target.name: part}
    return bound


def _target_text(target: tree.Target, variables: Mapping[str, str]) -> str:
    if isinstance(target, tree.TupleTarget):
        inside = ", ".join(_target_text(t, variables) for t in target.items)
        return f"({inside}{',' if len(target.items) == 1 else ''})"
    return variables[target.name]


def _length(iterable: Code) -> Code:
    """How many turns a loop over an iterable has."""
    match iterable:
        case Call(function=Local(name="range"), arguments=(stop,)):
            return stop.value
        case Call(function=Local(name="enumerate"), arguments=(listed, *_)):
            return _length(listed.value)
        case Call(function=Local(name="zip"), arguments=arguments):
            return function("min", tuple(_length(a.value) for a in arguments)) if len(arguments) > 1 else _length(arguments[0].value)
    return function("len", (iterable,))

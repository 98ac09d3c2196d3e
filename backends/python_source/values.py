"""Expressions and values held against every instance of a block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cnnlang.backends.python_source.build import binary, substituted, total
from cnnlang.backends.python_source.code import Binary, Code, Lit, Unknown, Value, Var
from cnnlang.backends.python_source.evaluate import evaluate, names
from cnnlang.backends.python_source.names import BUILTINS, variable
from cnnlang.backends.python_source.records import names_in, same
from cnnlang.backends.python_source.steps import Differs, Parameter, Path, PerRow, Row, Share, Step, Val
from cnnlang.ir import Node
from cnnlang.ops.base import Weight
from cnnlang.program import Trace
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

if TYPE_CHECKING:
    from cnnlang.backends.python_source.compiler import Compiler


AXES = ("height", "width")
MAX_EXPRESSION = 80  # columns; what is longer serves no reader


@dataclass(eq=False)
class SharedName:
    statement: tree.Shared
    scope: Scope
    share: Share | None = None  # in targets that make it where the file says `shared`


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


def reads_well(made: Code) -> bool:
    """Whether a net's parameter may stand in an argument that the file does not write: alone or multiplied."""
    match made:
        case Lit() | Var():
            return True
        case Binary(op="*", left=Lit(), right=Var()) | Binary(op="*", left=Var(), right=Lit()):
            return True
    return False


def tensors_in(expr: tree.Expr, scope: Scope) -> Iterator[Val]:
    """The values whose sizes an expression reads."""
    for part in walk(expr):
        if isinstance(part, tree.Attribute):
            val = scope.entry if isinstance(part.value, tree.In) else scope.values.get(getattr(part.value, "name", ""))
            if val is not None:
                yield val


def replaced(made: Code | None, said: Mapping[str, Code]) -> Code | None:
    """An expression of a class's parameters in its caller's terms, as a sum where it is one."""
    if made is None or not names(made) <= said.keys():
        return None
    try:
        fresh = substituted(made, said)
    except Unknown:
        return None
    return total([fresh]) if isinstance(fresh, Binary) and fresh.op in "+-" else fresh


def flowing(flow: Val | None) -> Val:
    if flow is None:
        raise Differs
    return flow


class Values(ABC):
    """What the instances of one block know: the constructor's names, the values that flow, what is constructed."""

    def __init__(
        self, compiler: Compiler[Any], rows: list[Row], *, is_root: bool = False, unrolled: bool = False
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
        self.counters: list[tuple[str, ...]] = []  # the names of the loops around, the outermost loop's first
        self.heads: list[Val] = []
        self.outputs: list[Val] = []

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
        made = variable(wanted, self.taken, self.compiler.reserved)
        self.taken.add(made)
        return made

    def _index_name(self) -> str:
        return self.name(next((n for n in ("i", "j", "k") if n not in self.taken), "i"))

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
        is_said = channels is not None and len(str(channels)) <= MAX_EXPRESSION
        if channels is None or not is_said or not self.holds(channels, rows, actual):
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
        if self.is_root and not reads_well(val.channels):
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
            self.fixed |= {n for p in names_in(expr) if p in scope.symbols for n in names(scope.symbols[p])} | (
                {n for v in tensors_in(expr, scope) if v.channels is not None for n in names(v.channels)}
            )

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What a failed attempt noted is forgotten."""
        classes = self.compiler.snapshot()
        kept = {row: dict(paths) for row, paths in self.constructed.items()}
        counts = len(self.containers), len(self.heads), len(self.outputs), len(self.counters)
        fixed, taken = set(self.fixed), set(self.taken)
        try:
            yield
        except Differs:
            self.compiler.restore(classes)
            self.constructed, self.fixed, self.taken = kept, fixed, taken
            for listed, count in zip((self.containers, self.heads, self.outputs, self.counters), counts, strict=True):
                del listed[count:]  # type: ignore[attr-defined]
            raise

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """What is lowered inside is for its values only."""
        kept, taken = {row: dict(paths) for row, paths in self.constructed.items()}, set(self.taken)
        yield
        self.constructed, self.taken = kept, taken

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

    @abstractmethod
    def body(
        self, rows: Sequence[Row], records: Sequence[Sequence[Trace]], scope: Scope, flow: Val | None
    ) -> tuple[list[Step], Val | None]:
        """The steps of bodies recorded side by side, and the value that leaves."""

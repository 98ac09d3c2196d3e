"""From the records of a block's instances to the steps of one function."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from cnnlang.backends.keras_source.names import PREFIX, SEPARATOR
from cnnlang.backends.python_source.build import binary, call, text, total
from cnnlang.backends.python_source.code import Argument, Call, Code, Lit, Text, Value, Var
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.lower import Lowering
from cnnlang.backends.python_source.records import body_nodes, is_count
from cnnlang.backends.python_source.steps import (
    Apply,
    Definition,
    Differs,
    Module,
    Parameter,
    Path,
    PerRow,
    Row,
    Share,
    Step,
    Val,
)
from cnnlang.backends.python_source.values import AXES, Scope, SharedName, flowing
from cnnlang.ir import Node, TensorType
from cnnlang.ops.base import Weight
from cnnlang.program import Applied, Repeated, Trace
from cnnlang.syntax import tree

if TYPE_CHECKING:
    from cnnlang.backends.keras_source.compiler import KerasCompiler


class KerasLowering(Lowering):
    """Lowers a body of which a function is made: layers are made where they are applied, under the file's own loops."""

    compiler: KerasCompiler
    measured = frozenset({"channels", *AXES})

    def __init__(
        self, compiler: KerasCompiler, rows: list[Row], *, is_root: bool = False, unrolled: bool = False
    ) -> None:
        super().__init__(compiler, rows, is_root=is_root, unrolled=unrolled)
        self.taken |= compiler.taken
        if not is_root:
            self.taken.add(PREFIX)
            for row in rows:
                row.values[PREFIX] = row.base

    def entry(self, nodes: list[Node], prefix: str, name: str) -> tuple[Val, list[Parameter]]:
        val, parameters = super().entry(nodes, prefix, name)
        for row in self.rows:
            if self.compiler.has_several_sizes(row.base):  # a model has none of them then
                for parameter in parameters:
                    if parameter.source in AXES:
                        del row.values[parameter.name]
        return val, parameters

    # --- repetitions and loops ----------------------------------------------------------------------------------------

    def keeps_loop(self, iterable: Code, count: int) -> bool:
        return True

    def _repeated(
        self, rows: Sequence[Row], traces: Sequence[Repeated], scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        counts = [t.count for t in traces]
        times = traces[0].step.times
        assert times is not None
        if not self.unrolled and max(counts) > 1:
            try:
                with self.attempt():
                    count = self.said(times, scope, rows, counts)
                    turned: list[list[tuple[dict[str, Value], Sequence[Trace]]]] = [
                        [({}, turn) for turn in t.turns] for t in traces
                    ]
                    return self.kept_loop(rows, traces, turned, ("_", (), call("range", count)), scope, flow, steps)
            except Differs:
                pass
        if len(set(counts)) > 1:
            raise Differs
        self.fix(times, scope)
        for i in range(counts[0]):
            inner, end = self.body(rows, [t.turns[i] for t in traces], scope.copy(), flow)
            steps += inner
            flow = flowing(end)
        return flow

    # --- what stands at a path ----------------------------------------------------------------------------------------

    def own(
        self, step: Apply, written: tree.Step, paths: PerRow[Path], scope: Scope, shared: SharedName | None
    ) -> None:
        step.paths = paths
        title = self._title(written, step.rows, paths, scope)
        (module,) = step.modules
        assert isinstance(module.made, Call)
        made = Call(module.made.function, (*module.made.arguments, Argument(title, "name")))
        if shared is None or not self._is_applied_again(step.rows, paths):
            step.modules = (Module(module.kind, made),)
            return
        step.share = self._share(shared, step, written, str(made))
        step.share.made = made
        step.modules, step.function = (), None

    def own_block(
        self, step: Apply, info: Definition, traces: Sequence[Applied], scope: Scope, shared: SharedName | None
    ) -> None:
        assert step.paths is not None
        (module,) = step.modules
        assert isinstance(module.made, Call)
        function, arguments = module.made.function, module.made.arguments
        title = self._title(traces[0].step, step.rows, step.paths, scope)
        if any(p.source == "name" and p.kept for p in info.parameters):
            arguments = (*arguments, Argument(title, PREFIX))

        def made(inputs: list[Code]) -> Code:
            return Call(function, (*map(Argument, inputs), *arguments))

        step.modules = ()
        step.function = made
        has_weights = any(isinstance(n.op, Weight) for t in traces for n in body_nodes(t.body))
        if shared is None or not has_weights or not self._is_applied_again(step.rows, step.paths):
            return
        step.share = self._share(shared, step, traces[0].step, str(made([])))
        step.share.function, step.share.title = made, title
        step.share.shapes = self._shapes(step, traces)
        read = [is_computed for is_read, is_computed in zip(info.reads, info.computed, strict=True) if is_read]
        step.share.computed = tuple(read)
        step.inputs = tuple(val for val, is_computed in zip(step.inputs, read, strict=True) if is_computed)
        step.function = None
        if self.is_root:
            self.fixed |= {n for val in step.inputs if val.channels is not None for n in names(val.channels)}

    def share(self, statement: tree.Shared, scope: Scope, rows: Sequence[Row], steps: list[Step]) -> None:
        made = Share(statement.name.name, rows)
        steps.append(made)
        scope.shared[statement.name.name] = SharedName(statement, scope.copy(), made)

    def _is_applied_again(self, rows: Sequence[Row], paths: PerRow[Path]) -> bool:
        return any(len(self.compiler.uses.get(self._absolute(row, paths[row]), ())) > 1 for row in rows)

    def _absolute(self, row: Row, path: Path) -> str:
        return ".".join([row.base, *path] if row.base else path)

    def _share(self, shared: SharedName, step: Apply, written: tree.Step, how: str) -> Share:
        """What a shared name makes; the same wherever it is applied."""
        made = shared.share
        assert made is not None
        constructed = self.constructed.setdefault(self.rows[0], {})
        key = ("shared", str(id(made)))
        step.again = key in constructed
        if constructed.setdefault(key, how) != how:
            if len(step.rows) > 1:
                raise Differs
            raise self.compiler.unshareable(made.name, written)
        return made

    def _shapes(self, step: Apply, traces: Sequence[Applied]) -> tuple[Code, ...]:
        """The shapes of what enters a shared block, without a size wherever it is applied to several."""
        assert step.paths is not None
        found = []
        for row in step.rows:
            entering = self.compiler.uses[self._absolute(row, step.paths[row])]
            read = [i for i, is_read in enumerate(self.compiler.info(traces[0]).reads) if is_read]
            found.append([self._shape([types[i] for types in entering], traces[0]) for i in read])
        if any(other != found[0] for other in found):
            raise Differs
        return tuple(map(Lit, found[0]))

    def _shape(self, types: Sequence[TensorType], applied: Applied) -> tuple[int | None, ...]:
        first = types[0]
        if any(t.rank != first.rank or t.channels != first.channels for t in types):
            raise self.compiler.unshareable(applied.scope.name, applied.step)
        sides = [
            size if isinstance(size, int) and all(t.shape[i] == size for t in types) else None
            for i, size in enumerate(first.shape[2:], 2)
        ]
        return (*sides, first.channels)

    # --- names of layers ----------------------------------------------------------------------------------------------

    def _title(self, written: tree.Step, rows: Sequence[Row], paths: PerRow[Path], scope: Scope) -> Code:
        """A layer's name: its path in the function, behind the function's own prefix."""
        own = self._naming(written, rows, [SEPARATOR.join(paths[r]) for r in rows], scope)
        if self.is_root:
            return own
        parts = own.pieces if isinstance(own, Text) else (own,)
        return text((Var(PREFIX), Lit(SEPARATOR), *parts))

    def _naming(self, written: tree.Step, rows: Sequence[Row], wanted: Sequence[str], scope: Scope) -> Code:
        if len(set(wanted)) == 1:
            return Lit(wanted[0])
        for made in self._namings(written, rows, wanted, scope):
            quotes = isinstance(made, Text) and any('"' in str(p) for p in made.pieces if not isinstance(p, Lit))
            if not quotes and self.holds(made, rows, wanted):
                return made
        raise Differs

    def _namings(self, written: tree.Step, rows: Sequence[Row], wanted: Sequence[str], scope: Scope) -> Iterator[Code]:
        """The name as the file computes it behind what is around it; and as numbers that grow with the turns."""
        label = self._label(written, scope)
        if label is not None:
            ends = self.values(text(label), rows)
            around = [w[: -len(str(e))] for w, e in zip(wanted, ends, strict=True) if w.endswith(str(e))]
            if len(around) == len(wanted):
                lead = Lit(around[0]) if len(set(around)) == 1 else self._counted(rows, around)
                if lead is not None:
                    yield text((*(lead.pieces if isinstance(lead, Text) else (lead,)), *label))
        counted = self._counted(rows, wanted)
        if counted is not None:
            yield counted

    def _label(self, written: tree.Step, scope: Scope) -> tuple[Code, ...] | None:
        if not isinstance(written.label, tree.Template) or written.times is not None:
            return None
        try:
            return tuple(
                Lit(p.replace(".", SEPARATOR)) if isinstance(p, str) else self.translate(p, scope)
                for p in written.label.parts
            )
        except Differs:
            return None

    def _counted(self, rows: Sequence[Row], wanted: Sequence[str]) -> Code | None:
        """Names whose numbers grow evenly with the loops around: `f"layer{i + 1}-{j}"`."""
        split = [re.findall(r"\d+|\D+", w) for w in wanted]
        if len({tuple("#" if p.isdigit() else p for p in parts) for parts in split}) > 1:
            return None
        made: list[Code] = []
        for parts in zip(*split, strict=True):
            if len(set(parts)) == 1:
                made.append(Lit(parts[0]))
                continue
            if any(str(int(p)) != p for p in parts):
                return None
            grown = self._grown(rows, [int(p) for p in parts])
            if grown is None:
                return None
            made.append(grown)
        return text(tuple(made))

    def _grown(self, rows: Sequence[Row], numbers: Sequence[int]) -> Code | None:
        """A number as a sum of multiples of one or two of the loops' counters."""
        counters = [name for loop in reversed(self.counters) for name in loop]
        found = {name: self.values(Var(name), rows) for name in counters}
        known = {name: values for name, values in found.items() if all(map(is_count, values))}
        choices: list[tuple[str, ...]] = [(name,) for name in known]
        choices += list(permutations(known, 2))
        for chosen in choices:
            terms: list[Code] = []
            rest = list(numbers)
            for name in chosen:
                slope = _slope(known[name], rest, [known[other] for other in chosen if other != name])
                rest = [n - slope * v for n, v in zip(rest, known[name], strict=True)]
                terms.append(binary("*", Lit(slope), Var(name)))
            if len(set(rest)) == 1:
                return total([*terms, Lit(rest[0])])
        return None


def _slope(values: Sequence[int], numbers: Sequence[int], others: Sequence[Sequence[int]]) -> int:
    """How fast numbers grow with values, seen where the others stand still."""
    seen: dict[tuple[int, ...], tuple[int, int]] = {}
    for i, (value, number) in enumerate(zip(values, numbers, strict=True)):
        first = seen.setdefault(tuple(o[i] for o in others), (value, number))
        if first[0] != value:
            return (number - first[1]) // (value - first[0])
    return 0

"""Modules that own weights: where they stand, what they are called, and which are there already."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.backends.python_source.build import text
from cnnlang.backends.python_source.code import Call, Code, Lit
from cnnlang.backends.python_source.lower import Lowering
from cnnlang.backends.python_source.records import body_nodes
from cnnlang.backends.python_source.steps import Apply, Definition, Differs, Module, Path, PerRow, Row
from cnnlang.backends.python_source.values import Scope, SharedName
from cnnlang.ops.base import Weight
from cnnlang.program import Applied
from cnnlang.syntax import tree


class Reshaped(Exception):
    """A shared value is another module here than where it was first applied."""


class Owning(Lowering):
    """Lowers what stands at a path."""

    def own(
        self, step: Apply, written: tree.Step, paths: PerRow[Path], scope: Scope, shared: SharedName | None
    ) -> None:
        step.paths = paths
        step.again = self._again(step.rows, paths, Lit(None))  # its weights have one shape
        step.naming = self._naming(written, step.rows, paths, scope)

    def own_block(
        self, step: Apply, info: Definition, traces: Sequence[Applied], scope: Scope, shared: SharedName | None
    ) -> None:
        assert step.paths is not None
        made = step.modules[0].made
        try:
            step.again = self._again(step.rows, step.paths, made)
        except Reshaped:
            self._must_be_bare(step.rows, traces)
            called = traces[0].scope.name.rpartition(".")[2]
            step.paths, step.label, step.modules = None, called, (Module(called, made),)
        else:
            step.naming = self._naming(traces[0].step, step.rows, step.paths, scope)

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

    def _must_be_bare(self, rows: Sequence[Row], traces: Sequence[Applied]) -> None:
        """A shared value that is another module at this place: right without weights, else beyond PyTorch."""
        if not any(isinstance(n.op, Weight) for t in traces for n in body_nodes(t.body)):
            return
        if len(rows) > 1:
            raise Differs
        raise self.compiler.unshareable(traces[0].scope.name, traces[0].step)

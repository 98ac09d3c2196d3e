"""Conditions: decided where all instances agree, kept where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.backends.python_source.build import ternary
from cnnlang.backends.python_source.code import Code, Unknown
from cnnlang.backends.python_source.repeating import Repeating
from cnnlang.backends.python_source.steps import Branch, Differs, Row, Step, Val
from cnnlang.backends.python_source.values import Scope
from cnnlang.ir import Node
from cnnlang.program import Chosen


class Deciding(Repeating):
    """Lowers `if`."""

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

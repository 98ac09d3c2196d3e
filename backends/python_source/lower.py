"""From the records of a block's instances to the steps of one class, in terms of its constructor's parameters.

The instances are walked side by side. Where the file writes an expression, it is translated and held against the value
that every instance recorded; where it cannot be, a number that is the same everywhere stands in its place; where even
that fails, `Differs` is raised and the instances are divided (see `compiler`). So a class is right for each of its
instances, or is not made.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.backends.python_source.build import total
from cnnlang.backends.python_source.code import Code, Lit, Var
from cnnlang.backends.python_source.deciding import Deciding
from cnnlang.backends.python_source.records import syntax_of
from cnnlang.backends.python_source.rules import NoRule
from cnnlang.backends.python_source.steps import Apply, Define, Differs, Head, Merge, Row, Step, Val
from cnnlang.backends.python_source.values import Scope, SharedName, flowing
from cnnlang.ir import Node
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
from cnnlang.syntax import tree


class Lowering(Deciding):
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

    def body(
        self, rows: Sequence[Row], records: Sequence[Sequence[Trace]], scope: Scope, flow: Val | None
    ) -> tuple[list[Step], Val | None]:
        """The steps of bodies recorded side by side, and the value that leaves."""
        if len({len(r) for r in records}) > 1:
            raise Differs
        steps: list[Step] = []
        for traces in zip(*records, strict=True):
            if len({type(t) for t in traces}) > 1 or len({id(syntax_of(t)) for t in traces}) > 1:
                raise Differs
            flow = self.trace(rows, traces, scope, flow, steps)
        return steps, flow

    def trace(
        self, rows: Sequence[Row], traces: Sequence[Trace], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        """Lower one thing that happened; the answer is the value that flows on."""
        match traces[0]:
            case Layer():
                return self._layer(rows, traces, scope, flowing(flow), steps)  # type: ignore[arg-type]
            case Applied():
                return self._applied(rows, traces, scope, flowing(flow), steps)  # type: ignore[arg-type]
            case Merged():
                return self._merged(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
            case Repeated():
                return self._repeated(rows, traces, scope, flowing(flow), steps)  # type: ignore[arg-type]
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
                flow = flowing(flow)
                scope.values[name] = flow
                flow.name = flow.name or name
                if steps and isinstance(last := steps[-1], Apply) and last.output is flow:
                    last.label = name
                return flow
            case Bound():
                self._bound(rows, traces, scope, steps)  # type: ignore[arg-type]
                return flow
            case SharedMade(statement=statement):
                self.share(statement, scope, rows, steps)
                return flow
            case OutputMade():
                return self._output(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
            case AuxMade():
                self._head(rows, traces, scope, flow, steps)  # type: ignore[arg-type]
                return flow
        raise AssertionError(traces[0])

    def share(self, statement: tree.Shared, scope: Scope, rows: Sequence[Row], steps: list[Step]) -> None:
        """`shared name = ...`."""
        scope.shared[statement.name.name] = SharedName(statement, scope.copy())

    def _merged(
        self, rows: Sequence[Row], traces: Sequence[Merged], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val:
        if len({len(t.branches) for t in traces}) > 1:
            raise Differs
        branches: list[tuple[list[Step], Val]] = []
        for i in range(len(traces[0].branches)):
            inner, end = self.body(rows, [t.branches[i][1] for t in traces], scope.copy(entry=flow), flow)
            branches.append((inner, flowing(end)))
        if len(branches) == 1:
            steps += branches[0][0]
            return branches[0][1]
        nodes = [t.node for t in traces]
        ends = [end for _, end in branches]
        try:
            made = self.compiler.merged(nodes[0].op, [e.rank for e in ends])
        except NoRule:
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
        val = flowing(val)
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
        val = flowing(output)
        val.name = val.name or name
        scope.values[name] = val
        self.heads.append(val)
        steps.append(Head(name, inner, val))

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

"""Layers, blocks and shared values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cnnlang.backends.python_source.build import text
from cnnlang.backends.python_source.code import Argument, Call, Code, Lit, Local, Value
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.expressions import Expressions
from cnnlang.backends.python_source.records import body_nodes, same
from cnnlang.backends.python_source.rules import NoRule
from cnnlang.backends.python_source.rules import channels as channels_after
from cnnlang.backends.python_source.steps import (
    Apply,
    Definition,
    Differs,
    Module,
    Parameter,
    Path,
    PerRow,
    Row,
    Step,
    Val,
)
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.python_source.values import AXES, Scope, replaced
from cnnlang.ops.base import Weight
from cnnlang.program import Applied, Layer
from cnnlang.syntax import tree


class Reshaped(Exception):
    """A shared value is another module here than where it was first applied."""


class Applying(Expressions):
    """Lowers what owns weights, and the functions between."""

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
            made = self.compiler.pieces(ops[0], use)
        except NoRule:
            raise self.compiler.inexpressible(nodes[0]) from None
        try:
            channels: Code | None = channels_after(ops[0], use)
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
                activation=piece.activation,
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
        output = self.value(rows, [t.output for t in traces], replaced(info.channels, said))
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
        info: Definition,
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

    def _default(
        self, parameter: Parameter, said: Mapping[str, Code], rows: Sequence[Row], values: list[Value]
    ) -> Code:
        """The value of a parameter that the call does not write."""
        if parameter.default is not None and self.holds(parameter.default, rows, values):
            return parameter.default
        if parameter.computed is not None and names(parameter.computed) <= said.keys():
            made = replaced(parameter.computed, said)
            if made is not None and self.holds(made, rows, values):
                return made
        if all(same(v, values[0]) for v in values):
            return Lit(values[0])
        raise Differs


def _of_one(function: Callable[[Code], Code] | None) -> Callable[[list[Code]], Code] | None:
    """A function of one value as a function of a list of one."""
    return None if function is None else lambda xs: function(xs[0])

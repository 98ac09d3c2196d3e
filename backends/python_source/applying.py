"""Layers, blocks and shared values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from cnnlang.backends.python_source.code import Argument, Call, Code, Lit, Local, Value
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.expressions import Expressions
from cnnlang.backends.python_source.records import same
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
from cnnlang.backends.python_source.values import AXES, Scope, SharedName, replaced
from cnnlang.program import Applied, Layer
from cnnlang.syntax import tree


class Applying(Expressions):
    """Lowers what owns weights, and the functions between."""

    measured: ClassVar[frozenset[str]] = frozenset()  # the sources of parameters that a definition finds out by itself

    def _layer(self, rows: Sequence[Row], traces: Sequence[Layer], scope: Scope, flow: Val, steps: list[Step]) -> Val:
        nodes = [t.node for t in traces]
        ops = [n.op for n in nodes]
        if len({type(op) for op in ops}) > 1:
            raise Differs
        call = traces[0].step.action
        assert isinstance(call, tree.Call)
        shared = scope.shared.get(call.name.name)
        if shared is not None:
            call, scope = shared.statement.call, shared.scope
        slots = [f.name for f in ops[0].fields()]
        arguments = {(a.name.name if a.name else slots[i]): a.value for i, a in enumerate(call.arguments)}
        paths = self._weight_paths(rows, nodes)
        use = Use(self, scope, rows, ops, flow, arguments, is_weighted=paths is not None, is_shared=shared is not None)
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
                self.own(step, traces[0].step, paths, scope, shared)
            steps.append(step)
            flow = after
        return flow

    @abstractmethod
    def own(
        self, step: Apply, written: tree.Step, paths: PerRow[Path], scope: Scope, shared: SharedName | None
    ) -> None:
        """Note where the module of a step with weights stands."""

    @abstractmethod
    def own_block(
        self, step: Apply, info: Definition, traces: Sequence[Applied], scope: Scope, shared: SharedName | None
    ) -> None:
        """Note where the module of a block stands, whose paths and construction the step has."""

    def _applied(
        self, rows: Sequence[Row], traces: Sequence[Applied], scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        infos = {self.compiler.info(t) for t in traces}
        if len(infos) > 1:
            raise Differs
        info = infos.pop()
        call = traces[0].step.action
        assert isinstance(call, tree.Call)
        shared = scope.shared.get(call.name.name)
        if shared is not None:
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
        self.own_block(step, info, traces, scope, shared)
        step.extra = tuple(Val(PerRow({}), None, name=f"aux{i + 1}") for i in range(info.heads))
        if not step.again:
            self.heads += step.extra
        steps.append(step)
        return output

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
            if parameter.source == "name":
                continue
            try:
                made = self._argument(parameter, rows, traces, arguments, bound, said, scope)
            except Differs:
                if parameter.kept:
                    raise
                continue
            said[parameter.name] = made
            if not parameter.kept or parameter.source in self.measured:
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

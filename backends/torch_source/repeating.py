"""Repetitions: written out, or `nn.Sequential(*(... for i in range(n)))`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cnnlang.backends.python_source.build import binary, call, compare, substituted, ternary, total, unary
from cnnlang.backends.python_source.code import Binary, Code, Lit, Var
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.records import end_of, is_chain
from cnnlang.backends.python_source.steps import (
    Apply,
    Definition,
    Differs,
    Lowered,
    Module,
    PerRow,
    Row,
    Step,
    Val,
)
from cnnlang.backends.python_source.values import AXES, Scope, flowing, replaced
from cnnlang.backends.torch_source.chain import turn_container
from cnnlang.backends.torch_source.owning import Owning
from cnnlang.ir import Node
from cnnlang.program import Applied, Layer, Opened, Repeated, Trace

if TYPE_CHECKING:
    from cnnlang.backends.torch_source.compiler import TorchCompiler

MAX_UNROLLED = 16  # turns of a net's loop that are written out


class TorchLowering(Owning):
    """Lowers a body of which a class is made."""

    compiler: TorchCompiler

    def keeps_loop(self, iterable: Code, count: int) -> bool:
        written_out = not names(iterable) and count <= MAX_UNROLLED
        return not written_out and (not self.is_root or count > MAX_UNROLLED)

    def _repeated(
        self, rows: Sequence[Row], traces: Sequence[Repeated], scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        counts = [t.count for t in traces]
        times = traces[0].step.times
        assert times is not None
        made: Code | None = None
        with suppress(Differs):
            made = self.translate(times, scope)
        as_loop = (
            not self.unrolled
            and made is not None
            and not isinstance(made, Lit)
            and not self.is_root
            and self.holds(made, rows, counts)
        )
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
        turned: Definition | None,
    ) -> Val:
        """One turn of `{ ... } * n`: an instance of the class made of its body, or its steps."""
        if turned is None:
            inner, end = self.body(rows, turns, scope.copy(), flow)
            steps += inner
            return flowing(end)
        opened = [t for turn in turns for t in turn if isinstance(t, Opened)]
        said: dict[str, Code] = {p.name: Var(p.name) for p in turned.parameters if p.source == "captured"}
        for parameter in turned.parameters:
            if parameter.source == "channels":
                said[parameter.name] = self.channels(flow)
            elif parameter.source in AXES and parameter.kept:
                said[parameter.name] = self.size(flow, parameter.source, rows)
        made = call(turned.name, *(said[p.name] for p in turned.parameters if p.kept))
        output = self.value(rows, [t.output for t in opened], replaced(turned.channels, said))
        paths = PerRow({r: self._relative(r, t.scope.path) for r, t in zip(rows, opened, strict=True)})
        entering = (flow, *turned.captured)
        inputs = tuple(v for v, is_read in zip(entering, turned.reads, strict=True) if is_read)
        step = Apply(inputs, output, rows, paths, (Module(turned.name, made),), scope=tuple(self.containers))
        step.again = self._again(rows, paths, made)
        steps.append(step)
        return output

    def _turned(self, rows: Sequence[Row], traces: Sequence[Repeated], scope: Scope) -> Definition | None:
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
        part = type(self)(self.compiler, inner)
        part.taken = set(self.taken)
        try:
            entry, parameters = part.entry([t.input for t in opened], "", "x")
            steps, end = part.body(inner, [t.scope.body for t in opened], scope.copy(), entry)
            if part.heads:
                return None
            lowered = Lowered(inner, [entry], steps, [flowing(end)], [], parameters, part.repeats)
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
                node = end_of(turn, node)
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
        module = turn_container(made, entering, depth, i, count)
        self.taken = around
        assert module.paths is not None
        paths = PerRow({t.parent: module.paths[t][:-1] for t in inner if t.parent is not None})
        if len(paths.own) < len(rows):
            raise Differs  # no turn somewhere: the container has no name there
        output = self.value(rows, [t.output for t in traces], self._after_turns(rows, traces, closed, end, i, count))
        step = Apply(
            (flow,), output, rows, paths, (Module("repeat", module.modules[0].made),), scope=tuple(self.containers)
        )
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

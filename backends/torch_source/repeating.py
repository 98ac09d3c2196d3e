"""Repetitions and loops: written out, or kept where they can be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from cnnlang.backends.torch_source.applying import Applying
from cnnlang.backends.torch_source.build import binary, call, compare, substituted, ternary, total, unary
from cnnlang.backends.torch_source.chain import turn_container
from cnnlang.backends.torch_source.code import Binary, Code, Lit, Var
from cnnlang.backends.torch_source.evaluate import names
from cnnlang.backends.torch_source.expressions import turns_of
from cnnlang.backends.torch_source.records import bound_to, end_of, is_chain, is_count, same, target_names, target_text
from cnnlang.backends.torch_source.scope import Scope
from cnnlang.backends.torch_source.steps import Apply, ClassInfo, Differs, Loop, Lowered, Module, PerRow, Row, Step, Val
from cnnlang.backends.torch_source.values import AXES, flowing, replaced
from cnnlang.ir import Node
from cnnlang.program import Applied, Layer, Looped, Opened, Repeated, Trace

MAX_UNROLLED = 16  # turns of a net's loop that are written out


class Repeating(Applying):
    """Lowers `* n` and `for`."""

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
        turned: ClassInfo | None,
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

    def _looped(
        self, rows: Sequence[Row], traces: Sequence[Looped], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        counts = [len(t.turns) for t in traces]
        iterable = traces[0].statement.iterable
        made: Code | None = None
        with suppress(Differs):
            made = self._iterable(iterable, scope)
        written_out = made is not None and not names(made) and counts[0] <= MAX_UNROLLED
        if (
            not self.unrolled
            and made is not None
            and not written_out
            and flow is not None
            and (not self.is_root or counts[0] > MAX_UNROLLED)
        ):
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

    def _loop(
        self, rows: Sequence[Row], traces: Sequence[Looped], iterable: Code, scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        """A `for` that stays one, with a variable for the channels where they change from turn to turn."""
        syntax = traces[0].statement.targets
        around = set(self.taken)
        targets = {name: self.name(name) for name in target_names(syntax)}
        i, carried = self._index_name(), self.name("channels")
        items = self.values(iterable, rows)
        for trace, listed in zip(traces, items, strict=True):
            if not isinstance(listed, list) or len(listed) != len(trace.turns):
                raise Differs
            if not all(
                same(bound_to(syntax, item), bound) for item, (bound, _) in zip(listed, trace.turns, strict=True)
            ):
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
                node = end_of(body, node)
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
            return made, entry, flowing(end)

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
        index_name = next((v for v in targets.values() if all(t[v] == t[i] and is_count(t[v]) for t in inner)), i)
        self.taken = around  # the loop's own names are free again, unless what follows reads one
        channels = self._after_loop(rows, traces, start, end, iterable, after)
        if channels is not None and carried in names(channels):
            self.taken.add(carried)
        output = self.value(rows, [t.output for t in traces], channels)
        target = ", ".join(target_text(t, targets) for t in syntax)
        steps.append(
            Loop(
                target,
                tuple(targets.values()),
                iterable,
                turns_of(iterable),
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
                guesses.append(total([start, binary("*", turns_of(iterable), step)]))
        visible = set(self.taken)
        for guess in guesses:
            if names(guess) <= visible and self.holds(guess, rows, actual):
                return guess
        return after

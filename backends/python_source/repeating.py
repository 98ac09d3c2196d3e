"""Loops: written out, or kept where they can be."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress

from cnnlang.backends.python_source.applying import Applying
from cnnlang.backends.python_source.build import binary, total, unary
from cnnlang.backends.python_source.code import Code, Lit, Value, Var
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.expressions import turns_of
from cnnlang.backends.python_source.records import bound_to, end_of, same, target_names, target_text
from cnnlang.backends.python_source.steps import (
    Differs,
    Loop,
    Row,
    Step,
    Val,
)
from cnnlang.backends.python_source.values import Scope, flowing
from cnnlang.ir import Node
from cnnlang.program import Looped, Repeated, Trace


class Repeating(Applying):
    """Lowers `for`."""

    @abstractmethod
    def keeps_loop(self, iterable: Code, count: int) -> bool:
        """Whether a `for` stays a loop where it can; else its turns are written out."""

    @abstractmethod
    def _repeated(
        self, rows: Sequence[Row], traces: Sequence[Repeated], scope: Scope, flow: Val, steps: list[Step]
    ) -> Val:
        """Lower `* n`."""

    def _looped(
        self, rows: Sequence[Row], traces: Sequence[Looped], scope: Scope, flow: Val | None, steps: list[Step]
    ) -> Val | None:
        counts = [len(t.turns) for t in traces]
        iterable = traces[0].statement.iterable
        made: Code | None = None
        with suppress(Differs):
            made = self._iterable(iterable, scope)
        if not self.unrolled and made is not None and flow is not None and self.keeps_loop(made, counts[0]):
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
        """A `for` that stays one."""
        syntax = traces[0].statement.targets
        targets = {name: self.name(name) for name in target_names(syntax)}
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
        turned = [[({targets[n]: v for n, v in bound.items()}, body) for bound, body in t.turns] for t in traces]
        target = ", ".join(target_text(t, targets) for t in syntax)
        return self.kept_loop(rows, traces, turned, (target, tuple(targets.values()), iterable), inside, flow, steps)

    def kept_loop(
        self,
        rows: Sequence[Row],
        traces: Sequence[Looped | Repeated],
        turned: Sequence[Sequence[tuple[dict[str, Value], Sequence[Trace]]]],
        header: tuple[str, tuple[str, ...], Code],
        inside: Scope,
        flow: Val,
        steps: list[Step],
    ) -> Val:
        """A loop, with a variable for the channels where they change from turn to turn.

        `turned` are each row's turns: the loop's names with their values, and the record; `header` is the loop's
        target, the names in it, and what it goes through.
        """
        target, targets, iterable = header
        around = set(self.taken) - set(targets)
        i = next((n for n in targets if _counts(n, turned)), "") or self._index_name()
        carried = self.name("channels")
        turns: dict[Row, list[Row]] = {}
        bodies: list[Sequence[Trace]] = []
        nodes: list[Node] = []
        for row, trace, listed in zip(rows, traces, turned, strict=True):
            node = trace.input
            turns[row] = []
            for number, (values, body) in enumerate(listed):
                turns[row].append(row.turn({i: number, carried: node.type.channels, **values}))
                bodies.append(body)
                nodes.append(node)
                node = end_of(body, node)
            if node is not trace.output:
                raise Differs
            row.values[carried] = node.type.channels
        inner = [t for own in turns.values() for t in own]
        if max(map(len, turns.values())) < 2:
            raise Differs  # no loop is plainer
        noted = len(self.heads), len(self.outputs)

        def lowered(channels: Code) -> tuple[list[Step], Val, Val]:
            entry = self.value(inner, nodes, channels)
            entry.channels = channels
            made, end = self.body(inner, bodies, inside.copy(), entry)
            return made, entry, flowing(end)

        self.counters.append((*targets, i))
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
        self.counters.pop()
        self.taken = around  # the loop's own names are free again, unless what follows reads one
        channels = self._after_loop(rows, traces, start, end, iterable, after)
        if channels is not None and carried in names(channels):
            self.taken.add(carried)
        output = self.value(rows, [t.output for t in traces], channels)
        steps.append(
            Loop(
                target,
                targets,
                iterable,
                turns_of(iterable),
                i,
                made,
                flow,
                end,
                entry,
                output,
                rows,
                turns,
                carry,
                own_index=i not in targets,
            )
        )
        return output

    def _after_loop(
        self,
        rows: Sequence[Row],
        traces: Sequence[Looped | Repeated],
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


def _counts(name: str, turned: Sequence[Sequence[tuple[dict[str, Value], Sequence[Trace]]]]) -> bool:
    """Whether a name that a loop binds is the number of the turn."""
    return all(same(values[name], number) for turns in turned for number, (values, _) in enumerate(turns))

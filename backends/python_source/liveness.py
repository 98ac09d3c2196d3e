"""Which steps a result needs, in all instances of a class and in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cnnlang.backends.python_source.looping import needed_names
from cnnlang.backends.python_source.steps import (
    Apply,
    Branch,
    Differs,
    Head,
    Loop,
    Lowered,
    Merge,
    Path,
    Row,
    Step,
    Val,
    every,
    origin,
)


def pruned(steps: Sequence[Step], live: set[Val]) -> list[Step]:
    """The steps on which a result depends."""
    kept: list[Step] = []
    for step in reversed(steps):
        match step:
            case Apply(inputs=inputs, output=output, extra=extra):
                if output not in live and not any(v in live for v in extra):
                    continue
                live.update(inputs)
            case Merge(branches=branches, output=output):
                if output not in live:
                    continue
                live.update(end for _, end in branches)
                step.branches = [(inner, end) for inner, end in reversed(branches)]
                step.branches = [(pruned(inner, live), end) for inner, end in step.branches][::-1]
            case Branch(outputs=outputs, sides=sides):
                step.outputs = [triple for triple in outputs if triple[0] in live]
                live.update(v for _, *ends in step.outputs for v in ends if v is not None)
                step.sides = (pruned(sides[0], live), pruned(sides[1], live))
                if not step.outputs and not any(step.sides):
                    continue
            case Loop(output=output, entry=entry, exit=exit, body=body):
                if output not in live:
                    continue
                live.update((entry, exit))
                step.body = pruned(body, live)
            case Head(body=body, output=output):
                live.add(output)
                step.body = pruned(body, live)
            case _:
                pass
        kept.insert(0, step)
    return kept


def require_alike(lowered: Lowered, results: Sequence[Val]) -> None:
    """Raise Differs where a module is for nothing in some of the instances: there the file's net does not have it."""
    if not any(isinstance(s, Branch) for s in every(lowered.steps)):
        return
    flows: set[bool] = set()
    for row in lowered.rows:
        needed: set[Apply] = set()
        live = set(results)
        _needed_in(lowered.steps, row, live, needed)
        flows.add(lowered.entries[0] in live)
        for step in every(lowered.steps):
            if isinstance(step, Apply) and step.paths is not None and row in step.rows and step not in needed:
                raise Differs
    if len(flows) > 1:  # what enters is for nothing in some, and with it what made it
        raise Differs


def _needed_in(steps: Sequence[Step], row: Row, live: set[Val], needed: set[Apply]) -> None:
    """The steps that one instance needs, each `if` decided as it does."""
    for step in reversed(steps):
        match step:
            case Apply(output=output, extra=extra, inputs=inputs):
                if output in live or any(v in live for v in extra):
                    needed.add(step)
                    live.update(inputs)
            case Merge(branches=branches, output=output):
                if output in live:
                    live.update(end for _, end in branches)
                    for inner, _ in reversed(branches):
                        _needed_in(inner, row, live, needed)
            case Branch(outputs=outputs, sides=sides, rows=parts):
                side = 0 if row in parts[0] else 1
                live.update(v for out, *ends in outputs if out in live and (v := ends[side]) is not None)
                _needed_in(sides[side], row, live, needed)
            case Loop(output=output, entry=entry, exit=exit, body=body):
                if output in live:
                    live.update((entry, exit))
                    _needed_in(body, row, live, needed)
            case Head(body=body, output=output):
                live.add(output)
                _needed_in(body, row, live, needed)
            case _:
                pass


def settle_loops(steps: Sequence[Step], uses: Counter[Val]) -> None:
    """Note which loops must carry their channels; raise Differs where turns do not build on each other."""
    loops = [s for s in every(steps) if isinstance(s, Loop)]
    if any(uses[loop.inner] == 0 for loop in loops):
        raise Differs
    for loop in loops:
        others = [
            c
            for other in loops
            for c in (other.iterable, *(other.carry[1:] if other.carry else ()))
            if other is not loop
        ]
        read = needed_names(steps, others) if loop.carry else set()
        loop.carries = loop.carry is not None and loop.carry[0] in read


def construct_once(steps: Sequence[Step]) -> None:
    """A shared module whose first use came to nothing is constructed by the next."""
    seen: set[tuple[Row, Path]] = set()
    for step in every(steps):
        if isinstance(step, Apply) and step.paths is not None:
            places = [(origin(row), step.paths[row]) for row in step.rows]
            step.again = step.again and all(p in seen for p in places)
            seen.update(places)

"""Steps that follow each other as containers: what shares a part of its path is an `nn.Sequential` of that name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Argument, Call, Code, Generator, Local
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.steps import (
    Apply,
    Branch,
    Differs,
    Head,
    Loop,
    Merge,
    Module,
    Path,
    PerRow,
    Row,
    Step,
    Val,
    count_uses,
    every,
    origin,
)
from cnnlang.backends.torch_source.choices import as_modules
from cnnlang.backends.torch_source.names import CONTAINER_ATTRIBUTES, MODULE_ATTRIBUTES
from cnnlang.backends.torch_source.sequences import Describe, sequence


def census(steps: Sequence[Step]) -> Counter[tuple[Row, Path]]:
    """How many modules stand at or under each path of each instance; a shared one counts each time."""
    found: Counter[tuple[Row, Path]] = Counter()
    for step in every(steps):
        if isinstance(step, Apply) and step.paths is not None:
            for row in step.rows:
                path = step.paths[row]
                for depth in range(1, len(path) + 1):
                    found[origin(row), path[:depth]] += 1
    return found


@dataclass(eq=False)
class Folder:
    """Puts steps that share a part of their path, one after the other, into an `nn.Sequential` of that name."""

    uses: Counter[Val]
    there: Counter[tuple[Row, Path]]
    describe: Describe | None = None
    repeats: set[Path] = field(default_factory=set)

    def fold(self, steps: Sequence[Step], depth: int = 0) -> list[Step]:
        """The steps, with every container that is a plain chain folded; inner lists too."""
        done: list[Step] = []
        rest = list(steps)
        while rest:
            run = self._run(rest, depth)
            first = rest[0]
            if run:
                lead = self._leading(done, run, depth)
                del done[len(done) - len(lead) :]
                done.append(self._container([*lead, *run], depth))
                del rest[: len(run)]
                continue
            del rest[0]
            match first:
                case Merge(branches=branches):
                    first.branches = [(self.fold(inner, depth), end) for inner, end in branches]
                case Branch(sides=(then, otherwise)):
                    first.sides = (self.fold(then, depth), self.fold(otherwise, depth))
                case Loop(body=body) | Head(body=body):
                    first.body = self.fold(body, depth)
                case _:
                    pass
            done.append(first)
        return done

    def _run(self, steps: Sequence[Step], depth: int) -> list[Apply]:
        """The steps at the front that make up one whole container; none where they do not."""
        first = steps[0]
        if not isinstance(first, Apply) or first.paths is None or len(first.paths[first.rows[0]]) <= depth + 1:
            return []
        prefix = {row: first.paths[row][: depth + 1] for row in first.rows}
        run: list[Apply] = []
        complete = 0
        for step in steps:
            if not isinstance(step, Apply) or not self.follows(step, run):
                break
            if step.paths is not None:
                if any(step.paths[row][: depth + 1] != prefix.get(row) for row in step.rows):
                    break
                complete = len(run) + 1
            run.append(step)
        tail = run[complete:]
        run = run[:complete]
        weighted = [s for s in run if s.paths is not None]
        if any(self.there[origin(row), prefix[row]] != len(weighted) for row in first.rows):
            return []
        parts = [
            s.paths[row][depth + 1] for s in weighted if s.paths for row in s.rows if len(s.paths[row]) > depth + 1
        ]
        if len(parts) != sum(len(s.rows) for s in weighted) or any(
            p in CONTAINER_ATTRIBUTES or p in MODULE_ATTRIBUTES for p in parts
        ):
            return []
        own = next(iter(prefix.values())) if len(set(prefix.values())) == 1 else None
        numbered = all(p.isdigit() for p in parts) and own not in self.repeats
        for step in tail:
            if step.scope[: depth + 1] == own or (numbered and step.trails and len(step.scope) <= depth):
                run.append(step)
            else:
                break
        return run

    def follows(self, step: Apply, run: Sequence[Apply]) -> bool:
        """Whether a step may stand in a sequence, after the steps before it there."""
        if not step.modules or step.again or step.extra or len(step.inputs) != 1:
            return False
        return not run or (step.inputs[0] is run[-1].output and self.uses[run[-1].output] == 1)

    def _leading(self, done: Sequence[Step], run: Sequence[Apply], depth: int) -> list[Apply]:
        """Steps without weights before a container that belong to it: its group's, or those that its numbers count."""
        first = run[0]
        assert first.paths is not None
        path = first.paths[first.rows[0]]
        is_numbered = path[depth + 1].isdigit() and path[: depth + 1] not in self.repeats
        missing = int(path[depth + 1]) if is_numbered else 0
        lead: list[Apply] = []
        following = first
        counted = 0
        for step in reversed(done):
            if not isinstance(step, Apply) or step.paths is not None or not step.modules:
                break
            if following.inputs[0] is not step.output or self.uses[step.output] != 1:
                break
            belongs = step.scope[: depth + 1] == path[: depth + 1]
            if not belongs and not (step.trails and counted + len(step.modules) <= missing):
                break
            lead.insert(0, step)
            counted += len(step.modules)
            following = step
        owned = [s for s in lead if s.scope[: depth + 1] == path[: depth + 1]]
        return lead if counted == missing or len(owned) == len(lead) else owned

    def _container(self, run: Sequence[Apply], depth: int) -> Apply:
        inner = [s for s in self.fold(run, depth + 1) if isinstance(s, Apply)]
        weighted = next(s for s in run if s.paths is not None)
        assert weighted.paths is not None
        paths = PerRow({row: weighted.paths[row][: depth + 1] for row in weighted.rows})
        describe = self.describe if len(inner) > 4 else None
        made = sequence(inner, depth + 1, describe)
        return Apply(
            run[0].inputs,
            run[-1].output,
            weighted.rows,
            paths,
            (Module("container", made),),
            scope=run[0].scope[:depth],
        )


def turn_container(steps: Sequence[Step], entry: Val, depth: int, index: str, count: Code) -> Apply:
    """A repetition whose turns are these steps, as one container: `nn.Sequential(*(... for i in range(n)))`."""
    steps = as_modules(steps)
    whole = [s for s in steps if isinstance(s, Apply)]
    if len(whole) < len(steps) or not whole or whole[0].inputs != (entry,):
        raise Differs
    folder = Folder(count_uses(steps, [whole[-1].output]), census(steps))
    for i, step in enumerate(whole):
        if not folder.follows(step, whole[:i]):
            raise Differs
    inner = [s for s in folder.fold(whole, depth) if isinstance(s, Apply)]
    weighted = next((s for s in inner if s.paths is not None), None)
    if weighted is None or weighted.paths is None:
        raise Differs
    if len(weighted.paths[weighted.rows[0]]) == depth:  # each turn is one module
        if len(inner) > 1:
            raise Differs
        made = weighted.modules[0].made
        paths = weighted.paths
    else:
        made = sequence(inner, depth)
        paths = PerRow({row: weighted.paths[row][:depth] for row in weighted.rows})
    target = index if index in names(made) else "_"
    repeated = Argument(Generator(made, target, call("range", count)), star=True)
    output = whole[-1].output
    return Apply(
        whole[0].inputs, output, whole[0].rows, paths, (Module("repeat", Call(Local("nn.Sequential"), (repeated,))),)
    )

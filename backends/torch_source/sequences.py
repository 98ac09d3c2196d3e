"""`nn.Sequential`, with names or by position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Argument, Call, Code, Items, Lit, Local
from cnnlang.backends.python_source.layout import has_comments
from cnnlang.backends.python_source.names import free
from cnnlang.backends.python_source.steps import Apply, Branch, Differs, Loop, Row, Step
from cnnlang.backends.torch_source.names import CONTAINER_ATTRIBUTES, MODULE_ATTRIBUTES
from cnnlang.backends.torch_source.runs import compressed, named_progression

Describe = Callable[[Apply], str]  # the comment beside a step; empty for none


def positions_agree(steps: Sequence[Step], rows: Sequence[Row], depth: int) -> bool:
    """Whether the names at a depth are what `nn.Sequential` would count, in every instance."""
    return all(_count(steps, row, depth, 0) is not None for row in rows)


def _count(steps: Sequence[Step], row: Row, depth: int, position: int) -> int | None:
    here: int | None = position
    for step in steps:
        if here is None:
            return None
        match step:
            case Apply(paths=None, modules=modules):
                here += len(modules)
            case Apply(paths=paths) if paths is not None:
                path = paths[row]
                here = here + 1 if path[depth:] == (str(here),) else None
            case Branch(sides=sides, rows=parts):
                side = 0 if any(r is row for r in parts[0]) else 1
                here = _count(sides[side], row, depth, here)
            case Loop(body=body, turns=turns):
                for each in turns[row]:
                    here = None if here is None else _count(body, each, depth, here)
            case _:
                pass
    return here


def sequence(steps: Sequence[Apply], depth: int, describe: Describe | None = None) -> Code:
    """`nn.Sequential` of steps whose names stand at a depth of their paths."""
    rows = steps[0].rows
    if positions_agree(steps, rows, depth):
        made = [m.made for s in steps for m in s.modules]
        packed = compressed(made)
        if describe is None or len(packed) < len(made):
            return Call(Local("nn.Sequential"), tuple(packed))
        return Call(Local("nn.Sequential"), tuple(_commented(steps, [Argument(c) for c in made], describe)))
    called = entry_names(steps, depth)
    made = [m.made for s in steps for m in s.modules]
    progression = named_progression(called, made)
    if progression is not None:
        return call("nn.Sequential", Call(Local("OrderedDict"), (Argument(progression),)))
    return call("nn.Sequential", ordered(called, made, steps, describe))


def ordered(called: Sequence[str], made: Sequence[Code], steps: Sequence[Apply], describe: Describe | None) -> Code:
    """An OrderedDict of named modules."""
    if all(name.isidentifier() for name in called):
        arguments = [Argument(c, name) for name, c in zip(called, made, strict=True)]
    else:
        pairs = [Items("(", (Lit(name), c)) for name, c in zip(called, made, strict=True)]
        return Call(Local("OrderedDict"), (Argument(Items("[", tuple(pairs))),))
    if describe is not None:
        arguments = _commented(steps, arguments, describe)
    return Call(Local("OrderedDict"), tuple(arguments))


def _commented(steps: Sequence[Apply], arguments: list[Argument], describe: Describe) -> list[Argument]:
    """A comment beside the last module of each step, where the shape changes."""
    done: list[Argument] = []
    before = ""
    for step in steps:
        for i in range(len(step.modules)):
            comment = describe(step) if i == len(step.modules) - 1 else ""
            argument = arguments[len(done)]
            is_said = comment == before or has_comments(argument.value)
            done.append(argument if is_said else replace(argument, comment=comment))
            before = comment or before
    return done


def entry_names(steps: Sequence[Apply], depth: int = 0, taken: Sequence[str] = ()) -> list[str]:
    """The name of each module: its weights' own, and for one without weights what it is, numbered where need be."""
    own: set[str] = set(taken)
    for step in steps:
        if step.paths is not None:
            found = {step.paths[row][depth:] for row in step.rows}
            if len(found) > 1 or len(next(iter(found))) != 1:
                raise Differs
            own.add(next(iter(found))[0])
    kinds = Counter(m.kind for s in steps if s.paths is None for m in s.modules)
    numbers: Counter[str] = Counter()
    called: list[str] = []
    used = set(own) | MODULE_ATTRIBUTES | CONTAINER_ATTRIBUTES
    for step in steps:
        for module in step.modules:
            if step.paths is not None:
                called.append(step.paths[step.rows[0]][depth])
                continue
            numbers[module.kind] += 1
            wanted = f"{module.kind}{numbers[module.kind]}" if kinds[module.kind] > 1 else module.kind
            name = free(wanted, used)
            used.add(name)
            called.append(name)
    return called

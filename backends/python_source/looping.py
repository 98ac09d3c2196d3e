"""The loops and local names of a constructor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnnlang.backends.python_source.build import call, total, unary
from cnnlang.backends.python_source.code import Call, Code, Local, Var
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.layout import Block, For, Line
from cnnlang.backends.python_source.steps import Apply, Branch, Define, Loop, Step, every


def used_by(reads: Iterable[Code]) -> set[str]:
    return {n for made in reads for n in names(made)}


def needed_names(steps: Sequence[Step], loops: Sequence[Code] | None = None, more: Sequence[Code] = ()) -> set[str]:
    """Names of the constructor that something in a body reads; of its loops, what is given or all of them."""
    found = used_by([*(loops or ()), *more])
    for step in every(steps):
        match step:
            case Apply(modules=modules):
                found |= {n for m in modules for n in names(m.made)}
            case Branch(test=test):
                found |= names(test)
            case Loop() if loops is None:
                found |= used_by(loop_reads(step))
            case _:
                pass
    for step in reversed(list(every(steps))):
        if isinstance(step, Define) and step.name in found:
            found |= names(step.value)
    return found


def loop_reads(step: Loop) -> list[Code]:
    return [step.iterable, *(step.carry[1:] if step.carry else ())]


def loop_statements(step: Loop, body: Block, reads: Sequence[Code]) -> Block:
    """A `for` of the constructor around its body, with the channels carried from turn to turn."""
    if not body:
        return []
    before: Block = []
    after: Block = []
    used = used_by(reads)
    if step.carry is not None and step.carries:
        name, start, then = step.carry
        used |= names(then)
        before.append(Line(f"{name} = ", start))
        growth = total([then, unary("-", Var(name))])
        is_growth = name in names(then) and name not in names(growth)
        after.append(Line(f"{name} += ", growth) if is_growth else Line(f"{name} = ", then))
    target, iterable = step.target, step.iterable
    is_idle = not set(step.targets) & used and is_range(iterable)
    if step.own_index and step.index in used:
        if is_idle:
            target = step.index
        else:
            target, iterable = f"{step.index}, {grouped(target)}", call("enumerate", iterable)
    elif is_idle:
        target = "_"
    return [*before, For(target, iterable, [*body, *after])]


def is_range(made: Code) -> bool:
    match made:
        case Call(function=Local(name="range"), arguments=(_,)):
            return True
    return False


def grouped(target: str) -> str:
    """Several targets of a loop as one."""
    is_one = "," not in target or (target.startswith("(") and target.find(")") == len(target) - 1)
    return target if is_one else f"({target})"

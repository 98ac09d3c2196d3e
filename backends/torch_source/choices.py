"""An `if` between two functions as one module: `nn.ReLU() if act else nn.Tanh()`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnnlang.backends.python_source.build import ternary
from cnnlang.backends.python_source.steps import Apply, Branch, Head, Loop, Merge, Module, Step


def as_modules(steps: Sequence[Step]) -> list[Step]:
    """Steps in which every such `if` is one step, so that it may stand in a sequence."""
    return [_chosen(step) if isinstance(step, Branch) else _inside(step, as_modules) for step in steps]


def as_branches(steps: Sequence[Step]) -> list[Step]:
    """The same steps for a `forward`, where they are conditions again."""
    return [
        step.choice if isinstance(step, Apply) and step.choice is not None else _inside(step, as_branches)
        for step in steps
    ]


def _inside(step: Step, change: Callable[[Sequence[Step]], list[Step]]) -> Step:
    match step:
        case Merge(branches=branches):
            step.branches = [(change(inner), end) for inner, end in branches]
        case Branch(sides=(then, otherwise)):
            step.sides = (change(then), change(otherwise))
        case Loop(body=body) | Head(body=body):
            step.body = change(body)
        case _:
            pass
    return step


def _chosen(step: Branch) -> Step:
    match step:
        case Branch(sides=([Apply() as then], [Apply() as otherwise]), outputs=[(out, left, right)]):
            sides = (then, otherwise)
            is_plain = all(s.paths is None and s.function and len(s.modules) == 1 and not s.extra for s in sides)
            ends = (then.output, otherwise.output)
            if is_plain and then.inputs == otherwise.inputs and len(then.inputs) == 1 and ends == (left, right):
                return Apply(
                    then.inputs,
                    out,
                    [*step.rows[0], *step.rows[1]],
                    modules=(_either(step, then, otherwise),),
                    scope=then.scope,
                    trails=then.trails and otherwise.trails,
                    choice=step,
                )
    return _inside(step, as_modules)


def _either(step: Branch, then: Apply, otherwise: Apply) -> Module:
    one, other = then.modules[0], otherwise.modules[0]
    is_activation = then.wraps and otherwise.wraps
    kind = one.kind if one.kind == other.kind else "activation" if is_activation else f"{one.kind}_or_{other.kind}"
    return Module(kind, ternary(one.made, step.test, other.made))

"""Merges."""

from __future__ import annotations

from cnnlang.backends.onnx.build import Step
from cnnlang.backends.onnx.rules import lower
from cnnlang.ops.merge import Add, Concat, Max, Mean, Mul


@lower.register
def _(op: Concat, step: Step) -> None:
    step.then("Concat", *step.values, axis=1)


@lower.register
def _(op: Max, step: Step) -> None:
    step.then("Max", *step.values)


@lower.register
def _(op: Mean, step: Step) -> None:
    step.then("Mean", *step.values)


@lower.register
def _(op: Add, step: Step) -> None:
    values = over_maps(step)
    step.then("Add" if len(values) == 2 else "Sum", *values)


@lower.register
def _(op: Mul, step: Step) -> None:
    product, *others = over_maps(step)
    for value in others:
        product = step.then("Mul", product, value)


def over_maps(step: Step) -> list[str]:
    """The values; features that meet maps as maps of one cell."""
    if step.type.rank == 2:
        return list(step.values)
    return [
        step.then("Unsqueeze", value, step.integers(2, 3)) if type.rank == 2 else value
        for value, type in zip(step.values, step.types, strict=True)
    ]

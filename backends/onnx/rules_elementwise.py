"""Activations."""

from __future__ import annotations

import math

from cnnlang.backends.onnx.build import Step
from cnnlang.backends.onnx.rules import lower
from cnnlang.ops.base import Op
from cnnlang.ops.elementwise import (
    Elu,
    Gelu,
    Hardsigmoid,
    Hardswish,
    LeakyRelu,
    LogSoftmax,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)

# ONNX has these under their names, with the numbers of the language as defaults
NATIVE: dict[type[Op], str] = {
    Elu: "Elu",
    Hardswish: "HardSwish",
    Relu: "Relu",
    Selu: "Selu",
    Sigmoid: "Sigmoid",
    Softplus: "Softplus",
    Tanh: "Tanh",
}


def _native(op: Op, step: Step) -> None:
    step.then(NATIVE[type(op)], step.x)


for _operator in NATIVE:
    lower.register(_operator, _native)


@lower.register
def _(op: LeakyRelu, step: Step) -> None:
    step.then("LeakyRelu", step.x, alpha=op.slope)


@lower.register
def _(op: Relu6, step: Step) -> None:
    step.then("Clip", step.x, step.number(0), step.number(6))


@lower.register
def _(op: Prelu, step: Step) -> None:
    step.then("PRelu", step.x, by_channel(step, step.weights[0]))


@lower.register
def _(op: Hardsigmoid, step: Step) -> None:
    step.then("HardSigmoid", step.x, alpha=1 / 6, beta=0.5)


@lower.register
def _(op: Silu, step: Step) -> None:
    step.then("Mul", step.x, step.then("Sigmoid", step.x))


@lower.register
def _(op: Mish, step: Step) -> None:
    step.then("Mul", step.x, step.then("Tanh", step.then("Softplus", step.x)))


@lower.register
def _(op: Gelu, step: Step) -> None:
    """In the form that PyTorch exports and ONNX Runtime makes one kernel of."""
    error = step.then("Erf", step.then("Div", step.x, step.number(math.sqrt(2))))
    twice = step.then("Mul", step.x, step.then("Add", error, step.number(1)))
    step.then("Mul", twice, step.number(0.5))


@lower.register
def _(op: Softmax, step: Step) -> None:
    step.then("Softmax", step.x, axis=1)


@lower.register
def _(op: LogSoftmax, step: Step) -> None:
    step.then("LogSoftmax", step.x, axis=1)


def by_channel(step: Step, numbers: str) -> str:
    """One number a channel, in a shape that broadcasts over the step's value."""
    return numbers if step.types[0].rank == 2 else step.then("Unsqueeze", numbers, step.integers(1, 2))

"""Normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnlang.backends.onnx.build import Step
from cnnlang.backends.onnx.rules import lower
from cnnlang.backends.onnx.rules_elementwise import by_channel
from cnnlang.ops.norm import BatchNorm, GroupNorm, LocalResponseNorm, Normalize


@lower.register
def _(op: BatchNorm, step: Step) -> None:
    # ONNX counts what stays of the running statistics, PyTorch what is new
    step.then("BatchNormalization", step.x, *step.weights, epsilon=op.eps, momentum=1 - op.momentum)


@lower.register
def _(op: LocalResponseNorm, step: Step) -> None:
    if 0 < op.alpha <= op.k / 10 and 0 < op.beta <= 1:
        step.then("LRN", step.x, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)
        return
    # ONNX Runtime refuses alpha and beta of 0 or less, and it adds and subtracts squares as the window moves, whose
    # errors only a large k hides: the same by hand, channels being the rows of an average of squares
    half = min(op.size // 2, step.types[0].channels - 1)
    rows = step.then("Reshape", step.then("Mul", step.x, step.x), step.integers(0, 1, step.types[0].channels, -1))
    window: dict[str, Any] = {"kernel_shape": (2 * half + 1, 1), "pads": (half, 0, half, 0), "count_include_pad": 1}
    mean = like(step, step.then("AveragePool", rows, **window))
    share = step.then("Mul", mean, step.number(op.alpha * (2 * half + 1) / op.size))
    power = step.then("Pow", step.then("Add", share, step.number(op.k)), step.number(op.beta))
    step.then("Div", step.x, power)


@lower.register
def _(op: GroupNorm, step: Step) -> None:
    """A group is one long channel, which instance normalisation brings to mean 0 and variance 1."""
    ones = step.constant("ones", np.ones(op.groups, np.float32))
    zeros = step.constant("zeros", np.zeros(op.groups, np.float32))
    rows = step.then("Reshape", step.x, step.integers(0, op.groups, -1))
    even = like(step, step.then("InstanceNormalization", rows, ones, zeros, epsilon=op.eps))
    weight, bias = (by_channel(step, w) for w in step.weights)
    step.then("Add", step.then("Mul", even, weight), bias)


def like(step: Step, value: str) -> str:
    """A value with the shape of the step's own; its batch is whatever it is."""
    sizes = [d for d in step.types[0].shape[1:] if isinstance(d, int)]
    if len(sizes) < step.types[0].rank - 1:
        return step.then("Reshape", value, step.then("Shape", step.x))
    return step.then("Reshape", value, step.integers(0, *sizes))


@lower.register
def _(op: Normalize, step: Step) -> None:
    centred = step.then("Sub", step.x, _numbers(step, "mean", op.mean))
    step.then("Div", centred, _numbers(step, "std", op.std))


def _numbers(step: Step, role: str, numbers: tuple[float, ...]) -> str:
    if len(numbers) == 1:
        return step.constant(role, np.array(numbers[0], np.float32))
    return step.constant(role, channelwise(numbers, step.types[0].rank))


def channelwise(numbers: tuple[float, ...], rank: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """One number a channel, [C, 1, 1] for maps and [C] for features."""
    return np.array(numbers, np.float32).reshape(-1, *(1,) * (rank - 2))

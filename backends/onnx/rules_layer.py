"""Layers: convolutions, `dense`, and `dropout`, which is nothing in inference."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.backends.onnx.build import Step
from cnnlang.backends.onnx.rules import lower
from cnnlang.ops.conv import Convolution, Deconv
from cnnlang.ops.dense import Dense, Dropout
from cnnlang.ops.window import Pads


@lower.register
def _(op: Convolution, step: Step) -> None:
    x, pads = step.x, op.pads(step.types[0])
    if op.fill and any(pads):
        x, pads = padded(step, x, pads, op.fill), (0, 0, 0, 0)
    step.then(
        "Conv",
        x,
        *step.weights,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=begins_then_ends(pads),
        dilations=op.dilation,
        group=op.parts(step.types[0]),
    )


@lower.register
def _(op: Deconv, step: Step) -> None:
    pads = op.pads(step.types[0])
    if all(extra < stride for extra, stride in zip(op.output_pad, op.stride, strict=True)):
        _deconv(op, step, step.weights, pads, op.output_pad)
        return
    # ONNX Runtime takes no more than the stride: rows added are, first, rows that are not taken away
    (more_rows, more_columns), (top, bottom, left, right) = op.output_pad, pads
    pads = (top, max(bottom - more_rows, 0), left, max(right - more_columns, 0))
    rows, columns = max(more_rows - bottom, 0), max(more_columns - right, 0)
    if not (rows or columns):
        _deconv(op, step, step.weights, pads, (0, 0))
        return
    weight, *bias = step.weights
    y = padded(step, _deconv(op, step, (weight,), pads, (0, 0)), (0, rows, 0, columns), 0.0)
    for numbers in bias:
        step.then("Add", y, step.then("Unsqueeze", numbers, step.integers(1, 2)))


def _deconv(op: Deconv, step: Step, weights: Sequence[str], pads: Pads, extra: tuple[int, int]) -> str:
    return step.then(
        "ConvTranspose",
        step.x,
        *weights,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=begins_then_ends(pads),
        output_padding=extra,
        dilations=op.dilation,
        group=op.groups,
    )


@lower.register
def _(op: Dense, step: Step) -> None:
    step.then("Gemm", step.x, *step.weights, transB=1)


@lower.register
def _(op: Dropout, step: Step) -> None:
    pass


def begins_then_ends(pads: Pads) -> tuple[int, int, int, int]:
    """ONNX's order of (top, bottom, left, right)."""
    top, bottom, left, right = pads
    return top, left, bottom, right


def padded(step: Step, x: str, pads: Pads, value: float) -> str:
    """A map with cells of a value around it."""
    top, left, bottom, right = begins_then_ends(pads)
    return step.then("Pad", x, step.integers(0, 0, top, left, 0, 0, bottom, right), step.number(value))

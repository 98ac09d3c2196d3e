"""Layers: convolutions, `dense`, and `dropout`, which is nothing in inference."""

from __future__ import annotations

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
    step.then(
        "ConvTranspose",
        step.x,
        *step.weights,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=begins_then_ends(op.pads(step.types[0])),
        output_padding=op.output_pad,
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

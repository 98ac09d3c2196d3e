"""Operators that move, repeat, add or leave out numbers."""

from __future__ import annotations

import numpy as np

from cnnlang.backends.onnx.build import Step
from cnnlang.backends.onnx.rules import lower
from cnnlang.backends.onnx.rules_layer import begins_then_ends
from cnnlang.backends.onnx.rules_norm import like
from cnnlang.ops.shape import Channels, ChannelShuffle, Crop, Flatten, Pad, PadChannels, PixelShuffle, Upsample

END = 2**63 - 1  # a slice up to here reaches the end


@lower.register
def _(op: Flatten, step: Step) -> None:
    step.then("Flatten", step.x, axis=1)


@lower.register
def _(op: Pad, step: Step) -> None:
    top, left, bottom, right = begins_then_ends(op.amount)
    amounts = step.integers(0, 0, top, left, 0, 0, bottom, right)
    value = (step.number(op.value),) if op.mode == "constant" else ()
    step.then("Pad", step.x, amounts, *value, mode=op.mode)


@lower.register
def _(op: PadChannels, step: Step) -> None:
    rest = (0,) * (step.types[0].rank - 2)
    step.then("Pad", step.x, step.integers(0, op.before, *rest, 0, op.after, *rest), step.number(0), mode="constant")


@lower.register
def _(op: Crop, step: Step) -> None:
    top, bottom, left, right = op.amount
    starts, ends = step.integers(top, left), step.integers(-bottom or END, -right or END)
    step.then("Slice", step.x, starts, ends, step.integers(2, 3))


@lower.register
def _(op: Channels, step: Step) -> None:
    step.then("Slice", step.x, step.integers(op.start), step.integers(op.stop), step.integers(1))


@lower.register
def _(op: Upsample, step: Step) -> None:
    scales = step.constant("scales", np.array((1, 1, *op.scale), np.float32))
    if op.mode == "nearest":
        step.then(
            "Resize",
            step.x,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    else:
        step.then("Resize", step.x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")


@lower.register
def _(op: PixelShuffle, step: Step) -> None:
    step.then("DepthToSpace", step.x, blocksize=op.r, mode="CRD")


@lower.register
def _(op: ChannelShuffle, step: Step) -> None:
    parts = step.integers(0, op.groups, step.types[0].channels // op.groups, -1)
    dealt = step.then("Transpose", step.then("Reshape", step.x, parts), perm=(0, 2, 1, 3))
    like(step, dealt)

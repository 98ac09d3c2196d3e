"""What moves cells: joins, slices, padding, shuffles, upsampling."""

from __future__ import annotations

import numpy as np

from cnnlang.backends.numba_cpu.kernels.move import Move
from cnnlang.backends.numba_cpu.kernels.window import Bilinear
from cnnlang.backends.numba_cpu.plan.channels import shape_of
from cnnlang.backends.numba_cpu.plan.lowering import Lowering, lower
from cnnlang.backends.numba_cpu.plan.stages import At, floats, longs
from cnnlang.ir import Node
from cnnlang.ops.merge import Concat
from cnnlang.ops.shape import (
    Channels,
    ChannelShuffle,
    Crop,
    Flatten,
    Pad,
    PadChannels,
    PixelShuffle,
    Upsample,
    neighbours,
)


@lower.register
def _(op: Concat, node: Node, to: Lowering) -> None:
    out = to.make(node)
    first = 0
    for value in node.inputs:
        if value not in to.merging.parts or to.merging.parts[value] != (node, first):  # else it is there
            x = to.of(value)
            to.move(node.name, x, out, range(x.channels), range(x.height), range(x.width), first=first)
        first += value.type.channels


@lower.register
def _(op: Flatten, node: Node, to: Lowering) -> None:
    if node in to.merging.through:
        to.places[node] = to.of(node.inputs[0])
        return
    x, out = to.of(node.inputs[0]), to.make(node)
    places = [
        x.channel(c) + r * x.row + k * x.lanes
        for c in range(x.channels)
        for r in range(x.height)
        for k in range(x.width)
    ]
    to.stage(
        node.name, Move(whole=False), out.images * len(places),
        x=At(x.buffer, x.offset), out=At(out.buffer, out.offset), channel_from=longs(places),
        channel_to=longs([out.channel(c) for c in range(out.channels)]), row_from=longs([0]), column_from=longs([0]),
        channels=len(places), height=1, width=1, x_image=x.image, out_image=out.image, out_row=0, out_step=0, value=0.0,
    )  # fmt: skip
    to.clear_tail(out)


@lower.register
def _(op: Pad, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    top, bottom, left, right = op.amount
    rows, columns = _around(x.height, top, bottom, op.mode), _around(x.width, left, right, op.mode)
    to.move(node.name, x, out, range(x.channels), rows, columns, value=op.value)


def _around(size: int, before: int, after: int, mode: str) -> list[int]:
    """Which cell stands at each place from `before` cells ahead of the first to `after` behind the last."""
    places = range(-before, size + after)
    match mode:
        case "edge":
            return [min(max(i, 0), size - 1) for i in places]
        case "reflect":
            return [size - 1 - abs(size - 1 - abs(i)) for i in places]
        case _:
            return [i if 0 <= i < size else -1 for i in places]


@lower.register
def _(op: Crop, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    top, bottom, left, right = op.amount
    to.move(node.name, x, out, range(x.channels), range(top, x.height - bottom), range(left, x.width - right))


@lower.register
def _(op: Upsample, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    if op.mode == "nearest":
        rows, columns = (
            np.arange(size).repeat(scale).tolist() for size, scale in zip((x.height, x.width), op.scale, strict=True)
        )
        to.move(node.name, x, out, range(x.channels), rows, columns)
        return
    (y_low, y_high, y_part), (x_low, x_high, x_part) = (
        neighbours(size, scale) for size, scale in zip((x.height, x.width), op.scale, strict=True)
    )
    shape = shape_of(x, out)
    del shape["channels"]
    to.stage(
        node.name, Bilinear(), out.images * out.blocks * out.height,
        **{**shape, "height": out.height, "width": out.width},
        y_low=longs(y_low), y_high=longs(y_high), y_part=floats(y_part),
        x_low=longs(x_low), x_high=longs(x_high), x_part=floats(x_part),
    )  # fmt: skip


@lower.register
def _(op: PixelShuffle, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    r = op.r
    for u in range(r):
        for v in range(r):
            to.move(
                node.name, x, out, range(u * r + v, x.channels, r * r), range(x.height), range(x.width),
                at=u * out.row + v * out.lanes, row_step=r, column_step=r,
            )  # fmt: skip


@lower.register
def _(op: ChannelShuffle, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    order = np.arange(x.channels).reshape(op.groups, -1).T.reshape(-1).tolist()
    to.move(node.name, x, out, order, range(x.height), range(x.width))


@lower.register
def _(op: Channels, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    to.move(node.name, x, out, range(op.start, op.stop), range(x.height), range(x.width))


@lower.register
def _(op: PadChannels, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    order = [-1] * op.before + list(range(x.channels)) + [-1] * op.after
    to.move(node.name, x, out, order, range(x.height), range(x.width))

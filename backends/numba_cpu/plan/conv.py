"""Convolutions, transposed ones, and dense layers: tiles, tables of offsets, and packed weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from cnnlang.backends.numba_cpu.kernels.conv import Conv as ConvKernel
from cnnlang.backends.numba_cpu.kernels.window import Depthwise as DepthwiseKernel
from cnnlang.backends.numba_cpu.machine import Machine
from cnnlang.backends.numba_cpu.packing import Layout, Packed
from cnnlang.backends.numba_cpu.plan import winograd
from cnnlang.backends.numba_cpu.plan.lowering import Lowering, activation_behind, activation_of, halo_of, lower, number
from cnnlang.backends.numba_cpu.plan.packed import Direct, PerLane, Shape, Spread, blocks_read, direct, shape_of
from cnnlang.backends.numba_cpu.plan.places import Halo, Place, new_place
from cnnlang.backends.numba_cpu.plan.stages import Array, At, longs
from cnnlang.ir import Node, TensorType
from cnnlang.ops.conv import Conv, Convolution, Deconv, Depthwise
from cnnlang.ops.dense import Dense
from cnnlang.ops.elementwise import Elementwise

MOST = 4  # vectors of channels in a tile
ANY = dict.fromkeys(range(1, MOST + 1), 1)
WIDEST, SIDE = 14, 6  # columns of a tile; images side by side in one
PART = 500_000  # multiply-accumulates of an item, at most: then threads share a stage evenly


@halo_of.register
def conv_halo(op: Convolution, x: TensorType, y: TensorType) -> Halo:
    top, _, left, _ = op.pads(x)
    bottom, right = (
        max(0, (number(out) - 1) * stride + reach - before - number(size))
        for out, stride, reach, before, size in zip(
            y.shape[2:], op.stride, op.reach, (top, left), x.shape[2:], strict=True
        )
    )
    return Halo(top, bottom, left, right, op.fill)


@lower.register
def _(op: Conv, node: Node, to: Lowering) -> None:
    convolve(op, node, node, to, None)


def convolve(op: Conv, conv: Node, out_node: Node, to: Lowering, residual: Place | None) -> None:
    source, weight, *bias = conv.inputs
    x = to.of(source, conv_halo(op, source.type, conv.type))
    out = to.make(out_node)
    top, _, left, _ = op.pads(source.type)
    size = winograd.size_of(op, x, out, to.threads)
    if size is not None:
        winograd.convolve(
            to, conv.name, op, size, x, out, (-top, -left), weight,
            to.constants[bias[0]] if bias else None, activation_behind(out_node.op), residual,
        )  # fmt: skip
        return
    taps = [
        (ky, kx, ky * op.dilation[0] - top, kx * op.dilation[1] - left)
        for ky in range(op.kernel[0])
        for kx in range(op.kernel[1])
    ]
    sums(
        to, conv.name, x, out, weight, shape_of(weight), to.constants[bias[0]] if bias else None, op.groups, taps,
        op.stride, activation_behind(out_node.op), residual,
    )  # fmt: skip


def sums(
    to: Lowering, name: str, x: Place, out: Place, weight: Node, shape: Shape, bias: Array | None, groups: int,
    taps: Sequence[tuple[int, int, int, int]], stride: tuple[int, int], activation: Elementwise | None,
    residual: Place | None = None, *, at: int = 0, size: tuple[int, int] | None = None,
    spread: tuple[int, int] = (1, 1), transposed: bool = False, layout_of: Callable[[Direct], Layout] | None = None,
) -> None:  # fmt: skip
    """Weighted sums over taps: (row and column of the kernel, row and column of the cell, from the output's own).

    The weight's `shape` is [outputs, inputs/groups, rows, columns]; one that is `transposed`, a deconvolution's, begins
    with its inputs. The results are cells `at`, `at + spread`, ... of `out`. `layout_of` gives another layout of the
    weight that has the same numbers in the same places.
    """
    planar = x.lanes == 1
    height, width = size or (out.height, out.width)
    spec, parameters = activation_of(activation)
    # one row of pixels, where rows follow each other without a gap
    flat = (
        stride == (1, 1) == spread and len(taps) == 1 and x.halo.is_none and out.halo.is_none and not planar
        and (residual is None or residual.halo.is_none) and size is None
    )  # fmt: skip
    if flat:
        height, width = 1, height * width
    is_row = height == width == 1 and x.images > 1 and not planar and residual is None
    images = x.images
    x_step = 0
    if is_row:  # images side by side are the pixels
        width, images, x_step = x.images, 1, x.image
    reads = {v: max(map(len, blocks_read(shape, groups, x.lanes, v * out.lanes))) for v in range(1, MOST + 1)}
    # where images lie side by side, each pixel's address stands in a register too
    rows, columns, vectors = tile(height, width, out.blocks, to.machine, reads, SIDE if is_row else WIDEST)
    step = 0 if is_row else stride[1] * x.lanes
    unroll = 1 if planar else x.channels if 2 <= x.channels <= min(6, x.lanes) else 4
    layout = direct(shape, groups, taps, x, vectors * out.lanes, unroll, transposed=transposed)
    table = layout.table(x, [tap[2] * x.row + tap[3] * x.lanes for tap in taps])
    kernel = ConvKernel(rows, columns, vectors, step, unroll, spec)
    tiles_y, tiles_x = -(-height // rows), -(-width // columns)
    count = out.blocks // vectors
    macs = images * height * width * shape[0] * shape[1] * len(taps)
    rows_of_tiles = images * count * tiles_y
    tiles = max(1, min(tiles_x, tiles_x * rows_of_tiles * PART // max(1, macs)))
    parts = -(-tiles_x // tiles)
    tiles = -(-tiles_x // parts)
    to.stage(
        name, kernel, rows_of_tiles * parts, macs, parts=parts, tiles=tiles,
        x=At(x.buffer, x.offset), w=Packed(weight, layout_of(layout) if layout_of else layout),
        bias=to.per_channel(np.zeros(out.channels) if bias is None else bias),
        out=At(out.buffer, out.offset + at),
        residual=At(residual.buffer, residual.offset) if residual else None, table=longs(table.reshape(-1)),
        entries=table.shape[1], lanes=layout.used, table_step=0 if layout.is_alike else table.shape[1],
        w_group=math.prod(layout.packed[1:]), groups=count, tiles_y=tiles_y, tiles_x=tiles_x, height=height,
        width=width, x_image=x.image, x_row=x.row * stride[0], x_step=x_step,
        out_image=out.image, out_plane=out.plane, out_row=out.row * spread[0],
        out_step=out.image if is_row else out.lanes * spread[1],
        res_image=residual.image if residual else 0, res_plane=residual.plane if residual else 0,
        res_row=residual.row if residual else 0, **parameters,
    )  # fmt: skip


def tile(
    height: int, width: int, blocks: int, machine: Machine, reads: Mapping[int, int] = ANY, widest: int = WIDEST
) -> tuple[int, int, int]:
    """The tile that takes the fewest turns: rows, columns, vectors of channels.

    Its sums, a vector of weights for each of its own, and a pixel stand in registers. `reads` tells how many blocks of
    inputs so many vectors read, which differs where there are groups.
    """
    best = (math.inf, (1, 1, 1))
    for vectors in range(MOST, 0, -1):
        if blocks % vectors:
            continue
        most = (machine.registers - vectors - 1) // vectors
        for columns in range(1, min(width, most, widest) + 1):
            for rows in range(1, min(height, most // columns, 4 if columns < 7 else 2) + 1):
                pixels = rows * columns
                tiles = -(-height // rows) * -(-width // columns) * (blocks // vectors) * reads[vectors]
                cost = tiles * (max(pixels * vectors, 8) + 0.25 * (pixels + vectors) + 0.5)
                best = min(best, (cost, (rows, columns, vectors)))
    return best[1]


@lower.register
def _(op: Depthwise, node: Node, to: Lowering) -> None:
    source, weight, *bias = node.inputs
    channels = source.type.channels
    if op.multiplier != 1:
        as_conv = Conv.make(
            {"channels": channels * op.multiplier, "kernel": op.kernel, "stride": op.stride, "pad": op.pad,
             "dilation": op.dilation, "groups": channels, "bias": bool(bias)}
        )  # fmt: skip
        convolve(as_conv, node, node, to, None)
        return
    x = to.of(source, conv_halo(op, source.type, node.type))
    out = to.make(node)
    lanes = out.lanes
    top, _, left, _ = op.pads(source.type)
    taps = [
        (ky * op.dilation[0] - top) * x.row + (kx * op.dilation[1] - left) * lanes
        for ky in range(op.kernel[0])
        for kx in range(op.kernel[1])
    ]
    spec, parameters = activation_of(activation_behind(node.op))
    columns = min(out.width, 14 if to.machine.registers >= 32 else 6)
    while -(-out.width // columns) * columns - out.width > out.width // 4 and columns > 4:
        columns -= 1
    to.stage(
        node.name, DepthwiseKernel(columns, op.stride[1] * lanes, spec), out.images * out.blocks * out.height,
        out.images * channels * out.height * out.width * len(taps),
        x=At(x.buffer, x.offset), w=Packed(weight, PerLane(x.blocks, len(taps), lanes)),
        bias=to.per_channel(to.constants[bias[0]] if bias else np.zeros(channels)), out=At(out.buffer, out.offset),
        table=longs(taps), taps=len(taps), blocks=out.blocks, height=out.height, width=out.width,
        tiles=-(-out.width // columns), x_image=x.image, x_plane=x.plane, x_row=x.row * op.stride[0],
        out_image=out.image, out_plane=out.plane, out_row=out.row, **parameters,
    )  # fmt: skip


def phases(op: Deconv, x: TensorType, y: TensorType, axis: int) -> list[tuple[list[tuple[int, int]], int]]:
    """For each of `stride` output cells in turn its pairs (kernel cell, input cell), and how many such cells there are.

    The input cell counts from the output's place over stride.
    """
    before = op.pads(x)[2 * axis]
    stride, dilation, kernel = op.stride[axis], op.dilation[axis], op.kernel[axis]
    found = []
    for phase in range(stride):
        taps = [
            (k, (phase + before - k * dilation) // stride)
            for k in range(kernel)
            if not (phase + before - k * dilation) % stride
        ]
        count = max(0, -(-(number(y.shape[2 + axis]) - phase) // stride))
        found.append((taps, count))
    return found


@halo_of.register
def deconv_halo(op: Deconv, x: TensorType, y: TensorType) -> Halo:
    sides = []
    for axis in (0, 1):
        before = after = 0
        for taps, count in phases(op, x, y, axis):
            if count:
                before = max([before, *(-o for _, o in taps)])
                after = max([after, *(o + count - number(x.shape[2 + axis]) for _, o in taps)])
        sides += [before, after]
    return Halo(*sides)


@lower.register
def _(op: Deconv, node: Node, to: Lowering) -> None:
    source, weight, *bias = node.inputs
    if source.type.shape[2:] == (1, 1) and op.groups == 1:
        spread_out(op, node, to)
        return
    x = to.of(source, deconv_halo(op, source.type, node.type))
    out = to.make(node)
    inputs, per_group, *kernel = shape_of(weight)
    shape = (op.groups * per_group, inputs // op.groups, kernel[0], kernel[1])
    for py, (rows, height) in enumerate(phases(op, source.type, node.type, 0)):
        for px, (columns, width) in enumerate(phases(op, source.type, node.type, 1)):
            if not height or not width:
                continue
            taps = [(ky, kx, oy, ox) for ky, oy in rows for kx, ox in columns]
            sums(
                to, node.name, x, out, weight, shape, to.constants[bias[0]] if bias else None, op.groups, taps, (1, 1),
                activation_behind(node.op), at=py * out.row + px * out.lanes, size=(height, width), spread=op.stride,
                transposed=True,
            )  # fmt: skip


def spread_out(op: Deconv, node: Node, to: Lowering) -> None:
    """A deconvolution of a single cell, each lane of each cell of its result as a unit of a dense layer."""
    source, weight, *bias = node.inputs
    x, out = to.of(source), to.make(node)
    cells = out.height * out.width
    is_run = (out.plane, out.row) == (cells * out.lanes, out.width * out.lanes)
    whole = out if is_run else new_place(out.images, out.channels, out.height, out.width, out.lanes, Halo())
    units = out.blocks * cells * out.lanes
    row = replace(whole, channels=units, height=1, width=1, plane=out.lanes, row=out.lanes)
    numbers = np.zeros((out.blocks, 1, out.lanes))
    if bias:
        numbers.reshape(-1)[: out.channels] = to.constants[bias[0]]

    def made_with(axis: int, size: int) -> tuple[int, ...]:
        before, dilation, kernel = op.pads(source.type)[2 * axis], op.dilation[axis], op.kernel[axis]
        places = [divmod(i + before, dilation) for i in range(size)]
        return tuple(k if k < kernel and not between else -1 for k, between in places)

    layout = partial(Spread, made_with(0, out.height), made_with(1, out.width), out.blocks, out.lanes)
    sums(
        to, node.name, x, row, weight, (units, x.channels, 1, 1), np.repeat(numbers, cells, 1).reshape(-1), 1,
        [(0, 0, 0, 0)], (1, 1), activation_behind(node.op),
        layout_of=layout,
    )  # fmt: skip
    if not is_run:
        to.pointwise(node.name, "same", [whole], out)


@lower.register
def _(op: Dense, node: Node, to: Lowering) -> None:
    source, weight, *bias = node.inputs
    x = to.of(source)
    cells = [(y, c, y, c) for y in range(x.height) for c in range(x.width)]  # more than one behind a flatten
    shape = (op.units, x.channels, x.height, x.width)
    sums(
        to, node.name, x, to.make(node), weight, shape, to.constants[bias[0]] if bias else None, 1, cells, (1, 1),
        activation_behind(node.op),
    )  # fmt: skip

"""Convolutions, transposed ones, and dense layers: tiles, tables of offsets, and packed weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnlang.backends.numba_cpu.kernels.conv import Conv as ConvKernel
from cnnlang.backends.numba_cpu.kernels.window import Depthwise as DepthwiseKernel
from cnnlang.backends.numba_cpu.machine import Machine
from cnnlang.backends.numba_cpu.plan import winograd
from cnnlang.backends.numba_cpu.plan.lowering import Lowering, activation_behind, activation_of, halo_of, lower, number
from cnnlang.backends.numba_cpu.plan.places import Halo, Place
from cnnlang.backends.numba_cpu.plan.stages import Array, At, floats, longs
from cnnlang.ir import Node, TensorType
from cnnlang.ops.conv import Conv, Convolution, Deconv, Depthwise
from cnnlang.ops.dense import Dense
from cnnlang.ops.elementwise import Elementwise


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
    size = winograd.size_of(op, x, out, to.machine, to.threads)
    if size is not None:
        winograd.convolve(
            to, conv.name, op, size, x, out, (-top, -left), to.constants[weight],
            to.constants[bias[0]] if bias else None, activation_behind(out_node.op), residual,
        )  # fmt: skip
        return
    taps = [
        (ky, kx, ky * op.dilation[0] - top, kx * op.dilation[1] - left)
        for ky in range(op.kernel[0])
        for kx in range(op.kernel[1])
    ]
    sums(
        to, conv.name, x, out, to.constants[weight], to.constants[bias[0]] if bias else None, op.groups, taps,
        op.stride, activation_behind(out_node.op), residual,
    )  # fmt: skip


def sums(
    to: Lowering, name: str, x: Place, out: Place, weight: Array, bias: Array | None, groups: int,
    taps: Sequence[tuple[int, int, int, int]], stride: tuple[int, int], activation: Elementwise | None,
    residual: Place | None = None, *, at: int = 0, size: tuple[int, int] | None = None,
    spread: tuple[int, int] = (1, 1),
) -> None:  # fmt: skip
    """Weighted sums over taps: (row and column of the kernel, row and column of the cell, from the output's own).

    `weight` is [outputs, inputs/groups, rows, columns]. The results are cells `at`, `at + spread`, ... of `out`.
    """
    lanes, planar = to.lanes, x.lanes == 1
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
    rows, columns, vectors = tile(height, width, out.blocks, to.machine)
    step = 0 if is_row else stride[1] * (1 if planar else lanes)
    unroll = 1 if planar else min(4, lanes)
    packed, table, per_group, lanes_of = packed_weights(weight, groups, taps, x, vectors, lanes, unroll)
    kernel = ConvKernel(rows, columns, vectors, step, unroll, spec)
    tiles_y, tiles_x = -(-height // rows), -(-width // columns)
    count = out.blocks // vectors
    to.stage(
        name, kernel, images * count * tiles_y,
        images * height * width * weight.shape[0] * weight.shape[1] * len(taps),
        x=At(x.buffer, x.offset), w=floats(packed),
        bias=to.per_channel(np.zeros(out.channels) if bias is None else bias),
        out=At(out.buffer, out.offset + at),
        residual=At(residual.buffer, residual.offset) if residual else None, table=longs(table.reshape(-1)),
        entries=table.shape[1], lanes=lanes_of, table_step=table.shape[1] if per_group else 0,
        w_group=packed[0].size, groups=count, tiles_y=tiles_y, tiles_x=tiles_x, height=height, width=width,
        x_image=x.image, x_row=x.row * stride[0], x_step=x_step,
        out_image=out.image, out_plane=out.plane, out_row=out.row * spread[0],
        out_step=out.image if is_row else lanes * spread[1],
        res_image=residual.image if residual else 0, res_plane=residual.plane if residual else 0,
        res_row=residual.row if residual else 0, **parameters,
    )  # fmt: skip


def tile(height: int, width: int, blocks: int, machine: Machine) -> tuple[int, int, int]:
    """The tile that takes the fewest turns: rows, columns, vectors of channels.

    Its sums, a vector of weights for each of its own, and a pixel stand in registers.
    """
    best = (math.inf, (1, 1, 1))
    for vectors in (4, 3, 2, 1):
        if blocks % vectors:
            continue
        most = (machine.registers - vectors - 1) // vectors
        for columns in range(1, min(width, most, 14) + 1):
            for rows in range(1, min(height, most // columns, 4 if columns < 7 else 2) + 1):
                pixels = rows * columns
                tiles = -(-height // rows) * -(-width // columns) * (blocks // vectors)
                cost = tiles * (max(pixels * vectors, 8) + 0.25 * (pixels + vectors) + 0.5)
                best = min(best, (cost, (rows, columns, vectors)))
    return best[1]


def packed_weights(
    weight: Array,
    groups: int,
    taps: Sequence[tuple[int, int, int, int]],
    x: Place,
    vectors: int,
    lanes: int,
    unroll: int,
) -> tuple[Array, Array, bool, int]:
    """Weights as the kernel reads them, [output tile, entry, lane, output]; the offsets of the entries, for each output
    tile or for all; whether they differ; and how many lanes of an entry are read."""
    outputs, inputs = weight.shape[:2]
    wide, count = vectors * lanes, len(taps)
    tiles = -(-outputs // wide)
    cells = np.array([t[2] * x.row + t[3] * x.lanes for t in taps], dtype=np.int64)

    def of_taps(part: Array) -> Array:
        """[outputs, inputs, taps]."""
        whole = [t[:2] for t in taps] == list(np.ndindex(*weight.shape[2:]))
        return part.reshape(len(part), inputs, -1) if whole else part[:, :, [t[0] for t in taps], [t[1] for t in taps]]

    if x.lanes == 1:  # planar: an entry is a channel
        full = np.zeros((tiles * wide, inputs * count), np.float32)
        full[:outputs] = of_taps(weight).reshape(outputs, -1)
        packed = full.reshape(tiles, wide, -1, 1).transpose(0, 2, 3, 1)
        table = (np.arange(inputs)[:, None] * x.plane + cells).reshape(1, -1)
        return packed, table, False, 1
    blocks, per_group = -(-x.channels // lanes), outputs // groups
    ranges = []  # of blocks of inputs, for each tile of outputs
    for t in range(tiles):
        first_group, last_group = t * wide // per_group, (min((t + 1) * wide, outputs) - 1) // per_group
        ranges.append((first_group * inputs // lanes, -(-(last_group + 1) * inputs // lanes)))
    most = max(last - first for first, last in ranges)
    starts = [min(first, blocks - most) for first, _ in ranges]
    used = lanes if most > 1 else min(lanes, -(-min(x.channels, lanes) // unroll) * unroll)
    packed = np.zeros((tiles, most, count, used, wide), np.float32)
    for t, start in enumerate(starts if count else ()):
        part = of_taps(weight[t * wide : (t + 1) * wide])
        full = np.zeros((len(part), most * lanes, count), np.float32)
        for o, kernel in enumerate(part if groups > 1 else ()):
            first = (t * wide + o) // per_group * inputs - start * lanes
            full[o, first : first + inputs] = kernel
        if groups == 1:
            full[:, :inputs] = part
        packed[t, ..., : len(part)] = full.reshape(-1, most, lanes, count).transpose(1, 3, 2, 0)[:, :, :used]
    table = np.array([[(s + b) * x.plane + c for b in range(most) for c in cells] for s in starts], dtype=np.int64)
    same = len(set(starts)) == 1
    return packed.reshape(tiles, most * count, used, wide), table[:1] if same else table, not same, used


@lower.register
def _(op: Depthwise, node: Node, to: Lowering) -> None:
    source, weight, *bias = node.inputs
    values, channels = to.constants[weight], source.type.channels
    if op.multiplier != 1:
        as_conv = Conv.make(
            {"channels": channels * op.multiplier, "kernel": op.kernel, "stride": op.stride, "pad": op.pad,
             "dilation": op.dilation, "groups": channels, "bias": bool(bias)}
        )  # fmt: skip
        convolve(as_conv, node, node, to, None)
        return
    x = to.of(source, conv_halo(op, source.type, node.type))
    out = to.make(node)
    lanes = to.lanes
    top, _, left, _ = op.pads(source.type)
    taps = [
        (ky * op.dilation[0] - top) * x.row + (kx * op.dilation[1] - left) * lanes
        for ky in range(op.kernel[0])
        for kx in range(op.kernel[1])
    ]
    full = np.zeros((x.blocks * lanes, len(taps)), np.float32)
    full[:channels] = values.reshape(channels, -1)
    spec, parameters = activation_of(activation_behind(node.op))
    columns = min(out.width, 14 if to.machine.registers >= 32 else 6)
    while -(-out.width // columns) * columns - out.width > out.width // 4 and columns > 4:
        columns -= 1
    to.stage(
        node.name, DepthwiseKernel(columns, op.stride[1] * lanes, spec), out.images * out.blocks * out.height,
        out.images * channels * out.height * out.width * len(taps),
        x=At(x.buffer, x.offset), w=floats(full.reshape(x.blocks, lanes, -1).transpose(0, 2, 1)),
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
    x = to.of(source, deconv_halo(op, source.type, node.type))
    out = to.make(node)
    values = to.constants[weight]  # [inputs, outputs/groups, rows, columns]
    inputs, per_group, *kernel = values.shape
    by_group = values.reshape(op.groups, inputs // op.groups, per_group, *kernel)
    values = by_group.transpose(0, 2, 1, 3, 4).reshape(op.groups * per_group, inputs // op.groups, *kernel)
    for py, (rows, height) in enumerate(phases(op, source.type, node.type, 0)):
        for px, (columns, width) in enumerate(phases(op, source.type, node.type, 1)):
            if not height or not width:
                continue
            taps = [(ky, kx, oy, ox) for ky, oy in rows for kx, ox in columns]
            sums(
                to, node.name, x, out, values, to.constants[bias[0]] if bias else None, op.groups, taps, (1, 1),
                activation_behind(node.op), at=py * out.row + px * to.lanes, size=(height, width), spread=op.stride,
            )  # fmt: skip


@lower.register
def _(op: Dense, node: Node, to: Lowering) -> None:
    source, weight, *bias = node.inputs
    x = to.of(source)
    cells = [(y, c, y, c) for y in range(x.height) for c in range(x.width)]  # more than one behind a flatten
    values = to.constants[weight].reshape(op.units, x.channels, x.height, x.width)
    sums(
        to, node.name, x, to.make(node), values, to.constants[bias[0]] if bias else None, 1, cells, (1, 1),
        activation_behind(node.op),
    )  # fmt: skip

"""When and how a convolution is done by Winograd's method."""

from __future__ import annotations

import math

import numpy as np

from cnnlang.backends.numba_cpu.kernels.conv import Conv
from cnnlang.backends.numba_cpu.kernels.winograd import Winograd, WinogradInput, WinogradOutput
from cnnlang.backends.numba_cpu.packing import Packed
from cnnlang.backends.numba_cpu.plan.lowering import Lowering, activation_of
from cnnlang.backends.numba_cpu.plan.packed import Transformed, shape_of
from cnnlang.backends.numba_cpu.plan.places import Buffer, Place
from cnnlang.backends.numba_cpu.plan.stages import Argument, Array, At, floats, longs
from cnnlang.ir import Node
from cnnlang.ops.conv import Conv as ConvOp
from cnnlang.ops.elementwise import Elementwise

NEAR = 100_000  # floats of a thread's transforms that stay near, with the weights beside them
ALL = 4_000_000  # floats of the transforms of all pieces that may lie in memory between stages
BANDWIDTH = 6  # bytes of weights that come while a vector is multiplied and added
TRANSFORM = {2: 120, 4: 450}  # vectors that could be multiplied while a piece of a block is transformed


def size_of(op: ConvOp, x: Place, out: Place, threads: int) -> int | None:
    """m of F(m x m, 3 x 3), or None where a direct sum is better.

    What is multiplied less stands against what is transformed, and against larger weights, which are read once.
    """
    plain = op.kernel == (3, 3) and op.stride == (1, 1) == op.dilation
    is_apart = op.groups == 1 or not (x.channels // op.groups % x.lanes or out.channels // op.groups % out.lanes)
    if not plain or not is_apart or x.lanes != out.lanes or x.channels < x.lanes:
        return None
    x, out = x.slice(0, x.channels // op.groups), out.slice(0, out.channels // op.groups)
    pairs, cells = x.blocks * x.lanes * out.blocks, out.images * out.height * out.width

    def cost(vectors: float, weights: int) -> float:
        return vectors / threads + 4 * out.lanes * weights / BANDWIDTH

    costs: dict[int | None, float] = {None: cost(9 * pairs * cells, 9 * pairs)}
    for size in (2, 4):
        if min(out.height, out.width) >= size:
            pieces, places = out.images * -(-out.height // size) * -(-out.width // size), (size + 2) ** 2
            products = places * pairs * (-(-pieces // 4) * 4)
            costs[size] = cost(products + TRANSFORM[size] * pieces * (x.blocks + out.blocks) / 2, places * pairs)
    return min(costs, key=lambda size: costs[size])


def convolve(
    to: Lowering, name: str, op: ConvOp, size: int, x: Place, out: Place, corner: tuple[int, int], weight: Node,
    bias: Array | None, activation: Elementwise | None, residual: Place | None,
) -> None:  # fmt: skip
    """Stages, for each group its own; `corner` is the first cell of the first window, from the map's own first cell."""
    inputs, outputs = x.channels // op.groups, out.channels // op.groups
    for group in range(op.groups):
        start = group * outputs
        _convolve(
            to, name, size, x.slice(group * inputs, inputs), out.slice(start, outputs), corner, weight, start,
            None if bias is None else bias[start : start + outputs], activation,
            residual.slice(start, outputs) if residual else None,
        )  # fmt: skip


def _convolve(
    to: Lowering, name: str, size: int, x: Place, out: Place, corner: tuple[int, int], weight: Node, first: int,
    bias: Array | None, activation: Elementwise | None, residual: Place | None,
) -> None:  # fmt: skip
    lanes, places = out.lanes, (size + 2) ** 2
    down, across = -(-out.height // size), -(-out.width // size)
    total = out.images * down * across
    columns, vectors = tile(total, out.blocks, to.machine.registers)
    spec, parameters = activation_of(activation)
    source: dict[str, Argument] = {
        "x": At(x.buffer, x.offset + corner[0] * x.row + corner[1] * lanes),
        "x_image": x.image, "x_plane": x.plane, "x_row": x.row,
    }  # fmt: skip
    target: dict[str, Argument] = {
        "out": At(out.buffer, out.offset), "out_image": out.image, "out_plane": out.plane, "out_row": out.row,
        "residual": At(residual.buffer, residual.offset) if residual else None,
        "res_image": residual.image if residual else 0, "res_plane": residual.plane if residual else 0,
        "res_row": residual.row if residual else 0,
        "bias": to.per_channel(np.zeros(out.channels) if bias is None else bias), **parameters,
    }  # fmt: skip
    grid: dict[str, Argument] = {"down": down, "across": across, "height": out.height, "width": out.width}
    weights = Packed(weight, Transformed(size, out.blocks // vectors, x.blocks * lanes, vectors * lanes, first))
    macs = out.images * out.height * out.width * out.channels * math.prod(shape_of(weight)[1:])
    per_piece = places * (x.blocks + out.blocks) * lanes
    if total * per_piece <= ALL:  # so that weights are read once
        run, groups = total * lanes, out.blocks // vectors
        v, m = Buffer(places * x.blocks * run), Buffer(places * out.blocks * run)
        to.stage(
            name, WinogradInput(size), x.images * x.blocks * down, out=At(v, 0), images=x.images,
            in_place=x.blocks * run, **source, **grid,
        )  # fmt: skip
        table = np.arange(places)[:, None, None] * x.blocks * run + np.arange(x.blocks) * run
        to.stage(
            name, Conv(1, columns, vectors, lanes, min(4, lanes), "clamp"), places * groups, macs,
            x=At(v, 0), w=weights, bias=floats(np.zeros(places * out.blocks * lanes)), out=At(m, 0), residual=None,
            table=longs(np.broadcast_to(table, (places, groups, x.blocks))), entries=x.blocks, lanes=lanes,
            table_step=x.blocks, w_group=x.blocks * lanes * vectors * lanes, groups=places * groups, tiles_y=1,
            tiles_x=-(-total // columns), parts=1, tiles=-(-total // columns), height=1, width=total, x_image=0,
            x_row=0, x_step=0, out_image=0, out_plane=run, out_row=0, out_step=lanes, res_image=0, res_plane=0,
            res_row=0, low=-math.inf, high=math.inf,
        )  # fmt: skip
        to.stage(
            name, WinogradOutput(size, spec), out.images * out.blocks * down, x=At(m, 0), images=out.images,
            out_place=out.blocks * run, **target, **grid,
        )  # fmt: skip
        return
    items = -(-total // max(columns, NEAR // per_piece))
    items += -items % to.threads
    pieces = max(columns, -(-total // items))
    to.stage(
        name, Winograd(size, columns, vectors, spec), -(-total // pieces), macs, w=weights,
        scratch=At(Buffer(pieces * per_piece * to.threads), 0), scratch_size=pieces * per_piece,
        table=longs(np.arange(x.blocks) * pieces * lanes), in_blocks=x.blocks, out_blocks=out.blocks,
        pieces=pieces, total=total, **source, **target, **grid,
    )  # fmt: skip


def tile(pieces: int, blocks: int, registers: int) -> tuple[int, int]:
    """The tile of the products that takes the fewest turns: pieces, vectors of output channels."""
    best = (math.inf, (1, 1))
    for vectors in (4, 3, 2, 1):
        if blocks % vectors:
            continue
        for columns in range(1, min(pieces, (registers - vectors - 1) // vectors, 14) + 1):
            turns = -(-pieces // columns) * (blocks // vectors)
            cost = turns * (max(columns * vectors, 8) + vectors + 0.25 * columns)  # weights come from afar
            best = min(best, (cost, (columns, vectors)))
    return best[1]

"""When and how a convolution is done by Winograd's method."""

from __future__ import annotations

import numpy as np

from cnnlang.backends.numba_cpu.kernels.winograd import KERNEL, Winograd
from cnnlang.backends.numba_cpu.plan.lowering import Lowering, activation_of
from cnnlang.backends.numba_cpu.plan.places import Buffer, Place
from cnnlang.backends.numba_cpu.plan.stages import Argument, Array, At, floats, longs
from cnnlang.ops.conv import Conv
from cnnlang.ops.elementwise import Elementwise

LARGE, MEDIUM = 600, 150  # output cells from which F(4x4) and F(2x2) are faster than a direct sum
CACHE = 320_000  # floats of a thread's transforms that stay near


def size_of(op: Conv, x: Place, out: Place, registers: int) -> int | None:
    """m of F(m x m, 3 x 3), or None where a direct sum is better."""
    plain = op.kernel == (3, 3) and op.stride == (1, 1) == op.dilation and op.groups == 1
    if not plain or x.lanes == 1 or x.channels < x.lanes or out.channels < out.lanes or registers < 32:
        return None
    cells = out.images * out.height * out.width
    for size, least in ((4, LARGE), (2, MEDIUM)):
        if cells >= least and min(out.height, out.width) >= size:
            return size
    return None


def convolve(
    to: Lowering, name: str, op: Conv, size: int, x: Place, out: Place, corner: tuple[int, int], weight: Array,
    bias: Array | None, activation: Elementwise | None, residual: Place | None,
) -> None:  # fmt: skip
    """A stage; `corner` is the first cell of the first window, from the map's own first cell."""
    lanes, side = to.lanes, size + 2
    down, across = -(-out.height // size), -(-out.width // size)
    total = out.images * down * across
    vectors = next(v for v in (4, 3, 2, 1) if out.blocks % v == 0)
    most = to.machine.registers - 4
    columns = min(7 if vectors == 4 else 9 if vectors == 3 else 14, most // vectors, total)
    per_piece = side * side * (x.blocks + out.blocks) * lanes
    pieces = max(1, min(total // columns, max(1, CACHE // (per_piece * columns)))) * columns
    items = -(-total // pieces)
    spec, parameters = activation_of(activation)
    scratch = pieces * per_piece
    residue: dict[str, Argument] = {
        "residual": At(residual.buffer, residual.offset) if residual else None,
        "res_image": residual.image if residual else 0,
        "res_plane": residual.plane if residual else 0,
        "res_row": residual.row if residual else 0,
    }
    to.stage(
        name, Winograd(size, pieces, columns, vectors, spec), items,
        out.images * out.height * out.width * weight.size,
        x=At(x.buffer, x.offset + corner[0] * x.row + corner[1] * lanes),
        w=floats(packed(weight, size, x, out, vectors)),
        bias=to.per_channel(np.zeros(out.channels) if bias is None else bias), out=At(out.buffer, out.offset),
        scratch=At(Buffer(scratch * to.threads), 0), scratch_size=scratch,
        table=longs(np.arange(x.blocks) * pieces * lanes), in_blocks=x.blocks, out_blocks=out.blocks,
        total=total, down=down, across=across, height=out.height, width=out.width,
        x_image=x.image, x_plane=x.plane, x_row=x.row,
        out_image=out.image, out_plane=out.plane, out_row=out.row, **residue, **parameters,
    )  # fmt: skip


def packed(weight: Array, size: int, x: Place, out: Place, vectors: int) -> Array:
    """G g G^T as [place, group of outputs, input, output]."""
    g = np.array(KERNEL[size])
    inputs = weight.shape[1]
    lanes, wide = x.lanes, vectors * x.lanes
    both = np.kron(g, g)  # of all nine cells at once: one product of matrices
    full = np.zeros((len(both), out.blocks // vectors, x.blocks * lanes, wide), np.float32)
    for group in range(full.shape[1]):
        part = weight[group * wide : (group + 1) * wide]
        made = both @ part.reshape(-1, 9).T.astype(np.float64)
        full[:, group, :inputs, : len(part)] = made.reshape(len(both), len(part), inputs).transpose(0, 2, 1)
    return full

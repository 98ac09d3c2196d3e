"""Winograd's convolution with 3x3 kernels: F(m x m, 3 x 3) of Lavin and Gray 2015, with m = 2 or 4.

    Y = A^T [ (G g G^T) * (B^T d B) ] A

for each (m+2) x (m+2) piece `d` of the input, which gives m x m outputs with (m+2)^2 multiplications a pair of channels
instead of 9 m^2. Kernels are transformed when they are packed. An item is a run of pieces: their transforms lie in
memory of the thread's own, so that all of it stays in cache; in between, each of the (m+2)^2 places is a product of
matrices by the tiles of direct convolution. Pieces at the right and lower end overlap their neighbours.

Rounding is worse than a direct sum's: about 1e-6 (m = 2) and 1e-5 (m = 4) of the largest output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnlang.backends.numba_cpu.emitter import Kernel, Value
from cnnlang.backends.numba_cpu.kernels.activations import Activation, activated
from cnnlang.backends.numba_cpu.kernels.conv import Conv, summed

Matrix = tuple[tuple[float, ...], ...]

INPUT: dict[int, Matrix] = {  # B^T
    2: ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    4: (
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    ),
}
KERNEL: dict[int, Matrix] = {  # G
    2: ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    4: (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
}
OUTPUT: dict[int, Matrix] = {  # A^T
    2: ((1, 1, 1, 0), (0, 1, -1, -1)),
    4: ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
}


@dataclass(frozen=True, slots=True)
class Winograd:
    """What the inner loops know.

    Attributes
    ----------
    size
        m, the outputs of a piece along one side.
    pieces
        Pieces in an item.
    columns, vectors
        The tile of the products: pieces, and vectors of output channels.
    activation
        What follows the sum.
    """

    size: int
    pieces: int
    columns: int
    vectors: int
    activation: Activation


def write(k: Kernel, spec: Winograd) -> None:
    args = k.args
    x, w, bias, out, residual = (args.pointer(n) for n in ("x", "w", "bias", "out", "residual"))
    scratch, table = args.pointer("scratch"), args.pointer("table")
    scratch_size, in_blocks, out_blocks = args.words("scratch_size", "in_blocks", "out_blocks")
    total, down, across, height, width = args.words("total", "down", "across", "height", "width")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    res_image, res_plane, res_row = args.words("res_image", "res_plane", "res_row")
    parameters = [args.number(n) for n in ("low", "high")]
    lanes, pieces, side = k.width, spec.pieces, spec.size + 2
    run = pieces * lanes  # floats of one place and one block of channels
    in_place, out_place = k.mul(in_blocks, run), k.mul(out_blocks, run)
    v = k.at(scratch, k.mul(k.thread, scratch_size))
    m = k.at(v, k.mul(in_place, side * side))

    def corner(piece: Value) -> tuple[Value, Value, Value]:
        rest, right = k.divmod(piece, across)
        image, lower = k.divmod(rest, down)
        y = k.least(k.mul(lower, spec.size), k.sub(height, spec.size))
        return image, y, k.least(k.mul(right, spec.size), k.sub(width, spec.size))

    with k.loop(k.begin, k.end) as (item, _):
        first = k.least(k.mul(item, pieces), k.sub(total, pieces))
        with k.loop(0, pieces) as (p, _):
            image, y, column = corner(k.add(first, p))
            start = k.at(x, k.add(k.mul(image, x_image), k.mul(y, x_row), k.mul(column, lanes)))
            target = k.at(v, k.mul(p, lanes))
            with k.loop(0, in_blocks) as (block, _):
                _input(k, spec, k.at(start, k.mul(block, x_plane)), x_row, k.at(target, k.mul(block, run)), in_place)
        _products(k, spec, v, m, w, table, in_blocks, out_blocks, in_place, out_place)
        with k.loop(0, pieces) as (p, _):
            image, y, column = corner(k.add(first, p))
            place, old = (
                k.at(base, k.add(k.mul(image, images), k.mul(y, row), k.mul(column, lanes)))
                for base, images, row in ((out, out_image, out_row), (residual, res_image, res_row))
            )
            source = k.at(m, k.mul(p, lanes))
            with k.loop(0, out_blocks) as (block, _):
                results = _output(k, spec, k.at(source, k.mul(block, run)), out_place)
                offset = k.load(k.at(bias, k.mul(block, lanes)))
                results = [[k.b.fadd(value, offset) for value in row] for row in results]
                results = _with_residual(k, results, residual, k.at(old, k.mul(block, res_plane)), res_row)
                target = k.at(place, k.mul(block, out_plane))
                for r, row in enumerate(results):
                    for c, value in enumerate(row):
                        k.store(
                            activated(k, spec.activation, value, parameters),
                            k.at(target, k.add(k.mul(out_row, r), c * lanes)),
                        )
    k.finish()


def combined(k: Kernel, coefficients: Sequence[float], values: Sequence[Value]) -> Value:
    """A sum of vectors, each times a number that is known."""
    total = None
    for c, value in sorted(zip(coefficients, values, strict=True), key=lambda pair: pair[0] not in (1, -1)):
        if c == 0:
            continue
        if total is None:
            total = value if c == 1 else k.b.fneg(value) if c == -1 else k.b.fmul(value, k.constant(c))
        elif c in (1, -1):
            total = k.b.fadd(total, value) if c == 1 else k.b.fsub(total, value)
        else:
            total = k.fma(value, k.constant(c), total)
    assert total is not None
    return total


def transformed(k: Kernel, matrix: Matrix, values: Sequence[Sequence[Value]]) -> list[list[Value]]:
    """matrix * values * matrix^T."""
    columns = [[combined(k, row, [line[j] for line in values]) for row in matrix] for j in range(len(values[0]))]
    return [[combined(k, row, [column[i] for column in columns]) for row in matrix] for i in range(len(matrix))]


def _input(k: Kernel, spec: Winograd, cells: Value, row: Value, target: Value, place: Value) -> None:
    side = spec.size + 2
    values = [[k.load(k.at(cells, k.add(k.mul(row, r), c * k.width))) for c in range(side)] for r in range(side)]
    for i, line in enumerate(transformed(k, INPUT[spec.size], values)):
        for j, value in enumerate(line):
            k.store(value, k.at(target, k.mul(place, i * side + j)))


def _products(
    k: Kernel, spec: Winograd, v: Value, m: Value, w: Value, table: Value, in_blocks: Value, out_blocks: Value,
    in_place: Value, out_place: Value,
) -> None:  # fmt: skip
    """For each place the product of pieces x input channels by input channels x output channels."""
    lanes, run = k.width, spec.pieces * k.width
    tile = Conv(1, spec.columns, spec.vectors, lanes, min(4, lanes), spec.activation)
    groups, _ = k.divmod(out_blocks, spec.vectors)
    size = k.mul(in_blocks, lanes * spec.vectors * lanes)  # floats of a group's weights at one place
    with k.loop(0, (spec.size + 2) ** 2) as (place, _):
        x, y = k.at(v, k.mul(place, in_place)), k.at(m, k.mul(place, out_place))
        with k.loop(0, groups) as (group, _):
            weights = k.at(w, k.mul(k.add(k.mul(place, groups), group), size))
            target = k.at(y, k.mul(group, spec.vectors * run))
            with k.loop(0, spec.pieces, spec.columns) as (p, _):
                zeros = [k.constant(0.0)] * (spec.columns * spec.vectors)
                start = k.at(x, k.mul(p, lanes))
                sums = summed(k, tile, zeros, start, k.index(0), lanes, weights, table, in_blocks, k.index(lanes))
                there = k.at(target, k.mul(p, lanes))
                for c in range(spec.columns):
                    for n in range(spec.vectors):
                        k.store(sums[c * spec.vectors + n], k.at(there, n * run + c * lanes))


def _output(k: Kernel, spec: Winograd, source: Value, place: Value) -> list[list[Value]]:
    side = spec.size + 2
    values = [[k.load(k.at(source, k.mul(place, i * side + j))) for j in range(side)] for i in range(side)]
    return transformed(k, OUTPUT[spec.size], values)


def _with_residual(
    k: Kernel, results: list[list[Value]], residual: Value, place: Value, row: Value
) -> list[list[Value]]:
    """The results, with the residual's cells where there is one."""
    with k.b.if_else(k.is_set(residual)) as (there, absent):
        with there:
            added = [
                [k.b.fadd(v, k.load(k.at(place, k.add(k.mul(row, r), c * k.width)))) for c, v in enumerate(line)]
                for r, line in enumerate(results)
            ]
            block = k.b.block
        with absent:
            other = k.b.block
    found: list[list[Value]] = []
    for new, old in zip(added, results, strict=True):
        found.append([])
        for a, b in zip(new, old, strict=True):
            phi = k.b.phi(k.vector)
            phi.add_incoming(a, block)
            phi.add_incoming(b, other)
            found[-1].append(phi)
    return found

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
    """All of it in one stage, run of pieces by run.

    Attributes
    ----------
    size
        m, the outputs of a piece along one side.
    columns, vectors
        The tile of the products: pieces, and vectors of output channels.
    activation
        What follows the sum.
    """

    size: int
    columns: int
    vectors: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class WinogradInput:
    """The transforms of all pieces of the input; an item is a row of pieces in a block of channels."""

    size: int


@dataclass(frozen=True, slots=True)
class WinogradOutput:
    """The results, from the products of all pieces; an item is a row of pieces in a block of channels."""

    size: int
    activation: Activation


@dataclass(frozen=True, slots=True, eq=False)
class _Map:
    """Where a map lies: its first cell, and floats from an image, block or row to the next."""

    start: Value
    image: Value
    plane: Value
    row: Value

    def offset(self, k: Kernel, image: Value, y: Value, column: Value) -> Value:
        return k.add(k.mul(image, self.image), k.mul(y, self.row), k.mul(column, k.width))

    def cell(self, k: Kernel, image: Value, y: Value, column: Value) -> Value:
        return k.at(self.start, self.offset(k, image, y, column))


def _map(k: Kernel, name: str, prefix: str) -> _Map:
    return _Map(k.args.pointer(name), *k.args.words(*(f"{prefix}_{n}" for n in ("image", "plane", "row"))))


def write(k: Kernel, spec: Winograd) -> None:
    x, out, residual = _map(k, "x", "x"), _map(k, "out", "out"), _map(k, "residual", "res")
    args = k.args
    w, bias, scratch, table = (args.pointer(n) for n in ("w", "bias", "scratch", "table"))
    scratch_size, in_blocks, out_blocks = args.words("scratch_size", "in_blocks", "out_blocks")
    pieces, total, down, across, height, width = args.words("pieces", "total", "down", "across", "height", "width")
    parameters = [args.number(n) for n in ("low", "high")]
    side = spec.size + 2
    run = k.mul(pieces, k.width)  # floats of one place and one block of channels
    in_place, out_place = k.mul(in_blocks, run), k.mul(out_blocks, run)
    v = k.at(scratch, k.mul(k.thread, scratch_size))
    m = k.at(v, k.mul(in_place, side * side))

    maps = (x, out, residual)
    corners = k.scratch(k.mul(pieces, 2 * len(maps)))  # the first cell of each piece in each map

    def cell(p: Value, which: _Map) -> Value:
        return k.at(which.start, k.entry(corners, k.add(k.mul(p, len(maps)), maps.index(which))))

    with k.loop(k.begin, k.end) as (item, _):
        first = k.least(k.mul(item, pieces), k.sub(total, pieces))
        with k.loop(0, pieces) as (p, _):
            rest, right = k.divmod(k.add(first, p), across)
            image, lower = k.divmod(rest, down)
            y = k.least(k.mul(lower, spec.size), k.sub(height, spec.size))
            column = k.least(k.mul(right, spec.size), k.sub(width, spec.size))
            for i, which in enumerate(maps):
                k.put_entry(which.offset(k, image, y, column), corners, k.add(k.mul(p, len(maps)), i))
        with k.loop(0, in_blocks) as (block, _), k.loop(0, pieces) as (p, _):
            cells = k.at(cell(p, x), k.mul(block, x.plane))
            _input(k, spec.size, cells, x.row, k.at(v, k.add(k.mul(block, run), k.mul(p, k.width))), in_place)
        _products(k, spec, v, m, w, table, pieces, in_blocks, out_blocks, in_place, out_place)
        with k.loop(0, out_blocks) as (block, _):
            offset = k.load(k.at(bias, k.mul(block, k.width)))
            with k.loop(0, pieces) as (p, _):
                here, there = (k.at(cell(p, which), k.mul(block, which.plane)) for which in (out, residual))
                products = k.at(m, k.add(k.mul(block, run), k.mul(p, k.width)))
                _output(k, spec, products, out_place, offset, here, out.row, there, residual, parameters)
    k.finish()


def write_input(k: Kernel, spec: WinogradInput) -> None:
    x, v = _map(k, "x", "x"), k.args.pointer("out")
    images, down, across, height, width = k.args.words("images", "down", "across", "height", "width")
    (place,) = k.args.words("in_place")
    with k.loop(k.begin, k.end) as (item, _):
        rest, lower = k.divmod(item, down)
        block, image = k.divmod(rest, images)
        y = k.least(k.mul(lower, spec.size), k.sub(height, spec.size))
        row = k.at(x.cell(k, image, y, 0), k.mul(block, x.plane))
        target = k.at(v, k.mul(item, across, k.width))
        with k.loop(0, across) as (right, _):
            column = k.least(k.mul(right, spec.size), k.sub(width, spec.size))
            cells = k.at(row, k.mul(column, k.width))
            _input(k, spec.size, cells, x.row, k.at(target, k.mul(right, k.width)), place)
    k.finish()


def write_output(k: Kernel, spec: WinogradOutput) -> None:
    out, residual = _map(k, "out", "out"), _map(k, "residual", "res")
    m, bias = k.args.pointer("x"), k.args.pointer("bias")
    images, down, across, height, width = k.args.words("images", "down", "across", "height", "width")
    (place,) = k.args.words("out_place")
    parameters = [k.args.number(n) for n in ("low", "high")]
    with k.loop(k.begin, k.end) as (item, _):
        rest, lower = k.divmod(item, down)
        block, image = k.divmod(rest, images)
        y = k.least(k.mul(lower, spec.size), k.sub(height, spec.size))
        row = k.at(out.cell(k, image, y, 0), k.mul(block, out.plane))
        old = k.at(residual.cell(k, image, y, 0), k.mul(block, residual.plane))
        offset = k.load(k.at(bias, k.mul(block, k.width)))
        source = k.at(m, k.mul(item, across, k.width))
        with k.loop(0, across) as (right, _):
            column = k.mul(k.least(k.mul(right, spec.size), k.sub(width, spec.size)), k.width)
            here, there = k.at(row, column), k.at(old, column)
            products = k.at(source, k.mul(right, k.width))
            _output(k, spec, products, place, offset, here, out.row, there, residual, parameters)
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


def _input(k: Kernel, size: int, cells: Value, row: Value, target: Value, place: Value) -> None:
    side = size + 2
    values = [[k.load(k.at(cells, k.add(k.mul(row, r), c * k.width))) for c in range(side)] for r in range(side)]
    for i, line in enumerate(transformed(k, INPUT[size], values)):
        for j, value in enumerate(line):
            k.store(value, k.at(target, k.mul(place, i * side + j)))


def _products(
    k: Kernel, spec: Winograd, v: Value, m: Value, w: Value, table: Value, pieces: Value, in_blocks: Value,
    out_blocks: Value, in_place: Value, out_place: Value,
) -> None:  # fmt: skip
    """For each place the product of pieces x input channels by input channels x output channels."""
    lanes, run = k.width, k.mul(pieces, k.width)
    tile = Conv(1, spec.columns, spec.vectors, lanes, min(4, lanes), spec.activation)
    groups, _ = k.divmod(out_blocks, spec.vectors)
    size = k.mul(in_blocks, lanes * spec.vectors * lanes)  # floats of a group's weights at one place
    with k.loop(0, (spec.size + 2) ** 2) as (place, _):
        x, y = k.at(v, k.mul(place, in_place)), k.at(m, k.mul(place, out_place))
        with k.loop(0, groups) as (group, _):
            weights = k.at(w, k.mul(k.add(k.mul(place, groups), group), size))
            target = k.at(y, k.mul(group, run, spec.vectors))
            with k.loop(0, pieces, spec.columns) as (turn, _):
                p = k.least(turn, k.sub(pieces, spec.columns))
                zeros = [k.constant(0.0)] * (spec.columns * spec.vectors)
                start = k.at(x, k.mul(p, lanes))
                sums = summed(k, tile, zeros, start, k.index(0), lanes, weights, table, in_blocks, k.index(lanes))
                there = k.at(target, k.mul(p, lanes))
                for c in range(spec.columns):
                    for n in range(spec.vectors):
                        k.store(sums[c * spec.vectors + n], k.at(there, k.add(k.mul(run, n), c * lanes)))


def _output(
    k: Kernel, spec: Winograd | WinogradOutput, source: Value, place: Value, bias: Value, target: Value, row: Value,
    old: Value, residual: _Map, parameters: list[Value],
) -> None:  # fmt: skip
    side = spec.size + 2
    values = [[k.load(k.at(source, k.mul(place, i * side + j))) for j in range(side)] for i in range(side)]
    results = [[k.b.fadd(value, bias) for value in line] for line in transformed(k, OUTPUT[spec.size], values)]
    cells = [(r, c) for r in range(spec.size) for c in range(spec.size)]
    olds = [k.at(old, k.add(k.mul(residual.row, r), c * k.width)) for r, c in cells]
    sums = k.with_residual([results[r][c] for r, c in cells], residual.start, olds)
    for (r, c), value in zip(cells, sums, strict=True):
        place = k.at(target, k.add(k.mul(row, r), c * k.width))
        k.store(activated(k, spec.activation, value, parameters), place)

"""Windows over blocked maps without weights between channels: pooling, and depthwise convolution.

A pool clips its window to the map by tables, so it needs no halo: for each output row the first input row of its window
and how many rows are inside, and for columns likewise; an average's divisor is a product of two numbers from tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from cnnlang.backends.numba_cpu.emitter import Kernel, Value
from cnnlang.backends.numba_cpu.kernels.activations import Activation, activated

TILE = 4  # windows that are read together: neighbours share cells


@dataclass(frozen=True, slots=True)
class Pool:
    """Which number stands for a window.

    Attributes
    ----------
    columns, step, stride
        Of a window that lies inside the map: its cells in a row, floats from one to the next, and floats to the next
        window.
    """

    kind: Literal["max", "min", "mean"]
    columns: int
    step: int
    stride: int


def write_pool(k: Kernel, spec: Pool) -> None:
    args = k.args
    x, out, y_first, y_count, x_first, x_count = (
        args.pointer(n) for n in ("x", "out", "y_first", "y_count", "x_first", "x_count")
    )
    y_scale, x_scale = args.pointer("y_scale"), args.pointer("x_scale")
    blocks, height, width = args.words("blocks", "height", "width")
    inner, after = args.words("inner", "after")  # the windows that lie inside the map: from `inner` to `after`
    x_image, x_plane, x_row, y_step = args.words("x_image", "x_plane", "x_row", "y_step")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    with k.loop(k.begin, k.end) as (item, _):
        rest, oy = k.divmod(item, height)
        image, block = k.divmod(rest, blocks)
        plane = k.at(x, k.add(k.mul(image, x_image), k.mul(block, x_plane)))
        rows = k.at(plane, k.mul(k.entry(y_first, oy), x_row))
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(block, out_plane), k.mul(oy, out_row)))
        row_count, height_scale = k.entry(y_count, oy), k.scalar(k.at(y_scale, oy))

        def finish(value: Value, seen: Value, ox: Value, place: Value = place, scale: Value = height_scale) -> None:
            if spec.kind == "mean":
                value = k.b.fmul(value, k.splat(k.b.fmul(scale, k.scalar(k.at(x_scale, ox)))))
            else:
                value = k.b.select(seen, k.constant(math.nan), value)
            k.store(value, k.at(place, k.mul(ox, k.width)))

        def clipped(ox: Value, rows: Value = rows, count: Value = row_count) -> None:
            cells, columns = k.at(rows, k.mul(k.entry(x_first, ox), k.width)), k.entry(x_count, ox)
            with k.loop(0, count, carry=_begun(k, spec)) as (ky, over_rows):
                row = k.at(cells, k.mul(ky, y_step))
                with k.loop(0, columns, carry=over_rows.values) as (kx, over_columns):
                    cell = k.load(k.at(row, k.mul(kx, spec.step)))
                    over_columns.values = _joined(k, spec, over_columns.values, [cell])
                over_rows.values = over_columns.final
            value, seen = over_rows.final
            finish(value, seen, ox)

        with k.loop(0, inner) as (ox, _):
            clipped(ox)
        with k.loop(inner, after, TILE) as (turn, _):
            first = k.least(turn, k.sub(after, TILE))
            start = k.at(rows, k.mul(k.entry(x_first, first), k.width))
            with k.loop(0, row_count, carry=_begun(k, spec) * TILE) as (ky, over):
                row = k.at(start, k.mul(ky, y_step))
                values = over.values
                over.values = []
                for t in range(TILE):
                    cells = [k.load(k.at(row, t * spec.stride + c * spec.step)) for c in range(spec.columns)]
                    over.values += _joined(k, spec, values[2 * t : 2 * t + 2], cells)
            for t in range(TILE):
                value, seen = over.final[2 * t : 2 * t + 2]
                finish(value, seen, k.add(first, t))
        with k.loop(after, width) as (ox, _):
            clipped(ox)
    k.finish()


def _begun(k: Kernel, spec: Pool) -> list[Value]:
    """The number of no cells, and whether a NaN is among them: lane by lane."""
    start = {"max": -math.inf, "min": math.inf, "mean": 0.0}[spec.kind]
    return [k.constant(start), k.none]


def _joined(k: Kernel, spec: Pool, begun: list[Value], cells: list[Value]) -> list[Value]:
    value, seen = begun
    for cell in cells:
        if spec.kind == "mean":
            value = k.b.fadd(value, cell)
        else:  # one instruction, which forgets a NaN
            value = k.b.select(k.b.fcmp_ordered(">" if spec.kind == "max" else "<", value, cell), value, cell)
    if spec.kind != "mean":  # NaN wins, as in PyTorch
        for a, b in zip_longest(cells[::2], cells[1::2]):
            seen = k.b.or_(seen, k.b.fcmp_unordered("uno", a, a if b is None else b))
    return [value, seen]


@dataclass(frozen=True, slots=True)
class Depthwise:
    """A depthwise convolution: `columns` output pixels in registers, `step` floats between their inputs."""

    columns: int
    step: int
    activation: Activation


def write_depthwise(k: Kernel, spec: Depthwise) -> None:
    args = k.args
    x, w, bias, out, table = (args.pointer(n) for n in ("x", "w", "bias", "out", "table"))
    taps, blocks, height, width, tiles = args.words("taps", "blocks", "height", "width", "tiles")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    parameters = [args.number(n) for n in ("low", "high")]
    with k.loop(k.begin, k.end) as (item, _):
        rest, y = k.divmod(item, height)
        image, block = k.divmod(rest, blocks)
        rows = k.at(x, k.add(k.mul(image, x_image), k.mul(block, x_plane), k.mul(y, x_row)))
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(block, out_plane), k.mul(y, out_row)))
        weights = k.at(w, k.mul(block, taps, k.width))
        offset = k.load(k.at(bias, k.mul(block, k.width)))
        with k.loop(0, tiles) as (tile, _):
            column = k.least(k.mul(tile, spec.columns), k.sub(width, spec.columns))
            start = k.at(rows, k.mul(column, spec.step))
            with k.loop(0, taps, carry=[offset] * spec.columns) as (tap, over):
                vector = k.load(k.at(weights, k.mul(tap, k.width)))
                cell = k.at(start, k.entry(table, tap))
                over.values = [
                    k.fma(k.load(k.at(cell, p * spec.step)), vector, value) for p, value in enumerate(over.values)
                ]
            for p, value in enumerate(over.final):
                k.store(
                    activated(k, spec.activation, value, parameters),
                    k.at(place, k.add(k.mul(column, k.width), p * k.width)),
                )
    k.finish()


@dataclass(frozen=True, slots=True)
class Bilinear:
    """Upsampling between the four nearest cells."""


def write_bilinear(k: Kernel, spec: Bilinear) -> None:
    args = k.args
    x, out, y_low, y_high, y_part, x_low, x_high, x_part = (
        args.pointer(n) for n in ("x", "out", "y_low", "y_high", "y_part", "x_low", "x_high", "x_part")
    )
    blocks, height, width = args.words("blocks", "height", "width")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    with k.loop(k.begin, k.end) as (item, _):
        rest, oy = k.divmod(item, height)
        image, block = k.divmod(rest, blocks)
        plane = k.at(x, k.add(k.mul(image, x_image), k.mul(block, x_plane)))
        low_row = k.at(plane, k.mul(k.entry(y_low, oy), x_row))
        high_row = k.at(plane, k.mul(k.entry(y_high, oy), x_row))
        dy = k.splat(k.scalar(k.at(y_part, oy)))
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(block, out_plane), k.mul(oy, out_row)))
        with k.loop(0, width) as (ox, _):
            left, right = (k.mul(k.entry(t, ox), k.width) for t in (x_low, x_high))
            dx = k.splat(k.scalar(k.at(x_part, ox)))
            upper = _between(k, k.load(k.at(low_row, left)), k.load(k.at(low_row, right)), dx)
            lower = _between(k, k.load(k.at(high_row, left)), k.load(k.at(high_row, right)), dx)
            k.store(_between(k, upper, lower, dy), k.at(place, k.mul(ox, k.width)))
    k.finish()


def _between(k: Kernel, a: Value, b: Value, part: Value) -> Value:
    rest = k.b.fsub(k.constant(1.0), part)
    return k.b.fadd(k.b.fmul(a, rest), k.b.fmul(b, part))

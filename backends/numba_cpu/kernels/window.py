"""Windows over blocked maps without weights between channels: pooling, and depthwise convolution.

A pool clips its window to the map by tables, so it needs no halo: for each output row the first input row of its window
and how many rows are inside, and for columns likewise; an average's divisor is a product of two numbers from tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cnnlang.backends.numba_cpu.emitter import Kernel, Value
from cnnlang.backends.numba_cpu.kernels.activations import Activation, activated


@dataclass(frozen=True, slots=True)
class Pool:
    """Which number stands for a window."""

    kind: Literal["max", "min", "mean"]


def write_pool(k: Kernel, spec: Pool) -> None:
    args = k.args
    x, out, y_first, y_count, x_first, x_count = (
        args.pointer(n) for n in ("x", "out", "y_first", "y_count", "x_first", "x_count")
    )
    y_scale, x_scale = args.pointer("y_scale"), args.pointer("x_scale")
    blocks, height, width = args.words("blocks", "height", "width")
    x_image, x_plane, x_row, y_step, x_step = args.words("x_image", "x_plane", "x_row", "y_step", "x_step")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    start = {"max": -math.inf, "min": math.inf, "mean": 0.0}[spec.kind]
    with k.loop(k.begin, k.end) as (item, _):
        rest, oy = k.divmod(item, height)
        image, block = k.divmod(rest, blocks)
        plane = k.at(x, k.add(k.mul(image, x_image), k.mul(block, x_plane)))
        rows = k.at(plane, k.mul(k.entry(y_first, oy), x_row))
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(block, out_plane), k.mul(oy, out_row)))
        row_count = k.entry(y_count, oy)
        with k.loop(0, width) as (ox, _):
            cells = k.at(rows, k.mul(k.entry(x_first, ox), k.width))
            columns = k.entry(x_count, ox)
            with k.loop(0, row_count, carry=[k.constant(start)]) as (ky, over_rows):
                row = k.at(cells, k.mul(ky, y_step))
                with k.loop(0, columns, carry=over_rows.values) as (kx, over_columns):
                    cell = k.load(k.at(row, k.mul(kx, x_step)))
                    over_columns.values = [_joined(k, spec, over_columns.values[0], cell)]
                over_rows.values = over_columns.final
            (value,) = over_rows.final
            if spec.kind == "mean":
                scale = k.b.fmul(k.scalar(k.at(y_scale, oy)), k.scalar(k.at(x_scale, ox)))
                value = k.b.fmul(value, k.splat(scale))
            k.store(value, k.at(place, k.mul(ox, k.width)))
    k.finish()


def _joined(k: Kernel, spec: Pool, a: Value, b: Value) -> Value:
    if spec.kind == "mean":
        return k.b.fadd(a, b)
    # NaN wins, as in PyTorch
    return k.intrinsic("llvm.maximum" if spec.kind == "max" else "llvm.minimum", a, b)


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

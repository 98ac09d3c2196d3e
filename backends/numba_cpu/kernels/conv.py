"""Direct convolution of blocked maps, with bias, residual and activation in its registers.

A tile of `rows` x `columns` output pixels and `vectors` vectors of output channels is summed in registers. What is
summed over stands in a table of offsets into the input (one entry for each channel block and kernel cell), so one loop
serves every kernel size, dilation and grouping; halos are part of the input's memory, so there are no edges. Tiles at
the right and lower end overlap their neighbours instead of being smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlang.backends.numba_cpu.emitter import I64, Kernel, Value
from cnnlang.backends.numba_cpu.kernels.activations import Activation, activated


@dataclass(frozen=True, slots=True)
class Conv:
    """What the innermost loop knows.

    Attributes
    ----------
    rows, columns, vectors
        The tile.
    step
        Floats from an output pixel's input to the next one's: stride x lanes (blocked) or the stride (planar); 0 where
        it is an argument.
    unroll
        Channels of a table's entry that one turn of the loop takes; 1 for a planar input.
    activation
        What follows the sum.
    """

    rows: int
    columns: int
    vectors: int
    step: int
    unroll: int
    activation: Activation


def write(k: Kernel, spec: Conv) -> None:
    args = k.args
    x, w, bias, out, residual, table = (args.pointer(n) for n in ("x", "w", "bias", "out", "residual", "table"))
    entries, lanes, table_step, w_group = args.words("entries", "lanes", "table_step", "w_group")
    groups, tiles_y, tiles_x, height, width = args.words("groups", "tiles_y", "tiles_x", "height", "width")
    parts, tiles = args.words("parts", "tiles")  # of a row of tiles, for an item is a part of one
    # x_row and x_step: from an output row's or pixel's input to the next one's
    x_image, x_row, x_step = args.words("x_image", "x_row", "x_step")
    out_image, out_plane, out_row, out_step = args.words("out_image", "out_plane", "out_row", "out_step")
    res_image, res_plane, res_row = args.words("res_image", "res_plane", "res_row")
    parameters = [args.number(n) for n in ("low", "high")]

    lane = k.width
    step = spec.step or x_step
    with k.loop(k.begin, k.end) as (item, _):
        rest, part = k.divmod(item, parts)
        rest, ty = k.divmod(rest, tiles_y)
        image, group = k.divmod(rest, groups)
        first = k.mul(part, tiles)
        y = k.least(k.mul(ty, spec.rows), k.sub(height, spec.rows))
        biases = [k.load(k.at(bias, k.add(k.mul(group, spec.vectors * lane), c * lane))) for c in range(spec.vectors)]
        x_rows = k.at(x, k.add(k.mul(image, x_image), k.mul(y, x_row)))
        out_rows = k.at(out, k.add(k.mul(image, out_image), k.mul(group, out_plane, spec.vectors), k.mul(y, out_row)))
        res_rows = k.at(
            residual, k.add(k.mul(image, res_image), k.mul(group, res_plane, spec.vectors), k.mul(y, res_row))
        )
        offsets = k.at(table, k.mul(group, table_step), I64)
        weights = k.at(w, k.mul(group, w_group))
        with k.loop(first, k.least(k.add(first, tiles), tiles_x)) as (tx, _):
            column = k.least(k.mul(tx, spec.columns), k.sub(width, spec.columns))
            old = k.at(res_rows, k.mul(column, lane))
            cells = [(r, p, c) for r in range(spec.rows) for p in range(spec.columns) for c in range(spec.vectors)]
            olds = [k.at(old, k.add(k.mul(res_plane, c), k.mul(res_row, r), p * lane)) for r, p, c in cells]
            begun = k.with_residual([biases[c] for _, _, c in cells], residual, olds)
            start = k.at(x_rows, k.mul(column, step))
            sums = summed(k, spec, begun, start, x_row, step, weights, offsets, entries, lanes)
            place = k.at(out_rows, k.mul(column, out_step))
            for r in range(spec.rows):
                for c in range(spec.vectors):
                    start = k.at(place, k.add(k.mul(out_plane, c), k.mul(out_row, r)))
                    for p in range(spec.columns):
                        value = activated(
                            k, spec.activation, sums[(r * spec.columns + p) * spec.vectors + c], parameters
                        )
                        k.store(value, k.at(start, k.mul(out_step, p)))
    k.finish()


def summed(
    k: Kernel,
    spec: Conv,
    begun: list[Value],
    x: Value,
    x_row: Value,
    step: Value,
    weights: Value,
    offsets: Value,
    entries: Value,
    lanes: Value,
) -> list[Value]:
    """The sums of one tile: over the entries of a table, and in each over its channels."""

    def one(values: list[Value], x: Value) -> list[Value]:
        *sums, w = values
        starts = [k.at(x, k.mul(x_row, r)) for r in range(spec.rows)]
        for u in range(spec.unroll):
            vectors = [k.load(k.at(w, (u * spec.vectors + c) * k.width)) for c in range(spec.vectors)]
            for r in range(spec.rows):
                for p in range(spec.columns):
                    pixel = k.splat(k.scalar(k.at(starts[r], k.add(k.mul(step, p), u))))
                    for c in range(spec.vectors):
                        i = (r * spec.columns + p) * spec.vectors + c
                        sums[i] = k.fma(pixel, vectors[c], sums[i])
        return [*sums, k.at(w, spec.unroll * spec.vectors * k.width)]

    with k.loop(0, entries, carry=[*begun, weights]) as (entry, over_entries):
        here = k.at(x, k.entry(offsets, entry))
        if spec.unroll == 1:
            over_entries.values = one(over_entries.values, here)
        else:
            with k.loop(0, lanes, spec.unroll, carry=over_entries.values) as (lane, over_lanes):
                over_lanes.values = one(over_lanes.values, k.at(here, lane))
            over_entries.values = over_lanes.final
    return over_entries.final[:-1]

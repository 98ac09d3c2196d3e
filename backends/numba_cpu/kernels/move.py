"""Cells that go elsewhere: slices, joins, padding, shuffles, nearest neighbours, and the ways in and out.

Every output channel, row and column has the place that it comes from in a table; -1 is no place, and the constant.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from cnnlang.backends.numba_cpu.emitter import Kernel, Value


@dataclass(frozen=True, slots=True)
class Move:
    """`whole` vectors, where channels move in blocks; else channel by channel."""

    whole: bool


def write(k: Kernel, spec: Move) -> None:
    args = k.args
    x, out, channel_from, channel_to, row_from, column_from = (
        args.pointer(n) for n in ("x", "out", "channel_from", "channel_to", "row_from", "column_from")
    )
    channels, height, width = args.words("channels", "height", "width")  # channels: of blocks, if they are whole
    x_image, out_image, out_row, out_step = args.words("x_image", "out_image", "out_row", "out_step")
    value = args.number("value")
    with k.loop(k.begin, k.end) as (item, _):
        rest, y = k.divmod(item, height)
        image, channel = k.divmod(rest, channels)
        place = k.at(out, k.add(k.mul(image, out_image), k.entry(channel_to, channel), k.mul(y, out_row)))
        channel_place, row_place = k.entry(channel_from, channel), k.entry(row_from, y)
        start = k.at(x, k.add(k.mul(image, x_image), channel_place, row_place))
        is_row = k.b.and_(*(k.b.icmp_signed(">=", p, k.index(0)) for p in (channel_place, row_place)))
        with k.loop(0, width) as (column, _):
            target = k.at(place, k.mul(column, out_step))
            from_column = k.entry(column_from, column)
            is_there = k.b.and_(is_row, k.b.icmp_signed(">=", from_column, k.index(0)))
            with k.b.if_else(is_there) as (there, absent):
                with there:
                    _put(k, spec, target, _got(k, spec, k.at(start, from_column)))
                with absent:
                    _put(k, spec, target, k.splat(value) if spec.whole else value)
    k.finish()


@dataclass(frozen=True, slots=True)
class Shift:
    """A run of channels that begins at another lane: each vector of the result is of two that follow each other.

    `lanes` of the first are left out.
    """

    lanes: int


def write_shift(k: Kernel, spec: Shift) -> None:
    args = k.args
    x, out = args.pointer("x"), args.pointer("out")
    # of blocks of the result: how many, and from which block of the source on; lanes of the first that stay as they are
    blocks, behind, x_blocks, before, channels = args.words("blocks", "behind", "x_blocks", "before", "channels")
    height, width = args.words("height", "width")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    lanes = ir.Constant(k.mask, list(range(k.width)))
    parts = ir.Constant(k.mask, [spec.lanes + lane for lane in range(k.width)])
    with k.loop(k.begin, k.end) as (item, _):
        rest, y = k.divmod(item, height)
        image, block = k.divmod(rest, blocks)
        low = k.add(block, behind)
        high = k.least(k.add(low, 1), k.sub(x_blocks, 1))
        low = k.sub(0, k.least(k.sub(0, low), 0))  # what is left out may be read from anywhere
        row = k.at(x, k.add(k.mul(image, x_image), k.mul(y, x_row)))
        lows, highs = (k.at(row, k.mul(b, x_plane)) for b in (low, high))
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(block, out_plane), k.mul(y, out_row)))
        start = k.sub(before, k.mul(block, k.width))
        first, last = (k.splat_word(n) for n in (start, k.add(start, channels)))
        inside = k.b.and_(k.b.icmp_signed(">=", lanes, first), k.b.icmp_signed("<", lanes, last))
        with k.loop(0, width) as (column, _):
            offset = k.mul(column, k.width)
            both = k.b.shuffle_vector(k.load(k.at(lows, offset)), k.load(k.at(highs, offset)), parts)
            k.store_some(both, k.at(place, offset), inside)
    k.finish()


def _got(k: Kernel, spec: Move, pointer: Value) -> Value:
    return k.load(pointer) if spec.whole else k.scalar(pointer)


def _put(k: Kernel, spec: Move, pointer: Value, value: Value) -> None:
    k.store(value, pointer)


@dataclass(frozen=True, slots=True)
class Rows:
    """Runs of memory that go elsewhere as they are: the rows of planes, features."""


def write_rows(k: Kernel, spec: Rows) -> None:
    args = k.args
    x, out = args.pointer("x"), args.pointer("out")
    planes, height, width = args.words("planes", "height", "width")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    with k.loop(k.begin, k.end) as (item, _):
        rest, y = k.divmod(item, height)
        image, plane = k.divmod(rest, planes)
        source = k.at(x, k.add(k.mul(image, x_image), k.mul(plane, x_plane), k.mul(y, x_row)))
        target = k.at(out, k.add(k.mul(image, out_image), k.mul(plane, out_plane), k.mul(y, out_row)))
        whole = _whole(k, width)
        with k.loop(0, whole, k.width) as (i, _):
            k.store(k.load(k.at(source, i)), k.at(target, i))
        with k.loop(whole, width) as (i, _):
            k.store(k.scalar(k.at(source, i)), k.at(target, i))
    k.finish()


def _whole(k: Kernel, count: Value) -> Value:
    """So many of them as are in whole vectors."""
    return k.mul(k.divmod(count, k.width)[0], k.width)


@dataclass(frozen=True, slots=True)
class Fill:
    """Runs of memory that hold one number: halos."""


def write_fill(k: Kernel, spec: Fill) -> None:
    args = k.args
    out, runs = args.pointer("out"), args.pointer("runs")
    images, out_image = args.words("images", "out_image")
    number = args.number("value")
    value = k.splat(number)
    with k.loop(k.begin, k.end) as (item, _):
        run, image = k.divmod(item, images)
        first, count = k.entry(runs, k.mul(run, 2)), k.entry(runs, k.add(k.mul(run, 2), 1))
        place = k.at(out, k.add(k.mul(image, out_image), first))
        whole = _whole(k, count)
        with k.loop(0, whole, k.width) as (i, _):
            k.store(value, k.at(place, i))
        with k.loop(whole, count) as (i, _):
            k.store(number, k.at(place, i))
    k.finish()

"""What looks across channels: softmax, local response normalisation, group normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from llvmlite import ir

from cnnlang.backends.numba_cpu.emitter import F32, F64, I32, Kernel, Value
from cnnlang.backends.numba_cpu.kernels.activations import exp, log


@dataclass(frozen=True, slots=True)
class Softmax:
    """Over the channels of each pixel; `is_log` for its logarithm."""

    is_log: bool


def write_softmax(k: Kernel, spec: Softmax) -> None:
    args = k.args
    x, out = args.pointer("x"), args.pointer("out")
    channels, blocks, height, width = args.words("channels", "blocks", "height", "width")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    with k.loop(k.begin, k.end) as (item, _):
        image, y = k.divmod(item, height)
        row = k.at(x, k.add(k.mul(image, x_image), k.mul(y, x_row)))
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(y, out_row)))
        with k.loop(0, width) as (column, _):
            cell, target = (k.at(p, k.mul(column, k.width)) for p in (row, place))
            with k.loop(0, blocks, carry=[k.constant(-math.inf)]) as (block, over):
                value = _tail(k, k.load(k.at(cell, k.mul(block, x_plane))), block, channels, -math.inf)
                over.values = [k.intrinsic("llvm.maximum", over.values[0], value)]
            largest = k.splat(_reduced(k, "llvm.vector.reduce.fmaximum", over.final[0]))
            with k.loop(0, blocks, carry=[k.constant(0.0)]) as (block, over):
                moved = k.b.fsub(k.load(k.at(cell, k.mul(block, x_plane))), largest)
                e = _tail(k, exp(k, moved), block, channels, 0.0)  # others might be infinite
                shown = _tail(k, moved, block, channels, 0.0) if spec.is_log else e
                k.store(shown, k.at(target, k.mul(block, out_plane)))
                over.values = [k.b.fadd(over.values[0], e)]
            total = k.splat(_sum(k, over.final[0]))
            factor = log(k, total) if spec.is_log else k.b.fdiv(k.constant(1.0), total)
            with k.loop(0, blocks) as (block, _):
                there = k.at(target, k.mul(block, out_plane))
                value = k.load(there)
                k.store(k.b.fsub(value, factor) if spec.is_log else k.b.fmul(value, factor), there)
    k.finish()


def _tail(k: Kernel, value: Value, block: Value, channels: Value, neutral: float) -> Value:
    """The lanes that are channels; the others are neutral."""
    lanes = ir.Constant(k.mask, list(range(k.width)))
    bound = k.splat_word(k.sub(channels, k.mul(block, k.width)))
    return k.b.select(k.b.icmp_signed("<", lanes, bound), value, k.constant(neutral))


def _reduced(k: Kernel, name: str, value: Value) -> Value:
    return k.call(f"{name}.v{k.width}f32", F32, value)


def _sum(k: Kernel, value: Value) -> Value:
    """In the order of a tree, whatever the machine."""
    size = k.width
    while size > 1:
        size //= 2
        mask = ir.Constant(ir.VectorType(I32, size), list(range(size)))
        other = ir.Constant(ir.VectorType(I32, size), list(range(size, 2 * size)))
        value = k.b.fadd(k.b.shuffle_vector(value, value, mask), k.b.shuffle_vector(value, value, other))
    return k.b.extract_element(value, I32(0))


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """x / (k + alpha / size * sum of squares of `size` neighbouring channels) ** beta.

    Attributes
    ----------
    size
        Channels of a sum.
    beta
        `usual` for 3/4, which two roots give: 1 / (sqrt(t) sqrt(sqrt(t))); otherwise a whole number that is `odd` or
        `even`, or `broken`: that tells what becomes of a negative sum.
    """

    size: int
    beta: Literal["usual", "odd", "even", "broken"]


def write_local_response(k: Kernel, spec: LocalResponse) -> None:
    args = k.args
    x, out = args.pointer("x"), args.pointer("out")
    channels, blocks, height, width = args.words("channels", "blocks", "height", "width")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    start, slope, power = (k.splat(args.number(n)) for n in ("start", "slope", "power"))
    reach = spec.size // 2
    # the squares of one pixel's channels, side by side, with zeros before and after
    squares = k.scratch(k.add(k.mul(blocks, k.width), 2 * reach + 2 * k.width))
    with k.loop(0, k.add(k.mul(blocks, k.width), 2 * reach + k.width), k.width) as (i, _):
        k.store(k.constant(0.0), k.at(squares, i))
    with k.loop(k.begin, k.end) as (item, _):
        image, y = k.divmod(item, height)
        row = k.at(x, k.add(k.mul(image, x_image), k.mul(y, x_row)))
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(y, out_row)))
        with k.loop(0, width) as (column, _):
            cell, target = (k.at(p, k.mul(column, k.width)) for p in (row, place))
            with k.loop(0, blocks) as (block, _):
                value = k.load(k.at(cell, k.mul(block, x_plane)))
                square = _tail(k, k.b.fmul(value, value), block, channels, 0.0)
                k.store(square, k.at(squares, k.add(k.mul(block, k.width), reach)))
            with k.loop(0, blocks) as (block, _):
                there = k.at(squares, k.mul(block, k.width))
                total = k.load(there)
                for i in range(1, spec.size):
                    total = k.b.fadd(total, k.load(k.at(there, i)))
                total, value = k.fma(total, slope, start), k.load(k.at(cell, k.mul(block, x_plane)))
                if spec.beta == "usual":
                    root = k.intrinsic("llvm.sqrt", total)
                    value = k.b.fdiv(value, k.b.fmul(root, k.intrinsic("llvm.sqrt", root)))
                else:
                    size = exp(k, k.b.fmul(log(k, k.intrinsic("llvm.fabs", total)), power))
                    below = {"odd": k.b.fneg(size), "even": size, "broken": k.constant(math.nan)}[spec.beta]
                    is_below = k.b.fcmp_ordered("<", total, k.constant(0.0))
                    value = k.b.fmul(value, k.b.select(is_below, below, size))
                value = _tail(k, value, block, channels, 0.0)  # 1 / 0 beyond, where `k` is 0
                k.store(value, k.at(target, k.mul(block, out_plane)))
    k.finish()


@dataclass(frozen=True, slots=True)
class GroupNorm:
    """Each group of channels by its own mean and variance."""


def write_group_norm(k: Kernel, spec: GroupNorm) -> None:
    args = k.args
    x, out, scale, shift = (args.pointer(n) for n in ("x", "out", "scale", "shift"))
    groups, members, height, width = args.words("groups", "members", "height", "width")
    x_image, x_plane, x_row = args.words("x_image", "x_plane", "x_row")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    eps = args.number("eps")
    count = k.b.sitofp(k.mul(members, height, width), F64)

    def cells(start: Value, begun: list[Value], turn: object) -> list[Value]:
        """Over every cell of a group, one after the other."""
        with k.loop(start, k.add(start, members), carry=begun) as (channel, over_channels):
            block, lane = k.divmod(channel, k.width)
            with k.loop(0, height, carry=over_channels.values) as (y, over_rows):
                with k.loop(0, width, carry=over_rows.values) as (column, over):
                    over.values = turn(channel, block, lane, y, column, over.values)  # type: ignore[operator]
                over_rows.values = over.final
            over_channels.values = over_rows.final
        return over_channels.final

    with k.loop(k.begin, k.end) as (item, _):
        image, group = k.divmod(item, groups)
        source, target = k.at(x, k.mul(image, x_image)), k.at(out, k.mul(image, out_image))
        start = k.mul(group, members)

        def value(block: Value, lane: Value, y: Value, column: Value, source: Value = source) -> Value:
            place = k.add(k.mul(block, x_plane), lane, k.mul(y, x_row), k.mul(column, k.width))
            return k.b.fpext(k.scalar(k.at(source, place)), F64)

        (total,) = cells(start, [F64(0.0)], lambda c, b, lane, y, x, v: [k.b.fadd(v[0], value(b, lane, y, x))])
        mean = k.b.fdiv(total, count)

        def squared(
            c: Value, block: Value, lane: Value, y: Value, column: Value, v: list[Value], mean: Value = mean
        ) -> list[Value]:
            off = k.b.fsub(value(block, lane, y, column), mean)
            return [k.b.fadd(v[0], k.b.fmul(off, off))]

        (squares,) = cells(start, [F64(0.0)], squared)
        deviation = k.call("llvm.sqrt.f64", F64, k.b.fadd(k.b.fdiv(squares, count), k.b.fpext(eps, F64)))
        _put_normal(k, cells, start, value, mean, deviation, scale, shift, target, (out_plane, out_row))
    k.finish()


def _put_normal(
    k: Kernel, cells: Any, start: Value, value: Any, mean: Value, deviation: Value, scale: Value, shift: Value,
    target: Value, strides: tuple[Value, Value],
) -> None:  # fmt: skip
    def put(c: Value, block: Value, lane: Value, y: Value, column: Value, v: list[Value]) -> list[Value]:
        normal = k.b.fdiv(k.b.fsub(value(block, lane, y, column), mean), deviation)
        a, s = (k.b.fpext(k.scalar(k.at(p, c)), F64) for p in (scale, shift))
        place = k.add(k.mul(block, strides[0]), lane, k.mul(y, strides[1]), k.mul(column, k.width))
        k.store(k.b.fptrunc(k.b.fadd(k.b.fmul(normal, a), s), F32), k.at(target, place))
        return []

    cells(start, [], put)

"""Pooling. `ceil_mode` is used only where ONNX and its runtimes have always agreed on how many windows there are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnlang.backends.onnx.build import Step
from cnnlang.backends.onnx.rules import lower
from cnnlang.backends.onnx.rules_layer import begins_then_ends, padded
from cnnlang.dims import Dim
from cnnlang.ir import TensorType
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, MinPool, Pool, bins
from cnnlang.ops.window import Pads

NOTHING: Pads = (0, 0, 0, 0)


@lower.register
def _(op: MaxPool, step: Step) -> None:
    largest(op, step, step.x)


@lower.register
def _(op: MinPool, step: Step) -> None:
    """The smallest is the negative of the largest negative; padding is -inf there."""
    step.then("Neg", largest(op, step, step.then("Neg", step.x)))


def largest(op: Pool, step: Step, x: str) -> str:
    """The largest number in each window of a map."""
    pads, ceil = windows(op, step.types[0])
    height, width = op.kernel
    if max(pads[:2]) >= height or max(pads[2:]) >= width:  # a dilated window: ONNX Runtime pads less than the kernel
        x, pads = padded(step, x, pads, -math.inf), NOTHING
    return step.then("MaxPool", x, **_attributes(op, pads, ceil), dilations=op.dilation)


@lower.register
def _(op: AvgPool, step: Step) -> None:
    x, around = step.types[0], op.pads(step.types[0])
    pads, ceil = windows(op, x)
    counts_pad = op.count_pad and any(around)
    if counts_pad and _overhangs(op, x):
        # cells of the padding count, those beyond it do not: padding becomes part of the map
        inside = padded(step, step.x, around, 0.0)
        beyond = (0, max(0, _after(op, x, 0) - around[1]), 0, max(0, _after(op, x, 1) - around[3]))
        step.then("AveragePool", inside, **_attributes(op, beyond, 0), count_include_pad=0)
    else:
        step.then("AveragePool", step.x, **_attributes(op, pads, ceil), count_include_pad=int(counts_pad))


def _attributes(op: Pool, pads: Pads, ceil: int) -> dict[str, Any]:
    return {"kernel_shape": op.kernel, "strides": op.stride, "pads": begins_then_ends(pads), "ceil_mode": ceil}


def windows(op: Pool, x: TensorType) -> tuple[Pads, int]:
    """The padding and `ceil_mode` with which ONNX has the windows of a pool over a map.

    ONNX Runtime, PyTorch and the standard's own shape rule have not always dropped a last window that starts beyond the
    map. Where there is one, or may be, the padding after the map alone says how many windows there are.
    """
    pads = op.pads(x)
    if not op.ceil:
        return pads, 0
    if not any(_may_drop(op, x, axis) for axis in (0, 1)):
        return pads, 1
    return (pads[0], _after(op, x, 0), pads[2], _after(op, x, 1)), 0


def _sides(op: Pool, x: TensorType, axis: int) -> tuple[Dim, int, int, int, int]:
    """Along an axis the size, the padding before and after, the reach of a window, and the stride."""
    pads = op.pads(x)
    return x.shape[2 + axis], pads[2 * axis], pads[2 * axis + 1], op.reach[axis], op.stride[axis]


def _may_drop(op: Pool, x: TensorType, axis: int) -> bool:
    size, before, after, reach, stride = _sides(op, x, axis)
    if reach >= stride + after:
        return False
    if not isinstance(size, int):
        return True
    return -(-(size + before + after - reach) // stride) + 1 != op.windows(x)[axis]


def _overhangs(op: Pool, x: TensorType) -> bool:
    """Whether a last window stands, or may stand, out of the padded map."""
    if not op.ceil:
        return False
    for axis in (0, 1):
        size, before, after, reach, stride = _sides(op, x, axis)
        end = (op.windows(x)[axis] - 1) * stride + reach - (size + before + after)
        if stride > 1 and not (isinstance(end, int) and end <= 0):
            return True
    return False


def _after(op: Pool, x: TensorType, axis: int) -> int:
    """The padding after the map with which as many windows fit, without rounding up, as with `ceil`.

    For a size that is not known it follows from the rule of `Windowed`: ceil((size + before + c) / stride) with
    c = min(stride + after - reach, 0) is floor((size + before + p - reach) / stride) + 1 for p = c + reach - 1.
    """
    size, before, after, reach, stride = _sides(op, x, axis)
    count = op.windows(x)[axis]
    if isinstance(size, int) and isinstance(count, int):
        return max(0, (count - 1) * stride + reach - size - before)
    return min(stride + after, reach) - 1


@lower.register
def _(op: GlobalAvgPool, step: Step) -> None:
    step.then("Flatten", step.then("GlobalAveragePool", step.x), axis=1)


@lower.register
def _(op: GlobalMaxPool, step: Step) -> None:
    step.then("Flatten", step.then("GlobalMaxPool", step.x), axis=1)


@lower.register
def _(op: AdaptiveAvgPool, step: Step) -> None:
    x = step.types[0]
    if op.size == (1, 1):
        step.then("GlobalAveragePool", step.x)
        return
    if cells := _equal_bins(op, x):
        step.then("AveragePool", step.x, kernel_shape=cells, strides=cells)
        return
    # each bin's average is a weighted sum, first over rows, then over columns
    rows = _shares(step, x.height, op.size[0], 0)
    columns = _shares(step, x.width, op.size[1], 1)
    step.then("MatMul", step.then("MatMul", rows, step.x), columns)


def _equal_bins(op: AdaptiveAvgPool, x: TensorType) -> tuple[int, int] | None:
    """The height and width of the bins, where they are all equal and do not overlap."""
    match x.height, x.width:
        case int() as height, int() as width if height % op.size[0] == 0 and width % op.size[1] == 0:
            return height // op.size[0], width // op.size[1]
    return None


def shares_size(op: AdaptiveAvgPool, x: TensorType) -> int:
    """How many numbers are constants of the step."""
    if op.size == (1, 1) or _equal_bins(op, x):
        return 0
    return sum(n * size if isinstance(size, int) else 2 * n for n, size in zip(op.size, x.shape[2:], strict=True))


def _shares(step: Step, size: Dim, count: int, axis: int) -> str:
    """What each cell has to do with each bin: [bins, rows] for rows, [columns, bins] for columns."""
    if not isinstance(size, int):
        return _computed_shares(step, count, axis)
    shares = np.zeros((count, size), np.float32)
    for row, (start, stop) in enumerate(bins(size, count)):
        shares[row, start:stop] = 1 / (stop - start)
    return step.constant("columns" if axis else "rows", np.ascontiguousarray(shares.T) if axis else shares)


def _computed_shares(step: Step, count: int, axis: int) -> str:
    """The same where the size is known only when the model runs."""
    size = step.then("Gather", step.then("Shape", step.x), step.integer(2 + axis), axis=0)
    cells = step.then("Range", step.integer(0), size, step.integer(1))
    numbers = np.arange(count, dtype=np.int64)
    if axis:
        cells = step.then("Unsqueeze", cells, step.integers(1))
    else:
        numbers = numbers[:, None]
    role = "columns" if axis else "rows"
    first, after = step.constant(f"{role}/number", numbers), step.constant(f"{role}/next", numbers + 1)
    starts = step.then("Div", step.then("Mul", size, first), step.integer(count))
    # rounded up: (a + count - 1) // count
    stops = step.then("Add", step.then("Mul", size, after), step.integer(count - 1))
    stops = step.then("Div", stops, step.integer(count))
    inside = step.then("And", step.then("GreaterOrEqual", cells, starts), step.then("Less", cells, stops))
    many = step.then("Cast", step.then("Sub", stops, starts), to=1)
    return step.then("Div", step.then("Cast", inside, to=1), many)

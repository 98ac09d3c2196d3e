"""Sliding windows: padding, how many windows fit, and what they leave out. Convolutions and pools share this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, need_map
from cnnlang.signature import Kind, Size, Value, is_int, show_value

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

Pads: TypeAlias = tuple[int, int, int, int]


def _sides(value: Value) -> Pads:
    if is_int(value):
        value = (value,) * 4
    elif isinstance(value, list | tuple) and len(value) == 2:
        value = (value[0], value[0], value[1], value[1])
    if not (isinstance(value, list | tuple) and len(value) == 4 and all(is_int(v) and v >= 0 for v in value)):
        raise ValueError
    return (value[0], value[1], value[2], value[3])


def _pad(value: Value) -> Pads | str:
    return value if isinstance(value, str) and value in ("same", "same_upper") else _sides(value)


def show_pair(height: int, width: int) -> str:
    """A size as the language writes it: `3`, or `3x5`."""
    return str(height) if height == width else f"{height}x{width}"


def show_sides(value: Pads | str) -> str:
    """Padding as the language writes it: `1`, `1x2`, `(0, 1, 0, 1)` or `"same"`."""
    if isinstance(value, str):
        return show_value(value)
    top, bottom, left, right = value
    if top == bottom and left == right:
        return str(top) if top == left else f"{top}x{left}"
    return f"({top}, {bottom}, {left}, {right})"


Sides = Annotated[
    Pads, Kind("an integer from 0, a pair, or four numbers (top, bottom, left, right)", _sides, show_sides)
]
Padding = Annotated[
    Pads | str,
    Kind(
        'an integer from 0, a pair, four numbers (top, bottom, left, right), "same" or "same_upper"', _pad, show_sides
    ),
]


class Windowed(Op):
    """An operator that slides a window over a map. Its subclasses declare these as arguments, in their own order."""

    kernel: Size
    stride: Size
    pad: Padding
    dilation: Size
    ceil: bool = False

    @property
    def reach(self) -> tuple[int, int]:
        """The rows and columns from a window's first cell to its last: dilation*(k-1) + 1."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def pads(self, x: TensorType) -> Pads:
        """The cells added at top, bottom, left and right of a map.

        Raises
        ------
        OperatorError
            E0207 for `"same"` on an even kernel; E0205 where `"same_upper"` depends on a size that is not known.
        """
        if isinstance(self.pad, tuple):
            return self.pad
        sides = self._same if self.pad == "same" else self._same_upper
        top, bottom = sides(x.height, 0)
        left, right = sides(x.width, 1)
        return top, bottom, left, right

    def _same(self, size: Dim, axis: int) -> tuple[int, int]:
        margin = self.reach[axis] - 1
        if margin % 2:
            raise even_kernel(self.kernel)
        return margin // 2, margin // 2

    def _same_upper(self, size: Dim, axis: int) -> tuple[int, int]:
        stride = self.stride[axis]
        total = ((size + stride - 1) // stride - 1) * stride + self.reach[axis] - size
        if not isinstance(total, int):
            shown = str(size) if str(size).isidentifier() else f"({size})"
            message = f'pad="same_upper" with stride {stride} needs to know {shown} % {stride}'
            cure = f"declare the input's size as a multiple, such as {stride}*H, or write the padding as numbers"
            raise OperatorError("E0205", message, argument="pad", help=cure)
        total = max(total, 0)
        return total // 2, total - total // 2

    def windows(self, x: TensorType) -> tuple[Dim, Dim]:
        """How many windows fit, down and across: floor((size + pads - reach) / stride) + 1.

        With `ceil`, a last window may stand out of the padded map, as long as it starts before size + leading pad.

        Raises
        ------
        OperatorError
            E0201 for a value that is no map; E0202 where no window fits; and what `pads` raises.
        """
        need_map(self, x)
        pads = self.pads(x)
        height = self._along(x.height, pads[0], pads[1], 0)
        width = self._along(x.width, pads[2], pads[3], 1)
        if (isinstance(height, int) and height < 1) or (isinstance(width, int) and width < 1):
            raise self._too_large(x, pads)
        return height, width

    def _along(self, size: Dim, before: int, after: int, axis: int) -> Dim:
        reach, stride = self.reach[axis], self.stride[axis]
        if self.ceil:
            # the least of two counts, ceil((size + before + after - reach) / stride) + 1 by the room that there is,
            # and ceil((size + before) / stride) by where the last may start; both are ceil((size + c) / stride)
            return (size + before + min(stride + after - reach, 0) + stride - 1) // stride
        return (size + before + after - reach) // stride + 1

    def _too_large(self, x: TensorType, pads: Pads) -> OperatorError:
        (height, width), (top, bottom, left, right) = self.reach, pads
        window = f"{height}x{width} window"
        if self.reach != self.kernel:
            window += f" ({self.kernel[0]}x{self.kernel[1]}, dilated)"
        where = f"a {x} map" if x.rank == 4 else str(x)
        if any(pads):
            where += f" padded to {x.height + top + bottom}x{x.width + left + right}"
        message = f"`{self.name}`: no {window} fits {where}"
        if any(pads) or self.reach != self.kernel or not (isinstance(x.height, int) and isinstance(x.width, int)):
            cure = "use a smaller kernel, add padding, or shrink the map less before this step"
            return OperatorError("E0202", message, argument="kernel", help=cure)
        fitting = show_pair(min(self.kernel[0], x.height), min(self.kernel[1], x.width))
        cure = f"use a kernel of at most {fitting}, add padding, or shrink the map less before this step"
        return OperatorError("E0202", message, argument="kernel", help=cure, replacement=fitting)


def even_kernel(kernel: tuple[int, int]) -> OperatorError:
    """The error for `"same"` where no middle cell exists."""
    message = f'pad="same" pads both sides alike, and a {kernel[0]}x{kernel[1]} kernel has no middle'
    cure = 'use an odd kernel, or pad="same_upper", which puts the odd cell after the map'
    return OperatorError("E0207", message, argument="pad", help=cure, replacement='"same_upper"')


def unseen(op: Op, x: TensorType) -> tuple[int, int]:
    """How many real rows at the bottom and columns at the right no window of an operator ever sees.

    Zero where the windows leave out padding only, where the stride is larger than the kernel (then leaving out is
    meant), where it depends on a size that is not known, and for an operator without windows.
    """
    if not isinstance(op, Windowed):
        return 0, 0
    counts = op.windows(x)
    top, _, left, _ = op.pads(x)
    left_out = []
    for axis, (size, before, count) in enumerate([(x.height, top, counts[0]), (x.width, left, counts[1])]):
        rest = size + before - ((count - 1) * op.stride[axis] + op.reach[axis])
        known = isinstance(rest, int) and op.stride[axis] <= op.kernel[axis]
        left_out.append(max(int(rest), 0) if known and isinstance(rest, int) else 0)
    return left_out[0], left_out[1]


def padded(x: Array, pads: Pads, value: float = 0.0) -> Array:
    """An `[N, C, H, W]` array with cells of a value around its maps."""
    import numpy as np

    top, bottom, left, right = pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def slide(x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> Array:
    """Every window of padded maps, as `[N, C, rows, columns, kernel height, kernel width]`, without copying."""
    import numpy as np

    (kh, kw), (sh, sw), (dh, dw) = kernel, stride, dilation
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return seen[:, :, ::sh, ::sw, ::dh, ::dw]

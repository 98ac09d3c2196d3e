"""Pooling. A window pool is one family: its members differ in where they start and how they take in one more cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, need_map, op
from cnnlang.ops.window import Padding, Windowed, padded, show_sides, slide
from cnnlang.signature import Flag, Size, same_as, synonyms

if TYPE_CHECKING:
    from cnnlang.ops.base import Array


@dataclass(frozen=True, eq=False, repr=False)
class Pool(Windowed):
    """One number for each window, channel by channel.

    Class attributes
    ----------------
    start
        The number of an empty window, which padding counts as: taking it in changes nothing.
    step
        The next number from the one so far, `acc`, and a cell, `x`, as a Python expression.
    finish
        The result from the last `acc`, where it is another: `acc / count`, `count` cells that count.
    over
        The NumPy function that does the same over whole axes.
    """

    kernel: Size
    stride: Size = same_as("kernel")  # noqa: RUF009  # it is a dataclass field
    pad: Padding = (0, 0, 0, 0)
    dilation: Size = (1, 1)
    ceil: Flag = False

    start: ClassVar[float]
    step: ClassVar[str]
    finish: ClassVar[str] = "acc"
    over: ClassVar[str]
    argument_aliases = synonyms(
        kernel="pool_size kernel_size kernel_shape size ksize window window_shape",
        stride="strides",
        pad="padding pads auto_pad",
        dilation="dilations dilation_rate",
        ceil="ceil_mode",
        count_pad="count_include_pad",
    )

    def validate(self) -> None:
        if isinstance(self.pad, str):
            return
        for reach, sides in zip(self.reach, (self.pad[:2], self.pad[2:]), strict=True):
            if max(sides) > reach // 2:
                message = f"`{self.name}`: padding of {max(sides)} is more than half of a window of {reach}"
                cure = f"write at most {reach // 2}; for more, put `pad(...)` before it"
                high, wide = self.reach
                top, bottom, left, right = self.pad
                fitting = show_sides(
                    (min(top, high // 2), min(bottom, high // 2), min(left, wide // 2), min(right, wide // 2))
                )
                raise OperatorError("E0305", message, argument="pad", help=cure, replacement=fitting)

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        return TensorType((*x.shape[:2], *self.windows(x)))

    def reference(self, *inputs: Array) -> Array:
        return self._pooled(inputs[0], self.start)

    def _pooled(self, x: Array, around: float) -> Array:
        """Every window of a map whose padding counts as `around`; what `ceil` adds beyond counts as nothing."""
        import numpy as np

        x_type = TensorType(x.shape)
        rows, columns = (int(str(count)) for count in self.windows(x_type))
        x = padded(x, self.pads(x_type), around)
        below = (rows - 1) * self.stride[0] + self.reach[0] - x.shape[2]
        beside = (columns - 1) * self.stride[1] + self.reach[1] - x.shape[3]
        x = padded(x, (0, max(below, 0), 0, max(beside, 0)), self.start)
        pooled: Array = getattr(np, self.over)(slide(x, self.kernel, self.stride, self.dilation), axis=(4, 5))
        return pooled


@op("maxpool", "MaxPool2d", "MaxPool2D", "MaxPooling2D", "MaxPool", "max_pool", "SpatialMaxPooling")
class MaxPool(Pool):
    """The largest number in each window.

    ::

        y[c, i, j] = max over u, v of x[c, i*stride + u*dilation - top, j*stride + v*dilation - left]

    Padding counts as -inf, and is at most half the window.

    Shapes: `[N, C, H, W]` to `[N, C, H', W']` with H' = floor((H + pads - dilation*(k-1) - 1)/stride) + 1. With
    `ceil=true` it is rounded up instead, and then a last window that starts at or beyond H + top is dropped.
    `stride` is the kernel's size unless written.

    Examples
    --------
    maxpool(2)
    maxpool(3, stride=2, pad=1)

    Source: torch.nn.MaxPool2d, ONNX MaxPool.
    """

    start, step, over = -math.inf, "max(acc, x)", "max"
    torch = "F.max_pool2d({x}, {kernel}, {stride}, {pad}, {dilation}, ceil_mode={ceil})"


@op("minpool", "min_pool", "MinPool2d", "MinPooling2D")
class MinPool(Pool):
    """The smallest number in each window.

    ::

        y[c, i, j] = min over u, v of x[c, i*stride + u*dilation - top, j*stride + v*dilation - left]

    Padding counts as +inf, and is at most half the window. It is the erosion of image processing; minpool(x) is
    -maxpool(-x).

    Shapes: as for `maxpool`. `stride` is the kernel's size unless written.

    Examples
    --------
    minpool(2)
    minpool(3, stride=1, pad="same")

    Source: mathematical morphology (Serra 1982); PyTorch has it as -F.max_pool2d(-x).
    """

    start, step, over = math.inf, "min(acc, x)", "min"
    torch = "-F.max_pool2d(-{x}, {kernel}, {stride}, {pad}, {dilation}, ceil_mode={ceil})"


@op("avgpool", "AvgPool2d", "AvgPool2D", "AveragePooling2D", "AveragePool", "avg_pool", "SpatialAveragePooling")
class AvgPool(Pool):
    """The average of each window.

    ::

        y[c, i, j] = sum over u, v of x[c, i*stride + u - top, j*stride + v - left] / count

    `count` is the number of the window's cells inside the padded map, whose padding is 0; with `count_pad=false` of
    its cells inside the real map. Cells that `ceil` adds beyond the padding are never counted.

    Shapes: as for `maxpool`. `stride` is the kernel's size unless written.

    Examples
    --------
    avgpool(2)
    avgpool(3, stride=1, pad="same", count_pad=false)

    Source: torch.nn.AvgPool2d, ONNX AveragePool.
    """

    dilation: ClassVar[tuple[int, int]] = (1, 1)  # type: ignore[misc]  # averages have no such argument
    count_pad: Flag = True

    start, step, finish, over = 0.0, "acc + x", "acc / count", "sum"
    torch = "F.avg_pool2d({x}, {kernel}, {stride}, {pad}, {ceil}, {count_pad})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return self._pooled(x, 0.0) / self._pooled(np.ones_like(x), 1.0 if self.count_pad else 0.0)


class GlobalPool(Op):
    """One number for each channel."""

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        need_map(self, x)
        return TensorType(x.shape[:2])


@op("global_avgpool", "gap", "GlobalAvgPool2d", "GlobalAveragePooling2D", "GlobalAveragePool", "global_avg_pool")
class GlobalAvgPool(GlobalPool):
    """The average of each channel: y[c] = sum over i, j of x[c, i, j] / (H*W).

    Shapes: `[N, C, H, W]`, of any height and width, to `[N, C]`.

    Examples
    --------
    global_avgpool -> dense(1000)

    Source: Lin et al. 2013, Network In Network; ONNX GlobalAveragePool.
    """

    torch = "{x}.mean((2, 3))"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        y: Array = np.mean(inputs[0], axis=(2, 3))
        return y


@op("global_maxpool", "gmp", "GlobalMaxPool2d", "GlobalMaxPooling2D", "GlobalMaxPool", "global_max_pool")
class GlobalMaxPool(GlobalPool):
    """The largest number of each channel: y[c] = max over i, j of x[c, i, j].

    Shapes: `[N, C, H, W]`, of any height and width, to `[N, C]`.

    Examples
    --------
    global_maxpool -> dense(10)

    Source: ONNX GlobalMaxPool.
    """

    torch = "{x}.amax((2, 3))"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        y: Array = np.max(inputs[0], axis=(2, 3))
        return y


@op("adaptive_avgpool", "AdaptiveAvgPool2d", "AdaptiveAveragePooling2D", "adaptive_avg_pool")
class AdaptiveAvgPool(Op):
    """Averages over `size` bins of nearly equal size, whatever the map's size is.

    Bin i of n along a side of H cells reaches from floor(i*H/n) up to, not including, ceil((i+1)*H/n); bins overlap
    where n does not divide H, and repeat cells where n is larger.

    Shapes: `[N, C, H, W]` to `[N, C, size, size]`.

    Examples
    --------
    adaptive_avgpool(7) -> flatten -> dense(4096)

    Source: torch.nn.AdaptiveAvgPool2d.
    """

    size: Size

    argument_aliases = synonyms(size="output_size kernel target_shape")
    torch = "F.adaptive_avg_pool2d({x}, {size})"

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        need_map(self, x)
        return TensorType((*x.shape[:2], *self.size))

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        y = np.empty((*x.shape[:2], *self.size))
        for i, (top, bottom) in enumerate(bins(x.shape[2], self.size[0])):
            for j, (left, right) in enumerate(bins(x.shape[3], self.size[1])):
                y[:, :, i, j] = np.mean(x[:, :, top:bottom, left:right], axis=(2, 3))
        return y


def bins(size: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` bins over `size` cells begins and ends."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]

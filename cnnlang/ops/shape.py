"""Operators that move, repeat, add or leave out numbers and compute none (`upsample` between them, when bilinear)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, need_map, op
from cnnlang.ops.divide import need_divisor
from cnnlang.ops.window import Sides, show_sides
from cnnlang.signature import Count, Natural, Number, Size, choice, synonyms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnlang.ops.base import Array

PadMode = Annotated[str, choice("constant", "reflect", "edge")]
UpsampleMode = Annotated[str, choice("nearest", "bilinear")]


@op("flatten", "Flatten", "FlattenLayer", "ravel")
class Flatten(Op):
    """All numbers of a sample in one row: channel by channel, each row by row.

    ::

        y[(c*H + i)*W + j] = x[c, i, j]

    Shapes: `[N, C, H, W]` to `[N, C*H*W]`; `[N, C]` stays as it is. H and W must be known numbers; for a map of any
    size `global_avgpool` leads to `dense`.

    Examples
    --------
    flatten -> dense(10)

    Source: torch.flatten(x, 1). (Keras flattens H, W, C; targets in that layout reorder the weights.)
    """

    torch = "{x}.flatten(1)"

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        if not isinstance(x.elements, int):
            message = f"`flatten` needs a map of a known size, and was given {x}"
            cure = "use `global_avgpool` in its place, or declare the input's height and width as numbers"
            raise OperatorError("E0205", message, help=cure, instead="global_avgpool")
        return TensorType((x.batch, x.elements))

    def reference(self, *inputs: Array) -> Array:
        return inputs[0].reshape(inputs[0].shape[0], -1)


@op("pad", "ZeroPad2d", "ZeroPadding2D", "ConstantPad2d", "ReflectionPad2d", "ReplicationPad2d", "zeropad")
class Pad(Op):
    """Cells around each map: `value`, or with `"reflect"` and `"edge"` what the map itself suggests.

    `"reflect"` mirrors at the first and last cell without repeating it (3 2 | 1 2 3 | 2 1), `"edge"` repeats them
    (1 1 | 1 2 3 | 3 3). `amount` is a number for all sides, a pair (height x width) or (top, bottom, left, right).

    Shapes: `[N, C, H, W]` to `[N, C, H + top + bottom, W + left + right]`; `"reflect"` adds less than the map's size.

    Examples
    --------
    pad(3, mode="reflect") -> conv(32, 7)
    pad((0, 1, 0, 1))

    Source: torch.nn.functional.pad (whose `replicate` is `"edge"`), numpy.pad, ONNX Pad.
    """

    amount: Sides
    mode: PadMode = "constant"
    value: Number = 0.0

    argument_aliases = synonyms(amount="padding pads pad width", value="constant_values constant_value fill")

    def validate(self) -> None:
        if self.value and self.mode != "constant":
            message = f'`pad`: `value` is for mode="constant", and the mode is "{self.mode}"'
            raise OperatorError("E0305", message, argument="value", help="leave `value` or `mode` out")

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        need_map(self, x)
        top, bottom, left, right = self.amount
        for size, sides in ((x.height, (top, bottom)), (x.width, (left, right))):
            if self.mode == "reflect" and isinstance(size, int) and max(sides) >= size:
                message = f"`pad`: a reflection adds less than the map has, and {max(sides)} is not below {size} of {x}"
                cure = f'write at most {size - 1}, or mode="edge"'
                fitting = show_sides((*least(top, bottom, x.height), *least(left, right, x.width)))
                raise OperatorError("E0209", message, argument="amount", help=cure, replacement=fitting)
        return TensorType((*x.shape[:2], x.height + top + bottom, x.width + left + right))

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        top, bottom, left, right = self.amount
        sides = ((0, 0), (0, 0), (top, bottom), (left, right))
        if self.mode == "constant":
            return np.pad(inputs[0], sides, constant_values=self.value)
        how: Any = self.mode
        return np.pad(inputs[0], sides, mode=how)


def least(before: int, after: int, size: Dim) -> tuple[int, int]:
    """Two sides, each cut to less than a size where that is known."""
    return (min(before, size - 1), min(after, size - 1)) if isinstance(size, int) else (before, after)


@op("crop", "Cropping2D")
class Crop(Op):
    """Rows and columns taken off each side of each map: a number for all, a pair, or (top, bottom, left, right).

    Shapes: `[N, C, H, W]` to `[N, C, H - top - bottom, W - left - right]`; at least one row and column stays.

    Examples
    --------
    crop(4)
    crop((0, 1, 0, 1))

    Source: keras.layers.Cropping2D, ONNX Slice.
    """

    amount: Sides

    argument_aliases = synonyms(amount="cropping padding size border")

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        need_map(self, x)
        top, bottom, left, right = self.amount
        height, width = x.height - top - bottom, x.width - left - right
        for before, after in ((x.height, height), (x.width, width)):
            if isinstance(before, int) and isinstance(after, int) and after < 1:
                message = f"`crop`: nothing is left when {before - after} of {before} are taken off {x}"
                raise OperatorError("E0209", message, argument="amount", help=f"take off at most {before - 1}")
        return TensorType((*x.shape[:2], height, width))

    def reference(self, *inputs: Array) -> Array:
        x = inputs[0]
        top, bottom, left, right = self.amount
        return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


@op("upsample", "Upsample", "UpSampling2D", "UpsamplingNearest2d", "UpsamplingBilinear2d", "interpolate")
class Upsample(Op):
    """Each map enlarged by whole numbers: every cell repeated, or with `"bilinear"` weighted between its neighbours.

    Nearest: y[i, j] = x[i // scale, j // scale]. Bilinear: the value at row (i + 0.5)/scale - 0.5 and the column
    likewise, between the two nearest rows and columns, and at the border the border's (that is without align_corners).

    Shapes: `[N, C, H, W]` to `[N, C, H*scale, W*scale]`; `scale` may be a pair (height x width).

    Examples
    --------
    upsample(2)
    upsample(2x4, mode="bilinear")

    Source: torch.nn.Upsample, keras.layers.UpSampling2D, ONNX Resize (asymmetric with floor; half_pixel).
    """

    scale: Size
    mode: UpsampleMode = "nearest"

    argument_aliases = synonyms(scale="scale_factor size stride factor scales", mode="interpolation method")
    torch = 'F.interpolate({x}, scale_factor={scale}, mode="{mode}")'

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        need_map(self, x)
        return TensorType((*x.shape[:2], x.height * self.scale[0], x.width * self.scale[1]))

    def reference(self, *inputs: Array) -> Array:
        x = inputs[0]
        if self.mode == "nearest":
            return x.repeat(self.scale[0], axis=2).repeat(self.scale[1], axis=3)
        above, below, down = neighbours(x.shape[2], self.scale[0])
        before, after, across = neighbours(x.shape[3], self.scale[1])
        down = down[:, None]
        upper = x[:, :, above][..., before] * (1 - across) + x[:, :, above][..., after] * across
        lower = x[:, :, below][..., before] * (1 - across) + x[:, :, below][..., after] * across
        return upper * (1 - down) + lower * down


def neighbours(size: int, scale: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """For each of size*scale places: the cell before it, the cell after it, and the weight of the one after."""
    import numpy as np

    place = np.maximum((np.arange(size * scale) + 0.5) / scale - 0.5, 0)
    first = np.floor(place).astype(np.intp)
    return first, np.minimum(first + 1, size - 1), place - first


@op("pixel_shuffle", "PixelShuffle", "DepthToSpace", "depth_to_space", "SubpixelConv2d")
class PixelShuffle(Op):
    """Channels become pixels: each r*r channels make one channel that is r times as high and wide.

    ::

        y[c, i*r + u, j*r + v] = x[c*r*r + u*r + v, i, j]

    Shapes: `[N, C, H, W]` to `[N, C/(r*r), H*r, W*r]`; r*r divides C.

    Examples
    --------
    conv(3 * 4, 3, pad=1) -> pixel_shuffle(2)

    Source: Shi et al. 2016; torch.nn.PixelShuffle, ONNX DepthToSpace with mode CRD.
    """

    r: Count

    argument_aliases = synonyms(r="upscale_factor block_size blocksize scale factor")
    torch = "F.pixel_shuffle({x}, {r})"

    def result(self, *inputs: TensorType) -> TensorType:
        x, r = inputs[0], self.r
        need_map(self, x)
        if x.channels % (r * r):
            message = f"`pixel_shuffle`: {r}*{r} = {r * r} must divide the {x.channels} channels of {x}"
            cure = f"make a multiple of {r * r} channels before it"
            raise OperatorError("E0206", message, argument="r", help=cure)
        return TensorType((x.batch, x.channels // (r * r), x.height * r, x.width * r))

    def reference(self, *inputs: Array) -> Array:
        x, r = inputs[0], self.r
        batch, channels, height, width = x.shape
        y = x.reshape(batch, channels // (r * r), r, r, height, width).transpose(0, 1, 4, 2, 5, 3)
        return y.reshape(batch, channels // (r * r), height * r, width * r)


@op("channel_shuffle", "ChannelShuffle", "ShuffleChannel")
class ChannelShuffle(Op):
    """The channels of `groups` groups dealt out in turn, so that the next grouped convolution sees them all.

    ::

        y[i*groups + g] = x[g*(C/groups) + i]

    Shapes: any value keeps its shape; `groups` divides C.

    Examples
    --------
    conv(240, 1, groups=3) -> channel_shuffle(3)

    Source: Zhang et al. 2017, ShuffleNet; torch.nn.ChannelShuffle.
    """

    groups: Count

    argument_aliases = synonyms(groups="group num_groups g")
    torch = "F.channel_shuffle({x}, {groups})"

    def result(self, *inputs: TensorType) -> TensorType:
        need_map(self, inputs[0])
        need_divisor(self, "groups", self.groups, inputs[0])
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        x = inputs[0]
        dealt = x.reshape(x.shape[0], self.groups, x.shape[1] // self.groups, *x.shape[2:])
        return dealt.swapaxes(1, 2).reshape(x.shape)


@op("channels", "Slice", "slice_channels", "narrow", "split")
class Channels(Op):
    """Only the channels from `start` up to, not including, `stop`: y[c] = x[start + c].

    Shapes: `[N, C, H, W]` to `[N, stop - start, H, W]`, and `[N, C]` to `[N, stop - start]`.

    Examples
    --------
    channels(0, in.channels // 2)

    Source: x[:, start:stop] in NumPy and PyTorch, ONNX Slice.
    """

    start: Natural
    stop: Count

    argument_aliases = synonyms(start="begin starts first", stop="end ends last")
    torch = "{x}[:, {start}:{stop}]"

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        if not self.start < self.stop <= x.channels:
            message = f"`channels`: {self.start} up to {self.stop} is not a part of the {x.channels} channels of {x}"
            cure = f"write 0 <= start < stop <= {x.channels}"
            if self.start < x.channels < self.stop:
                raise OperatorError("E0209", message, argument="stop", help=cure, replacement=str(x.channels))
            raise OperatorError("E0209", message, argument="start", help=cure)
        return TensorType((x.batch, self.stop - self.start, *x.shape[2:]))

    def reference(self, *inputs: Array) -> Array:
        return inputs[0][:, self.start : self.stop]


@op("pad_channels", "ChannelPad")
class PadChannels(Op):
    """Channels of zeros before and after those that are there: a shortcut without weights where a block widens.

    Shapes: `[N, C, H, W]` to `[N, before + C + after, H, W]`, and `[N, C]` likewise.

    Examples
    --------
    maxpool(1, stride=2) -> pad_channels(8, 8)

    Source: He et al. 2015, option A of the CIFAR networks; torch.nn.functional.pad.
    """

    before: Natural
    after: Natural

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        return TensorType((x.batch, self.before + x.channels + self.after, *x.shape[2:]))

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return np.pad(x, ((0, 0), (self.before, self.after), *((0, 0),) * (x.ndim - 2)))

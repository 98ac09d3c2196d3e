"""Convolution: `conv`, `depthwise`, `deconv`."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, WeightSpec, need_map, op
from cnnlang.ops.divide import divisor, need_divisor
from cnnlang.ops.kernel import MAX_FIXED, FixedKernel, depth_of
from cnnlang.ops.window import Padding, Pads, Windowed, even_kernel, padded, show_pair, slide
from cnnlang.signature import Amount, Count, Flag, Kind, Number, Size, Value, synonyms

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

CONV_ARGUMENTS = synonyms(
    channels="filters out_channels num_output num_filter num_filters features out_planes nb_filter",
    kernel="kernel_size kernel_shape ksize filter_size size k",
    stride="strides subsample",
    pad="padding pads auto_pad border_mode",
    output_pad="output_padding out_pad",
    dilation="dilation_rate dilations rate",
    groups="group num_group",
    multiplier="depth_multiplier channel_multiplier",
    bias="use_bias bias_term",
    weight="weights",
    fill="padding_value pad_value value",
)


def _bias(value: Value) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError
    return value


# none is "not written": then a layer has a bias unless its kernel is fixed
OptionalBias = Annotated[bool | None, Kind("true or false", _bias, lambda v: "false" if v is False else "true")]


def bias_of(count: int, bound: float) -> WeightSpec:
    """The bias of a layer of `count` outputs, by PyTorch's rule uniform within the weight's own bound."""
    return WeightSpec("bias", (count,), init=("uniform", bound))


def bound_of(fan_in: int) -> float:
    """PyTorch's bound for convolutions and dense layers: 1/sqrt(fan_in), what `kaiming_uniform_(a=sqrt(5))` is."""
    return 1 / math.sqrt(fan_in) if fan_in else 0.0


class Convolution(Windowed):
    """What `conv` and `depthwise` share: a kernel slides over the map, for every group of channels on its own."""

    bias: OptionalBias
    weight: FixedKernel
    counts_depth = True
    fill: float = 0.0

    @abstractmethod
    def outputs(self, x: TensorType) -> int:
        """The channels that it makes."""

    @abstractmethod
    def parts(self, x: TensorType) -> int:
        """The groups into which it divides the channels."""

    @property
    def has_bias(self) -> bool:
        return self.weight is None if self.bias is None else self.bias

    def validate(self) -> None:
        if self.weight is None:
            return
        rows = self.weight if depth_of(self.weight) == 2 else self.weight[0][0]
        size = (len(rows), len(rows[0]))
        if size != self.kernel:
            given, needed = f"{size[0]}x{size[1]}", f"{self.kernel[0]}x{self.kernel[1]}"
            message = f"`{self.name}`: `weight` is {given}, and `kernel` is {needed}"
            cure = f"write kernel {given}, the size of `weight`"
            raise OperatorError("E0305", message, argument="kernel", help=cure, replacement=show_pair(*size))

    def weight_shape(self, x: TensorType) -> tuple[int, int, int, int]:
        """[outputs, inputs of a group, kernel height, kernel width]."""
        return (self.outputs(x), x.channels // self.parts(x), *self.kernel)

    def weights(self, *values: TensorType) -> tuple[WeightSpec, ...]:
        shape = out, into, kh, kw = self.weight_shape(values[0])
        bound = bound_of(into * kh * kw)
        weight = WeightSpec("weight", shape, init=("uniform", bound), fan_in=into * kh * kw, fan_out=out * kh * kw)
        if self.weight is not None:
            weight = WeightSpec("weight", shape, trained=False, values=self._fixed(shape))
        return (weight, bias_of(out, bound)) if self.has_bias else (weight,)

    def _fixed(self, shape: tuple[int, int, int, int]) -> list[Any]:
        assert self.weight is not None
        if math.prod(shape) > MAX_FIXED:
            message = f"`{self.name}`: a fixed kernel of {list(shape)} would hold more than {MAX_FIXED:,} numbers"
            raise OperatorError("E0311", message, argument="weight", help="use fewer channels, or groups of them")
        return self.weight if depth_of(self.weight) == 4 else [[self.weight] * shape[1]] * shape[0]

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        need_map(self, x)
        need_divisor(self, "groups", self.parts(x), x, self.outputs(x))
        if self.weight is not None and depth_of(self.weight) == 4:
            given = (len(self.weight), len(self.weight[0]))
            if given != self.weight_shape(x)[:2]:
                needed = list(self.weight_shape(x))
                message = f"`{self.name}`: `weight` must be {needed} here, and is {[*given, *self.kernel]}"
                cure = "write [output][input/groups][row][column], or rows alone, which serve every pair of channels"
                raise OperatorError("E0305", message, argument="weight", help=cure)
        return TensorType((x.batch, self.outputs(x), *self.windows(x)))

    def macs(self, *inputs: TensorType) -> Dim:
        x = inputs[0]
        out, into, kh, kw = self.weight_shape(x)
        rows, columns = self.windows(x)
        return out * into * kh * kw * rows * columns

    def reference(self, *inputs: Array) -> Array:
        """Cross-correlation, as matrices: a window's cells are a column, an output channel's kernel is a row."""
        x, weight, *bias = inputs
        x_type, batch = TensorType(x.shape), x.shape[0]
        out, into, kh, kw = weight.shape
        groups = self.parts(x_type)
        seen = slide(padded(x, self.pads(x_type), self.fill), self.kernel, self.stride, self.dilation)
        rows, columns = seen.shape[2:4]
        cells = seen.reshape(batch, groups, into, rows, columns, kh, kw).transpose(0, 1, 2, 5, 6, 3, 4)
        cells = cells.reshape(batch, groups, into * kh * kw, rows * columns)
        y = weight.reshape(groups, out // groups, into * kh * kw) @ cells
        y = y.reshape(batch, out, rows, columns)
        return y + bias[0][:, None, None] if bias else y


@op("conv", "Conv2d", "Conv2D", "Convolution", "Convolution2D", "convolutional", "SpatialConvolution", "conv_2d")
class Conv(Convolution):
    """Convolution: every output is a weighted sum of a window of the map.

    For output channel o at row i and column j, over the input channels c of o's group and the kernel's cells (u, v)::

        y[o, i, j] = bias[o] + sum over c, u, v of
                     weight[o, c, u, v] * x[c, i*stride + u*dilation - top, j*stride + v*dilation - left]

    Cells outside the map are `fill`. (Mathematics calls this cross-correlation; every framework calls it convolution.)

    Shapes: `[N, C, H, W]` to `[N, channels, H', W']` with H' = floor((H + pads - dilation*(k-1) - 1)/stride) + 1.
    Weights: `weight` [channels, C/groups, kh, kw], `bias` [channels]. MACs: channels * C/groups * kh * kw * H' * W'.

    `pad` is a number for all sides, a pair (height x width), four numbers (top, bottom, left, right), `"same"`
    (both sides alike, odd kernels) or `"same_upper"` (TensorFlow's: the output has ceil(size/stride) cells).
    With `groups=g` the channels are cut into g groups that do not see each other (AlexNet, ResNeXt).
    `weight=[[1, 0, -1], [1, 0, -1], [1, 0, -1]]` fixes the kernel: it is not trained, and has no bias unless written.

    Examples
    --------
    conv(64, 7, stride=2, pad=3)
    conv(32, 3x5, pad="same", bias=false)
    conv(1, 3, weight=[[1, 2, 1], [2, 4, 2], [1, 2, 1]])

    Source: torch.nn.Conv2d, ONNX Conv.
    """

    channels: Count
    kernel: Size
    stride: Size = (1, 1)
    pad: Padding = (0, 0, 0, 0)
    dilation: Size = (1, 1)
    groups: Count = 1
    bias: OptionalBias = None
    fill: Number = 0.0
    weight: FixedKernel = None

    argument_aliases = CONV_ARGUMENTS

    def validate(self) -> None:
        super().validate()
        if self.channels % self.groups:
            message = f"`conv`: groups={self.groups} must divide the {self.channels} channels that it makes"
            raise OperatorError("E0206", message, argument="groups", **divisor(self.groups, self.channels))

    def outputs(self, x: TensorType) -> int:
        return self.channels

    def parts(self, x: TensorType) -> int:
        return self.groups


@op("depthwise", "DepthwiseConv2D", "DepthwiseConv2d", "depthwise_conv", "SeparableConv2D", "ConvolutionDepthwise")
class Depthwise(Convolution):
    """Depthwise convolution: every channel is convolved with a kernel of its own, and channels are never mixed.

    It is `conv` with as many groups as channels::

        y[c*multiplier + m, i, j] = bias[..] + sum over u, v of
                                    weight[c*multiplier + m, 0, u, v] * x[c, i*stride + u*dilation - top, ...]

    Shapes: `[N, C, H, W]` to `[N, C*multiplier, H', W']`, H' and W' as for `conv`.
    Weights: `weight` [C*multiplier, 1, kh, kw], `bias` [C*multiplier]. MACs: C*multiplier * kh * kw * H' * W'.

    Followed by a `conv` with a 1x1 kernel it is a separable convolution (MobileNet), at about 1/(kh*kw) of the cost.

    Examples
    --------
    depthwise(3, stride=2, pad=1, bias=false) -> bn -> relu6 -> conv(64, 1, bias=false)

    Source: torch.nn.Conv2d with groups=in_channels; Howard et al. 2017, MobileNets.
    """

    kernel: Size
    stride: Size = (1, 1)
    pad: Padding = (0, 0, 0, 0)
    dilation: Size = (1, 1)
    multiplier: Count = 1
    bias: OptionalBias = None
    weight: FixedKernel = None

    argument_aliases = CONV_ARGUMENTS

    def outputs(self, x: TensorType) -> int:
        return x.channels * self.multiplier

    def parts(self, x: TensorType) -> int:
        return x.channels


@op(
    "deconv",
    "ConvTranspose2d",
    "Conv2DTranspose",
    "ConvTranspose",
    "Deconvolution",
    "conv_transpose",
    "transposed_conv",
)
class Deconv(Op):
    """Transposed convolution: every input cell stamps its weighted kernel onto a larger map, and stamps add up.

    ::

        y[o, i*stride + u*dilation - top, j*stride + v*dilation - left] += weight[c, o, u, v] * x[c, i, j]

    and then the bias is added. It is the gradient of `conv`, and undoes its change of size; `output_pad` adds rows at
    the bottom and columns at the right, for a stride leaves open which of several sizes was there before.

    Shapes: `[N, C, H, W]` to `[N, channels, H', W']` with
    H' = (H-1)*stride - pads + dilation*(k-1) + output_pad + 1; `output_pad` must be below stride or dilation.
    `pad` takes cells away; `"same_upper"` takes as many as leave H' = H*stride.
    Weights: `weight` [C, channels/groups, kh, kw], `bias` [channels].
    MACs: kh * kw * C/groups * channels for every input cell.

    Examples
    --------
    deconv(64, 2, stride=2)
    deconv(64, 3, stride=2, pad=1, output_pad=1)

    Source: torch.nn.ConvTranspose2d, ONNX ConvTranspose.
    """

    channels: Count
    kernel: Size
    stride: Size = (1, 1)
    pad: Padding = (0, 0, 0, 0)
    output_pad: Amount = (0, 0)
    dilation: Size = (1, 1)
    groups: Count = 1
    bias: Flag = True

    counts_depth = True
    argument_aliases = CONV_ARGUMENTS

    @property
    def has_bias(self) -> bool:
        return self.bias

    @property
    def reach(self) -> tuple[int, int]:
        """The rows and columns of one stamp: dilation*(k-1) + 1."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def validate(self) -> None:
        most = [max(s, d) - 1 for s, d in zip(self.stride, self.dilation, strict=True)]
        for extra, stride, dilation in zip(self.output_pad, self.stride, self.dilation, strict=True):
            if extra >= max(stride, dilation):
                message = f"`deconv`: output_pad={extra} must be below stride ({stride}) or dilation ({dilation})"
                cure = f"write at most {max(stride, dilation) - 1}"
                fitting = show_pair(*map(min, self.output_pad, most))
                raise OperatorError("E0305", message, argument="output_pad", help=cure, replacement=fitting)
        if self.channels % self.groups:
            message = f"`deconv`: groups={self.groups} must divide the {self.channels} channels that it makes"
            raise OperatorError("E0206", message, argument="groups", **divisor(self.groups, self.channels))

    def pads(self, x: TensorType) -> Pads:
        """The cells taken away at top, bottom, left and right.

        Raises
        ------
        OperatorError
            E0207 for `"same"` on an even kernel; E0305 where `"same_upper"` would have to add cells.
        """
        if isinstance(self.pad, tuple):
            return self.pad
        sides: list[int] = []
        for reach, stride, extra in zip(self.reach, self.stride, self.output_pad, strict=True):
            total = reach - 1 if self.pad == "same" else reach + extra - stride
            if self.pad == "same" and total % 2:
                raise even_kernel(self.kernel)
            if total < 0:
                message = f'`deconv`: pad="same_upper" with stride {stride} needs a kernel that reaches {stride} cells'
                cure = f"use a kernel of at least {stride}, or output_pad={stride - reach} in place of the padding"
                raise OperatorError("E0305", message, argument="pad", help=cure)
            sides += [total // 2, total - total // 2]
        return sides[0], sides[1], sides[2], sides[3]

    def weights(self, *values: TensorType) -> tuple[WeightSpec, ...]:
        (kh, kw), into, out = self.kernel, values[0].channels, self.channels // self.groups
        fan_in = out * kh * kw  # PyTorch reads the weight's second size as its inputs, here too
        bound = bound_of(fan_in)
        weight = WeightSpec(
            "weight", (into, out, kh, kw), init=("uniform", bound), fan_in=fan_in, fan_out=into * kh * kw
        )
        return (weight, bias_of(self.channels, bound)) if self.bias else (weight,)

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        need_map(self, x)
        need_divisor(self, "groups", self.groups, x, self.channels)
        top, bottom, left, right = self.pads(x)
        height = (x.height - 1) * self.stride[0] - top - bottom + self.reach[0] + self.output_pad[0]
        width = (x.width - 1) * self.stride[1] - left - right + self.reach[1] + self.output_pad[1]
        if (isinstance(height, int) and height < 1) or (isinstance(width, int) and width < 1):
            message = f"`deconv`: padding takes away all that it makes of {x}, to {height}x{width}"
            raise OperatorError("E0202", message, argument="pad", help="use less padding, or a larger kernel")
        return TensorType((x.batch, self.channels, height, width))

    def macs(self, *inputs: TensorType) -> Dim:
        x, (kh, kw) = inputs[0], self.kernel
        return kh * kw * (x.channels // self.groups) * self.channels * x.height * x.width

    def reference(self, *inputs: Array) -> Array:
        """Kernel cell by kernel cell: what it adds lies `stride` apart on the large map."""
        import numpy as np

        x, weight, *bias = inputs
        batch, into, height, width = x.shape
        groups, out = self.groups, self.channels
        (sh, sw), (dh, dw) = self.stride, self.dilation
        high, wide = self.result(TensorType(x.shape)).shape[2:]
        top, bottom, left, right = self.pads(TensorType(x.shape))
        canvas = np.zeros((batch, out, int(str(high)) + top + bottom, int(str(wide)) + left + right))
        cells = x.reshape(batch, groups, into // groups, height * width)
        for u in range(self.kernel[0]):
            for v in range(self.kernel[1]):
                kernel = weight[:, :, u, v].reshape(groups, into // groups, out // groups).transpose(0, 2, 1)
                stamp = (kernel @ cells).reshape(batch, out, height, width)
                below, right_of = u * dh + (height - 1) * sh + 1, v * dw + (width - 1) * sw + 1
                canvas[:, :, u * dh : below : sh, v * dw : right_of : sw] += stamp
        y = canvas[:, :, top : canvas.shape[2] - bottom, left : canvas.shape[3] - right]
        return y + bias[0][:, None, None] if bias else y

"""Normalisation: `bn`, `lrn`, `group_norm`, `normalize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, WeightSpec, need_map, op
from cnnlang.ops.divide import need_divisor
from cnnlang.ops.elementwise import by_channel
from cnnlang.signature import Count, Fraction, Number, Unit, per_channel, synonyms

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

PerChannel = Annotated[tuple[float, ...], per_channel("a number, or a list of numbers with one a channel")]
PositivePerChannel = Annotated[
    tuple[float, ...], per_channel("a number above 0, or a list of them with one a channel", lambda v: v > 0)
]


@op(
    "bn",
    "batch_norm",
    "BatchNorm2d",
    "BatchNorm1d",
    "BatchNorm",
    "BatchNormalization",
    "batchnorm2d",
    "batch_normalize",
)
class BatchNorm(Op):
    """Batch normalisation: each channel is brought to mean 0 and variance 1, then to a learnt scale and shift.

    In inference, with the statistics gathered in training::

        y[c] = (x[c] - running_mean[c]) / sqrt(running_var[c] + eps) * weight[c] + bias[c]

    In training mean and (biased) variance are the batch's own, and each step moves the running ones by
    `momentum` (PyTorch's convention: new = (1 - momentum) * old + momentum * batch's; the variance unbiased). Keras
    and Caffe write 1 - momentum; Keras's eps is 1e-3.

    Shapes: any value keeps its shape.
    Weights: `weight` [C], `bias` [C] (trained), `running_mean` [C], `running_var` [C] (not trained, not counted).

    Examples
    --------
    conv(64, 3, pad=1, bias=false) -> bn -> relu

    Source: Ioffe and Szegedy 2015; torch.nn.BatchNorm2d, ONNX BatchNormalization.
    """

    eps: Fraction = 1e-5
    momentum: Unit = 0.1

    argument_aliases = synonyms(eps="epsilon", momentum="decay")

    def weights(self, *values: TensorType) -> tuple[WeightSpec, ...]:
        shape = (values[0].channels,)
        return (
            WeightSpec("weight", shape, init=("constant", 1.0)),
            WeightSpec("bias", shape),
            WeightSpec("running_mean", shape, trained=False),
            WeightSpec("running_var", shape, trained=False, init=("constant", 1.0)),
        )

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        weight, bias, mean, variance = (by_channel(w, x) for w in inputs[1:])
        return (x - mean) / np.sqrt(variance + self.eps) * weight + bias


@op("lrn", "LocalResponseNorm", "local_response_normalization", "LocalResponseNormalization", "SpatialCrossMapLRN")
class LocalResponseNorm(Op):
    """Local response normalisation: a channel is damped by its neighbours' squares.

    ::

        y[c] = x[c] / (k + alpha/size * sum over d from c - size//2 to c + size//2 of x[d]**2) ** beta

    Channels that do not exist count as 0. `alpha` is divided by `size`, as PyTorch, Caffe and ONNX do; the AlexNet
    paper's own alpha is not (its 1e-4 with 5 channels is `alpha=5e-4` here). `size` is odd.

    Shapes: `[N, C, H, W]` keeps its shape.

    Examples
    --------
    conv(96, 11, stride=4) -> relu -> lrn(5)

    Source: Krizhevsky et al. 2012; torch.nn.LocalResponseNorm, ONNX LRN.
    """

    size: Count
    alpha: Number = 1e-4
    beta: Number = 0.75
    k: Number = 1.0

    argument_aliases = synonyms(size="local_size n", k="bias")
    torch = "F.local_response_norm({x}, {size}, {alpha}, {beta}, {k})"

    def validate(self) -> None:
        if self.size % 2 == 0:
            message = f"`lrn`: size={self.size} is even, and the channel itself must stand in the middle"
            raise OperatorError(
                "E0305", message, argument="size", help="use an odd size", replacement=str(self.size + 1)
            )

    def result(self, *inputs: TensorType) -> TensorType:
        need_map(self, inputs[0])
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        half = min(self.size // 2, x.shape[1] - 1)  # there are no neighbours farther away
        squares = np.pad(x * x, ((0, 0), (half, half), (0, 0), (0, 0)))
        total = np.lib.stride_tricks.sliding_window_view(squares, 2 * half + 1, axis=1).sum(axis=-1)
        y: Array = x / (self.k + self.alpha / self.size * total) ** self.beta
        return y


@op("group_norm", "GroupNorm", "GroupNormalization")
class GroupNorm(Op):
    """Group normalisation: each sample's channels, in `groups`, are brought to mean 0 and variance 1 together.

    ::

        y[c] = (x[c] - mean) / sqrt(variance + eps) * weight[c] + bias[c]

    with mean and (biased) variance over all numbers of c's group in that sample; nothing depends on the batch.
    `group_norm(1)` is layer normalisation over C, H, W; as many groups as channels is instance normalisation.

    Shapes: any value keeps its shape; `groups` divides C. Weights: `weight` [C], `bias` [C].

    Examples
    --------
    conv(64, 3, pad=1) -> group_norm(8) -> relu

    Source: Wu and He 2018; torch.nn.GroupNorm, ONNX GroupNormalization.
    """

    groups: Count
    eps: Fraction = 1e-5

    argument_aliases = synonyms(groups="num_groups group", eps="epsilon")

    def weights(self, *values: TensorType) -> tuple[WeightSpec, ...]:
        shape = (values[0].channels,)
        return WeightSpec("weight", shape, init=("constant", 1.0)), WeightSpec("bias", shape)

    def result(self, *inputs: TensorType) -> TensorType:
        need_divisor(self, "groups", self.groups, inputs[0])
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x, weight, bias = inputs
        groups = x.reshape(x.shape[0], self.groups, -1)
        mean, variance = groups.mean(axis=2, keepdims=True), groups.var(axis=2, keepdims=True)
        y: Array = ((groups - mean) / np.sqrt(variance + self.eps)).reshape(x.shape)
        return y * by_channel(weight, x) + by_channel(bias, x)


@op("normalize", "Normalization", "standardize")
class Normalize(Op):
    """Subtract a fixed mean and divide by a fixed deviation: y[c] = (x[c] - mean[c]) / std[c].

    Each is a number for all channels or a list with one a channel. Nothing is trained and nothing is counted. (For
    pictures the input's own `{ mean = ..., std = ... }` serves better: it is applied before the net.)

    Shapes: any value keeps its shape.

    Examples
    --------
    normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])

    Source: torchvision.transforms.Normalize.
    """

    mean: PerChannel
    std: PositivePerChannel

    argument_aliases = synonyms(std="stddev sigma")

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        for argument, numbers in (("mean", self.mean), ("std", self.std)):
            if len(numbers) not in (1, x.channels):
                message = f"`normalize`: `{argument}` has {len(numbers)} numbers, and {x} has {x.channels} channels"
                cure = f"write one number, or {x.channels}, one a channel"
                raise OperatorError("E0305", message, argument=argument, help=cure)
        return x

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return (x - by_channel(np.array(self.mean), x)) / by_channel(np.array(self.std), x)

"""Activations: functions of one number, and the softmax family over the channels.

A function of one number is data: `scalar` is one Python expression of `x` (and the arguments, in braces), which a
kernel holds as it stands; `reference` says the same for arrays.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, WeightSpec, op
from cnnlang.signature import Number, synonyms

if TYPE_CHECKING:
    from cnnlang.ops.base import Array


class Activation(Op):
    """A value keeps its shape."""

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[0]


class Elementwise(Activation):
    """Every number for itself.

    Class attributes
    ----------------
    scalar
        The result for one number `x`, as a Python expression with `math`; `{slope}` stands for an argument. It raises
        for no finite number (`math.exp` would, above 709).
    """

    scalar: ClassVar[str]


@op("relu", "ReLU", "rectifier")
class Relu(Elementwise):
    """y = max(x, 0).

    Examples
    --------
    conv(64, 3, pad=1) -> relu

    Source: torch.nn.ReLU, ONNX Relu.
    """

    scalar = "max(x, 0.0)"
    torch = "F.relu({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.maximum(inputs[0], 0)


@op("relu6", "ReLU6")
class Relu6(Elementwise):
    """y = min(max(x, 0), 6).

    Examples
    --------
    conv(32, 1) -> relu6

    Source: torch.nn.ReLU6; Howard et al. 2017, MobileNets.
    """

    scalar = "min(max(x, 0.0), 6.0)"
    torch = "F.relu6({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.clip(inputs[0], 0, 6)


@op("leaky_relu", "LeakyReLU", "lrelu", "leaky")
class LeakyRelu(Elementwise):
    """y = x for x > 0, else slope * x.

    Examples
    --------
    conv(32, 3) -> leaky_relu(0.1)

    Source: Maas et al. 2013; torch.nn.LeakyReLU (its slope is 0.01 too; Keras's is 0.3, Darknet's 0.1).
    """

    slope: Number = 0.01

    scalar = "x if x > 0.0 else {slope} * x"
    torch = "F.leaky_relu({x}, {slope})"
    argument_aliases = synonyms(slope="negative_slope alpha")

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return np.where(x > 0, x, self.slope * x)


@op("prelu", "PReLU", "ParametricReLU")
class Prelu(Activation):
    """y = x for x > 0, else weight[c] * x: a leaky ReLU that learns one slope for each channel.

    Shapes: any value keeps its shape. Weights: `weight` [C], at first 0.25.

    Examples
    --------
    conv(32, 3) -> prelu

    Source: He et al. 2015; torch.nn.PReLU(channels).
    """

    def weights(self, *values: TensorType) -> tuple[WeightSpec, ...]:
        return (WeightSpec("weight", (values[0].channels,), init=("constant", 0.25)),)

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x, slope = inputs
        return np.where(x > 0, x, by_channel(slope, x) * x)


@op("elu", "ELU")
class Elu(Elementwise):
    """y = x for x > 0, else exp(x) - 1.

    Examples
    --------
    conv(32, 3) -> elu

    Source: Clevert et al. 2015; torch.nn.ELU.
    """

    scalar = "x if x > 0.0 else math.expm1(x)"
    torch = "F.elu({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


@op("selu", "SELU")
class Selu(Elementwise):
    """y = 1.0507 * x for x > 0, else 1.0507 * 1.67326 * (exp(x) - 1): numbers that keep mean 0 and variance 1.

    Examples
    --------
    dense(256) -> selu

    Source: Klambauer et al. 2017; torch.nn.SELU.
    """

    scalar = f"{SELU_SCALE!r} * x if x > 0.0 else {SELU_SCALE * SELU_ALPHA!r} * math.expm1(x)"
    torch = "F.selu({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


@op("gelu", "GELU")
class Gelu(Elementwise):
    """y = x * P(Z <= x) for a standard normal Z = x/2 * (1 + erf(x/sqrt(2))): exact, not the tanh approximation.

    Examples
    --------
    conv(96, 1) -> gelu

    Source: Hendrycks and Gimpel 2016; torch.nn.GELU.
    """

    scalar = f"0.5 * x * (1.0 + math.erf(x * {math.sqrt(0.5)!r}))"
    torch = "F.gelu({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        erf = np.vectorize(math.erf, otypes=[np.float64])
        y: Array = 0.5 * x * (1 + erf(x * math.sqrt(0.5)))
        return y


@op("silu", "SiLU", "swish")
class Silu(Elementwise):
    """y = x * sigmoid(x) = x / (1 + exp(-x)).

    Examples
    --------
    conv(32, 3) -> bn -> silu

    Source: Ramachandran et al. 2017 (as swish); torch.nn.SiLU.
    """

    scalar = "x / (1.0 + math.exp(min(-x, 700.0)))"
    torch = "F.silu({x})"

    def reference(self, *inputs: Array) -> Array:
        return inputs[0] * sigmoid(inputs[0])


@op("hardswish", "Hardswish", "hard_swish", "hswish")
class Hardswish(Elementwise):
    """y = x * min(max(x + 3, 0), 6) / 6.

    Examples
    --------
    conv(16, 3, stride=2) -> bn -> hardswish

    Source: Howard et al. 2019, MobileNetV3; torch.nn.Hardswish.
    """

    scalar = "x * min(max(x + 3.0, 0.0), 6.0) / 6.0"
    torch = "F.hardswish({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return x * np.clip(x + 3, 0, 6) / 6


@op("hardsigmoid", "Hardsigmoid", "hard_sigmoid", "hsigmoid")
class Hardsigmoid(Elementwise):
    """y = min(max(x + 3, 0), 6) / 6.

    Examples
    --------
    dense(64) -> hardsigmoid

    Source: Howard et al. 2019, MobileNetV3; torch.nn.Hardsigmoid (ONNX's default slope is 0.2, not 1/6).
    """

    scalar = "min(max(x + 3.0, 0.0), 6.0) / 6.0"
    torch = "F.hardsigmoid({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.clip(inputs[0] + 3, 0, 6) / 6


@op("mish", "Mish")
class Mish(Elementwise):
    """y = x * tanh(log(1 + exp(x))).

    Examples
    --------
    conv(32, 3) -> bn -> mish

    Source: Misra 2019; torch.nn.Mish.
    """

    scalar = "x * math.tanh(max(x, 0.0) + math.log1p(math.exp(-abs(x))))"
    torch = "F.mish({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        return x * np.tanh(np.logaddexp(0, x))


@op("softplus", "Softplus")
class Softplus(Elementwise):
    """y = log(1 + exp(x)), a smooth relu.

    Examples
    --------
    dense(1) -> softplus

    Source: torch.nn.Softplus (which takes x itself above 20, where both agree to 2e-9).
    """

    scalar = "max(x, 0.0) + math.log1p(math.exp(-abs(x)))"
    torch = "F.softplus({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.logaddexp(0, inputs[0])


@op("sigmoid", "logistic")
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x)).

    Examples
    --------
    dense(1) -> sigmoid

    Source: torch.nn.Sigmoid, ONNX Sigmoid.
    """

    scalar = "1.0 / (1.0 + math.exp(min(-x, 700.0)))"
    torch = "torch.sigmoid({x})"

    def reference(self, *inputs: Array) -> Array:
        return sigmoid(inputs[0])


@op("tanh", "TanH", "hyperbolic_tangent")
class Tanh(Elementwise):
    """y = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Examples
    --------
    conv(6, 5) -> tanh -> avgpool(2)

    Source: torch.nn.Tanh, ONNX Tanh.
    """

    scalar = "math.tanh(x)"
    torch = "torch.tanh({x})"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.tanh(inputs[0])


@op("softmax", "Softmax2d", "Softmax")
class Softmax(Activation):
    """Numbers above 0 whose sum over the channels is 1: y[c] = exp(x[c]) / sum over k of exp(x[k]).

    Shapes: `[N, C]` keeps its shape, and so does `[N, C, H, W]`, where every place of the map has a softmax of its own.

    Examples
    --------
    dense(10) -> softmax

    Source: torch.nn.Softmax(dim=1), ONNX Softmax with axis 1.
    """

    torch = "F.softmax({x}, 1)"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0]
        y: Array = np.exp(x - x.max(axis=1, keepdims=True))
        total: Array = y.sum(axis=1, keepdims=True)
        return y / total


@op("log_softmax", "LogSoftmax")
class LogSoftmax(Activation):
    """The logarithm of softmax: y[c] = x[c] - log(sum over k of exp(x[k])), over the channels.

    Shapes: any value keeps its shape.

    Examples
    --------
    dense(10) -> log_softmax

    Source: torch.nn.LogSoftmax(dim=1), ONNX LogSoftmax with axis 1.
    """

    torch = "F.log_softmax({x}, 1)"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        x = inputs[0] - inputs[0].max(axis=1, keepdims=True)
        y: Array = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        return y


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written as exp(-log(1 + exp(-x))), in which nothing overflows."""
    import numpy as np

    return np.exp(-np.logaddexp(0, -x))


def by_channel(numbers: Array, x: Array) -> Array:
    """One number a channel, in a shape that broadcasts over `[N, C]` or `[N, C, H, W]`."""
    return numbers.reshape(-1, *(1,) * (x.ndim - 2))

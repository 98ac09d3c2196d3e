"""`dense`, and `dropout`, which mostly stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, WeightSpec, op
from cnnlang.ops.conv import bias_of, bound_of
from cnnlang.signature import Count, Flag, Fraction, synonyms

if TYPE_CHECKING:
    from cnnlang.ops.base import Array


@op("dense", "Linear", "fc", "fully_connected", "InnerProduct", "connected", "Gemm", "affine", "MatMul")
class Dense(Op):
    """A dense (fully connected) layer: every output is a weighted sum of all inputs.

    ::

        y[o] = bias[o] + sum over i of weight[o, i] * x[i]

    Shapes: `[N, C]` to `[N, units]`. A map comes in through `flatten` or a global pooling.
    Weights: `weight` [units, C], `bias` [units]. MACs: units * C.

    Examples
    --------
    flatten -> dense(120) -> relu -> dense(10) -> softmax

    Source: torch.nn.Linear, ONNX Gemm.
    """

    units: Count
    bias: Flag = True

    counts_depth = True
    argument_aliases = synonyms(
        units="out_features features channels num_output num_hidden output output_dim", bias="use_bias bias_term"
    )

    @property
    def has_bias(self) -> bool:
        return self.bias

    def weights(self, *values: TensorType) -> tuple[WeightSpec, ...]:
        features = values[0].channels
        bound = bound_of(features)
        weight = WeightSpec(
            "weight", (self.units, features), init=("uniform", bound), fan_in=features, fan_out=self.units
        )
        return (weight, bias_of(self.units, bound)) if self.bias else (weight,)

    def result(self, *inputs: TensorType) -> TensorType:
        x = inputs[0]
        if x.rank == 4 and not isinstance(x.elements, int):
            message = f"`dense` needs a known number of features [N, C], and was given {x}"
            cure = "put `global_avgpool` before it, which makes [N, C] of a map of any size"
            raise OperatorError("E0205", message, help=cure, before="global_avgpool")
        if x.rank != 2:
            message = f"`dense` needs features [N, C], and was given {x}"
            raise OperatorError("E0201", message, help="put `flatten` before it", before="flatten")
        return TensorType((x.batch, self.units))

    def macs(self, *inputs: TensorType) -> Dim:
        return self.units * inputs[0].channels

    def reference(self, *inputs: Array) -> Array:
        x, weight, *bias = inputs
        y = x @ weight.T
        return y + bias[0] if bias else y


@op("dropout", "Dropout", "Dropout2d", "SpatialDropout2D", "AlphaDropout")
class Dropout(Op):
    """While training, each number is set to 0 with probability `rate`, and the others are divided by 1 - rate.

    In inference it changes nothing.

    Shapes: any value keeps its shape.

    Examples
    --------
    dense(4096) -> relu -> dropout(0.5)

    Source: Srivastava et al. 2014; torch.nn.Dropout.
    """

    rate: Fraction = 0.5

    argument_aliases = synonyms(rate="p prob probability dropout_ratio ratio")
    torch = "F.dropout({x}, {rate}, self.training)"

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        return inputs[0]

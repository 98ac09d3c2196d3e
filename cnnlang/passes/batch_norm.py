"""Batch normalisation behind a linear layer is part of that layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING

from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Convolution, Deconv
from cnnlang.ops.dense import Dense
from cnnlang.ops.norm import BatchNorm
from cnnlang.passes.walk import rewrite, use_counts

if TYPE_CHECKING:
    from cnnlang.ops.base import Array


def fold_batch_norm(graph: Graph) -> Graph:
    """Fold a bn into the layer in front of it.

    That is a convolution, deconvolution or dense layer whose only user it is.

    Law, for an output channel with scale = bn.weight / sqrt(bn.running_var + eps)::

        bn(weight * x + bias) = (scale * weight) * x + (scale * (bias - bn.running_mean) + bn.bias)

    It holds at the border too, whatever a convolution pads with, for only the result is scaled. A layer whose result
    somebody else reads, and a bn in front of a layer, stay as they are. Weights that several layers share are scaled
    for each on its own. The new weights are arithmetic on the old ones, which keep their paths.
    """
    counts = use_counts(graph)

    def rule(old: Node, new: Node) -> Node | None:
        if not isinstance(new.op, BatchNorm) or counts[old.inputs[0]] > 1:
            return None
        layer, *statistics = new.inputs
        kernel = folded_kernel(layer.op, new.op.eps)
        if kernel is None or not layer.weights or any(isinstance(w.op, FoldedKernel) for w in layer.weights):
            return None
        scale, shift, mean, variance = statistics
        weight, *bias = layer.weights
        weight = Node.of(kernel, weight, scale, variance, span=new.span)
        folded = Node.of(FoldedBias(new.op.eps), *bias, scale, shift, mean, variance, span=new.span)
        return Node.of(with_bias(layer.op), *layer.values, weight, folded, span=layer.span, name=layer.name)

    return rewrite(graph, rule)


@dataclass(frozen=True, eq=False, repr=False)
class FoldedKernel(Op):
    """weight * scale, from (weight, bn.weight, bn.running_var); a weight's first axis is the layer's outputs."""

    eps: float

    name = "folded"
    is_weight = True

    def __str__(self) -> str:
        return self.name

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        weight, scale, variance = inputs
        return weight * self.per_output(weight, scale / (variance + self.eps) ** 0.5)

    def per_output(self, weight: Array, scale: Array) -> Array:
        """One number an output, in a shape that broadcasts over the weight."""
        return scale.reshape(-1, *(1,) * (weight.ndim - 1))


@dataclass(frozen=True, eq=False, repr=False)
class FoldedDeconvKernel(FoldedKernel):
    """The same for a weight [inputs, outputs/groups, rows, columns], whose first inputs belong to the first group."""

    groups: int

    def per_output(self, weight: Array, scale: Array) -> Array:
        by_group = scale.reshape(self.groups, weight.shape[1])
        return by_group.repeat(weight.shape[0] // self.groups, axis=0)[:, :, None, None]


@dataclass(frozen=True, eq=False, repr=False)
class FoldedBias(Op):
    """scale * (bias - running_mean) + bn.bias, from (bias if there is one, then bn's weight, bias, mean, variance)."""

    eps: float

    name = "folded"
    is_weight = True

    def __str__(self) -> str:
        return self.name

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[-1]

    def reference(self, *inputs: Array) -> Array:
        *bias, scale, shift, mean, variance = inputs
        start = bias[0] - mean if bias else -mean
        return start * scale / (variance + self.eps) ** 0.5 + shift


@singledispatch
def folded_kernel(op: Op, eps: float) -> FoldedKernel | None:
    """What a bn makes of the weight of a layer; None for an operator that takes no bn in."""
    return None


@folded_kernel.register(Convolution)
@folded_kernel.register(Dense)
def _(op: Convolution | Dense, eps: float) -> FoldedKernel:
    return FoldedKernel(eps)


@folded_kernel.register
def _(op: Deconv, eps: float) -> FoldedKernel:
    return FoldedDeconvKernel(eps, op.groups)


@singledispatch
def with_bias(op: Op) -> Op:
    """The layer with a bias."""
    return replace(op, bias=True)  # type: ignore[type-var]  # `folded_kernel` lets only layers through


@with_bias.register
def _(op: Convolution) -> Op:
    # not written means a bias, except behind a fixed kernel
    return replace(op, bias=None if op.weight is None else True)  # type: ignore[type-var]

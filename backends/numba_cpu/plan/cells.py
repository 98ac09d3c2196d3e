"""Cell by cell: activations, scales, merges."""

from __future__ import annotations

import numpy as np

from cnnlang.backends.numba_cpu.plan.conv import convolve
from cnnlang.backends.numba_cpu.plan.lowering import Lowering, NoRule, activation_behind, lower
from cnnlang.ir import Node
from cnnlang.ops.conv import Conv
from cnnlang.ops.elementwise import Elementwise, Prelu
from cnnlang.ops.merge import Add, Max, Mean, Mul, SameShape
from cnnlang.ops.norm import BatchNorm, Normalize


@lower.register
def _(op: Elementwise, node: Node, to: Lowering) -> None:
    x = to.of(node.inputs[0])
    to.pointwise(node.name, "same", [x], to.make(node), op)


@lower.register
def _(op: Prelu, node: Node, to: Lowering) -> None:
    x, slope = node.inputs
    to.pointwise(node.name, "prelu", [to.of(x), to.per_channel(to.constants[slope])], to.make(node))


@lower.register
def _(op: BatchNorm, node: Node, to: Lowering) -> None:
    x, *weights = node.inputs
    scale, shift, mean, variance = (to.constants[w].astype(np.float64) for w in weights)
    factor = scale / np.sqrt(variance + op.eps)
    numbers = [to.per_channel(factor), to.per_channel(shift - mean * factor)]
    to.pointwise(node.name, "affine", [to.of(x), *numbers], to.make(node), activation_behind(node.op))


@lower.register
def _(op: Normalize, node: Node, to: Lowering) -> None:
    (x,) = node.inputs
    channels = x.type.channels
    mean, std = (np.broadcast_to(np.asarray(v, np.float64), (channels,)) for v in (op.mean, op.std))
    to.pointwise(node.name, "normal", [to.of(x), to.per_channel(mean), to.per_channel(1 / std)], to.make(node))


@lower.register
def _(op: SameShape, node: Node, to: Lowering) -> None:
    kind = {Add: "add", Mul: "mul", Max: "max", Mean: "mean"}.get(type(op))
    if kind is None:
        raise NoRule(op.name)
    conv = to.merging.residuals.get(node)
    if conv is not None:
        (other,) = (v for v in node.inputs if v is not conv)
        assert isinstance(conv.op, Conv)
        convolve(conv.op, conv, node, to, to.of(other))
        return
    # features broadcast over maps: the maps first, for the result is like them
    values = sorted(node.inputs, key=lambda n: -n.type.rank)
    to.pointwise(node.name, kind, [to.of(v) for v in values], to.make(node), activation_behind(node.op))

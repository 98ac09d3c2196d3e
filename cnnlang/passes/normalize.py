"""Fixed normalisation in front of a layer is part of that layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING

from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Conv, Depthwise
from cnnlang.ops.dense import Dense
from cnnlang.ops.norm import Normalize
from cnnlang.passes.batch_norm import with_bias
from cnnlang.passes.walk import rewrite, users_of

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

MAX_RATIO = 16  # of mean to std: so many times a sum of what is not yet shifted rounds more coarsely


def fold_normalize(graph: Graph) -> Graph:
    """Fold a `normalize` into layers behind it, where exact.

    These are convolutions and dense layers, and all that read it must take it in. Law, for weights w of inputs c::

        sum of w * (x - mean[c]) / std[c] = sum of (w / std[c]) * x - sum of w * mean[c] / std[c]

    It holds where no cell is padding, and where what pads is the number that normalises to the layer's `fill`,
    fill * std + mean. A convolution has one `fill` for all channels, so that one with padding takes a `normalize` in
    where this number is the same for all channels, and else leaves it. A mean far from 0 in units of std stays as well:
    it would cost digits.
    """
    taken = foldable(graph)

    def rule(old: Node, new: Node) -> Node | None:
        if not old.inputs or old.inputs[0] not in taken:
            return None
        normalize, weight, *bias = new.inputs
        assert isinstance(normalize.op, Normalize)
        op = behind(new.op, normalize.op, normalize.type)
        assert op is not None
        numbers = (normalize.op.mean, normalize.op.std)
        kernel = Node.of(NormalizedKernel(*numbers), weight, span=new.span)
        shift = Node.of(NormalizedBias(*numbers), weight, *bias, span=new.span)
        return Node.of(op, *normalize.inputs, kernel, shift, span=new.span, name=new.name)

    return rewrite(graph, rule)


def foldable(graph: Graph) -> set[Node]:
    """Every `normalize` that its readers all take in."""
    users = users_of(graph)
    return {
        node
        for node in graph.nodes
        if isinstance(node.op, Normalize)
        and node not in graph.outputs
        and max(map(abs, ratios(node.op))) <= MAX_RATIO
        and all(behind(user.op, node.op, node.type) for user in users.get(node, []))
    }


def ratios(op: Normalize) -> list[float]:
    """mean / std, channel by channel, or for all."""
    count = max(len(op.mean), len(op.std))
    return [m / s for m, s in zip(_each(op.mean, count), _each(op.std, count), strict=True)]


def _each(numbers: tuple[float, ...], count: int) -> tuple[float, ...]:
    return numbers if len(numbers) == count else numbers * count


@singledispatch
def behind(op: Op, before: Normalize, x: TensorType) -> Op | None:
    """The layer, with a bias, that reads x where this one reads normalised x; None where there is none."""
    return None


@behind.register
def _(op: Dense, before: Normalize, x: TensorType) -> Op:
    return with_bias(op)


@behind.register
def _(op: Conv, before: Normalize, x: TensorType) -> Op | None:
    if not any(op.pads(x)):
        return with_bias(op)
    fill = one_fill(before, op.fill)
    return None if fill is None else with_bias(replace(op, fill=fill))  # type: ignore[type-var]  # `@op` made it one


@behind.register
def _(op: Depthwise, before: Normalize, x: TensorType) -> Op | None:
    return with_bias(op) if not any(op.pads(x)) or one_fill(before, op.fill) == op.fill else None


def one_fill(before: Normalize, fill: float) -> float | None:
    """What normalises to `fill` in every channel; None where channels differ."""
    count = max(len(before.mean), len(before.std))
    found = {fill * s + m for m, s in zip(_each(before.mean, count), _each(before.std, count), strict=True)}
    return found.pop() if len(found) == 1 and all(map(math.isfinite, found)) else None


@dataclass(frozen=True, eq=False, repr=False)
class Normalized(Op):
    """What the weights of a layer become when it reads x where it read (x - mean)/std, one number a channel or one."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    name = "normalized"
    is_weight = True

    def __str__(self) -> str:
        return self.name

    def per_weight(self, weight: Array, numbers: tuple[float, ...]) -> Array:
        """The number of each weight's input, in a shape that broadcasts over `[outputs, inputs/groups, ...]`."""
        import numpy as np

        outputs, inputs = weight.shape[:2]
        if len(numbers) == 1:
            return np.asarray(numbers)
        by_group = np.reshape(numbers, (-1, inputs))
        by_output = by_group.repeat(outputs // len(by_group), axis=0)
        return by_output.reshape(outputs, inputs, *(1,) * (weight.ndim - 2))


class NormalizedKernel(Normalized):
    """weight / std."""

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        (weight,) = inputs
        return weight / self.per_weight(weight, self.std)


class NormalizedBias(Normalized):
    """bias - sum of weight * mean / std, from (weight, then the bias if there is one)."""

    def result(self, *inputs: TensorType) -> TensorType:
        return TensorType(inputs[0].shape[:1])

    def reference(self, *inputs: Array) -> Array:
        weight, *bias = inputs
        moved = weight * self.per_weight(weight, self.mean) / self.per_weight(weight, self.std)
        shift: Array = -moved.sum(axis=tuple(range(1, weight.ndim)))
        return bias[0] + shift if bias else shift

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
from cnnlang.passes.walk import rewrite, use_counts, users_of

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
    graph = join_normalize(graph)
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


def join_normalize(graph: Graph) -> Graph:
    """Make one of two in a row, the first of which nobody else reads.

    Law: ((x - m) / s - n) / t = (x - (m + n*s)) / (s*t).
    """
    counts = use_counts(graph)

    def rule(old: Node, new: Node) -> Node | None:
        if not isinstance(new.op, Normalize) or counts[old.inputs[0]] > 1:
            return None
        (before,) = new.inputs
        if not isinstance(before.op, Normalize):
            return None
        both = [(m + n * s, s * t) for (m, s), (n, t) in zip(*numbers_of(before.op, new.op), strict=True)]
        if not all(std > 0 and math.isfinite(std) for _, std in both):  # it underflows
            return None
        mean, std = (list(each) for each in zip(*both, strict=True))
        joined = Normalize.make({"mean": mean, "std": std})
        return Node.of(joined, *before.inputs, span=new.span, name=new.name) if is_near(joined) else None

    return rewrite(graph, rule)


def foldable(graph: Graph) -> set[Node]:
    """Every `normalize` that its readers all take in, and have not taken one in yet."""
    users = users_of(graph)
    return {
        node
        for node in graph.nodes
        if isinstance(node.op, Normalize)
        and node not in graph.outputs
        and is_near(node.op)
        and all(behind(user.op, node.op, node.type) for user in users.get(node, []))
        and not any(isinstance(w.op, Normalized) for user in users.get(node, []) for w in user.weights)
    }


def numbers_of(*ops: Normalize) -> list[list[tuple[float, float]]]:
    """Mean and std of each, for as many channels as one of them names."""
    count = max(len(numbers) for op in ops for numbers in (op.mean, op.std))
    means = [op.mean if len(op.mean) == count else op.mean * count for op in ops]
    stds = [op.std if len(op.std) == count else op.std * count for op in ops]
    return [list(zip(*pair, strict=True)) for pair in zip(means, stds, strict=True)]


def is_near(op: Normalize) -> bool:
    """Whether no mean is so far from 0, in units of its std, that it costs digits."""
    return all(abs(mean) <= MAX_RATIO * std for mean, std in numbers_of(op)[0])


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
    found = {fill * std + mean for mean, std in numbers_of(before)[0]}
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

"""A step that gives back what it was given is none."""

from __future__ import annotations

from functools import singledispatch

from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Op
from cnnlang.ops.elementwise import Hardsigmoid, Relu, Relu6, Sigmoid, Softmax
from cnnlang.ops.merge import Merge
from cnnlang.ops.norm import Normalize
from cnnlang.ops.pool import AdaptiveAvgPool, Pool
from cnnlang.ops.shape import (
    Channels,
    ChannelShuffle,
    Crop,
    Flatten,
    Pad,
    PadChannels,
    PixelShuffle,
    Upsample,
)

NOTHING = (0, 0, 0, 0)
AT_MOST_ONE = (Sigmoid, Hardsigmoid, Softmax)  # their results are from 0 to 1
UNCHANGED: dict[type[Op], tuple[type[Op], ...]] = {  # what a function leaves as it is
    Relu: (Relu, Relu6, *AT_MOST_ONE),
    Relu6: (Relu6, *AT_MOST_ONE),
}


def remove_identity(graph: Graph) -> Graph:
    """Remove steps that change nothing.

    Law: they give x for x. A padding or cropping of no cells, all channels of a value, one branch of a merge, a window
    of one cell, a shuffle of single channels, a flattening of what is flat, and the like, as far as the arguments and
    the shapes say it; relu of what is not negative. Numbers are never looked at. (A bilinear enlargement by 1 is x for
    all finite numbers.)
    """

    def rule(node: Node) -> Node | None:
        if node.weights or len(node.inputs) != 1:
            return None
        (x,) = node.inputs
        if isinstance(node.op, Merge) or keeps(node.op, x.type) or isinstance(x.op, UNCHANGED.get(type(node.op), ())):
            return x
        return None

    return graph.rewrite(rule)


@singledispatch
def keeps(op: Op, x: TensorType) -> bool:
    """Whether an operator with one input, of this shape, gives it back."""
    return False


@keeps.register(Pad)
@keeps.register(Crop)
def _(op: Pad | Crop, x: TensorType) -> bool:
    return op.amount == NOTHING


@keeps.register
def _(op: Upsample, x: TensorType) -> bool:
    return op.scale == (1, 1)


@keeps.register
def _(op: PixelShuffle, x: TensorType) -> bool:
    return op.r == 1


@keeps.register
def _(op: ChannelShuffle, x: TensorType) -> bool:
    return op.groups in (1, x.channels)


@keeps.register
def _(op: Channels, x: TensorType) -> bool:
    return op.stop - op.start == x.channels


@keeps.register
def _(op: PadChannels, x: TensorType) -> bool:
    return op.before == op.after == 0


@keeps.register
def _(op: Flatten, x: TensorType) -> bool:
    return x.rank == 2


@keeps.register
def _(op: Pool, x: TensorType) -> bool:
    return op.kernel == op.stride == (1, 1)  # padding is at most half a window: none


@keeps.register
def _(op: AdaptiveAvgPool, x: TensorType) -> bool:
    return op.size == x.shape[2:]


@keeps.register
def _(op: Normalize, x: TensorType) -> bool:
    return set(op.mean) == {0} and set(op.std) == {1}

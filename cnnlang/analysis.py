"""What is counted in a graph: parameters, multiply-accumulates, depth, receptive fields, memory.

Everything is for one sample in inference. Where a height or width is symbolic, a count is a `Term` of it.
"""

from __future__ import annotations

import math
from functools import singledispatch

from cnnlang.dims import Dim
from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Op, Weight
from cnnlang.ops.conv import Convolution, Deconv
from cnnlang.ops.dense import Dense, Dropout
from cnnlang.ops.elementwise import Activation
from cnnlang.ops.norm import BatchNorm, Normalize
from cnnlang.ops.pool import AdaptiveAvgPool, GlobalPool, Pool, bins
from cnnlang.ops.shape import Flatten
from cnnlang.program import Program

FLOAT_BYTES = 4


def params(graph: Graph) -> int:
    """The trained numbers, shared ones once: weights, biases, bn's weight and bias, prelu's slopes.

    Running statistics and fixed kernels are none.
    """
    return sum(node_params(n) for n in graph.weights.values())


def node_params(weight: Node) -> int:
    """The trained numbers of one weight."""
    assert isinstance(weight.op, Weight)
    return math.prod(weight.op.spec.shape) if weight.op.spec.trained else 0


def params_train(program: Program) -> int:
    """The trained numbers with the `aux` heads."""
    return params(program.training_graph)


def macs(graph: Graph) -> Dim:
    """Multiply-accumulates of convolutions and dense layers; a shared layer counts each time it is applied."""
    total: Dim = 0
    for node in graph.nodes:
        total = total + node.macs
    return total


def depth(graph: Graph) -> int:
    """The most convolution and dense layers on any path."""
    deepest: dict[Node, int] = {}
    for node in graph.nodes:
        deepest[node] = max((deepest[n] for n in node.inputs), default=0) + node.op.counts_depth
    return max(deepest[n] for n in graph.outputs)


def fully_connected(node: Node) -> Dim | None:
    """The weights that would connect every input of a convolution with every output; None for what has no weights.

    A 32x32x3 image and 28x28x6 outputs would take 3,072 x 4,704 = 14,450,688.
    """
    if not isinstance(node.op, Convolution | Deconv | Dense):
        return None
    return node.values[0].type.elements * node.type.elements


def connections(node: Node) -> Dim | None:
    """The links between numbers of a layer's input and of its output, as LeCun et al. 1998 count them.

    A multiplication is one, the bias of an output is one, a cell of a pool's window is one; padding and what `ceil`
    adds count as cells. None for what connects each number with one only.
    """
    return _connections(node.op, node)


@singledispatch
def _connections(op: Op, node: Node) -> Dim | None:
    return None


@_connections.register(Convolution)
@_connections.register(Deconv)
@_connections.register(Dense)
def _(op: Convolution | Deconv | Dense, node: Node) -> Dim | None:
    return node.macs + node.type.elements if op.has_bias else node.macs


@_connections.register
def _(op: Pool, node: Node) -> Dim | None:
    return node.type.elements * op.kernel[0] * op.kernel[1]


@_connections.register
def _(op: GlobalPool, node: Node) -> Dim | None:
    return node.values[0].type.elements


@_connections.register
def _(op: AdaptiveAvgPool, node: Node) -> Dim | None:
    x = node.values[0].type
    if not (isinstance(x.height, int) and isinstance(x.width, int)):
        return None
    rows = sum(end - start for start, end in bins(x.height, op.size[0]))
    columns = sum(end - start for start, end in bins(x.width, op.size[1]))
    return x.channels * rows * columns


def in_place(node: Node) -> bool:
    """Whether a step can write over its input: each number comes of the one in its place, or none is computed."""
    return isinstance(node.op, Activation | BatchNorm | Normalize | Dropout | Flatten)


def peak_memory(graph: Graph) -> int | None:
    """The most bytes of values that are needed at one time, steps in the graph's order; None where a size is symbolic.

    A value lives from the step that makes it to the last that reads it. An activation or a normalisation whose input
    nobody else needs writes over it. Weights are not counted.
    """
    values = [n for n in graph.nodes if not n.op.is_weight]
    sizes: dict[Node, int] = {}
    for node in values:
        elements = node.type.elements
        if not isinstance(elements, int):
            return None
        sizes[node] = elements * FLOAT_BYTES
    last = {n: i for i, node in enumerate(values) for n in (node, *node.values)}
    last |= dict.fromkeys(graph.outputs, len(values))
    live = peak = 0
    for i, node in enumerate(values):
        free = sum(sizes[n] for n in set(node.values) if last[n] == i)
        over = in_place(node) and last[node.values[0]] == i
        peak = max(peak, live + (0 if over else sizes[node]))
        live += sizes[node] - free
        if last[node] == i:  # an input that nobody reads
            live -= sizes[node]
    return peak

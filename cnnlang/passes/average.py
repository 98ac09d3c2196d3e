"""An average behind a convolution of single cells is taken before it, where there are more cells than results."""

from __future__ import annotations

from cnnlang.ir import Graph, Node
from cnnlang.ops.conv import Conv
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool
from cnnlang.passes.walk import rewrite, use_counts


def average_first(graph: Graph) -> Graph:
    """Take averages before convolutions of single cells.

    There are fewer cells then.

    Law: mean(W x + b) = W mean(x) + b, if the weights of the mean sum to 1: no padding counts. Only where the windows
    are fewer than the cells, and nobody else reads the convolution.
    """
    counts = use_counts(graph)

    def rule(old: Node, new: Node) -> Node | None:
        conv = new.inputs[0] if new.inputs else new
        if not is_mean(new) or not is_of_cells(conv) or counts[old.inputs[0]] > 1:
            return None
        x, *weights = conv.inputs
        mean = Node.of(new.op, x, span=new.span, name=new.name)
        return Node.of(conv.op, mean, *weights, span=conv.span, name=conv.name)

    return rewrite(graph, rule)


def is_of_cells(node: Node) -> bool:
    """Whether a node is a convolution that makes each cell of its result from the same cell of its input."""
    op = node.op
    return (
        isinstance(op, Conv)
        and op.kernel == (1, 1) == op.stride
        and not any(op.pads(node.inputs[0].type))
    )  # fmt: skip


def is_mean(node: Node) -> bool:
    """Whether a node is the mean of cells of the map alone, and of several for each of its own."""
    match node.op:
        case AdaptiveAvgPool():
            sizes = node.inputs[0].type.shape[2:]
            return all(isinstance(size, int) and size >= 2 * to for size, to in zip(sizes, node.op.size, strict=True))
        case AvgPool(stride=stride):
            return max(stride) > 1 and not any(node.op.pads(node.inputs[0].type))
    return False

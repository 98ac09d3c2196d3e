"""An activation behind a pooling is done before it, where the layer in front can take it in."""

from __future__ import annotations

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Op
from cnnlang.ops.elementwise import LeakyRelu, Relu, Relu6
from cnnlang.ops.pool import GlobalMaxPool, MaxPool, MinPool, Pool
from cnnlang.passes.activation import PRODUCERS
from cnnlang.passes.walk import rewrite, use_counts


def hoist_activation(graph: Graph) -> Graph:
    """Move a relu from behind a pooling to before it.

    That is a pooling by maximum or minimum.

    Law: f(max(a, b)) = max(f(a), f(b)) where f never falls, and likewise for min. Only where a layer in front takes the
    activation in (then it costs nothing, though there are more numbers), and nobody else reads what is between them. A
    window must hold a cell of the map: one without any is infinite, and f of that is not.
    """
    counts = use_counts(graph)

    def rule(old: Node, new: Node) -> Node | None:
        if not never_falls(new.op) or counts[old.inputs[0]] > 1:
            return None
        (pool,) = new.inputs
        if not is_extreme(pool) or counts[old.inputs[0].inputs[0]] > 1:
            return None
        (x,) = pool.inputs
        if not isinstance(x.op, PRODUCERS):
            return None
        active = Node.of(new.op, x, span=new.span)
        return Node.of(pool.op, active, span=pool.span, name=pool.name if new.name == new.op.name else new.name)

    return rewrite(graph, rule)


def never_falls(op: Op) -> bool:
    """Whether an activation is one that a layer does in passing, and grows with its number or stays."""
    return isinstance(op, Relu | Relu6) or (isinstance(op, LeakyRelu) and op.slope >= 0)


def is_extreme(node: Node) -> bool:
    """Whether a node is the largest or smallest number of windows that each hold a cell of the map."""
    match node.op:
        case GlobalMaxPool():
            return True
        case MaxPool() | MinPool():
            assert isinstance(node.op, Pool)
            return node.op.dilation == (1, 1) or not any(node.op.pads(node.inputs[0].type))
    return False

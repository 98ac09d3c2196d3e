"""Dropout is for training."""

from __future__ import annotations

from cnnlang.ir import Graph, Node
from cnnlang.ops.dense import Dropout


def remove_dropout(graph: Graph) -> Graph:
    """Remove dropouts.

    Law: in inference, dropout(x) = x.
    """

    def rule(node: Node) -> Node | None:
        match node:
            case Node(op=Dropout(), inputs=(x,)):
                return x
        return None

    return graph.rewrite(rule)

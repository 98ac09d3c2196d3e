"""A graph in the form in which a text is written: the same net, and nothing said that goes without saying."""

from __future__ import annotations

import dataclasses
from typing import Any

from cnnlang.ir import Graph, Node
from cnnlang.ops.conv import Convolution
from cnnlang.ops.merge import Concat

FEWEST = 3  # concatenations that grow out of each other, before they are taken for a dense block


def normal(graph: Graph) -> Graph:
    """The graph that is written.

    Laws: a convolution whose kernel is a weight has a bias unless it says otherwise; concat(a, b, c) ==
    concat(concat(a, b), c).
    """
    return nest_concats(graph.rewrite(_plain_bias))


def _plain_bias(node: Node) -> Node | None:
    if isinstance(node.op, Convolution) and node.op.bias is True and node.op.weight is None:
        op: Any = node.op  # a dataclass, as every operator in the registry is
        return dataclasses.replace(node, op=dataclasses.replace(op, bias=None))
    return None


def nest_concats(graph: Graph) -> Graph:
    """The graph in which a concatenation goes on from another that holds its first branches.

    Law: concat(a, b, c) == concat(concat(a, b), c). PyTorch's DenseNet gives every layer the list of all maps so far.
    """
    prefixes: dict[tuple[int, Node], int] = {}
    known: dict[int, Node] = {}
    nested = 0

    def rule(node: Node) -> Node | None:
        nonlocal nested
        if not isinstance(node.op, Concat):
            return None
        prefix, best, rest = 0, None, 0
        for count, value in enumerate(node.inputs, 1):
            prefix = prefixes.setdefault((prefix, value), len(prefixes) + 1)
            if count < len(node.inputs) and prefix in known:
                best, rest = known[prefix], count
        made = node
        if best is not None:
            nested += 1
            made = Node.of(node.op, best, *node.inputs[rest:], span=node.span, name=node.name)
        known.setdefault(prefix, made)
        return made

    made = graph.rewrite(rule)
    return made if nested >= FEWEST else graph

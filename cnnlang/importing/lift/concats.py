"""`concat(a, b, c)` beside `concat(a, b)`: it is `concat(concat(a, b), c)`, which says how a dense block grows."""

from __future__ import annotations

from cnnlang.ir import Graph, Node
from cnnlang.ops.merge import Concat

FEWEST = 3  # concatenations that grow out of each other, before they are taken for a dense block


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

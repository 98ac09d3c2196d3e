"""Whether two graphs are one, and which weight of one is which of the other."""

from __future__ import annotations

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input, Weight


def same_graph(left: Graph, right: Graph) -> dict[str, str] | None:
    """The right graph's path of each weight, by its path in the left; None where the graphs differ.

    Equal are the operators with their arguments, wiring, shapes, the order of the outputs and of each merge's branches;
    names are none of it.
    """
    if len(left.inputs) != len(right.inputs) or len(left.outputs) != len(right.outputs):
        return None
    pairs: dict[Node, Node] = dict(zip(left.inputs, right.inputs, strict=True))
    if any(a.type != b.type for a, b in pairs.items()):
        return None
    paths: dict[str, str] = {}
    taken: dict[str, str] = {}
    stack = list(zip(left.outputs, right.outputs, strict=True))
    while stack:
        a, b = stack.pop()
        if a in pairs:
            if pairs[a] is not b:
                return None
            continue
        if isinstance(a.op, Weight) and isinstance(b.op, Weight):
            if a.op.spec.name != b.op.spec.name or taken.setdefault(b.op.path, a.op.path) != a.op.path:
                return None
            paths[a.op.path] = b.op.path
        elif isinstance(a.op, Input) or str(a.op) != str(b.op):
            return None
        if a.type != b.type or len(a.inputs) != len(b.inputs):
            return None
        pairs[a] = b
        stack.extend(zip(a.inputs, b.inputs, strict=True))
    return paths if len(set(pairs.values())) == len(pairs) else None

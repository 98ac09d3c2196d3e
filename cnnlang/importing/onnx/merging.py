"""Merges of tensors: brought to one layout, with features over maps where shapes differ."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.errors import OperatorError
from cnnlang.importing.building import unsayable
from cnnlang.importing.onnx.arrange import canonical
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.reader import Reader
from cnnlang.importing.onnx.views import View, laid_out, order_of
from cnnlang.ir import Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.merge import Broadcasting


def merge(r: Reader, name: str, views: Sequence[View], items: Sequence[Item | None] = ()) -> View:
    """One value of several, number by number.

    Raises
    ------
    LayerError
        E0602: the tensors are spread over each other in a way that the language has no words for.
    """
    first = views[0]
    if len(views) == 1:
        return first
    if all(v.axes == first.axes and v.node.type == first.node.type for v in views):
        return first.over(r.make(name, *(v.node for v in views), items=items))
    views = [canonical(r, v) for v in views]
    order = order_of(views)
    nodes = spread(r, [v.node for v in views], issubclass(OPERATORS[name], Broadcasting))
    try:
        return laid_out(r.make(name, *nodes, items=items), order)
    except OperatorError:
        shapes = " and ".join(str(v.node.type) for v in views[:3])
        raise unsayable(f"it spreads {shapes} over each other; `add` and `mul` take [N, C] over [N, C, H, W]") from None


def spread(r: Reader, nodes: list[Node], broadcasts: bool) -> list[Node]:
    """Values brought to shapes that a merge takes: maps of 1x1 as features, a map of one channel as many."""
    if len({n.type for n in nodes}) == 1:
        return nodes
    is_map = any(n.type.rank == 4 and n.type.shape[2:] != (1, 1) for n in nodes)
    channels = max(n.type.channels for n in nodes)
    if broadcasts and is_map:
        nodes = [_widened(r, n, channels) for n in nodes]
    if broadcasts or not is_map:
        nodes = [r.make("flatten", n) if n.type.rank == 4 and n.type.shape[2:] == (1, 1) else n for n in nodes]
    return nodes


def _widened(r: Reader, node: Node, channels: int) -> Node:
    """A map of one channel, `channels` times."""
    if node.type.rank == 4 and node.type.channels == 1 < channels:
        return r.make("conv", node, channels=channels, kernel=1, weight=[[1]])
    return node

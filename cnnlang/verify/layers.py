"""What enters and leaves the layers with weights, as a framework's modules of the same paths show it."""

from __future__ import annotations

from collections import Counter

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Weight
from cnnlang.verify.runners import Array


class Layers:
    """Collects arrays by a layer's path, and answers with them by node.

    Attributes
    ----------
    by_path
        The layer of each path; one that is used several times (`shared`) is left out.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        layers = [(paths[0], node) for node in graph.nodes if (paths := _paths(node))]
        uses = Counter(path for path, _ in layers)
        self.by_path = {path: node for path, node in layers if uses[path] == 1}
        self._found: dict[Node, Array] = {}

    def keep(self, path: str, entering: Array, leaving: Array) -> None:
        """What a layer was given and what it made of it."""
        node = self.by_path[path]
        self._found.setdefault(node.values[0], entering)
        self._found[node] = leaving

    def values(self, outputs: tuple[Array, ...]) -> dict[Node, Array]:
        """All that was kept, with the net's outputs."""
        return self._found | dict(zip(self._graph.outputs, outputs, strict=True))


def _paths(node: Node) -> list[str]:
    return [n.op.path.rpartition(".")[0] for n in node.inputs if isinstance(n.op, Weight)]

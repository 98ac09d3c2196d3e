"""What is done together with something else, and how values lie for it: decided before any stage is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input, Op
from cnnlang.ops.conv import Conv
from cnnlang.ops.dense import Dense
from cnnlang.ops.elementwise import Elementwise, Prelu
from cnnlang.ops.merge import Add, Concat, SameShape
from cnnlang.ops.norm import BatchNorm, Normalize
from cnnlang.ops.pool import Pool
from cnnlang.ops.shape import Flatten
from cnnlang.passes import Fused

NARROW = 8  # lanes of the vectors of values that have no more channels: half a vector's work would be for nothing
BLOCK_BY_BLOCK = Elementwise | Prelu | SameShape | BatchNorm | Normalize | Pool  # make a block from the same blocks
PLANAR = 4  # so many channels are read as planes: there is nothing to fill a vector with


def producer(op: Op) -> Op:
    """An operator without the activation behind it."""
    return op.producer if isinstance(op, Fused) else op


class Merging:
    """The decisions for one graph.

    Attributes
    ----------
    users
        Who reads a value.
    residuals, taken
        Sums of maps, and the convolutions that take them over.
    parts
        Values that are written into a join, which one, and from which channel on.
    narrow
        Values that have narrow vectors.
    through
        What is read as if it were not there.
    """

    def __init__(self, graph: Graph, lanes: int) -> None:
        self._graph, self._lanes = graph, lanes
        self.users: dict[Node, list[Node]] = {}
        for node in graph.nodes:
            for value in node.values:
                self.users.setdefault(value, []).append(node)
        self._uses = Counter(v for node in graph.nodes for v in node.values) + Counter(graph.outputs)
        self.residuals: dict[Node, Node] = {}
        self.taken: set[Node] = set()
        order = {node: i for i, node in enumerate(graph.nodes)}
        for node in graph.nodes:
            self._take_over(node, order)
        self.parts: dict[Node, tuple[Node, int]] = {}
        for node in reversed(graph.nodes):
            self._join(node)
        self.narrow = self._narrow() if lanes > NARROW else set()
        self.through = {node for node in graph.nodes if self._is_read_through(node)}

    def _take_over(self, node: Node, order: Mapping[Node, int]) -> None:
        """A sum of two maps, one of them a convolution that nobody else reads, begins in its registers."""
        if not isinstance(producer(node.op), Add) or len(node.inputs) != 2 or node.type.rank != 4:
            return
        if node.inputs[0].type != node.inputs[1].type:
            return
        for value in sorted(node.inputs, key=lambda n: -order[n]):  # the later one, for then the other is there
            if isinstance(value.op, Conv) and self._uses[value] == 1:
                self.residuals[node] = value
                self.taken.add(value)
                return

    def _join(self, node: Node) -> None:
        """Branches of a `concat` are written where they belong, if they begin and end with whole vectors."""
        if not isinstance(node.op, Concat):
            return
        first = 0
        for i, value in enumerate(node.inputs):
            channels = value.type.channels
            is_last = i == len(node.inputs) - 1
            fits = first % self._lanes == 0 and (channels % self._lanes == 0 or is_last)
            if fits and value not in self.parts and value not in self.taken and not self.is_planar(value):
                self.parts[value] = (node, first)
            first += channels

    def _is_read_through(self, node: Node) -> bool:
        """Whether a `flatten` is read by dense layers alone, which can read the map itself."""
        users = self.users.get(node, [])
        return (
            isinstance(node.op, Flatten)
            and bool(users)
            and node not in self._graph.outputs
            and all(isinstance(producer(user.op), Dense) for user in users)
        )

    def _narrow(self) -> set[Node]:
        """Values of few channels that are made and read by what can have narrow vectors.

        A pool and what works cell by cell reads vectors as wide as it writes; so its input and result are both narrow,
        or none is.
        """
        found = {
            node
            for node in self._graph.nodes
            if not node.op.is_weight
            and node.type.rank == 4
            and node.type.channels <= NARROW
            and isinstance(producer(node.op), BLOCK_BY_BLOCK | Conv)
            and node not in self._graph.outputs
            and node not in self.parts
            and all(isinstance(producer(user.op), BLOCK_BY_BLOCK | Conv) for user in self.users.get(node, []))
        }
        while wrong := {
            node
            for node in found
            if (isinstance(producer(node.op), BLOCK_BY_BLOCK) and not found.issuperset(node.values))
            or any(
                isinstance(producer(user.op), BLOCK_BY_BLOCK) and user not in found for user in self.users.get(node, [])
            )
        }:
            found -= wrong
        return found

    def is_planar(self, node: Node) -> bool:
        """Whether an input is read by planes: by convolutions of few channels, and by nothing else."""
        users = [producer(user.op) for user in self.users.get(node, [])]
        return (
            isinstance(node.op, Input)
            and node.type.rank == 4
            and node.type.channels <= PLANAR
            and bool(users)
            and node not in self._graph.outputs
            and all(isinstance(op, Conv) and op.groups == 1 for op in users)
        )

"""Global pooling as ONNX has it, a map [N, C, 1, 1], and its end: [N, C] wherever nobody needs a map."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cnnlang.importing.building import unsayable
from cnnlang.importing.onnx.constants import Array
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Op, Weight
from cnnlang.ops.conv import Conv
from cnnlang.ops.dense import Dense, Dropout
from cnnlang.ops.elementwise import Activation
from cnnlang.ops.merge import Merge
from cnnlang.ops.norm import BatchNorm, GroupNorm, Normalize
from cnnlang.ops.pool import AdaptiveAvgPool, GlobalAvgPool, GlobalMaxPool, GlobalPool, MaxPool
from cnnlang.ops.shape import Channels, Flatten

# operators that do to a map of 1x1 what they do to features
ALIKE = (Activation, BatchNorm, Channels, Dropout, GroupNorm, Merge, Normalize)


@dataclass(frozen=True, eq=False, repr=False)
class Pooled(Op):
    """A global pooling whose result is still a map; `pool` is the language's own."""

    pool: GlobalPool

    @property
    def name(self) -> str:  # type: ignore[override]  # it is that pooling still
        return self.pool.name

    def __str__(self) -> str:
        return f"{self.pool}[N, C, 1, 1]"

    def result(self, *inputs: TensorType) -> TensorType:
        return TensorType((*self.pool.result(*inputs).shape, 1, 1))

    def reference(self, *inputs: Array) -> Array:
        return self.pool.reference(*inputs)[:, :, None, None]


def without_pooled(graph: Graph, outputs_too: bool) -> tuple[Graph, dict[Node, Node]]:
    """Say every global pooling in the language.

    Where a map [N, C, 1, 1] and all that is made of it ends in `flatten` (or in the net's output, with `outputs_too`),
    it is [N, C] from the start: `flatten(global) = global_avgpool`, `flatten(conv1x1(x)) = dense(flatten(x))`, and
    what works number by number or channel by channel is the same on both. Other global poolings stay maps.

    Returns
    -------
    The graph, and what each of its nodes was before.

    Raises
    ------
    LayerError
        E0602: a global maximum of a map of unknown size is to be a map.
    """
    flat = _becoming_flat(graph, outputs_too)
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = tuple(new[n] for n in node.inputs)
        if isinstance(node.op, Flatten) and node.inputs[0] in flat:
            new[node] = inputs[0]
        elif isinstance(node.op, Pooled):
            op = node.op.pool if node in flat else _as_map(node.op, inputs[0])
            new[node] = Node.of(op, *inputs, name=op.name if node.name == node.op.name else node.name)
        elif node in flat and isinstance(node.op, Conv):
            new[node] = _dense(node.op, node, inputs)
        elif inputs == node.inputs:
            new[node] = node
        else:
            new[node] = replace(node, inputs=inputs, type=node.op.result(*(n.type for n in inputs)))
    result = Graph(graph.name, graph.inputs, tuple(new[n] for n in graph.outputs), graph.output_names)
    return result, {after: before for before, after in new.items()}


def _becoming_flat(graph: Graph, outputs_too: bool) -> set[Node]:
    """The maps of 1x1 that can be features: made of global poolings and features only, and read by nobody as maps."""
    flat: set[Node] = set()
    for node in graph.nodes:
        if node.type.rank == 4 and node.type.shape[2:] == (1, 1) and _can(node):
            whole = all(n.type.rank == 2 or n in flat for n in node.values)
            if isinstance(node.op, Pooled) or (whole and node.values):
                flat.add(node)
    readers: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for value in node.values:
            readers.setdefault(value, []).append(node)
    kept = set() if outputs_too else set(graph.outputs)
    waiting = [n for n in flat if n in kept or not all(_is_fine(r, flat) for r in readers.get(n, ()))]
    while waiting:  # what one node needs as a map, those that it is made of and those made of it are too
        node = waiting.pop()
        if node in flat:
            flat.remove(node)
            waiting += [n for n in (*node.values, *readers.get(node, ())) if n in flat]
    return flat


def _is_fine(reader: Node, flat: set[Node]) -> bool:
    return isinstance(reader.op, Flatten) or reader in flat


def _can(node: Node) -> bool:
    op = node.op
    if isinstance(op, Conv):
        return op.kernel == (1, 1) and op.groups == 1 and op.pads(node.values[0].type) == (0, 0, 0, 0) and not op.weight
    return isinstance(op, (Pooled, *ALIKE))


def _as_map(op: Pooled, x: Node) -> Op:
    if isinstance(op.pool, GlobalAvgPool):
        return AdaptiveAvgPool.make({"size": 1})
    assert isinstance(op.pool, GlobalMaxPool)
    height, width = x.type.shape[2:]
    if not (isinstance(height, int) and isinstance(width, int)):
        raise unsayable("the largest number of a map whose size is not known is to be a map")
    return MaxPool.make({"kernel": (height, width)})


def _dense(op: Conv, node: Node, inputs: tuple[Node, ...]) -> Node:
    x, *weights = inputs
    dense = Dense.make({"units": op.channels, "bias": op.has_bias})
    made = []
    for old, spec in zip(weights, dense.weights(x.type), strict=True):
        assert isinstance(old.op, Weight)
        made.append(Node.of(Weight(spec.shape, old.op.path, spec)))
    return Node.of(dense, x, *made, name=node.name)

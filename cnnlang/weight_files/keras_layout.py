"""How Keras lays out a layer's arrays, and how they come to lie as here.

| layer | here | Keras |
| --- | --- | --- |
| conv | [out, in/groups, h, w] | [h, w, in/groups, out] |
| depthwise | [in*m, 1, h, w] | [h, w, in, m] |
| deconv | [in, out, h, w] | [h, w, out, in] |
| dense | [out, in] | [in, out]; behind `Flatten` of a map, rows in the order H, W, C |
| prelu | [C] | [1, 1, C], or [C] |
| the other vectors | [C] | [C]; behind `Flatten` of a map, in the order H, W, C |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Weight
from cnnlang.ops.elementwise import Elementwise
from cnnlang.weight_files.stored import Stored

if TYPE_CHECKING:
    from cnnlang.program import Program

# what Keras' variables are called here
LEAVES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "alpha": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# what keeps the numbers of a flattened map in their places
IN_PLACE = ("dropout", "bn", "prelu", "flatten")


@dataclass(frozen=True, slots=True)
class Owner:
    """A weight of a net: the operator that it belongs to, its shape, and the map that was flattened before, if any.

    `flattened` is that map's [C, H, W] where Keras has its numbers in another order, which a file of Keras' then shows.
    """

    path: str
    op: str
    shape: tuple[int, ...]
    flattened: tuple[int, int, int] | None

    @property
    def layer(self) -> str:
        return self.path.rpartition(".")[0]

    @property
    def leaf(self) -> str:
        return self.path.rpartition(".")[2]


def owners(graph: Graph) -> dict[str, Owner]:
    """Every weight of a net by path, in the order of use."""
    found: dict[str, Owner] = {}
    for node in graph.nodes:
        for weight in node.weights:
            if isinstance(weight.op, Weight) and weight.op.path not in found:
                path = weight.op.path
                found[path] = Owner(path, node.op.name, weight.op.spec.shape, _flattened(node))
    return found


def _flattened(node: Node) -> tuple[int, int, int] | None:
    """The map [C, H, W] whose numbers, flattened, a layer reads one by one; None where it reads something else."""
    values = node.values
    while values and values[0].type.rank == 2:
        before = values[0]
        if before.op.name == "flatten" and before.values[0].type.rank == 4:
            channels, height, width = (int(str(size)) for size in before.values[0].type.shape[1:])
            return (channels, height, width) if height * width > 1 else None
        if not (before.op.name in IN_PLACE or isinstance(before.op, Elementwise)):
            return None
        values = before.values
    return None


def emitted_owners(program: Program) -> dict[str, Owner]:
    """The same, heads that only train behind them, for the source that is emitted for Keras.

    There a map may be permuted before it is flattened; then no layer behind it sees another order.
    """
    from cnnlang.backends.keras_source.flattening import flattening

    rows = flattening(program).rows
    everything = owners(program.graph) | owners(program.training_graph)
    return {path: replace(owner, flattened=rows.get(owner.layer)) for path, owner in everything.items()}


def renamed(stored: Mapping[str, Stored], program: Program, *, only_fitting: bool = False) -> dict[str, Stored]:
    """The arrays of a Keras file, those of layers that are called as the net's by path and laid out as here.

    A layer's name has `-` in Keras where the path has a dot; `_` will do where that is not another path. With
    `only_fitting` an array of another shape than the weight's keeps its name.
    """
    if not any(entry.keras for entry in stored.values()):
        return dict(stored)
    from cnnlang.backends.keras_source.names import layer_name

    found = emitted_owners(program)
    paths = list(dict.fromkeys(owner.layer for owner in found.values()))
    exact = {layer_name(path): path for path in paths}
    alike = Counter(map(_plain, paths))
    loose = {_plain(path): path for path in paths if alike[_plain(path)] == 1}
    result = {}
    for name, entry in stored.items():
        inner = entry.layer.rpartition("/")[
            2
        ]  # a shared block is a model in the model, its layers called by whole paths
        layer = exact.get(entry.layer) or exact.get(inner) or loose.get(_plain(entry.layer))
        owner = found.get(f"{layer}.{LEAVES.get(entry.role, entry.role)}") if entry.keras else None
        here = as_here(entry, owner) if owner else entry
        if owner is None or owner.path in stored or (only_fitting and here.shape != owner.shape):
            result[name] = entry
        else:
            result[owner.path] = here
    return result


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name)


def as_here(stored: Stored, owner: Owner) -> Stored:
    """An array of Keras' as it lies here; unchanged where its shape is not one that Keras would give it."""
    shape, change = _change(stored.shape, owner)
    return replace(stored, shape=shape, read=lambda: change(stored.read()), keras=False)


def _change(shape: tuple[int, ...], owner: Owner) -> tuple[tuple[int, ...], Any]:
    match shape, owner.shape:
        case (h, w, a, b), (out, 1, high, wide) if (h, w) == (high, wide) and a * b == out and a > 1:
            if owner.op in ("conv", "depthwise"):
                return owner.shape, lambda array: array.transpose(2, 3, 0, 1).reshape(owner.shape)
            return (b, a, h, w), lambda array: array.transpose(3, 2, 0, 1)
        case (h, w, a, b), (_, _, _, _):
            return (b, a, h, w), lambda array: array.transpose(3, 2, 0, 1)
        case (a, b), (_, columns):
            if owner.flattened and a == columns:
                return (b, a), lambda array: _rows_as_here(array, owner).T
            return (b, a), lambda array: array.T
        case _, (size,) if int(np.prod(shape)) == size and max(shape, default=1) == size:
            if owner.flattened and owner.op != "dense":
                return owner.shape, lambda array: _rows_as_here(array.reshape(-1), owner)
            return owner.shape, lambda array: array.reshape(owner.shape)
    return shape, lambda array: array


def _rows_as_here(array: NDArray[Any], owner: Owner) -> NDArray[Any]:
    """Rows in the order H, W, C in the order C, H, W."""
    assert owner.flattened is not None
    channels, height, width = owner.flattened
    rows = array.reshape(height, width, channels, *array.shape[1:])
    return np.moveaxis(rows, 2, 0).reshape(array.shape)

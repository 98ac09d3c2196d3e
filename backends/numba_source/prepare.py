"""The lines of `prepare`: every layer's weights packed once, under the layer's path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnlang.backends.numba_source.layout import call, quoted
from cnnlang.backends.numba_source.names import numbered
from cnnlang.backends.numba_source.step import Layer
from cnnlang.ir import Node
from cnnlang.ops.base import Fixed, Weight

STATISTICS = ("weight", "bias", "running_mean", "running_var")


class Prepare:
    """Collects the layers as `forward` asks for them; layers packed alike are one."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()
        self._keys: dict[Node, str] = {}
        self.fixed: dict[str, Any] = {}

    def layer(self, node: Node, layer: Layer) -> str:
        """The text that reads a step's packed weights: `w["conv1"]`."""
        made = (layer.function, *self._arguments(node, layer))
        if made not in self._names:
            self._names[made] = numbered(_path(layer) or node.name, self._taken)
            self._taken.add(self._names[made])
        return f"w[{quoted(self._names[made])}]"

    def numbers(self, node: Node, argument: str, values: tuple[float, ...]) -> str:
        """The text for numbers that the file fixes."""
        if len(values) <= 4:
            return repr(values[0] if len(values) == 1 else values)
        return self._constant(f"{node.name}.{argument}", list(values))

    @property
    def lines(self) -> list[str]:
        """`w["conv1"] = conv_layer(p["conv1.weight"], p["conv1.bias"])`, and so on."""
        return [
            line
            for (function, *arguments), name in self._names.items()
            for line in call(f"w[{quoted(name)}] = ", function, arguments)
        ]

    def _arguments(self, node: Node, layer: Layer) -> list[str]:
        weights = [self._weight(node, w) for w in layer.weights]
        if not layer.bn:
            return [*weights, *layer.arguments]
        eps = "" if layer.eps == 1e-5 else f", eps={layer.eps!r}"
        statistics = f"scale_and_shift(p, {_statistics(layer.bn)}{eps})"
        return [*weights, f"bn={statistics}" if weights else f"*{statistics}", *layer.arguments]

    def _weight(self, node: Node, weight: Node) -> str:
        match weight.op:
            case Weight(path=path):
                return f"p[{quoted(path)}]"
            case Fixed(values=values):
                if weight not in self._keys:
                    self._keys[weight] = self._constant(node.name, _rows(values, weight.type.rank))
                return f"np.broadcast_to({self._keys[weight]}, {weight.type.shape})"
        msg = f"no weight of a layer is {weight.op}"
        raise TypeError(msg)

    def _constant(self, name: str, value: Any) -> str:
        key = numbered(name, self.fixed)
        self.fixed[key] = value
        return f"FIXED[{quoted(key)}]"


def _path(layer: Layer) -> str:
    """What the paths of a layer's weights have in common; "" for a layer of fixed numbers."""
    paths = [w.op.path for w in (*layer.weights, *layer.bn) if isinstance(w.op, Weight)]
    return paths[0].rpartition(".")[0] if paths else ""


def _statistics(bn: Sequence[Node]) -> str:
    """The path of a bn, or the four paths of its weights where they have no path in common."""
    paths = [w.op.path for w in bn if isinstance(w.op, Weight)]
    assert len(paths) == len(STATISTICS), "a bn's weights are read by path"
    path = paths[0].rpartition(".")[0]
    if paths == [f"{path}.{name}" for name in STATISTICS]:
        return quoted(path)
    return f"({', '.join(map(quoted, paths))})"


def _rows(values: Any, rank: int) -> Any:
    """Nested lists without the outer levels that repeat one list: a kernel for all pairs of channels is said once."""
    while rank > 2 and all(v is values[0] or v == values[0] for v in values):
        values, rank = values[0], rank - 1
    return values

"""Random weights and inputs that hide nothing: no neutral bn, no vanishing or saturated values, no square map."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.dims import Dim, variables
from cnnlang.errors import InputError, UsageError
from cnnlang.interpret import bind_sizes
from cnnlang.ir import Graph, Node, bind_type
from cnnlang.ops.base import Weight
from cnnlang.weights import generator

if TYPE_CHECKING:
    from cnnlang.program import InputInfo

Floats = NDArray[np.float32]

USUAL_SIDE = 32  # rows and columns at least of an input whose size the file leaves open
MOST_SIDE = 1024


def random_weights(graph: Graph, seed: int = 0) -> dict[str, Floats]:
    """Weights of the size that keeps values from vanishing, none of them the neutral 0 or 1 of a fresh net."""
    return {path: _random_weight(node, path, seed) for path, node in graph.weights.items()}


def calibrated_weights(graph: Graph, inputs: Sequence[NDArray[Any]], seed: int = 0) -> dict[str, Floats]:
    """Random weights, those of each convolution and dense layer scaled so that its results have a deviation of 1.

    Without that a deep net's values grow until a softmax at its end is 1 for one class and 0 for all others, and nobody
    sees what went wrong before. Mishkin and Matas 2016, "All you need is a good init".

    Parameters
    ----------
    graph
        The net.
    inputs
        One sample for each of its inputs, after which to scale.
    seed
        Any integer.
    """
    weights = random_weights(graph, seed)
    values: dict[Node, NDArray[np.float64]] = {}
    given = dict(zip(graph.inputs, inputs, strict=True))
    scaled: set[str] = set()
    uses = Counter(n for node in graph.nodes for n in node.inputs)
    for node in graph.nodes:
        if node in given:
            values[node] = np.asarray(given[node], dtype=np.float64)
        elif isinstance(node.op, Weight):
            continue
        else:
            with np.errstate(all="ignore"):
                result = node.op.reference(*_operands(node, values, weights))
                factor = _factor(node, result)
                if factor is not None and not scaled.intersection(own := _paths(node)):
                    for path in own:
                        weights[path] = (weights[path] * np.float32(factor)).astype(np.float32)
                    scaled.update(own)
                    result = node.op.reference(*_operands(node, values, weights))
            values[node] = result
        for used in node.inputs:
            uses[used] -= 1
            if not uses[used]:
                values.pop(used, None)
    return weights


def random_inputs(graph: Graph, sizes: Mapping[str, int], seed: int = 0) -> tuple[Floats, ...]:
    """An array of normal numbers for each input of a graph, with sizes for what is symbolic."""
    drawn = []
    for number, node in enumerate(graph.inputs):
        shape = [int(str(size)) for size in bind_type(node.type, dict[str, Dim](sizes)).shape]
        drawn.append(generator(seed, str(number)).normal(size=shape).astype(np.float32))
    return tuple(drawn)


def prepared_inputs(infos: Sequence[InputInfo], sizes: Mapping[str, int], seed: int = 0) -> tuple[Floats, ...]:
    """What a net is given in earnest: random pixels, prepared as its inputs say; normal numbers where they say nothing.

    Parameters
    ----------
    infos
        The net's inputs.
    sizes
        `N` and the other symbolic sizes.
    """
    drawn = []
    for number, info in enumerate(infos):
        shape = tuple(int(str(size)) for size in bind_type(info.node.type, dict[str, Dim](sizes)).shape)
        rng = generator(seed, str(number))
        if not info.metadata:
            drawn.append(rng.normal(size=shape).astype(np.float32))
            continue
        pixels = rng.integers(0, 256, shape)
        column = (-1, *(1,) * (len(shape) - 2))
        mean, std = (np.reshape(info.metadata.get(key, default), column) for key, default in (("mean", 0), ("std", 1)))
        drawn.append(((pixels * info.metadata.get("scale", 1 / 255) - mean) / std).astype(np.float32))
    return tuple(drawn)


def usable_sizes(graph: Graph) -> dict[str, int]:
    """Values for the symbolic sizes of a graph other than `N`, with which every step has a result.

    Several symbols get different values, so that a height in a width's place is seen.

    Raises
    ------
    UsageError
        None up to inputs of 1,024 rows and columns do.
    """
    names = sorted({name for node in graph.inputs for dim in node.type.shape[1:] for name in variables(dim)} - {"N"})
    for value in range(1, MOST_SIDE + 1):
        sizes = {name: value + place for place, name in enumerate(names)}
        shapes = [_shape(node, sizes) for node in graph.inputs]
        if names and min(side for shape in shapes for side in shape[2:]) < USUAL_SIDE:
            continue
        try:
            bind_sizes(graph, shapes)
        except InputError:
            continue
        return sizes
    missing = " ".join(f"--set {name}=..." for name in names)
    msg = f"no usual size of {graph.name}'s input fits all its steps; give it one with {missing}"
    raise UsageError(msg)


def _shape(node: Node, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(int(str(d)) for d in bind_type(node.type, dict[str, Dim](sizes) | {"N": 1}).shape)


def _random_weight(node: Node, path: str, seed: int) -> Floats:
    assert isinstance(node.op, Weight)
    spec = node.op.spec
    drawn = generator(seed, path).normal(size=spec.shape)
    if spec.fan_in:
        drawn *= math.sqrt(2 / spec.fan_in)
    elif spec.name == "running_var":
        drawn = np.abs(drawn) + 0.5
    elif spec.init == ("constant", 1.0):
        drawn = 1 + 0.3 * drawn
    return drawn.astype(np.float32)


def _operands(
    node: Node, values: Mapping[Node, NDArray[np.float64]], weights: Mapping[str, Floats]
) -> list[NDArray[np.float64]]:
    return [weights[n.op.path].astype(np.float64) if isinstance(n.op, Weight) else values[n] for n in node.inputs]


def _paths(node: Node) -> list[str]:
    return [n.op.path for n in node.weights if isinstance(n.op, Weight)]


def _factor(node: Node, result: NDArray[np.float64]) -> float | None:
    """By what to multiply a layer's weights; None for what is no layer of sums, and where there is nothing to scale."""
    specs = [n.op.spec for n in node.weights if isinstance(n.op, Weight)]
    if not any(spec.fan_in for spec in specs):
        return None
    deviation = float(np.sqrt(np.square(result).mean())) if result.size else 0.0
    return 1 / deviation if math.isfinite(deviation) and deviation > 1e-6 else None

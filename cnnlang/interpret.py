"""The meaning of a graph: every operator's `reference`, node after node, in float64.

Slow and plain; every other way of running a net is held to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.dims import Dim, solve
from cnnlang.errors import InputError, OperatorError, WeightsError
from cnnlang.ir import Graph, Node, TensorType, bind_type
from cnnlang.ops.base import Input, Weight

Array = NDArray[np.float64]


def interpret(graph: Graph, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any]) -> tuple[Array, ...]:
    """The graph's outputs in float64.

    Parameters
    ----------
    graph
        What to compute.
    weights
        An array for each weight of the graph, by path.
    inputs
        An array `[N, C, H, W]` or `[N, C]` for each input of the graph, in their order.

    Raises
    ------
    InputError
        The inputs are too few or too many, or do not fit the shapes that the graph says, or each other.
    WeightsError
        A weight is missing or has another shape.
    """
    wanted = Counter(graph.outputs)
    uses = Counter(n for node in graph.nodes for n in node.inputs) + wanted
    values: dict[Node, Array] = {}
    for node, value in _values(graph, weights, inputs, values):
        values[node] = value
        for used in node.inputs:
            uses[used] -= 1
            if not uses[used]:  # its memory is free as soon as nobody needs it any more
                del values[used]
    return tuple(values[node] for node in graph.outputs)


def interpret_all(graph: Graph, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any]) -> dict[Node, Array]:
    """The value of every node, weights and inputs among them, in float64; raises as `interpret` does."""
    values: dict[Node, Array] = {}
    for node, value in _values(graph, weights, inputs, values):
        values[node] = value
    return values


def interpret_rounded(graph: Graph, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any]) -> tuple[Array, ...]:
    """The graph's outputs where every value is rounded to float32 as soon as it is computed; raises as `interpret`."""
    values: dict[Node, Array] = {}
    for node, value in _values(graph, weights, inputs, values):
        with np.errstate(all="ignore"):
            values[node] = value.astype(np.float32).astype(np.float64)
    return tuple(values[node] for node in graph.outputs)


def bind_sizes(graph: Graph, shapes: list[tuple[int, ...]]) -> dict[str, int]:
    """What the symbolic sizes of a graph (`N`, `H`) are for inputs of these shapes.

    Raises
    ------
    InputError
        There is no such binding, or with it a step has no result (a window that fits no longer).
    """
    if len(shapes) != len(graph.inputs):
        wanted = f"{len(graph.inputs)} input{'s' if len(graph.inputs) != 1 else ''}"
        msg = f"{graph.name} takes {wanted}, and was given {len(shapes)}"
        raise InputError(msg)
    known: dict[str, int] = {}
    for node, shape in zip(graph.inputs, shapes, strict=True):
        if len(shape) != node.type.rank:
            raise _unfit(node, shape, known)
        for dim, size in zip(node.type.shape, shape, strict=True):
            found = solve(dim, size, known)
            if found is None:
                raise _unfit(node, shape, known)
            known.update(found)
    values: dict[str, Dim] = dict(known)
    for node in graph.nodes:
        if node.op.arity != 0:
            try:
                node.op.result(*(bind_type(n.type, values) for n in node.inputs))
            except OperatorError as error:
                sizes = ", ".join(f"{name} = {size}" for name, size in known.items())
                msg = f"{graph.name} cannot take an input of this size ({sizes}): {error.message}"
                raise InputError(msg) from None
    return known


def _unfit(node: Node, shape: tuple[int, ...], known: Mapping[str, int]) -> InputError:
    label = node.op.label if isinstance(node.op, Input) else node.name
    where = "".join(f", {name} = {size}" for name, size in known.items())
    return InputError(f"input `{label}` is {node.type}, and was given {list(shape)}{where}")


def _values(
    graph: Graph, weights: Mapping[str, NDArray[Any]], inputs: tuple[NDArray[Any], ...], values: Mapping[Node, Array]
) -> Iterator[tuple[Node, Array]]:
    """Each node with its value, inputs before users, whose values the caller keeps in `values`."""
    bind_sizes(graph, [np.shape(x) for x in inputs])
    given = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        if node in given:
            yield node, np.asarray(given[node], dtype=np.float64)
        elif isinstance(node.op, Weight):
            yield node, _weight(node.op, node.type, weights)
        else:
            # infinities and NaN go their way, as in every other backend
            with np.errstate(all="ignore"):
                value = node.op.reference(*(values[n] for n in node.inputs))
            yield node, value


def _weight(op: Weight, type: TensorType, weights: Mapping[str, NDArray[Any]]) -> Array:
    if op.path not in weights:
        msg = f"there is no weight `{op.path}` {type}"
        raise WeightsError(msg)
    value = np.asarray(weights[op.path], dtype=np.float64)
    if value.shape != type.shape:
        msg = f"weight `{op.path}` is {type}, and was given {list(value.shape)}"
        raise WeightsError(msg)
    return value

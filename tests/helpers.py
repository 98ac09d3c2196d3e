"""What the tests of backends share: a comparison, weights that hide nothing, and ways to run the Numba source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.backends.numba_source import emit, emit_graph
from cnnlang.dims import Dim
from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Fixed, Input, Op, Weight
from cnnlang.program import Program
from cnnlang.verify import TOLERANCE, compare, is_steady, random_inputs, random_weights
from tests.load_module import load_module

__all__ = [
    "apply",
    "assert_close",
    "graph_of",
    "is_steady",
    "plain_module",
    "random_inputs",
    "random_weights",
    "run_numba",
]

Arrays = tuple[NDArray[Any], ...]


def assert_close(actual: Any, reference: Any, tolerance: float = TOLERANCE) -> None:
    """A float32 result agrees with the float64 reference, as `cnnlang verify` says it."""
    difference = compare(actual, reference)
    assert difference.agrees(tolerance), str(difference)


def graph_of(op: Op, *shapes: tuple[Dim, ...], name: str = "") -> Graph:
    """The graph of one operator, its weights by the paths `{name}.weight` and so on (`{operator}1` unless given)."""
    inputs = [Node.of(Input(shape, f"x{i}")) for i, shape in enumerate(shapes)]
    node = apply(op, *inputs, name=name or f"{op.name}1")
    return Graph("Net", tuple(inputs), (node,), ("output",))


def apply(op: Op, *values: Node, name: str) -> Node:
    """An operator on values, with weights of its own."""
    specs = op.weights(*(v.type for v in values))
    weights = [
        Node.of(Weight(s.shape, f"{name}.{s.name}", s) if s.values is None else Fixed(s.shape, s.values)) for s in specs
    ]
    return Node.of(op, *values, *weights, name=name if weights else "")


def run_numba(
    net: Graph | Program, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any], jit: bool = False
) -> Arrays:
    """The outputs of the module that the Numba target makes of a net.

    Compiling takes seconds; with `jit=False` the same text runs as plain Python, for small nets.
    """
    text = emit_graph(net) if isinstance(net, Graph) else emit(net)
    module: Any = load_module(text) if jit else SimpleNamespace(**plain_module(text))
    with np.errstate(all="ignore"):
        result = module.forward(*inputs, module.prepare(weights))
    return result if isinstance(result, tuple) else (result,)


def plain_module(text: str) -> dict[str, Any]:
    """A generated module without Numba: `njit` is nothing and `prange` is `range`."""
    imported = [line for line in text.splitlines() if line.startswith("from numba import ")]
    for line in imported:
        text = text.replace(f"\n{line}\n", "\n\n", 1)
    module: dict[str, Any] = {"njit": _plain_njit, "prange": range, "__name__": "plain"}
    exec(compile(text, "<numba source>", "exec"), module)
    if "math" in module:
        module["math"] = _Math()
    return module


def _plain_njit(*function: Any, **options: Any) -> Any:
    return function[0] if function else lambda function: function


class _Math:
    """`math` as compiled code knows it: what is too large is infinite, not an error."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(math, name)
        if not callable(function):
            return function

        def quiet(*numbers: float) -> float:
            try:
                return float(function(*numbers))
            except OverflowError:
                return math.inf

        return quiet

"""What the tests of backends share: a comparison, weights that hide nothing, and ways to run the Numba source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.backends.numba_source import emit, emit_graph
from cnnlang.cache import load_module
from cnnlang.dims import Dim
from cnnlang.interpret import interpret
from cnnlang.ir import Graph, Node, bind_type
from cnnlang.ops.base import Fixed, Input, Op, Weight
from cnnlang.program import Program
from cnnlang.weights import generator

Arrays = tuple[NDArray[Any], ...]


def assert_close(actual: Any, reference: Any, tolerance: float = 1e-4) -> None:
    """A float32 result agrees with the float64 reference: max|a - b| <= tolerance * max(max|b|, 1e-3).

    Shapes, places of NaN and infinities are equal.
    """
    actual, reference = np.asarray(actual), np.asarray(reference)
    assert actual.shape == reference.shape
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(reference), err_msg="NaN in other places")
    finite = np.isfinite(reference)
    np.testing.assert_array_equal(np.isfinite(actual), finite, err_msg="infinities in other places")
    infinite = np.isinf(reference)
    np.testing.assert_array_equal(actual[infinite], reference[infinite], err_msg="infinities of another sign")
    largest = np.abs(reference[finite]).max(initial=0.0)
    np.testing.assert_allclose(actual[finite], reference[finite], rtol=0, atol=tolerance * max(largest, 1e-3))


def is_steady(graph: Graph, weights: Mapping[str, NDArray[Any]], inputs: Arrays, reference: Arrays) -> bool:
    """Whether the reference hardly moves where every input moves by a rounding of float32.

    Where it does not (a division by what is nearly 0), float32 cannot agree with it, however it is computed.
    """
    signs = [np.sign(generator(0, str(i)).normal(size=x.shape)) for i, x in enumerate(inputs)]
    nudged = [x.astype(np.float64) * (1 + 2.0**-23 * sign) for x, sign in zip(inputs, signs, strict=True)]
    try:
        for moved, expected in zip(interpret(graph, weights, *nudged), reference, strict=True):
            assert_close(moved, expected, 2e-5)
    except AssertionError:
        return False
    return True


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


def random_weights(graph: Graph, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Weights of the size that keeps values from vanishing, none of them the neutral 0 or 1 of a fresh net."""
    found = {}
    for path, node in graph.weights.items():
        assert isinstance(node.op, Weight)
        spec = node.op.spec
        drawn = generator(seed, path).normal(size=spec.shape)
        if spec.fan_in:
            drawn *= math.sqrt(2 / spec.fan_in)
        elif spec.name == "running_var":
            drawn = np.abs(drawn) + 0.5
        elif spec.init == ("constant", 1.0):
            drawn = 1 + 0.3 * drawn
        found[path] = drawn.astype(np.float32)
    return found


def random_inputs(graph: Graph, sizes: Mapping[str, int], seed: int = 0) -> Arrays:
    """An array for each input of a graph, with sizes for what is symbolic."""
    drawn = []
    for number, node in enumerate(graph.inputs):
        shape = [int(str(size)) for size in bind_type(node.type, dict(sizes)).shape]
        drawn.append(generator(seed, str(number)).normal(size=shape).astype(np.float32))
    return tuple(drawn)


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

"""Whole graphs, node after node, against PyTorch; inputs and weights that do not fit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from cnnlang.dims import Dim, Term
from cnnlang.errors import InputError, WeightsError
from cnnlang.interpret import bind_sizes, interpret, interpret_all
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Fixed, Input, Weight
from tests.operator_cases import make, random

torch.set_num_threads(1)

N, H, W = (Term.variable(name) for name in "NHW")


def given(label: str, *shape: Dim) -> Node:
    return Node.of(Input(shape, label), name=label)


def layer(name: str, x: Node, path: str, **arguments: Any) -> Node:
    op = make(name, **arguments)
    weights = [
        Node.of(
            Weight(spec.shape, f"{path}.{spec.name}", spec) if spec.values is None else Fixed(spec.shape, spec.values)
        )
        for spec in op.weights(x.type)
    ]
    return Node.of(op, x, *weights, name=path)


def small_net() -> Graph:
    """A residual block on a map of any size, with two outputs."""
    image = given("image", N, 3, 2 * H, W)
    stem = Node.of(make("relu"), layer("conv", image, "stem", channels=4, kernel=3, pad=1))
    blurred = layer("depthwise", stem, "blur", kernel=3, pad=1, weight=[[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    total = Node.of(make("add"), layer("bn", blurred, "bn"), stem, stem)
    logits = layer("dense", Node.of(make("global_avgpool"), total), "head", units=5)
    return Graph("Small", (image,), (logits, total), ("logits", "total"))


def small_weights(graph: Graph) -> dict[str, NDArray[np.float64]]:
    weights = {path: random(*node.type.shape, seed=i) for i, (path, node) in enumerate(graph.weights.items())}  # type: ignore[arg-type]
    weights["bn.running_var"] = np.abs(weights["bn.running_var"]) + 0.5
    return weights


def test_a_net_is_pytorchs() -> None:
    graph, x = small_net(), random(2, 3, 6, 5)
    weights = small_weights(graph)
    w = {path: torch.from_numpy(value) for path, value in weights.items()}
    stem = F.relu(F.conv2d(torch.from_numpy(x), w["stem.weight"], w["stem.bias"], padding=1))
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=torch.float64).expand(4, 1, 3, 3)
    y = F.conv2d(stem, kernel, padding=1, groups=4)
    total = F.batch_norm(y, w["bn.running_mean"], w["bn.running_var"], w["bn.weight"], w["bn.bias"]) + stem + stem
    logits = F.linear(total.mean((2, 3)), w["head.weight"], w["head.bias"])
    ours = interpret(graph, weights, x)
    np.testing.assert_allclose(ours[0], logits.numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours[1], total.numpy(), rtol=1e-12)


def test_all_values_are_the_same_ones() -> None:
    graph, x = small_net(), random(1, 3, 4, 4)
    weights = small_weights(graph)
    values = interpret_all(graph, weights, x)
    assert set(values) == set(graph.nodes)
    for node, value in zip(graph.outputs, interpret(graph, weights, x), strict=True):
        np.testing.assert_array_equal(values[node], value)
    np.testing.assert_array_equal(values[graph.inputs[0]], x)
    assert all(value.dtype == np.float64 for value in values.values())


def test_weights_and_inputs_of_float32_are_computed_with_in_float64() -> None:
    graph = small_net()
    weights = {path: value.astype(np.float32) for path, value in small_weights(graph).items()}
    assert interpret(graph, weights, random(1, 3, 4, 4).astype(np.float32))[0].dtype == np.float64


def test_a_long_chain_is_no_recursion() -> None:
    x = node = given("x", N, 3)
    for _ in range(20_000):
        node = Node.of(make("relu"), node)
    (y,) = interpret(Graph("Long", (x,), (node,), ("y",)), {}, random(1, 3))
    np.testing.assert_array_equal(y, np.maximum(random(1, 3), 0))


def test_an_input_can_be_an_output() -> None:
    x, unused = given("x", N, 3), given("unused", N, 1)
    y = Node.of(make("relu"), x)
    graph = Graph("Through", (x, unused), (x, y, x), ("a", "b", "c"))
    a, b, c = interpret(graph, {}, random(2, 3), random(2, 1))
    np.testing.assert_array_equal(a, random(2, 3))
    np.testing.assert_array_equal(b, np.maximum(a, 0))
    assert c is a


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [((2, 3, 6, 5), {"N": 2, "H": 3, "W": 5}), ((1, 3, 2, 1), {"N": 1, "H": 1, "W": 1})],
)
def test_sizes(shape: tuple[int, ...], sizes: dict[str, int]) -> None:
    assert bind_sizes(small_net(), [shape]) == sizes


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([], "Small takes 1 input, and was given 0"),
        ([(1, 3, 4, 4), (1, 3)], "Small takes 1 input, and was given 2"),
        ([(3, 4, 4)], "input `image` is [N, 3, 2*H, W], and was given [3, 4, 4]"),
        ([(1, 4, 4, 4)], "input `image` is [N, 3, 2*H, W], and was given [1, 4, 4, 4], N = 1"),
        ([(1, 3, 5, 4)], "input `image` is [N, 3, 2*H, W], and was given [1, 3, 5, 4], N = 1"),
        ([(0, 3, 4, 4)], "input `image` is [N, 3, 2*H, W], and was given [0, 3, 4, 4]"),
    ],
)
def test_inputs_that_do_not_fit(shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        interpret(small_net(), {}, *map(np.zeros, shapes))


def test_inputs_fit_each_other() -> None:
    x, y = given("x", N, 3), given("y", N, 3)
    graph = Graph("Two", (x, y), (Node.of(make("add"), x, y),), ("z",))
    with pytest.raises(InputError, match=re.escape("input `y` is [N, 3], and was given [3, 3], N = 2")):
        interpret(graph, {}, np.zeros((2, 3)), np.zeros((3, 3)))


def test_a_map_may_be_too_small() -> None:
    x = given("x", N, 1, H, W)
    y = layer("maxpool", layer("maxpool", x, "", kernel=2), "", kernel=2)
    graph = Graph("Pools", (x,), (y,), ("y",))
    assert interpret(graph, {}, np.zeros((1, 1, 4, 4)))[0].shape == (1, 1, 1, 1)
    sizes = "N = 1, H = 8, W = 3"
    message = f"Pools cannot take an input of this size ({sizes}): `maxpool`: no 2x2 window fits a [1, 1, 4, 1] map"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        interpret(graph, {}, np.zeros((1, 1, 8, 3)))


def test_a_missing_weight() -> None:
    with pytest.raises(WeightsError, match=re.escape("there is no weight `stem.weight` [4, 3, 3, 3]")):
        interpret(small_net(), {}, np.zeros((1, 3, 4, 4)))


def test_a_weight_of_another_shape() -> None:
    graph = small_net()
    weights = small_weights(graph) | {"bn.bias": np.zeros(5)}
    with pytest.raises(WeightsError, match=re.escape("weight `bn.bias` is [4], and was given [5]")):
        interpret(graph, weights, np.zeros((1, 3, 4, 4)))


def test_nan_goes_its_way_without_a_warning() -> None:
    x = given("x", N, 1)
    graph = Graph("Sigmoid", (x,), (Node.of(make("softmax"), Node.of(make("silu"), x)),), ("y",))
    assert np.isnan(interpret(graph, {}, np.array([[np.inf], [-np.inf], [np.nan]]))[0]).all()


def test_the_shape_is_bound_to_the_type() -> None:
    graph = small_net()
    (y, total) = interpret(graph, small_weights(graph), random(3, 3, 8, 7))
    assert (y.shape, total.shape) == ((3, 5), (3, 4, 8, 7))
    assert graph.outputs[1].type == TensorType((N, 4, 2 * H, W))

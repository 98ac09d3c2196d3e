"""Folding a `normalize` into a layer never changes numbers beyond rounding, whatever the layer pads with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlang.backends.numba_cpu import Engine
from cnnlang.dims import Dim, Term
from cnnlang.errors import OperatorError
from cnnlang.interpret import interpret
from cnnlang.ir import Graph, Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Input
from cnnlang.passes import fold_normalize
from cnnlang.passes.normalize import MAX_RATIO
from tests.helpers import apply, random_inputs, random_weights

CHANNELS, SIDE = 4, 7
SIZES = {"N": 2, "H": SIDE, "W": SIDE}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def chain(*steps: tuple[str, dict[str, Any]], channels: int = CHANNELS, side: Dim = SIDE) -> Graph:
    x = start = Node.of(Input((Term.variable("N"), channels, side, side), "x"))
    for i, (name, arguments) in enumerate(steps):
        x = apply(OPERATORS[name].make(arguments), x, name=f"{name}{i}")
    return Graph("Net", (start,), (x,), ("output",))


def folds(graph: Graph) -> bool:
    """Whether the pass takes the `normalize` away; the numbers are the same in any case."""
    folded = fold_normalize(graph)
    weights, inputs = random_weights(graph), random_inputs(graph, SIZES)
    (before,), (after,) = interpret(graph, weights, *inputs), interpret(folded, weights, *inputs)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-13 * MAX_RATIO * np.abs(before).max())
    return all(node.op.name != "normalize" for node in folded.nodes)


numbers = st.floats(-4, 4).map(lambda x: round(x, 3))
spreads = st.floats(0.25, 4).map(lambda x: round(x, 3))


def per_channel(one: st.SearchStrategy[float]) -> st.SearchStrategy[float | list[float]]:
    return st.one_of(one, st.lists(one, min_size=CHANNELS, max_size=CHANNELS))


@st.composite
def layers(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A layer behind a `normalize`, of any geometry."""
    name = draw(st.sampled_from(["conv", "conv", "conv", "depthwise", "deconv"]))
    sides = st.tuples(*[st.integers(0, 2)] * 4)
    arguments = {
        "kernel": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "stride": draw(st.integers(1, 2)),
        "pad": draw(st.one_of(st.sampled_from([0, 1, "same_upper"]), sides)),
        "dilation": draw(st.integers(1, 2)),
        "bias": draw(st.booleans()),
    }
    if name == "depthwise":
        return name, {**arguments, "multiplier": draw(st.integers(1, 2))}
    arguments |= {"channels": draw(st.sampled_from([2, 4, 6])), "groups": draw(st.sampled_from([1, 2]))}
    return name, {**arguments, "fill": draw(st.sampled_from([0, 1, -2.5]))} if name == "conv" else arguments


@settings(deadline=None, max_examples=200)
@given(per_channel(numbers), per_channel(spreads), layers(), st.booleans())
def test_folding_never_changes_numbers(mean: Any, std: Any, layer: tuple[str, dict[str, Any]], symbolic: bool) -> None:
    name, arguments = layer
    try:
        graph = chain(("normalize", {"mean": mean, "std": std}), layer, side=Term.variable("H") if symbolic else SIDE)
    except OperatorError:  # no window fits, or the padding depends on a size
        return
    pads = graph.outputs[0].op.pads(graph.inputs[0].type)  # type: ignore[attr-defined]  # every layer here has it
    means, stds = (np.broadcast_to(np.asarray(v, float), CHANNELS) for v in (mean, std))
    fill = arguments.get("fill", 0)
    borders = set(fill * stds + means)
    can_say = not any(pads) or (len(borders) == 1 and (name == "conv" or borders == {0}))
    assert folds(graph) == (name != "deconv" and can_say and max(abs(means / stds)) <= MAX_RATIO)


@pytest.mark.parametrize(
    ("arguments", "pad", "is_folded"),
    [
        (IMAGENET, 0, True),
        (IMAGENET, 1, False),  # each channel would have to be padded with a number of its own
        ({"mean": 0.5, "std": [0.2, 0.3, 0.4]}, 1, True),
        ({"mean": 0, "std": 3}, 1, True),
    ],
)
def test_the_border_of_a_padded_map_stays_what_it_is(arguments: dict[str, Any], pad: int, is_folded: bool) -> None:
    """The cells at the border see the padding most; through the engine, within float32."""
    graph = chain(("normalize", arguments), ("conv", {"channels": 5, "kernel": 3, "pad": pad}), channels=3)
    assert folds(graph) == is_folded
    weights, inputs = random_weights(graph), random_inputs(graph, SIZES)
    (expected,) = interpret(graph, weights, *inputs)
    (actual,) = Engine(graph, weights)([np.asarray(x, np.float32) for x in inputs])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_a_dense_layer_takes_it_in() -> None:
    x = start = Node.of(Input((Term.variable("N"), 6), "x"))
    x = apply(OPERATORS["normalize"].make({"mean": [1, 2, 3, 4, 5, 6], "std": 2}), x, name="normalize1")
    x = apply(OPERATORS["dense"].make({"units": 3, "bias": False}), x, name="dense1")
    assert folds(Graph("Net", (start,), (x,), ("output",)))


def test_a_mean_that_costs_digits_stays() -> None:
    conv = ("conv", {"channels": 2, "kernel": 3})
    assert folds(chain(("normalize", {"mean": MAX_RATIO, "std": 1}), conv))
    assert not folds(chain(("normalize", {"mean": -MAX_RATIO - 1, "std": 1}), conv))

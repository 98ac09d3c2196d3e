"""Activations against PyTorch in float64, infinities and NaN included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnnlang.ops import OPERATORS
from cnnlang.ops.elementwise import Activation
from tests.operator_cases import Array, evaluate, make, random

torch.set_num_threads(1)

CASES: list[tuple[str, dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]] = [
    ("relu", {}, F.relu),
    ("relu6", {}, F.relu6),
    ("leaky_relu", {}, F.leaky_relu),
    ("leaky_relu", {"slope": 0.3}, lambda x: F.leaky_relu(x, 0.3)),
    ("leaky_relu", {"slope": -0.5}, lambda x: F.leaky_relu(x, -0.5)),
    ("elu", {}, F.elu),
    ("selu", {}, F.selu),
    ("gelu", {}, F.gelu),
    ("silu", {}, F.silu),
    ("hardswish", {}, F.hardswish),
    ("hardsigmoid", {}, F.hardsigmoid),
    ("mish", {}, F.mish),
    ("softplus", {}, F.softplus),
    ("sigmoid", {}, torch.sigmoid),
    ("tanh", {}, torch.tanh),
    ("softmax", {}, lambda x: F.softmax(x, 1)),
    ("log_softmax", {}, lambda x: F.log_softmax(x, 1)),
]
IDS = [str(make(name, **arguments)) for name, arguments, _ in CASES]
EXTREMES = [-np.inf, -1e308, -1e4, -750.0, -88.5, -6.0, -3.0, -1.0, -1e-9, -0.0, 0.0, 1e-9, 1.0, 3.0, 6.0, 20.0, 750.0,
            1e308, np.inf, np.nan]  # fmt: skip


def agree(name: str, arguments: dict[str, Any], theirs: Callable[[torch.Tensor], torch.Tensor], x: Array) -> None:
    # PyTorch's softplus, and mish with it, is x itself from 20 on, which is 2e-9 less
    tolerance = 3e-9 if name in ("softplus", "mish") else 1e-12
    expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(evaluate(make(name, **arguments), x), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES, ids=IDS)
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4, 5), (1, 1, 1, 1), (1, 1)])
def test_on_normal_numbers(
    name: str, arguments: dict[str, Any], theirs: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int, ...]
) -> None:
    agree(name, arguments, theirs, 5 * random(*shape))


@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES, ids=IDS)
def test_on_extremes(name: str, arguments: dict[str, Any], theirs: Callable[[torch.Tensor], torch.Tensor]) -> None:
    agree(name, arguments, theirs, np.array(EXTREMES)[:, None])


@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES, ids=IDS)
@settings(deadline=None, max_examples=50)
@given(x=hnp.arrays(np.float64, (2, 3), elements=st.floats(-1e6, 1e6) | st.sampled_from(EXTREMES)))
def test_on_any_numbers(
    name: str, arguments: dict[str, Any], theirs: Callable[[torch.Tensor], torch.Tensor], x: Array
) -> None:
    agree(name, arguments, theirs, x)


def test_every_activation_is_compared() -> None:
    activations = {name for name, cls in OPERATORS.items() if issubclass(cls, Activation)}
    assert activations - {"prelu"} == {name for name, _, _ in CASES}


@pytest.mark.parametrize("shape", [(3, 5), (2, 5, 3, 4)])
def test_prelu(shape: tuple[int, ...]) -> None:
    x, slope = random(*shape), random(5, seed=1)
    expected = F.prelu(torch.from_numpy(x), torch.from_numpy(slope)).numpy()
    np.testing.assert_allclose(evaluate(make("prelu"), x, weights=[slope]), expected)


@pytest.mark.parametrize("shape", [(3, 5), (2, 5, 3, 4)])
def test_softmax_is_over_the_channels(shape: tuple[int, ...]) -> None:
    np.testing.assert_allclose(evaluate(make("softmax"), random(*shape)).sum(axis=1), 1.0)

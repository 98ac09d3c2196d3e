"""The comparison that the tests of backends rest on finds wrong backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cnnlang
from cnnlang.interpret import interpret
from tests.helpers import assert_close, random_inputs, random_weights, run_numba

REFERENCE = np.array([[1.0, -2.0, np.nan], [np.inf, -np.inf, 0.5]])


def test_what_is_close() -> None:
    assert_close(REFERENCE.astype(np.float32), REFERENCE)
    assert_close(np.array([1.00009, 0.0]), np.array([1.0, 0.0]))
    assert_close(np.array([0.0, 0.9e-7]), np.array([0.0, 0.0]))


WRONG: dict[str, Callable[[Any], Any]] = {
    "always -7": lambda y: np.full_like(y, -7),
    "another shape": lambda y: y[:, :2],
    "one axis more": lambda y: y[None],
    "broadcasts": lambda y: y[:1],
    "a little off": lambda y: y + 3e-4,
    "one number off": lambda y: np.where(y == 0.5, 0.51, y),
    "a NaN gone": lambda y: np.nan_to_num(y, posinf=np.inf, neginf=-np.inf),
    "a NaN more": lambda y: np.where(y == 0.5, np.nan, y),
    "an infinity gone": lambda y: np.where(np.isposinf(y), 3e38, y),
    "an infinity of another sign": lambda y: np.abs(y),
    "an infinity more": lambda y: np.where(y == 0.5, np.inf, y),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong(wrong: str) -> None:
    with pytest.raises(AssertionError):
        assert_close(WRONG[wrong](REFERENCE), REFERENCE)


@pytest.mark.parametrize("value", [1.0002, 0.9998])
def test_one_number_in_a_thousand(value: float) -> None:
    reference = np.ones(1000)
    actual = reference.copy()
    actual[500] = value
    with pytest.raises(AssertionError):
        assert_close(actual, reference)


@pytest.mark.parametrize("jit", [False, True])
def test_a_broken_weight_is_seen(jit: bool) -> None:
    graph = cnnlang.loads("cnn 1\nnet Net { input x: [N, 2, 5, 5]\n conv(2, 3) -> bn }").graph
    weights, inputs = random_weights(graph), random_inputs(graph, {"N": 1})
    (reference,) = interpret(graph, weights, *inputs)
    assert_close(run_numba(graph, weights, *inputs, jit=jit)[0], reference)
    for path in weights:
        broken = {**weights, path: weights[path] * 1.01}
        with pytest.raises(AssertionError):
            assert_close(run_numba(graph, broken, *inputs, jit=jit)[0], reference)

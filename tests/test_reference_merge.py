"""Merges against PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.operator_cases import evaluate, make, random

torch.set_num_threads(1)

EQUAL: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "add": lambda xs: xs.sum(0),
    "mul": lambda xs: xs.prod(0),
    "max": lambda xs: xs.amax(0),
    "mean": lambda xs: xs.mean(0),
}


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3, 4)])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_equal_shapes(name: str, shape: tuple[int, ...], count: int) -> None:
    xs = [random(*shape, seed=i) for i in range(count)]
    expected = EQUAL[name](torch.stack([torch.from_numpy(x) for x in xs])).numpy()
    np.testing.assert_allclose(evaluate(make(name), *xs), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["add", "mul"])
@pytest.mark.parametrize("places", [(4, 2), (2, 4), (4, 2, 4), (2, 4, 2)], ids=str)
def test_features_count_for_every_place_of_a_map(name: str, places: tuple[int, ...]) -> None:
    shape = (2, 5, 3, 4)
    xs = [random(*shape[:rank], seed=i) for i, rank in enumerate(places)]
    wide = [torch.from_numpy(x.reshape(*x.shape, *(1,) * (4 - x.ndim))).expand(shape) for x in xs]
    np.testing.assert_allclose(evaluate(make(name), *xs), EQUAL[name](torch.stack(wide)).numpy(), rtol=1e-12)


@pytest.mark.parametrize("tail", [(), (3, 4)])
def test_concat(tail: tuple[int, ...]) -> None:
    xs = [random(2, channels, *tail) for channels in (1, 4, 2)]
    np.testing.assert_array_equal(
        evaluate(make("concat"), *xs), torch.cat([torch.from_numpy(x) for x in xs], 1).numpy()
    )


@pytest.mark.parametrize("name", EQUAL)
def test_nan_and_infinities_are_as_in_pytorch(name: str) -> None:
    values = np.array([1.0, 0.0, -np.inf, np.inf, np.nan])
    xs = [np.repeat(values, 5)[None], np.tile(values, 5)[None]]
    expected = EQUAL[name](torch.stack([torch.from_numpy(x) for x in xs])).numpy()
    np.testing.assert_array_equal(evaluate(make(name), *xs), expected)

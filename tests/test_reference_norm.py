"""Normalisation and dropout against PyTorch in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operator_cases import evaluate, make, random, weight_arrays

torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 3, 5)])
@pytest.mark.parametrize("eps", [1e-5, 1e-3, 0.0])
def test_bn(shape: tuple[int, ...], eps: float) -> None:
    op, x = make("bn", eps=eps), random(*shape)
    weight, bias, mean, variance = (torch.from_numpy(w) for w in weight_arrays(op, x))
    expected = F.batch_norm(torch.from_numpy(x), mean, variance, weight, bias, training=False, eps=eps)
    np.testing.assert_allclose(evaluate(op, x), expected.numpy(), rtol=1e-12)


@settings(deadline=None)
@given(
    st.integers(1, 9),
    st.sampled_from([1, 3, 5, 7, 11]),
    st.floats(1e-5, 2),
    st.floats(0.1, 2),
    st.floats(0.5, 3),
)
def test_lrn(channels: int, size: int, alpha: float, beta: float, k: float) -> None:
    x = random(2, channels, 3, 4)
    op = make("lrn", size=size, alpha=alpha, beta=beta, k=k)
    expected = F.local_response_norm(torch.from_numpy(x), size, alpha, beta, k)
    np.testing.assert_allclose(evaluate(op, x), expected.numpy(), rtol=1e-10)


def test_lrn_may_reach_beyond_all_channels() -> None:
    x = random(1, 3, 2, 2)
    expected = x / (1 + 1e-4 / 10_000_001 * (x * x).sum(axis=1, keepdims=True)) ** 0.75
    np.testing.assert_allclose(evaluate(make("lrn", size=10_000_001), x), expected, rtol=1e-12)


def test_lrn_has_pytorchs_defaults() -> None:
    x = 30 * random(1, 6, 2, 2)
    expected = F.local_response_norm(torch.from_numpy(x), 5)
    np.testing.assert_allclose(evaluate(make("lrn", size=5), x), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("shape", [(3, 12), (2, 12, 3, 5), (1, 12, 1, 1)])
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_group_norm(shape: tuple[int, ...], groups: int, eps: float) -> None:
    op, x = make("group_norm", groups=groups, eps=eps), random(*shape)
    weight, bias = (torch.from_numpy(w) for w in weight_arrays(op, x))
    expected = F.group_norm(torch.from_numpy(x), groups, weight, bias, eps)
    np.testing.assert_allclose(evaluate(op, x), expected.numpy(), rtol=1e-9, atol=1e-12)


def test_group_norm_of_each_channel_is_instance_norm() -> None:
    op, x = make("group_norm", groups=4), random(2, 4, 3, 5)
    weight, bias = (torch.from_numpy(w) for w in weight_arrays(op, x))
    expected = F.instance_norm(torch.from_numpy(x), weight=weight, bias=bias)
    np.testing.assert_allclose(evaluate(op, x), expected.numpy(), rtol=1e-9)


def test_group_norm_of_one_group_is_layer_norm() -> None:
    op, x = make("group_norm", groups=1), random(2, 4, 3, 5)
    expected = F.layer_norm(torch.from_numpy(x), (4, 3, 5)).numpy()
    np.testing.assert_allclose(evaluate(op, x, weights=[np.ones(4), np.zeros(4)]), expected, rtol=1e-9)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("mean", [0.5, [0.485, 0.456, 0.406], [0.25]])
@pytest.mark.parametrize("std", [2, [0.229, 0.224, 0.225]])
def test_normalize(shape: tuple[int, ...], mean: float | list[float], std: float | list[float]) -> None:
    x = random(*shape)
    y = evaluate(make("normalize", mean=mean, std=std), x)
    for channel in range(3):
        m = mean if isinstance(mean, float) else mean[channel % len(mean)]
        s = std if isinstance(std, int | float) else std[channel]
        np.testing.assert_allclose(y[:, channel], (x[:, channel] - m) / s)


@pytest.mark.parametrize("rate", [0, 0.5, 0.9])
def test_dropout_changes_nothing_in_inference(rate: float) -> None:
    x = random(2, 3, 4, 5)
    np.testing.assert_array_equal(evaluate(make("dropout", rate=rate), x), x)

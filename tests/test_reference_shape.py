"""Operators that move numbers, against PyTorch in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from tests.operator_cases import evaluate, make, random

torch.set_num_threads(1)

sizes = st.integers(1, 8)
sides = st.tuples(*[st.integers(0, 6)] * 4)


@settings(deadline=None, max_examples=200)
@given(sizes, sizes, sides, st.sampled_from(["constant", "reflect", "edge"]), st.sampled_from([0.0, -1.5]))
def test_pad(height: int, width: int, amount: tuple[int, int, int, int], mode: str, value: float) -> None:
    x = random(2, 3, height, width)
    top, bottom, left, right = amount
    value = value if mode == "constant" else 0.0
    op = make("pad", amount=amount, mode=mode, value=value)
    theirs = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[mode]
    try:
        expected = F.pad(torch.from_numpy(x), (left, right, top, bottom), theirs, value).numpy()
    except RuntimeError:
        with pytest.raises(OperatorError, match="a reflection adds less"):
            op.result(TensorType(x.shape))
        return
    np.testing.assert_array_equal(evaluate(op, x), expected)


@settings(deadline=None, max_examples=200)
@given(sizes, sizes, sides)
def test_crop(height: int, width: int, amount: tuple[int, int, int, int]) -> None:
    x = random(2, 3, height, width)
    top, bottom, left, right = amount
    op = make("crop", amount=amount)
    if top + bottom >= height or left + right >= width:
        with pytest.raises(OperatorError, match="nothing is left"):
            op.result(TensorType(x.shape))
        return
    np.testing.assert_array_equal(evaluate(op, x), F.pad(torch.from_numpy(x), (-left, -right, -top, -bottom)).numpy())


@settings(deadline=None)
@given(sizes, sizes, st.tuples(st.integers(1, 5), st.integers(1, 5)), st.sampled_from(["nearest", "bilinear"]))
def test_upsample(height: int, width: int, scale: tuple[int, int], mode: str) -> None:
    x = random(2, 3, height, width)
    expected = F.interpolate(torch.from_numpy(x), scale_factor=scale, mode=mode).numpy()
    np.testing.assert_allclose(evaluate(make("upsample", scale=scale, mode=mode), x), expected, rtol=1e-12, atol=1e-12)


def test_nearest_and_bilinear_differ() -> None:
    x = random(1, 1, 3, 3)
    nearest, bilinear = (evaluate(make("upsample", scale=2, mode=mode), x) for mode in ("nearest", "bilinear"))
    assert np.abs(nearest - bilinear).max() > 0.1


@pytest.mark.parametrize("r", [1, 2, 3])
def test_pixel_shuffle(r: int) -> None:
    x = random(2, 2 * r * r, 3, 4)
    np.testing.assert_array_equal(
        evaluate(make("pixel_shuffle", r=r), x), F.pixel_shuffle(torch.from_numpy(x), r).numpy()
    )


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 12])
def test_channel_shuffle(groups: int) -> None:
    x = random(2, 12, 3, 4)
    expected = F.channel_shuffle(torch.from_numpy(x), groups).numpy()
    np.testing.assert_array_equal(evaluate(make("channel_shuffle", groups=groups), x), expected)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3, 4)])
@pytest.mark.parametrize(("start", "stop"), [(0, 5), (0, 1), (2, 4), (4, 5)])
def test_channels(shape: tuple[int, ...], start: int, stop: int) -> None:
    x = random(*shape)
    np.testing.assert_array_equal(evaluate(make("channels", start=start, stop=stop), x), x[:, start:stop])


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3, 4)])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 3), (2, 1)])
def test_pad_channels(shape: tuple[int, ...], before: int, after: int) -> None:
    x = random(*shape)
    zeros = [np.zeros((2, n, *shape[2:])) for n in (before, after)]
    expected = np.concatenate([zeros[0], x, zeros[1]], axis=1)
    np.testing.assert_array_equal(evaluate(make("pad_channels", before=before, after=after), x), expected)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3, 4)])
def test_flatten(shape: tuple[int, ...]) -> None:
    x = random(*shape)
    np.testing.assert_array_equal(evaluate(make("flatten"), x), torch.from_numpy(x).flatten(1).numpy())

"""Convolutions and dense layers against PyTorch in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops import Op
from tests.operator_cases import Array, evaluate, make, random, weight_arrays

torch.set_num_threads(1)

sizes = st.integers(1, 11)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
small = st.tuples(st.integers(1, 3), st.integers(1, 3))
sides = st.tuples(*[st.integers(0, 3)] * 4)


def padded(x: torch.Tensor, pad: tuple[int, int, int, int], value: float = 0.0) -> torch.Tensor:
    top, bottom, left, right = pad
    return F.pad(x, (left, right, top, bottom), value=value)


def same(op: Op, x: Array, theirs: Any) -> None:
    """Our result is PyTorch's, or both refuse."""
    tensors = [torch.from_numpy(a) for a in (x, *weight_arrays(op, x))]
    try:
        expected = theirs(*tensors)
    except (RuntimeError, ValueError):
        expected = None
    if expected is None or 0 in expected.shape:
        with pytest.raises(OperatorError):
            op.result(TensorType(x.shape))
        return
    np.testing.assert_allclose(evaluate(op, x), expected.numpy(), rtol=1e-10, atol=1e-10)


@settings(deadline=None, max_examples=300)
@given(sizes, sizes, pairs, small, sides, small, st.integers(1, 3), st.booleans(), st.sampled_from([0.0, 1.5]))
@example(7, 5, (3, 3), (2, 2), (1, 1, 0, 0), (1, 1), 1, True, 0.0)
@example(5, 5, (1, 1), (1, 1), (1, 1, 1, 1), (1, 1), 1, True, 0.0)
def test_conv(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
    bias: bool,
    fill: float,
) -> None:
    op = make("conv", channels=2 * groups, kernel=kernel, stride=stride, pad=pad, dilation=dilation, groups=groups,
              bias=bias, fill=fill)  # fmt: skip
    same(
        op,
        random(2, 3 * groups, height, width),
        lambda x, w, b=None: F.conv2d(padded(x, pad, fill), w, b, stride, 0, dilation, groups),
    )


@settings(deadline=None, max_examples=100)
@given(sizes, sizes, pairs, small, sides, small, st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_depthwise(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    dilation: tuple[int, int],
    channels: int,
    multiplier: int,
    bias: bool,
) -> None:
    op = make("depthwise", kernel=kernel, stride=stride, pad=pad, dilation=dilation, multiplier=multiplier, bias=bias)
    assert op.weights(TensorType((1, channels, 9, 9)))[0].shape == (channels * multiplier, 1, *kernel)
    same(
        op,
        random(2, channels, height, width),
        lambda x, w, b=None: F.conv2d(padded(x, pad), w, b, stride, 0, dilation, channels),
    )


@settings(deadline=None, max_examples=300)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    pairs,
    small,
    sides,
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    small,
    st.integers(1, 3),
    st.booleans(),
)
@example(3, 3, (3, 3), (3, 2), (0, 0, 0, 0), (1, 1), (1, 1), 1, True)
@example(1, 1, (1, 1), (1, 1), (1, 0, 0, 0), (0, 0), (1, 1), 1, True)
def test_deconv(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    output_pad: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    bias: bool,
) -> None:
    written = {"channels": 2 * groups, "kernel": kernel, "stride": stride, "pad": pad, "output_pad": output_pad,
               "dilation": dilation, "groups": groups, "bias": bias}  # fmt: skip
    x = random(2, 3 * groups, height, width)
    top, bottom, left, right = pad

    def theirs(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
        whole = F.conv_transpose2d(x, w, b, stride, 0, output_pad, groups, dilation)
        return whole[:, :, top : max(whole.shape[2] - bottom, top), left : max(whole.shape[3] - right, left)]

    if any(o >= max(s, d) for o, s, d in zip(output_pad, stride, dilation, strict=True)):
        with pytest.raises(OperatorError, match="must be below stride"):
            make("deconv", **written)
        with pytest.raises(RuntimeError, match="output padding must be smaller"):
            F.conv_transpose2d(
                torch.from_numpy(x),
                torch.zeros(3 * groups, 2, *kernel).double(),
                None,
                stride,
                0,
                output_pad,
                groups,
                dilation,
            )
        return
    same(make("deconv", **written), x, theirs)


@settings(deadline=None)
@given(sizes, sizes, st.integers(1, 3), st.integers(1, 3))
def test_deconv_undoes_the_shape_of_conv(height: int, width: int, stride: int, pad: int) -> None:
    conv = make("conv", channels=1, kernel=2 * pad + 1, stride=stride, pad=pad)
    rows, columns = conv.result(TensorType((1, 1, height, width))).shape[2:]
    assert isinstance(rows, int)
    assert isinstance(columns, int)
    left = ((height - 1) % stride, (width - 1) % stride)
    deconv = make("deconv", channels=1, kernel=2 * pad + 1, stride=stride, pad=pad, output_pad=left)
    assert deconv.result(TensorType((1, 1, rows, columns))).shape[2:] == (height, width)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@settings(deadline=None)
@given(sizes, sizes, pairs, small)
def test_same_of_stride_one_is_pytorchs(
    height: int, width: int, kernel: tuple[int, int], dilation: tuple[int, int]
) -> None:
    op = make("conv", channels=2, kernel=kernel, pad="same_upper", dilation=dilation)
    same(op, random(1, 3, height, width), lambda x, w, b: F.conv2d(x, w, b, 1, "same", dilation))
    if all(d * (k - 1) % 2 == 0 for k, d in zip(kernel, dilation, strict=True)):
        op = make("conv", channels=2, kernel=kernel, pad="same", dilation=dilation)
        same(op, random(1, 3, height, width), lambda x, w, b: F.conv2d(x, w, b, 1, "same", dilation))


@settings(deadline=None)
@given(sizes, sizes, pairs, small)
def test_same_upper_is_tensorflows(height: int, width: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    """ceil(size/stride) windows, the padding that they need, the odd cell after."""
    op = make("conv", channels=2, kernel=kernel, pad="same_upper", stride=stride)
    needed = [
        max((-(-size // s) - 1) * s + k - size, 0) for size, k, s in zip((height, width), kernel, stride, strict=True)
    ]
    pad = (needed[0] // 2, needed[0] - needed[0] // 2, needed[1] // 2, needed[1] - needed[1] // 2)
    same(op, random(1, 3, height, width), lambda x, w, b: F.conv2d(padded(x, pad), w, b, stride))
    assert op.result(TensorType((1, 3, height, width))).shape[2:] == (-(-height // stride[0]), -(-width // stride[1]))


@pytest.mark.parametrize(
    ("kernel", "stride", "output_pad"), [(3, 2, 0), (3, 2, 1), (4, 2, 0), (5, 3, 0), (2, 2, 0), (1, 1, 0)]
)
def test_same_upper_of_deconv_multiplies_the_size(kernel: int, stride: int, output_pad: int) -> None:
    op = make("deconv", channels=2, kernel=kernel, stride=stride, pad="same_upper", output_pad=output_pad)
    total = kernel + output_pad - stride
    top, bottom = total // 2, total - total // 2

    def theirs(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        whole = F.conv_transpose2d(x, w, b, stride, 0, output_pad)
        return whole[:, :, top : whole.shape[2] - bottom, top : whole.shape[3] - bottom]

    same(op, random(1, 3, 4, 5), theirs)
    assert op.result(TensorType((1, 3, 4, 5))).shape[2:] == (4 * stride, 5 * stride)


def test_same_of_deconv() -> None:
    op = make("deconv", channels=2, kernel=3, stride=2, pad="same", output_pad=1)
    same(op, random(1, 3, 4, 5), lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1))


@pytest.mark.parametrize("bias", [True, False])
def test_dense(bias: bool) -> None:
    same(make("dense", units=5, bias=bias), random(3, 7), lambda x, w, b=None: F.linear(x, w, b))


def test_infinities_spread_as_in_pytorch() -> None:
    x = random(1, 2, 6, 6)
    x[0, 0, 2, 2], x[0, 1, 4, 4] = np.inf, np.nan
    same(make("conv", channels=2, kernel=3, pad=1), x, lambda x, w, b: F.conv2d(x, w, b, padding=1))


@pytest.mark.parametrize("name", ["conv", "depthwise"])
def test_a_fixed_kernel_is_applied(name: str) -> None:
    kernel = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    needed = {"channels": 3, "groups": 3} if name == "conv" else {}
    op = make(name, kernel=3, weight=kernel, bias=True, **needed)
    same(
        op,
        random(1, 3, 6, 6),
        lambda x, w, b: F.conv2d(x, torch.tensor(kernel).double().expand(3, 1, 3, 3), b, groups=3),
    )

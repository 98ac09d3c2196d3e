"""Pools against PyTorch in float64, and against windows counted out by hand where PyTorch has no such pool."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.pool import AvgPool, Pool
from cnnlang.ops.window import unseen
from tests.operator_cases import Array, evaluate, make, random, windows_by_hand

torch.set_num_threads(1)

sizes = st.integers(1, 12)
kernels = st.tuples(st.integers(1, 5), st.integers(1, 5))
strides = st.tuples(st.integers(1, 6), st.integers(1, 6))
halves = st.tuples(st.integers(0, 2), st.integers(0, 2))
dilations = st.tuples(st.integers(1, 3), st.integers(1, 3))
POOLS = sorted(name for name, cls in OPERATORS.items() if issubclass(cls, Pool))


@settings(deadline=None, max_examples=300)
@given(sizes, sizes, kernels, strides, halves, dilations, st.booleans())
@example(4, 4, (3, 3), (2, 2), (0, 0), (1, 1), True)
@example(2, 2, (1, 1), (2, 2), (0, 0), (1, 1), True)
@example(2, 2, (3, 3), (3, 3), (1, 1), (1, 1), True)
@example(2, 2, (3, 3), (2, 2), (0, 0), (1, 1), True)
def test_maxpool(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    dilation: tuple[int, int],
    ceil: bool,
) -> None:
    assume(all(p <= k // 2 for p, k in zip(pad, kernel, strict=True)))
    x = random(2, 3, height, width)
    try:
        expected = F.max_pool2d(torch.from_numpy(x), kernel, stride, pad, dilation, ceil).numpy()
    except RuntimeError:
        with pytest.raises(OperatorError, match=r"no .* window .*fits"):
            make("maxpool", kernel=kernel, stride=stride, pad=pad, dilation=dilation, ceil=ceil).result(
                TensorType(x.shape)
            )
        return
    op = make("maxpool", kernel=kernel, stride=stride, pad=pad, dilation=dilation, ceil=ceil)
    np.testing.assert_array_equal(evaluate(op, x), expected)


@settings(deadline=None, max_examples=300)
@given(sizes, sizes, kernels, strides, halves, st.booleans(), st.booleans())
@example(4, 4, (3, 3), (2, 2), (0, 0), True, True)
@example(2, 2, (3, 3), (3, 3), (1, 1), True, True)
@example(5, 5, (3, 3), (2, 2), (1, 1), True, False)
def test_avgpool(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    ceil: bool,
    count_pad: bool,
) -> None:
    assume(all(p <= k // 2 for p, k in zip(pad, kernel, strict=True)))
    x = random(2, 3, height, width)
    op = make("avgpool", kernel=kernel, stride=stride, pad=pad, ceil=ceil, count_pad=count_pad)
    try:
        expected = F.avg_pool2d(torch.from_numpy(x), kernel, stride, pad, ceil, count_pad).numpy()
    except RuntimeError:
        with pytest.raises(OperatorError, match=r"no .* window .*fits"):
            op.result(TensorType(x.shape))
        return
    np.testing.assert_allclose(evaluate(op, x), expected, rtol=1e-12, atol=1e-12)


def by_hand(op: Pool, x: Array) -> Array:
    """Window by window, cell by cell, on one channel; the padding of averages is counted or not as `op` says."""
    top, bottom, left, right = op.pads(TensorType(x.shape))
    height, width = x.shape[2:]
    rows, columns = (
        list(windows_by_hand(size, before, after, op.kernel[i], op.stride[i], op.dilation[i], op.ceil))
        for i, (size, before, after) in enumerate([(height, top, bottom), (width, left, right)])
    )
    y = np.empty((1, 1, len(rows), len(columns)))
    for i, down in enumerate(rows):
        for j, across in enumerate(columns):
            real = [x[0, 0, r, c] for r in down for c in across if 0 <= r < height and 0 <= c < width]
            padded = [(r, c) for r in down for c in across if r < height + bottom and c < width + right]
            if isinstance(op, AvgPool):
                y[0, 0, i, j] = sum(real) / (len(padded) if op.count_pad else len(real))
            else:
                y[0, 0, i, j] = getattr(np, op.over)([op.start, *real])
    return y


@pytest.mark.parametrize("name", POOLS)
@settings(deadline=None)
@given(
    sizes,
    sizes,
    kernels,
    strides,
    st.tuples(*[st.integers(0, 3)] * 4) | st.sampled_from(["same", "same_upper"]),
    dilations,
    st.booleans(),
    st.booleans(),
)
def test_every_pool_by_hand(
    name: str,
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int] | str,
    dilation: tuple[int, int],
    ceil: bool,
    count_pad: bool,
) -> None:
    own = {field.name for field in OPERATORS[name].fields()}
    written = {
        "kernel": kernel,
        "stride": stride,
        "pad": pad,
        "dilation": dilation,
        "ceil": ceil,
        "count_pad": count_pad,
    }
    x = random(1, 1, height, width)
    try:
        op = make(name, **{k: v for k, v in written.items() if k in own})
        op.result(TensorType(x.shape))
    except OperatorError:
        return  # what is refused, and why, is tested elsewhere
    assert isinstance(op, Pool)
    np.testing.assert_allclose(evaluate(op, x), by_hand(op, x), rtol=1e-12)


@settings(deadline=None, max_examples=200)
@given(sizes, kernels, strides, st.tuples(*[st.integers(0, 2)] * 2), dilations, st.booleans())
def test_unseen_rows_are_those_that_no_window_sees(
    size: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    sides: tuple[int, int],
    dilation: tuple[int, int],
    ceil: bool,
) -> None:
    before, after = sides
    written = {"kernel": kernel, "stride": stride, "pad": (before, after, 0, 0), "dilation": dilation, "ceil": ceil}
    try:
        op = make("maxpool", **written)
        x = TensorType((1, 1, size, 40))
        op.result(x)
    except OperatorError:
        return
    cells = windows_by_hand(size, before, after, kernel[0], stride[0], dilation[0], ceil)
    last = max((cell for window in cells for cell in window), default=-1)
    expected = max(size - 1 - last, 0) if stride[0] <= kernel[0] else 0
    assert unseen(op, x)[0] == expected


@pytest.mark.parametrize(
    ("name", "given_arguments", "shape", "rows_and_columns"),
    [
        ("maxpool", {"kernel": 2}, (1, 1, 29, 28), (1, 0)),
        ("conv", {"channels": 1, "kernel": 3, "stride": 2}, (1, 1, 8, 10), (1, 1)),
        ("conv", {"channels": 1, "kernel": 3, "stride": 2, "pad": 1}, (1, 1, 8, 9), (0, 0)),  # padding alone is unseen
        ("conv", {"channels": 1, "kernel": 1, "stride": 2}, (1, 1, 8, 8), (0, 0)),  # it leaves out by design
        ("depthwise", {"kernel": 5, "stride": 3}, (1, 1, 9, 10), (1, 2)),
        ("deconv", {"channels": 1, "kernel": 3, "stride": 2}, (1, 1, 8, 8), (0, 0)),
        ("relu", {}, (1, 1, 8, 8), (0, 0)),
    ],
)
def test_unseen(
    name: str, given_arguments: dict[str, object], shape: tuple[int, ...], rows_and_columns: tuple[int, int]
) -> None:
    assert unseen(make(name, **given_arguments), TensorType(shape)) == rows_and_columns


@settings(deadline=None)
@given(sizes, sizes, sizes, sizes)
def test_adaptive_avgpool(height: int, width: int, rows: int, columns: int) -> None:
    x = random(2, 3, height, width)
    expected = F.adaptive_avg_pool2d(torch.from_numpy(x), (rows, columns)).numpy()
    np.testing.assert_allclose(
        evaluate(make("adaptive_avgpool", size=(rows, columns)), x), expected, rtol=1e-12, atol=1e-12
    )


def test_global_pools() -> None:
    x = random(2, 3, 4, 5)
    np.testing.assert_allclose(evaluate(make("global_avgpool"), x), torch.from_numpy(x).mean((2, 3)).numpy())
    np.testing.assert_array_equal(evaluate(make("global_maxpool"), x), torch.from_numpy(x).amax((2, 3)).numpy())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_numbers_are_as_in_pytorch(value: float) -> None:
    x = random(1, 2, 5, 5)
    x[0, 0, 2, 2] = value
    t = torch.from_numpy(x)
    np.testing.assert_array_equal(
        evaluate(make("maxpool", kernel=3, stride=2, pad=1), x), F.max_pool2d(t, 3, 2, 1).numpy()
    )
    np.testing.assert_allclose(
        evaluate(make("avgpool", kernel=3, stride=2, pad=1), x), F.avg_pool2d(t, 3, 2, 1).numpy()
    )
    np.testing.assert_allclose(evaluate(make("adaptive_avgpool", size=2), x), F.adaptive_avg_pool2d(t, 2).numpy())
    np.testing.assert_array_equal(evaluate(make("global_maxpool"), x), t.amax((2, 3)).numpy())


def test_the_stride_is_the_kernel_unless_written() -> None:
    x = random(1, 1, 9, 8)
    np.testing.assert_array_equal(
        evaluate(make("maxpool", kernel=(3, 2)), x), F.max_pool2d(torch.from_numpy(x), (3, 2))
    )

"""What the operator tests share: an operator applied to arrays, and random operators with arguments of their kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS, Op
from cnnlang.ops.base import WeightSpec
from cnnlang.signature import Kind

Array = NDArray[np.float64]


def random(*shape: int, seed: int = 0) -> Array:
    """Normal numbers, the same ones each time."""
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def weight_arrays(op: Op, *values: Array, seed: int = 1) -> list[Array]:
    """Random numbers for each weight of an operator (variances positive), or its fixed values."""
    specs = op.weights(*(TensorType(v.shape) for v in values))
    return [weight_array(spec, seed + i) for i, spec in enumerate(specs)]


def weight_array(spec: WeightSpec, seed: int) -> Array:
    if spec.values is not None:
        return np.array(spec.values, dtype=np.float64)
    drawn = random(*spec.shape, seed=seed)
    return np.abs(drawn) + 0.5 if spec.name == "running_var" else drawn


def evaluate(op: Op, *values: Array, weights: list[Array] | None = None) -> Array:
    """The reference's result, held to the shape rule and to float64."""
    weights = weight_arrays(op, *values) if weights is None else weights
    with np.errstate(all="ignore"):
        y = op.reference(*values, *weights)
    expected = op.result(*(TensorType(v.shape) for v in [*values, *weights]))
    assert y.dtype == np.float64
    assert y.shape == expected.shape
    return y


def make(name: str, **arguments: Any) -> Op:
    return OPERATORS[name].make(arguments)


# values of the language, likely ones several times; an argument is drawn from those that its kind takes, and from the
# words that the kind quotes
VALUES: list[Any] = [
    1, 2, 3, 0, 1, 2, *range(9), -1, 16, 0.5, 1.5, 0.1, 2.5, True, False, None, (1, 2), (2, 1), (3, 2), (2, 3), (5, 3),
    (0, 1), (2, 0), (4, 4), (0, 1, 1, 0), (1, 0, 0, 1), (1, 1, 2, 2), (0, 0, 1, 1), (2, 1, 3, 0), [0.5, 1.5], [1, 2, 3],
    [[1, 0], [2, -1]], [[0, 1, 0], [1, 4, 1], [0, 1, 0]],
]  # fmt: skip


def accepted(kind: Kind) -> list[Any]:
    """The values that an argument of a kind takes."""
    found = []
    for value in [*VALUES, *re.findall(r'"(\w+)"', kind.words)]:
        try:
            kind.convert(value)
        except (ValueError, TypeError):
            continue
        found.append(value)
    assert found, f"no sample value is {kind.words}: add one to VALUES"
    return found


@st.composite
def arguments(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Arguments of an operator, each of its kind; they may contradict each other."""
    drawn: dict[str, Any] = {}
    for field in OPERATORS[name].fields():
        if field.required or draw(st.integers(0, 2)) == 0:
            drawn[field.name] = draw(st.sampled_from(accepted(field.kind)))
    return drawn


@st.composite
def shapes(draw: st.DrawFn, name: str) -> list[tuple[int, ...]]:
    """The shapes of values for an operator, mostly ones that it takes."""
    channels = st.sampled_from([4, 1, 2, 3, 6, 8, 12, 16])
    size = st.integers(1, 12)
    rank = 2 if draw(st.integers(0, 4)) == 0 or name == "dense" else 4
    first = (draw(st.integers(1, 3)), draw(channels), *[draw(size) for _ in range(rank - 2)])
    if OPERATORS[name].arity is not None:
        return [first]
    change = st.sampled_from(["same", "same", "channels", "rank", "size"])
    return [first, *(changed(first, draw(change), draw(channels)) for _ in range(draw(st.integers(1, 3))))]


def changed(shape: tuple[int, ...], what: str, number: int) -> tuple[int, ...]:
    match what:
        case "channels":
            return (shape[0], number, *shape[2:])
        case "rank":
            return shape[:2] if len(shape) == 4 else (*shape, 1, 1)
        case "size" if len(shape) == 4:
            return (*shape[:2], number, shape[3])
    return shape


def windows_by_hand(
    size: int, before: int, after: int, kernel: int, stride: int, dilation: int, ceil: bool
) -> Iterator[list[int]]:
    """The cells of each window along one side, as LANGUAGE tells it, counted from the first real cell."""
    room = size + before + after - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= size + before:
        count -= 1
    for i in range(count):
        yield [i * stride + u * dilation - before for u in range(kernel)]

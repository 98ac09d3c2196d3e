"""What the weight-like nodes of a graph hold, computed when it is asked for and not kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import singledispatch
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnlang.ir import Node
from cnnlang.ops.base import Op, Weight
from cnnlang.passes import FoldedKernel

Array: TypeAlias = NDArray[Any]


class Constants:
    """The float32 value of each weight-like node: as given, fixed in the file, or computed of others.

    Parameters
    ----------
    weights
        An array for each weight, by path.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.weights = weights

    def __getitem__(self, node: Node) -> Array:
        if isinstance(node.op, Weight):
            return self.weights[node.op.path].astype(np.float32, copy=False)
        with np.errstate(all="ignore"):  # infinities and NaN go their way
            return narrow(node.op, self, node.inputs).astype(np.float32, copy=False)

    def wide(self, node: Node) -> Array:
        """The value in float64, of which others are computed."""
        if isinstance(node.op, Weight):
            return self.weights[node.op.path].astype(np.float64)
        return np.asarray(node.op.reference(*map(self.wide, node.inputs)), np.float64)


@singledispatch
def narrow(op: Op, constants: Constants, inputs: tuple[Node, ...]) -> Array:
    """What an operator makes of other weights, computed in float64."""
    return op.reference(*map(constants.wide, inputs))


@narrow.register
def _(op: FoldedKernel, constants: Constants, inputs: tuple[Node, ...]) -> Array:
    """The same numbers as `reference`, without a copy of the weight in float64."""
    weight, scale, variance = inputs
    factor = constants.wide(scale) / (constants.wide(variance) + op.eps) ** 0.5
    value = constants[weight]
    result = np.empty_like(value)
    np.multiply(value, op.per_output(value, factor), out=result, dtype=np.float64, casting="same_kind")
    return result


def described(node: Node) -> str:
    """All that a weight-like node's value depends on besides the weights, as text."""
    if isinstance(node.op, Weight):
        return f"{node.op.path} {node.type}"
    inputs = ", ".join(map(described, node.inputs))
    return f"{_text(node.op)}({inputs})"


def _text(value: Any) -> str:
    """A value by its type and its parts; arrays by their numbers."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if is_dataclass(value) and not isinstance(value, type):
        parts = ", ".join(f"{f.name}={_text(getattr(value, f.name))}" for f in fields(value))
        return f"{type(value).__qualname__}[{parts}]"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_text, value))})"
    return repr(value)

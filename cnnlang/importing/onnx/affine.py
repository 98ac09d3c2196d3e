"""Multiplying by constants and adding them: into the layer before, as `normalize`, or as a `bn`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from cnnlang.importing.building import unsayable
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.constants import Array, Constant, need_float, short
from cnnlang.importing.onnx.reader import Reader
from cnnlang.importing.onnx.views import View, full
from cnnlang.ir import Node
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Convolution, Deconv
from cnnlang.ops.dense import Dense
from cnnlang.ops.norm import BatchNorm, GroupNorm, Normalize
from cnnlang.passes.batch_norm import with_bias

MAX_LISTED = 16  # channels whose numbers are written out in `normalize`; more are weights of a `bn`
EPS = 1e-5


def by_channel(value: Constant, view: View) -> Constant | None:
    """A constant that a tensor is multiplied with, as one number a channel; None where it is one number for all.

    Raises
    ------
    LayerError
        E0602: it has a number for each place, or makes the tensor larger.
    """
    value = need_float(value, "constant")
    shape = (1,) * (view.rank - len(value.shape)) + value.shape
    if len(shape) > view.rank:
        raise unsayable("its constant has more axes than the tensor")
    varying = [i for i, size in enumerate(shape) if size != 1]
    if not varying:
        return None
    if any(view.shape[i] != shape[i] for i in varying):
        raise unsayable("its constant makes the tensor larger")
    if len(varying) > 1 or view.axes[varying[0]] != full(view.node, 1):
        raise unsayable("its constant has another number for each place of the map, and steps have one a channel")
    return value.reshaped(value.size)


def moved(r: Reader, view: View, scale: Constant | None, shift: Constant | None, names: Sequence[str] = ()) -> View:
    """scale * x + shift, one number of each a channel."""
    absorbed = absorb(r, view.node, scale, shift, names)
    if absorbed is not None:
        return view.over(absorbed)
    node = view.node
    count = node.type.channels
    if count <= MAX_LISTED:
        factors = scale.array().astype(np.float64) if scale else np.ones(1)
        terms = shift.array().astype(np.float64) if shift else np.zeros(1)
        if np.isfinite(factors).all() and np.isfinite(terms).all() and (factors > 1e-30).all():
            return view.over(normalized(r, node, -terms / factors, 1 / factors))
    return view.over(as_bn(r, node, scale, shift, names))


def normalized(r: Reader, node: Node, mean: Array, std: Array, items: Sequence[Item | None] = ()) -> Node:
    """(x - mean)/std as the step `normalize`, joined with one before it."""
    before = node.op
    if isinstance(before, Normalize) and r.is_free(node):
        first, spread = np.array(before.mean), np.array(before.std)
        mean, std, node = first + np.atleast_1d(mean) * spread, spread * std, node.inputs[0]
    means, stds = ([_short(float(v)) for v in np.atleast_1d(a)] for a in (mean, std))
    return r.make("normalize", node, mean=_one(means), std=_one(stds), items=items)


def _one(numbers: list[float]) -> float | list[float]:
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _short(value: float) -> float:
    """A number in as few digits as give it back within a rounding of float32 by far."""
    value = value + 0.0  # no -0
    near = short(value)
    return near if abs(near - value) <= 1e-9 * abs(value) else float(f"{value:.9g}")


def as_bn(r: Reader, node: Node, scale: Constant | None, shift: Constant | None, names: Sequence[str] = ()) -> Node:
    """scale * x + shift as a `bn` with mean 0 and variance 1."""
    count = node.type.channels
    arrays = {
        "weight": scale or filled(r, count, 1.0),
        "bias": shift or filled(r, count, 0.0),
        "running_mean": filled(r, count, 0.0),
        "running_var": filled(r, count, 1 - EPS),
    }
    return r.layer(BatchNorm.make({"eps": EPS}), node, arrays, names)


def filled(r: Reader, count: int, value: float) -> Constant:
    """One number a channel, all alike."""
    r.budget.take(count)
    return Constant((count,), np.dtype(np.float32), lambda: np.full(count, value, dtype=np.float32))


def scaled(r: Reader, view: View, mean: float, std: float, items: Sequence[Item | None] = ()) -> View:
    """(x - mean)/std with one number of each."""
    node = view.node
    if (mean, std) == (0, 1):
        return view
    if not (math.isfinite(mean) and math.isfinite(std)) or std == 0:
        raise unsayable("it computes with infinite numbers")
    if std > 0:
        return view.over(normalized(r, node, np.array([mean]), np.array([std]), items))
    count = node.type.channels
    made = as_bn(r, node, filled(r, count, 1 / std), filled(r, count, -mean / std))
    r.note("bn", *items)
    return view.over(made)


# --- into the layer before --------------------------------------------------------------------------------------------


def absorb(
    r: Reader, node: Node, scale: Constant | None, shift: Constant | None, names: Sequence[str] = ()
) -> Node | None:
    """The layer that gives scale * layer(x) + shift at once; None where the node is no such layer."""
    record = r.records.get(node)
    if record is None or not r.is_free(node):
        return None
    arrays = dict(record.arrays)
    op = record.op
    if isinstance(op, BatchNorm | GroupNorm):
        pass
    elif isinstance(op, Convolution | Deconv | Dense) and arrays.keys() & {"weight"}:
        if "bias" not in arrays:
            if shift is None and scale is None:
                return node
            if shift is not None:
                op = with_bias(op)
                if scale is None:
                    arrays["bias"] = shift
                    shift = None
                else:
                    arrays["bias"] = filled(r, node.type.channels, 0.0)
    else:
        return None
    if scale is not None:
        factor = scale
        weight = arrays["weight"]
        arrays["weight"] = weight.then(weight.shape, _scaling(op, weight, factor))
        if "bias" in arrays:
            bias = arrays["bias"]
            arrays["bias"] = bias.then(bias.shape, lambda a: _narrow(_wide(a) * _wide(factor.array())))
    if shift is not None:
        term, old = shift, arrays["bias"]
        arrays["bias"] = old.then(old.shape, lambda a: _narrow(_wide(a) + _wide(term.array())))
    return r.layer(op, record.value, arrays, (*record.names, *names))


def _wide(array: Array) -> Array:
    with np.errstate(all="ignore"):
        return array.astype(np.float64)


def _narrow(array: Array) -> Array:
    with np.errstate(all="ignore"):
        return array.astype(np.float32)


def _scaling(op: Op, weight: Constant, scale: Constant) -> Callable[[Array], Array]:
    """Weights with each output's scaled."""

    def change(array: Array) -> Array:
        factor = _wide(scale.array())
        if isinstance(op, Deconv):
            per_group = array.shape[1]
            rows = factor.reshape(op.groups, per_group).repeat(array.shape[0] // op.groups, axis=0)
            return _narrow(_wide(array) * rows[:, :, None, None])
        return _narrow(_wide(array) * factor.reshape(-1, *(1,) * (array.ndim - 1)))

    return change

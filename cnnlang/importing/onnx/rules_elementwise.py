"""Functions of one number, arithmetic with constants, and merges of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlang.errors import OperatorError
from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.affine import absorb, by_channel, filled, moved, normalized
from cnnlang.importing.onnx.arrange import canonical, expression, seen
from cnnlang.importing.onnx.attributes import Item, axis_of
from cnnlang.importing.onnx.constants import Constant, need_float, short
from cnnlang.importing.onnx.merging import merge, spread
from cnnlang.importing.onnx.reader import Reader, Value, need_constant, rule
from cnnlang.importing.onnx.scalars import Expr
from cnnlang.importing.onnx.views import View, laid_out, order_of
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op

ARGUMENTS = {
    **dict.fromkeys(
        ("Abs", "Erf", "Exp", "Log", "Neg", "Reciprocal", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh"), 1
    ),
    **dict.fromkeys(("Clip", "HardSigmoid", "Where"), 3),
}


def _step(r: Reader, value: Value | None, name: str, **arguments: Any) -> View:
    view = seen(r, value)
    return view.over(r.make(name, view.node, **arguments))


def _expr(
    r: Reader, item: Item, function: str, args: Sequence[Value | float | None], direct: Op | None = None
) -> Value:
    """An expression of one tensor."""
    if len(args) != ARGUMENTS.get(function, 2):
        raise broken(f"it has {len(args)} inputs")
    made: list[Expr | float] = []
    for arg in args:
        if isinstance(arg, View | Expr):
            made.append(expression(r, arg))
        elif isinstance(arg, float):
            made.append(arg)
        else:
            seen(r, arg)
    inner = [a for a in made if isinstance(a, Expr)]
    return Expr(function, tuple(made), inner[0].view, item, direct, 1 + sum(a.count for a in inner))


@rule("Relu")
def relu(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    value = inputs[0]
    if isinstance(value, Expr):  # it may be a part of hardswish, written out
        return _expr(r, item, "Relu", [value], OPERATORS["relu"].make({}))
    return _step(r, value, "relu")


@rule("Sigmoid", "Tanh", "Softplus")
def direct(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    return _expr(r, item, item.op_type, inputs[:1], OPERATORS[item.op_type.lower()].make({}))


@rule("Erf", "Exp", "Log", "Sqrt", "Neg", "Abs", "Reciprocal")
def part(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    return _expr(r, item, item.op_type, inputs[:1])


@rule("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Where")
def chosen(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    """Two formulas for two ranges of one value (PyTorch's softplus)."""
    args = [v.number() if isinstance(v, Constant) else v for v in inputs]
    if not _same_value(r, [v for v in inputs if isinstance(v, View | Expr)]):
        raise unsayable("it chooses between several values of the net")
    return _expr(r, item, item.op_type, args)


@rule("HardSigmoid")
def hardsigmoid(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    alpha, beta = item.number_of("alpha", 0.2), item.number_of("beta", 0.5)
    ours = abs(alpha - 1 / 6) < 1e-4 and abs(beta - 0.5) < 1e-6
    op = OPERATORS["hardsigmoid"].make({}) if ours else None
    numbers = [1 / 6, 0.5] if ours else [short(alpha), short(beta)]
    return _expr(r, item, "HardSigmoid", [inputs[0], *numbers], op)


@rule("HardSwish")
def hardswish(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    return _step(r, inputs[0], "hardswish")


@rule("Mish")
def mish(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    return _step(r, inputs[0], "mish")


@rule("Swish")
def swish(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if item.number_of("alpha", 1.0) != 1:
        raise unsayable("`silu` has no alpha but 1")
    return _step(r, inputs[0], "silu")


@rule("Gelu")
def gelu(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if item.text("approximate", "none") != "none":
        raise unsayable("`gelu` is exact, and this is the approximation by tanh")
    return _step(r, inputs[0], "gelu")


@rule("LeakyRelu")
def leaky_relu(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    return _step(r, inputs[0], "leaky_relu", slope=short(item.number_of("alpha", 0.01)))


@rule("Elu")
def elu(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if item.number_of("alpha", 1.0) != 1:
        raise unsayable("`elu` has no alpha but 1")
    return _step(r, inputs[0], "elu")


@rule("Selu")
def selu(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    alpha, gamma = item.number_of("alpha", 1.6732632), item.number_of("gamma", 1.050701)
    if abs(alpha - 1.6732632) > 1e-5 or abs(gamma - 1.050701) > 1e-5:
        raise unsayable("`selu` has the numbers of its paper, and these are others")
    return _step(r, inputs[0], "selu")


@rule("Clip")
def clip(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    bounds = []
    for place, (name, default) in enumerate((("min", -math.inf), ("max", math.inf)), 1):
        if len(inputs) > place and inputs[place] is not None:
            bounds.append(need_constant(inputs[place], name).number())
        else:
            bounds.append(item.number_of(name, default))
    low, high = (-math.inf if b < -3e38 else math.inf if b > 3e38 else b for b in bounds)
    ours = {(0.0, math.inf): "relu", (0.0, 6.0): "relu6"}.get((low, high))
    return _expr(r, item, "Clip", [inputs[0], low, high], OPERATORS[ours].make({}) if ours else None)


@rule("Softmax", "LogSoftmax")
def softmax(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    axis = axis_of(item.whole("axis", -1 if item.version >= 13 else 1), view.rank)
    if item.version < 13 and any(view.axes[axis + 1 :]):
        raise unsayable("it goes over all numbers of a sample at once, and `softmax` over the channels of each place")
    if order_of([view])[axis] != 1:
        raise unsayable("it goes along another axis than the channels")
    name = "softmax" if item.op_type == "Softmax" else "log_softmax"
    return view.over(r.make(name, view.node))


# --- arithmetic -------------------------------------------------------------------------------------------------------


@rule("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean", "Pow")
def arithmetic(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    values = [v for v in inputs if v is not None]
    if not values:
        raise broken("it has no inputs")
    if item.op_type in ("Add", "Sub", "Mul", "Div", "Pow") and len(values) != 2:
        raise broken(f"it has {len(values)} inputs, not 2")
    if len(values) == 1:
        return values[0]
    tensors = [v for v in values if not isinstance(v, Constant)]
    if len(values) == 2 and len(tensors) == 1:
        return _with_constant(r, item, values)
    if len(tensors) < len(values):
        raise unsayable("it takes constants and values of the net together, more than two")
    if len(values) == 2 and item.op_type in ("Add", "Sub", "Mul", "Div") and _same_value(r, values):
        return _expr(r, item, item.op_type, values)
    views = [seen(r, v) for v in values]
    if len(set(views)) == 1 and item.op_type in ("Max", "Min", "Mean"):
        return views[0]
    names = {"Add": "add", "Sum": "add", "Mul": "mul", "Max": "max", "Mean": "mean"}
    if item.op_type in names:
        return merge(r, names[item.op_type], views)
    if item.op_type == "Sub":
        return merge(r, "add", [views[0], _negative(r, views[1])])
    what = {"Div": "divides by", "Min": "takes the least of", "Pow": "raises to the power of"}[item.op_type]
    raise unsayable(f"it {what} values of the net, and no merge does")


def _same_value(r: Reader, values: list[Value]) -> bool:
    bottoms = {v.view if isinstance(v, Expr) else v for v in values}
    return len(bottoms) == 1


def _negative(r: Reader, view: View) -> View:
    count = view.node.type.channels
    return moved(r, view, filled(r, count, -1.0), None)


def _with_constant(r: Reader, item: Item, values: list[Value]) -> Value:
    """A tensor and a constant."""
    first = isinstance(values[0], Constant)
    fixed = need_constant(values[0] if first else values[1], "constant")
    value = values[1] if first else values[0]
    fixed = need_float(fixed, "constant")
    assert not isinstance(value, Constant)
    function = item.op_type
    if fixed.size == 1:
        made = _bias_of_one(r, item, value, fixed)
        if made is not None:
            return made
        number = fixed.number()
        args: list[Value | float | None] = [number, value] if first else [value, number]
        if len(fixed.shape) > (seen(r, value) if not isinstance(value, Expr) else value.view).rank:
            raise unsayable("its constant has more axes than the tensor")
        return _expr(r, item, {"Sum": "Add", "Mean": "Mean"}.get(function, function), args)
    view = canonical(r, seen(r, value))
    each = by_channel(fixed, view)
    assert each is not None
    names = (fixed.name, item.proto.name)
    if function in ("Add", "Sum"):
        return moved(r, view, None, each, names)
    if function == "Mul":
        return moved(r, view, each, None, names)
    if function == "Sub":
        if first:
            return moved(r, moved(r, view, each.then(each.shape, lambda a: -np.ones_like(a)), None), None, each)
        if r.records.get(view.node) is None and view.node.type.channels <= 16:
            return _normalized(r, view, each, None)
        return moved(r, view, None, each.then(each.shape, np.negative))
    if function == "Div" and not first:
        if r.records.get(view.node) is None and view.node.type.channels <= 16 and (each.array() > 0).all():
            return _normalized(r, view, None, each)
        with np.errstate(all="ignore"):
            return moved(r, view, each.then(each.shape, lambda a: (1 / a.astype(np.float64)).astype(np.float32)), None)
    raise unsayable("it computes with a constant in a way that no step does")


def _normalized(r: Reader, view: View, mean: Constant | None, std: Constant | None) -> View:
    means = mean.array().astype(np.float64) if mean else np.zeros(1)
    stds = std.array().astype(np.float64) if std else np.ones(1)
    return view.over(normalized(r, view.node, means, stds))


def _bias_of_one(r: Reader, item: Item, value: Value, fixed: Constant) -> View | None:
    """A number added to a layer of one output without a bias is its bias."""
    if item.op_type != "Add" or not isinstance(value, View) or value.node.type.channels != 1:
        return None
    record = r.records.get(value.node)
    if record is None or record.op.name not in ("conv", "depthwise", "deconv", "dense") or "bias" in record.arrays:
        return None
    made = absorb(r, value.node, None, fixed.reshaped(1), (fixed.name, item.proto.name))
    return value.over(made) if made is not None else None


@rule("Concat")
def concat(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    views = [canonical(r, seen(r, v)) for v in inputs if v is not None]
    if not views:
        raise broken("it has no inputs")
    axis = axis_of(item.whole("axis", 1), views[0].rank)
    if len(views) == 1:
        return views[0]
    order = order_of(views)
    if order[axis] != 1:
        raise unsayable("it puts tensors one after the other along another axis than the channels")
    nodes = spread(r, [v.node for v in views], broadcasts=False)
    if len({n.type.rank for n in nodes}) > 1:
        nodes = [r.make("flatten", n) if n.type.rank == 4 and n.type.shape[2:] == (1, 1) else n for n in nodes]
    try:
        return laid_out(r.make("concat", *nodes), order)
    except OperatorError as error:
        raise unsayable(error.message) from None

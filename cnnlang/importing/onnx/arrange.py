"""From how a tensor is seen to a value of the language: the steps that a view amounts to, and expressions as steps."""

from __future__ import annotations

import math

import numpy as np

from cnnlang.errors import OperatorError
from cnnlang.importing.building import LayerError, unsayable
from cnnlang.importing.onnx.constants import short
from cnnlang.importing.onnx.reader import Reader, Unknown, Value
from cnnlang.importing.onnx.scalars import MAX_EXPRESSION, Expr, activation_of, bases_of, between, line_of, parts_of
from cnnlang.importing.onnx.views import Atom, View, full, joined, view_of
from cnnlang.ir import Node
from cnnlang.ops.base import Op
from cnnlang.ops.elementwise import Relu
from cnnlang.ops.kernel import MAX_FIXED
from cnnlang.ops.pool import AdaptiveAvgPool, GlobalAvgPool
from cnnlang.ops.shape import Flatten

NOT_A_MAP = "it needs a map, and the language has no step from features back to a map"


def canonical(r: Reader, view: View) -> View:
    """A view that is the value itself, where steps of the language lead there; else the view as it is."""
    node = view.node
    if not view.axes or view.axes[0] != full(node, 0):
        return view
    try:
        if view.rank == 2 and node.type.rank == 4:
            if view.axes[1] == joined([a for axis in (1, 2, 3) for a in full(node, axis)]):
                return view_of(r.make("flatten", node))
        elif view.rank == 4 and node.type.rank == 4:
            return _moved(r, view)
    except OperatorError:
        return view
    return view


def _moved(r: Reader, view: View) -> View:
    """The steps that move channels: `channel_shuffle`, `pixel_shuffle`, and a kernel that picks out cells."""
    node = view.node
    channels, high, wide = view.axes[1:]
    rows, columns = full(node, 2), full(node, 3)
    if (high, wide) == (rows, columns):
        if len(channels) == 2 and all(a.axis == 1 for a in channels) and _is_whole(channels, node):
            return view_of(r.make("channel_shuffle", node, groups=channels[1].size))
        return view
    inner = high[-1:] + wide[-1:]
    if len(inner) == 2 and all(a.axis == 1 for a in inner) and (high[:-1], wide[:-1]) == (rows, columns):
        u, v = inner
        if u.size == v.size and isinstance(u.size, int) and all(a.axis == 1 for a in channels) and len(channels) <= 1:
            if (v.stride, u.stride) == (1, v.size):
                return view_of(r.make("pixel_shuffle", node, r=u.size))
            count = node.type.channels // (u.size * u.size)
            if (v.stride, u.stride) == (count, count * v.size):
                dealt = r.make("channel_shuffle", node, groups=u.size * u.size)
                return view_of(r.make("pixel_shuffle", dealt, r=u.size))
    return _blocks(r, view)


def _blocks(r: Reader, view: View) -> View:
    """Each cell of a block becomes a channel (SpaceToDepth)."""
    node = view.node
    channels, high, wide = view.axes[1:]
    small = [a for a in channels if a.axis != 1]
    whole = [a for a in channels if a.axis == 1]
    if len(small) != 2 or [a.axis for a in small] != [2, 3] or tuple(whole) != full(node, 1):
        return view
    u, v = small
    size = u.size
    if not isinstance(size, int) or v.size != size or (u.stride, v.stride) != (1, 1):
        return view
    if [(a.axis, a.stride) for a in (*high, *wide)] != [(a, size) for a, b in ((2, high), (3, wide)) if b]:
        return view
    order = [a.axis for a in channels]
    if order not in ([1, 2, 3], [2, 3, 1], [2, 3]) or size**4 * node.type.channels > MAX_FIXED:
        return view
    picks = np.eye(size * size).reshape(size * size, 1, size, size).tolist() * node.type.channels
    made = r.make("depthwise", node, kernel=size, stride=size, multiplier=size * size, weight=picks)
    if order == [2, 3, 1]:
        made = r.make("channel_shuffle", made, groups=node.type.channels)
    return view_of(made)


def _is_whole(atoms: tuple[Atom, ...], node: Node) -> bool:
    """Whether parts are all of an axis, the last first."""
    second, first = atoms
    return second.stride == 1 and first.stride == second.size and first.size * second.size == node.type.shape[1]


# --- values -----------------------------------------------------------------------------------------------------------


def seen(r: Reader, value: Value | None) -> View:
    """A value of the net, with what computes it as steps.

    Raises
    ------
    LayerError
        E0602: it is a constant, or an expression that the language has no step for.
    """
    if isinstance(value, View):
        return value
    if isinstance(value, Expr):
        return settle(r, value)
    if value is None or isinstance(value, Unknown):
        raise unsayable("it reads what cannot be said")
    raise unsayable("it computes on a constant where a value of the net is due")


def as_map(r: Reader, value: Value | None) -> Node:
    """A value as a map [N, C, H, W].

    Raises
    ------
    LayerError
        E0602: it is none.
    """
    view = seen(r, value)
    if view.rank != 4:
        raise unsayable(f"it works on a tensor of {view.rank} axes, and a map has N, C, H and W")
    view = canonical(r, view)
    node = view.node
    if node.type.rank == 2:
        if view.axes == (full(node, 0), full(node, 1), (), ()):
            return raised(node)
        raise unsayable(NOT_A_MAP)
    if view.axes != view_of(node).axes:
        raise unsayable("its input has its axes in an order that the language cannot say")
    return node


def raised(node: Node) -> Node:
    """Features as the map of 1x1 that they were before a global pooling or `flatten`.

    Raises
    ------
    LayerError
        E0602: they were none.
    """
    if isinstance(node.op, GlobalAvgPool):
        return Node.of(AdaptiveAvgPool.make({"size": 1}), *node.inputs)
    if isinstance(node.op, Flatten) and node.inputs[0].type.shape[2:] == (1, 1):
        return node.inputs[0]
    raise unsayable(NOT_A_MAP)


def as_features(r: Reader, value: Value | None) -> Node:
    """A value as features [N, C]; a map of 1x1 is flattened.

    Raises
    ------
    LayerError
        E0602: it is none.
    """
    view = canonical(r, seen(r, value))
    node = view.node
    if view.rank == 2 and node.type.rank == 2 and view.axes == view_of(node).axes:
        return node
    if node.type.rank == 4 and node.type.shape[2:] == (1, 1) and view.axes[:2] == view_of(node).axes[:2]:
        return r.make("flatten", node)
    raise unsayable("it works on features [N, C], and its input is no such value of the language")


class Failed(LayerError):
    """E0602 for an expression that the language has no step for; `item` is the node of the file that says it."""

    def __init__(self, why: str, expr: Expr) -> None:
        super().__init__("E0602", why)
        self.item = expr.item


# --- expressions ------------------------------------------------------------------------------------------------------


def expression(r: Reader, value: View | Expr) -> Expr:
    """A value as an expression to compute on."""
    if isinstance(value, Expr):
        if value.count <= MAX_EXPRESSION:
            return value
        value = settle(r, value)
    if value not in r.leaves:
        r.leaves[value] = Expr("", (), value)
    return r.leaves[value]


def settle(r: Reader, expr: Expr) -> View:
    """An expression as steps.

    Raises
    ------
    LayerError
        E0602: the language has none for it.
    """
    order = [expr]
    while order:
        top = order[-1]
        if top in r.settled:
            order.pop()
            continue
        needs = [part for part in _plan(r, top)[1] if part not in r.settled]
        if needs:
            order.extend(needs)
            continue
        order.pop()
        r.settled[top] = _step(r, top)
    return r.settled[expr]


_Plan = tuple[str, tuple[Expr, ...], Op | tuple[float, float] | None]


def _plan(r: Reader, expr: Expr) -> _Plan:
    """How an expression is said: by an operator of one part, by a line of one part, or by a merge of its parts."""
    if expr.is_leaf:
        return "leaf", (), None
    if expr.direct is not None:
        return "operator", expr.inner, expr.direct
    bases = bases_of(expr)
    for base in bases:
        op = activation_of(expr, base)
        if op is not None:
            return "operator", (base,), op
    line = None
    for base in bases:
        found = line_of(expr, base)
        if found is None:
            break
        line = ("line", (base,), found)
    if line is not None:
        return line
    if expr.function in ("Add", "Mul", "Max", "Sub") and len(expr.inner) == len(expr.args):
        return "merge", expr.inner, None
    if expr.function == "Clip" and len(expr.inner) == 1:
        return "clip", expr.inner, None
    if expr.function in ("Min", "Max") and len(expr.inner) == 1:
        return "clip", expr.inner, None
    if expr.function == "HardSigmoid":
        return "hardsigmoid", expr.inner, None
    if expr.function == "Pow" and expr.args[1] == 2:
        return "merge", (expr.inner[0], expr.inner[0]), None
    raise Failed("no activation of the language computes this", _culprit(expr))


STRANGE = ("Abs", "Erf", "Exp", "Log", "Pow", "Reciprocal", "Sqrt", "Div")


def _culprit(expr: Expr) -> Expr:
    """The part of an expression that makes it one that nobody knows."""
    parts = [expr, *parts_of(expr)]
    return next((p for name in STRANGE for p in reversed(parts) if p.function == name), expr)


def _step(r: Reader, expr: Expr) -> View:
    from cnnlang.importing.onnx.affine import scaled
    from cnnlang.importing.onnx.merging import merge

    how, parts, what = _plan(r, expr)
    views = [r.settled[part] for part in parts]
    match how:
        case "leaf":
            return expr.view
        case "operator":
            assert isinstance(what, Op)
            items = [part.item for part in between(expr, parts[0])]
            return views[0].over(r.apply(what, views[0].node, items=items))
        case "line":
            assert isinstance(what, tuple)
            items = [part.item for part in between(expr, parts[0])]
            return scaled(r, views[0], *_as_written(expr, parts[0], what), items=items)
        case "clip":
            low, high = _bounds(expr)
            return _clipped(r, expr, views[0], low, high)
        case "hardsigmoid":
            slope, offset = (float(a) for a in expr.args[1:] if not isinstance(a, Expr))
            if slope <= 0:
                raise Failed("its alpha is not positive", expr)
            inner = scaled(r, views[0], -(offset - 0.5) / slope, 1 / (6 * slope), items=[expr.item])
            return inner.over(r.make("hardsigmoid", inner.node, items=[expr.item]))
    if expr.function == "Sub":
        views[1] = scaled(r, views[1], 0.0, -1.0, items=[expr.item])
    name = {"Add": "add", "Sub": "add", "Mul": "mul", "Pow": "mul", "Max": "max"}[expr.function]
    return merge(r, name, views, items=[expr.item])


def _as_written(expr: Expr, base: Expr, line: tuple[float, float]) -> tuple[float, float]:
    """The mean and deviation of a*x + b = (x - mean)/std, exactly as the file has them where it says it so."""
    match expr:
        case Expr(function="Div", args=(Expr(function="Sub", args=(inner, float() as mean)), float() as std)):
            if inner is base:
                return short(mean), short(std)
        case Expr(function="Sub", args=(inner, float() as mean)) if inner is base:
            return short(mean), 1.0
        case Expr(function="Div", args=(inner, float() as std)) if inner is base:
            return 0.0, short(std)
    a, b = line
    if a == 0:
        raise Failed("it is the same number whatever the input is", expr)
    return 0.0 if b == 0 else float(f"{-b / a:.9g}"), float(f"{1 / a:.9g}")


def _bounds(expr: Expr) -> tuple[float, float]:
    numbers = [float(a) for a in expr.args if not isinstance(a, Expr)]
    if expr.function == "Clip":
        return numbers[0], numbers[1]
    return (numbers[0], math.inf) if expr.function == "Max" else (-math.inf, numbers[0])


def _clipped(r: Reader, expr: Expr, view: View, low: float, high: float) -> View:
    """Between two bounds, as a `relu` or `relu6` of what is moved and stretched to fit, and back."""
    from cnnlang.importing.onnx.affine import scaled

    items = [expr.item]
    if math.isnan(low) or math.isnan(high) or low >= high:
        raise Failed("its bounds leave nothing between them", expr)
    if math.isinf(low) and math.isinf(high):
        return view
    if math.isinf(high):
        inner = scaled(r, view, short(low), 1.0, items=items)
        inner = inner.over(r.make("relu", inner.node, items=items))
        return scaled(r, inner, -short(low), 1.0, items=items)
    if math.isinf(low) and isinstance(view.node.op, Relu) and high > 0:
        return _clipped(r, expr, view.over(view.node.inputs[0]), 0.0, high)
    if (low, high) == (0, 6):
        return view.over(r.make("relu6", view.node, items=items))
    if math.isinf(low):  # min(x, high) = high - relu(high - x)
        inner = scaled(r, view, short(high), -1.0, items=items)
        inner = inner.over(r.make("relu", inner.node, items=items))
        return scaled(r, inner, short(high), -1.0, items=items)
    unit = (high - low) / 6
    inner = scaled(r, view, short(low), unit, items=items)
    inner = inner.over(r.make("relu6", inner.node, items=items))
    return scaled(r, inner, -low / unit, 1 / unit, items=items)

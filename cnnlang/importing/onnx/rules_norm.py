"""Normalisation, and nodes that change nothing in inference."""

from __future__ import annotations

import numpy as np

from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.affine import filled
from cnnlang.importing.onnx.arrange import canonical, seen
from cnnlang.importing.onnx.attributes import Item, axis_of
from cnnlang.importing.onnx.constants import Constant, need_float, short
from cnnlang.importing.onnx.reader import Reader, Value, need_constant, rule
from cnnlang.importing.onnx.scalars import Expr
from cnnlang.importing.onnx.views import Atom, View, full, order_of
from cnnlang.ir import Node
from cnnlang.ops import OPERATORS

FLOATS = (1, 10, 11, 16)


def _numbers(inputs: list[Value | None], place: int, what: str, count: int) -> Constant:
    found = need_float(need_constant(inputs[place] if place < len(inputs) else None, what), what)
    if found.size != count:
        raise broken(f"its {what} is {list(found.shape)}, and there are {count} channels")
    return found.reshaped(count)


@rule("BatchNormalization")
def batch_norm(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if item.flag("training_mode") or len([o for o in item.proto.output if o]) > 1:
        raise unsayable("it is for training: it computes the batch's own statistics")
    if not item.flag("spatial", True):
        raise unsayable("it has statistics for each place of the map, and `bn` has one a channel")
    view = canonical(r, seen(r, inputs[0]))
    if order_of([view])[1] != 1:
        raise unsayable("it works along another axis than the channels")
    count = view.node.type.channels
    roles = ("weight", "bias", "running_mean", "running_var")
    arrays = {role: _numbers(inputs, i, role, count) for i, role in enumerate(roles, 1)}
    arguments = {"eps": short(item.number_of("epsilon", 1e-5))}
    momentum = short(item.number_of("momentum", 0.9))
    if 0 <= momentum <= 1:
        arguments["momentum"] = round(1 - momentum, 9)
    op = OPERATORS["bn"].make(arguments)
    names = (*(a.name for a in arrays.values()), item.proto.name)
    return view.over(r.layer(op, view.node, arrays, names))


def _repeated(r: Reader, numbers: Constant, count: int) -> Constant:
    """One number a group as one a channel."""
    each = count // numbers.size
    if each == 1:
        return numbers
    r.budget.take(count)
    return numbers.then((count,), lambda a: np.repeat(a, each))


@rule("InstanceNormalization")
def instance_norm(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    node = view.node
    groups = _groups(view)
    if groups is None:
        raise unsayable("it normalises over other numbers than a group of channels")
    channels = node.type.channels
    arrays = {
        "weight": _repeated(r, _numbers(inputs, 1, "weight", groups), channels),
        "bias": _repeated(r, _numbers(inputs, 2, "bias", groups), channels),
    }
    op = OPERATORS["group_norm"].make({"groups": groups, "eps": short(item.number_of("epsilon", 1e-5))})
    names = (*(a.name for a in arrays.values()), item.proto.name)
    return view.over(r.layer(op, node, arrays, names))


def _groups(view: View) -> int | None:
    """The groups of channels that axis 1 of a tensor counts, the rest of a sample being in the axes after it."""
    node = view.node
    if view.rank < 3 or view.axes[0] != full(node, 0):
        return None
    channels = node.type.channels
    first = view.axes[1]
    groups, inside = (1, channels) if not first else (first[0].size, first[0].stride)
    if len(first) > 1 or not isinstance(groups, int) or not isinstance(inside, int) or groups * inside != channels:
        return None
    if first and first[0].axis != 1:
        return None
    wanted = {atom for axis in range(2, node.type.rank) for atom in full(node, axis)}
    if inside > 1:
        wanted.add(Atom(1, 1, inside))
    found = {atom for axis in view.axes[2:] for atom in axis}
    return groups if found == wanted else None


@rule("GroupNormalization")
def group_norm(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    if order_of([view])[1] != 1:
        raise unsayable("it works along another axis than the channels")
    groups, channels = item.whole("num_groups", 0), view.node.type.channels
    if groups < 1 or channels % groups:
        raise broken(f"its {groups} groups do not divide {channels} channels")
    per_group = need_constant(inputs[1], "weight").size == groups != channels
    count = groups if per_group else channels
    arrays = {
        "weight": _repeated(r, _numbers(inputs, 1, "weight", count), channels),
        "bias": _repeated(r, _numbers(inputs, 2, "bias", count), channels),
    }
    op = OPERATORS["group_norm"].make({"groups": groups, "eps": short(item.number_of("epsilon", 1e-5))})
    names = (*(a.name for a in arrays.values()), item.proto.name)
    return view.over(r.layer(op, view.node, arrays, names))


@rule("LayerNormalization")
def layer_norm(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if len([o for o in item.proto.output if o]) > 1:
        raise unsayable("it also gives the mean and deviation")
    view = canonical(r, seen(r, inputs[0]))
    node = view.node
    if (
        axis_of(item.whole("axis", -1), view.rank) != 1
        or node.type.rank != 2
        or view.axes != (full(node, 0), full(node, 1))
    ):
        raise unsayable("it normalises each place of a map over its channels, and `group_norm` a whole sample")
    count = node.type.channels
    weight = _numbers(inputs, 1, "weight", count)
    bias = _numbers(inputs, 2, "bias", count) if len(inputs) > 2 and inputs[2] is not None else None
    arrays = {"weight": weight, "bias": bias or filled(r, count, 0.0)}
    op = OPERATORS["group_norm"].make({"groups": 1, "eps": short(item.number_of("epsilon", 1e-5))})
    return view.over(r.layer(op, node, arrays, (weight.name, item.proto.name)))


@rule("LRN")
def lrn(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    if order_of([view])[1] != 1:
        raise unsayable("it works along another axis than the channels")
    node: Node = r.make(
        "lrn",
        view.node,
        size=item.whole("size", 0),
        alpha=short(item.number_of("alpha", 1e-4)),
        beta=short(item.number_of("beta", 0.75)),
        k=short(item.number_of("bias", 1.0)),
    )
    return view.over(node)


@rule("Dropout")
def dropout(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    mask = item.proto.output[1] if len(item.proto.output) > 1 else ""
    if mask and r.uses[mask]:
        raise unsayable("it also gives which numbers it kept")
    if len(inputs) > 2 and inputs[2] is not None and need_constant(inputs[2], "training_mode").array().any():
        raise unsayable("it is for training: it sets numbers to 0")
    rate = item.number_of("ratio", 0.5)
    if len(inputs) > 1 and inputs[1] is not None:
        rate = need_constant(inputs[1], "ratio").number()
    view = seen(r, inputs[0])
    if not 0 < rate < 1:
        return view
    return view.over(r.make("dropout", view.node, rate=short(rate)))


@rule("Identity")
def identity(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    value = inputs[0]
    if value is None:
        raise broken("its input is missing")
    if isinstance(value, Constant):
        name = item.proto.output[0]
        return value.called(name) if "." in name else value
    return value


@rule("Cast", "CastLike")
def cast(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    value = inputs[0]
    if item.op_type == "Cast" and item.whole("to", 1) not in FLOATS:
        raise unsayable("it makes whole numbers of its input, and a net's are float32")
    if isinstance(value, View | Expr):
        return value
    return seen(r, value)

"""Layers with weights: Conv, ConvTranspose, Gemm, MatMul, PRelu."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.affine import by_channel
from cnnlang.importing.onnx.arrange import as_features, as_map, canonical, seen
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.constants import Array, Constant, need_float
from cnnlang.importing.onnx.reader import Reader, Value, need_constant, rule
from cnnlang.importing.onnx.views import View, full, joined, laid_out, view_of
from cnnlang.importing.onnx.windows import kernel_of, pair, sides_of, window
from cnnlang.ir import Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.shape import Pad


def _bias(value: Value | None, count: int) -> Constant | None:
    if value is None:
        return None
    bias = need_float(need_constant(value, "bias"), "bias")
    if bias.size != count:
        raise broken(f"its bias is {list(bias.shape)}, and there are {count} channels")
    return bias.reshaped(count)


def _weight(value: Value | None) -> Constant:
    return need_float(need_constant(value, "weight"), "weight")


@rule("Conv")
def conv(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    weight = _weight(inputs[1])
    if len(weight.shape) != 4:
        raise unsayable(f"its weight has {len(weight.shape)} axes, and a map's kernel has 4")
    out, into, *_ = weight.shape
    bias = _bias(inputs[2] if len(inputs) > 2 else None, out)
    arrays = {"weight": weight, **({"bias": bias} if bias else {})}
    names = (weight.name, bias.name if bias else "", item.proto.name)
    kernel = kernel_of(item, weight.shape)
    groups = item.whole("group", 1)
    if view.node.type.rank == 2 and view.axes == (*view_of(view.node).axes, (), ()):
        dense = _as_dense(r, item, view, weight, arrays, names, kernel, groups)
        if dense is not None:
            return dense
    x = as_map(r, view)
    arguments: dict[str, Any] = window(item, kernel, (x.type.height, x.type.width))
    arguments["bias"] = bias is not None
    if groups < 1 or x.type.channels != into * groups:
        raise broken(f"its weight {list(weight.shape)} in {groups} groups does not fit {x.type}")
    x, arguments = _with_pad(r, x, arguments)
    if groups > 1 and into == 1 and out % groups == 0 and "fill" not in arguments:
        op = OPERATORS["depthwise"].make({**arguments, "multiplier": out // groups})
    else:
        op = OPERATORS["conv"].make({**arguments, "channels": out, "groups": groups})
    return view_of(r.layer(op, x, arrays, names))


def _as_dense(
    r: Reader,
    item: Item,
    view: View,
    weight: Constant,
    arrays: dict[str, Constant],
    names: tuple[str, ...],
    kernel: tuple[int, int],
    groups: int,
) -> View | None:
    """A convolution of features, a map of 1x1, is a dense layer."""
    if kernel != (1, 1) or groups != 1 or any(item.ints("pads", 4) or ()):
        return None
    out, into, *_ = weight.shape
    if into != view.node.type.channels:
        raise broken(f"its weight {list(weight.shape)} does not fit {view.node.type}")
    op = OPERATORS["dense"].make({"units": out, "bias": "bias" in arrays})
    node = r.layer(op, view.node, {**arrays, "weight": weight.reshaped(out, into)}, names)
    return laid_out(node, (0, 1, 2, 3))


def _with_pad(r: Reader, x: Node, arguments: dict[str, Any]) -> tuple[Node, dict[str, Any]]:
    """A `pad` before a convolution, that nobody else reads, is the convolution's own."""
    op, pad = x.op, arguments["pad"]
    if not isinstance(op, Pad) or not r.is_free(x) or op.mode != "constant" or isinstance(pad, str):
        return x, arguments
    if op.value and any(pad):
        return x, arguments
    both = tuple(a + b for a, b in zip(op.amount, pad, strict=True))
    return x.inputs[0], {**arguments, "pad": both, **({"fill": op.value} if op.value else {})}


@rule("ConvTranspose")
def deconv(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    weight = _weight(inputs[1])
    if len(weight.shape) != 4:
        raise unsayable(f"its weight has {len(weight.shape)} axes, and a map's kernel has 4")
    x = as_map(r, inputs[0])
    groups = item.whole("group", 1)
    into, per_group = weight.shape[:2]
    if groups < 1 or x.type.channels != into or into % groups:
        raise broken(f"its weight {list(weight.shape)} in {groups} groups does not fit {x.type}")
    out = per_group * groups
    bias = _bias(inputs[2] if len(inputs) > 2 else None, out)
    kernel = kernel_of(item, weight.shape)
    stride, dilation = pair(item, "strides", 1), pair(item, "dilations", 1)
    extra = pair(item, "output_padding", 0)
    if min(*kernel, *stride, *dilation) < 1:
        raise broken("its kernel, strides and dilations must be at least 1")
    pads = list(sides_of(item.ints("pads", 4) or (0, 0, 0, 0)))
    auto = item.text("auto_pad", "NOTSET") or "NOTSET"
    wanted = item.ints("output_shape")
    if wanted is not None or auto.startswith("SAME"):
        sizes = wanted[-2:] if wanted is not None else None
        if sizes is not None and len(sizes) < 2:
            raise broken("its output_shape has no two sizes")
        added = list(extra)
        for axis in range(2):
            reach = dilation[axis] * (kernel[axis] - 1) + 1
            size = x.type.shape[2 + axis]
            goal = sizes[axis] if sizes is not None else size * stride[axis]
            total = stride[axis] * (size - 1) + extra[axis] + reach - goal
            if not isinstance(total, int):
                raise unsayable("its output_shape depends on a size that is not known")
            added[axis] += max(-total, 0)
            total = max(total, 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            pads[2 * axis : 2 * axis + 2] = [first, total - first]
        extra = (added[0], added[1])
    elif auto == "VALID":
        pads = [0, 0, 0, 0]
    op = OPERATORS["deconv"].make(
        {
            "channels": out,
            "kernel": kernel,
            "stride": stride,
            "dilation": dilation,
            "pad": tuple(pads),
            "output_pad": extra,
            "groups": groups,
            "bias": bias is not None,
        }
    )
    arrays = {"weight": weight, **({"bias": bias} if bias else {})}
    return view_of(r.layer(op, x, arrays, (weight.name, bias.name if bias else "", item.proto.name)))


@rule("Gemm")
def gemm(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if item.flag("transA"):
        raise unsayable("it multiplies with its input transposed, which mixes the samples")
    weight = _weight(inputs[1])
    if len(weight.shape) != 2:
        raise broken(f"its weight is {list(weight.shape)}, and a matrix is due")
    if not item.flag("transB"):
        weight = weight.then(weight.shape[::-1], np.transpose, weight.name)
    alpha, beta = item.number_of("alpha", 1.0), item.number_of("beta", 1.0)
    if alpha != 1:
        old = weight
        weight = old.then(old.shape, lambda a: (a.astype(np.float64) * alpha).astype(np.float32), old.name)
    units = weight.shape[0]
    bias = None
    if len(inputs) > 2 and inputs[2] is not None and beta != 0:
        given = need_float(need_constant(inputs[2], "bias"), "bias")
        if given.size == 1 and units > 1:
            given = given.then((units,), lambda a: np.broadcast_to(a.reshape(()), (units,)), given.name)
        if given.size != units:
            raise unsayable(f"its bias is {list(given.shape)}, and a layer's is the same for all samples")
        bias = given.reshaped(units)
        if beta != 1:
            once = bias
            bias = once.then(once.shape, lambda a: (a.astype(np.float64) * beta).astype(np.float32), once.name)
    return _dense(r, item, canonical(r, seen(r, inputs[0])), weight, bias)


def _dense(r: Reader, item: Item, view: View, weight: Constant, bias: Constant | None) -> View:
    names = (weight.name, bias.name if bias else "", item.proto.name)
    arrays = {"weight": weight, **({"bias": bias} if bias else {})}
    op = OPERATORS["dense"].make({"units": weight.shape[0], "bias": bias is not None})
    node = view.node
    if view.rank == 2 and node.type.rank == 4 and node.type.shape[2:] != (1, 1) and _permuted(view):
        atoms = view.axes[1]
        arrays["weight"] = weight.then(weight.shape, lambda a: _reordered(a, view), weight.name)
        if len(atoms) > 1:
            node = r.make("flatten", node)
            return view_of(r.layer(op, node, arrays, names))
    return view_of(r.layer(op, as_features(r, view), arrays, names))


def _permuted(view: View) -> bool:
    """Whether the features are all numbers of a map, in some order."""
    atoms = view.axes[1]
    if view.axes[0] != full(view.node, 0):
        return False
    found = sorted(atoms, key=lambda a: (a.axis, -int(str(a.stride))))
    whole = [a for axis in (1, 2, 3) for a in full(view.node, axis)]

    return joined(found) == tuple(whole)


def _reordered(weight: Array, view: View) -> Array:
    """A weight whose inputs are in a view's order, in the order of `flatten`."""
    atoms = view.axes[1]
    sizes = [int(str(a.size)) for a in atoms]
    places = sorted(range(len(atoms)), key=lambda i: (atoms[i].axis, -int(str(atoms[i].stride))))
    spread = weight.reshape(weight.shape[0], *sizes)
    return spread.transpose(0, *(p + 1 for p in places)).reshape(weight.shape[0], -1)


@rule("MatMul")
def matmul(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if isinstance(inputs[0], Constant) and not isinstance(inputs[1], Constant):
        raise unsayable("it multiplies a matrix with the input from the left")
    view = canonical(r, seen(r, inputs[0]))
    weight = _weight(inputs[1])
    if len(weight.shape) != 2:
        raise unsayable(f"it multiplies with {list(weight.shape)}, and a layer has one matrix for all samples")
    weight = weight.then(weight.shape[::-1], np.transpose, weight.name)
    node = view.node
    if view.rank <= 2 or node.type.rank == 2:
        if view.rank > 2:
            return _of_channels(r, item, view, weight)
        return _dense(r, item, view, weight, None)
    return _of_channels(r, item, view, weight)


def _of_channels(r: Reader, item: Item, view: View, weight: Constant) -> View:
    """A matrix along the last axis of a tensor: a convolution of 1x1 where that axis is the channels."""
    node = view.node
    if view.axes[-1] != full(node, 1) or weight.shape[1] != node.type.channels:
        raise unsayable("it multiplies along an axis that is not the channels")
    names = (weight.name, item.proto.name)
    units, features = weight.shape
    if node.type.rank == 2:
        op = OPERATORS["dense"].make({"units": units, "bias": False})
        made = r.layer(op, node, {"weight": weight}, names)
    else:
        op = OPERATORS["conv"].make({"channels": units, "kernel": 1, "bias": False})
        made = r.layer(op, node, {"weight": weight.reshaped(units, features, 1, 1)}, names)
    return View(made, (*view.axes[:-1], full(made, 1)))


@rule("PRelu")
def prelu(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    slope = need_float(need_constant(inputs[1], "slope"), "slope")
    count = view.node.type.channels
    each = by_channel(slope, view)
    if each is None:
        r.budget.take(count)
        each = slope.then((count,), lambda a: np.broadcast_to(a.reshape(()), (count,)), slope.name)
    op = OPERATORS["prelu"].make({})
    return view.over(r.layer(op, view.node, {"weight": each}, (slope.name, item.proto.name)))

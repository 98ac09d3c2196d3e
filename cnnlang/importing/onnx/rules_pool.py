"""Pools, global ones, and reductions over height and width."""

from __future__ import annotations

from cnnlang.importing.building import unsayable
from cnnlang.importing.onnx.arrange import as_map, seen
from cnnlang.importing.onnx.attributes import Item, axis_of
from cnnlang.importing.onnx.pooled import Pooled
from cnnlang.importing.onnx.reader import Reader, Value, ints_of, rule
from cnnlang.importing.onnx.views import View, full, order_of, view_of
from cnnlang.importing.onnx.windows import kernel_of, window
from cnnlang.ops.pool import GlobalAvgPool, GlobalMaxPool, GlobalPool


@rule("MaxPool", "AveragePool")
def pool(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    if len([o for o in item.proto.output if o]) > 1:
        raise unsayable("it also gives the places of the largest numbers")
    x = as_map(r, inputs[0])
    kernel = kernel_of(item, None)
    arguments = window(item, kernel, (x.type.height, x.type.width))
    arguments["ceil"] = item.flag("ceil_mode")
    if item.op_type == "MaxPool":
        return view_of(r.make("maxpool", x, **arguments))
    if arguments.pop("dilation") != (1, 1):
        raise unsayable("it averages cells that lie apart, and `avgpool` has no dilation")
    arguments["count_pad"] = item.flag("count_include_pad") or arguments["pad"] == (0, 0, 0, 0)
    return view_of(r.make("avgpool", x, **arguments))


GLOBAL: dict[str, GlobalPool] = {
    "GlobalAveragePool": GlobalAvgPool(),
    "GlobalMaxPool": GlobalMaxPool(),
    "ReduceMean": GlobalAvgPool(),
    "ReduceMax": GlobalMaxPool(),
}


@rule("GlobalAveragePool", "GlobalMaxPool")
def global_pool(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    x = as_map(r, inputs[0])
    return view_of(r.apply(Pooled(GLOBAL[item.op_type]), x))


@rule("ReduceMean", "ReduceMax", "ReduceSum")
def reduce(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    stated = item.ints("axes")
    if stated is None and len(inputs) > 1 and inputs[1] is not None:
        stated = tuple(ints_of(inputs[1], "axes"))
    if not stated and item.flag("noop_with_empty_axes"):
        return view
    axes = sorted({axis_of(a, view.rank) for a in stated or range(view.rank)})
    keeps = item.flag("keepdims", True)
    if all(not view.axes[a] for a in axes):
        return _dropped(view, axes, keeps)
    order = order_of([view])
    node = view.node
    reduced = {order[a] for a in axes}
    if node.type.rank == 4 and reduced | _single(view, order) == {2, 3} | _single(view, order) and reduced <= {2, 3}:
        return _over_the_map(r, item, view, order, axes, keeps)
    if node.type.rank == 4 and reduced == {1} and item.op_type != "ReduceMax":
        channels = node.type.channels
        kernel = 1 / channels if item.op_type == "ReduceMean" else 1.0
        made = r.make("conv", node, channels=1, kernel=1, weight=[[kernel]])
        return _dropped(View(made, tuple(() if a in axes else x for a, x in enumerate(view.axes))), axes, keeps)
    raise unsayable("it takes together other axes than height and width")


def _single(view: View, order: tuple[int, ...]) -> set[int]:
    """The axes of the node of size 1 among height and width."""
    return {axis for axis in (2, 3) if view.node.type.rank == 4 and view.node.type.shape[axis] == 1}


def _over_the_map(r: Reader, item: Item, view: View, order: tuple[int, ...], axes: list[int], keeps: bool) -> View:
    node = view.node
    if item.op_type == "ReduceSum":
        height, width = node.type.shape[2:]
        if not (isinstance(height, int) and isinstance(width, int)):
            raise unsayable("it adds up a map whose size is not known")
        made = r.apply(Pooled(GlobalAvgPool()), node)
        made = r.make("normalize", made, mean=0, std=1 / (height * width))
    else:
        made = r.apply(Pooled(GLOBAL[item.op_type]), node)
    if not keeps:
        made = r.make("flatten", made)
    seen_axes = tuple(
        full(made, 1) if order[a] == 1 else full(made, 0) if order[a] == 0 else () for a in range(len(order))
    )
    return _dropped(View(made, seen_axes), axes, keeps)


def _dropped(view: View, axes: list[int], keeps: bool) -> View:
    return view if keeps else View(view.node, tuple(x for a, x in enumerate(view.axes) if a not in axes))

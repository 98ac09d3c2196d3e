"""Nodes that move numbers and compute none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnlang.dims import Dim
from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.arrange import as_map, canonical, seen
from cnnlang.importing.onnx.attributes import Item, axis_of
from cnnlang.importing.onnx.constants import Array, Constant, constant, short
from cnnlang.importing.onnx.reader import Reader, Value, dims_of, ints_of, need_constant, rule
from cnnlang.importing.onnx.views import View, full, laid_out, order_of, reshaped, transposed, without
from cnnlang.ir import Node

LAST = 2**31 - 1  # what exporters write for "to the end", or more


@rule("Reshape")
def reshape(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    dims = dims_of(inputs[1], "shape") if len(inputs) > 1 else list(item.ints("shape") or ())
    keeps_zero = item.flag("allowzero")
    wanted: list[Dim] = []
    for place, dim in enumerate(dims):
        if dim == 0 and not keeps_zero:
            if place >= view.rank:
                raise broken("its shape keeps an axis that is not there")
            wanted.append(view.shape[place])
        elif place == 0 and r.batch is not None and dim == r.batch and view.axes and view.axes[0] == full(view.node, 0):
            wanted.append(view.shape[0])
        else:
            wanted.append(dim)
    if any(isinstance(d, int) and d < 1 and d != -1 for d in wanted):
        raise broken(f"its shape is {dims}")
    return canonical(r, reshaped(view, wanted))


@rule("Flatten")
def flatten(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    axis = item.whole("axis", 1)
    if not -view.rank <= axis <= view.rank:
        raise broken(f"its axis {axis} is none of {view.rank}")
    axis = axis if axis >= 0 else axis + view.rank
    front, back = view.axes[:axis], view.axes[axis:]
    joined = tuple(a for x in front for a in x), tuple(a for x in back for a in x)
    if joined[0] != full(view.node, 0):
        raise unsayable("it puts the numbers of several samples in one row")
    return canonical(r, View(view.node, joined))


@rule("Transpose")
def transpose(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    order = item.ints("perm") or tuple(reversed(range(view.rank)))
    if sorted(order) != list(range(view.rank)):
        raise broken(f"its perm {list(order)} is no order of {view.rank} axes")
    return canonical(r, transposed(view, order))


def _axes(item: Item, inputs: list[Value | None]) -> list[int] | None:
    if len(inputs) > 1 and inputs[1] is not None:
        return ints_of(inputs[1], "axes")
    stated = item.ints("axes")
    return None if stated is None else list(stated)


@rule("Squeeze")
def squeeze(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    axes = _axes(item, inputs)
    if axes is None:
        axes = [i for i, size in enumerate(view.shape) if size == 1 or (i == 0 and r.batch == 1)]
    return canonical(r, without(view, [axis_of(a, view.rank) for a in axes]))


@rule("Unsqueeze")
def unsqueeze(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    axes = _axes(item, inputs)
    if not axes:
        raise broken("its axes are missing")
    rank = view.rank + len(axes)
    places = {axis_of(a, rank) for a in axes}
    if len(places) != len(axes) or rank > 8:
        raise broken(f"its axes are {axes}")
    rest = iter(view.axes)
    return canonical(r, View(view.node, tuple(() if i in places else next(rest) for i in range(rank))))


@rule("Shape")
def shape(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    dims = seen(r, inputs[0]).shape
    rank = len(dims)
    start, end = (
        min(max(p + rank if p < 0 else p, 0), rank) for p in (item.whole("start", 0), item.whole("end", rank))
    )
    return sizes(dims[start:end])


@rule("Size")
def size(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    total: Dim = 1
    for dim in seen(r, inputs[0]).shape:
        total = total * dim
    found = sizes([total])
    return found.reshaped()


def sizes(dims: Sequence[Dim]) -> Constant:
    """Sizes as a vector of whole numbers."""
    if all(isinstance(d, int) for d in dims):
        return constant(np.array(dims, dtype=np.int64))
    array: Array = np.empty(len(dims), dtype=object)
    array[:] = list(dims)
    return constant(array)


# --- parts ------------------------------------------------------------------------------------------------------------


def part(r: Reader, view: View, axis: int, start: int, stop: int, step: int = 1) -> View:
    """The places from `start` up to, not including, `stop` along an axis of a tensor."""
    whole = view.shape[axis]
    if (start, stop, step) == (0, whole, 1):
        return view
    if view.axes[axis] == full(view.node, 0) and view.axes[axis]:
        raise unsayable("it takes some of the samples")
    order = order_of([view])
    ours, node = order[axis], view.node
    if not isinstance(whole, int):
        raise unsayable("it takes a part of a map whose size is not known")
    if ours == 1:
        if step != 1:
            raise unsayable("it leaves out channels between those that it takes")
        return laid_out(r.make("channels", node, start=start, stop=stop), order)
    amount = [0, 0, 0, 0]
    amount[2 * ours - 4 : 2 * ours - 2] = [start, whole - stop]
    if any(amount):
        node = r.make("crop", node, amount=tuple(amount))
    if step != 1:
        node = r.make("maxpool", node, kernel=1, stride=(step, 1) if ours == 2 else (1, step))
    return laid_out(node, order)


def _place(value: Dim, whole: Dim) -> int:
    """Where a part begins or ends, counted from the front."""
    if value == whole and isinstance(whole, int):
        return whole
    if not isinstance(value, int) or not isinstance(whole, int):
        raise unsayable("it takes a part whose place depends on the size of the input")
    return min(max(value + whole if value < 0 else value, 0), whole)


@rule("Slice")
def cut(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = seen(r, inputs[0])
    if item.version >= 10:
        found = [dims_of(v, "bounds") if v is not None else None for v in inputs[1:5]]
        starts, ends, axes, steps = [*found, None, None, None, None][:4]
    else:
        found = [None if (v := item.ints(name)) is None else list(v) for name in ("starts", "ends", "axes")]
        (starts, ends, axes), steps = found, None
    if starts is None or ends is None or len(starts) != len(ends):
        raise broken("its starts and ends are not of one length")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if len(axes) != len(starts) or len(steps) != len(starts):
        raise broken("its axes and steps are not as many as its starts")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not isinstance(axis, int) or not isinstance(step, int):
            raise unsayable("its axes depend on the size of the input")
        place = axis_of(axis, view.rank)
        whole = view.shape[place]
        if start == 0 and step == 1 and (end == whole or (isinstance(end, int) and end >= LAST)):
            continue
        if step == -1 and order_of([view])[place] == 1 and isinstance(whole, int) and whole <= 16:
            view = picked(r, view, place, list(range(whole))[slice(_raw(start), _raw(end), -1)])
            continue
        if place == 0:
            raise unsayable("it takes some of the samples")
        if step < 1:
            raise unsayable("it turns the map around")
        view = part(r, view, place, *_between(start, end, whole, step), step)
    return canonical(r, view)


def _raw(bound: Dim) -> int | None:
    if not isinstance(bound, int):
        raise unsayable("it takes a part whose place depends on the size of the input")
    return max(bound, -(2**31)) if bound > -(2**31) else None


def _between(start: Dim, end: Dim, whole: Dim, step: int) -> tuple[int, int]:
    first, last = _place(start, whole), _place(end, whole)
    if first >= last:
        raise unsayable("it leaves nothing")
    return first, last


def picked(r: Reader, view: View, axis: int, places: list[int]) -> View:
    """Channels one by one, in an order."""
    if not places:
        raise unsayable("it leaves nothing")
    order = order_of([view])
    if places == list(range(places[0], places[0] + len(places))):
        return part(r, view, axis, places[0], places[-1] + 1)
    if order[axis] != 1 or len(places) > 16:
        raise unsayable("it picks out places in an order that the language cannot say")
    nodes = [r.make("channels", view.node, start=p, stop=p + 1) for p in places]
    return laid_out(r.make("concat", *nodes), order)


@rule("Split")
def split(r: Reader, item: Item, inputs: list[Value | None]) -> list[Value]:
    view = canonical(r, seen(r, inputs[0]))
    axis = axis_of(item.whole("axis", 0), view.rank)
    whole, count = view.shape[axis], len(item.proto.output)
    stated = item.ints("split")
    if len(inputs) > 1 and inputs[1] is not None:
        stated = tuple(ints_of(inputs[1], "split"))
    if not isinstance(whole, int):
        raise unsayable("it divides an axis whose size is not known")
    if stated is None:
        each = -(-whole // count)
        stated = tuple(min(each, whole - each * i) for i in range(count))
    if sum(stated) != whole or len(stated) != count or min(stated) < 1:
        raise broken(f"its parts {list(stated)} do not add up to {whole}")
    made: list[Value] = []
    start = 0
    for size_ in stated:
        made.append(part(r, view, axis, start, start + size_))
        start += size_
    return made


@rule("Gather")
def gather(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    axis = axis_of(item.whole("axis", 0), view.rank)
    indices = need_constant(inputs[1] if len(inputs) > 1 else None, "indices")
    whole = view.shape[axis]
    if len(indices.shape) > 1 or not isinstance(whole, int):
        raise unsayable("it picks out places in a way that no step does")
    places = ints_of(indices, "indices")
    if any(not -whole <= p < whole for p in places):
        raise broken(f"it picks out places {places} of {whole}")
    found = picked(r, view, axis, [p % whole for p in places])
    return found if indices.shape else canonical(r, without(found, [axis]))


# --- around -----------------------------------------------------------------------------------------------------------


@rule("Pad")
def pad(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    mode = item.text("mode", "constant")
    if item.version >= 11:
        amounts = ints_of(inputs[1] if len(inputs) > 1 else None, "pads")
        value = need_constant(inputs[2], "value").number() if len(inputs) > 2 and inputs[2] is not None else 0.0
        axes = ints_of(inputs[3], "axes") if len(inputs) > 3 and inputs[3] is not None else list(range(view.rank))
    else:
        amounts, value, axes = list(item.ints("pads") or ()), item.number_of("value", 0.0), list(range(view.rank))
    if len(amounts) != 2 * len(axes):
        raise broken(f"its pads are {len(amounts)} numbers for {len(axes)} axes")
    order = order_of([view])
    around = {ours: (0, 0) for ours in range(4)}
    for place, axis in enumerate(axes):
        around[order[axis_of(axis, view.rank)]] = (amounts[place], amounts[place + len(axes)])
    if mode not in ("constant", "reflect", "edge"):
        raise unsayable("`pad` is constant, reflect or edge")
    if not math.isfinite(value):
        raise unsayable("it fills with what is no number, and a file holds numbers")
    if any(around[0]):
        raise unsayable("it adds samples")
    node = view.node
    node = _more_channels(r, node, around[1], mode, value)
    sides = (*around[2], *around[3])
    less, more = tuple(max(-s, 0) for s in sides), tuple(max(s, 0) for s in sides)
    if any(less):
        node = r.make("crop", node, amount=less)
    if any(more):
        node = r.make("pad", node, amount=more, mode=mode, value=short(value) if mode == "constant" else 0)
    return laid_out(node, order)


def _more_channels(r: Reader, node: Node, around: tuple[int, int], mode: str, value: float) -> Node:
    before, after = around
    count = node.type.channels
    if min(before, after) < 0:
        node = r.make("channels", node, start=max(-before, 0), stop=count - max(-after, 0))
        before, after = max(before, 0), max(after, 0)
    if before or after:
        if mode != "constant" or value:
            raise unsayable("it adds channels that are not 0")
        node = r.make("pad_channels", node, before=before, after=after)
    return node


@rule("Expand")
def expand(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    wanted = dims_of(inputs[1] if len(inputs) > 1 else None, "shape")
    if len(wanted) > view.rank:
        raise unsayable("it adds axes")
    wanted = [*[1] * (view.rank - len(wanted)), *wanted]
    grows = [i for i, (d, s) in enumerate(zip(wanted, view.shape, strict=True)) if d not in (1, s)]
    if r.batch is not None:
        grows = [i for i in grows if not (i == 0 and wanted[0] == r.batch)]
    if not grows:
        return view
    order = order_of([view])
    if {order[i] for i in grows} <= {2, 3} and view.rank == 4:
        scale = [1, 1]
        for i in grows:
            times = wanted[i]
            if not isinstance(times, int) or view.shape[i] != 1:
                raise unsayable("it repeats a tensor along an axis whose size is not known")
            scale[order[i] - 2] = times
        return laid_out(r.make("upsample", as_map(r, laid_out(view.node, (0, 1, 2, 3))), scale=tuple(scale)), order)
    raise unsayable("it repeats a tensor along an axis")


@rule("DepthToSpace", "SpaceToDepth")
def blocks(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    size_ = item.whole("blocksize", 0)
    if size_ < 1 or view.rank != 4:
        raise broken(f"its blocksize is {size_}")
    spread: tuple[Dim, ...]
    batch, count, height, width = view.shape
    if item.op_type == "DepthToSpace":
        if not isinstance(count, int) or count % (size_ * size_):
            raise broken(f"its blocks of {size_}x{size_} do not divide {count} channels")
        rest = count // (size_ * size_)
        if item.text("mode", "DCR") == "CRD":
            spread, order = (batch, rest, size_, size_, height, width), (0, 1, 4, 2, 5, 3)
        else:
            spread, order = (batch, size_, size_, rest, height, width), (0, 3, 4, 1, 5, 2)
        made = (batch, rest, height * size_, width * size_)
    else:
        if not isinstance(count, int):
            raise unsayable("its channels are not known")
        high, wide = height // size_, width // size_
        spread = (batch, count, high, size_, wide, size_)
        order = (0, 3, 5, 1, 2, 4) if item.text("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
        made = (batch, count * size_ * size_, high, wide)
    return canonical(r, reshaped(transposed(reshaped(view, spread), order), made))

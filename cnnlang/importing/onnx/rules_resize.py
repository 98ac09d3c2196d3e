"""Resize and Upsample, where they enlarge as `upsample` does."""

from __future__ import annotations

import math

from cnnlang.dims import Dim
from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.arrange import as_map, canonical, seen
from cnnlang.importing.onnx.attributes import Item, axis_of
from cnnlang.importing.onnx.reader import Reader, Value, dims_of, need_constant, rule
from cnnlang.importing.onnx.views import View, laid_out, order_of, ratio

ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
MAX_SCALE = 4096


@rule("Resize", "Upsample")
def resize(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    view = canonical(r, seen(r, inputs[0]))
    order = order_of([view])
    if view.rank != 4:
        raise unsayable(f"it enlarges a tensor of {view.rank} axes")
    scales = _scales(r, item, view, inputs)
    by_axis = {order[i]: s for i, s in enumerate(scales)}
    if by_axis[0] != 1 or by_axis[1] != 1:
        raise unsayable("it enlarges along the samples or the channels")
    scale = (by_axis[2], by_axis[3])
    if scale == (1, 1):
        return view
    if max(scale) > MAX_SCALE:
        raise unsayable(f"it enlarges by more than {MAX_SCALE}")
    mode = item.text("mode", "nearest")
    x = as_map(r, laid_out(view.node, (0, 1, 2, 3)))
    sizes = x.type.shape[2:]
    if item.version <= 10 or item.op_type == "Upsample":
        where, rounding = "asymmetric", "floor"
    else:
        where = item.text("coordinate_transformation_mode", "half_pixel")
        rounding = item.text("nearest_mode", "round_prefer_floor")
    if item.flag("antialias") or where == "tf_crop_and_resize":
        raise unsayable("`upsample` neither smooths nor crops")
    lone = all(size == 1 or s == 1 for size, s in zip(sizes, scale, strict=True))
    if mode == "nearest":
        for size, s in zip(sizes, scale, strict=True):
            if not lone and not _covers(size, s, where, rounding):
                raise unsayable(f"it takes other cells than those that cover a place ({where}, {rounding})")
    elif mode in ("linear", "bilinear"):
        if not lone and where not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
            raise unsayable(f"`upsample` places cells at half pixels, and this is {where}")
        mode = "linear"
    elif not lone:
        raise unsayable("`upsample` is nearest or bilinear")
    how = "bilinear" if mode == "linear" and not lone else "nearest"
    return laid_out(r.make("upsample", x, scale=scale, mode=how), order)


def _scales(r: Reader, item: Item, view: View, inputs: list[Value | None]) -> list[int]:
    """By how much each axis grows."""
    sizes: Value | None = None
    if item.op_type == "Upsample" and item.version < 9:
        scales = item.floats("scales")
    else:
        place = 1 if item.version <= 10 or item.op_type == "Upsample" else 2
        sizes = inputs[3] if len(inputs) > 3 and place == 2 else None
        given = inputs[place] if len(inputs) > place else None
        scales = None
        if sizes is None or (given is not None and need_constant(given, "scales").size):
            fixed = need_constant(given, "scales")
            if fixed.size > 8:
                raise broken("its scales are more than there are axes")
            if fixed.dtype == object:
                raise unsayable("its scales depend on the size of the input")
            scales = [float(s) for s in fixed.array().reshape(-1)]
            sizes = None if fixed.size else sizes
    axes = list(range(view.rank))
    if item.has("axes") and item.version >= 18:
        axes = [axis_of(a, view.rank) for a in item.ints("axes") or ()]
    found = [1] * view.rank
    if sizes is not None:
        wanted = dims_of(sizes, "sizes")
        if len(wanted) != len(axes):
            raise broken("its sizes are not as many as its axes")
        for axis, size in zip(axes, wanted, strict=True):
            if axis == 0 and r.batch is not None and size == r.batch:
                continue
            found[axis] = _whole(ratio(size, view.shape[axis]))
        return found
    if scales is None or len(scales) != len(axes):
        raise broken("its scales are not as many as its axes")
    for axis, scale in zip(axes, scales, strict=True):
        found[axis] = _whole(int(scale) if math.isfinite(scale) and scale == int(scale) else None)
    return found


def _whole(scale: Dim | None) -> int:
    if not isinstance(scale, int) or scale < 1:
        raise unsayable("`upsample` enlarges by whole numbers")
    return scale


def _covers(size: Dim, scale: int, where: str, rounding: str) -> bool:
    """Whether the cell that a place takes is the one that covers it, `i // scale`, for every place."""
    if rounding not in ROUNDINGS:
        return False
    for cells in [size] if isinstance(size, int) else [2, 3, 8, 17]:
        total = cells * scale
        for i in range(total) if total <= 4096 else (*range(2048), *range(total - 2048, total)):
            match where:
                case "half_pixel" | "half_pixel_symmetric" | "pytorch_half_pixel":
                    place = (i + 0.5) / scale - 0.5
                case "asymmetric":
                    place = i / scale
                case "align_corners":
                    place = i * (cells - 1) / (total - 1) if total > 1 else 0.0
                case _:
                    return False
            down = math.floor(place)
            rest = place - down
            up = {
                "floor": False,
                "ceil": rest > 0,
                "round_prefer_floor": rest > 0.5,
                "round_prefer_ceil": rest >= 0.5,
            }[rounding]
            if min(max(down + up, 0), cells - 1) != i // scale:
                return False
    return True

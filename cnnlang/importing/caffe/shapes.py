"""Caffe's layers that move numbers or leave some out, and those by which they come in."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from cnnlang.importing.building import UNKNOWN, Value, broken, unsayable
from cnnlang.importing.caffe.layers import need_channels, rule
from cnnlang.importing.caffe.net import Layer, Net
from cnnlang.importing.caffe.text import Message
from cnnlang.source import Span

SIZE_CURE = "give it with --input, as in --input 3x224x224"


@rule("Split")
def split(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1, len(layer.tops))
    return x * len(layer.tops)


@rule("Slice")
def slice_(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """The channels, cut at points or into equal parts."""
    layer.need(1, max(len(layer.tops), 1))
    p = layer.param("slice_param", "axis slice_dim slice_point")
    need_channels(p.integer("axis", p.integer("slice_dim", 1, 0), -4), x, "channels", p.place("axis"))
    points, parts = p.integers("slice_point", 1), len(layer.tops)
    if points and len(points) != parts - 1:
        raise broken(f"{parts} tops need {parts - 1} numbers `slice_point`, not {len(points)}", p.place("slice_point"))
    if x[0].shape is None:
        net.builder.trail.append("channels")
        return [UNKNOWN] * parts
    count = x[0].shape[0]
    if not points and count % parts:
        raise broken(f"{count} channels are not {parts} equal parts")
    ends = [0, *(points or range(count // parts, count, count // parts)), count]
    if sorted(set(ends)) != ends:
        raise broken(f"the numbers `slice_point` must rise and lie below {count}", p.place("slice_point"))
    return [net.builder.apply("channels", x[0], start=a, stop=b) for a, b in pairwise(ends)]


@rule("Flatten")
def flatten(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("flatten_param", "axis end_axis")
    last = p.integer("end_axis", -1, -4)
    if p.integer("axis", 1, -4) not in (1, 1 - x[0].rank or 1) or last not in (-1, x[0].rank - 1 if x[0].rank else -1):
        raise unsayable("`flatten` makes one row of all numbers of a sample", p.place("axis"))
    return [_row(x[0], net)]


def _row(x: Value, net: Net) -> Value:
    """All numbers of a sample in one row; what was a global pooling's result is none that could be a map again."""
    flat = net.builder.flat(x)
    return Value(flat.node)


@rule("Reshape")
def reshape(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """What it says in the language is no step at all, or `flatten`."""
    layer.need(1)
    p = layer.param("reshape_param", "shape axis num_axes")
    if p.integer("axis", 0, -4) or p.integer("num_axes", -1, -1) != -1:
        raise unsayable("a part of the axes is shaped anew", p.place("axis"))
    dims = p.message("shape").integers("dim", -1)
    if dims[:1] != [0] and dims[:1] != [-1]:
        raise unsayable("it mixes the samples of a batch, or fixes how many there are", p.place("shape"))
    if x[0].shape is None:
        return [UNKNOWN]
    old = x[0].shape
    new = [old[i] if d == 0 and i < len(old) else d for i, d in enumerate(dims[1:])]
    total = math.prod(old)
    rest = math.prod(d for d in new if d != -1)
    if new.count(-1) > 1 or rest <= 0 or total % rest or (-1 not in new and rest != total):
        raise broken(f"{list(old)} cannot be shaped to {new}", p.place("shape"))
    new = [total // rest if d == -1 else d for d in new]
    while len(new) > 1 and new[-1] == 1 and len(new) != len(old):
        new.pop()
    if tuple(new) == old:
        return x
    if new[0] == total:
        return [_row(x[0], net) if len(new) == 1 else net.builder.flat(x[0])]
    raise unsayable("numbers move from one axis to another; the language has `flatten` alone", p.place("shape"))


@rule("Crop")
def crop(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """The first bottom, as large as the second from `axis` on."""
    layer.need(2)
    p = layer.param("crop_param", "axis offset")
    axis, offsets = p.integer("axis", 2, -4), p.integers("offset")
    axis += 4 if axis < 0 else 0
    if axis not in (1, 2, 3):
        raise unsayable("it cuts the samples of a batch", p.place("axis"))
    if len(offsets) > 1 and len(offsets) != 4 - axis:
        raise broken(f"there must be 1 or {4 - axis} numbers `offset`", p.place("offset"))
    value, like = net.builder.as_map(x[0]), net.builder.as_map(x[1])
    if value.shape is None or like.shape is None:
        net.builder.trail.append("crop")
        return [UNKNOWN]
    starts = [0, 0, 0]
    for place in range(axis - 1, 3):
        starts[place] = (offsets[place - axis + 1] if len(offsets) > 1 else offsets[0]) if offsets else 0
    kept = [old if i < axis - 1 else new for i, (old, new) in enumerate(zip(value.shape, like.shape, strict=True))]
    rest = [old - start - new for old, start, new in zip(value.shape, starts, kept, strict=True)]
    if min(rest) < 0:
        raise broken(f"{list(kept)} from {starts} on is not within {list(value.shape)}", p.place("offset"))
    if starts[0] or rest[0]:
        value = net.builder.apply("channels", value, start=starts[0], stop=starts[0] + kept[0])
    sides = (starts[1], rest[1], starts[2], rest[2])
    return [net.builder.apply("crop", value, amount=sides) if any(sides) else value]


@rule("ShuffleChannel")
def shuffle_channel(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    groups = layer.param("shuffle_channel_param", "group").integer("group", 1, 1)
    return [net.builder.apply("channel_shuffle", net.builder.as_map(x[0]), groups=groups)]


@rule("Upsample")
def upsample(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """Each place repeated, as forks of Caffe for detectors have it; with a second bottom it is another's unpooling."""
    if len(layer.bottoms) > 1:
        raise unsayable("it puts numbers back where a pooling found them")
    layer.need(1)
    p = layer.param("upsample_param", "scale")
    if not p.has("scale"):
        raise broken("`scale` is not given", p.span)
    return [net.builder.apply("upsample", net.builder.as_map(x[0]), scale=p.integer("scale", 1, 1))]


@rule("Reduction")
def reduction(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("reduction_param", "operation axis coeff")
    if p.choice("operation", "SUM", "SUM", "ASUM", "SUMSQ", "MEAN") != "MEAN" or p.number("coeff", 1) != 1:
        raise unsayable("the language has averages of maps alone", p.place("operation"))
    if p.integer("axis", 0, -4) not in (2, -2):
        raise unsayable("it goes over more, or less, than the map", p.place("axis"))
    value = net.builder.as_map(x[0])
    return [net.builder.apply("global_avgpool", value)]


# --- what comes in ----------------------------------------------------------------------------------------------------


def add_input(net: Net, label: str, dims: list[int] | None, span: Span) -> Value:
    """An input by its sizes, the batch among them; None where the file has none.

    Raises
    ------
    LayerError
        E0601: they are none; E0602: they are those of no map and no features.
    """
    if dims is None:
        if net.input_size is None:
            raise broken(f"the file does not give the size of `{label}`", span, SIZE_CURE)
        dims = [0, *net.input_size]
    while len(dims) > 2 and dims[2:] == [1, 1]:
        dims = dims[:2]
    if len(dims) not in (2, 4):
        raise unsayable(f"an input of {len(dims)} axes; values are [N, C, H, W] or [N, C]", span)
    value = net.builder.input(label, *dims[1:])
    net.inputs[label] = value
    return value


@rule("Input")
def input_(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(0, len(layer.tops))
    shapes = [m.integers("dim", 1) for m in layer.param("input_param", "shape").messages("shape")]
    if len(shapes) not in (0, 1, len(layer.tops)):
        raise broken("there must be one shape, or one for each top")
    found = (shapes * len(layer.tops) if len(shapes) == 1 else shapes) or [None] * len(layer.tops)  # type: ignore[list-item]
    return [add_input(net, t.text, dims, t.span) for t, dims in zip(layer.tops, found, strict=True)]


@rule("Data", "ImageData", "WindowData", "HDF5Data", "MemoryData", "DummyData", "AnnotatedData", "VideoData")
def data(layer: Layer, net: Net, x: list[Value]) -> list[Value | None]:
    """Pictures in the first top, true classes in the second."""
    layer.need(0, len(layer.tops))
    if not layer.tops:
        return []
    first, *labels = layer.tops
    p = layer.message.message("transform_param")
    value = add_input(net, first.text, _data_size(layer, net, p), first.span)
    if prepared := _prepared(p, value, net):
        net.metadata[first.text] = prepared
    return [value, *[None] * len(labels)]


def _data_size(layer: Layer, net: Net, transform: Message) -> list[int] | None:
    """The sizes that a layer of data says, or hints at."""
    memory = layer.message.message("memory_data_param")
    if memory.has("channels"):
        return [0, *(memory.integer(key, 0, 1) for key in ("channels", "height", "width"))]
    dummy = layer.message.message("dummy_data_param")
    if shapes := dummy.messages("shape"):
        return shapes[0].integers("dim", 1)
    if dummy.has("channels"):
        return [0, *(dummy.integer(key, 0, 1) for key in ("channels", "height", "width"))]
    if net.input_size is not None:
        return None
    image = layer.message.message("image_data_param")
    side = transform.integer("crop_size", 0, 0)
    height, width = (side or image.integer(key, 0, 0) for key in ("new_height", "new_width"))
    if not height or not width:
        return None
    gray = transform.flag("force_gray", False) or not image.flag("is_color", True)
    if layer.kind != "ImageData" and not gray and not transform.flag("force_color", False):
        label, other = layer.tops[0].text, f"--input 1x{height}x{width}"
        net.note(f"the file does not give the channels of `{label}`, which are taken to be 3; {other} makes it 1")
    return [0, 1 if gray else 3, height, width]


def _prepared(transform: Message, value: Value, net: Net) -> dict[str, Any]:
    """How pictures are prepared: (pixel - mean) * scale, blue first, from the middle."""
    if not transform.fields or value.rank != 4 or value.shape is None:
        return {}
    if transform.has("mean_file"):
        net.note("mean_file is not read: write its mean into the input's `{ mean = ... }`")
    factor, means = transform.number("scale", 1), transform.numbers("mean_value")
    channels = value.shape[0]
    found: dict[str, Any] = {"scale": _short(factor)}
    if means and len(means) in (1, channels):
        scaled = [_short(m * factor) for m in means]
        found["mean"] = scaled[0] if len(scaled) == 1 else scaled
    if channels == 3:
        found["color"] = "bgr"
    if side := transform.integer("crop_size", 0, 0):
        found["crop"] = side
    return found if factor > 0 else {}


def _short(number: float) -> float | int:
    """A number without the digits that come of computing with it; a whole one as an integer."""
    rounded = float(f"{number:.12g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e6 else rounded

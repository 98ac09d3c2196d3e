"""Darknet's layers that bring values together, move numbers or leave some out, and the heads of its detectors."""

from __future__ import annotations

from cnnlang.importing.building import LayerError, Value, broken, unsayable
from cnnlang.importing.darknet.cfg import Section
from cnnlang.importing.darknet.layers import rule
from cnnlang.importing.darknet.net import Net

HEADS = {"yolo": "yolo", "region": "region", "detection": "detection", "Gaussian_yolo": "yolo"}
MAX_REORG = 8


@rule("shortcut")
def shortcut(s: Section, net: Net) -> Value:
    for key in ("alpha", "beta"):
        if s.number(key, 1) != 1:
            raise unsayable(f"{key}={s.text(key, '')} scales a branch", s.place(key))
    if s.text("weights_type", "none") != "none":
        raise unsayable("its branches have weights of their own", s.place("weights_type"))
    s.ignore("weights_normalization", "weights_normalizion")
    branches = [net.x, *(_cut_to(net.x, net.earlier(n, s, "from"), s, net) for n in _from(s))]
    return net.activate(net.builder.apply("add", *net.builder.like(branches)), s, "linear")


def _from(s: Section) -> list[int]:
    """The layers that `from` names, at least one."""
    numbers = s.integers("from")
    if not numbers:
        raise broken("`from` names no layer", s.place("from"))
    return numbers


def _cut_to(x: Value, other: Value, s: Section, net: Net) -> Value:
    """Another layer's value with as many channels as there are here: Darknet adds those that both have."""
    if x.shape is None or other.shape is None or len(x.shape) != len(other.shape):
        return other
    if x.shape[1:] != other.shape[1:]:
        other = _sampled(x.shape, other.shape, other, s, net)
    here, there = x.shape[0], other.shape[0] if other.shape else 0
    if there > here:
        return net.builder.apply("channels", other, start=0, stop=here)
    return net.builder.apply("pad_channels", other, before=0, after=here - there) if there < here else other


def _sampled(here: tuple[int, ...], there: tuple[int, ...], other: Value, s: Section, net: Net) -> Value:
    """Every so many places of a larger map, as Darknet's `shortcut_cpu` takes them."""
    stride = max(there[1] // here[1], 1)
    if [(size - 1) // stride + 1 for size in there[1:]] != list(here[1:]) or there[2] // here[2] != stride:
        raise unsayable(f"it adds a map of {_size(there)} to one of {_size(here)}", s.place("from"))
    return net.builder.apply("maxpool", other, kernel=1, stride=stride)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[1:]))


@rule("route")
def route(s: Section, net: Net) -> Value:
    numbers = s.integers("layers")
    if not numbers:
        raise broken("`layers` names no layer", s.place("layers"))
    groups, group = s.integer("groups", 1, 1), s.integer("group_id", 0, 0)
    if group >= groups:
        raise broken(f"group_id={group} must be below groups={groups}", s.place("group_id"))
    parts = [_part(net.earlier(n, s, "layers"), groups, group, s, net) for n in numbers]
    if len(parts) == 1:
        return parts[0]
    return net.builder.apply("concat", *net.builder.like(parts))


def _part(x: Value, groups: int, group: int, s: Section, net: Net) -> Value:
    """One of so many equal parts of a value's channels."""
    if groups == 1:
        return x
    if x.shape is None:
        net.builder.trail.append("channels")
        return x
    count = x.shape[0] // groups
    if count * groups != x.shape[0]:
        raise broken(f"groups={groups} must divide the {x.shape[0]} channels", s.place("groups"))
    return net.builder.apply("channels", x, start=group * count, stop=(group + 1) * count)


@rule("reorg")
def reorg(s: Section, net: Net) -> Value:
    """Darknet reads the map as one of other sizes there, so that what is said is what leaves all in its place."""
    extra = s.integer("extra", 0, 0)
    if s.flag("flatten") or s.flag("reverse") or (not extra and s.integer("stride", 1, 1) > 1):
        raise unsayable("Darknet deals the numbers out across rows, columns and channels in an order that no step has")
    s.ignore("stride")
    if not extra:
        return net.x
    return net.builder.apply("pad_channels", net.features(net.x), before=0, after=extra)


@rule("reorg3d")
def reorg3d(s: Section, net: Net) -> Value:
    """Places become channels: of each square of places first all channels of the first, then of the next."""
    s.forbid(reverse="channels become places, in another order than `pixel_shuffle`'s")
    stride = s.integer("stride", 1, 1)
    x = net.builder.as_map(net.x)
    if x.shape is not None and any(side % stride for side in x.shape[1:]):
        raise broken(f"stride={stride} must divide the map, {_size(x.shape)}", s.place("stride"))
    if stride > MAX_REORG:
        raise unsayable(f"{stride * stride} parts are too many", s.place("stride"))
    parts = []
    for row in range(stride):
        for column in range(stride):
            part = net.builder.apply("crop", x, amount=(row, 0, column, 0)) if row or column else x
            parts.append(net.builder.apply("maxpool", part, kernel=1, stride=stride))
    return net.builder.apply("concat", *parts) if len(parts) > 1 else x


@rule("upsample")
def upsample(s: Section, net: Net) -> Value:
    if s.number("scale", 1) != 1:
        raise unsayable(f"scale={s.text('scale', '')} multiplies every number", s.place("scale"))
    stride = s.integer("stride", 2)
    if stride < 1:
        raise unsayable("a negative stride adds places up in place of repeating them", s.place("stride"))
    return net.builder.apply("upsample", net.builder.as_map(net.x), scale=stride)


@rule("scale_channels")
def scale_channels(s: Section, net: Net) -> Value:
    s.forbid(scale_wh="one number for each place")
    other = net.earlier(_from(s)[0], s, "from")
    x = net.x
    if x.shape is not None and len(x.shape) == 3 and x.shape[1:] == (1, 1) and other.rank == 4:
        x = net.features(x)
    return net.activate(net.builder.apply("mul", other, x), s, "linear")


@rule("sam")
def sam(s: Section, net: Net) -> Value:
    other = net.earlier(_from(s)[0], s, "from")
    return net.activate(net.builder.apply("mul", *net.builder.like([net.x, other])), s, "linear")


@rule("crop")
def crop(s: Section, net: Net) -> Value:
    s.ignore("flip", "angle", "saturation", "exposure", "shift")
    height, width = s.integer("crop_height", 1, 1), s.integer("crop_width", 1, 1)
    x = net.builder.as_map(net.x)
    sides = [0, 0, 0, 0]
    if x.shape is not None:
        for axis, (side, kept) in enumerate(zip(x.shape[1:], (height, width), strict=True)):
            if kept > side:
                raise broken(f"a crop to {height}x{width} is larger than the map, {_size(x.shape)}")
            before = (side - kept) // 2
            sides[2 * axis : 2 * axis + 2] = [before, side - kept - before]
    y = net.builder.apply("crop", x, amount=tuple(sides))
    if s.flag("noadjust"):
        return y
    return net.builder.apply("normalize", y, mean=0.5, std=0.5)  # from 0..1 to -1..1, as 2*x - 1


@rule(*HEADS)
def head(s: Section, net: Net) -> Value:
    s.ignore(*s.options)
    noun = HEADS[s.kind]
    if net.index == 0:
        raise LayerError("E0601", "there is nothing before it to find boxes in")
    net.heads[f"{noun}{len(net.heads) + 1}"] = net.x
    net.head_layers.add(net.index)
    net.note(
        f"[{s.kind}] makes boxes of numbers, which no step does: the net ends before it, those numbers are an output"
    )
    return net.x

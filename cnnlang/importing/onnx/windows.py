"""The attributes that convolutions and pools share: kernel, strides, dilations, and every way of saying padding."""

from __future__ import annotations

from typing import Any

from cnnlang.dims import Dim
from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.attributes import Item

Pads = tuple[int, int, int, int]


def pair(item: Item, name: str, default: int) -> tuple[int, int]:
    """An attribute of two sides."""
    found = item.ints(name, 2) or (default, default)
    return found[0], found[1]


def kernel_of(item: Item, shape: tuple[int, ...] | None) -> tuple[int, int]:
    """The kernel's height and width, as the attribute says or the weight is.

    Raises
    ------
    LayerError
        E0601: they contradict each other, or there is none; E0602: it has one side or three.
    """
    stated = item.ints("kernel_shape")
    sides = stated if shape is None else shape[2:]
    if sides is None:
        raise broken("its kernel_shape is missing")
    if stated is not None and tuple(stated) != tuple(sides):
        raise broken(f"its kernel_shape is {list(stated)}, and its weight is {list(shape or ())}")
    if len(sides) != 2:
        raise unsayable(f"it works along {len(sides)} axes, and a map has a height and a width")
    return sides[0], sides[1]


def sides_of(values: tuple[int, ...]) -> Pads:
    """ONNX's begins then ends, as top, bottom, left, right."""
    return values[0], values[2], values[1], values[3]


def window(item: Item, kernel: tuple[int, int], size: tuple[Dim, Dim]) -> dict[str, Any]:
    """Kernel, stride, dilation and pad as arguments of the language.

    Raises
    ------
    LayerError
        E0601: an attribute is of no use; E0602: SAME_LOWER on a map of unknown size.
    """
    stride, dilation = pair(item, "strides", 1), pair(item, "dilations", 1)
    if min(*kernel, *stride, *dilation) < 1:
        raise broken("its kernel, strides and dilations must be at least 1")
    return {
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "pad": _pad(item, kernel, stride, dilation, size),
    }


def _pad(
    item: Item, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], size: tuple[Dim, Dim]
) -> Pads | str:
    auto = item.text("auto_pad", "NOTSET") or "NOTSET"
    if auto == "VALID":
        return 0, 0, 0, 0
    if auto == "NOTSET":
        return sides_of(item.ints("pads", 4) or (0, 0, 0, 0))
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise broken("its auto_pad is none that ONNX knows")
    totals = []
    for k, s, d, cells in zip(kernel, stride, dilation, size, strict=True):
        total = ((cells + s - 1) // s - 1) * s + d * (k - 1) + 1 - cells
        if not isinstance(total, int):
            if auto == "SAME_UPPER":
                return "same_upper"
            raise unsayable("its SAME_LOWER padding depends on a size that is not known")
        totals.append(max(total, 0))
    if all(total % 2 == 0 for total in totals):
        return totals[0] // 2, totals[0] // 2, totals[1] // 2, totals[1] // 2
    if auto == "SAME_UPPER":
        return "same_upper"
    return totals[0] - totals[0] // 2, totals[0] // 2, totals[1] - totals[1] // 2, totals[1] // 2

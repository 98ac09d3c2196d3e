"""Pooling.

A window that `ceil` adds stands out of the map. Padding after the map makes the same windows without `ceil`: with
`after` cells of the operator's own, `min(after + stride - 1, reach - 1)` of them, whatever the map's size is, for the
last window starts before the end of the map and at most `stride - 1` cells later than rounding down would have it.

NaN comes through all pools on PyTorch and JAX; TensorFlow's own max pooling passes over it.
"""

from __future__ import annotations

from cnnlang.backends.keras_source.rules import Piece, pieces
from cnnlang.backends.keras_source.rules_window import Padding, all_same, is_nothing, pad_piece, padding_of
from cnnlang.backends.keras_source.signs import entering, is_never_negative
from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.padding import WINDOW, Sides
from cnnlang.backends.python_source.use import Use
from cnnlang.ir import TensorType
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, MinPool, Pool


@pieces.register
def _(op: MaxPool, use: Use[MaxPool]) -> list[Piece]:
    return _extreme(op, use, "layers.MaxPooling2D")


@pieces.register
def _(op: MinPool, use: Use[MinPool]) -> list[Piece]:
    return _extreme(op, use, "MinPooling2D")


def _extreme(op: Pool, use: Use[Pool], layer: str) -> list[Piece]:
    """The largest or smallest cells: a layer, after a padding by what an empty window gives."""
    kernel, stride = use.argument("kernel"), use.optional("stride")
    is_dilated = use.uniform(lambda op, x: max(op.dilation) > 1, "dilation")
    is_same = not is_dilated and all_same(use)
    padding: Padding = Lit(0) if is_same else _padding(use)
    before: list[Piece] = []
    if not is_nothing(padding):
        is_zero = isinstance(op, MaxPool) and not use.is_shared and _is_never_negative(use)
        before.append(pad_piece(padding, Lit(0 if is_zero else op.start), use))
    if is_dilated:
        use.helpers.add("DilatedPooling2D")
        mode = None if isinstance(op, MaxPool) else "min"
        made = call("DilatedPooling2D", kernel, use.argument("stride"), use.argument("dilation"), mode=mode)
        return [*before, Piece(made)]
    if not layer.startswith("layers."):
        use.helpers.add(layer)
    return [*before, Piece(call(layer, kernel, strides=stride, padding=Lit("same") if is_same else None))]


def _is_never_negative(use: Use[Pool]) -> bool:
    unknown = entering(use.lowering.compiler.program)
    return all(is_never_negative(node, unknown) for node in use.x.nodes.of(use.rows))


def _padding(use: Use[Pool]) -> Padding:
    """The padding that makes the windows, those of `ceil` among them."""
    if any(_stands_out(op, x) for op, x in use.all()):
        return use.uniform(_filled, *WINDOW)
    return padding_of(use)


def _stands_out(op: Pool, x: TensorType) -> bool:
    """Whether a window that `ceil` adds may stand out of the padded map."""
    if not op.ceil:
        return False
    top, bottom, left, right = op.pads(x)
    padded = (x.height + top + bottom, x.width + left + right)
    ends = [(n - 1) * s + r for n, s, r in zip(op.windows(x), op.stride, op.reach, strict=True)]
    beyond = [end - size for end, size in zip(ends, padded, strict=True)]
    return any(not isinstance(cells, int) or cells > 0 for cells in beyond)


def _filled(op: Pool, x: TensorType) -> Sides:
    """The padding of a map in which every window is whole."""
    top, bottom, left, right = op.pads(x)
    if not op.ceil:
        return top, bottom, left, right
    (high, wide), (down, across) = op.reach, op.stride
    return top, min(bottom + down - 1, high - 1), left, min(right + across - 1, wide - 1)


@pieces.register
def _(op: AvgPool, use: Use[AvgPool]) -> list[Piece]:
    named: dict[str, Code | None] = {"strides": use.optional("stride")}
    kernel = use.argument("kernel")
    stands_out = any(_stands_out(op, x) for op, x in use.all())
    padding = padding_of(use)
    if stands_out or not is_nothing(padding):
        counts = use.uniform(lambda op, x: op.count_pad, "count_pad")
        if stands_out or not (counts or _is_real_average(use)):
            use.helpers.add("PaddedAveragePooling2D")
            around = use.uniform(_filled, *WINDOW)
            counted = use.uniform(lambda op, x: op.pads(x) if op.count_pad else (0, 0, 0, 0), *WINDOW)
            made = call(
                "PaddedAveragePooling2D",
                kernel,
                **named,
                around=_both_sides(around),
                counted=_both_sides(counted) if any(counted) else None,
            )
            return [Piece(made)]
        if counts:
            layer = Piece(call("layers.AveragePooling2D", kernel, **named))
            return [pad_piece(padding, Lit(0), use), layer]
        named["padding"] = Lit("same")
    return [Piece(call("layers.AveragePooling2D", kernel, **named))]


def _both_sides(sides: Sides) -> Code:
    top, bottom, left, right = sides
    return Lit(((top, bottom), (left, right)))


def _is_real_average(use: Use[AvgPool]) -> bool:
    """Whether Keras' `padding="same"` is the padding, on every backend: PyTorch's repeats cells where it is uneven."""
    return all(_is_even(op.pads(x)) and op.stride == (1, 1) for op, x in use.all()) and all_same(use)


def _is_even(pads: Sides) -> bool:
    return pads[0] == pads[1] and pads[2] == pads[3]


@pieces.register
def _(op: GlobalAvgPool, use: Use[GlobalAvgPool]) -> list[Piece]:
    return [Piece(call("layers.GlobalAveragePooling2D"))]


@pieces.register
def _(op: GlobalMaxPool, use: Use[GlobalMaxPool]) -> list[Piece]:
    return [Piece(call("layers.GlobalMaxPooling2D"))]


@pieces.register
def _(op: AdaptiveAvgPool, use: Use[AdaptiveAvgPool]) -> list[Piece]:
    windows = set(use.each(_even_bins))
    if len(windows) == 1 and (window := windows.pop()) is not None:
        use.uniform(lambda op, x: True, "size")
        return [Piece(call("layers.AveragePooling2D", window if window[0] != window[1] else window[0]))]
    use.helpers.add("AdaptivePooling2D")  # Keras' own layer has wrong or no bins on JAX and TensorFlow
    return [Piece(call("AdaptivePooling2D", use.argument("size")))]


def _even_bins(op: AdaptiveAvgPool, x: TensorType) -> tuple[int, int] | None:
    """The size of all bins, where they are of one size and do not overlap."""
    high, wide = x.height, x.width
    if not isinstance(high, int) or not isinstance(wide, int) or high % op.size[0] or wide % op.size[1]:
        return None
    return high // op.size[0], wide // op.size[1]

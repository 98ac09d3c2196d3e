"""Convolutions and dense layers.

Keras refuses a stride beside a dilation. A dilated convolution is then computed at stride 1, and only the cells that
the stride reaches are kept; a transposed one gets its stride as zeros between the cells of its map.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlang.backends.keras_source.rules import Piece, pieces
from cnnlang.backends.keras_source.rules_window import (
    Padding,
    all_same,
    in_keras_order,
    is_nothing,
    pad_piece,
    padding_of,
)
from cnnlang.backends.python_source.build import binary, call
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.padding import Sides
from cnnlang.backends.python_source.use import Use, simple
from cnnlang.ir import TensorType
from cnnlang.ops.conv import Conv, Convolution, Deconv, Depthwise
from cnnlang.ops.dense import Dense


@pieces.register
def _(op: Conv, use: Use[Conv]) -> list[Piece]:
    return _around(use, _conv(use))


def _conv(use: Use[Conv]) -> tuple[Code, dict[str, Code | None]]:
    return use.argument("channels"), {"groups": use.optional("groups")}


@pieces.register
def _(op: Depthwise, use: Use[Depthwise]) -> list[Piece]:
    return _around(use, None)


def _around(use: Use[Convolution], conv: tuple[Code, dict[str, Code | None]] | None) -> list[Piece]:
    """The layer of a convolution (depthwise where `conv` is None) with what stands before and after it."""
    fill = use.uniform(lambda op, x: op.fill, "fill")
    is_split = _is_split(use)
    stride = (1, 1) if is_split else None
    is_same = not fill and all_same(use, stride=stride)
    padding: Padding = Lit(0) if is_same else padding_of(use)
    before = [] if is_nothing(padding) else [pad_piece(padding, simple(Lit(fill)), use)]
    named = {
        "strides": None if is_split else use.optional("stride"),
        "padding": Lit("same") if is_same else None,
        "dilation_rate": use.optional("dilation"),
    }
    is_fixed = use.uniform(lambda op, x: op.weight is not None)
    layer = _fixed(use, conv, named) if is_fixed else _trained(use, conv, named)
    after = [Piece(call("layers.AveragePooling2D", 1, strides=use.argument("stride")))] if is_split else []
    return [*before, layer, *after]


def _is_split(use: Use[Convolution] | Use[Deconv]) -> bool:
    """Whether stride and dilation must be said one after the other."""
    return use.uniform(lambda op, x: max(op.stride) > 1 and max(op.dilation) > 1, "stride", "dilation")


def _trained(
    use: Use[Convolution], conv: tuple[Code, dict[str, Code | None]] | None, named: dict[str, Code | None]
) -> Piece:
    kernel = use.argument("kernel")
    bias = _use_bias(use)
    if conv is None:
        multiplier = use.optional("multiplier")
        made = call("layers.DepthwiseConv2D", kernel, **named, depth_multiplier=multiplier, use_bias=bias)
    else:
        filters, grouped = conv
        made = call("layers.Conv2D", filters, kernel, **named, **grouped, use_bias=bias)
    return Piece(made, weighted=True)


def _fixed(
    use: Use[Convolution], conv: tuple[Code, dict[str, Code | None]] | None, named: dict[str, Code | None]
) -> Piece:
    use.helpers.add("FixedConv2D")
    if conv is None:
        conv = binary("*", use.channels, use.argument("multiplier")), {"groups": use.channels}
    filters, grouped = conv
    has_bias = use.each(lambda op, x: op.has_bias)
    bias = Lit(True) if all(has_bias) else use.argument("bias") if any(has_bias) else None
    made = call("FixedConv2D", filters, use.argument("weight"), **named, **grouped, use_bias=bias)
    return Piece(made, weighted=use.is_weighted)


def _use_bias(use: Use[Convolution] | Use[Deconv] | Use[Dense]) -> Code | None:
    """`use_bias=False`, or whatever the file computes; nothing where there is one."""
    values = use.each(lambda op, x: op.has_bias)
    if all(values):
        return None
    return use.argument("bias") if any(values) else Lit(False)


# --- transposed -------------------------------------------------------------------------------------------------------

DECONV = ("pad", "kernel", "stride", "dilation", "output_pad")


@dataclass(frozen=True)
class Cut:
    """What is cut off the rows and columns that a transposed convolution makes, along one axis.

    Attributes
    ----------
    reach, stride
        The cells of one stamp, and from one stamp to the next.
    before, after
        The cells to cut; `after` is below 0 where cells are added, which no stamp reaches.
    """

    reach: int
    stride: int
    before: int
    after: int

    @property
    def is_valid(self) -> bool:
        """Whether `padding="valid"` does it, which fills up the stride."""
        return self.before == 0 and self.after == min(self.reach - self.stride, 0)

    @property
    def is_same(self) -> bool:
        """Whether `padding="same"` does it, which makes stride times as many cells.

        Where it cuts unevenly, releases of Keras differ in the side on PyTorch.
        """
        less = self.reach - self.stride
        return self.before == self.after and less == 2 * self.before

    @property
    def added(self) -> int:
        return max(-self.after, 0)


@pieces.register
def _(op: Deconv, use: Use[Deconv]) -> list[Piece]:
    is_split = _is_split(use)
    cuts = use.each(lambda op, x: _cuts(op, x, is_split=is_split))
    before: list[Piece] = []
    after: list[Piece] = []
    named: dict[str, Code | None] = {"strides": None if is_split else use.optional("stride")}
    if is_split:
        use.helpers.add("Spread2D")
        before.append(Piece(call("Spread2D", use.argument("stride"))))
    if all(down.is_valid and across.is_valid for down, across in cuts):
        use.uniform(lambda op, x: True, *DECONV)
    elif all(down.is_same and across.is_same for down, across in cuts):
        use.uniform(lambda op, x: True, *DECONV)
        named["padding"] = Lit("same")
    else:
        down, across = use.uniform(lambda op, x: _cuts(op, x, is_split=is_split), *DECONV)
        more, named["output_padding"], sides = _extended(down, across)
        before += [Piece(call("layers.ZeroPadding2D", in_keras_order(more)))] if any(more) else []
        after += [Piece(call("layers.Cropping2D", in_keras_order(sides)))] if any(sides) else []
    groups = use.optional("groups")
    if groups is not None:
        use.helpers.add("GroupedConv2DTranspose")
    made = call(
        "layers.Conv2DTranspose" if groups is None else "GroupedConv2DTranspose",
        use.argument("channels"),
        use.argument("kernel"),
        groups=groups,
        **named,
        dilation_rate=use.optional("dilation"),
        use_bias=_use_bias(use),
    )
    return [*before, Piece(made, weighted=True), *after]


def _cuts(op: Deconv, x: TensorType, *, is_split: bool) -> tuple[Cut, Cut]:
    """Down and across."""
    top, bottom, left, right = op.pads(x)
    (high, wide), (below, beside) = op.reach, op.output_pad
    down, across = (1, 1) if is_split else op.stride
    return Cut(high, down, top, bottom - below), Cut(wide, across, left, right - beside)


def _extended(down: Cut, across: Cut) -> tuple[Sides, Code | None, Sides]:
    """The zeros to put around the map, the `output_padding`, and the sides to cut off again."""
    added = (down.added, across.added)
    cut = (down.before, max(down.after, 0), across.before, max(across.after, 0))
    if all(cut.added < cut.stride for cut in (down, across)):
        is_default = all(cut.added == max(cut.stride - cut.reach, 0) for cut in (down, across))
        output_padding = Lit(added if added[0] != added[1] else added[0])
        return (0, 0, 0, 0), None if is_default else output_padding, cut
    # a row of zeros at the end of the map makes `stride` rows that no stamp reaches
    rows, columns = (-(-cut.added // cut.stride) for cut in (down, across))
    bottom, right = rows * down.stride - down.added + cut[1], columns * across.stride - across.added + cut[3]
    return (0, rows, 0, columns), Lit(0), (cut[0], bottom, cut[2], right)


@pieces.register
def _(op: Dense, use: Use[Dense]) -> list[Piece]:
    return [Piece(call("layers.Dense", use.argument("units"), use_bias=_use_bias(use)), weighted=True)]

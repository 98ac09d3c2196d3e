"""Operators that move, repeat, add or leave out numbers.

What is not finite spreads by Keras' bilinear `UpSampling2D` as in the reference on PyTorch; JAX multiplies whole rows
by weights that are mostly 0, and TensorFlow leaves out neighbours of weight 0, so that there NaN stands in other cells.
"""

from __future__ import annotations

from cnnlang.backends.keras_source.rules import Piece, pieces
from cnnlang.backends.keras_source.rules_window import in_keras_order, on_all_axes, pad_piece
from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Code, Items, Lit, Local, Slice, Subscript
from cnnlang.backends.python_source.padding import Sides
from cnnlang.backends.python_source.use import Use
from cnnlang.ops.shape import Channels, ChannelShuffle, Crop, Flatten, Pad, PadChannels, PixelShuffle, Upsample

WHOLE = Slice(None, None)
MIRRORS = {"reflect": "ReflectPadding2D", "edge": "EdgePadding2D"}


@pieces.register
def _(op: Flatten, use: Use[Flatten]) -> list[Piece]:
    flat = Piece(call("layers.Flatten"))
    is_plain = use.rank == 2 or not use.permutes
    return [flat] if is_plain else [Piece(call("layers.Permute", Lit((3, 1, 2)))), flat]


@pieces.register
def _(op: Pad, use: Use[Pad]) -> list[Piece]:
    sides = _amount(use)
    mode = use.uniform(lambda op, x: op.mode, "mode")
    # Keras on PyTorch cannot mirror no cells at all
    if mode == "constant" or not any(use.each(lambda op, x: any(op.amount))):
        return [pad_piece(sides, use.argument("value"), use)]
    layer = MIRRORS[mode]
    use.helpers.add(layer)
    made, everywhere = call(layer, in_keras_order(sides)), on_all_axes(sides)
    if mode == "reflect" and everywhere is not None:
        return [Piece(made, lambda x: call("ops.pad", x, everywhere, mode=Lit("reflect")))]
    return [Piece(made)]


def _amount(use: Use[Pad] | Use[Crop]) -> Code | Sides:
    """The sides of a padding: the file's own expression where it is one number, else four numbers."""
    written = use.written("amount")
    if written is not None and not isinstance(written, Lit) and all(_is_count(v) for v in use.values("amount")):
        return written
    return use.uniform(lambda op, x: op.amount, "amount")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@pieces.register
def _(op: Crop, use: Use[Crop]) -> list[Piece]:
    return [Piece(call("layers.Cropping2D", in_keras_order(_amount(use))))]


@pieces.register
def _(op: Upsample, use: Use[Upsample]) -> list[Piece]:
    mode = use.uniform(lambda op, x: op.mode, "mode")
    interpolation = None if mode == "nearest" else Lit(mode)
    return [Piece(call("layers.UpSampling2D", use.argument("scale"), interpolation=interpolation))]


@pieces.register
def _(op: PixelShuffle, use: Use[PixelShuffle]) -> list[Piece]:
    use.helpers.add("PixelShuffle")
    return [Piece(call("PixelShuffle", use.argument("r")))]


@pieces.register
def _(op: ChannelShuffle, use: Use[ChannelShuffle]) -> list[Piece]:
    use.helpers.add("ChannelShuffle")
    return [Piece(call("ChannelShuffle", use.argument("groups")))]


@pieces.register
def _(op: Channels, use: Use[Channels]) -> list[Piece]:
    start, stop = use.argument("start"), use.argument("stop")
    cut = Slice(None if isinstance(start, Lit) and start.value == 0 else start, stop)
    before = Local("...") if use.rank == 4 else WHOLE
    return [Piece(None, lambda x: Subscript(x, (before, cut)))]


@pieces.register
def _(op: PadChannels, use: Use[PadChannels]) -> list[Piece]:
    ends = Items("(", (use.argument("before"), use.argument("after")))
    sides = Items("(", (*(Lit((0, 0)),) * (use.rank - 1), ends))
    return [Piece(None, lambda x: call("ops.pad", x, sides))]

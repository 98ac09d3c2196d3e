"""Operators that move, repeat, add or leave out numbers."""

from __future__ import annotations

from cnnlang.backends.python_source.build import call, items, unary
from cnnlang.backends.python_source.code import Attribute, Code, Items, Lit, Slice, Subscript
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.torch_source.rules import Piece, pieces, plain
from cnnlang.backends.torch_source.rules_window import in_torch_order, pad_piece
from cnnlang.ops.shape import Channels, ChannelShuffle, Crop, Flatten, Pad, PadChannels, PixelShuffle, Upsample

MAX_EXACT_SCALE = 40  # above, PyTorch's nearest neighbour in float32 misses some cells


@pieces.register
def _(op: Flatten, use: Use[Flatten]) -> list[Piece]:
    return [plain("flatten", call("nn.Flatten"), lambda x: call("torch.flatten", x, 1))]


@pieces.register
def _(op: Pad, use: Use[Pad]) -> list[Piece]:
    amount, four = _amount(use)
    value = use.argument("value")
    mode = use.uniform(lambda op, x: op.mode, "mode")
    if mode == "constant":
        zero = isinstance(value, Lit) and value.value == 0
        made = call("nn.ZeroPad2d", amount) if zero else call("nn.ConstantPad2d", amount, value)
        return [plain("pad", made, lambda x: call("F.pad", x, four, value=None if zero else value), wraps=True)]
    module, name = ("nn.ReflectionPad2d", "reflect") if mode == "reflect" else ("nn.ReplicationPad2d", "replicate")
    return [plain("pad", call(module, amount), lambda x: call("F.pad", x, four, mode=Lit(name)), wraps=True)]


def _amount(use: Use[Pad]) -> tuple[Code, Code]:
    """The sides of a padding, as a module's argument and as a function's."""
    written = use.written("amount")
    if written is not None and not isinstance(written, Lit) and all(_is_count(v) for v in use.values("amount")):
        return written, Items("(", (written,) * 4)
    sides = use.uniform(lambda op, x: op.amount, "amount")
    return (Lit(sides[0]) if len(set(sides)) == 1 else in_torch_order(sides)), in_torch_order(sides)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@pieces.register
def _(op: Crop, use: Use[Crop]) -> list[Piece]:
    written = use.written("amount")
    if written is not None and not isinstance(written, Lit) and all(_is_count(v) for v in use.values("amount")):
        less = unary("-", written)
        made = call("nn.ZeroPad2d", less)
        return [plain("crop", made, lambda x: call("F.pad", x, Items("(", (less,) * 4)), wraps=True)]
    top, bottom, left, right = use.uniform(lambda op, x: op.amount, "amount")
    piece = pad_piece((-top, -bottom, -left, -right), Lit(0))
    return [plain("crop", piece.modules[0].made, piece.function or (lambda x: x), wraps=True)]


@pieces.register
def _(op: Upsample, use: Use[Upsample]) -> list[Piece]:
    scale = use.argument("scale")
    mode = use.uniform(lambda op, x: op.mode, "mode")
    if mode == "nearest" and any(max(op.scale) > MAX_EXACT_SCALE for op, _ in use.all()):
        down, across = use.uniform(lambda op, x: op.scale, "scale")
        return [Piece((), lambda x: _repeated(_repeated(x, down, 2), across, 3))]
    named = {"scale_factor": scale, "mode": None if mode == "nearest" else Lit(mode)}
    made = call("nn.Upsample", **named)
    return [plain("upsample", made, lambda x: call("F.interpolate", x, **named))]


def _repeated(x: Code, times: int, dim: int) -> Code:
    return call(Attribute(x, "repeat_interleave"), times, dim=dim) if times > 1 else x


@pieces.register
def _(op: PixelShuffle, use: Use[PixelShuffle]) -> list[Piece]:
    r = use.argument("r")
    return [plain("pixel_shuffle", call("nn.PixelShuffle", r), lambda x: call("F.pixel_shuffle", x, r))]


@pieces.register
def _(op: ChannelShuffle, use: Use[ChannelShuffle]) -> list[Piece]:
    groups = use.argument("groups")
    made = call("nn.ChannelShuffle", groups)
    return [plain("channel_shuffle", made, lambda x: call("F.channel_shuffle", x, groups), wraps=True)]


@pieces.register
def _(op: Channels, use: Use[Channels]) -> list[Piece]:
    start, stop = use.argument("start"), use.argument("stop")
    cut = Slice(None if isinstance(start, Lit) and start.value == 0 else start, stop)
    return [Piece((), lambda x: Subscript(x, (Slice(None, None), cut)))]


@pieces.register
def _(op: PadChannels, use: Use[PadChannels]) -> list[Piece]:
    ends = (use.argument("before"), use.argument("after"))
    sides = items("(", (*((Lit(0),) * 4 if use.rank == 4 else ()), *ends))
    return [Piece((), lambda x: call("F.pad", x, sides))]

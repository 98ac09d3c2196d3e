"""Convolutions and dense layers."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlang.backends.python_source.build import binary, call
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.padding import WINDOW, BySize
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.torch_source.rules import Piece, layer, pieces
from cnnlang.backends.torch_source.rules_window import pad_piece, padding_of, size_piece
from cnnlang.ops.conv import Conv, Convolution, Deconv, Depthwise
from cnnlang.ops.dense import Dense


@dataclass(eq=False)
class Padded:
    """How a window's padding is said: as an argument, or as steps before."""

    argument: Code | None = None
    before: tuple[Piece, ...] = ()


@pieces.register
def _(op: Conv, use: Use[Conv]) -> list[Piece]:
    return _convolution(op, use, use.argument("channels"), use.optional("groups"))


@pieces.register
def _(op: Depthwise, use: Use[Depthwise]) -> list[Piece]:
    channels = use.channels
    return _convolution(op, use, binary("*", channels, use.argument("multiplier")), channels)


def _convolution(op: Convolution, use: Use[Convolution], outputs: Code, groups: Code | None) -> list[Piece]:
    padded = _conv_padding(op, use)
    made = call(
        "nn.Conv2d",
        use.channels,
        outputs,
        use.argument("kernel"),
        stride=use.optional("stride"),
        padding=padded.argument,
        dilation=use.optional("dilation"),
        groups=groups,
        bias=_bias(use),
    )
    fixed = use.uniform(lambda op, x: op.weight is not None)
    if not fixed:
        return [*padded.before, layer(op.name, made)]
    use.helpers.add("fixed_kernel")
    made = call("fixed_kernel", made, use.argument("weight"))
    return [*padded.before, layer(op.name, made, weighted=use.is_weighted)]


def _bias(use: Use[Convolution | Deconv | Dense]) -> Code | None:
    """`bias=False`, or whatever the file computes; nothing where there is one."""
    values = use.each(lambda op, x: op.has_bias)
    if all(values):
        return None
    if not any(values):
        return Lit(False)
    return use.argument("bias")


def _conv_padding(op: Convolution, use: Use[Convolution]) -> Padded:
    fill = use.uniform(lambda op, x: op.fill, "fill")
    padding = padding_of(use, odd_symmetry="same")
    if isinstance(padding, BySize):
        return Padded(None, (size_piece(use, Lit(fill)),))
    if isinstance(padding, Code):
        if not fill or (isinstance(padding, Lit) and padding.value == 0):
            return Padded(None if isinstance(padding, Lit) and padding.value == 0 else padding)
        padding = use.uniform(lambda op, x: op.pads(x), *WINDOW)
    return Padded(None, (pad_piece(padding, Lit(fill)),))


@pieces.register
def _(op: Deconv, use: Use[Deconv]) -> list[Piece]:
    padding = padding_of(use)
    after: list[Piece] = []
    if isinstance(padding, BySize):  # it does not: what it takes away is the same for every size
        padding = use.uniform(lambda op, x: op.pads(x), *WINDOW)
    if isinstance(padding, tuple):
        top, bottom, left, right = padding
        padding, after = Lit(0), [pad_piece((-top, -bottom, -left, -right), Lit(0))]
    made = call(
        "nn.ConvTranspose2d",
        use.channels,
        use.argument("channels"),
        use.argument("kernel"),
        stride=use.optional("stride"),
        padding=None if isinstance(padding, Lit) and padding.value == 0 else padding,
        output_padding=use.optional("output_pad"),
        dilation=use.optional("dilation"),
        groups=use.optional("groups"),
        bias=_bias(use),
    )
    return [layer(op.name, made), *after]


@pieces.register
def _(op: Dense, use: Use[Dense]) -> list[Piece]:
    return [layer(op.name, call("nn.Linear", use.channels, use.argument("units"), bias=_bias(use)))]

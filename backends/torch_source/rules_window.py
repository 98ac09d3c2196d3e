"""Padding, which windows share."""

from __future__ import annotations

from typing import TypeAlias

from cnnlang.backends.python_source.build import binary, call
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.rules import unless
from cnnlang.backends.python_source.use import Use, simple
from cnnlang.backends.torch_source.rules import Piece, layer, plain
from cnnlang.ops.conv import Deconv
from cnnlang.ops.window import Windowed

WINDOW = ("pad", "kernel", "stride", "dilation", "ceil")


Sides: TypeAlias = tuple[int, int, int, int]  # top, bottom, left, right


class BySize:
    """The padding depends on the size of the map that enters."""


def padding_of(use: Use[Windowed | Deconv], odd_symmetry: str = "") -> Code | Sides | BySize:
    """The padding of a window: one number or pair where both sides are alike, else its four sides."""
    if "pad" not in use.arguments:
        return Lit(0)
    is_by_size = all(op.pad == "same_upper" for op in use.ops)
    if is_by_size and (use.is_shared or len({op.pads(x) for op, x in use.all()}) > 1):
        return BySize()
    pads = use.each(lambda op, x: op.pads(x))
    written = use.written("pad")
    if written is not None and all(_is_pair(value) for value in use.values("pad")):
        return simple(written)
    alike = all(top == bottom and left == right for top, bottom, left, right in pads)
    kernel = use.argument("kernel")
    if alike and not isinstance(kernel, Lit):
        stride, dilation = use.argument("stride"), use.argument_or("dilation", Lit(1))
        is_same = all(op.pad == "same" for op in use.ops)
        if odd_symmetry and is_same and isinstance(stride, Lit) and stride.value == 1:
            return Lit(odd_symmetry)
        reach = binary("-", kernel, Lit(1))
        for guess in (binary("//", kernel, Lit(2)), binary("//", binary("*", dilation, reach), Lit(2))):
            if use.holds(guess, [(top, left) for top, _, left, _ in pads]):
                return guess
    sides = use.uniform(lambda op, x: op.pads(x), *WINDOW)
    if alike:
        top, _, left, _ = sides
        return Lit(top if top == left else (top, left))
    return sides


def _is_pair(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, list | tuple) and len(value) == 2
    )


def in_torch_order(pads: Sides) -> Code:
    """PyTorch's order: left, right, top, bottom."""
    top, bottom, left, right = pads
    return Lit((left, right, top, bottom))


def size_module(use: Use[Windowed], value: Code) -> Code:
    """The module that pads as TensorFlow does."""
    use.helpers.add("SamePad")
    dilation = unless(use.argument_or("dilation", Lit(1)), 1)
    return call("SamePad", use.argument("kernel"), use.argument("stride"), dilation=dilation, value=unless(value, 0.0))


def size_piece(use: Use[Windowed], value: Code) -> Piece:
    """A step that pads as TensorFlow does."""
    return layer("pad", size_module(use, value), weighted=False)


def pad_piece(pads: Sides, value: Code) -> Piece:
    """A step of its own that pads with a value (or cuts, where a side is negative)."""
    zero = isinstance(value, Lit) and value.value == 0
    module = (
        call("nn.ZeroPad2d", in_torch_order(pads)) if zero else call("nn.ConstantPad2d", in_torch_order(pads), value)
    )
    return plain(
        "pad", module, lambda x: call("F.pad", x, in_torch_order(pads), value=None if zero else value), wraps=True
    )

"""Padding, which windows share."""

from __future__ import annotations

from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.padding import BySize, Sides, are_alike, as_numbers, as_written, by_kernel
from cnnlang.backends.python_source.rules import unless
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.torch_source.rules import Piece, layer, plain
from cnnlang.ops.conv import Deconv
from cnnlang.ops.window import Windowed


def padding_of(use: Use[Windowed | Deconv], odd_symmetry: str = "") -> Code | Sides | BySize:
    """The padding of a window: one number or pair where both sides are alike, else its four sides."""
    if "pad" not in use.arguments:
        return Lit(0)
    is_by_size = all(op.pad == "same_upper" for op in use.ops)
    if is_by_size and (use.is_shared or len({op.pads(x) for op, x in use.all()}) > 1):
        return BySize()
    pads = use.each(lambda op, x: op.pads(x))
    written = as_written(use)
    if written is not None:
        return written
    alike = are_alike(pads)
    if alike and not isinstance(use.argument("kernel"), Lit):
        stride = use.argument("stride")
        is_same = all(op.pad == "same" for op in use.ops)
        if odd_symmetry and is_same and isinstance(stride, Lit) and stride.value == 1:
            return Lit(odd_symmetry)
        said = by_kernel(use, pads)
        if said is not None:
            return said
    return as_numbers(use, alike=alike)


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

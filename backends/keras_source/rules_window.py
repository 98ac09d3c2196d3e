"""Padding, which windows share.

Keras pads a window itself in one way, `padding="same"`, which is TensorFlow's: out = ceil(size / stride), the odd cell
after the map. That is the language's `"same_upper"`, and at stride 1 also its `"same"`. Every other padding is a layer
before the window.
"""

from __future__ import annotations

from typing import TypeAlias

from cnnlang.backends.keras_source.rules import Piece
from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.padding import WINDOW, BySize, Sides, are_alike, as_numbers, as_written, by_kernel
from cnnlang.backends.python_source.rules import unless
from cnnlang.backends.python_source.use import Use
from cnnlang.ir import TensorType
from cnnlang.ops import Op
from cnnlang.ops.window import Windowed

Padding: TypeAlias = Code | Sides | BySize


def padding_of(use: Use[Windowed]) -> Padding:
    """The padding of a window: one number or pair where both sides are alike, else its four sides."""
    if "pad" not in use.arguments:
        return Lit(0)
    if all(op.pad == "same_upper" for op in use.ops) and len({op.pads(x) for op, x in use.all()}) > 1:
        return BySize()
    written = as_written(use)
    if written is not None:
        return written
    pads = use.each(lambda op, x: op.pads(x))
    alike = are_alike(pads)
    if alike and not isinstance(use.argument("kernel"), Lit) and (said := by_kernel(use, pads)) is not None:
        return said
    return as_numbers(use, alike=alike)


def is_same(op: Windowed, x: TensorType, stride: tuple[int, int]) -> bool:
    """Whether Keras' `padding="same"` with a stride is an operator's padding, on maps of any size."""
    if stride == op.stride and op.pad == "same_upper":
        return True
    if stride != (1, 1) or (op.pad == "same_upper" and op.stride != (1, 1)):
        return False
    high, wide = op.reach
    return op.pads(x) == ((high - 1) // 2, high // 2, (wide - 1) // 2, wide // 2)


def all_same(use: Use[Windowed], *, stride: tuple[int, int] | None = None) -> bool:
    """Whether `padding="same"` serves every instance, and any of them has a padding at all."""
    if not any(any(op.pads(x)) for op, x in use.all()):
        return False
    if not all(is_same(op, x, stride or op.stride) for op, x in use.all()):
        return False
    by_name = all(isinstance(op.pad, str) for op in use.ops)  # then it is the same for every kernel
    use.uniform(lambda op, x: True, *(("pad", "stride") if by_name else WINDOW))
    return True


def is_nothing(padding: Padding) -> bool:
    """Whether a padding is a plain 0."""
    return isinstance(padding, Lit) and padding.value == 0


def in_keras_order(padding: Code | Sides) -> Code:
    """A padding as `ZeroPadding2D` and `Cropping2D` take it: a number, (height, width), ((t, b), (l, r))."""
    if isinstance(padding, Code):
        return padding
    top, bottom, left, right = padding
    if (top, left) == (bottom, right):
        return Lit(top if top == left else (top, left))
    return Lit(((top, bottom), (left, right)))


def on_all_axes(padding: Code | Sides) -> Code | None:
    """A padding as `ops.pad` takes it, for every axis; None for an expression that may be a number or a pair."""
    match padding:
        case (int() as top, int() as bottom, int() as left, int() as right):
            return Lit(((0, 0), (top, bottom), (left, right), (0, 0)))
        case Lit(value=int(number)):
            return on_all_axes((number,) * 4)
        case Lit(value=(int(high), int(wide))):
            return on_all_axes((high, high, wide, wide))
    return None


def pad_piece(padding: Padding, value: Code, use: Use[Op]) -> Piece:
    """A step that pads with a value."""
    if isinstance(padding, BySize):
        use.helpers.add("SamePadding2D")
        dilation = unless(use.argument_or("dilation", Lit(1)), 1)
        window = (use.argument("kernel"), use.argument("stride"))
        return Piece(call("SamePadding2D", *window, dilation_rate=dilation, value=unless(value, 0)))
    if isinstance(value, Lit) and value.value == 0:
        return Piece(call("layers.ZeroPadding2D", in_keras_order(padding)))
    use.helpers.add("Padding2D")
    made = call("Padding2D", in_keras_order(padding), value)
    sides = on_all_axes(padding)
    if sides is None:
        return Piece(made)
    return Piece(made, lambda x: call("ops.pad", x, sides, constant_values=value))

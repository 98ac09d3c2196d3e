"""The cure for a value that may not stand where it stands: the value that was meant, where that can be told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.suggest import nearest
from cnnlang.signature import Kind, Value, is_int, is_number, show_number, show_value
from cnnlang.source import Span
from cnnlang.syntax import tree

# What others call a choice that is made by a string.
CHOICES = {
    "replicate": "edge", "replication": "edge", "border": "edge", "symmetric": "reflect", "reflection": "reflect",
    "zeros": "constant", "zero": "constant", "linear": "bilinear", "cubic": "bilinear", "bicubic": "bilinear",
    "half": "same", "same_lower": "same_upper", "grayscale": "gray", "grey": "gray", "l": "gray",
}  # fmt: skip
NUMBERS = {"valid": 0, "none": 0, "zero": 0}
WORDS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}


def value_cure(kind: Kind, value: Value, expr: tree.Expr) -> tuple[Help, ...]:
    """The cure for an argument's value, as an edit of its expression.

    Parameters
    ----------
    kind
        What may stand there.
    value
        What stands there.
    expr
        How it is written.
    """
    if (floored := _floored(expr)) and _fits(kind, _whole(value)):
        return (Help("`//` divides integers: it makes an integer", (floored,)),)
    if isinstance(expr, tree.Name | tree.Attribute | tree.Call | tree.Index):  # what is wrong is elsewhere
        return ()
    for meant in _meant(kind, value):
        if _fits(kind, meant):
            text = show_number(meant) if isinstance(meant, float) else show_value(meant)
            return (Help(f"write `{text}`", (Edit(expr.span, text),)),)
    return ()


def integer_cure(expr: tree.Expr, value: Value) -> tuple[Help, ...]:
    """The cure for a number that must be an integer."""
    if floored := _floored(expr):
        return (Help("`//` divides integers: it makes an integer", (floored,)),)
    whole = _whole(value)
    if is_int(whole) and isinstance(expr, tree.Constant | tree.Unary):
        return (Help(f"write `{whole}`", (Edit(expr.span, str(whole)),)),)
    return ()


def number_in(text: str) -> int | float | None:
    """The number that a string says."""
    try:
        number = float(text) if len(text) < 30 else None
    except ValueError:
        return None
    if number is None or not is_number(number):
        return None
    return int(number) if number.is_integer() and "e" not in text.lower() and "." not in text else number


def _meant(kind: Kind, value: Value) -> Iterator[Value]:
    """What may be meant, the likeliest first."""
    match value:
        case bool():
            yield int(value)
        case 0 | 1 as flag if is_int(flag):
            yield bool(flag)
            yield 1
        case int() | float():
            yield _whole(value)
            if value < 0:
                yield -value
                yield _whole(-value)
            if 1 < value <= 100:  # a percentage
                yield value / 100
        case str(text):
            yield from _said(kind, text)
        case [first, *rest] if all(item == first for item in rest):
            yield first


def _said(kind: Kind, text: str) -> Iterator[Value]:
    plain = text.strip().lower()
    if plain in WORDS:
        yield WORDS[plain]
    yield plain
    if text == "SAME":  # TensorFlow's
        yield "same_upper"
    if plain in CHOICES:
        yield CHOICES[plain]
    if plain in NUMBERS:
        yield NUMBERS[plain]
    if (number := number_in(plain)) is not None:
        yield number
    if pair := re.fullmatch(r"\(?\s*([0-9]{1,9})\s*[x,]\s*([0-9]{1,9})\s*\)?", plain):
        yield (int(pair[1]), int(pair[2]))
    near = nearest(plain, re.findall(r'"(\w+)"', kind.words))
    if near:
        yield near


def _whole(value: Value) -> Value:
    """A number without its fraction; anything else as it is."""
    return int(value) if isinstance(value, float) and is_number(value) else value


def _fits(kind: Kind, value: Value) -> bool:
    try:
        kind.convert(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _floored(expr: tree.Expr) -> Edit | None:
    """The edit that makes the last `/` of an expression a `//`."""
    match expr:
        case tree.Arithmetic(first=first, rest=rest) if any(op == "/" for op, _ in rest):
            before = first
            for op, operand in rest:
                if op == "/":
                    gap = Span(expr.span.source, before.span.end, operand.span.start)
                    sign = gap.start + gap.text.index("/")
                    return Edit(Span(expr.span.source, sign, sign + 1), "//")
                before = operand
    return None

"""Numbers as they are written, and how large they may be."""

from __future__ import annotations

import math

from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.source import Span

INTEGER_LIMIT = 2**63
_FACTORS = {"K": 10**3, "M": 10**6, "G": 10**9}


def number(text: str) -> int | float:
    """The value of a number as it is written, `60_192_808`, `5M` or `1e-3`; `INTEGER_LIMIT` where it has 100 digits."""
    factor = _FACTORS.get(text[-1], 1)
    digits = text.rstrip("KMG").replace("_", "")
    if "e" in digits or "E" in digits:
        return float(digits) * factor
    whole, point, fraction = digits.partition(".")
    if not point:
        # Python refuses to read more than 4300 digits; no number so long is in range.
        return int(whole) * factor if len(whole) < 100 else INTEGER_LIMIT
    if factor == 1 or len(digits) > 100:
        return float(digits) * factor
    value, rest = divmod(int(whole + fraction) * factor, 10 ** len(fraction))
    return float(digits) * factor if rest else value


def pair(text: str) -> tuple[int, int]:
    """Height and width of `5x3`."""
    height, _, width = text.partition("x")
    return int(number(height)), int(number(width))


def check_number(text: str, span: Span) -> Diagnostic | None:
    """E0108 where a number or a pair is out of range."""
    values = pair(text) if "x" in text else (number(text),)
    help = ""
    if any(isinstance(v, int) and v >= INTEGER_LIMIT for v in values):
        help = "an integer has 64 bits: at most 9_223_372_036_854_775_807"
    elif any(math.isinf(v) for v in values):
        help = "the largest number is about 1.8e308"
    return Diagnostic("E0108", "the number is too large", span, help=(Help(help),)) if help else None

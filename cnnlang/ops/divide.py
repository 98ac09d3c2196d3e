"""Numbers that must divide channels: groups, and what is like them."""

from __future__ import annotations

import math
from typing import TypedDict

from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op


class Cure(TypedDict):
    """What `OperatorError` says of how to mend an argument."""

    help: str
    replacement: str


def divisor(parts: int, *counts: int) -> Cure:
    """The cure where `parts` does not divide all counts: the numbers that do, and the largest of them below it."""
    common = math.gcd(*counts)
    divisors = [d for d in range(1, min(common, 4096) + 1) if common % d == 0]
    shown = ", ".join(map(str, divisors[:8])) + (", ..." if len(divisors) > 8 else "")
    text = f"write one of {shown}" if len(divisors) > 1 else "only 1 divides"
    return {"help": text, "replacement": str(max(d for d in divisors if d == 1 or d < parts))}


def need_divisor(operator: Op, argument: str, parts: int, x: TensorType, *others: int) -> None:
    """Raise E0206 unless `parts` divides the channels of a value (the other counts only shape the help)."""
    if x.channels % parts:
        message = f"`{operator.name}`: {argument}={parts} must divide the {x.channels} channels of {x}"
        raise OperatorError("E0206", message, argument=argument, **divisor(parts, x.channels, *others))

"""The padding of a window, as far as every target says it alike: a number or a pair where it can be one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from cnnlang.backends.python_source.build import binary
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.use import Use, simple

WINDOW = ("pad", "kernel", "stride", "dilation", "ceil")

Sides: TypeAlias = tuple[int, int, int, int]  # top, bottom, left, right


class BySize:
    """The padding depends on the size of the map that enters."""


def as_written(use: Use[Any]) -> Code | None:
    """What the file says, where that is a number or a pair in every instance."""
    written = use.written("pad")
    return simple(written) if written is not None and all(map(_is_pair, use.values("pad"))) else None


def are_alike(pads: Sequence[Sides]) -> bool:
    """Whether the sides that face each other have the same padding in every instance."""
    return all(top == bottom and left == right for top, bottom, left, right in pads)


def by_kernel(use: Use[Any], pads: Sequence[Sides]) -> Code | None:
    """The padding that keeps a map's size, in terms of a kernel that is no number; None where it is another one."""
    kernel, dilation = use.argument("kernel"), use.argument_or("dilation", Lit(1))
    reach = binary("-", kernel, Lit(1))
    for guess in (binary("//", kernel, Lit(2)), binary("//", binary("*", dilation, reach), Lit(2))):
        if use.holds(guess, [(top, left) for top, _, left, _ in pads]):
            return guess
    return None


def as_numbers(use: Use[Any], *, alike: bool) -> Code | Sides:
    """The padding that all instances must have: one number or pair where both sides are alike, else its four sides."""
    sides: Sides = use.uniform(lambda op, x: op.pads(x), *WINDOW)
    top, _, left, _ = sides
    if alike:
        return Lit(top if top == left else (top, left))
    return sides


def _is_pair(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, list | tuple) and len(value) == 2
    )

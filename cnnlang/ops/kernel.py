"""Kernels that a file fixes: `weight=[[1, 0, -1], [1, 0, -1], [1, 0, -1]]`."""

from __future__ import annotations

from typing import Annotated, Any

from cnnlang.signature import Kind, Value, is_number, show_number

MAX_FIXED = 2**24  # numbers in a kernel that a file fixes, once it is repeated for every pair of channels


def _rows(value: Value, depth: int) -> tuple[list[Any], tuple[int, ...]]:
    """A nested list of numbers of a depth, as floats, and its sizes; ValueError where it is ragged or empty."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError
    if depth == 1:
        if not all(is_number(v) for v in value):
            raise ValueError
        return [float(v) for v in value], (len(value),)
    inside = [_rows(v, depth - 1) for v in value]
    if len({sizes for _, sizes in inside}) > 1:
        raise ValueError
    return [rows for rows, _ in inside], (len(value), *inside[0][1])


def depth_of(value: Value) -> int:
    """How deep lists are nested, 5 for all that is deeper."""
    depth = 0
    while isinstance(value, list | tuple) and depth < 5:
        value, depth = value[0] if value else None, depth + 1
    return depth


def _kernel(value: Value) -> list[Any] | None:
    if value is None:
        return None
    depth = depth_of(value)
    if depth not in (2, 4):
        raise ValueError
    return _rows(value, depth)[0]


def _show_kernel(value: Any) -> str:
    if value is None:
        return "none"
    return f"[{', '.join(map(_show_kernel, value))}]" if isinstance(value, list) else show_number(value)


FixedKernel = Annotated[
    list[Any] | None,
    Kind("none, rows of numbers such as [[1, 0], [0, 1]], or [output][input][row][column]", _kernel, _show_kernel),
]

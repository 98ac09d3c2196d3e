"""Padding in the fewest words: of paddings that make the same windows, the one that reads best."""

from __future__ import annotations


def fitting_pads(side: int, reach: int, stride: int, count: int, before: int, after: int) -> tuple[int, int]:
    """A padding before and after a side that makes the same windows over the same cells.

    Parameters
    ----------
    side, reach, stride
        The cells there are, those of a window, and from one window to the next.
    count
        How many windows there are to be.
    before, after
        The padding as the file says it.

    Returns
    -------
    tuple of int
        `before`, and as much behind, or else what the last window needs.
    """
    needed = max((count - 1) * stride + reach - side - before, 0)
    for candidate in (before, needed):
        if candidate >= needed and (side + before + candidate - reach) // stride + 1 == count:
            return before, candidate
    return before, after

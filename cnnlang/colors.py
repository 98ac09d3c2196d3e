"""Numbers as colours: 0 is black, what is above it warm, what is below it cold, and the largest is almost white.

Brightness grows evenly to both sides, so that a map without negative numbers looks like the photograph that it may be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WARM = ((0, 0, 0), (105, 50, 18), (178, 110, 58), (246, 180, 112), (255, 248, 228))
COLD = ((0, 0, 0), (16, 68, 128), (50, 134, 204), (132, 206, 246), (228, 248, 255))
NAN = (255, 0, 255)

_STEPS = 255


def _ramp(stops: tuple[tuple[int, int, int], ...]) -> NDArray[np.uint8]:
    at = np.linspace(0, 1, _STEPS + 1)
    channels = [np.interp(at, np.linspace(0, 1, len(stops)), [s[c] for s in stops]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


_TABLE = np.concatenate([_ramp(COLD)[:0:-1], _ramp(WARM), np.array([NAN], np.uint8)])


def colored(values: NDArray[Any], peak: float) -> NDArray[np.uint8]:
    """Colours [..., 3] for numbers, where `peak` and -`peak` are the ends; NaN is magenta."""
    bad = np.isnan(values)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.where(bad, 0, values) / (peak or 1.0)
    index = np.clip(np.rint(np.clip(scaled, -1, 1) * _STEPS), -_STEPS, _STEPS).astype(np.int64) + _STEPS
    colors: NDArray[np.uint8] = _TABLE[np.where(bad, len(_TABLE) - 1, index)]
    return colors


def peak_of(values: NDArray[Any]) -> float:
    """Where the colours end: the largest distance from 0, but for one in 200 of many numbers.

    The brightest of a photo's edges is many times as bright as the others, which nobody would see beside it.
    """
    finite = np.abs(values[np.isfinite(values)])
    if finite.size > 1000:
        inner = float(np.partition(finite, -(finite.size // 200), axis=None)[-(finite.size // 200)])
        if inner > 0:
            return inner
    return float(finite.max(initial=0))


def number(value: float, digits: int = 3) -> str:
    """A number in a few digits, as a caption has it."""
    return "0" if value == 0 else f"{value:.{digits}g}"


def value_range(values: NDArray[Any]) -> str:
    """`-2.81 to 3.02`; says so where there is more than finite numbers."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "no numbers"
    low, high = float(finite.min()), float(finite.max())
    text = number(low) if low == high else f"{number(low)} to {number(high)}"
    return text if finite.size == values.size else f"{text}, and {'nan' if np.isnan(values).any() else 'inf'}"


def is_dark(color: tuple[int, int, int]) -> bool:
    red, green, blue = color
    return 299 * red + 587 * green + 114 * blue < 128_000

"""How two sets of weights differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.weight_files.stored import FLOATS, Stored

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One array in both.

    Attributes
    ----------
    absolute
        The largest |a - b|; infinite where one has a NaN or an infinity that the other has not.
    relative
        That, divided by the largest number of either.
    """

    name: str
    shape: Shape
    absolute: float
    relative: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two files have in common and what not; `compared` is sorted, the largest difference first.

    `left_out` are arrays of other types than floats.
    """

    only_left: tuple[tuple[str, Shape], ...]
    only_right: tuple[tuple[str, Shape], ...]
    reshaped: tuple[tuple[str, Shape, Shape], ...]
    compared: tuple[Difference, ...]
    left_out: int = 0

    def differing(self, tolerance: float) -> list[Difference]:
        """Those that differ by more than a tolerance."""
        return [found for found in self.compared if not found.absolute <= tolerance]

    def is_equal(self, tolerance: float) -> bool:
        """Whether both have the same arrays, with numbers that differ by no more than a tolerance."""
        return not (self.only_left or self.only_right or self.reshaped or self.differing(tolerance))


def compare(left: Mapping[str, Stored], right: Mapping[str, Stored]) -> Comparison:
    """Compare two sets of arrays by name; one pair of arrays is in memory at a time."""
    others = {name for side in (left, right) for name, entry in side.items() if entry.dtype not in FLOATS}
    both = [name for name in left if name in right and name not in others]
    found = [_difference(name, left[name], right[name]) for name in both if left[name].shape == right[name].shape]
    return Comparison(
        tuple((n, e.shape) for n, e in left.items() if n not in right and n not in others),
        tuple((n, e.shape) for n, e in right.items() if n not in left and n not in others),
        tuple((n, left[n].shape, right[n].shape) for n in both if left[n].shape != right[n].shape),
        tuple(sorted(found, key=lambda difference: -difference.absolute)),
        len(others),
    )


def _difference(name: str, left: Stored, right: Stored) -> Difference:
    a, b = _numbers(left), _numbers(right)
    if not a.size:
        return Difference(name, left.shape, 0.0, 0.0)
    with np.errstate(invalid="ignore"):
        distance = np.abs(a - b)
    distance[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    distance[np.isnan(distance)] = np.inf
    largest = float(distance.max())
    scale = max(float(np.abs(side[np.isfinite(side)]).max(initial=0.0)) for side in (a, b))
    return Difference(name, left.shape, largest, largest / scale if scale else largest)


def _numbers(entry: Stored) -> NDArray[np.float64]:
    array: NDArray[Any] = entry.read()
    return array.astype(np.float64)

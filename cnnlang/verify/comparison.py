"""How far a target's numbers are from the reference's, and whether that is more than float32 must be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.interpret import interpret_rounded
from cnnlang.ir import Graph
from cnnlang.weights import generator

TOLERANCE = 1e-4  # of the reference's largest number
FLOOR = 1e-3  # a reference whose numbers are all smaller counts as this large: near 0 only rounding is left
STEADY = 2e-5  # how far a rounding of the inputs may move a reference to which float32 can be held

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How an array differs from the reference.

    Attributes
    ----------
    absolute
        The largest |actual - reference| where the reference is finite; infinite where there is a `problem`.
    largest
        The largest |reference| that is finite.
    place
        Where the largest difference is; None where nothing differs.
    problem
        What makes the two incomparable, in words: another shape, NaN or infinities in other places.
    """

    absolute: float
    largest: float
    place: tuple[int, ...] | None = None
    problem: str = ""

    @property
    def relative(self) -> float:
        """The largest difference as a part of the reference's largest number (of `FLOOR` where that is smaller)."""
        return self.absolute / max(self.largest, FLOOR)

    def agrees(self, tolerance: float = TOLERANCE) -> bool:
        """Whether the difference is one of rounding: |actual - reference| <= tolerance * max(max|reference|, FLOOR)."""
        return not self.problem and self.absolute <= tolerance * max(self.largest, FLOOR)

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        where = f" at {list(self.place)}" if self.place is not None else ""
        return f"{self.absolute:.2g}{where}, {self.relative:.2g} of the largest number, {self.largest:.4g}"


def compare(actual: Any, reference: Any) -> Difference:
    """Hold a float32 result to the float64 reference.

    Shapes, the places of NaN, and infinities with their signs must be equal; finite numbers are subtracted.
    """
    actual, reference = np.asarray(actual), np.asarray(reference)
    if actual.shape != reference.shape:
        return _incomparable(f"the shape is {list(actual.shape)}, and should be {list(reference.shape)}")
    if actual.dtype.kind != "f":
        return _incomparable(f"the numbers are {actual.dtype}, and should be floats")
    finite = np.isfinite(reference)
    if not np.array_equal(np.isnan(actual), np.isnan(reference)):
        return _incomparable("NaN in other places")
    if not np.array_equal(np.isfinite(actual), finite):
        return _incomparable("infinities in other places")
    infinite = np.isinf(reference)
    if not np.array_equal(actual[infinite], reference[infinite]):
        return _incomparable("infinities of another sign")
    if not finite.any():
        return Difference(0.0, 0.0)
    apart = np.abs(np.where(finite, actual, 0.0).astype(np.float64) - np.where(finite, reference, 0.0))
    place = np.unravel_index(int(apart.argmax()), apart.shape)
    largest = float(np.abs(reference[finite]).max())
    absolute = float(apart[place])
    return Difference(absolute, largest, tuple(map(int, place)) if absolute else None)


def worst(differences: Sequence[Difference]) -> Difference:
    """The difference that is worst in relation to its reference."""
    return max(differences, key=lambda d: d.relative)


def is_steady(graph: Graph, weights: Mapping[str, NDArray[Any]], inputs: Arrays, reference: Arrays) -> bool:
    """Whether the reference hardly moves where the inputs and all values on the way are rounded to float32.

    Where it does not (a division by what is nearly 0), float32 cannot agree with it, however it is computed.
    """
    signs = [np.sign(generator(0, str(i)).normal(size=x.shape)) for i, x in enumerate(inputs)]
    nudged = [x.astype(np.float64) * (1 + 2.0**-23 * sign) for x, sign in zip(inputs, signs, strict=True)]
    moved = interpret_rounded(graph, weights, *nudged)
    return all(compare(m, r).agrees(STEADY) for m, r in zip(moved, reference, strict=True))


def _incomparable(problem: str) -> Difference:
    return Difference(math.inf, 0.0, None, problem)

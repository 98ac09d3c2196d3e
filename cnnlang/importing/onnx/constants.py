"""Constants of a model: read when they are needed, computed on when they are asked for, and bounded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.importing.building import LayerError, broken, unsayable

Array = NDArray[Any]

MAX_CHANGES = 100  # one after the other, from what the file holds
MAX_HELD = 2**22  # numbers that are computed while the file is read
MAX_COMPUTED = 2**28  # numbers that a file does not hold but has computed (ConstantOfShape, Expand), all together


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array that the file holds or computes.

    Attributes
    ----------
    shape
        Its sizes.
    dtype
        Its type; `object` for whole numbers of which some are symbolic sizes.
    load
        Reads or computes it.
    name
        The initializer that it is, as it stands; empty for what is computed.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Array]
    name: str = ""
    changes: int = 0

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        return bool(np.issubdtype(self.dtype, np.floating))

    def array(self) -> Array:
        """Its numbers.

        Raises
        ------
        LayerError
            E0601: the file does not hold them.
        """
        found = self.load()
        if found.shape != self.shape:
            raise broken(f"the constant {self.name} is not of the size that it says")
        return found

    def then(self, shape: tuple[int, ...], change: Callable[[Array], Array], name: str = "") -> Constant:
        """What a function makes of it, when it is needed.

        Raises
        ------
        LayerError
            E0603: it has been changed more often than any exporter does.
        """
        return computed(shape, self.dtype, lambda: change(self.array()), self, name=name)

    def reshaped(self, *shape: int) -> Constant:
        """The same numbers in another shape, under the same name."""
        return self.then(shape, lambda a: a.reshape(shape), self.name) if shape != self.shape else self

    def called(self, name: str) -> Constant:
        return Constant(self.shape, self.dtype, self.load, name, self.changes)

    def number(self) -> float:
        """The one number that it is."""
        if self.size != 1:
            raise broken(f"one number is due, not an array {list(self.shape)}")
        return float(self.array().reshape(()))


def computed(
    shape: tuple[int, ...], dtype: np.dtype[Any], load: Callable[[], Array], *sources: Constant, name: str = ""
) -> Constant:
    """What is computed from constants, when it is needed.

    Raises
    ------
    LayerError
        E0603: they have been changed more often than any exporter does.
    """
    changes = 1 + sum(source.changes for source in sources)
    if changes > MAX_CHANGES:
        raise LayerError("E0603", f"a constant is changed more than {MAX_CHANGES} times")
    return Constant(shape, dtype, load, name, changes)


def constant(array: Array, name: str = "") -> Constant:
    """An array that is there."""
    return Constant(array.shape, array.dtype, lambda: array, name)


class Budget:
    """How many numbers a file may have computed, in all."""

    def __init__(self) -> None:
        self.left = MAX_COMPUTED
        self.room = MAX_HELD

    def take(self, count: int) -> None:
        """Ask for numbers that are computed when somebody reads them.

        Raises
        ------
        LayerError
            E0603: there are too many.
        """
        if not 0 <= count <= self.left:
            raise LayerError("E0603", f"constants that the file has computed hold more than {MAX_COMPUTED:,} numbers")
        self.left -= count

    def hold(self, count: int) -> None:
        """Ask for numbers that are computed at once, and stay in memory.

        Raises
        ------
        LayerError
            E0603: there are too many.
        """
        if not 0 <= count <= self.room:
            raise LayerError("E0603", f"constants that the file has computed hold more than {MAX_HELD:,} numbers")
        self.room -= count


def need_float(value: Constant, what: str) -> Constant:
    """A constant of floats; float16 and float64 become float32.

    Raises
    ------
    LayerError
        E0602: it holds whole numbers, as in a quantised model.
    """
    if not value.is_float:
        raise unsayable(f"its {what} is {value.dtype.name}, and a net's numbers are float32")
    if value.dtype == np.float32:
        return value

    def narrow() -> Array:
        with np.errstate(all="ignore"):
            return value.array().astype(np.float32)

    return Constant(value.shape, np.dtype(np.float32), narrow, value.name, value.changes + 1)


def short(value: float) -> float:
    """A float32 as the shortest number that it may have been written as: 0.1, not 0.10000000149."""
    return float(str(np.float32(value))) if math.isfinite(value) else value

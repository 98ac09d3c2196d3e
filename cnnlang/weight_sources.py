"""Weights that are read or drawn when they are asked for: a net that runs keeps them as its kernels read them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from cnnlang.weight_files.fitting import as_float32

if TYPE_CHECKING:
    from cnnlang.weight_files.safetensors_file import SafetensorsFile
    from cnnlang.weight_files.stored import Stored

Array = NDArray[np.float32]


def fixed(weights: dict[str, Array]) -> dict[str, Array]:
    """Arrays that nobody may write to any more: the kernels have copies of their own, which would not follow."""
    for array in weights.values():
        array.flags.writeable = False
    return weights


class Lazy(Mapping[str, Array]):
    """Arrays by path, float32 and not to be written to, each made when it is asked for and somebody keeps it not yet.

    Parameters
    ----------
    makers
        What makes each.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Array]]) -> None:
        self._makers = makers
        self._made: WeakValueDictionary[str, Array] = WeakValueDictionary()

    def __getitem__(self, path: str) -> Array:
        array = self._made.get(path)
        if array is None:
            array = self._makers[path]()
            array.flags.writeable = False
            self._made[path] = array
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    @abstractmethod
    def identity(self) -> str | None:
        """A text that no other weights have; None where it cannot be had."""


class Drawn(Lazy):
    """Weights to begin with; all that decides about them stands in `told`."""

    def __init__(self, makers: Mapping[str, Callable[[], Array]], told: str) -> None:
        super().__init__(makers)
        self._told = told

    def identity(self) -> str:
        return self._told


class InFile(Lazy):
    """The arrays of an open file; they can be read for as long as nobody writes to it.

    Raises
    ------
    WeightsError
        When an array is asked for: the file was written to.
    """

    def __init__(self, file: SafetensorsFile, stored: Mapping[str, Stored]) -> None:
        def maker(path: str, entry: Stored) -> Callable[[], Array]:
            return lambda: as_float32(str(file.path), path, entry)

        super().__init__({path: maker(path, entry) for path, entry in stored.items()})
        self._file = file

    def identity(self) -> str | None:
        return self._file.content()

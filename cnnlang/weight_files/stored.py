"""What every reader of weights gives: arrays that are described before they are read."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError

FLOATS = ("float16", "bfloat16", "float32", "float64")

WIDTH = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}  # bytes of one number
MOST_GROWTH = 100  # times the file's size that its arrays may take in memory
ALLOWED = 2**28  # bytes that they may always take


@dataclass(frozen=True, slots=True)
class Stored:
    """An array in a file: its type by NumPy's name, its shape, and how to read it (as any of `FLOATS` but bfloat16).

    Attributes
    ----------
    layer, role
        The layer it belongs to and what it is there (`kernel`, `gamma`), where the format tells; else the name may.
    keras
        Whether it is laid out as Keras does: kernels [h, w, in, out], dense ones [in, out].
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
    layer: str = ""
    role: str = ""
    keras: bool = False

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@contextlib.contextmanager
def damaged(path: Path, kind: str, *errors: type[BaseException]) -> Iterator[None]:
    """Turn what a library raises for a bad file into a `WeightsError`."""
    try:
        yield
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise WeightsError(msg) from None
    except errors as error:
        reason = printable(str(error).strip().split("\n", 1)[0][:200]) or type(error).__name__
        msg = f"{path} cannot be read as {kind}: {reason}"
        raise WeightsError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise WeightsError(msg) from None


def refuse_growth(path: Path, stored: Mapping[str, Stored]) -> None:
    """Refuse a file whose arrays would take far more memory than the file itself: a bomb.

    Raises
    ------
    WeightsError
        It is one.
    """
    total = sum(entry.size * WIDTH.get(entry.dtype, 8) for entry in stored.values())
    if total > max(ALLOWED, MOST_GROWTH * path.stat().st_size):
        msg = f"{path}: its arrays would take {total:,} bytes, more than {MOST_GROWTH} times the file's own size"
        raise WeightsError(msg)


def printable(name: str) -> str:
    """A name as it can stand in a message: short, on one line."""
    short = name if len(name) <= 100 else name[:97] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in short)


def halves_to_float(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Numbers of bfloat16, which NumPy lacks: each is the upper half of a float32."""
    widened: NDArray[np.float32] = (halves.astype(np.uint32) << 16).view(np.float32)
    return widened


def float_to_halves(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest numbers of bfloat16, to even where two are as near; NaN stays NaN."""
    bits = np.ascontiguousarray(numbers, dtype=np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    halves: NDArray[np.uint16] = np.where(np.isnan(numbers), 0x7FC0 | (bits >> 16), rounded).astype(np.uint16)
    return halves

"""NumPy's `.npy` format from files that nobody vouches for: nothing is unpickled, and nothing is read or allocated
before its shape has been approved.

Source: NEP 1, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
import tokenize
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

MAX_HEADER = 10_000  # NumPy's own limit, which it tests only after it has read the header

_BAD_HEADER = (
    ValueError,
    TypeError,
    SyntaxError,
    KeyError,
    tokenize.TokenError,  # NumPy's second try, for headers that Python 2 wrote
    RecursionError,
    MemoryError,
    OverflowError,
)


class NotNpy(ValueError):
    """The bytes are not an array that may be read; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def read_header(stream: IO[bytes]) -> Header:
    """Read up to where the numbers begin.

    Raises
    ------
    NotNpy
        The header is damaged, too long, or tells of something other than plain numbers.
    """
    start = stream.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY":
        raise NotNpy("it is not a .npy array")
    wide = {(1, 0): 2, (2, 0): 4}.get((start[6], start[7]))
    if wide is None:
        raise NotNpy(f"it is in version {start[6]}.{start[7]} of the .npy format")
    length = stream.read(wide)
    count = int.from_bytes(length, "little")
    if len(length) < wide or count > MAX_HEADER:
        raise NotNpy("its header is damaged")
    text = io.BytesIO(length + stream.read(count))
    read = npy_format.read_array_header_1_0 if wide == 2 else npy_format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers that Python 2 wrote
            shape, fortran, dtype = read(text)
    except _BAD_HEADER:
        raise NotNpy("its header is damaged") from None
    if dtype.hasobject:
        raise NotNpy("it holds Python objects, which are never read")
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise NotNpy("its header is damaged")
    return Header(tuple(shape), fortran, dtype)


def read_array(stream: IO[bytes], approve: Callable[[Header], None]) -> NDArray[Any]:
    """Read an array; `approve` sees its header first and raises where it may not be read.

    Raises
    ------
    NotNpy
        The array is damaged, too short or too long.
    """
    header = read_header(stream)
    approve(header)
    wanted = header.size * header.dtype.itemsize
    data = stream.read(wanted)
    if len(data) < wanted:
        raise NotNpy("it ends early")
    if stream.read(1):  # and at its end a zip file's checksum is tested
        raise NotNpy("it is longer than its header says")
    array = np.frombuffer(data, header.dtype, header.size)
    return array.reshape(header.shape, order="F" if header.fortran else "C")

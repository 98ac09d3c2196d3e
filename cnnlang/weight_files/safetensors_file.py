"""`.safetensors`: a header in JSON, then numbers and nothing else.

Source: https://huggingface.co/docs/safetensors (eight bytes for the header's length, the header, the numbers).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.files import replacing
from cnnlang.weight_files.content import content_of
from cnnlang.weight_files.stored import WIDTH, Stored, damaged, float_to_halves, halves_to_float

_TYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
_LONGEST = 100_000_000  # bytes of a header
_AXES = 64  # of an array of NumPy


class SafetensorsFile:
    """An open file whose header was held to its size; arrays are read when they are asked for, by any thread.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    WeightsError
        There is none, or it is damaged; later, when the file is written to while it is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with damaged(path, "safetensors", ValueError, RecursionError, struct.error):
            self._file: BinaryIO = path.open("rb", buffering=0)
            self.close: Callable[[], Any] = weakref.finalize(self, self._file.close)
            self._begun = self._state()
            header, self._start = _header(self._file, self._begun[0])
        self.stored = {
            name: Stored(_TYPES.get(entry["dtype"], entry["dtype"]), tuple(entry["shape"]), self._reader(entry))
            for name, entry in header.items()
        }

    def content(self) -> str | None:
        """A text that no other file has, if there is one to be had."""
        with damaged(self.path, "safetensors"):
            content = content_of(self._file.fileno())
        self._hold()
        return content

    def _reader(self, entry: Mapping[str, Any]) -> Callable[[], NDArray[Any]]:
        def read() -> NDArray[Any]:
            kind, start = entry["dtype"], entry["data_offsets"][0]
            if kind not in _TYPES:
                msg = f"{self.path}: {kind} is no type of weights"
                raise WeightsError(msg)
            numbers = np.empty(entry["shape"], "<u2" if kind == "BF16" else f"<f{_BITS[kind] // 8}")
            with damaged(self.path, "safetensors", ValueError):
                self._read(numbers.reshape(-1).view(np.uint8).data, self._start + start)
            self._hold()
            return halves_to_float(numbers) if kind == "BF16" else numbers

        return read

    def _read(self, target: memoryview, place: int) -> None:
        while target:
            if hasattr(os, "preadv"):
                count = os.preadv(self._file.fileno(), [target], place)
            else:
                with self._lock:
                    self._file.seek(place)
                    count = self._file.readinto(target)  # type: ignore[attr-defined]  # raw files have it
            if not count:
                msg = "it ends early"
                raise ValueError(msg)
            target, place = target[count:], place + count

    def _state(self) -> tuple[int, int]:
        found = os.fstat(self._file.fileno())
        return found.st_size, found.st_mtime_ns

    def _hold(self) -> None:
        if self._state() != self._begun:
            msg = f"{self.path} was written to since it was opened: read it again"
            raise WeightsError(msg)


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The entries by name, and where the numbers begin; ValueError where they are not what the format says."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(_LONGEST, size - 8):
        msg = "its header is longer than the file"
        raise ValueError(msg)
    header = json.loads(file.read(length).decode("utf-8"))
    if not isinstance(header, dict):
        msg = "its header is no object"
        raise ValueError(msg)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        msg = "its metadata are no texts"
        raise ValueError(msg)
    for entry in header.values():
        _test_entry(entry)
    end = 0
    for begun, ended in sorted(entry["data_offsets"] for entry in header.values()):
        if begun != end:
            msg = "its arrays do not follow each other"
            raise ValueError(msg)
        end = ended
    if end != size - 8 - length:
        msg = "its header does not fit its length"
        raise ValueError(msg)
    return header, 8 + length


def _test_entry(entry: Any) -> None:
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(begin), int(end)]} if kind in _BITS:
            are_sizes = all(type(number) is int and 0 <= number < 2**63 for number in (*shape, begin, end))
            if are_sizes and len(shape) <= _AXES and math.prod(shape) * _BITS[kind] == 8 * (end - begin):
                return
    msg = "an entry of its header is wrong"
    raise ValueError(msg)


@contextlib.contextmanager
def open_safetensors(path: Path) -> Iterator[dict[str, Stored]]:
    file = SafetensorsFile(path)
    try:
        yield file.stored
    finally:
        file.close()


def save_safetensors(path: Path, weights: Mapping[str, NDArray[np.float32]], dtype: str = "float32") -> None:
    """Write weights, as `float32`, `float16` or `bfloat16`, in their order; the same weights are the same bytes."""
    code = {name: code for code, name in _TYPES.items()}[dtype]
    header: dict[str, Any] = {}
    end = 0
    for name, array in weights.items():
        start, end = end, end + array.size * WIDTH[dtype]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin where eight divides
    with replacing(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in weights.values():
            file.write(_bytes(array, dtype))


def _bytes(array: NDArray[np.float32], dtype: str) -> bytes:
    if dtype == "bfloat16":
        return float_to_halves(array).astype("<u2").tobytes()
    with np.errstate(over="ignore"):
        return array.astype(np.dtype(dtype).newbyteorder("<")).tobytes()

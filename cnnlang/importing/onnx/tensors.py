"""Tensors of a file as constants: their sizes held against what is there before anything is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlang.importing.building import LayerError, broken, unsayable
from cnnlang.importing.onnx.constants import Array, Constant
from cnnlang.weight_files import printable

if TYPE_CHECKING:
    from onnx import TensorProto

MAX_RANK = 16
BFLOAT16 = 16
# by TensorProto.data_type: NumPy's type, and the field that holds the numbers where `raw_data` does not
TYPES: dict[int, tuple[str, str]] = {
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", "int32_data"),
    11: ("float64", "double_data"),
    12: ("uint32", "uint64_data"),
    13: ("uint64", "uint64_data"),
    BFLOAT16: ("float32", "int32_data"),  # NumPy has no bfloat16: the upper half of a float32
}


@dataclass(frozen=True, slots=True)
class Folder:
    """Where data beside the model may lie: in its own folder, and nowhere else."""

    path: Path

    def file(self, name: str) -> Path:
        """A file beside the model.

        Raises
        ------
        LayerError
            E0601: the name leads out of the folder, or to no file.
        """
        shown = printable(name)
        if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name.replace("\\", "/")).parts:
            raise broken(f"its data are to be read from {shown}, which is not beside the model")
        try:
            place = (self.path / name).resolve()
            if not place.is_relative_to(self.path.resolve()):
                raise broken(f"its data are to be read from {shown}, which leads out of the model's folder")
            if not place.is_file():
                raise broken(f"its data are in {shown}, and there is no such file beside the model")
        except (OSError, ValueError, RuntimeError):
            raise broken(f"its data are in {shown}, which cannot be read") from None
        return place


def constant_of(tensor: TensorProto, folder: Folder, name: str = "") -> Constant:
    """A tensor of the file.

    Raises
    ------
    LayerError
        E0601: its sizes are not those of its data; E0602: it holds texts, complex numbers, or numbers of 4 or 8 bits.
    """
    title = f"the tensor {printable(name or tensor.name)}"
    shape = tuple(int(d) for d in tensor.dims)
    if len(shape) > MAX_RANK or any(d < 0 for d in shape):
        raise broken(f"{title} has sizes that no tensor has")
    if tensor.data_type not in TYPES:
        raise unsayable(f"{title} holds no numbers that the language has (type {tensor.data_type})")
    kind, field = TYPES[tensor.data_type]
    count = math.prod(shape)
    if count > 2**40:
        raise LayerError("E0603", f"{title} says that it holds {count:,} numbers")
    dtype = np.dtype(kind)
    halved = tensor.data_type == BFLOAT16
    stored = np.dtype("<u2") if halved else dtype.newbyteorder("<")
    if tensor.data_location == 1:
        read = _external(tensor, folder, stored, count, title)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * stored.itemsize:
            given, needed = len(tensor.raw_data), count * stored.itemsize
            raise broken(f"{title} of {list(shape)} needs {needed:,} bytes, and {given:,} are there")

        def read() -> Array:
            return np.frombuffer(tensor.raw_data, stored)
    else:
        values = getattr(tensor, field)
        if len(values) != count:
            raise broken(f"{title} of {list(shape)} needs {count:,} numbers, and {len(values):,} are there")

        def read() -> Array:
            return _typed(values, dtype, halved)

    def load() -> Array:
        found = read()
        if halved:
            found = (found.astype(np.uint32) << 16).view(np.float32)
        exact: Array = found.astype(dtype, copy=False)
        return exact.reshape(shape)

    return Constant(shape, dtype, load, name or tensor.name)


def _typed(values: Any, dtype: np.dtype[Any], halved: bool) -> Array:
    """Numbers of a typed field; halves stand in it as the whole numbers that their bits are."""
    if halved or dtype == np.float16:
        bits: Array = np.array(values, dtype=np.int64).astype(np.uint16)
        return bits if halved else np.asarray(bits.view(np.float16))
    found: Array = np.array(values)
    return found.astype(dtype)


def _external(tensor: TensorProto, folder: Folder, stored: np.dtype[Any], count: int, title: str) -> Any:
    entries = {e.key: e.value for e in tensor.external_data}
    place = folder.file(entries.get("location", ""))
    offset, length = (_whole(entries.get(key, ""), title) for key in ("offset", "length"))
    needed = count * stored.itemsize
    size = place.stat().st_size
    if length not in (None, needed) or (offset or 0) + needed > size:
        raise broken(f"{title} needs {needed:,} bytes of {printable(place.name)}, and they are not there")

    def read() -> Array:
        try:
            found: Array = np.fromfile(place, stored, count, offset=offset or 0)
        except OSError:
            raise broken(f"{title} cannot be read from {printable(place.name)}") from None
        return found

    return read


def _whole(text: str, title: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise broken(f"{title} says no number where it begins or ends")
    return int(text)

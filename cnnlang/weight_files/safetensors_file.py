"""`.safetensors`."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.files import replacing
from cnnlang.weight_files.stored import WIDTH, Stored, damaged, float_to_halves, halves_to_float

_TYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}


@contextlib.contextmanager
def open_safetensors(path: Path) -> Iterator[dict[str, Stored]]:
    from safetensors import SafetensorError, safe_open

    bad = (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OverflowError, MemoryError)
    with contextlib.ExitStack() as stack:
        with damaged(path, "safetensors", *bad):
            file = stack.enter_context(safe_open(path, framework="numpy"))  # tests the header against the file
            raw = stack.enter_context(path.open("rb"))
            (length,) = struct.unpack("<Q", raw.read(8))
            header = json.loads(raw.read(length))
            header.pop("__metadata__", None)

            def reader(name: str, entry: Mapping[str, Any]) -> Callable[[], NDArray[Any]]:
                def read() -> NDArray[Any]:
                    with damaged(path, "safetensors", *bad):
                        if entry["dtype"] != "BF16":
                            array: NDArray[Any] = file.get_tensor(name)
                            return array
                        start, end = entry["data_offsets"]
                        raw.seek(8 + length + start)
                        return halves_to_float(np.frombuffer(raw.read(end - start), "<u2")).reshape(entry["shape"])

                return read

            stored = {}
            for name, entry in header.items():
                dtype = _TYPES.get(entry["dtype"], entry["dtype"])
                stored[name] = Stored(dtype, tuple(entry["shape"]), reader(name, entry))
        yield stored


def save_safetensors(path: Path, weights: Mapping[str, NDArray[np.float32]], dtype: str = "float32") -> None:
    """Write weights, as `float32`, `float16` or `bfloat16`, in their order; the same weights are the same bytes.

    Source: https://huggingface.co/docs/safetensors (eight bytes for the header's length, the header, the numbers).
    """
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

"""The files that weights come in: `.safetensors`, `.npz`, and PyTorch's `.pth` and `.pt`.

A file is untrusted. Opening one tells each array's name, type and shape; only arrays that the net expects are read, so
that memory is bounded by the net. Nothing here unpickles: PyTorch's files go through `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import contextlib
import json
import lzma
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.files import replacing
from cnnlang.npy import Header, NotNpy, read_array, read_header

FLOATS = ("float16", "bfloat16", "float32", "float64")
WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts call a state_dict inside a checkpoint


@dataclass(frozen=True, slots=True)
class Stored:
    """An array in a file: its type by NumPy's name, its shape, and how to read it (as any of `FLOATS` but bfloat16)."""

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]


def opened(path: Path) -> AbstractContextManager[dict[str, Stored]]:
    """The arrays of a weights file by name; they can be read while the file is open.

    Raises
    ------
    WeightsError
        The file is missing, of no known kind, or damaged.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        msg = f"{path}: weights are read from {', '.join(list(READERS)[:-1])} and {list(READERS)[-1]} files"
        raise WeightsError(msg)
    if path.is_dir():
        msg = f"{path} is a folder; weights are read from a file"
        raise WeightsError(msg)
    return reader(path)


@contextlib.contextmanager
def _damaged(path: Path, kind: str, *errors: type[BaseException]) -> Iterator[None]:
    """Turn what a library raises for a bad file into a `WeightsError`."""
    try:
        yield
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise WeightsError(msg) from None
    except errors as error:
        reason = str(error).strip().split("\n", 1)[0][:200] or type(error).__name__
        msg = f"{path} cannot be read as {kind}: {reason}"
        raise WeightsError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise WeightsError(msg) from None


# --- safetensors ------------------------------------------------------------------------------------------------------

_SAFETENSORS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}


@contextlib.contextmanager
def _open_safetensors(path: Path) -> Iterator[dict[str, Stored]]:
    from safetensors import SafetensorError, safe_open

    bad = (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OverflowError, MemoryError)
    with contextlib.ExitStack() as stack:
        with _damaged(path, "safetensors", *bad):
            file = stack.enter_context(safe_open(path, framework="numpy"))  # tests the header against the file
            raw = stack.enter_context(path.open("rb"))
            (length,) = struct.unpack("<Q", raw.read(8))
            header = json.loads(raw.read(length))
            header.pop("__metadata__", None)

            def reader(name: str, entry: Mapping[str, Any]) -> Callable[[], NDArray[Any]]:
                def read() -> NDArray[Any]:
                    with _damaged(path, "safetensors", *bad):
                        if entry["dtype"] != "BF16":
                            array: NDArray[Any] = file.get_tensor(name)
                            return array
                        start, end = entry["data_offsets"]  # NumPy has no bfloat16: the upper half of a float32
                        raw.seek(8 + length + start)
                        halves = np.frombuffer(raw.read(end - start), "<u2").astype(np.uint32)
                        return (halves << 16).view(np.float32).reshape(entry["shape"])

                return read

            stored = {}
            for name, entry in header.items():
                dtype = _SAFETENSORS.get(entry["dtype"], entry["dtype"])
                stored[name] = Stored(dtype, tuple(entry["shape"]), reader(name, entry))
        yield stored


def _save_safetensors(path: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    from safetensors.numpy import save

    data = save({name: np.ascontiguousarray(array) for name, array in weights.items()})
    with replacing(path) as file:
        file.write(data)


# --- npz --------------------------------------------------------------------------------------------------------------

_BAD_ZIP = (
    zipfile.BadZipFile,
    NotNpy,
    NotImplementedError,  # a compression that Python lacks
    RuntimeError,  # encrypted
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    MemoryError,
)


@contextlib.contextmanager
def _open_npz(path: Path) -> Iterator[dict[str, Stored]]:
    with contextlib.ExitStack() as stack:
        with _damaged(path, "npz", *_BAD_ZIP):
            file = stack.enter_context(zipfile.ZipFile(path))

            def reader(info: zipfile.ZipInfo, seen: Header) -> Callable[[], NDArray[Any]]:
                def same(header: Header) -> None:
                    if header != seen:
                        raise NotNpy("it changed while it was read")

                def read() -> NDArray[Any]:
                    with _damaged(path, "npz", *_BAD_ZIP), file.open(info) as stream:
                        return read_array(stream, same)

                return read

            stored: dict[str, Stored] = {}
            for info in file.infolist():
                name = info.filename.removesuffix(".npy")
                if name in stored:
                    raise NotNpy(f"it holds {printable(name)} twice")
                with file.open(info) as stream:
                    try:
                        header = read_header(stream)
                    except NotNpy as error:
                        raise NotNpy(f"{printable(name)}: {error}") from None
                stored[name] = Stored(header.dtype.name, header.shape, reader(info, header))
        yield stored


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name to a `.npz` file, whole or not at all; the same arrays are the same bytes."""
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


# --- PyTorch ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _open_torch(path: Path) -> Iterator[dict[str, Stored]]:
    try:
        import torch
    except ImportError:
        msg = (
            f'{path}: reading a {path.suffix} file needs PyTorch: pip install "cnnlang[torch]" '
            "(.safetensors and .npz files need nothing more)"
        )
        raise WeightsError(msg) from None
    bad = (*_BAD_ZIP, pickle.UnpicklingError, KeyError, IndexError, TypeError, AttributeError, AssertionError)
    with _damaged(path, "PyTorch weights", *bad):
        _refuse_bomb(path)
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            msg = "it holds more than tensors (a whole model?); save its state_dict() instead"
            raise NotNpy(msg) from None
        found = _state_dict(found)
        stored = {str(name): _stored_tensor(value) for name, value in found.items()}
    yield stored


def _refuse_bomb(path: Path) -> None:
    """PyTorch stores its tensors uncompressed; what would grow on reading was not written by it."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            if sum(info.file_size for info in file.infolist()) > path.stat().st_size:
                raise NotNpy("its parts are larger than the file")


def _state_dict(found: Any) -> Mapping[Any, Any]:
    if isinstance(found, Mapping):
        for key in WRAPPERS:
            if isinstance(found.get(key), Mapping):
                return found[key]  # type: ignore[no-any-return]
        return found
    msg = f"it holds a {type(found).__name__}, not a state_dict"
    raise NotNpy(msg)


def _stored_tensor(value: Any) -> Stored:
    import torch

    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        return Stored(type(value).__name__, (), lambda: np.zeros(()))
    dtype = str(value.dtype).removeprefix("torch.")
    return Stored(dtype, tuple(value.shape), lambda: as_numpy(value))


def as_numpy(tensor: Any) -> NDArray[Any]:
    """A PyTorch tensor as an array; bfloat16, which NumPy lacks, as float32."""
    tensor = tensor.detach().cpu()
    array: NDArray[Any] = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    return array


READERS: dict[str, Callable[[Path], AbstractContextManager[dict[str, Stored]]]] = {
    ".safetensors": _open_safetensors,
    ".npz": _open_npz,
    ".pth": _open_torch,
    ".pt": _open_torch,
}
WRITERS: dict[str, Callable[[Path, Mapping[str, NDArray[np.float32]]], None]] = {
    ".safetensors": _save_safetensors,
    ".npz": write_npz,
}


def printable(name: str) -> str:
    """A name as it can stand in a message: short, on one line."""
    short = name if len(name) <= 100 else name[:97] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short)

"""The files that weights come in: safetensors, npz, PyTorch's, Keras' and ONNX's.

A file is untrusted. Opening one tells each array's name, type and shape; only arrays that somebody wants are read, so
that memory is bounded by the net, or by the file. Nothing here unpickles: PyTorch's files go through
`torch.load(weights_only=True)`; and HDF5 is read by a process of its own, which may fail alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.weight_files.stored import FLOATS, Stored, printable

__all__ = ["FLOATS", "READERS", "WRITERS", "Stored", "opened", "printable", "refuse_folder"]


def _of(module: str, name: str) -> Callable[..., Any]:
    """A function of a module beside this one that is imported when it is called: most runs read one kind of file."""
    return lambda *arguments: getattr(import_module(f"{__name__}.{module}"), name)(*arguments)


READERS: dict[str, Callable[[Path], AbstractContextManager[dict[str, Stored]]]] = {
    ".safetensors": _of("safetensors_file", "open_safetensors"),
    ".npz": _of("npz_file", "open_npz"),
    ".pth": _of("torch_file", "open_torch"),
    ".pt": _of("torch_file", "open_torch"),
    ".h5": _of("hdf5_file", "open_hdf5"),
    ".hdf5": _of("hdf5_file", "open_hdf5"),
    ".keras": _of("keras_archive", "open_keras"),
    ".onnx": _of("onnx_file", "open_onnx"),
}
WRITERS: dict[str, Callable[[Path, Mapping[str, NDArray[np.float32]]], None]] = {
    ".safetensors": _of("safetensors_file", "save_safetensors"),
    ".npz": _of("npz_file", "write_npz"),
    ".pth": _of("torch_file", "save_torch"),
    ".pt": _of("torch_file", "save_torch"),
}
KERAS = (".h5", ".hdf5", ".keras")  # laid out so that only with the net they say which number is which


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
    refuse_folder(path)
    return reader(path)


def refuse_folder(path: Path) -> None:
    """`WeightsError` for a folder in the place of a file."""
    if path.is_dir():
        msg = f"{path} is a folder; weights are read from a file"
        raise WeightsError(msg)

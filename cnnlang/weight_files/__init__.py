"""The files that weights come in: safetensors, npz, PyTorch's, Keras' and ONNX's.

A file is untrusted. Opening one tells each array's name, type and shape; only arrays that somebody wants are read, so
that memory is bounded by the net, or by the file. Nothing here unpickles: PyTorch's files go through
`torch.load(weights_only=True)`; and HDF5 is read by a process of its own, which may fail alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.weight_files.hdf5_file import open_hdf5
from cnnlang.weight_files.keras_archive import open_keras
from cnnlang.weight_files.npz_file import open_npz, write_npz
from cnnlang.weight_files.onnx_file import open_onnx
from cnnlang.weight_files.safetensors_file import SafetensorsFile, open_safetensors, save_safetensors
from cnnlang.weight_files.stored import FLOATS, Stored, printable
from cnnlang.weight_files.torch_file import as_numpy, open_torch, save_torch

__all__ = [
    "FLOATS",
    "READERS",
    "WRITERS",
    "SafetensorsFile",
    "Stored",
    "as_numpy",
    "opened",
    "printable",
    "refuse_folder",
    "write_npz",
]

READERS: dict[str, Callable[[Path], AbstractContextManager[dict[str, Stored]]]] = {
    ".safetensors": open_safetensors,
    ".npz": open_npz,
    ".pth": open_torch,
    ".pt": open_torch,
    ".h5": open_hdf5,
    ".hdf5": open_hdf5,
    ".keras": open_keras,
    ".onnx": open_onnx,
}
WRITERS: dict[str, Callable[[Path, Mapping[str, NDArray[np.float32]]], None]] = {
    ".safetensors": save_safetensors,
    ".npz": write_npz,
    ".pth": save_torch,
    ".pt": save_torch,
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

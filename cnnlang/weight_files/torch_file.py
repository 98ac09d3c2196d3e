"""`.pth` and `.pt`: PyTorch's state_dicts, read without unpickling anything but tensors."""

from __future__ import annotations

import contextlib
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.files import replacing
from cnnlang.npy import NotNpy
from cnnlang.weight_files.npz_file import BAD_ZIP
from cnnlang.weight_files.stored import Stored, damaged

WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts call a state_dict inside a checkpoint


def _torch(path: Path, doing: str) -> Any:
    try:
        import torch
    except ImportError:
        msg = (
            f'{path}: {doing} a {path.suffix} file needs PyTorch: pip install "cnnlang[torch]" '
            "(.safetensors and .npz files need nothing more)"
        )
        raise WeightsError(msg) from None
    return torch


@contextlib.contextmanager
def open_torch(path: Path) -> Iterator[dict[str, Stored]]:
    torch = _torch(path, "reading")
    bad = (*BAD_ZIP, pickle.UnpicklingError, KeyError, IndexError, TypeError, AttributeError, AssertionError)
    with damaged(path, "PyTorch weights", *bad):
        _refuse_bomb(path)
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            msg = "it holds more than tensors (a whole model?); save its state_dict() instead"
            raise NotNpy(msg) from None
        found = _state_dict(found)
        stored = {str(name): _stored_tensor(torch, value) for name, value in found.items()}
    yield stored


def save_torch(path: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Write weights as a state_dict of plain tensors."""
    torch = _torch(path, "writing")
    tensors = {name: torch.from_numpy(np.array(array, dtype=np.float32, order="C")) for name, array in weights.items()}
    with replacing(path) as file:
        torch.save(tensors, file)


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


def _stored_tensor(torch: Any, value: Any) -> Stored:
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        return Stored(type(value).__name__, (), lambda: np.zeros(()))
    dtype = str(value.dtype).removeprefix("torch.")
    return Stored(dtype, tuple(value.shape), lambda: as_numpy(value))


def as_numpy(tensor: Any) -> NDArray[Any]:
    """A PyTorch tensor as an array; bfloat16, which NumPy lacks, as float32."""
    tensor = tensor.detach().cpu()
    array: NDArray[Any] = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    return array

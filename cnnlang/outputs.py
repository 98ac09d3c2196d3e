"""A net's outputs as a file: arrays, or a picture of every channel."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import UsageError
from cnnlang.files import write_bytes
from cnnlang.weight_files.npz_file import write_npz

SUFFIXES = (".npy", ".npz", ".png")


def save_output(
    path: str | os.PathLike[str],
    outputs: Mapping[str, NDArray[Any]],
    *,
    labels: Sequence[str] = (),
    titles: Sequence[str] = (),
) -> None:
    """Write outputs, whole or not at all: `.npy` (one output), `.npz` (by name), `.png` (see `cnnlang.drawing`).

    Parameters
    ----------
    path
        The file; its ending says what is written.
    outputs
        Arrays [N, C, H, W] or [N, C] by name.
    labels
        Names of the channels, used in a picture for outputs that have as many.
    titles
        What the samples are called in a picture, one for each of N: the names of the input files.

    Raises
    ------
    UsageError
        The file's name ends otherwise, the file cannot be written, or several outputs are to be one `.npy`.
    """
    match Path(path).suffix.lower():
        case ".npy" if len(outputs) == 1:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(*outputs.values()), allow_pickle=False)
            write_bytes(path, buffer.getvalue())
        case ".npy":
            msg = f"{path}: a .npy file holds one array, and there are {len(outputs)} outputs; write a .npz file"
            raise UsageError(msg)
        case ".npz":
            write_npz(Path(path), outputs)
        case ".png":
            from cnnlang.drawing import draw  # Pillow and fonts, for those who want a picture

            buffer = io.BytesIO()
            draw(outputs, labels=labels, titles=titles).save(buffer, "PNG", optimize=True)
            write_bytes(path, buffer.getvalue())
        case _:
            msg = f"{path}: outputs are written to {', '.join(SUFFIXES[:-1])} and {SUFFIXES[-1]} files"
            raise UsageError(msg)

"""Writing a net and its weights: both files or neither."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import UsageError
from cnnlang.files import write_bytes
from cnnlang.weights import save_weights


class Renamed(Mapping[str, NDArray[np.float32]]):
    """Arrays by other names, each read when it is asked for.

    Parameters
    ----------
    arrays
        The arrays.
    names
        Their names there, by the names here.
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]], names: Mapping[str, str]) -> None:
        self._arrays = arrays
        self._names = names

    def __getitem__(self, key: str) -> NDArray[np.float32]:
        return self._arrays[self._names[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def files_of(path: Path, *, weights: bool) -> list[Path]:
    """The files that a net is written to: the one that was named, and one beside it for its weights."""
    return [path, path.with_suffix(".safetensors")] if weights else [path]


def need_free(path: Path, *, weights: bool, force: bool) -> None:
    """Raise `UsageError` where a file cannot be written as its name says, or is there already."""
    if path.suffix != ".cnn":
        msg = f"{path}: a net is written to a file whose name ends with .cnn"
        raise UsageError(msg)
    for file in files_of(path, weights=weights):
        if file.is_dir():
            msg = f"{file}: this is a folder"
            raise UsageError(msg)
        if file.exists() and not force:
            msg = f"{file} is there already; --force replaces it"
            raise UsageError(msg)


def save(path: Path, text: str, weights: Mapping[str, NDArray[np.float32]], *, force: bool) -> list[Path]:
    """Write a `.cnn` file, and a `.safetensors` file beside it where there are weights.

    Both are written under other names first, so that what can fail fails before either is in its place.

    Raises
    ------
    UsageError
        The name does not end with `.cnn`, a file is there already, or one cannot be written.
    """
    need_free(path, weights=bool(weights), force=force)
    files = files_of(path, weights=bool(weights))
    beside = [file.with_name(f".{secrets.token_hex(6)}.{file.name[-100:]}") for file in files]
    try:
        write_bytes(beside[0], text.encode("utf-8"))
        if weights:
            save_weights(beside[1], weights)
        _place(beside, files)
    finally:
        for made in beside:
            with contextlib.suppress(OSError):
                made.unlink()
    return files


def _place(beside: Sequence[Path], files: Sequence[Path]) -> None:
    """Give the files their names; where the second cannot have its, the first goes too unless it took one's place."""
    placed: list[Path] = []
    try:
        for made, file in zip(beside, files, strict=True):
            is_new = not file.exists()
            made.replace(file)
            if is_new:
                placed.append(file)
    except OSError as error:
        for file in placed:
            file.unlink()
        msg = f"{error.filename2 or error.filename} cannot be written: {error.strerror or error}"
        raise UsageError(msg) from None

"""`.keras`: a zip archive with the model's `config.json` and its `model.weights.h5`."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnnlang.weight_files.hdf5_file import open_hdf5
from cnnlang.weight_files.npz_file import BAD_ZIP
from cnnlang.weight_files.stored import Stored, damaged

WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
MAX_CONFIG = 2**26
ALLOWED = 2**24  # bytes that a part may take, however small it is in the archive; Keras compresses nothing
MOST_GROWTH = 20

_BAD = (*BAD_ZIP, KeyError, TypeError, RecursionError)


@contextlib.contextmanager
def open_keras(path: Path) -> Iterator[dict[str, Stored]]:
    with contextlib.ExitStack() as stack:
        with damaged(path, "a Keras archive", *_BAD):
            archive = stack.enter_context(zipfile.ZipFile(path))
            if WEIGHTS not in archive.namelist():
                raise ValueError(f"there is no {WEIGHTS} in it")
            config = _config(archive)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cnnlang-")))
            inside = folder / "weights.h5"
            _copy(archive, inside)
        yield stack.enter_context(open_hdf5(inside, path, config))


def _config(archive: zipfile.ZipFile) -> Any:
    """What Keras says of the model; None where the archive does not tell."""
    if CONFIG not in archive.namelist():
        return None
    info = archive.getinfo(CONFIG)
    if info.file_size > MAX_CONFIG:
        raise ValueError(f"its {CONFIG} is too large")
    return json.loads(archive.read(info))


def _copy(archive: zipfile.ZipFile, place: Path) -> None:
    info = archive.getinfo(WEIGHTS)
    if info.file_size > max(ALLOWED, MOST_GROWTH * info.compress_size):
        raise ValueError(f"its {WEIGHTS} would grow to {info.file_size:,} bytes")
    with archive.open(info) as source, place.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)

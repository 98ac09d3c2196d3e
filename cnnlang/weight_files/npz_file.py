"""`.npz`, NumPy's archives."""

from __future__ import annotations

import contextlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.files import replacing
from cnnlang.npy import Header, NotNpy, read_array, read_header
from cnnlang.weight_files.stored import Stored, damaged, printable

BAD_ZIP = (
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
def open_npz(path: Path) -> Iterator[dict[str, Stored]]:
    with contextlib.ExitStack() as stack:
        with damaged(path, "npz", *BAD_ZIP):
            file = stack.enter_context(zipfile.ZipFile(path))

            def reader(info: zipfile.ZipInfo, seen: Header) -> Callable[[], NDArray[Any]]:
                def same(header: Header) -> None:
                    if header != seen:
                        raise NotNpy("it changed while it was read")

                def read() -> NDArray[Any]:
                    with damaged(path, "npz", *BAD_ZIP), file.open(info) as stream:
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

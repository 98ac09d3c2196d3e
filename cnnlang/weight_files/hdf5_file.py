"""HDF5: Keras' `.weights.h5`, its older `.h5`, and plain arrays; read by a process of its own (`hdf5_reader`)."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.weight_files.keras_names import Tree, Variable, named
from cnnlang.weight_files.stored import WIDTH, Stored, damaged, halves_to_float

PATIENCE = 60  # seconds for one answer, and a second more for every
PACE = 4_000_000  # bytes

_BAD = (ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError, struct.error)


class _NotHdf5(ValueError):
    """What the reading process says of a file."""


@contextlib.contextmanager
def open_hdf5(path: Path, shown: Path | None = None, config: Any = None) -> Iterator[dict[str, Stored]]:
    """The arrays of an HDF5 file.

    Parameters
    ----------
    shown
        What messages call it; None for `path`.
    config
        Keras' own account of the model, where there is one: it tells the classes and the order of layers.
    """
    title = shown or path
    if not path.is_file():
        raise FileNotFoundError(path) if shown else WeightsError(f"{path}: there is no such file")
    if importlib.util.find_spec("h5py") is None:
        msg = f'{title}: reading a {title.suffix} file needs h5py: pip install "cnnlang[keras]"'
        raise WeightsError(msg)
    with _Process(path) as process:
        with damaged(title, "HDF5", *_BAD):
            tree = process.listing()
            found = named(tree, config)
        yield {name: _stored(title, process, variable) for name, variable in found.items()}


def _stored(path: Path, process: _Process, variable: Variable) -> Stored:
    array = variable.array

    def read() -> NDArray[Any]:
        with damaged(path, "HDF5", *_BAD):
            if array.dtype not in WIDTH:
                raise _NotHdf5(f"{array.path} is {array.dtype}, and no float")
            data = process.numbers(array.number, math.prod(array.shape) * WIDTH[array.dtype])
            if array.dtype == "bfloat16":
                return halves_to_float(np.frombuffer(data, "<u2")).reshape(array.shape)
            return np.frombuffer(data, np.dtype(array.dtype).newbyteorder("<")).reshape(array.shape)

    return Stored(array.dtype, array.shape, read, variable.layer, variable.role, variable.keras)


@dataclass
class _Process:
    """The process that reads one file; it ends when nobody needs it, and whatever it does."""

    path: Path
    _running: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> _Process:
        script = Path(__file__).with_name("hdf5_reader.py")
        self._running = subprocess.Popen(
            [sys.executable, "-P", str(script), str(self.path.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._running.kill()
        self._running.communicate()

    def listing(self) -> Tree:
        line = self._patiently(lambda out: out.readline(), PATIENCE + self.path.stat().st_size // PACE)
        if not line.endswith(b"\n"):
            raise _NotHdf5("it is damaged")
        found = json.loads(line)
        if "error" in found:
            raise _NotHdf5("it is no HDF5 file" if "signature not found" in found["error"] else found["error"])
        return Tree.of(found)

    def numbers(self, number: int, size: int) -> bytes:
        """The bytes of an array."""
        assert self._running.stdin is not None
        try:
            self._running.stdin.write(f"{number}\n".encode())
            self._running.stdin.flush()
        except BrokenPipeError:
            raise _NotHdf5("it is damaged") from None

        def read(out: IO[bytes]) -> bytes:
            (count,) = struct.unpack("<q", out.read(8).ljust(8, b"\0"))
            if count < 0:
                raise _NotHdf5(out.read(min(-count, 1_000)).decode("utf-8", "replace"))
            return out.read(size) if count == size else b""

        data = self._patiently(read, PATIENCE + size // PACE)
        if len(data) != size:
            raise _NotHdf5("it is damaged")
        return data

    def _patiently(self, ask: Callable[[IO[bytes]], bytes], seconds: float) -> bytes:
        """An answer of the process, which is ended if it takes too long."""
        assert self._running.stdout is not None
        timer = threading.Timer(seconds, self._running.kill)
        timer.start()
        try:
            return ask(self._running.stdout)
        finally:
            timer.cancel()

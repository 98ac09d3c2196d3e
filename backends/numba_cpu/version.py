"""The version of what is compiled and computed here: a hash of the package's own text."""

from __future__ import annotations

import sys
import time
from functools import cache
from hashlib import sha256
from pathlib import Path

import llvmlite
import numpy as np

import cnnlang

KERNELS = ("backends/numba_cpu",)
WEIGHTS = ("backends/numba_cpu", "passes", "ops", "weight_files")  # how they are read, computed and packed

_IMPORTED = time.time_ns()


@cache
def version(folders: tuple[str, ...] = KERNELS) -> str | None:
    """A text that changes with the package's files in these folders, LLVM's version and NumPy's.

    None where a file is younger than this process: then what runs is not what stands there, and nothing that it makes
    may be kept under its name.
    """
    home = Path(cnnlang.__file__).parent
    found = sha256(f"{llvmlite.__version__} {np.__version__} {sys.byteorder}".encode())
    for folder in folders:
        for path in sorted((home / folder).rglob("*.py")):
            if path.stat().st_mtime_ns > _IMPORTED:
                return None
            found.update(path.read_bytes())
    return found.hexdigest()

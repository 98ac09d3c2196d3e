"""Generated modules as files, by their content: written once, and compiled by Numba once for all processes."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from cnnlang.files import write_bytes
from cnnlang.system import cache_folder


def load_module(source: str) -> ModuleType:
    """Import a generated module from the cache, where its compiled kernels lie beside it.

    The file's name is a hash of its text and of the version of Numba. A file that is there is believed only if its
    bytes are the text's.

    Parameters
    ----------
    source
        The module's text.

    Raises
    ------
    UsageError
        The cache folder cannot be used, or the file not be written.
    """
    import numba

    data = source.encode("utf-8")
    name = f"net_{hashlib.sha256(data + numba.__version__.encode()).hexdigest()[:40]}"
    path = cache_folder() / f"{name}.py"
    if not _holds(path, data):
        write_bytes(path, data)
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: a second process finds what Numba compiled by the module's name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False

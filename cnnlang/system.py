"""What differs from one system to the next: where a user's cache is, who else can write there,
how many processors it has, and how much memory."""

from __future__ import annotations

import atexit
import os
import stat
import sys
from functools import cache
from pathlib import Path

from cnnlang.errors import UsageError

VARIABLE = "CNNLANG_CACHE"


def cache_folder() -> Path:
    """The folder for compiled nets, made if it is not there.

    It is what `CNNLANG_CACHE` says, else a folder in the user's cache. What lies there is run as code, so nobody else
    may write to it; where the user's cache cannot be had so, a folder for this process alone takes its place.

    Raises
    ------
    UsageError
        The folder that `CNNLANG_CACHE` names cannot be made, or others can write to it.
    """
    chosen = os.environ.get(VARIABLE)
    folder = Path(chosen) if chosen else user_cache() / "cnnlang"
    fault = _make_private(folder)
    if fault is None:
        return folder
    if chosen:
        msg = f"the cache folder {folder} {fault}; set {VARIABLE} to a folder of your own"
        raise UsageError(msg)
    return _temporary_folder()


def is_temporary(folder: Path) -> bool:
    """Whether a cache folder goes with this process, so that what is put there serves nobody later."""
    return _temporary_folder.cache_info().currsize > 0 and folder == _temporary_folder()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def need_memory(wanted: int, what: str) -> None:
    """Refuse what cannot fit, before it is begun.

    Parameters
    ----------
    wanted
        Bytes.
    what
        Who wants them, as the beginning of a sentence.

    Raises
    ------
    UsageError
        The machine has less memory than that.
    """
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return  # the system does not tell; then the allocation itself fails
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if wanted > there:
        msg = f"{what} needs {wanted / 2**30:,.1f} GiB of memory, and this machine has {there / 2**30:,.1f} GiB"
        raise UsageError(msg)


def user_cache() -> Path:
    """Where programs keep a user's caches on this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"  # the specification ignores relative paths


def _make_private(folder: Path) -> str | None:
    """Make a folder that only its owner can write to; what is wrong with it where that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        return f"cannot be made: {error.strerror or error}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written to"
    if sys.platform == "win32":
        return None  # a user's own folders are closed to others there
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written to by others"
    return None


@cache
def _temporary_folder() -> Path:
    """A folder for this process, which goes with it."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="cnnlang-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

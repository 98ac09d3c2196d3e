"""Files in the user's cache: compiled code, packed weights, and what is known of weights files.

Nothing is taken from a file that somebody else can have written: it belongs to this user and nobody else may write to
it, and so does its folder (`system.cache_folder`). Files are written beside and put in place whole, so that two
processes never disturb each other. A file that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from cnnlang.system import is_temporary

LIMIT = 2 * 2**30  # bytes of all files together
SHARE = 4  # a file may take this part of the limit, and of what is free on the disk
SMALL = 1_000_000  # bytes for which nobody looks how much there is
SUFFIXES = (".kernel", ".packed", ".stamp")


def open_own(path: Path) -> int | None:
    """A descriptor to read a file of the cache with, which counts as used now; None where there is none to trust."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not _is_own(found):
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return descriptor


def _is_own(found: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True  # a user's own folders are closed to others there
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read(path: Path) -> bytes | None:
    """What a file of the cache holds; None where there is none to trust."""
    descriptor = open_own(path)
    if descriptor is None:
        return None
    try:
        with os.fdopen(descriptor, "rb") as file:
            return file.read()
    except OSError:
        return None


def write(path: Path, parts: Iterable[bytes | memoryview]) -> bool:
    """Write a file of the cache, whole or not at all, and remove the oldest where they grow too many.

    Answers whether it is there; a full disk, or a folder that cannot be written to, is no error.
    """
    views = [view.cast("B") for part in parts if (view := memoryview(part)).nbytes]
    size = sum(view.nbytes for view in views)
    beside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        if not _make_room(path.parent, size):
            return False
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for view in views:
                    done = 0
                    while done < view.nbytes:
                        done += file.write(view[done:])
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError:
        return False
    return True


def read_sealed(path: Path) -> bytes | None:
    """What `write_sealed` wrote; None where there is none to trust, or a damaged one."""
    seal, _, body = (read(path) or b"").partition(b"\n")
    return body if seal == _seal(body) else None


def write_sealed(path: Path, body: bytes) -> bool:
    """Write a file behind a hash of what it holds; answers as `write` does."""
    return write(path, [_seal(body) + b"\n" + body])


def _seal(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()


def files(folder: Path) -> Iterator[Path]:
    """The files that this module writes there, unfinished ones among them."""
    for entry in os.scandir(folder):
        begun = entry.name.startswith(".") and any(f"{suffix}." in entry.name for suffix in SUFFIXES)
        if begun or entry.name.endswith(SUFFIXES):
            yield Path(entry.path)


def _make_room(folder: Path, size: int) -> bool:
    """Remove what was used longest ago until there is room; whether there is. Small files are let in as they are."""
    if size < SMALL:
        return True
    if hasattr(os, "statvfs"):
        disk = os.statvfs(folder)
        if size > disk.f_bavail * disk.f_frsize // SHARE:
            return False
    if size > LIMIT // SHARE or is_temporary(folder):
        return False
    kept = []
    for path in files(folder):
        with contextlib.suppress(OSError):
            found = path.lstat()
            kept.append((found.st_mtime, found.st_size, path))
    total = size + sum(length for _, length, _ in kept)
    for _, length, path in sorted(kept):
        if total <= LIMIT:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            total -= length
    return True

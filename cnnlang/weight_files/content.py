"""What a file holds, as a short text: the hash of its bytes, remembered for as long as nobody writes to it."""

from __future__ import annotations

import os
import sys
import time
from hashlib import sha256

from cnnlang import cache
from cnnlang.system import cache_folder, processors

PIECE = 2**22  # bytes that are hashed at once: hashing runs without the interpreter's lock, on all processors
SETTLED = 3_000_000_000  # nanoseconds after which a file that is written to surely shows another time


def content_of(descriptor: int) -> str | None:
    """The hash of an open file's bytes; None on Windows, where no time tells of every change.

    It is remembered in the user's cache by the file's number, size and times, so that a large file is not read through
    every time. What was written to a moment ago is always read: its time may not tell the next change.
    """
    if sys.platform == "win32":
        return None
    found = os.fstat(descriptor)
    told = f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    path = cache_folder() / f"{sha256(told.encode()).hexdigest()[:40]}.stamp"
    kept = cache.read_sealed(path)
    if kept is not None:
        return kept.decode()
    content = _hashed(descriptor)
    if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED:
        cache.write_sealed(path, content.encode())
    return content


def _hashed(descriptor: int) -> str:
    """The SHA-256 of the SHA-256 of all pieces."""
    from concurrent.futures import ThreadPoolExecutor

    size = os.fstat(descriptor).st_size

    def one(place: int) -> bytes:
        return sha256(os.pread(descriptor, PIECE, place)).digest()

    with ThreadPoolExecutor(processors()) as pool:
        return sha256(b"".join(pool.map(one, range(0, size, PIECE)))).hexdigest()

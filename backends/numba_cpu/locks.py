"""Locks that a child process finds open, whoever held them when its parent forked: that thread is not in the child."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet


class Lock:
    """As `threading.Lock`, for `with`; `with lock.plain` is quicker."""

    def __init__(self) -> None:
        self.reset()
        _locks.add(self)

    def reset(self) -> None:
        """Open it, whoever holds it."""
        self.plain = threading.Lock()

    def __enter__(self) -> None:
        self.plain.acquire()

    def __exit__(self, *error: object) -> None:
        self.plain.release()


def _reset_all() -> None:
    for lock in _locks:
        lock.reset()


_locks: WeakSet[Lock] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)

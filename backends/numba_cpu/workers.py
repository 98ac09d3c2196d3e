"""Threads that help to run a table. They sleep between runs, and there is one set of them for the whole process."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache

Run = Callable[[int, int, int, int, int], None]


def run_together(address: int, table: int, stages: int, counter: int, threads: int) -> None:
    """Call the driver at an address on `threads` threads, this one among them; returns when all are ready."""
    run = _function(address)
    if threads == 1:
        run(table, stages, 0, 1, counter)
        return
    with _workers.lock:
        helpers = _workers.some(threads - 1)
        for i, helper in enumerate(helpers, 1):
            helper.start(lambda i=i: run(table, stages, i, threads, counter))  # type: ignore[misc]
        run(table, stages, 0, threads, counter)
        for helper in helpers:
            helper.wait()


@cache
def _function(address: int) -> Run:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)(address)  # it runs without the interpreter's lock


class _Helper:
    """A thread that does one thing after the other."""

    def __init__(self) -> None:
        self._wanted, self._ready = threading.Semaphore(0), threading.Semaphore(0)
        self._work: Callable[[], None] | None = None
        threading.Thread(target=self._loop, name="cnnlang", daemon=True).start()

    def start(self, work: Callable[[], None]) -> None:
        self._work = work
        self._wanted.release()

    def wait(self) -> None:
        self._ready.acquire()

    def _loop(self) -> None:
        while True:
            self._wanted.acquire()
            assert self._work is not None
            self._work()
            self._work = None
            self._ready.release()


class _Workers:
    def __init__(self) -> None:
        self.reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.reset)  # a child has none of its parent's threads

    def reset(self) -> None:
        self.lock = threading.Lock()
        self._helpers: list[_Helper] = []

    def some(self, count: int) -> list[_Helper]:
        while len(self._helpers) < count:
            self._helpers.append(_Helper())
        return self._helpers[:count]


_workers = _Workers()

"""Jobs, and the threads that help with them. Helpers sleep between jobs; there is one set of them for the process."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cnnlang.backends.numba_cpu.driver import ASLEEP, GO, HELP, JOB, LEAD, MAILBOX, ROW
from cnnlang.system import processors

Words = NDArray[np.int64]
Run = Callable[[int, int, int, int], None]

PATIENCE = 10_000  # turns (about half a millisecond) that a helper waits for another job before it sleeps
LINE = 8  # words in a line of cache


@cache
def _function(address: int) -> Run:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(address)  # it runs without the interpreter's lock


class Job:
    """A table of stages, to be run again and again, by one caller at a time.

    Parameters
    ----------
    run
        The address of the driver.
    rows
        [stages, 5]: the words of each as `driver.ROW` names them, but under `before` whether it waits for all that
        stands before it.
    threads
        How many share the work.
    """

    def __init__(self, run: int, rows: Words, threads: int) -> None:
        self._run, self._table = _function(run), np.array(rows, np.int64)
        items, before = self._table[:, ROW.index("items")], self._table[:, ROW.index("before")]
        before *= np.cumsum(items) - items
        self._helpers = _team.helpers(run, threads - 1)
        threads = 1 + len(self._helpers)  # there are no more of them than processors
        self._state = np.zeros(LINE + len(rows) * threads, np.int64)
        done = self._state.ctypes.data
        addresses = [done, done + LINE * self._state.itemsize, _team.mailboxes.ctypes.data]
        self._together, self._alone = (
            np.array([self._table.ctypes.data, len(rows), count, items.sum(), *addresses, 0], np.int64)
            for count in (threads, 1)
        )
        self._asleep = self._together[JOB.index("asleep") :]
        self._calls = self._together.ctypes.data, self._alone.ctypes.data

    def __call__(self) -> None:
        """Run it; returns when all is done. The helpers help one caller at a time, the others work alone."""
        together, alone = self._calls
        if not self._helpers or not _team.lock.acquire(blocking=False):
            self._run(alone, LEAD, 0, 0)
            return
        try:
            self._run(together, LEAD, 0, 0)
            if self._asleep[0]:
                for helper in self._helpers:
                    helper.wake()
                self._run(together, GO, 0, 0)
        finally:
            _team.lock.release()


class _Helper:
    """A thread that does the jobs which come into its mailbox."""

    def __init__(self, run: int, mailbox: Words) -> None:
        self._run, self._mailbox = _function(run), mailbox
        self.reset()

    def reset(self) -> None:
        """As before its thread began."""
        self._mailbox[0] = ASLEEP
        self._thread: threading.Thread | None = None
        self._wanted = threading.Semaphore(0)

    def wake(self) -> None:
        """Have it look into its mailbox, if it was asleep when something came."""
        if not self._mailbox[3]:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="cnnlang", daemon=True)
            self._thread.start()
        _keep_apart(self._thread)
        self._wanted.release()

    def _loop(self) -> None:
        while self._wanted.acquire():
            self._run(self._mailbox.ctypes.data, HELP, PATIENCE, 0)


def _keep_apart(thread: threading.Thread) -> None:
    """Let a thread run on other processors than this one; a scheduler might leave both on one for a while."""
    here = _processor()
    others = os.sched_getaffinity(0) - {here} if here is not None else set()
    if others and thread.native_id is not None:
        os.sched_setaffinity(thread.native_id, others)


def _processor() -> int | None:
    """The processor that the calling thread runs on; None where that is not told."""
    asked = _getcpu()
    return asked() if asked else None


@cache
def _getcpu() -> Callable[[], int] | None:
    return getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


class _Team:
    """All helpers; whoever they work for holds `lock`."""

    def __init__(self) -> None:
        self.mailboxes = np.zeros((processors(), MAILBOX), np.int64)
        self._helpers: list[_Helper] = []
        self.reset()
        atexit.register(self.settle)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.reset)  # a child has none of its parent's threads

    def reset(self) -> None:
        self.lock = threading.Lock()
        for helper in self._helpers:
            helper.reset()

    def settle(self) -> None:
        """Wait until every helper sleeps: none may look at memory that the interpreter gives back when it ends."""
        end = time.monotonic() + 1
        while (self.mailboxes[: len(self._helpers), 0] != ASLEEP).any() and time.monotonic() < end:
            time.sleep(0.0001)

    def helpers(self, run: int, count: int) -> list[_Helper]:
        with self.lock:
            for mailbox in self.mailboxes[len(self._helpers) : count]:
                self._helpers.append(_Helper(run, mailbox))
            return self._helpers[:count]


_team = _Team()

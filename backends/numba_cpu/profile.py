"""How long each stage of a net takes, and what the processor could do in that time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnlang.backends.numba_cpu.code import RUN, Code
from cnnlang.backends.numba_cpu.driver import WORDS
from cnnlang.backends.numba_cpu.kernels.conv import Conv
from cnnlang.backends.numba_cpu.kernels.peak import SUMS, Peak
from cnnlang.backends.numba_cpu.kernels.winograd import Winograd
from cnnlang.backends.numba_cpu.plan.stages import Array
from cnnlang.backends.numba_cpu.program import Program
from cnnlang.backends.numba_cpu.workers import run_together


@dataclass(frozen=True, slots=True)
class Row:
    """One stage.

    Attributes
    ----------
    name, kernel
        What the file calls it, and how it is done.
    seconds
        The least of the rounds.
    macs, bytes
        Multiply-accumulates that it stands for; what it reads and writes.
    """

    name: str
    kernel: str
    seconds: float
    macs: int
    bytes: int

    @property
    def gflops(self) -> float:
        """Billions of multiplications and additions a second, counted as a direct sum does them."""
        return 2e-9 * self.macs / self.seconds


@dataclass(frozen=True, slots=True)
class Profile:
    """A net's stages, and the whole.

    Attributes
    ----------
    seconds
        The least time of a whole call, without the caller's arrays.
    peak
        Billions of multiplications and additions a second that the threads can do at most, measured beside.
    arena
        Bytes of the memory that values lie in.
    threads
        How many ran it.
    """

    rows: tuple[Row, ...]
    seconds: float
    peak: float
    arena: int
    threads: int


def profile(program: Program, inputs: Sequence[Array], code: Code, rounds: int = 10) -> Profile:
    """Time each stage of a program on its threads, and the whole."""
    outputs = program(inputs)  # from here on the table points to these arrays
    table, counter, run = program.point_to(inputs, outputs), program.counter, code.load([RUN])[RUN].address
    best = np.full(len(program.stages), np.inf)
    whole = np.inf
    for _ in range(rounds):
        counter[0] = 0
        start = time.perf_counter()
        run_together(run, table.ctypes.data, len(table), counter.ctypes.data, program.threads)
        whole = min(whole, time.perf_counter() - start)
        for i in range(len(program.stages)):
            counter[0] = 0
            start = time.perf_counter()
            run_together(run, table[i:].ctypes.data, 1, counter.ctypes.data, program.threads)
            best[i] = min(best[i], time.perf_counter() - start)
    rows = tuple(
        Row(stage.name, title(stage.spec), float(seconds), stage.macs, stage.bytes)
        for stage, seconds in zip(program.stages, best, strict=True)
    )
    return Profile(rows, float(whole), peak(code, program.threads), program.memory, program.threads)


def title(spec: object) -> str:
    """A kernel in a few words."""
    match spec:
        case Conv():
            return f"direct {spec.rows * spec.columns}x{spec.vectors}"
        case Winograd():
            return f"Winograd F({spec.size}x{spec.size})"
    return type(spec).__name__.lower()


def peak(code: Code, threads: int, rounds: int = 20, turns: int = 20_000) -> float:
    """Billions of multiplications and additions a second on so many threads."""
    kernels = code.load([RUN, Peak()])
    lanes = code.machine.width
    start = np.linspace(0.1, 0.9, (SUMS + 1) * lanes, dtype=np.float32)
    out = np.zeros(threads * SUMS * lanes, np.float32)
    words = np.array([out.ctypes.data, start.ctypes.data, turns], np.int64)
    table = np.zeros((1, WORDS), np.int64)
    table[0] = kernels[Peak()].address, words.ctypes.data, threads, 0
    counter = np.zeros(16, np.int64)
    best = np.inf
    for _ in range(rounds):
        before = time.perf_counter()
        run_together(kernels[RUN].address, table.ctypes.data, 1, counter.ctypes.data, threads)
        best = min(best, time.perf_counter() - before)
    return 2e-9 * SUMS * lanes * turns * threads / best

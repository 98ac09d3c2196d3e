"""How long each layer of a net takes, and what the processor could do in that time."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnlang.backends.numba_cpu.code import RUN, Code
from cnnlang.backends.numba_cpu.driver import ROW
from cnnlang.backends.numba_cpu.kernels.clock import Clock
from cnnlang.backends.numba_cpu.kernels.conv import Conv
from cnnlang.backends.numba_cpu.kernels.move import Fill
from cnnlang.backends.numba_cpu.kernels.peak import SUMS, Peak
from cnnlang.backends.numba_cpu.kernels.winograd import Winograd, WinogradInput, WinogradOutput
from cnnlang.backends.numba_cpu.plan.places import Buffer
from cnnlang.backends.numba_cpu.plan.stages import Array, At, Stage, Table
from cnnlang.backends.numba_cpu.program import Program
from cnnlang.backends.numba_cpu.workers import Job

# processors other than x86 do not let everybody read the counter of cycles
COUNTERS, STEADY = {"x86_64": "llvm.readcyclecounter"}, "llvm.readsteadycounter"


@dataclass(frozen=True, slots=True)
class Row:
    """One layer.

    Attributes
    ----------
    name, kernel
        What the file calls it, and how it is done.
    seconds
        The least of the rounds.
    macs, bytes
        Multiply-accumulates that it stands for, and the memory that it reads and writes.
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
    """A net's layers, and the whole.

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
    samples
        In a call; fewer than were asked for where a batch is run some samples at a time.
    """

    rows: tuple[Row, ...]
    seconds: float
    peak: float
    arena: int
    threads: int
    samples: int

    @property
    def gflops(self) -> float:
        """Of the whole."""
        return 2e-9 * sum(row.macs for row in self.rows) / self.seconds


def profile(program: Program, inputs: Sequence[Array], code: Code, rounds: int = 10) -> Profile:
    """Time each stage of a program on its threads, where it stands among the others, and whole calls."""
    outputs = program(inputs)
    program.point_to(inputs, outputs)
    clock = Clock(COUNTERS.get(code.machine.triple.partition("-")[0], STEADY))
    kernels = code.load([RUN, clock])
    run = kernels[RUN].address

    count = len(program.stages)
    ticks = np.zeros(count + 1, np.int64)
    words = ticks.ctypes.data + ticks.itemsize * np.arange(count + 1)
    clocks = np.zeros((count + 1, len(ROW)), np.int64)
    clocks[:] = kernels[clock].address, 0, 1, 1, 1  # one item, when all are ready with what stands before
    clocks[:, 1] = words.ctypes.data + words.itemsize * np.arange(count + 1)
    rows = np.zeros((2 * count + 1, len(ROW)), np.int64)
    rows[::2], rows[1::2] = clocks, program.rows
    rows[1::2, ROW.index("before")] = 1  # and nothing begins before the time is taken
    whole, timed, first = (
        Job(run, program.rows, program.threads),
        Job(run, rows, program.threads),
        Job(run, clocks[:1], 1),
    )

    first()
    since, began = ticks[0], time.perf_counter()
    best, least = np.full(count, np.inf), np.inf
    for _ in range(rounds):
        least = min(least, _seconds(whole))
        timed()
        best = np.minimum(best, np.diff(ticks))
    first()
    seconds = best * (time.perf_counter() - began) / (ticks[0] - since)
    return Profile(
        layers(program.stages, seconds),
        least,
        peak(code, program.threads),
        program.memory,
        program.threads,
        len(inputs[0]),
    )


def layers(stages: Sequence[Stage], seconds: Array) -> tuple[Row, ...]:
    """A row for each layer: stages one after the other that have its name and count or write to one place are one.

    What fills the halos of maps is gathered in a row at the end.
    """
    groups: list[list[int]] = []
    halos = [i for i, stage in enumerate(stages) if isinstance(stage.spec, Fill)]
    for i, stage in enumerate(stages):
        if isinstance(stage.spec, Fill):
            continue
        before = [stages[k] for k in groups[-1]] if groups else []
        is_more = any(s.name == stage.name for s in before) and (
            any(s.macs for s in (*before, stage)) or _target(before[-1]) is _target(stage)
        )
        if is_more:
            groups[-1].append(i)
        else:
            groups.append([i])
    rows = [_row(stages[group[0]].name, [stages[i] for i in group], seconds[group]) for group in groups]
    if halos:
        rows.append(_row("halos", [stages[i] for i in halos], seconds[halos]))
    return tuple(rows)


def _target(stage: Stage) -> Buffer | None:
    out = stage.args.get("out")
    return out.buffer if isinstance(out, At) else None


def _row(name: str, stages: Sequence[Stage], seconds: Array) -> Row:
    titles = dict.fromkeys(map(title, stages))
    kernel = next((t for t in titles if t.startswith("Winograd")), title(max(stages, key=lambda s: s.macs)))
    if len(stages) > 1:
        kernel = f"{kernel}, {len(stages)} stages"
    spent = max(float(seconds.sum()), 1e-9)
    return Row(name, kernel, spent, sum(s.macs for s in stages), sum(map(_moved, stages)))


def _moved(stage: Stage) -> int:
    """Bytes that a stage reads and writes."""
    match stage.spec, stage.args.get("runs"), stage.args.get("images"):
        case Fill(), Table(array=runs), int(images):
            return 4 * images * int(runs[1::2].sum())
    return stage.bytes


def title(stage: Stage) -> str:
    """A kernel in a few words; of a direct sum, the pixels and channels that it makes in registers."""
    match stage.spec:
        case Conv() as spec:
            return f"direct {spec.rows * spec.columns}x{spec.vectors * stage.width}"
        case Winograd(size=size) | WinogradInput(size=size) | WinogradOutput(size=size):
            return f"Winograd F({size}x{size})"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(stage.spec).__name__).lower()


def peak(code: Code, threads: int, rounds: int = 20, least: float = 0.005) -> float:
    """Billions of multiplications and additions a second on so many threads.

    A round takes `least` seconds or more: threads wake in about a tenth of a millisecond, which would count.
    """
    kernels = code.load([RUN, Peak()])
    lanes = code.machine.width
    start = np.linspace(0.1, 0.9, (SUMS + 1) * lanes, dtype=np.float32)
    out = np.zeros(threads * SUMS * lanes, np.float32)
    words = np.array([out.ctypes.data, start.ctypes.data, 1000], np.int64)
    rows = np.array([[kernels[Peak()].address, words.ctypes.data, threads, 0, 1]])
    job = Job(kernels[RUN].address, rows, threads)
    while _seconds(job) < least:
        words[2] *= 2
    return 2e-9 * SUMS * lanes * int(words[2]) * threads / min(_seconds(job) for _ in range(rounds))


def _seconds(job: Job) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start

"""Timing contenders beside each other, in rounds."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import OURS, Run

FEWEST = 5  # rounds, however long they take
BURST = 0.005  # seconds of timed calls in a row, where one call is shorter
MOST_CALLS = 300
STATISTICS = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class Rules:
    """How it is timed.

    Attributes
    ----------
    rounds, limit
        So many rounds, or as many as there is time for in `limit` seconds.
    burst
        Calls of a contender in a row, the first of which is not timed; None for as many as take 5 ms.
    pause
        Seconds of rest before them.
    """

    rounds: int
    limit: float
    burst: int | None
    pause: float


@dataclass(frozen=True, slots=True)
class Rounds:
    """What came of it.

    Attributes
    ----------
    seconds
        Of a call in each round, by contender.
    calls
        How many were timed in a row.
    others
        Processors that were busy while this process rested, in the mean; None where that is not told.
    """

    seconds: dict[str, list[float]]
    calls: int
    others: float | None


def in_rounds(runs: Mapping[str, Run], rules: Rules) -> Rounds:
    """Time everybody."""
    calls = rules.burst - 1 if rules.burst is not None else calls_for(min(_call(run, 3) for run in runs.values()))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    busy = rested = 0.0
    end = time.perf_counter() + rules.limit
    for done in range(rules.rounds):
        if done >= FEWEST and time.perf_counter() > end:
            break
        for name, run in runs.items():
            before, own, began = busy_seconds(), time.process_time(), time.perf_counter()
            time.sleep(rules.pause)
            busy += busy_seconds() - before - (time.process_time() - own)
            rested += time.perf_counter() - began
            run()
            seconds[name].append(_call(run, calls))
    is_told = STATISTICS.exists() and rested > 0.1
    return Rounds(seconds, calls, max(0.0, busy / rested) if is_told else None)


def busy_seconds() -> float:
    """How long the machine's processors have been at work, all together; 0 where that is not told."""
    if not STATISTICS.exists():
        return 0.0
    total = STATISTICS.read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, _idle, _waiting, *rest = map(int, total.split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def calls_for(seconds: float) -> int:
    """How many calls are timed in a row where one takes so long."""
    return max(1, min(MOST_CALLS, round(BURST / seconds)))


def _call(run: Run, calls: int) -> float:
    """The mean time of some calls in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


@dataclass(frozen=True, slots=True)
class Timed:
    """A contender's times in seconds, and over cnnlang's: the median of the rounds' ratios, and of the least times."""

    median: float
    least: float
    ratio: float
    least_ratio: float


def summarised(seconds: Mapping[str, list[float]]) -> Iterator[tuple[str, Timed]]:
    """What is kept of the rounds."""
    ours = seconds[OURS]
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, ours, strict=True))
        yield name, Timed(statistics.median(times), min(times), ratio, min(times) / min(ours))

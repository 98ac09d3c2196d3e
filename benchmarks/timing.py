"""Timing contenders beside each other, in rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.contenders import OURS, Run

FEWEST = 5  # rounds, however long they take
BURST = 0.005  # seconds of timed calls in a row, where one call is shorter
MOST_CALLS = 300


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


def in_rounds(runs: Mapping[str, Run], rules: Rules) -> tuple[dict[str, list[float]], int]:
    """The seconds of a call in each round, by contender, and how many calls were timed in a row."""
    calls = rules.burst - 1 if rules.burst is not None else calls_for(min(_call(run, 3) for run in runs.values()))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + rules.limit
    for done in range(rules.rounds):
        if done >= FEWEST and time.perf_counter() > end:
            break
        for name, run in runs.items():
            time.sleep(rules.pause)
            run()
            seconds[name].append(_call(run, calls))
    return seconds, calls


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

"""How much faster than the best peer, as a picture and in two sentences, made of `results.json`.

    python -m benchmarks.chart

writes `docs/speed.svg`, `results.md`, and what stands in the README between `<!-- speed -->` and `<!-- /speed -->`.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from benchmarks.contenders import OURS, PEERS
from benchmarks.results import Results, Row, best_peer, is_unquiet, read, write
from cnnlang.svg import Drawing

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "docs" / "speed.svg"
README = ROOT / "README.md"
PART = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- /speed -->)", re.DOTALL)

WIDTH, MARGIN = 880, 24
LEFT, RIGHT = 176, 700  # of the bars
STEP, BAR, GAP = 18, 13, 12  # from a bar to the next, how thick it is, and between nets
COLORS = {1: "blue", 2: "green"}  # by threads


def speedup(row: Row) -> float:
    """The best peer's time over cnnlang's."""
    return float(row["contenders"][best_peer(row)]["ratio"])


def chart(results: Results) -> str:
    """A bar for each net, batch and number of threads: the best peer's time over cnnlang's."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in results["inference"]:
        groups.setdefault((row["net"], row["batch"]), []).append(row)
    title = "Times as fast as the fastest other"
    to = Drawing(WIDTH, title)
    to.text(MARGIN, 36, title, size=18, bold=True)
    to.text(MARGIN, 57, f"of {peers(results)}: the median of paired rounds, float32", "faint")
    x = float(LEFT)
    for threads, color in COLORS.items():
        to.bar(x, 74, 11, 11, color)
        to.text(x + 17, 84, threads_text(threads), "faint", size=12)
        x += 90
    top = 112.0
    longest = max([1.0, *map(speedup, results["inference"])])
    scale = (RIGHT - LEFT) / longest
    height = sum(len(rows) * STEP + GAP for rows in groups.values())
    bottom = top + height - GAP + 4
    for mark in marks(longest):
        to.line(LEFT + mark * scale, top - 6, LEFT + mark * scale, bottom)
        to.text(LEFT + mark * scale, top - 12, f"{mark:g}x", "faint", size=11, anchor="middle")
    y = top
    for (net, batch), rows in groups.items():
        middle = y + len(rows) * STEP / 2 + 2
        to.text(LEFT - 12, middle, net if batch == 1 else f"{net}, batch {batch}", size=13, anchor="end")
        for row in rows:
            value, peer = speedup(row), best_peer(row)
            note = f"{net}, batch {batch}, {threads_text(row['threads'])}: {value:.2f} times {peer}'s speed"
            to.bar(LEFT, y, max(1.0, value * scale), BAR, COLORS.get(row["threads"], "purple"), note)
            to.text(LEFT + value * scale + 8, y + BAR - 2, f"{value:.2f}", size=12, bold=True)
            to.text(LEFT + value * scale + 42, y + BAR - 2, peer, "faint", size=12)
            y += STEP
        y += GAP
    to.line(LEFT + scale, top - 6, LEFT + scale, bottom, "ink", 1.2)
    for machine, day in dict.fromkeys((row["machine"], row["date"]) for row in results["inference"]):
        y += 16
        to.text(MARGIN, y, f"{shown_machine(machine)}, {day}", "faint", size=11)
    if disturbed := unquiet(results):
        y += 16
        to.text(MARGIN, y, disturbed, "faint", size=11)
    return to.svg(y + 18)


def marks(longest: float) -> list[float]:
    """The lines of the scale."""
    step = next(s for s in (0.5, 1.0, 2.0, 5.0, 10.0, 50.0) if longest / s <= 9)
    return sorted({1.0, *(i * step for i in range(int(longest / step) + 1))})


def shown_machine(machine: str) -> str:
    """Its processor and cores, and the versions of the peers, without what nobody compares."""
    return ", ".join(part for part in machine.split(", ") if not part.startswith(("llvmlite", "numpy", "Python")))


def unquiet(results: Results) -> str:
    """What is to be said of measurements that something else disturbed."""
    rows = results["inference"]
    disturbed = sum(map(is_unquiet, rows))
    return f"Something else was running during {disturbed} of the {len(rows)} measurements." if disturbed else ""


def listed(names: Iterable[str]) -> str:
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def peers(results: Results) -> str:
    """Those that were measured."""
    measured = {name for row in results["inference"] for name in row["contenders"]}
    return listed([peer for peer in PEERS if peer in measured])


def threads_text(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def sentences(results: Results) -> str:
    """What the chart shows, in words."""
    rows = results["inference"]
    if not rows:
        return "Nothing was measured yet.\n"
    values = [speedup(row) for row in rows]
    mean = math.exp(sum(map(math.log, values)) / len(values))
    slower = [f"{row['net']} {_case(row)}" for row, value in zip(rows, values, strict=True) if value < 1]
    least = min(rows, key=lambda row: row["contenders"][OURS]["median"])
    time = least["contenders"][OURS]["median"]
    shown = f"{time * 1e6:.0f} microseconds" if time < 1e-3 else f"{time * 1e3:.1f} ms"
    behind = f" (slower: {listed(slower)})" if slower else ""
    text = (
        f"On the machine that the chart names, cnnlang is {min(values):.2f} to {max(values):.2f} times as fast as the"
        f" fastest of {peers(results)}, {mean:.2f} times in the geometric mean of {len(rows)} measurements{behind}."
        f" {least['net']} answers in {shown} {_case(least)}; [the figures](benchmarks/results.md) say how they were"
        f" taken. {unquiet(results)}"
    ).rstrip()
    return f"{textwrap.fill(text, 118, break_on_hyphens=False)}\n"


def _case(row: Row) -> str:
    return f"at batch {row['batch']} on {threads_text(row['threads'])}"


def main() -> None:
    results = read()
    write(results)
    CHART.write_text(chart(results), encoding="utf-8")
    README.write_text(PART.sub(lambda _: sentences(results), README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

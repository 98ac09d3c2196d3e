"""What was measured: `results.json`, each entry with the machine that it ran on, and `results.md`, made of it."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.contenders import OURS, PEERS

PACKAGES = ("llvmlite", "numpy", "torch", "onnxruntime", "openvino")
DATA = Path(__file__).with_name("results.json")
TEXT = Path(__file__).with_name("results.md")
INTRODUCTION = """# Results

Made of `results.json`, which `python -m benchmarks.first_inference` and `python -m benchmarks.inference --record`
write; each says in its first lines how it measures. Times are wall time; the machine stands with each table.
"""
UNREST = 0.1  # processors
Row: TypeAlias = dict[str, Any]  # a measurement of `benchmarks.inference`
Results: TypeAlias = dict[str, list[Row]]  # "sections": title, machine, date, lines; "inference": rows


def read() -> Results:
    if not DATA.exists():
        return {"sections": [], "inference": []}
    found: Results = json.loads(DATA.read_text(encoding="utf-8"))
    return found


def write(results: Results) -> None:
    """Both files."""
    DATA.write_text(f"{json.dumps(results, indent=1)}\n", encoding="utf-8")
    TEXT.write_text(markdown(results), encoding="utf-8")


def stamp() -> Row:
    """Where and when."""
    return {"machine": machine(), "date": date.today().isoformat()}


def write_section(title: str, lines: Sequence[str]) -> None:
    """Put a section into the files in place of the one with the same title, and print it."""
    results = read()
    section = {"title": title, **stamp(), "lines": list(lines)}
    results["sections"] = [*(s for s in results["sections"] if s["title"] != title), section]
    write(results)
    print("\n".join(_section(section)))


def record(rows: Sequence[Row]) -> None:
    """Put measurements of calls into the files in place of those of the same net, batch and threads."""
    results = read()
    new = {_key(row): row for row in rows}
    results["inference"] = sorted([*(r for r in results["inference"] if _key(r) not in new), *rows], key=_order)
    write(results)


def _key(row: Row) -> tuple[Any, ...]:
    return row["net"], row["batch"], row["threads"]


def _order(row: Row) -> tuple[Any, ...]:
    from benchmarks.nets import NETS

    names = list(NETS)
    place = names.index(row["net"]) if row["net"] in names else len(names)
    return row["batch"], place, row["net"], row["threads"]


def markdown(results: Results) -> str:
    """The text of `results.md`."""
    lines = [INTRODUCTION]
    for section in results["sections"]:
        lines += [*_section(section), ""]
    for batch, rows in groupby(results["inference"], key=lambda row: row["batch"]):
        lines += [*_inference(batch, list(rows)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Row) -> list[str]:
    return [f"## {section['title']}", "", f"{section['machine']}, {section['date']}.", "", *section["lines"]]


def _inference(batch: int, rows: list[Row]) -> Iterator[str]:
    yield f"## Inference, batch {batch}"
    yield ""
    where = list(dict.fromkeys((row["machine"], row["date"]) for row in rows))
    for i, (machine, day) in enumerate(where):
        nets = dict.fromkeys(row["net"] for row in rows if (row["machine"], row["date"]) == (machine, day))
        yield f"{machine}, {day}{'' if len(where) == 1 else ': ' + ', '.join(nets)}."
        if i + 1 < len(where):
            yield ""
    yield ""
    yield "The median time of a call and the least, in milliseconds; what part of the machine's peak the least is; then"
    yield "each peer's time over cnnlang's, the median of the rounds' ratios and the ratio of the least times; the best"
    yield "peer's is bold."
    yield ""
    yield f"| net | threads | ms | least | of peak | {' | '.join(PEERS)} |"
    yield f"| --- | ---: | ---: | ---: | ---: | {' | '.join(['---:'] * len(PEERS))} |"
    for row in rows:
        ours = row["contenders"][OURS]
        share = 2e-9 * row["macs"] / ours["least"] / row["peak_gflops"]
        cells = [
            row["net"],
            str(row["threads"]),
            f"{1e3 * ours['median']:.3f}",
            f"{1e3 * ours['least']:.3f}",
            f"{share:.0%}",
        ]
        best = best_peer(row)
        for peer in PEERS:
            timed = row["contenders"].get(peer)
            shown = f"{timed['ratio']:.2f} / {timed['least_ratio']:.2f}" if timed is not None else ""
            cells.append(f"**{shown}**" if peer == best else shown)
        yield f"| {' | '.join(cells)} |"
    unquiet = [f"{row['net']} ({row['threads']}): {unrest(row)}" for row in rows if is_unquiet(row)]
    if unquiet:
        yield ""
        yield f"Something else was running beside {'; '.join(unquiet)}."


def is_unquiet(row: Row) -> bool:
    """Whether something else was running."""
    others = row["others"]
    return others is not None and others > UNREST


def unrest(row: Row) -> str:
    return f"others kept {row['others']:.1f} processors busy"


def best_peer(row: Row) -> str:
    """The peer that takes the least time, compared round by round."""
    peers: dict[str, Row] = {name: timed for name, timed in row["contenders"].items() if name != OURS}
    return min(peers, key=lambda name: peers[name]["ratio"])


def machine() -> str:
    """The processor, how many of its cores this process has, and the versions of what runs on it."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES if find_spec(name))
    return f"{processor()}, {cores()} cores, {platform.system()}, Python {platform.python_version()}, {packages}"


def processor() -> str:
    """Its name, where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return f"{found[1]} ({platform.machine()})" if found else platform.machine()


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def median_and_least(seconds: Sequence[float], unit: float = 1.0) -> tuple[str, str]:
    """Both as text, in thousandths of a second for `unit=1000`."""
    return f"{statistics.median(seconds) * unit:.2f}", f"{min(seconds) * unit:.2f}"

"""The file of results: a section for each benchmark, which says on what machine it ran."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("llvmlite", "numpy", "torch", "onnxruntime", "openvino")
RESULTS = Path(__file__).with_name("results.md")
INTRODUCTION = """# Results

Written by `python -m benchmarks.first_inference` and `python -m benchmarks.inference --record`. Times are wall time;
the machine stands with each table.
"""


def write_section(title: str, lines: Sequence[str]) -> None:
    """Put a section into the file in place of the one with the same title, and print it."""
    section = "\n".join([f"## {title}", "", f"{machine()}, {date.today().isoformat()}.", "", *lines, ""])
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else INTRODUCTION
    old = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    text = old.sub(lambda _: f"{section}\n", text) if old.search(text) else f"{text}\n{section}"
    RESULTS.write_text(f"{text.rstrip()}\n", encoding="utf-8")
    print(section)


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

"""How long until ResNet-50 gives its first result, in a new process: from a cold cache, and from a warm one.

Cold: no kernel is compiled. Warm: an earlier process has left them in the cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import median_and_least, write_section

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3

CHILD = """
import json, time
start = time.perf_counter()
import numpy as np
import cnnlang
net = cnnlang.load("examples/resnet.cnn", net="ResNet50")
checked = time.perf_counter()
model = net.compile()
compiled = time.perf_counter()
x = np.zeros((1, 3, 224, 224), np.float32)
model(x)
first = time.perf_counter()
model(x)
second = time.perf_counter()
print(json.dumps([checked - start, compiled - checked, first - compiled, second - first]))
"""
PHASES = ("import and check", "weights, optimise", "first call", "second call", "whole process")


def run(cache: str) -> list[float]:
    """The seconds of each phase in a new process, and of all of it."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env={**os.environ, "CNNLANG_CACHE": cache, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    whole = time.perf_counter() - start
    return [*json.loads(done.stdout), whole]


def main() -> None:
    cold, warm = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(run(cache))
            warm.append(run(cache))
    lines = [
        f"ResNet-50, batch 1, random weights, {ROUNDS} processes each; seconds, median and least.",
        "",
        "| | cold cache | least | warm cache | least |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for index, phase in enumerate(PHASES):
        cells = [*median_and_least([r[index] for r in cold]), *median_and_least([r[index] for r in warm])]
        lines.append(f"| {phase} | {' | '.join(cells)} |")
    write_section("First inference", lines)


if __name__ == "__main__":
    main()

"""How long a new process takes to its first result, and how much memory at most, beside ONNX Runtime. On Linux.

Cold: nothing is in the cache, so kernels are compiled and weights are packed. Warm: earlier processes have left both
there. In each the parts of the time are told apart. Python's bytecode is there in every case, as after an installation.

python -m benchmarks.first_inference --record
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.results import cores, write_section

ROOT = Path(__file__).resolve().parent.parent
WARMING = 2  # processes until random weights are kept, too

OURS = """
import json, sys, time
begun = time.time()
import numpy as np
import cnnlang
cnnlang.load
imported = time.time()
path, name, weights, threads = sys.argv[1:]
net = cnnlang.load(path, net=name)
checked = time.time()
model = net.compile(weights=weights or None, threads=int(threads))
compiled = time.time()
shape = [1, *(int(str(size)) for size in net.graph.inputs[0].type.shape[1:])]
x = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
y = model(x)
first = time.time()
with open("/proc/self/status") as status:  # a child's resource usage begins as its parent's
    memory = int(status.read().split("VmHWM:")[1].split()[0])
print(json.dumps([[begun, imported, checked, compiled, first], memory, y[0, :5].tolist()]))
"""
THEIRS = """
import json, sys, time
begun = time.time()
import numpy as np
import onnxruntime
imported = time.time()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
(given,) = session.get_inputs()
compiled = time.time()
shape = [1, *given.shape[1:]]
x = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
y = session.run(None, {given.name: x})[0]
first = time.time()
with open("/proc/self/status") as status:  # a child's resource usage begins as its parent's
    memory = int(status.read().split("VmHWM:")[1].split()[0])
print(json.dumps([[begun, imported, imported, compiled, first], memory, y[0, :5].tolist()]))
"""
PARTS = ("Python", "imports", "check", "weights", "first call", "end")


@dataclass(frozen=True)
class Run:
    """One process: the seconds of each of `PARTS`, all of it, its peak memory in MB, and the first results."""

    parts: tuple[float, ...]
    memory: float
    results: tuple[float, ...]

    @property
    def whole(self) -> float:
        return sum(self.parts)


def run(script: str, arguments: Sequence[str], cache: str, bytecode: str) -> Run:
    """A new process."""
    environment = {
        **os.environ, "CNNLANG_CACHE": cache, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": bytecode,
        "PYTHONDONTWRITEBYTECODE": "",
    }  # fmt: skip
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True
    )
    end = time.time()
    times, memory, results = json.loads(done.stdout)
    ticks = [start, *times, end]
    parts = tuple(b - a for a, b in pairwise(ticks))
    return Run(parts, memory * 1024 / 1e6, tuple(results))


def measured(file: str, name: str, is_random: bool, threads: int, rounds: int) -> dict[str, list[Run]]:
    """The runs of each contender, in turns."""
    import cnnlang

    found: dict[str, list[Run]] = {"cold": [], "warm": [], "ONNX Runtime": []}
    with tempfile.TemporaryDirectory() as place:
        bytecode, weights, model = (str(Path(place, part)) for part in ("bytecode", "w.safetensors", "net.onnx"))
        net = cnnlang.load(ROOT / file, net=name)
        net.compile().save(weights)
        net.export(model, weights=weights)
        ours = [file, name, "" if is_random else weights, str(threads)]
        theirs = [model, str(threads)]
        run(OURS, ours, str(Path(place, "first")), bytecode)
        run(THEIRS, theirs, str(Path(place, "first")), bytecode)
        for i in range(rounds):
            cache = str(Path(place, f"cache{i}"))
            found["cold"].append(run(OURS, ours, cache, bytecode))
            for _ in range(WARMING):
                run(OURS, ours, cache, bytecode)
            found["warm"].append(run(OURS, ours, cache, bytecode))
            found["ONNX Runtime"].append(run(THEIRS, theirs, cache, bytecode))
    expected = found["ONNX Runtime"][0].results
    for some in found.values():
        for one in some:
            np.testing.assert_allclose(one.results, expected, atol=1e-4 * np.abs(expected).max())
    return found


def table(title: str, found: dict[str, list[Run]]) -> list[str]:
    """The medians of all runs of each contender, and the least of the whole."""
    heads = (*PARTS, "whole", "least", "peak MB")
    lines = [f"**{title}**", "", f"| | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for name, runs in found.items():
        middle = [statistics.median(column) for column in zip(*(r.parts for r in runs), strict=True)]
        cells = [*(f"{second:.2f}" for second in middle), f"{statistics.median(r.whole for r in runs):.2f}"]
        cells += [f"{min(r.whole for r in runs):.2f}", f"{statistics.median(r.memory for r in runs):.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="processes of each contender")
    parser.add_argument("--threads", type=int, default=cores(), help="of each")
    parser.add_argument("--record", action="store_true", help="put it into results.md")
    options = parser.parse_args()
    lines = [
        f"A new process to its first result, batch 1, {options.threads} threads, {options.rounds} processes each, in",
        "turns; seconds, medians. Cold: nothing in the cache. Warm: kernels and packed weights are there. Bytecode is",
        "there always. The peak is what the system counts as the process's own and mapped memory.",
        "",
    ]
    for title, file, name, is_random in (
        ("ResNet-50, weights of a file", "examples/resnet.cnn", "ResNet50", False),
        ("ResNet-50, random weights", "examples/resnet.cnn", "ResNet50", True),
        ("LeNet-5, weights of a file", "examples/lenet5.cnn", "LeNet5", False),
    ):
        lines += table(title, measured(file, name, is_random, options.threads, options.rounds))
        print("\n".join(lines[-6:]), flush=True)
    lines.insert(3, f"The system's load was {os.getloadavg()[1]:.1f} in the end; these processes alone make it 1.0.")
    if options.record:
        write_section("First inference", lines[:-1])


if __name__ == "__main__":
    main()

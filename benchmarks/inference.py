"""The time of a call beside other frameworks', in one run on one machine.

    python -m benchmarks.inference --net resnet18 --batch 1 --threads 2

Everybody runs the same net with the same weights on the same input, with the same number of threads, and the outputs
are compared first. Then all take turns: in each round everybody is timed once, so that a machine that is slower for a
while is slower for all, and a peer's time is divided by cnnlang's of the same round. Shown are the median of these
ratios, and the ratio of the least times.

Who has just run is not asleep: after a call on two threads PyTorch's threads keep a processor busy for 15 ms and ONNX
Runtime's for 50 ms, waiting for more, and would take it from whoever is timed next. So everybody rests before a turn
(`--pause`), and begins it with a call that is not timed, which wakes its own threads and fills the caches with its own
weights (`--burst`). So each is timed as in a server that serves one request after the other.

The peak is what this machine's threads can multiply and add at most, measured before and after; Winograd's method does
fewer operations than count, and may pass it. Each net, batch and number of threads is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import OURS, PEERS, Array, Task, outputs, prepare
from benchmarks.nets import NETS, UnknownNet, load
from benchmarks.results import Row, is_unquiet, record, stamp, unrest
from benchmarks.timing import Rules, in_rounds, summarised
from cnnlang.backends.numba_cpu.code import Code
from cnnlang.backends.numba_cpu.machine import host
from cnnlang.backends.numba_cpu.profile import peak
from cnnlang.errors import CnnError
from cnnlang.summary.grid import Grid

TOLERANCE = 1e-4  # of the largest output
ROOT = Path(__file__).resolve().parent.parent


def measure(net: str, values: dict[str, Any], batch: int, threads: int, rules: Rules, without: Sequence[str]) -> Row:
    """One net at one batch on so many threads."""
    task = Task(load(net, values), batch, threads)
    runs = prepare(task, without)
    expected = outputs(runs[OURS]())
    differences = {name: apart(outputs(run()), expected) for name, run in runs.items()}
    wrong = {name: f"{value:.1e}" for name, value in differences.items() if not value <= TOLERANCE}
    if wrong:
        msg = f"the outputs differ from cnnlang's by {wrong} of the largest"
        raise AssertionError(msg)
    before = peak(kernels(), threads)
    found = in_rounds(runs, rules)
    return {
        "net": task.net.name,
        "batch": batch,
        "threads": threads,
        **stamp(),
        "macs": int(str(task.net.macs)) * batch,
        "peak_gflops": max(before, peak(kernels(), threads)),
        "rounds": len(found.seconds[OURS]),
        "calls": found.calls,
        "pause": rules.pause,
        "others": found.others,
        "contenders": {name: {**asdict(t), "apart": differences[name]} for name, t in summarised(found.seconds)},
    }


@cache
def kernels() -> Code:
    """Kept as long as threads may be in it."""
    return Code(host())


def apart(theirs: Sequence[Array], ours: Sequence[Array]) -> float:
    """The largest difference between two lists of outputs, in parts of the largest number of each output."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(theirs, ours, strict=True))


def in_another_process(arguments: Sequence[str]) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "benchmarks.inference", *arguments, "--json", str(path), "--quiet"]
        subprocess.run(command, cwd=ROOT, check=True)
        found: list[Row] = json.loads(path.read_text(encoding="utf-8"))
        return found


def as_text(row: Row) -> str:
    """A measurement as a table."""
    threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
    what = f"{row['net']}, batch {row['batch']}, {threads}, {row['rounds']} rounds"
    cells = [
        [
            name,
            f"{1e3 * timed['median']:.3f}",
            f"{1e3 * timed['least']:.3f}",
            f"{2e-9 * row['macs'] / timed['least']:.1f}",
            f"{2e-9 * row['macs'] / timed['least'] / row['peak_gflops']:.0%}",
            *((f"{timed['ratio']:.2f}", f"{timed['least_ratio']:.2f}") if name != OURS else ("", "")),
            f"{timed['apart']:.0e}" if name != OURS else "",
        ]
        for name, timed in row["contenders"].items()
    ]
    headings = ["", "ms", "least ms", "GFLOP/s", "of peak", "ratio", "least ratio", "apart"]
    return "\n".join(
        [
            f"{what}; peak {row['peak_gflops']:.0f} GFLOP/s{'; ' + unrest(row) if is_unquiet(row) else ''}",
            "",
            Grid(headings, cells, [False, *[True] * 7], {}).text(),
            "",
        ]
    )


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.inference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--net", action="append", metavar="NET",
        help="an example's net, as in resnet18, or a .cnn file, as in a.cnn or a.cnn:Name; repeatable [default: all]",
    )  # fmt: skip
    made.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter's value; repeatable"
    )
    made.add_argument("--batch", type=int, action="append", metavar="N", help="repeatable [default: 1]")
    made.add_argument("--threads", type=int, action="append", metavar="N", help="repeatable [default: 1 and 2]")
    made.add_argument("--rounds", type=int, default=20, metavar="N", help="at most so many [default: 20]")
    made.add_argument("--limit", type=float, default=60, metavar="SECONDS", help="of all rounds, about [default: 60]")
    made.add_argument(
        "--burst", type=int, metavar="N", help="calls in a row, one not timed [default: 5 ms, 2 at least]"
    )
    made.add_argument("--pause", type=float, default=0.06, metavar="SECONDS", help="before each [default: 0.06]")
    made.add_argument("--without", action="append", default=[], choices=PEERS, help="leave a peer out; repeatable")
    made.add_argument("--json", metavar="FILE", help="write what was measured")
    made.add_argument("--record", action="store_true", help="put it into results.json and results.md")
    made.add_argument("--quiet", action="store_true", help="no table")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    from cnnlang.cli.options import values_of

    options = parser().parse_args(arguments)
    if options.burst is not None and options.burst < 2:
        parser().error("--burst: 2 at least, of which one is timed")
    tasks = list(product(options.net or NETS, options.batch or [1], options.threads or [1, 2]))
    rows: list[Row] = []
    try:
        for net, batch, threads in tasks:
            if len(tasks) == 1:
                rules = Rules(options.rounds, options.limit, options.burst, options.pause)
                values = values_of(options.set)
                made = [measure(net, values, batch, threads, rules, options.without)]
            else:
                made = in_another_process(_alone(options, net, batch, threads))
            rows += made
            if not options.quiet:
                print("\n".join(map(as_text, made)), flush=True)
            if options.record:
                record(made)
    except (UnknownNet, CnnError) as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:  # it has said why
        return error.returncode
    if options.json:
        Path(options.json).write_text(f"{json.dumps(rows, indent=1)}\n", encoding="utf-8")
    return 0


def _alone(options: argparse.Namespace, net: str, batch: int, threads: int) -> list[str]:
    """The arguments for one measurement."""
    said = ["--net", net, "--batch", str(batch), "--threads", str(threads), "--rounds", str(options.rounds)]
    said += ["--limit", str(options.limit), "--pause", str(options.pause)]
    said += ["--burst", str(options.burst)] if options.burst is not None else []
    for name, given in (("--set", options.set), ("--without", options.without)):
        said += [word for value in given for word in (name, value)]
    return said


if __name__ == "__main__":
    sys.exit(main())

"""`cnnlang profile`: where the time of a net goes."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.options import choose_net, file_argument
from cnnlang.cli.output import put, say, terminal_width, wants_color

if TYPE_CHECKING:
    from cnnlang.backends.numba_cpu.profile import Profile


@click.command(short_help="Show where the time of a net goes.")
@file_argument
@click.option("--weights", metavar="FILE", help="Trained weights [default: random ones, which take as long].")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Samples in a call.")
@click.option("--threads", type=click.IntRange(min=1), help="How many threads to use [default: one a core].")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Calls; the least time counts."
)
@click.option(
    "--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True, help="The form."
)
@click.option("--chart", metavar="FILE.svg", help="Draw the times of the layers.")
@choose_net
def command(
    file: str,
    weights: str | None,
    batch: int,
    threads: int | None,
    rounds: int,
    form: str,
    chart: str | None,
    net: str | None,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Run FILE's net, and show for each layer how long it takes, how it is done, and how near that is to what the
    processor can do at most, which is measured beside. "direct 14x32" makes 14 pixels of 32 channels at once, in
    registers; "Winograd F(4x4)" makes 4x4 pixels of 6x6 products.

    Symbolic sizes other than the batch need a value: --set H=256.
    """
    from cnnlang.cli.options import checked_file
    from cnnlang.expand import pick
    from cnnlang.model import Model

    program = pick(checked_file(file, net, overrides, root), net)
    found = Model(program, weights, 0, threads).profile(batch, rounds)
    if chart is not None:
        from cnnlang.cli.profile_chart import chart_svg
        from cnnlang.files import write_bytes

        write_bytes(
            chart,
            chart_svg(found, program.name, threads_text(found.threads), time_unit(found), size_unit(found)).encode(),
        )
        say(f"wrote {chart}")
        if form == "table":
            return 0
    put(as_json(found) if form == "json" else as_table(found, program.name, batch, terminal_width()))
    return 0


def as_json(found: Profile) -> str:
    """Seconds, billions of operations a second, shares of the peak, and bytes."""
    data = {
        "seconds": found.seconds,
        "gflops": found.gflops,
        "peak_gflops": found.peak,
        "arena_bytes": found.arena,
        "threads": found.threads,
        "samples": found.samples,
        "layers": [
            {
                "name": row.name,
                "kernel": row.kernel,
                "seconds": row.seconds,
                "macs": row.macs,
                "gflops": row.gflops,
                "of_peak": row.gflops / found.peak,
                "bytes": row.bytes,
            }
            for row in found.rows
        ],
    }
    return json.dumps(data, indent=2)


def as_table(found: Profile, name: str, batch: int, width: int | None) -> str:
    from cnnlang.summary.grid import Grid

    total = sum(row.seconds for row in found.rows)
    time, size = time_unit(found), size_unit(found)
    cells = [
        [
            row.name,
            row.kernel,
            time.of(row.seconds),
            f"{row.seconds / total:.0%}",
            f"{row.gflops:.1f}" if row.macs else "",
            f"{row.gflops / found.peak:.0%}" if row.macs else "",
            size.of(row.bytes),
        ]
        for row in found.rows
    ]
    headings = ["layer", "kernel", time.name, "share", "GFLOP/s", "of peak", size.name]
    grid = Grid(headings, cells, [False, False, True, True, True, True, True], {0: 12, 1: 10})
    return "\n".join(
        [
            f"{name}, {threads_text(found.threads)}{some_of(found, batch)}",
            "",
            grid.text(width, wants_color(sys.stdout)),
            "",
            f"a call: {time.of(found.seconds)} {time.name}, {found.gflops:.1f} GFLOP/s",
            f"peak: {found.peak:.0f} GFLOP/s (Winograd's method does fewer operations than count, and may pass it)",
            f"memory for values: {size.of(found.arena)} {size.name}",
        ]
    )


def some_of(found: Profile, batch: int) -> str:
    """What a call is, where it is not for one sample."""
    if found.samples != batch:
        return f", batch {batch}, of which {found.samples} at a time, as below"
    return f", batch {batch}" if batch > 1 else ""


@dataclass(frozen=True, slots=True)
class Unit:
    """How a quantity is shown."""

    name: str
    factor: float
    digits: int

    def of(self, value: float) -> str:
        return f"{value * self.factor:.{self.digits}f}"


def time_unit(found: Profile) -> Unit:
    """Of times in seconds."""
    return Unit("ms", 1e3, 3) if found.seconds >= 1e-3 else Unit("us", 1e6, 2)


def size_unit(found: Profile) -> Unit:
    """Of sizes in bytes."""
    return Unit("MB", 1e-6, 2) if found.arena >= 1_000_000 else Unit("kB", 1e-3, 1)


def threads_text(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"

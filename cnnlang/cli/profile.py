"""`cnnlang profile`: where the time of a net goes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.options import choose_net, file_argument
from cnnlang.cli.output import put, say, terminal_width, wants_color

if TYPE_CHECKING:
    from cnnlang.backends.numba_cpu.profile import Profile

BAR = 24  # columns of the longest bar


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
    processor can do at most, which is measured beside.

    Symbolic sizes other than the batch need a value: --set H=256.
    """
    from cnnlang.cli.options import checked_file
    from cnnlang.expand import pick
    from cnnlang.model import Model

    program = pick(checked_file(file, net, overrides, root), net)
    found = Model(program, weights, 0, threads).profile(batch, rounds)
    if chart is not None:
        from cnnlang.files import write_bytes

        write_bytes(chart, chart_svg(found, program.name).encode())
        say(f"wrote {chart}")
        if form == "table":
            return 0
    put(as_json(found) if form == "json" else as_table(found, program.name, terminal_width()))
    return 0


def as_json(found: Profile) -> str:
    """Seconds, billions of operations a second, and bytes."""
    data = {
        "seconds": found.seconds,
        "peak_gflops": found.peak,
        "arena_bytes": found.arena,
        "threads": found.threads,
        "layers": [
            {
                "name": r.name,
                "kernel": r.kernel,
                "seconds": r.seconds,
                "macs": r.macs,
                "gflops": r.gflops,
                "bytes": r.bytes,
            }
            for r in found.rows
        ],
    }
    return json.dumps(data, indent=2)


def as_table(found: Profile, name: str, width: int | None) -> str:
    from cnnlang.summary.grid import Grid

    total = sum(row.seconds for row in found.rows)
    cells = [
        [
            row.name,
            row.kernel,
            f"{row.seconds * 1000:.3f}",
            f"{row.seconds / total:.0%}",
            f"{row.gflops:.1f}" if row.macs else "",
            f"{row.gflops / found.peak:.0%}" if row.macs else "",
            f"{row.bytes / 1e6:.2f}",
        ]
        for row in found.rows
    ]
    headings = ["layer", "kernel", "ms", "share", "GFLOP/s", "of peak", "MB"]
    grid = Grid(headings, cells, [False, False, True, True, True, True, True], {0: 12, 1: 10})
    macs = sum(row.macs for row in found.rows)
    return "\n".join(
        [
            f"{name}, {threads_text(found.threads)}",
            "",
            grid.text(width, wants_color(sys.stdout)),
            "",
            f"a call: {found.seconds * 1000:.3f} ms, {2e-9 * macs / found.seconds:.1f} GFLOP/s",
            f"peak: {found.peak:.0f} GFLOP/s (Winograd's method does fewer operations than count, and may pass it)",
            f"memory for values: {found.arena / 1e6:.1f} MB",
        ]
    )


def threads_text(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def chart_svg(found: Profile, name: str) -> str:
    """A bar for each layer."""
    import io

    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, file=io.StringIO(), width=88)
    longest = max(row.seconds for row in found.rows)
    for row in found.rows:
        bar = "█" * max(1, round(BAR * row.seconds / longest))
        rate = f"{row.gflops:6.1f} GFLOP/s" if row.macs else ""
        label = row.name if len(row.name) <= 28 else f"…{row.name[-27:]}"
        console.print(Text(f"{label:>28} {row.seconds * 1000:8.3f} ms {bar:<{BAR}} {rate}"))
    title = f"{name}: {found.seconds * 1000:.2f} ms, {threads_text(found.threads)}"
    return console.export_svg(title=title)

"""Summaries as tables, for terminals and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnlang.dims import Term
from cnnlang.render.display import display_width, printable
from cnnlang.summary.columns import COLUMNS, EXTRA, number, shortened
from cnnlang.summary.grid import Grid

if TYPE_CHECKING:
    from cnnlang.summary import Summary

LEAST_OPERATOR, LEAST_NAME = 16, 12  # columns, where a terminal is narrow


def summary_table(summary: Summary, extra: Sequence[str] = (), width: int | None = None, color: bool = False) -> str:
    """One net: its rows, and its totals below them.

    Parameters
    ----------
    extra
        Further columns: `receptive_field`, `connections`, `fully_connected`.
    width
        The columns of the terminal; None takes what the table needs. Where it does not fit, operators and names are
        folded; where that is not enough, numbers are shortened.
    color
        Whether to use a terminal's colours.
    """
    columns = [*COLUMNS, *(EXTRA[key] for key in extra)]
    cells = [[column.text(row) for column in columns] for row in summary.rows]
    headings, right = [c.heading for c in columns], [c.is_number for c in columns]
    least = {1: LEAST_OPERATOR, 0: LEAST_NAME}
    grid = Grid(headings, cells, right, least)
    if not grid.fits(width):
        grid = Grid(headings, [row[:2] + list(map(shortened, row[2:])) for row in cells], right, least)
    head = f"{printable(summary.net)} ({printable(summary.file)})"
    return "\n".join([head, "", grid.text(width, color), "", *totals(summary)])


def summary_markdown(summary: Summary, extra: Sequence[str] = ()) -> str:
    """One net as a table of Markdown, its totals below it."""
    columns = [*COLUMNS, *(EXTRA[key] for key in extra)]
    cells = [[column.text(row) for column in columns] for row in summary.rows]
    table = _markdown([c.heading for c in columns], cells, [c.is_number for c in columns])
    return "\n".join([f"### {_escaped(summary.net)}", "", table, "", *(f"- {line}" for line in totals(summary))])


def compare_table(summaries: Sequence[Summary], width: int | None = None, color: bool = False) -> str:
    """The totals of several nets side by side, with ratios to the first; several tables where one is too wide."""
    rows = comparison(summaries)
    headings = ["", *(s.net for s in summaries)]
    tables = []
    first = 1
    while first < len(headings):
        last = len(headings)
        while True:
            shown = [0, *range(first, last)]
            grid = Grid(
                [headings[i] for i in shown], [[row[i] for i in shown] for row in rows], [i > 0 for i in shown], {}
            )
            if grid.fits(width) or last == first + 1:
                break
            last -= 1
        tables.append(grid.text(width, color))
        first = last
    return "\n\n".join(tables)


def compare_markdown(summaries: Sequence[Summary]) -> str:
    """The same as a table of Markdown."""
    rows = comparison(summaries)
    return _markdown(["", *(s.net for s in summaries)], rows, [False] + [True] * len(summaries))


def comparison(summaries: Sequence[Summary]) -> list[list[str]]:
    """A row for each total: its name, and for each net the number and how many times the first net's it is."""
    rows = []
    if len({s.file for s in summaries}) > 1:
        rows.append(["file", *(s.file for s in summaries)])
    numbers: list[tuple[str, list[int | Term | None]]] = [
        ("params", [s.params for s in summaries]),
        ("params in training", [s.params_train for s in summaries]),
        ("MACs", [s.macs for s in summaries]),
        ("depth", [s.depth for s in summaries]),
        ("steps", [s.layers for s in summaries]),
        ("activations", [s.activations for s in summaries]),
        ("peak memory, bytes", [s.peak_memory for s in summaries]),
    ]
    for heading, values in numbers:
        if heading != "params in training" or values != [s.params for s in summaries]:
            rows.append([heading, *(f"{number(v) or '?'}{_ratio(v, values[0], i)}" for i, v in enumerate(values))])
    return rows


def totals(summary: Summary) -> list[str]:
    """The lines below a table."""
    s = summary
    lines = [f"params: {s.params:,} ({amount(s.params * 4)} as float32)"]
    if s.params_train != s.params:
        lines.append(f"params in training, with auxiliary heads: {s.params_train:,}")
    lines += [
        f"MACs: {number(s.macs)}",
        f"depth: {s.depth} convolution and dense layers on the longest path",
        f"activations: {number(s.activations)} in {s.layers} steps",
        f"peak activation memory: {'?' if s.peak_memory is None else amount(s.peak_memory)} for one sample",
    ]
    if s.symbols:
        options = " ".join(f"--set {name}={value}" for name, value in s.symbols.items())
        lines.append(f"`?` depends on the size of the input; give it one, for example with {options}")
    return lines


def amount(count: int) -> str:
    """Bytes as a person reads them: `97.5 MiB`."""
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{count:,} bytes" if units[0] == "bytes" else f"{size:,.1f} {units[0]}"


def _ratio(value: int | Term | None, first: int | Term | None, place: int) -> str:
    if place == 0 or not isinstance(value, int) or not isinstance(first, int) or not first:
        return ""
    ratio = value / first
    return f" (x{ratio:,.0f})" if ratio >= 100 else f" (x{ratio:.3g})"


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    cells = [[_escaped(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(3, *(display_width(row[i]) for row in cells)) for i in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        spaces = [" " * (w - display_width(cell)) for cell, w in zip(row, widths, strict=True)]
        padded = [s + cell if r else cell + s for cell, s, r in zip(row, spaces, right, strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * (w - 1) + ":") if r else "-" * w for w, r in zip(widths, right, strict=True)]
    return "\n".join([line(cells[0]), f"| {' | '.join(rule)} |", *map(line, cells[1:])])


def _escaped(text: str) -> str:
    return printable(text).replace("|", "\\|")

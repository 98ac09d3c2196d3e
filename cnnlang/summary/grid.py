"""A table as text: columns as wide as they need, some of them folded where the terminal is narrow."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import Box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from cnnlang.render.display import display_width, printable

GAP = "  "
RULE_BELOW_HEAD = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes
    ----------
    headings, rows
        Texts; a cell holds no line ends.
    right
        For each column whether it stands to the right, as numbers do.
    least
        The columns that may be folded, the first first, and how wide they stay.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]
    least: Mapping[int, int]

    def fits(self, total: int | None) -> bool:
        """Whether the table, its columns folded as far as they may be, is not wider than a terminal."""
        return total is None or _total(self._widths(total)) <= total

    def text(self, total: int | None = None, color: bool = False) -> str:
        """The table, without a final line end.

        Parameters
        ----------
        total
            The columns of the terminal; None where there is no limit. A table that does not fit is wider.
        color
            Whether the headings are bold.
        """
        table = Table(box=RULE_BELOW_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1), header_style="bold")
        widths = self._widths(total)
        for heading, width, right in zip(self._headings(), widths, self.right, strict=True):
            justify: JustifyMethod = "right" if right else "left"
            table.add_column(Text(heading), justify=justify, overflow="fold", width=width)
        for row in self.rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        file = io.StringIO()
        console = Console(
            file=file,
            width=_total(widths),
            force_terminal=color,
            color_system="standard" if color else None,
            legacy_windows=False,
        )
        console.print(table)
        return "\n".join(line.rstrip() for line in file.getvalue().rstrip("\n").split("\n"))

    def _headings(self) -> list[str]:
        return [printable(heading).replace(" ", "\n") for heading in self.headings]  # two words take two lines

    def _widths(self, total: int | None) -> list[int]:
        """The widths of the columns; those that may be folded give way until the table is not wider than `total`."""
        columns = zip(*([printable(cell) for cell in row] for row in self.rows), strict=True)
        cells = [[*heading.split("\n"), *column] for heading, column in zip(self._headings(), columns, strict=True)]
        widths = [max(map(display_width, column)) for column in cells]
        for column, least in self.least.items():
            over = _total(widths) - total if total is not None else 0
            if over > 0:
                widths[column] = max(min(least, widths[column]), widths[column] - over)
        return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)

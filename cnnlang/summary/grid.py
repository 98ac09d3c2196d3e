"""A table as text: columns as wide as they need, some of them folded where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cnnlang.render.display import char_width, display_width, printable
from cnnlang.render.style import paint

GAP = "  "


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

    def widths(self, total: int | None) -> list[int]:
        """The widths of the columns; those that may be folded give way until the table is not wider than `total`."""
        columns = [list(map(printable, column)) for column in zip(*self.rows, strict=True)]
        words = [printable(heading).split() for heading in self.headings]  # a heading of two words may take two lines
        widths = [max(map(display_width, [*w, *c]), default=0) for w, c in zip(words, columns, strict=True)]
        for column, least in self.least.items():
            over = sum(widths) + len(GAP) * (len(widths) - 1) - (total or 0)
            if total is not None and over > 0:
                widths[column] = max(min(least, widths[column]), widths[column] - over)
        return widths

    def fits(self, total: int | None) -> bool:
        return total is None or sum(self.widths(total)) + len(GAP) * (len(self.right) - 1) <= total

    def text(self, total: int | None = None, color: bool = False) -> str:
        """The table, without a final line end.

        Parameters
        ----------
        total
            The columns of the terminal; None where there is no limit.
        color
            Whether the headings are bold.
        """
        widths = self.widths(total)
        head, *rest = self._row(self.headings, widths)
        rule = "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (sum(widths) + len(GAP) * (len(widths) - 1))
        lines = [paint(line, "message", color) for line in (head, *rest)]
        for row in self.rows:
            lines += self._row(row, widths)
        return "\n".join([*lines[: 1 + len(rest)], rule, *lines[1 + len(rest) :]])

    def _row(self, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
        folded = [list(fold(printable(cell), width)) for cell, width in zip(cells, widths, strict=True)]
        lines = []
        for i in range(max(map(len, folded))):
            parts = [f[i] if i < len(f) else "" for f in folded]
            lines.append(GAP.join(map(self._pad, parts, widths, self.right)).rstrip())
        return lines

    @staticmethod
    def _pad(text: str, width: int, right: bool) -> str:
        space = " " * (width - display_width(text))
        return space + text if right else text + space


def fold(text: str, width: int) -> Iterator[str]:
    """A text in lines of a width, broken after spaces and dots where there are some."""
    while display_width(text) > width:
        end = used = 0
        while used + char_width(text[end]) <= width or not end:
            used += char_width(text[end])
            end += 1
        breaks = [i + 1 for i in range(end) if text[i] in " ."]
        end = breaks[-1] if breaks else end
        yield text[:end].rstrip()
        text = text[end:].lstrip()
    yield text

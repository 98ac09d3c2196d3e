"""How characters look on a terminal: their widths, and escapes for those that must not reach it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

TAB = "    "


@cache
def char_width(char: str) -> int:
    """The columns of one printable character: 2 for Hangul and other wide ones, 0 for combining marks."""
    if char.isascii():
        return 1
    from wcwidth import wcwidth  # 40 ms to import, and most files are ASCII

    return max(0, wcwidth(char))


def escape(char: str) -> str:
    """A character that must not reach a terminal (control, direction, invisible, invalid), as Python writes it."""
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def printable(text: str) -> str:
    """A text in which nothing can steer the terminal, hide, or end the line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else escape(c) for c in text)


def display_width(text: str) -> int:
    """The columns of a printable text."""
    return len(text) if text.isascii() else sum(map(char_width, text))


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One line of a source as a terminal shows it.

    Attributes
    ----------
    pieces
        What each character is shown as.
    columns
        Where each begins, in display columns from 0, and at last where the line ends.
    """

    pieces: list[str]
    columns: list[int]

    @classmethod
    def of(cls, text: str) -> ShownLine:
        pieces = [TAB if c == "\t" else c if c.isprintable() else escape(c) for c in text]
        columns = [0]
        for piece in pieces:
            columns.append(columns[-1] + display_width(piece))
        return cls(pieces, columns)

    @property
    def width(self) -> int:
        return self.columns[-1]

    def cut(self, low: int, high: int) -> tuple[str, int, int]:
        """The text between two display columns, at whole characters, with `...` for what is missing.

        Returns
        -------
        tuple of str, int, int
            The text; what must be added to a display column to find it there; the last column that it shows.
        """
        first = next((i for i, c in enumerate(self.columns) if c >= low), len(self.pieces))
        last = max((i for i, c in enumerate(self.columns) if c <= high), default=0)
        before = "..." if first else ""
        after = "..." if last < len(self.pieces) else ""
        text = before + "".join(self.pieces[first:last]) + after
        return text, len(before) - self.columns[first], self.columns[last]

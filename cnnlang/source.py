"""A text and the places in it: every message, span and caret starts here."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

MAX_FILE_BYTES = 256 * 1024


@dataclass(frozen=True, eq=False)
class Source:
    """One `.cnn` text.

    Parameters
    ----------
    name
        What messages call it: the path as the user gave it, `<stdin>`, or `std/resnet.cnn`.
    text
        Its characters, without a byte order mark and with `\\n` line ends.
    path
        Where it lies, links resolved; None for standard input and texts given as strings.
    """

    name: str
    text: str
    path: Path | None = None

    @cached_property
    def line_starts(self) -> list[int]:
        starts = [0]
        starts.extend(i + 1 for i, c in enumerate(self.text) if c == "\n")
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of one line (from 1), without its line end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end]

    def __repr__(self) -> str:
        return f"Source({self.name!r})"


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` up to `end` of one source, and the expansions that led there."""

    source: Source
    start: int
    end: int
    within: Expansion | None = field(default=None, compare=False)

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of another in the same source."""
        return Span(self.source, self.start, other.end, self.within)

    def inside(self, within: Expansion | None) -> Span:
        """The same place, reached through an expansion."""
        return Span(self.source, self.start, self.end, within)

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Expansion:
    """One step of expansion: what was expanded, as `bottleneck(width=64)`, and the call that asked for it.

    `call.within` is the expansion around it, so that the whole stack is a linked list.
    """

    text: str
    call: Span

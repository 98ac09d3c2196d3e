"""A few lines of a source with marks under them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlang.render.display import ShownLine, display_width, printable
from cnnlang.render.style import paint

if TYPE_CHECKING:
    from cnnlang.source import Source, Span

MAX_COLUMNS = 100
CONTEXT = 24  # the columns kept before a mark of a line that is cut


@dataclass(frozen=True, slots=True)
class Mark:
    """Characters of one line, from 0, to underline with a sign (if any), and the words beside them."""

    line: int
    start: int
    end: int
    sign: str
    role: str
    text: str = ""

    @classmethod
    def of(cls, span: Span, sign: str, role: str, text: str = "") -> Mark:
        """The mark of a span; one of several lines is marked on its first, to the end of that."""
        line, column = span.source.position(span.start)
        start = column - 1
        length = len(span.source.line(line).rstrip())
        end = min(start + span.end - span.start, max(length, start))
        return cls(line, start, max(end, start + 1), sign, role, printable(text))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A mark in display columns."""

    start: int
    end: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Gutter:
    """The column of line numbers, wide enough for the last one shown."""

    width: int
    color: bool

    def line(self, number: int, text: str) -> str:
        return (paint(f" {number:>{self.width}} |", "gutter", self.color) + f" {text}").rstrip()

    def blank(self, text: str = "") -> str:
        return (paint(f" {'':{self.width}} |", "gutter", self.color) + f" {text}").rstrip()

    def removed(self, number: int, text: str) -> str:
        return (paint(f" {number:>{self.width}} -", "error", self.color) + f" {text}").rstrip()

    def arrow(self, arrow: str, place: str) -> str:
        return f" {'':{self.width}}{paint(arrow, 'gutter', self.color)} {place}"

    def note(self, word: str, role: str, text: str) -> str:
        """`= help: text`, further lines of the text under its first."""
        head = f" {'':{self.width}} = {word}"
        painted = f" {'':{self.width}} {paint('=', 'gutter', self.color)} {paint(word, role, self.color)}"
        first, *rest = [printable(line) for line in text.split("\n")]
        return "\n".join([painted + first, *(" " * len(head) + line for line in rest)])


def snippet(source: Source, marks: Sequence[Mark], gutter: Gutter, also: Iterable[int] = ()) -> list[str]:
    """The marked lines of a source in order, each with its marks; `...` stands for two lines or more between.

    Parameters
    ----------
    also
        Further lines to show.
    """
    rows: list[str] = []
    before = None
    for number in sorted({m.line for m in marks} | set(also)):
        if before is not None and number == before + 2:
            rows += _line(source, number - 1, [], gutter)
        elif before is not None and number > before + 2:
            rows.append(paint("...", "gutter", gutter.color))
        rows += _line(source, number, [m for m in marks if m.line == number], gutter)
        before = number
    return rows


def _line(source: Source, number: int, marks: list[Mark], gutter: Gutter) -> list[str]:
    shown = ShownLine.of(source.line(number).rstrip())
    placed = [_place(shown, m) for m in marks]
    if shown.width <= MAX_COLUMNS:
        text, _, _ = shown.cut(0, shown.width)
        return [gutter.line(number, text), *_mark_rows(placed, gutter)]
    rows = []
    for low, high, group in _windows(placed):
        text, shift, last = shown.cut(low, high)
        clipped = [_Placed(p.start + shift, min(p.end, max(last, p.start + 1)) + shift, p.mark) for p in group]
        rows += [gutter.line(number, text), *_mark_rows(clipped, gutter)]
    return rows


def _place(shown: ShownLine, mark: Mark) -> _Placed:
    last = len(shown.pieces)
    start = shown.columns[min(mark.start, last)]
    return _Placed(start, max(shown.columns[min(mark.end, last)], start + 1), mark)


def _windows(placed: list[_Placed]) -> list[tuple[int, int, list[_Placed]]]:
    """The stretches of a long line to show: from left to right, each with as many marks as fit in it."""
    windows: list[tuple[int, int, list[_Placed]]] = []
    for p in sorted(placed, key=lambda p: p.start):
        if windows and p.end <= windows[-1][1]:
            windows[-1][2].append(p)
        else:
            low = max(0, p.start - CONTEXT)
            windows.append((low, low + MAX_COLUMNS, [p]))
    return windows or [(0, MAX_COLUMNS, [])]


def _mark_rows(placed: list[_Placed], gutter: Gutter) -> list[str]:
    """The rows under a line: signs, the words of the last mark beside them, those of the others hanging below."""
    layers: list[list[_Placed]] = []
    for p in sorted((p for p in placed if p.mark.sign), key=lambda p: (p.mark.sign != "^", p.start)):
        layer = next((ps for ps in layers if all(p.end <= q.start or q.end <= p.start for q in ps)), None)
        if layer is None:
            layers.append([p])
        else:
            layer.append(p)
    return [
        gutter.blank(row) for layer in layers for row in _layer_rows(sorted(layer, key=lambda p: p.start), gutter.color)
    ]


def _layer_rows(layer: list[_Placed], color: bool) -> list[str]:
    last = layer[-1]
    signs = [(p.start, p.mark.sign * (p.end - p.start), p.mark.role) for p in layer]
    if last.mark.text:
        signs.append((last.end + 1, last.mark.text, last.mark.role))
    rows = [_row(signs, color)]
    hanging = [p for p in layer[:-1] if p.mark.text]
    if hanging:
        rows.append(_row([(p.start, "|", p.mark.role) for p in hanging], color))
    while hanging:
        p = hanging.pop()
        rows.append(_row([*((q.start, "|", q.mark.role) for q in hanging), (p.start, p.mark.text, p.mark.role)], color))
    return rows


def _row(parts: list[tuple[int, str, str]], color: bool) -> str:
    text, at = "", 0
    for column, part, role in parts:
        text += " " * (column - at) + paint(part, role, color)
        at = max(at, column) + display_width(part)
    return text

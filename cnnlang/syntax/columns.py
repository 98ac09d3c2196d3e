"""Columns: tables of calls, matrices of numbers, comments at the ends of lines."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import groupby

from cnnlang.render.display import display_width
from cnnlang.syntax.lines import WIDTH, Line, Word
from cnnlang.syntax.tokens import CLOSERS, OPENERS

_NUMBER = re.compile(r"[-+]?[0-9.][0-9_.eExKMG]*(?:[-+*/][0-9._]+)*")

# What follows is set below each other where no more spaces than these come before it.
_SPREAD = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A line in columns.

    Attributes
    ----------
    key
        Consecutive rows with the same one are set in columns together.
    shape
        How many cells there are, and which are named: rows of one shape can have columns of cells.
    title
        What comes first and is a column of its own: `net ResNet50` of a variant.
    head
        What is the same in every row, up to the first cell.
    cells
        What stands between commas.
    after
        What follows the closing bracket.
    padded
        Whether the cells of one shape are columns; else only what follows them is.
    """

    key: tuple[object, ...]
    shape: tuple[str, ...]
    title: str
    head: str
    cells: list[str]
    closer: str
    after: str
    padded: bool


def align(lines: Sequence[Line], tables: Set[str]) -> list[str]:
    """The text of each line, with what belongs together in columns.

    Parameters
    ----------
    tables
        The names of blocks and nets. Consecutive calls to one of them with the same arguments are a table; of calls to
        an operator only what comes after them is a column.
    """
    codes = [line.code for line in lines]
    rows = [row_of(line, tables) for line in lines]
    start = 0
    while start < len(lines):
        end, first = start + 1, rows[start]
        while first and end < len(lines) and not lines[end].blank_before:
            row = rows[end]
            if row is None or row.key != first.key:
                break
            end += 1
        group = [row for row in rows[start:end] if row]
        if len(group) > 1:
            codes[start:end] = [" " * lines[start].indent + text for text in _set(group, WIDTH - lines[start].indent)]
        start = end
    return _with_comments(lines, codes)


def _set(rows: Sequence[Row], width: int) -> list[str]:
    """Rows in columns: all together, or else those of one shape, or else as they are."""
    texts = _columns(rows)
    if max(map(display_width, texts)) <= width:
        return texts
    parts = [list(part) for _, part in groupby(rows, lambda row: row.shape)]
    if len(parts) == 1:
        return [text for row in rows for text in _columns([row])]
    return [text for part in parts for text in _set(part, width)]


def row_of(line: Line, tables: Set[str]) -> Row | None:
    """A line that is one call from its start, or one row of a matrix."""
    words = line.words
    kinds = [word.token.kind for word in words]
    if line.depth and kinds[:1] == ["["]:
        row = _parse(line, 0, "", "", padded=True)
        if row and row.after in ("", ",") and all(map(_NUMBER.fullmatch, row.cells)):
            return row
        return None
    if kinds[:5] == ["net", "NAME", "=", "NAME", "("]:
        name = words[3].text
        return _parse(line, 4, _text(words[:2]), f" = {name}", padded=name in tables)
    bar = int(kinds[:1] == ["|"])
    if kinds[bar : bar + 2] == ["NAME", "("]:
        name = words[bar].text
        return _parse(line, bar + 1, "", "| " * bar + name, padded=name in tables)
    return None


def _parse(line: Line, opener: int, title: str, head: str, *, padded: bool) -> Row | None:
    words = line.words
    depth = 0
    cells: list[list[Word]] = [[]]
    closer: int | None = None
    for index in range(opener, len(words)):
        kind = words[index].token.kind
        if kind in CLOSERS:
            depth -= 1
            if depth == 0 and closer is None:
                closer = index
        if depth and closer is None and index > opener:
            if kind == "," and depth == 1:
                cells.append([])
            else:
                cells[-1].append(words[index])
        if kind in OPENERS:
            depth += 1
    if depth or closer is None:
        return None  # it goes on in the next line
    shape = tuple(cell[0].text if [w.text for w in cell[1:2]] == ["="] else "" for cell in cells if cell)
    key = (line.indent, bool(title), head, line.depth)
    after = words[closer + 1 :]
    space = " " if after and after[0].space else ""
    opening, closing = words[opener].text, words[closer].text
    texts = [_text(cell) for cell in cells]
    return Row(key, shape, title, head + opening, texts, closing, space + _text(after), padded)


def _text(words: Sequence[Word]) -> str:
    """Words as they stand on a line, without the space before the first."""
    return "".join(" " * (word.space and i > 0) + word.text for i, word in enumerate(words))


def _columns(rows: Sequence[Row]) -> list[str]:
    """Rows with their titles, their cells if they have one shape, and what follows, each below the other."""
    cells = [list(row.cells) for row in rows]
    if rows[0].padded and len({row.shape for row in rows}) == 1:
        for column in range(len(cells[0])):
            texts = [texts[column] for texts in cells]
            width = max(map(display_width, texts))
            right = all(map(_NUMBER.fullmatch, texts))
            for texts in cells:
                texts[column] = _pad(texts[column], width, right)
    title = max(display_width(row.title) for row in rows)
    heads = []
    for row, texts in zip(rows, cells, strict=True):
        # A text is padded after its comma; the last has none.
        inner = "".join(f"{t.rstrip()}, {' ' * (len(t) - len(t.rstrip()))}" for t in texts[:-1])
        heads.append(_pad(row.title, title) + row.head + inner + texts[-1].rstrip() + row.closer)
    widths = [display_width(head) for head, row in zip(heads, rows, strict=True) if row.after[:1] == " "]
    if widths and max(widths) - min(widths) <= _SPREAD:
        width = max(widths)
        heads = [_pad(h, width) if row.after[:1] == " " else h for h, row in zip(heads, rows, strict=True)]
    return [head + row.after for head, row in zip(heads, rows, strict=True)]


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def _with_comments(lines: Sequence[Line], codes: Sequence[str]) -> list[str]:
    """Comments after the code of consecutive lines begin in one column, where that fits."""
    texts = []
    start = 0
    while start < len(lines):
        if not lines[start].comment or not lines[start].words:
            texts.append(codes[start] + lines[start].comment)
            start += 1
            continue
        end = start
        while (
            end < len(lines)
            and lines[end].words
            and lines[end].comment
            and (end == start or not lines[end].blank_before)
        ):
            end += 1
        width = max(map(display_width, codes[start:end]))
        if any(width + 2 + display_width(line.comment) > WIDTH for line in lines[start:end]):
            width = 0
        texts += [
            f"{_pad(code, width)}  {line.comment}"
            for code, line in zip(codes[start:end], lines[start:end], strict=True)
        ]
        start = end
    return texts

"""A part of a text with edits carried out, read as tokens that stand where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cnnlang.diagnostics import Edit
from cnnlang.source import Source
from cnnlang.syntax.foreign import read
from cnnlang.syntax.tokens import Token, layout


class _Piece(NamedTuple):
    """From `offset` on the new text is `source[first:last]`, as it was or replaced."""

    offset: int
    first: int
    last: int
    kept: bool

    def origin(self, at: int) -> int:
        """The place in the source of an offset in the new text."""
        return self.first + at - self.offset if self.kept else self.first


def edited_tokens(source: Source, start: int, end: int, edits: Iterable[Edit]) -> list[Token]:
    """The tokens of `source.text[start:end]` after edits in it, with offsets in the text before them."""
    parts: list[str] = []
    pieces: list[_Piece] = []
    length, at = 0, start
    for edit in sorted(edits, key=_place):
        before, changed = source.text[at : edit.span.start], edit.text
        pieces.append(_Piece(length, at, edit.span.start, True))
        pieces.append(_Piece(length + len(before), edit.span.start, edit.span.end, False))
        parts += [before, changed]
        length += len(before) + len(changed)
        at = edit.span.end
    parts.append(source.text[at:end])
    pieces.append(_Piece(length, at, end, True))
    tokens, _ = read(Source(source.name, "".join(parts)))

    placed = []
    index = 0
    for token in layout(tokens):
        while index + 1 < len(pieces) and pieces[index + 1].offset <= token.start:
            index += 1
        begin = pieces[index].origin(token.start)
        stop = index
        while stop + 1 < len(pieces) and pieces[stop + 1].offset < token.end:
            stop += 1
        last = pieces[stop]
        placed.append(Token(token.kind, begin, max(begin, last.origin(token.end) if last.kept else last.last)))
    return placed


def is_inside(edit: Edit, edits: Iterable[Edit]) -> bool:
    """Whether what an edit changes is replaced by another as a whole."""
    span = edit.span
    return any(e.span.start <= span.start and span.end <= e.span.end and e.span.start < e.span.end for e in edits)


def overlap(edits: Iterable[Edit]) -> bool:
    """Whether two edits change the same character."""
    at = -1
    for edit in sorted(edits, key=_place):
        if edit.span.start < at:
            return True
        at = max(at, edit.span.end)
    return False


def _place(edit: Edit) -> tuple[int, int]:
    return edit.span.start, edit.span.end

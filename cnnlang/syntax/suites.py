"""Bodies by colon and indentation, as Python has them: what they are with braces."""

from __future__ import annotations

import re

from cnnlang.diagnostics import Edit
from cnnlang.source import Source, Span

# A line that opens a body by a colon; the colon, and what stands before a comment.
_HEADER = re.compile(r"(?P<head>[ \t]*(?:[^\s#].*?)?)[ \t]*(?P<colon>:)[ \t]*(?P<comment>#.*)?$")
_ONE_LINE = re.compile(
    r"(?P<head>[ \t]*(?:if|else|elif|for|while|net|block|def|group)\b.*?)[ \t]*(?P<colon>:)[ \t]*[^\s{]"
)
_WORDS = {"elif": "else if", "def": "block"}


def suite_edits(source: Source, line: int) -> tuple[int, tuple[Edit, ...]] | None:
    """Turn the suite whose header is a line (from 1), and its `elif` and `else`, into bodies in braces.

    Returns
    -------
    The offset of the suite's end and the edits, or None where the line is no header of one.
    """
    header = _HEADER.match(source.line(line)) or _ONE_LINE.match(source.line(line))
    if not header:
        return None
    edits: list[Edit] = []
    open_columns: list[int] = []
    base = _column(source.line(line))
    last_end = 0
    for number in range(line, len(source.line_starts) + 1):
        text = source.line(number)
        start = source.line_starts[number - 1]
        body = text.partition("#")[0].rstrip()
        if not body.strip():
            continue
        column = _column(text)
        goes_on = re.match(r"[ \t]*(else|elif)\b", text) is not None
        if number > line and (column < base or (column == base and not goes_on)):
            break
        closing = ""
        while open_columns and open_columns[-1] >= column:
            if goes_on and open_columns[-1] == column:
                open_columns.pop()
                closing = "} "
                break
            edits.append(_insert(source, last_end, f"\n{' ' * open_columns.pop()}}}"))
        if closing:
            edits.append(_insert(source, start + column, closing))
        word = re.match(r"[ \t]*(elif|def)\b", text)
        opens = _HEADER.match(text)
        one_line = None if opens else _ONE_LINE.match(text)
        if word and (opens or one_line):
            edits.append(_replace(source, start + word.start(1), start + word.end(1), _WORDS[word[1]]))
        last_end = start + len(body)
        if opens:
            edits.append(_replace(source, start + opens.end("head"), start + opens.end("colon"), " {"))
            open_columns.append(column)
            last_end = max(last_end, start + opens.end("colon"))
        elif one_line:
            edits.append(_replace(source, start + one_line.end("head"), start + one_line.end("colon"), " {"))
            edits.append(_insert(source, last_end, " }"))
    edits += [_insert(source, last_end, f"\n{' ' * column}}}") for column in reversed(open_columns)]
    return last_end, tuple(edits)


def _column(line: str) -> int:
    return len(line) - len(line.lstrip())


def _insert(source: Source, at: int, text: str) -> Edit:
    return Edit(Span(source, at, at), text)


def _replace(source: Source, start: int, end: int, text: str) -> Edit:
    return Edit(Span(source, start, end), text)

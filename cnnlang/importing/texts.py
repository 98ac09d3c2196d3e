"""The text of a cfg or prototxt: read within a bound, and the errors that point into it."""

from __future__ import annotations

from pathlib import Path

from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError, UsageError
from cnnlang.source import Source, Span

MAX_TEXT_BYTES = 2 * 1024 * 1024
MAX_LAYERS = 10_000
BAD_CHARACTERS = "\0\N{REPLACEMENT CHARACTER}"


def read_text(path: Path) -> Source:
    """A text file of another framework. What is no UTF-8 becomes U+FFFD, which may stand in a comment.

    Raises
    ------
    FindingsError
        E0603: it is larger than 2 MiB; of a large file no more is read.
    UsageError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        msg = f"{path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(msg) from None
    if len(data) > MAX_TEXT_BYTES:
        message = f"the text of a net may have {MAX_TEXT_BYTES // 2**20} MiB; this one is larger"
        raise FindingsError([Diagnostic("E0603", message, file=str(path))])
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
    return Source(str(path), text.replace("\r\n", "\n").replace("\r", "\n"), path)


def damaged(message: str, span: Span, cure: str | None = None) -> FindingsError:
    """E0601 at a place of the text."""
    return FindingsError([Diagnostic("E0601", message, span, help=(Help(cure),) if cure else ())])


def beyond(message: str, span: Span) -> FindingsError:
    """E0603 at a place of the text."""
    return FindingsError([Diagnostic("E0603", message, span)])


def bad_character(source: Source, start: int, end: int) -> FindingsError | None:
    """E0601 for the first character of a part of the text that is none; None where all are well."""
    found = [at for c in BAD_CHARACTERS if (at := source.text.find(c, start, end)) >= 0]
    if not found:
        return None
    message = "a text has no such byte: it is no UTF-8, or a NUL"
    return damaged(message, Span(source, min(found), min(found) + 1), "get the file once more, or save it as UTF-8")


def shown(text: str) -> str:
    """A part of a text in a message."""
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`" if text else "nothing"

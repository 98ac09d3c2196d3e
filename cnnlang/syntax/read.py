"""A file or standard input as a `Source`, or the reason why it cannot be one."""

from __future__ import annotations

import sys
from pathlib import Path

from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError
from cnnlang.source import MAX_FILE_BYTES, Source, Span

_BOM = b"\xef\xbb\xbf"


def read_source(path: str | Path, name: str | None = None) -> Source:
    """Read a `.cnn` text.

    Parameters
    ----------
    path
        A file, or `-` for standard input.
    name
        What messages call it; by default the path as it was given, or `<stdin>`.

    Raises
    ------
    FindingsError
        E0104 where it cannot be read (missing, a folder, not UTF-8, a NUL in it), E0105 where it is too large; of a
        large file only the first 256 KiB are read.
    """
    if str(path) == "-":
        return decode(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), name or "<stdin>")
    path = Path(path)
    name = name or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        resolved = path.resolve()
    except FileNotFoundError:
        raise _unreadable(name, "there is no such file") from None
    except IsADirectoryError:
        raise _unreadable(name, "this is a folder", "name a file in it") from None
    except OSError as error:
        raise _unreadable(name, (error.strerror or "it cannot be read").lower()) from None
    except ValueError:  # a NUL in the path
        raise _unreadable(name, "there is no such file") from None
    return decode(data, name, resolved)


def decode(data: bytes, name: str, path: Path | None = None) -> Source:
    """The bytes of a `.cnn` text as a `Source`: a byte order mark is dropped, CRLF and CR become LF.

    Raises
    ------
    FindingsError
        E0104 at the first byte that is not UTF-8 and at a NUL; E0105 where there are more than 256 KiB.
    """
    if len(data) > MAX_FILE_BYTES:
        message = f"a file may have {MAX_FILE_BYTES // 1024} KiB; this one is larger"
        cure = Help("move blocks to a file of their own and import them")
        raise FindingsError([Diagnostic("E0105", message, file=name, help=(cure,))])
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        read = error.object[: error.start].decode("utf-8")
        byte = error.object[error.start]
        # What comes before the bad byte is the source, with a mark in its place, so that the caret can be shown.
        source = Source(name, _line_ends(read) + "\N{REPLACEMENT CHARACTER}", path)
        message = f"this byte (0x{byte:02x}) is not UTF-8"
        raise _bad_character(source, message, "save the file as UTF-8") from None
    source = Source(name, _line_ends(text), path)
    if "\0" in source.text:
        at = source.text.index("\0")
        shown = Source(name, source.text[:at] + "\N{REPLACEMENT CHARACTER}", path)
        raise _bad_character(shown, "a text has no NUL characters", "save the file as UTF-8")
    return source


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bad_character(source: Source, message: str, cure: str) -> FindingsError:
    at = len(source.text) - 1
    return FindingsError([Diagnostic("E0104", message, Span(source, at, at + 1), help=(Help(cure),))])


def _unreadable(name: str, message: str, cure: str | None = None) -> FindingsError:
    return FindingsError([Diagnostic("E0104", message, file=name, help=(Help(cure),) if cure else ())])

"""What a command writes: products to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import click

from cnnlang.render.display import printable
from cnnlang.render.style import paint

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic


def prepare_streams() -> None:
    """Products are UTF-8 wherever they go to a file or pipe; a terminal gets escapes for what it cannot show."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if stream.isatty():
            reconfigure(errors="backslashreplace")
        else:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def wants_color(stream: TextIO) -> bool:
    """Whether to colour what goes to a stream: `NO_COLOR`, `FORCE_COLOR`, else whether it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def put(text: str) -> None:
    """A product, to standard output."""
    click.echo(text, color=wants_color(sys.stdout))


def say(text: str, role: str = "plain") -> None:
    """A message, to standard error; an `error:` or `note:` at its start in the colour of the role."""
    color = wants_color(sys.stderr)
    head, colon, rest = text.partition(": ") if role != "plain" else ("", "", text)
    lines = "\n".join(map(printable, f"{colon}{rest}".split("\n")))
    click.echo(paint(head, role, color) + lines, err=True, color=color)


def show_findings(diagnostics: Sequence[Diagnostic]) -> None:
    """Findings that stand in a command's way, to standard error, and how many there are."""
    from cnnlang.render import count, render

    color = wants_color(sys.stderr)
    click.echo(render(diagnostics, "full", color) + "\n", err=True, color=color)
    say(count(diagnostics))


def terminal_width() -> int | None:
    """The columns to fill: those of the terminal, or what `COLUMNS` says; None where neither is there."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return None
    import shutil

    return max(40, shutil.get_terminal_size().columns)

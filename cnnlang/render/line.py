"""A finding on one line: for editors and `grep` (`concise`), and for GitHub's workflow commands (`github`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlang.render.display import printable

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic


def render_concise(diagnostic: Diagnostic) -> str:
    """`resnet.cnn:6:3: error[E0203] message`."""
    d = diagnostic
    place = f"{d.span.source.name}:{d.span.line}:{d.span.column}" if d.span else d.file
    return f"{printable(place)}: {d.severity}[{d.code}] {printable(d.message)}"


def render_github(diagnostic: Diagnostic) -> str:
    """`::error file=resnet.cnn,line=6,col=3,...::message`, by GitHub's "Workflow commands" reference."""
    d = diagnostic
    properties = {"file": d.file_name}
    if d.span:
        line, column = d.span.source.position(d.span.start)
        end_line, end_column = d.span.source.position(d.span.end)
        properties |= {"line": str(line), "endLine": str(end_line)}
        if line == end_line:  # GitHub takes columns for one line only
            properties |= {"col": str(column), "endColumn": str(end_column)}
    properties["title"] = d.code
    lines = [
        d.message,
        *(f"{label.text}: {label.span}" for label in d.labels),
        *d.notes,
        *(f"help: {h.text}" for h in d.help),
    ]
    inside = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    command = "notice" if d.severity == "note" else d.severity
    return f"::{command} {inside}::{_data(chr(10).join(lines))}"


def _data(text: str) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

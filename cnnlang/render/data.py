"""Findings as JSON, for programs; the format is numbered, and fields may be added without a new number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnlang.render.full import expansions
from cnnlang.render.jsontext import json_text

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic
    from cnnlang.source import Span

FORMAT_VERSION = 1


def render_json(diagnostics: Sequence[Diagnostic]) -> str:
    """`{"format_version": 1, "diagnostics": [...]}`; lines and columns count characters from 1, ends are exclusive."""
    return json_text({"format_version": FORMAT_VERSION, "diagnostics": [diagnostic_data(d) for d in diagnostics]})


def diagnostic_data(diagnostic: Diagnostic) -> dict[str, Any]:
    """One finding as plain data."""
    d = diagnostic
    return {
        "code": d.code,
        "severity": d.severity,
        **(
            _place(d.span)
            if d.span
            else {"file": d.file, "line": None, "column": None, "end_line": None, "end_column": None}
        ),
        "message": d.message,
        "label": d.label,
        "labels": [{**_place(label.span), "text": label.text} for label in d.labels],
        "notes": list(d.notes),
        "help": [{"text": h.text, "edits": [{**_place(e.span), "text": e.text} for e in h.edits]} for h in d.help],
        "expansions": [{"text": e.text, **_place(e.call)} for e in expansions(d.span)],
    }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {"file": span.source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}

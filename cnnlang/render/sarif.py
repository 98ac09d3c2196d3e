"""Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), for code scanning services."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cnnlang.render.full import expansions
from cnnlang.render.jsontext import json_text

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic, Help
    from cnnlang.source import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """One run of `cnnlang check`, with a rule for each code that was found."""
    from cnnlang import __version__

    codes = list(dict.fromkeys(d.code for d in diagnostics))
    driver = {"name": "cnnlang", "semanticVersion": __version__, "rules": [_rule(c) for c in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, codes.index(d.code)) for d in diagnostics],
    }
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> dict[str, Any]:
    from cnnlang.explain import page

    explained = page(code)
    return {
        "id": code,
        "shortDescription": {"text": explained.title},
        "fullDescription": {"text": explained.summary},
        "help": {"text": explained.text, "markdown": explained.text},
        "defaultConfiguration": {"level": "error" if code.startswith("E") else "warning"},
    }


def _result(d: Diagnostic, rule: int) -> dict[str, Any]:
    message = "\n".join([d.message, *d.notes, *(f"help: {h.text}" for h in d.help)])
    related = [(label.span, label.text) for label in d.labels]
    related += [(e.call, f"while expanding {e.text}") for e in expansions(d.span)]
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": rule,
        "level": d.severity,
        "message": {"text": message},
        "locations": [{"physicalLocation": _location(d.span, d.file)}],
    }
    if related:
        result["relatedLocations"] = [
            {"id": i, "physicalLocation": _location(span, ""), "message": {"text": text}}
            for i, (span, text) in enumerate(related)
        ]
    fixes = [_fix(h) for h in d.help if h.edits]
    if fixes:
        result["fixes"] = fixes
    return result


def _location(span: Span | None, file: str) -> dict[str, Any]:
    if span is None:
        return {"artifactLocation": {"uri": _uri(file)}}
    return {"artifactLocation": {"uri": _uri(span.source.name)}, "region": _region(span)}


def _region(span: Span) -> dict[str, int]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _fix(cure: Help) -> dict[str, Any]:
    changes = []
    for source in dict.fromkeys(e.span.source for e in cure.edits):
        replacements = [
            {"deletedRegion": _region(e.span), "insertedContent": {"text": e.text}}
            for e in cure.edits
            if e.span.source is source
        ]
        changes.append({"artifactLocation": {"uri": _uri(source.name)}, "replacements": replacements})
    return {"description": {"text": cure.text}, "artifactChanges": changes}


def _uri(name: str) -> str:
    path = PurePath(name)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())

"""Showing findings: for people (`full`, `concise`), for programs (`json`, `sarif`) and for GitHub's pages (`github`).

All of them read the same `Diagnostic`; none of them knows a code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic
    from cnnlang.render.full import render_full
    from cnnlang.render.line import render_concise, render_github

__all__ = ["FORMATS", "count", "render", "render_concise", "render_full", "render_github"]


# imported when there is something to show
_HOMES = {"render_full": "full", "render_concise": "line", "render_github": "line"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"cnnlang.render.{_HOMES[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`; what there is none of is left out."""
    severities = [d.severity for d in diagnostics]
    numbers = [(severities.count(noun), noun) for noun in ("error", "warning", "note")]
    return ", ".join(f"{n} {noun}{'s' * (n != 1)}" for n, noun in numbers if n) or "no errors"


def render(diagnostics: Sequence[Diagnostic], format: str, color: bool = False) -> str:
    """All findings in one of `FORMATS`, without a final line end."""
    return FORMATS[format](diagnostics, color)


def _full(diagnostics: Sequence[Diagnostic], color: bool) -> str:
    from cnnlang.render.full import render_full

    return "\n\n".join(render_full(d, color) for d in diagnostics)


def _concise(diagnostics: Sequence[Diagnostic], color: bool) -> str:
    from cnnlang.render.line import render_concise

    return "\n".join(map(render_concise, diagnostics))


def _github(diagnostics: Sequence[Diagnostic], color: bool) -> str:
    from cnnlang.render.line import render_github

    return "\n".join(map(render_github, diagnostics))


def _json(diagnostics: Sequence[Diagnostic], color: bool) -> str:
    from cnnlang.render.data import render_json

    return render_json(diagnostics)


def _sarif(diagnostics: Sequence[Diagnostic], color: bool) -> str:
    from cnnlang.render.sarif import render_sarif

    return render_sarif(diagnostics)


FORMATS: dict[str, Callable[[Sequence[Diagnostic], bool], str]] = {
    "full": _full,
    "concise": _concise,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}

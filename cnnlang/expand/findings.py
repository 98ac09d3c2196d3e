"""Findings are collected, not thrown: one run shows every error of a phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cnnlang.diagnostics import Diagnostic, Help, Label
from cnnlang.source import Source, Span

MAX_ERRORS = 20


class Abandon(Exception):
    """What was being expanded cannot go on; the reason has been reported."""


class Findings:
    """The diagnostics of a run, one for each place and code however often the place is expanded."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, int, int], tuple[Diagnostic, int, bool]] = {}
        self.loops = 0  # how many loops the expansion is in now

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        place = (id(span.source), span.start, span.end) if span else (0, 0, 0)
        key = (diagnostic.code, *place)
        if key in self._found:
            first, more, looped = self._found[key]
            self._found[key] = (first, more + 1, looped or self.loops > 0)
        else:
            self._found[key] = (diagnostic, 0, self.loops > 0)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        labels: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
        help: tuple[Help, ...] = (),
        is_note: bool = False,
    ) -> Abandon:
        """Add a finding; the answer may be raised by a caller that cannot go on."""
        self.add(Diagnostic(code, message, span, label, labels, notes, help, is_note=is_note))
        return Abandon()

    @property
    def has_errors(self) -> bool:
        return any(d.is_error for d, _, _ in self._found.values())

    def result(self, allowed: Mapping[Source, Mapping[int, set[str]]]) -> tuple[Diagnostic, ...]:
        """Everything found, in the order of the text, without the lints that the files allow; at most 20 errors."""
        used: set[tuple[Source, int, str]] = set()
        kept: list[Diagnostic] = []
        for diagnostic, more, looped in self._found.values():
            span = diagnostic.span
            if (
                span
                and not diagnostic.is_error
                and diagnostic.code in allowed.get(span.source, {}).get(span.line, set())
            ):
                used.add((span.source, span.line, diagnostic.code))
                continue
            if more:
                words = (
                    f"and {more} more in the same loop" if looped else f"and {more} more where this is expanded again"
                )
                diagnostic = replace(diagnostic, notes=(*diagnostic.notes, words))
            kept.append(diagnostic)
        if not any(d.is_error for d in kept):
            kept.extend(_idle_allows(allowed, used))
        kept.sort(key=lambda d: (d.file_name, d.span.start if d.span else 0, d.code))
        errors = [d for d in kept if d.is_error]
        if len(errors) > MAX_ERRORS:
            last = errors[MAX_ERRORS - 1]
            dropped = set(map(id, errors[MAX_ERRORS:]))
            kept = [d for d in kept if id(d) not in dropped]
            words = f"{len(errors) - MAX_ERRORS} more errors are not shown"
            kept[kept.index(last)] = replace(last, notes=(*last.notes, words))
        return tuple(kept)


def _idle_allows(
    allowed: Mapping[Source, Mapping[int, set[str]]], used: set[tuple[Source, int, str]]
) -> list[Diagnostic]:
    found = []
    for source, lines in allowed.items():
        for line, codes in lines.items():
            text = source.line(line)
            for code in sorted(codes):
                if (source, line, code) not in used:
                    column = text.find(code, text.rfind("#"))
                    start = source.line_starts[line - 1] + column
                    span = Span(source, start, start + len(code))
                    help = (Help("take it away"),)
                    found.append(Diagnostic("W0509", f"`allow {code}` silences nothing", span, help=help))
    return found

"""Findings are collected, not thrown: one run shows every error of a phase."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cnnlang.diagnostics import Diagnostic, Edit, Help, Label
from cnnlang.expand.bounds import MAX_WORK
from cnnlang.expand.cures.removal import without_shape
from cnnlang.source import Source, Span

if TYPE_CHECKING:
    from cnnlang.expand.reached import Reached

MAX_ERRORS = 20  # that are shown
MAX_REPORTED = 2000  # the same for those of a loop, of which one is shown
MAX_LINTS = 100
MAX_MESSAGE = 400  # characters
MAX_FOUND = 100  # errors after which nobody looks for more: the cure of each takes time to find

# Lints on what nobody uses. Next to an error they may be its consequence, so they wait until it is mended.
WAITING = frozenset({"W0501", "W0502", "W0508", "W0509"})

# Lints on what expanding makes: they say nothing of a body that is not expanded.
EXPANDED = frozenset({"W0502", "W0503", "W0504", "W0505", "W0507", "W0510", "W0511"})


class Abandon(Exception):
    """What was being expanded cannot go on; the reason has been reported."""


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."


def _agreed(first: Diagnostic, again: Diagnostic) -> Diagnostic:
    """The first of two findings at one place; where a stated shape is another each time, no one shape mends it."""
    if first.code != "E0204" or first.span is None or [h.edits for h in first.help] == [h.edits for h in again.help]:
        return first
    return replace(first, help=(without_shape(first.span),))


class Enough(Exception):
    """More errors have been found than are shown."""


class Findings:
    """The diagnostics of a run, one for each place and code however often the place is expanded."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, int, int], tuple[Diagnostic, int, bool]] = {}
        self._errors = 0
        self.reported = 0  # errors, each time that one is reported
        self._work = 0
        self.steps = 0  # of expansion
        self.loops = 0  # how many loops the expansion is in now

    def work(self, amount: int, span: Span) -> None:
        """Count the work of computing values; beyond `MAX_WORK` E0311 is reported and all work ends."""
        self._work += amount
        if self._work > MAX_WORK:
            words = "computing the values of this file takes too long: lists are too long, or computed too often"
            self.report("E0311", words, span, help=(Help("compute a value once, with `let`, before the loop"),))
            raise Enough

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Stops the work inside once there are errors enough."""
        with suppress(Enough):
            yield

    def add(self, diagnostic: Diagnostic) -> None:
        self.reported += diagnostic.is_error
        if len(diagnostic.message) > MAX_MESSAGE or any(len(h.text) > MAX_MESSAGE for h in diagnostic.help):
            help = tuple(replace(h, text=_cut(h.text)) for h in diagnostic.help)
            diagnostic = replace(diagnostic, message=_cut(diagnostic.message), help=help)
        span = diagnostic.span
        place = (id(span.source), span.start, span.end) if span else (0, 0, 0)
        key = (diagnostic.code, *place)
        if key in self._found:
            first, more, looped = self._found[key]
            self._found[key] = (_agreed(first, diagnostic), more + 1, looped or self.loops > 0)
            if self.reported >= MAX_REPORTED:
                raise Enough
            return
        self._found[key] = (diagnostic, 0, self.loops > 0)
        self._errors += diagnostic.is_error
        if self._errors >= MAX_FOUND:
            raise Enough

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
        return self._errors > 0

    def result(
        self,
        allowed: Mapping[Source, Mapping[int, set[str]]] | None = None,
        reached: Callable[[], Reached] | None = None,
    ) -> tuple[Diagnostic, ...]:
        """Everything found, in the order of the text, without the lints that the files allow; at most 20 errors.

        `reached` says what was expanded, if that is asked; without it, all was.
        """
        allowed = allowed or {}
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
                least = "at least " if self.reported >= MAX_REPORTED else ""
                where = "in the same loop" if looped else "where this is expanded again"
                words = f"and {least}{more} more {where}"
                diagnostic = replace(diagnostic, notes=(*diagnostic.notes, words))
            kept.append(diagnostic)
        if self._errors:
            kept = [d for d in kept if d.code not in WAITING]
        else:
            kept.extend(_idle_allows(allowed, used, reached))
        kept.sort(key=lambda d: (d.file_name, d.span.start if d.span else 0, d.code))
        kept = _shortened(kept, [d for d in kept if d.is_error], MAX_ERRORS, "errors", self._errors >= MAX_FOUND)
        return tuple(_shortened(kept, [d for d in kept if not d.is_error], MAX_LINTS, "warnings", False))


def _shortened(
    kept: list[Diagnostic], some: list[Diagnostic], most: int, noun: str, is_least: bool
) -> list[Diagnostic]:
    """All findings without those of `some` that are too many; the last that is kept says how many."""
    if len(some) <= most:
        return kept
    last = some[most - 1]
    dropped = set(map(id, some[most:]))
    words = f"{'at least ' if is_least else ''}{len(some) - most} more {noun} are not shown"
    shorter = [d for d in kept if id(d) not in dropped]
    return [replace(d, notes=(*d.notes, words)) if d is last else d for d in shorter]


def _idle_allows(
    allowed: Mapping[Source, Mapping[int, set[str]]],
    used: set[tuple[Source, int, str]],
    reached: Callable[[], Reached] | None,
) -> list[Diagnostic]:
    found = []
    expanded: Reached | None = None
    for source, lines in allowed.items():
        for line, codes in lines.items():
            text = source.line(line)
            for code in sorted(codes):
                if (source, line, code) not in used:
                    if reached is not None and code in EXPANDED:
                        expanded = expanded or reached()
                        if not expanded.line(source, line):
                            continue
                    column = text.find(code, text.rfind("#"))
                    start = source.line_starts[line - 1] + column
                    span = Span(source, start, start + len(code))
                    edit = _without_allow(source, span, line)
                    help = (Help("take it away", (edit,)),)
                    found.append(Diagnostic("W0509", f"`allow {code}` silences nothing", span, help=help))
    return found


def _without_allow(source: Source, span: Span, line: int) -> Edit:
    """The edit that takes a code out of an `allow`, or the whole comment where it is its only one."""
    text = source.line(line)
    comment = re.search(r"[ \t]*#\s*allow[\s,]+W\d{4}[ \t]*$", text)
    first = source.line_starts[line - 1]
    if comment:
        return Edit(Span(source, first + comment.start(), first + len(text)), "")
    before = source.text[first : span.start]
    return Edit(Span(source, first + len(before.rstrip(" \t,")), span.end), "")

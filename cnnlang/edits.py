"""Carrying out cures: texts with edits applied, and which edits of many findings go together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic, Edit, Help
    from cnnlang.source import Source


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """A text with edits carried out; their spans must not overlap, two insertions at one place keep their order.

    Parameters
    ----------
    text
        The text that the edits' spans count in.
    edits
        Edits of this one text, in any order.

    Raises
    ------
    ValueError
        Two edits overlap.
    """
    parts = []
    at = 0
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        if edit.span.start < at:
            msg = "two edits overlap"
            raise ValueError(msg)
        parts += [text[at : edit.span.start], edit.text]
        at = edit.span.end
    return "".join([*parts, text[at:]])


def first_cure(diagnostic: Diagnostic) -> Help | None:
    """The likeliest cure that can be carried out without its author."""
    return next((h for h in diagnostic.help if h.edits), None)


def choose_cures(diagnostics: Iterable[Diagnostic], source: Source) -> list[tuple[Diagnostic, Help]]:
    """The first cure of each finding that changes this source alone and touches nothing that an earlier one changes."""
    chosen: list[tuple[Diagnostic, Help]] = []
    taken: list[tuple[int, int]] = []
    for diagnostic in diagnostics:
        cure = first_cure(diagnostic)
        if cure is None or any(e.span.source is not source for e in cure.edits):
            continue
        spans = [(e.span.start, e.span.end) for e in cure.edits]
        if _apart(spans, taken):
            taken += spans
            chosen.append((diagnostic, cure))
    return chosen


def _apart(spans: Sequence[tuple[int, int]], taken: Sequence[tuple[int, int]]) -> bool:
    """Whether no two touch: an insertion at the border of another change would depend on their order."""
    return all(end < low or high < start for start, end in spans for low, high in taken)

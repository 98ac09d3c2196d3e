"""What is wrong, where, and how to mend it: one object for every way of showing it.

Codes: E01xx syntax, E02xx shapes, E03xx names, arity, types, values and limits, E04xx what a target cannot express,
E06xx files of other formats, W05xx lints. Each code has a page in `cnnlang/explain/`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlang.source import Span


@dataclass(frozen=True, slots=True)
class Label:
    """A place in the text with a few words beside it, as a shape: `[N, 64, 56, 56]`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the characters of a span by a text; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Help:
    """A cure: one sentence, and the edits that carry it out (none where only the author can know)."""

    text: str
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Parameters
    ----------
    code
        `E0203` (an error) or `W0501` (a lint).
    message
        One line: what must hold and what was given. Names stand in back quotes.
    span
        The place it points at; None for a finding about a whole file that cannot be read.
    label
        A few words beside the caret.
    labels
        Other places, each with its words (the branches of a merge and their shapes).
    notes
        Further lines (`the shapes that led here: ...`).
    help
        The cures, the likeliest first.
    file
        The file's name; taken from `span` where there is one.
    is_note
        Whether it is for information only (a `check` section that fails because a parameter was overridden).
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: tuple[Help, ...] = ()
    file: str = ""
    is_note: bool = False

    @property
    def is_error(self) -> bool:
        return self.code.startswith("E") and not self.is_note

    @property
    def severity(self) -> str:
        return "note" if self.is_note else "error" if self.is_error else "warning"

    @property
    def file_name(self) -> str:
        return self.span.source.name if self.span else self.file

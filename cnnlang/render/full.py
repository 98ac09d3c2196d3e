"""A finding as people read it: the lines it is about, what is wrong with them, how it came to that, and the cure.

error[E0203]: `add` needs equal shapes
  --> resnet.cnn:6:3
   |
 6 |   add {
   |   ^^^
 7 |     | conv_bn(width, 1) -> relu -> conv_bn(4*width, 1)
   |       ------------------------------------------------ [N, 256, 56, 56]
   = while expanding bottleneck(width=64) at resnet.cnn:21:5
   = help: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlang.edits import apply_edits
from cnnlang.render.display import printable
from cnnlang.render.snippet import Gutter, Mark, snippet
from cnnlang.render.style import paint

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic, Edit, Help
    from cnnlang.source import Expansion, Source, Span

MAX_EXPANSIONS = 5
MAX_MENDED_LINES = 8


def render_full(diagnostic: Diagnostic, color: bool = False) -> str:
    """A finding with its source lines, several lines of text without a final line end.

    Parameters
    ----------
    color
        Whether to use a terminal's colours; the text is the same without.
    """
    d = diagnostic
    head = paint(f"{d.severity}[{d.code}]", d.severity, color) + paint(f": {printable(d.message)}", "message", color)
    if d.span is None:
        gutter = Gutter(1, color)
        place = [gutter.arrow("-->", printable(d.file))] if d.file else []
        return "\n".join([head, *place, *_notes(d, gutter), *_helps(d, gutter, None)])
    gutter = Gutter(len(str(_last_line(d))), color)
    rows = [head, gutter.arrow("-->", printable(str(d.span))), gutter.blank()]
    marks = {d.span.source: [Mark.of(d.span, "^", d.severity, d.label)]}
    for label in d.labels:
        marks.setdefault(label.span.source, []).append(Mark.of(label.span, "-", "secondary", label.text))
    for source, found in marks.items():
        if source is not d.span.source:
            first = min(found, key=lambda m: m.line)
            rows += [gutter.arrow(":::", printable(f"{source.name}:{first.line}:{first.start + 1}"))]
        rows += snippet(source, found, gutter)
    return "\n".join([*rows, *_notes(d, gutter), *_helps(d, gutter, d.span.source)])


def expansions(span: Span | None) -> list[Expansion]:
    """The expansions that led to a place, the innermost first."""
    found = []
    within = span.within if span else None
    while within:
        found.append(within)
        within = within.call.within
    return found


def _last_line(d: Diagnostic) -> int:
    spans = [d.span, *(label.span for label in d.labels)]
    shown = [s.line for s in spans if s]
    mended = [e.span.line + e.text.count("\n") for h in d.help for e in h.edits]
    return max([*shown, *mended])


def _notes(d: Diagnostic, gutter: Gutter) -> list[str]:
    stack = expansions(d.span)
    rows = [
        gutter.note("", "plain", f"while expanding {printable(e.text)} at {e.call}") for e in stack[:MAX_EXPANSIONS]
    ]
    if len(stack) > MAX_EXPANSIONS:
        rows.append(gutter.note("", "plain", f"and {len(stack) - MAX_EXPANSIONS} more"))
    return rows + [gutter.note("note: ", "message", note) for note in d.notes]


def _helps(d: Diagnostic, gutter: Gutter, source: Source | None) -> list[str]:
    rows = []
    for cure in d.help:
        rows.append(gutter.note("help: ", "help", cure.text))
        if cure.edits:
            rows += _mended(cure, gutter, source)
    return rows


def _mended(cure: Help, gutter: Gutter, shown: Source | None) -> list[str]:
    """The lines that a cure changes, as they would be."""
    from cnnlang.source import Source

    rows = []
    for source in dict.fromkeys(e.span.source for e in cure.edits):
        edits = sorted((e for e in cure.edits if e.span.source is source), key=lambda e: (e.span.start, e.span.end))
        after = Source(source.name, apply_edits(source.text, edits), source.path)
        marks, lines = _changes(after, edits)
        kept = set(sorted(lines | {m.line for m in marks})[:MAX_MENDED_LINES])
        rows += [gutter.arrow(":::", printable(source.name))] if source is not shown else []
        gone = [gutter.removed(n, printable(source.line(n))) for e in edits for n in _whole_lines(e)]
        rows += [gutter.blank(), *gone[:MAX_MENDED_LINES]]
        rows += snippet(after, [m for m in marks if m.line in kept], gutter, kept)
    return rows


def _whole_lines(edit: Edit) -> range:
    """The numbers of the lines of which an edit leaves nothing."""
    source, span = edit.span.source, edit.span
    (first, column), (last, end_column) = source.position(span.start), source.position(span.end)
    before, after = source.line(first)[: column - 1], source.line(last)[end_column - 1 :]
    if edit.text or not span.text.strip() or before.strip():
        return range(0)
    if end_column == 1 and last > first:  # its last line end goes too, and the next line stays
        return range(first, last)
    return range(0) if after.strip() else range(first, last + 1)


def _changes(after: Source, edits: list[Edit]) -> tuple[list[Mark], set[int]]:
    """What of the mended text is new (`+`) or takes another's place (`~`), and the lines to show."""
    marks: list[Mark] = []
    lines: set[int] = set()
    shift = 0
    for edit in edits:
        old, new = edit.span.text, edit.text
        skip, drop = _common(old, new)
        sign = "+" if len(old) == skip + drop else "~"
        start = edit.span.start + shift
        shift += len(new) - len(old)
        if _whole_lines(edit):
            continue
        at = start
        for piece in new.split("\n"):
            low, high = max(at, start + skip), min(at + len(piece), start + len(new) - drop)
            line, column = after.position(at)
            at += len(piece) + 1
            blank = len(after.text[low:high]) - len(after.text[low:high].lstrip())
            low += blank
            if after.line(line).strip() or not new:
                lines.add(line)
            if not new:
                marks.append(Mark(line, column - 1, column - 1, "", "added"))  # where of a long line to look
            if low < high:
                start_column = column - 1 + low - (at - len(piece) - 1)
                length = len(after.text[low:high].rstrip())
                marks.append(Mark(line, start_column, start_column + length, sign, "added"))
    return marks, lines


def _common(old: str, new: str) -> tuple[int, int]:
    """How many characters of two texts agree at the start and at the end, at borders of words."""
    if not old:
        return 0, 0
    most = min(len(old), len(new))
    skip = next((i for i in range(most) if old[i] != new[i]), most)
    while skip and _inside_word(old, skip) | _inside_word(new, skip):
        skip -= 1
    most -= skip
    drop = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    while drop and _inside_word(old, len(old) - drop) | _inside_word(new, len(new) - drop):
        drop -= 1
    return skip, drop


def _inside_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and all(c.isalnum() or c in "_." for c in text[at - 1 : at + 1])

"""Edits that take something away, put something in, or move it, with the commas, arrows and lines that go with it."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.diagnostics import Edit, Help
from cnnlang.source import Span
from cnnlang.syntax import tree


def at(span: Span, offset: int) -> Span:
    """The empty span at an offset, for an insertion."""
    return Span(span.source, offset, offset)


def remove_item(items: Sequence[tree.Tree], item: tree.Tree) -> Edit:
    """Take one of several items away, with a comma between it and its neighbour."""
    i = next(k for k, each in enumerate(items) if each is item)
    source = item.span.source
    if i > 0:
        return Edit(Span(source, items[i - 1].span.end, item.span.end), "")
    if len(items) > 1:
        return Edit(Span(source, item.span.start, items[1].span.start), "")
    return Edit(item.span, "")


def remove_argument(arguments: Sequence[tree.Argument], argument: tree.Argument) -> Edit:
    """Take an argument away; where it is the only one, the parentheses too."""
    text, span = argument.span.source.text, argument.span
    before, after = text[: span.start].rstrip(), text[span.end :]
    rest = after.lstrip(", \n\t")
    if len(arguments) == 1 and before.endswith("(") and rest.startswith(")"):
        return Edit(Span(span.source, len(before) - 1, len(text) - len(rest) + 1), "")
    return remove_item(arguments, argument)


def remove_entry(entries: Sequence[tree.Entry], entry: tree.Entry) -> Edit:
    """The edit that takes an entry away with one comma: what joins it to a neighbour on its line, or its whole line."""
    source, start, end = entry.span.source, entry.span.start, entry.span.end
    text = source.text
    i = next(k for k, e in enumerate(entries) if e is entry)
    if i > 0 and "\n" not in text[entries[i - 1].span.end : start]:
        return Edit(Span(source, entries[i - 1].span.end, end), "")
    if i + 1 < len(entries) and "\n" not in text[end : entries[i + 1].span.start]:
        return Edit(Span(source, start, entries[i + 1].span.start), "")
    rest = text[end:].lstrip(" \t")
    if rest.startswith(","):
        end = len(text) - len(rest) + 1
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    if line_end >= 0 and not text[line_start:start].strip() and not text[end:line_end].strip():
        return Edit(Span(source, line_start, line_end + 1), "")
    return Edit(Span(source, start, end), "")


def remove_statement(span: Span) -> Edit:
    """Take a statement away; where it has its lines to itself, with these and a comment at their end."""
    text = span.source.text
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end + 1
    after = text[span.end : end].strip()
    if text[start : span.start].strip() or (after and not after.startswith("#")):
        return Edit(Span(span.source, span.start, span.end), "")
    return Edit(Span(span.source, start, end), "")


def remove_step(span: Span) -> Edit:
    """Take a step away with the arrow before it; of the first step of a line or branch, with the one after it."""
    text = span.source.text
    before = text[: span.start].rstrip()
    if before.endswith("->"):
        return Edit(Span(span.source, len(before[:-2].rstrip()), span.end), "")
    rest = text[span.end :]
    after = rest.lstrip()
    if after.startswith("->"):
        kept = after[2:].lstrip()
        return Edit(Span(span.source, span.start, len(text) - len(kept)), "")
    if before.endswith("|"):  # a branch of nothing else is what enters the merge
        return Edit(span, "in")
    return remove_statement(span)


def remove_label(step: tree.Step) -> Edit:
    """Take `as name` away from a step."""
    assert step.label is not None
    named = step.times if step.times is not None else step.action
    text = step.span.source.text
    start = text.rfind("as", named.span.end, step.label.span.start)
    return Edit(Span(step.span.source, len(text[:start].rstrip()), step.label.span.end), "")


def without_shape(sizes: Span) -> Help:
    """The cure for a step's shape that is another each time: nothing in place of `: [N, 8, 32, 32]`."""
    text = sizes.source.text
    start, end = text.rfind(":", 0, sizes.start), text.find("]", sizes.end) + 1
    words = "take it away: the shape is another each time"
    if start < 0 or end <= 0:
        return Help(words)
    return Help(words, (Edit(Span(sizes.source, len(text[:start].rstrip()), end), ""),))


def top_of(body: tree.Net | tree.Block, text: str) -> Edit:
    """Put a line at the top of a body."""
    source = body.span.source
    end = body.parameters[-1].span.end if body.parameters else body.name.span.end
    brace = source.text.index("{", end)
    same_line = source.text[brace + 1 :].split("\n", 1)[0].split("#", 1)[0].strip()
    return Edit(at(body.span, brace + 1), f"\n  {text}" + ("\n " if same_line else ""))


def end_of(body: tree.Net | tree.Block, text: str) -> Edit:
    """Put a line at the end of a body."""
    source, brace = body.span.source, body.span.end - 1
    line = source.text.rfind("\n", 0, brace) + 1
    if source.text[line:brace].strip():
        return Edit(at(body.span, brace), f"\n  {text}\n")
    return Edit(at(body.span, line), f"  {text}\n")


def end_of_line(span: Span, text: str) -> Edit:
    """Put a text at the end of the line in which a span begins."""
    end = span.source.text.find("\n", span.start)
    end = len(span.source.text) if end < 0 else end
    return Edit(at(span, len(span.source.text[:end].rstrip())), text)

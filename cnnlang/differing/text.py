"""A comparison of two nets in two columns, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from cnnlang.analysis import params
from cnnlang.differing.changes import Argument, Comparison, Hunk, Row
from cnnlang.differing.steps import Step
from cnnlang.ir import Graph
from cnnlang.render.display import display_width, printable
from cnnlang.render.jsontext import json_text
from cnnlang.render.style import paint

WIDTH = 80  # columns, where there is no terminal
MOST_WIDTH = 120
MAX_ROWS = 9  # of one part; of a longer one the middle is left out
MAX_HUNKS = 8
MAX_ALIKE = 4  # further places that are named
LEAST_PLACE = 10  # columns; a place with fewer stands on a line of its own
SIGNS = {"equal": " ", "changed": "|", "rewired": "~", "removed": "<", "added": ">"}


def comparison_text(
    found: Comparison,
    graphs: tuple[Graph, Graph],
    files: tuple[str, str],
    width: int | None = None,
    color: bool = False,
) -> str:
    """The parts that differ, side by side, and a last line that sums them up.

    Parameters
    ----------
    graphs, files
        The nets and what their files are called.
    width
        The columns of the terminal; 80 where there is none.
    color
        Whether to use a terminal's colours.
    """
    if found.are_equal:
        return "\n".join([summary(found), *_counts(graphs)])
    column = (min(width or WIDTH, MOST_WIDTH) - 3) // 2
    sides = list(zip(graphs, files, (found.left, found.right), strict=True))
    names = [_cut(printable(f"{g.name} ({f})"), column) for g, f, _ in sides]
    counts = [_cut(f"{_many(params(g), 'param')}, {_many(s.layers, 'layer')}", column) for g, _, s in sides]
    lines = [_beside([paint(n, "message", color) for n in names], " ", column, names), _beside(counts, " ", column), ""]
    hunks = found.hunks()
    for hunk in hunks[:MAX_HUNKS]:
        lines += [*_hunk(hunk, column, color), ""]
    if len(hunks) > MAX_HUNKS:
        rest = len(hunks) - MAX_HUNKS
        lines += [f"... and {rest} more part{'s' * (rest != 1)} that differ{'s' * (rest == 1)}", ""]
    return "\n".join([*lines, summary(found)])


def summary(found: Comparison) -> str:
    """`equal: 54 layers in 122 steps`, or how many differ and how."""
    changes = found.changes
    steps = sum(1 for r in found.rows if r.left and r.left.inputs)
    if not changes:
        count = found.left.layers
        return f"equal: {_many(count, 'layer')} in {_many(steps, 'step')}"
    layers = [r for r in changes if r.is_layer]
    only_layers = len(layers) == len(changes) and all(r.kind == "changed" for r in changes)
    noun, total = ("layer", found.left.layers) if only_layers else ("step", max(steps, 1))
    changed = [r for r in changes if r.kind in ("changed", "rewired")]
    parts = []
    if changed:
        verb = "differs" if len(changed) == 1 else "differ"
        parts.append(f"{len(changed)} of {total} {noun}{'s' * (total != 1)} {verb}{_how(changed)}")
    for kind, side in (("removed", "first"), ("added", "second")):
        alone = [r for r in changes if r.kind == kind]
        if alone:
            parts.append(f"{len(alone)} step{'s' * (len(alone) != 1)} only in the {side} net{_which(alone)}")
    return "; ".join(parts)


def _counts(graphs: tuple[Graph, Graph]) -> list[str]:
    """Why equal nets have different numbers of parameters, where they have."""
    left, right = map(params, graphs)
    if left == right:
        return []
    return [f"params: {left:,} against {right:,}, for a bn, or the bias before it, is folded into its layer in one"]


def comparison_json(found: Comparison, graphs: tuple[Graph, Graph], files: tuple[str, str]) -> str:
    """The same for programs: every row that differs."""
    nets = [
        {"net": g.name, "file": f, "params": params(g), "layers": s.layers}
        for g, f, s in zip(graphs, files, (found.left, found.right), strict=True)
    ]
    data = {
        "format_version": 1,
        "equal": found.are_equal,
        "summary": summary(found),
        "a": nets[0],
        "b": nets[1],
        "differences": [_row_data(r) for r in found.changes],
    }
    return json_text(data)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _how(changed: Sequence[Row]) -> str:
    """What differs, where that is one or two things: `: stride 1 against 2`."""
    ways = dict.fromkeys(_told(r) for r in changed)
    return f": {'; '.join(ways)}" if len(ways) <= 2 else ""


def _which(rows: Sequence[Row]) -> str:
    texts = dict.fromkeys(f"`{_call(r.left or r.right)}`" for r in rows)
    return f": {', '.join(texts)}" if len(texts) <= 2 else ""


def _call(step: Step | None) -> str:
    assert step is not None
    return printable(str(step.node.op))


def _told(row: Row) -> str:
    """How one row differs, in words."""
    assert row.left is not None
    assert row.right is not None
    if row.left.kind != row.right.kind:
        return f"`{_call(row.left)}` against `{_call(row.right)}`"
    parts = [str(a) for a in row.arguments]
    return ", ".join([*parts, *([f"`{row.left.kind}`: {row.wiring}"] if row.wiring else [])])


# --- columns ----------------------------------------------------------------------------------------------------------


def _hunk(hunk: Hunk, column: int, color: bool) -> Iterator[str]:
    rows = hunk.rows
    if len(rows) > MAX_ROWS:
        head, tail = rows[: MAX_ROWS - 3], rows[-2:]
        gone = len(rows) - len(head) - len(tail)
        yield from (line for row in head for line in _row(row, column, color))
        yield paint(f"  ... {_many(gone, 'more step')} ...", "gutter", color)
        rows = tail
    for row in rows:
        yield from _row(row, column, color)
    if hunk.alike:
        places = [_place(next(r for r in h.changes)) for h in hunk.alike]
        named = ", ".join(places[:MAX_ALIKE]) + (", ..." if len(places) > MAX_ALIKE else "")
        count = len(places)
        text = f"the same {count} more time{'s' * (count != 1)}, at {named}"
        yield from textwrap.wrap(text, 2 * column + 3, initial_indent="= ", subsequent_indent="  ")


def _place(row: Row) -> str:
    step = row.left or row.right
    assert step is not None
    node, span = step.node, step.node.span
    if node.name != node.op.name or span is None:
        return printable(node.name)
    return printable(str(span.within.call if span.within else span))


def _row(row: Row, column: int, color: bool) -> Iterator[str]:
    kind = row.kind
    left, right = (_cell(s, row, i, column) for i, s in enumerate((row.left, row.right)))
    height = max(len(left), len(right))
    for i in range(height):
        pair = [side[i] if i < len(side) else ("", "plain") for side in (left, right)]
        sign = SIGNS[kind] if i == 0 else " "
        painted = [paint(text, role, color) for text, role in pair]
        yield _beside(painted, sign, column, [text for text, _ in pair], color)
    if row.wiring:
        yield paint(f"  = {row.wiring}", "message", color)


def _cell(step: Step | None, row: Row, side: int, column: int) -> list[tuple[str, str]]:
    """The lines of one step in its column: what it is, carets under what differs, where it stands and its shape."""
    if step is None:
        return []
    role = {"equal": "plain", "removed": "error", "added": "added"}.get(row.kind, "message")
    text = printable(str(step)) if step.inputs else f"input {printable(step.node.name)}"
    carets = _carets(text, step, row.arguments) if row.kind == "changed" else ""
    lines: list[tuple[str, str]] = []
    at = 0
    for number, piece in enumerate(textwrap.wrap(text, column - 2, break_on_hyphens=False)):
        indent = "  " if number else ""
        at = text.index(piece, at)
        below = carets[at : at + len(piece)].rstrip()
        at += len(piece)
        lines.append((indent + piece, role))
        if below:
            lines.append((indent + below, "error"))
    place = f"{step.node.span.source.name}:{step.node.span.line}" if step.node.span else step.node.name
    shape = _cut(str(step.type), column - 2)
    room = column - display_width(shape) - 4
    if room < LEAST_PLACE:
        lines.append((f"  {_cut_left(printable(place), column - 2)}", "gutter"))
        lines.append((f"  {shape}", "gutter"))
    else:
        lines.append((f"  {_cut_left(printable(place), room)}  {shape}", "gutter"))
    return lines


def _carets(text: str, step: Step, arguments: Sequence[Argument]) -> str:
    """Carets under the arguments that differ; under the whole call where the operators do."""
    op = step.node.op
    call = printable(str(op))
    start = text.find(call)
    if start < 0:
        return ""
    if not arguments:
        return " " * start + "^" * len(call)
    marks = [" "] * len(text)
    names = {a.name for a in arguments}
    fields = op.fields()
    at = start + len(op.name) + 1
    for number, part in enumerate(_parts(call[len(op.name) + 1 : -1])):
        name, equals, _ = part.partition("=")
        own = name.strip() if equals else fields[number].name if number < len(fields) else ""
        if own in names:
            blank = len(part) - len(part.lstrip())
            marks[at + blank : at + len(part)] = "^" * (len(part) - blank)
        at += len(part) + 1
    return "".join(marks)


def _parts(inside: str) -> Iterator[str]:
    """The arguments of a call as written, cut at the commas outside brackets."""
    depth, start = 0, 0
    for i, char in enumerate(inside):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            yield inside[start:i]
            start = i + 1
    if inside:
        yield inside[start:]


def _beside(
    texts: Sequence[str], sign: str, column: int, plain: Sequence[str] | None = None, color: bool = False
) -> str:
    """Two texts in their columns, with a sign between; `plain` are the texts without colours, for their widths."""
    left = (plain or texts)[0]
    space = " " * max(column - display_width(left), 0)
    role = {"|": "warning", "~": "warning", "<": "error", ">": "added"}.get(sign, "plain")
    return f"{texts[0]}{space} {paint(sign, role, color)} {texts[1]}".rstrip()


def _cut(text: str, width: int) -> str:
    while display_width(text) > width:
        text = text[:-4] + "..." if text.endswith("...") else text[:-3] + "..."
    return text


def _cut_left(text: str, width: int) -> str:
    """The end of a long name, which tells it from others."""
    if display_width(text) <= width:
        return text
    kept = text
    while kept and display_width(kept) > max(width - 3, 1):
        kept = kept[1:]
    return f"...{kept}"


# --- data -------------------------------------------------------------------------------------------------------------


def _row_data(row: Row) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": row.kind, "a": _step_data(row.left), "b": _step_data(row.right)}
    if row.arguments:
        data["arguments"] = [{"name": a.name, "a": a.left, "b": a.right} for a in row.arguments]
    if row.wiring:
        data["wiring"] = row.wiring
    return data


def _step_data(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    span = step.node.span
    return {
        "step": str(step),
        "name": step.node.name,
        "file": span.source.name if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "shape": [d if isinstance(d, int) else str(d) for d in step.type.shape],
    }

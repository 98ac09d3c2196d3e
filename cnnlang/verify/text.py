"""A verification as a table for people, and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnlang.render import render_full
from cnnlang.render.display import printable
from cnnlang.render.full import expansions
from cnnlang.render.jsontext import json_text
from cnnlang.render.snippet import Gutter, Mark, snippet
from cnnlang.render.style import paint
from cnnlang.summary.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnlang.ir import Node
    from cnnlang.verify.departure import Departure
    from cnnlang.verify.verification import Verdict, Verification

WORDS = {
    "agrees": "agrees",
    "departs": "DEPARTS",
    "unsteady": "unsteady",
    "fails": "FAILS",
    "refuses": "refuses",
    "absent": "not installed",
}
MAX_SUSPECTS = 8
MAX_EXPANSIONS = 3


def verification_text(found: Verification, weights: str, width: int | None = None, color: bool = False) -> str:
    """The table, what it rests on, and where each target that departs does so first.

    Parameters
    ----------
    weights
        What the weights are, in words.
    width
        The columns of the terminal; None where there is no limit.
    color
        Whether to use a terminal's colours.
    """
    program = found.program
    head = f"{printable(program.name)} ({printable(program.definition.span.source.name)})"
    headings = ["target", "version", "difference", "relative", "time", "verdict"]
    grid = Grid(headings, [_cells(v) for v in found.verdicts], [False, False, True, True, True, False], {1: 8})
    lines = [head, "", grid.text(width, color), "", *_ground(found, weights)]
    for verdict in found.verdicts:
        told = _told(verdict, color)
        if told:
            lines += ["", *told]
    return "\n".join(lines)


def verification_data(found: Verification) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "net": found.program.name,
        "file": found.program.definition.span.source.name,
        "inputs": found.inputs,
        "batches": list(found.batches),
        "sizes": dict(found.sizes),
        "tolerance": found.tolerance,
        "largest": _plain(found.largest),
        "finite": found.finite,
        "targets": [_verdict_data(v) for v in found.verdicts],
    }


def verifications_json(found: Sequence[Verification], weights: str) -> str:
    """Verifications as JSON."""
    nets = [verification_data(f) for f in found]
    return json_text(
        {"format_version": 1, "weights": weights, "agree": not any(f.is_wrong for f in found), "nets": nets}
    )


def _cells(verdict: Verdict) -> list[str]:
    difference = verdict.difference
    numbers = ["", ""]
    if difference is not None and not difference.problem:
        numbers = [f"{difference.absolute:.1e}", f"{difference.relative:.1e}"]
    seconds = "" if verdict.seconds is None else _duration(verdict.seconds)
    return [verdict.target, verdict.version, *numbers, seconds, WORDS[verdict.status]]


def _duration(seconds: float) -> str:
    value = seconds * 1000
    return f"{seconds:.1f} s" if seconds >= 1 else f"{value:.0f} ms" if value >= 10 else f"{value:.2g} ms"


def _ground(found: Verification, weights: str) -> list[str]:
    samples = " and ".join(map(str, found.batches))
    drawn = "one random input" if found.inputs == 1 else f"{found.inputs} random inputs"
    many = "samples" if found.batches != (1,) else "sample"
    sizes = ", ".join(f"{name} = {value}" for name, value in found.sizes.items())
    told = [] if found.finite == 1 else [f"note: {1 - found.finite:.0%} of the reference's numbers are not finite"]
    bound, largest = f"{found.tolerance:g}", f"{found.largest:.4g}"
    return [
        f"weights: {weights}",
        f"input: {drawn} of {samples} {many}{f', {sizes}' if sizes else ''}; times are for one sample",
        f"agrees: nowhere further from the float64 reference than {bound} of its largest number, {largest}",
        *told,
    ]


def _told(verdict: Verdict, color: bool) -> list[str]:
    """What there is to say about one target beside its row."""
    name = verdict.target
    match verdict.status:
        case "absent":
            return [f"{paint('note', 'note', color)}: {verdict.message}"]
        case "refuses":
            return [render_full(d, color) for d in verdict.findings]
        case "fails":
            return [f"{paint('error', 'error', color)}: {name}: {printable(verdict.message)}"]
        case "departs" | "unsteady":
            lines = _departure(verdict, color)
            if verdict.status == "unsteady":
                note = paint("note", "note", color)
                lines.append(f"{note}: rounding to float32 on the way moves the reference itself too far: with these")
                lines.append("weights nothing can be said about the target")
            return lines
    return []


def _departure(verdict: Verdict, color: bool) -> list[str]:
    departure, difference = verdict.departure, verdict.difference
    assert difference is not None
    if departure is None:
        return [f"{paint('error', 'error', color)}: {verdict.target}: output {verdict.output}: {difference}"]
    node = departure.node
    head = paint("error", "error", color) + paint(
        f": {verdict.target} departs first at {_called(node)}", "message", color
    )
    spans = {n: n.span for n in departure.suspects if n.span is not None}
    gutter = Gutter(max((len(str(s.line)) for s in spans.values()), default=1), color)
    rows = [head]
    if node.span is not None:
        rows += [gutter.arrow("-->", printable(str(node.span))), gutter.blank()]
        marks = [Mark.of(node.span, "^", "error", _numbers(departure))]
        places = {(node.span.source, node.span.start, node.span.end)}
        for suspect, span in spans.items():
            place = (span.source, span.start, span.end)
            if suspect is not node and span.source is node.span.source and place not in places:
                places.add(place)
                marks.append(Mark.of(span, "-", "secondary"))
        rows += snippet(node.span.source, marks, gutter)
        stack = expansions(node.span)
        rows += [
            gutter.note("", "plain", f"while expanding {printable(e.text)} at {e.call}") for e in stack[:MAX_EXPANSIONS]
        ]
    rows += [gutter.note("", "plain", line) for line in _facts(verdict.target, departure)]
    return rows


def _called(node: Node) -> str:
    """`layer1.0.conv1`, or the step itself where nothing has a name."""
    return f"`{node.name}`" if node.name != node.op.name else f"`{node.op}`"


def _numbers(departure: Departure) -> str:
    difference = departure.difference
    return difference.problem or f"differs by {difference.absolute:.2g}"


def _facts(target: str, departure: Departure) -> list[str]:
    rows = []
    width = max(len(target), len("reference"))
    for name, values in (("reference", departure.reference), (target, departure.actual)):
        text = f"from {values[0]:.6g} to {values[1]:.6g}" if values else "no finite numbers"
        rows.append(f"{name:<{width}}  {text}")
    if departure.difference.place is not None:
        rows.append(f"they are furthest apart at {list(departure.difference.place)} of {departure.node.type}")
    others = departure.suspects
    if len(others) > 1:
        steps = " -> ".join(str(n.op) for n in others[:MAX_SUSPECTS])
        more = f" and {len(others) - MAX_SUSPECTS} more" if len(others) > MAX_SUSPECTS else ""
        rows.append(f"what came in agrees; one of these steps departs: {steps}{more}")
    else:
        rows.append(f"what came in agrees: it is `{departure.node.op}` itself")
    return rows


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    data: dict[str, Any] = {"target": verdict.target, "status": verdict.status}
    if verdict.version:
        data["version"] = verdict.version
    if verdict.message:
        data["message"] = verdict.message
    if verdict.difference is not None:
        data |= {
            "difference": _plain(verdict.difference.absolute),
            "relative": _plain(verdict.difference.relative),
            "output": verdict.output,
        }
        if verdict.difference.problem:
            data["problem"] = verdict.difference.problem
    if verdict.seconds is not None:
        data["seconds_a_sample"] = verdict.seconds
    if verdict.findings:
        data["findings"] = [
            {"code": d.code, "message": d.message, "place": str(d.span or d.file)} for d in verdict.findings
        ]
    if verdict.departure is not None:
        data["departure"] = _departure_data(verdict.departure)
    return data


def _departure_data(departure: Departure) -> dict[str, Any]:
    node = departure.node
    return {
        "name": node.name,
        "operator": str(node.op),
        "place": str(node.span) if node.span else None,
        "suspects": [str(n.op) for n in departure.suspects],
        "difference": _plain(departure.difference.absolute),
        "problem": departure.difference.problem,
        "actual": list(departure.actual) if departure.actual else None,
        "reference": list(departure.reference) if departure.reference else None,
    }


def _plain(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)

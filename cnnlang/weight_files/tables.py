"""Proposals and comparisons as text, for terminals and as maps."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from cnnlang.render.display import printable
from cnnlang.render.jsontext import json_text
from cnnlang.summary.grid import Grid
from cnnlang.weight_files.comparing import Comparison, Difference, Shape
from cnnlang.weight_files.judging import Row
from cnnlang.weight_files.mapping import NOBODY, Line
from cnnlang.weight_files.proposal import Proposal

TOP = 20  # differences that are shown unless all are asked for
LISTED = 10
LAID_OUT = {"keras": "laid out as Keras does", "transposed": "transposed"}
COMMON = {
    "keras": "kernels lie as Keras lays them out: [h, w, in, out] and [in, out]",
    "transposed": "dense kernels are transposed: [in, out]",
}


def proposal_table(proposal: Proposal, source: str, net: str, width: int | None = None, color: bool = False) -> str:
    """What may be what: a row for each layer, and how sure it is."""
    parts = []
    if proposal.rows:
        common = proposal.layout
        cells = [[row.theirs, row.ours, _shape(row.shape), _why(row, common)] for row in proposal.rows]
        table = Grid(["theirs", "ours", "shape", "why"], cells, [False] * 4, {3: 18, 0: 16, 1: 16})
        parts.append(f"{printable(source)} for {net}\n\n{table.text(width, color)}")
        parts += [_filled(f"{COMMON[common]}; the map says so, `{common}`", width)] if common else []
    parts += [_list("weights of the net for which nothing fits", proposal.missing)] if proposal.missing else []
    parts += [_list("arrays of the file that fit nothing", proposal.unused)] if proposal.unused else []
    parts.append(_filled(proposal_summary(proposal), width))
    return "\n\n".join(parts)


def proposal_summary(proposal: Proposal) -> str:
    """One line: how many are sure, and how many are not."""
    doubtful = sum(not row.is_sure for row in proposal.rows)
    counts = [f"{len(proposal.rows) - doubtful:,} of {counted(len(proposal.rows), 'layer')} sure"]
    counts += [f"{doubtful:,} to look at (marked ?)"] if doubtful else []
    counts += [f"{counted(len(proposal.missing), 'weight')} missing"] if proposal.missing else []
    counts += [f"{counted(len(proposal.unused), 'array')} unused"] if proposal.unused else []
    return "; ".join(counts)


def map_text(proposal: Proposal, source: str, net: str) -> str:
    """A proposal as a map, with how sure each layer is as a comment before it."""
    lines = [f"# weights of {printable(source)} for {net}: theirs, ours, and how they lie where that differs"]
    for row in proposal.rows:
        lines += ["", f"# {_why(row, '')}", *(line.text for line in row.lines)]
    if proposal.missing:
        lines += ["", "# nothing fits these weights of the net"]
        lines += [f"# ... {path}" for path in proposal.missing]
    if proposal.unused:
        lines += ["", "# nobody wants these arrays of the file; without the `#` they are left out"]
        lines += [f"# {Line(name, NOBODY).text}" for name in proposal.unused]
    return "\n".join(lines) + "\n"


def _why(row: Row, common: str) -> str:
    """Why two layers may be one, `?` before it where that is doubtful; not how they lie where all lie so."""
    layouts = dict.fromkeys(line.layout for line in row.lines if line.layout not in ("", common))
    absent = [f"no {line.ours.rpartition('.')[2]}: all {line.theirs[1:]}" for line in row.lines if line.is_constant]
    text = "; ".join([row.why, *(LAID_OUT[layout] for layout in layouts), *absent])
    return text if row.is_sure else f"? {text}"


def comparison_text(
    found: Comparison, names: tuple[str, str], tolerance: float, top: int | None, width: int | None, color: bool
) -> str:
    """What differs, the largest first, and a line that sums it up.

    Parameters
    ----------
    top
        How many differences to show; None for all arrays, equal ones too.
    """
    shown = list(found.compared) if top is None else found.differing(tolerance)[:top]
    parts = []
    for name, only in zip(names, (found.only_left, found.only_right), strict=True):
        if only:
            parts.append(_list(f"only in {printable(name)}", [f"{n} {_shape(s)}" for n, s in only], top is None))
    if found.reshaped:
        lines = [f"{n}: {_shape(a)} and {_shape(b)}" for n, a, b in found.reshaped]
        parts.append(_list("of other shapes", lines, top is None))
    if shown:
        headings = ["weight", "shape", "difference", "relative"]
        cells = [[d.name, _shape(d.shape), _number(d.absolute), _number(d.relative)] for d in shown]
        parts.append(Grid(headings, cells, [False, False, True, True], {0: 24}).text(width, color))
    return "\n\n".join([*parts, _filled(comparison_summary(found, tolerance, len(shown)), width)])


def comparison_summary(found: Comparison, tolerance: float, shown: int) -> str:
    """How many arrays differ, and by how much."""
    differing = found.differing(tolerance)
    within = f" by more than {tolerance:g}" if tolerance else ""
    count = f"{counted(len(found.compared), 'array')} in both"
    if not found.compared:
        text = "no arrays in both"
    elif not differing:
        text = f"{count}, all equal" if not tolerance else f"{count}, none differs{within}"
    else:
        text = f"{count}, {len(differing):,} differ{within}, the most {printable(differing[0].name)}"
    if len(differing) > shown:
        text += f"; {len(differing) - shown:,} more with --all"
    if found.left_out:
        text += f"; {counted(found.left_out, 'array')} of other types than floats left out"
    return text


def comparison_json(found: Comparison, names: tuple[str, str], tolerance: float) -> str:
    """The same for programs; infinite differences are the text `inf`."""
    data = {
        "format_version": 1,
        "files": list(names),
        "tolerance": tolerance,
        "equal": found.is_equal(tolerance),
        "only": [[{"name": n, "shape": list(s)} for n, s in only] for only in (found.only_left, found.only_right)],
        "reshaped": [{"name": n, "shapes": [list(a), list(b)]} for n, a, b in found.reshaped],
        "compared": [_data(difference) for difference in found.compared],
        "left_out": found.left_out,
    }
    return json_text(data)


def _data(found: Difference) -> dict[str, Any]:
    numbers = {"absolute": found.absolute, "relative": found.relative}
    plain = {name: number if math.isfinite(number) else str(number) for name, number in numbers.items()}
    return {"name": found.name, "shape": list(found.shape), **plain}


def _filled(sentence: str, width: int | None) -> str:
    return textwrap.fill(sentence, width) if width else sentence


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a number"


def _number(value: float) -> str:
    return "0" if not value else f"{value:.2e}"


def counted(count: int, noun: str) -> str:
    """`1 array`, `2 arrays`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _list(title: str, lines: Sequence[str] | Iterable[str], is_whole: bool = False) -> str:
    lines = list(lines)
    shown = lines if is_whole else lines[:LISTED]
    more = [f"  and {len(lines) - len(shown):,} more"] if len(lines) > len(shown) else []
    return "\n".join([f"{title} ({len(lines):,}):", *(f"  {printable(line)}" for line in shown), *more])

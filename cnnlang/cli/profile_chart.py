"""The chart of `cnnlang profile`: a bar for each layer, as long as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlang.svg import Drawing

if TYPE_CHECKING:
    from cnnlang.backends.numba_cpu.profile import Profile, Row
    from cnnlang.cli.profile import Unit

WIDTH, MARGIN = 920, 24
LETTER = 7.3  # the width of a name's letters
BARS_END = 590
STEP, BAR = 20, 13  # from a layer to the next, and how thick its bar is
LONGEST_NAME = 30
FEW = 40  # layers that are all drawn; of more, those that take less than a 500th stand together
LEAST = 1 / 500
COLUMNS = (650, 730, 805, 896)  # where the numbers end
KINDS = (("direct", "blue"), ("Winograd", "orange"), ("depthwise", "green"), ("pool", "purple"))
OTHER = "grey"


def chart_svg(found: Profile, name: str, threads: str, time: Unit, size: Unit) -> str:
    """The text of an SVG file."""
    rows, rest = drawn(found)
    count = len(rest)
    title = f"{name}: {time.of(found.seconds)} {time.name} a call, {threads}"
    to = Drawing(WIDTH, title)
    to.text(MARGIN, 36, title, size=18, bold=True)
    to.text(
        MARGIN, 57,
        f"{found.gflops:.0f} of {found.peak:.0f} GFLOP/s that this processor can do at most; "
        f"{size.of(found.arena)} {size.name} for values",
        "faint",
    )  # fmt: skip
    used = [color for row in rows for color in [color_of(row.kernel)]]
    x = MARGIN
    for kind, color in (*KINDS, ("everything else", OTHER)):
        if color in used or (color == OTHER and count):
            to.bar(x, 72, 11, 11, color)
            to.text(x + 17, 82, kind, "faint", size=12)
            x += 34 + 7 * len(kind)
    top = 110
    for right, heading in zip(COLUMNS, (time.name, "GFLOP/s", "of peak", size.name), strict=True):
        to.text(right, top, heading, "faint", size=11, anchor="end")
    y = top + 8
    to.line(MARGIN, y, WIDTH - MARGIN, y)
    together = sum(row.seconds for row in rest)
    names = [shortened(row.name) for row in rows] + [f"{count} others"] * bool(rest)
    left = MARGIN + LETTER * max(map(len, names)) + 10
    scale = (BARS_END - left) / max([row.seconds for row in rows] + [together])  # pixels a second
    for row, label in zip(rows, names, strict=False):
        y += STEP
        _layer(to, left, y, label, row.kernel, row.seconds * scale, color_of(row.kernel))
        numbers = (f"{row.gflops:.0f}", f"{row.gflops / found.peak:.0%}") if row.macs else ("", "")
        _numbers(to, y, (time.of(row.seconds), *numbers, size.of(row.bytes)))
    if rest:
        y += STEP
        _layer(to, left, y, names[-1], "each less than 0.2%", together * scale, OTHER)
        _numbers(to, y, (time.of(together), "", "", size.of(sum(row.bytes for row in rest))))
    return to.svg(y + MARGIN)


def drawn(found: Profile) -> tuple[list[Row], list[Row]]:
    """The layers that have a bar each, and those that have one together."""
    least = LEAST * sum(row.seconds for row in found.rows) if len(found.rows) > FEW else 0.0
    rows = [row for row in found.rows if row.seconds >= least]
    return rows, [row for row in found.rows if row.seconds < least]


def color_of(kernel: str) -> str:
    return next((color for kind, color in KINDS if kernel.startswith(kind)), OTHER)


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _layer(to: Drawing, left: float, y: float, name: str, kernel: str, length: float, color: str) -> None:
    length = max(1.0, length)
    to.text(left - 10, y, name, size=12, anchor="end", mono=True)
    to.bar(left, y - BAR + 2, length, BAR, color, f"{name}: {kernel}")
    if left + length + LETTER * len(kernel) < BARS_END:
        to.text(left + length + 6, y, kernel, "faint", size=11)
    else:
        to.text(left + length - 6, y - 0.5, kernel, "paper", size=11, anchor="end")


def _numbers(to: Drawing, y: float, numbers: tuple[str, ...]) -> None:
    for right, number in zip(COLUMNS, numbers, strict=True):
        to.text(right, y, number, size=12, anchor="end", mono=True)

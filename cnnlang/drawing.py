"""Outputs as one picture: a labelled grid with every channel of every map, and bars for vectors.

All channels of one output share one scale, with 0 in its middle (see `cnnlang.colors`), so that they can be compared;
the numbers beneath a map are its own range. A map of a few cells has its numbers written into them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cnnlang.colors import COLD, WARM, colored, is_dark, number, peak_of, value_range
from cnnlang.fonts import Font, font_for

WIDTH = 1200  # of the page, in pixels
MARGIN = 28
GAP = 16
INNER = WIDTH - 2 * MARGIN
TALLEST = 640  # a map on the page
SMALL = 180  # a column of small maps, for what stands beneath them
MOST_PANELS = 512
MOST_BARS = 20

PAPER, INK, FAINT, LINE = "#fbfaf7", "#1d1d1f", "#6e6e73", "#d8d6d0"


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawn map or chart, with what stands beneath it."""

    image: Image.Image
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side on the page, in a grid of columns of one width; or a heading."""

    panels: tuple[Panel, ...] = ()
    column: int = INNER
    heading: str = ""
    note: str = ""


def draw(outputs: Mapping[str, NDArray[Any]], *, labels: Sequence[str] = (), titles: Sequence[str] = ()) -> Image.Image:
    """A page with outputs [N, C, H, W] and [N, C] by name.

    Parameters
    ----------
    outputs
        The arrays.
    labels
        Names of the channels, for outputs that have as many.
    titles
        What each of the N samples is called.
    """
    rows = list(_rows(outputs, labels, titles))
    if any(array.ndim == 4 for array in outputs.values()):
        rows.append(Row(panels=(_legend(),)))
    heights = [_row_height(row) for row in rows]
    page = Image.new("RGB", (WIDTH, sum(heights) + 2 * MARGIN - GAP), PAPER)
    canvas = ImageDraw.Draw(page)
    y = MARGIN
    for row, height in zip(rows, heights, strict=True):
        _draw_row(page, canvas, row, y)
        y += height
    return page


def _rows(outputs: Mapping[str, NDArray[Any]], labels: Sequence[str], titles: Sequence[str]) -> Iterator[Row]:
    samples = max((len(array) for array in outputs.values()), default=0)
    left = MOST_PANELS
    for n in range(samples):
        if left <= 0:
            yield Row(heading=f"... and {samples - n} more")
            return
        if samples > 1 or (titles and n < len(titles)):
            yield Row(heading=titles[n] if n < len(titles) else f"sample {n}")
        singles: list[tuple[str, NDArray[Any]]] = []
        for name, array in outputs.items():
            if array.ndim == 4 and array.shape[1] == 1:  # maps of one channel share a grid
                singles.append((name, array[n, 0]))
                continue
            yield from _grid_of_singles(singles)
            singles = []
            yield from _output(name, array[n], labels, left)
            left -= array.shape[1] if array.ndim == 4 else 1
        yield from _grid_of_singles(singles)
        left -= len(singles)


def _grid_of_singles(maps: list[tuple[str, NDArray[Any]]]) -> Iterator[Row]:
    if not maps:
        return
    columns = _columns(len(maps))
    width = _column_width(columns)
    panels = [Panel(_map(values, peak_of(values), width), name, value_range(values)) for name, values in maps]
    yield from _grid(panels, columns, width)


def _output(name: str, array: NDArray[Any], labels: Sequence[str], left: int) -> Iterator[Row]:
    names = list(labels) if len(labels) == len(array) else [f"channel {c}" for c in range(len(array))]
    if array.ndim == 1:
        yield Row(panels=(_bars(name, array, names),))
        return
    shown = max(1, min(len(array), left, 256))
    sizes = f"{len(array)} channels of {array.shape[1]}x{array.shape[2]}, {value_range(array)}"
    yield Row(heading=name, note=sizes if shown == len(array) else f"{sizes}; the first {shown}")
    columns = _columns(shown)
    width = _column_width(columns)
    peak = peak_of(array)
    panels = [
        Panel(_map(values, peak, width), label, value_range(values))
        for values, label in zip(array[:shown], names, strict=False)
    ]
    yield from _grid(panels, columns, width)


def _grid(panels: list[Panel], columns: int, width: int) -> Iterator[Row]:
    width = min(width, max(SMALL, *(panel.image.width for panel in panels)))  # small maps stand close together
    for start in range(0, len(panels), columns):
        yield Row(panels=tuple(panels[start : start + columns]), column=width)


def _columns(count: int) -> int:
    """So many columns that a grid is a little wider than high and its captions can be read."""
    return next((c for c, most in ((1, 1), (2, 4), (3, 9), (4, 16), (6, 36), (8, 96)) if count <= most), 12)


def _column_width(columns: int) -> int:
    return (INNER - GAP * (columns - 1)) // columns


# --- maps -------------------------------------------------------------------------------------------------------------


def _map(values: NDArray[Any], peak: float, width: int) -> Image.Image:
    """One channel [H, W], as large as a column lets it be; the cells of a small one are squares with their numbers."""
    height_cells, width_cells = values.shape
    image = Image.fromarray(colored(values, peak))
    cell = min(width // width_cells, TALLEST // height_cells, 96)
    if cell >= 26:
        image = image.resize((width_cells * cell, height_cells * cell), Image.Resampling.NEAREST)
        _write_numbers(image, values, cell, peak)
        return image
    scale = min(width / width_cells, TALLEST / height_cells)
    size = max(1, round(width_cells * scale)), max(1, round(height_cells * scale))
    return image.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX)


def _write_numbers(image: Image.Image, values: NDArray[Any], cell: int, peak: float) -> None:
    texts = [[number(float(v), 4) for v in row] for row in values]
    longest = max((text for row in texts for text in row), key=len)
    size = next((s for s in (18, 15, 13, 11, 10) if font_for(longest, s).getlength(longest) <= cell - 4), None)
    if size is None:
        return
    canvas = ImageDraw.Draw(image)
    font = font_for(longest, size)
    backs = colored(values, peak)
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            red, green, blue = backs[i, j].tolist()
            ink = "#ffffff" if is_dark((red, green, blue)) else "#000000"
            x, y = j * cell + (cell - font.getlength(text)) / 2, i * cell + (cell - size * 1.2) / 2
            canvas.text((x, y), text, ink, font)


# --- vectors ----------------------------------------------------------------------------------------------------------


def _bars(name: str, values: NDArray[Any], names: Sequence[str]) -> Panel:
    """A bar for each number, from a line at 0: all in order, or the largest of many."""
    order = list(range(len(values)))
    note = value_range(values)
    if len(order) > MOST_BARS:
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:MOST_BARS].tolist()
        note = f"the {MOST_BARS} largest of {len(values):,}; {note}"
    line, size, bar_width = 24, 15, 520
    texts = [_clipped(names[index], 400, size) for index in order]
    text_width = 12 + round(max((font_for(text, size).getlength(text) for text in texts), default=0))
    image = Image.new("RGB", (text_width + bar_width + 110, line * len(order) + 8), PAPER)
    canvas = ImageDraw.Draw(image)
    peak = float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0
    shown = np.nan_to_num(values, nan=0.0, posinf=peak, neginf=-peak)
    below = max(0.0, -float(shown[order].min(initial=0))) / peak
    above = max(0.0, float(shown[order].max(initial=0))) / peak
    unit = bar_width / ((below + above) or 1.0)
    zero = text_width + 12 + below * unit
    for place, index in enumerate(order):
        top = 4 + place * line
        end = zero + float(shown[index]) / peak * unit
        canvas.rectangle((min(zero, end), top + 3, max(zero, end), top + line - 4), (WARM if end >= zero else COLD)[2])
        font = font_for(texts[place], size)
        canvas.text((text_width - font.getlength(texts[place]), top + 2), texts[place], INK, font)
        figure = number(float(values[index]))
        canvas.text((max(zero, end) + 6, top + 2), figure, FAINT, font_for(figure, size))
    canvas.line((zero, 0, zero, image.height), INK)
    return Panel(image, name, note)


# --- the page ---------------------------------------------------------------------------------------------------------


def _legend() -> Panel:
    width, height = 360, 14
    image = Image.new("RGB", (width, 34), PAPER)
    image.paste(Image.fromarray(colored(np.tile(np.linspace(-1, 1, width), (height, 1)), 1)))
    canvas = ImageDraw.Draw(image)
    for text, at in (("below 0", 0.0), ("0", 0.5), ("above 0", 1.0)):
        font = font_for(text, 13)
        canvas.text(((width - font.getlength(text)) * at, height + 4), text, INK, font)
    return Panel(
        image, "", "each output has the whole scale to itself; what lies beyond it (1 in 200) has its last colour"
    )


def _row_height(row: Row) -> int:
    if row.heading:
        return 40 + (18 if row.note else 0)
    return max(panel.image.height for panel in row.panels) + 48 + GAP


def _draw_row(page: Image.Image, canvas: ImageDraw.ImageDraw, row: Row, y: int) -> None:
    if row.heading:
        _text(canvas, (MARGIN, y), row.heading, 22, INK, INNER)
        if row.note:
            _text(canvas, (MARGIN, y + 28), row.note, 14, FAINT, INNER)
        return
    for place, panel in enumerate(row.panels):
        x = MARGIN + place * (row.column + GAP)
        page.paste(panel.image, (x, y))
        if panel.name:
            canvas.rectangle((x - 1, y - 1, x + panel.image.width, y + panel.image.height), outline=LINE)
        small = row.column < 120
        below = y + panel.image.height + 5
        name = panel.name.removeprefix("channel ") if small else panel.name
        _text(canvas, (x, below), name, 12 if small else 16, INK, row.column)
        next_line = below + (15 if small else 20) if panel.name else below
        _text(canvas, (x, next_line), panel.note, 10 if small else 13, FAINT, row.column)


def _text(canvas: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, color: str, width: int) -> None:
    clipped = _clipped(text, width, size)
    canvas.text(at, clipped, color, font_for(clipped, size))


def _clipped(text: str, width: int, size: int) -> str:
    """A text on one line, short enough for a width in pixels, of letters that its font can draw."""
    text = "".join(c if c.isprintable() else " " for c in text[:500])
    font = font_for(text, size)
    text = _drawable(text, font)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def _drawable(text: str, font: Font) -> str:
    """Pillow without FreeType has a font of Latin letters alone, and fails on others."""
    try:
        font.getlength(text)
    except UnicodeEncodeError:
        return text.encode("latin-1", "replace").decode("latin-1")
    return text

"""Charts as SVG: bars and texts with colours that are read on light and on dark paper, and no fonts of their own."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

# class, on light paper, on dark paper
COLORS = (
    ("paper", "#ffffff", "#0d1117"),
    ("ink", "#1f2328", "#e6edf3"),
    ("faint", "#59636e", "#9198a1"),
    ("line", "#d1d9e0", "#3d444d"),
    ("blue", "#2f6fb7", "#5b9be0"),
    ("orange", "#d9822b", "#e69b4e"),
    ("green", "#2e8b57", "#4fb57c"),
    ("purple", "#8156b0", "#a67fd6"),
    ("grey", "#8c959f", "#7d8590"),
)
SANS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Drawing:
    """A chart that is being drawn; lengths are pixels, from its upper left corner.

    Parameters
    ----------
    width
        Of the whole.
    title
        What it shows, for who cannot see it.
    """

    def __init__(self, width: int, title: str) -> None:
        self._width, self._title = width, title
        self._parts: list[str] = []

    def text(
        self, x: float, y: float, text: str, color: str = "ink", *, size: int = 13, anchor: str = "start",
        bold: bool = False, mono: bool = False,
    ) -> None:  # fmt: skip
        """One line whose letters stand on `y`; `anchor` (start, middle, end) says which part of it is at `x`."""
        style = "".join((f' text-anchor="{anchor}"' if anchor != "start" else "", ' font-weight="600"' if bold else ""))
        names = f"{color} mono" if mono else color
        self._parts.append(
            f'<text x="{_number(x)}" y="{_number(y)}" class="{names}" font-size="{size}"{style}>{escape(text)}</text>'
        )

    def bar(self, x: float, y: float, width: float, height: float, color: str, note: str = "") -> None:
        """A filled rectangle; `note` is what a pointer over it shows."""
        shape = f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
        inside = f"><title>{escape(note)}</title></rect>" if note else "/>"
        self._parts.append(f'{shape} rx="2" class="{color}"{inside}')

    def line(self, x1: float, y1: float, x2: float, y2: float, color: str = "line", width: float = 1) -> None:
        ends = f'x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}"'
        self._parts.append(f'<line {ends} class="s-{color}" stroke-width="{_number(width)}"/>')

    def svg(self, height: float) -> str:
        """The whole, so high."""
        size = f"{self._width} {_number(height)}"
        light = "".join(f".{n}{{fill:{c}}}.s-{n}{{stroke:{c}}}" for n, c, _ in COLORS)
        dark = "".join(f".{n}{{fill:{c}}}.s-{n}{{stroke:{c}}}" for n, _, c in COLORS)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{self._width}"'
                f' height="{_number(height)}" role="img" aria-label={quoteattr(self._title)}>',
                f"<style>text{{font-family:{SANS}}}.mono{{font-family:{MONO}}}{light}"
                f"@media (prefers-color-scheme:dark){{{dark}}}</style>",
                '<rect width="100%" height="100%" class="paper"/>',
                *self._parts,
                "</svg>\n",
            ]
        )


def _number(value: float) -> str:
    """Without a fraction that nobody sees."""
    return f"{value:.1f}".removesuffix(".0")

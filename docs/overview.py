"""Draw docs/overview.png: a net, the summary of its shapes, a mistake in it, and what it sees.

    python docs/overview.py

The texts and the picture are what the commands really print and draw.
"""

from __future__ import annotations

import io
import re
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from cnnlang.cli import main as command

DOCS = Path(__file__).parent
FONT = ImageFont.truetype(Path(get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf", 17)
BOLD = ImageFont.truetype(Path(get_data_path()) / "fonts/ttf/DejaVuSansMono-Bold.ttf", 17)
PAPER, PAGE, INK, FAINT = "#f4f2ec", "#ffffff", "#1d1d1f", "#8a877f"
LINE = 23
COLORS = (
    (r"#.*", "#8a877f"),
    (r'"[^"]*"', "#2e7d4f"),
    (r"\b(?:cnn|net|block|input|labels|output|check|for|in|if|else)\b", "#9a3b12"),
    (r"->|\|", "#9a3b12"),
    (r"\b\d[\d_x.]*\b", "#1f5fa8"),
    (r"^(?:error|warning)\[\w+\]", "#b3261e"),
    (r"[\^~+-]{2,}", "#b3261e"),
    (r"= help", "#1f5fa8"),
)

NET = """cnn 1
# ResNet's block on a small photo
block basic(width, stride=1) {
  add {
    | conv(width, 3, stride=stride, pad=1) -> bn
    | in
  }
  relu
}

net Small(classes=10) {
  input image: [N, 3, 32, 32]
  conv(16, 3, pad=1) -> relu
  basic(16) * 2
  basic(32, stride=2)
  global_avgpool -> dense(classes)
}
"""
MENDED = NET.replace("    | in\n", "    | if in.channels != width { conv(width, 1, stride=stride) }\n")


def printed(*arguments: str) -> str:
    """What a command prints."""
    text = io.StringIO()
    with redirect_stdout(text):
        command(list(arguments))
    return text.getvalue().rstrip()


def panel(title: str, text: str, width: int) -> Image.Image:
    """A text on a page, its words coloured."""
    lines = text.split("\n")
    image = Image.new("RGB", (width, LINE * len(lines) + 66), PAGE)
    pen = ImageDraw.Draw(image)
    pen.text((20, 12), title, FAINT, BOLD)
    for i, line in enumerate(lines):
        taken = [INK] * len(line)
        for pattern, color in reversed(COLORS):
            for found in re.finditer(pattern, line):
                taken[found.start() : found.end()] = [color] * (found.end() - found.start())
        for j, (letter, color) in enumerate(zip(line, taken, strict=True)):
            pen.text((20 + j * FONT.getlength(" "), 48 + i * LINE), letter, color, FONT)
    return image


def stacked(images: list[Image.Image], width: int) -> Image.Image:
    height = sum(i.height for i in images) + 18 * (len(images) - 1)
    page = Image.new("RGB", (width, height), PAPER)
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height + 18
    return page


def maps(drawn: Image.Image, width: int) -> Image.Image:
    """The first two rows of drawn maps side by side."""
    rows = [drawn.crop((20, top, 1180, top + 268)) for top in (62, 373)]
    inside = (width - 40) // 2
    rows = [r.resize((inside, inside * r.height // r.width)) for r in rows]
    strip = Image.new("RGB", (width, rows[0].height + 60), PAGE)
    ImageDraw.Draw(strip).text((20, 12), "cnnlang run edges.cnn coffee.jpg -o edges.png", FAINT, BOLD)
    for i, row in enumerate(rows):
        strip.paste(row, (20 + i * inside, 46))
    return strip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        wrong, right, drawn = Path(folder, "small.cnn"), Path(folder, "mended.cnn"), Path(folder, "edges.png")
        wrong.write_text(NET, encoding="utf-8")
        right.write_text(MENDED, encoding="utf-8")
        error = printed("check", str(wrong)).replace(f"{folder}/", "")
        error = error[: error.rindex("\n   = help")] if error.count("= help") > 1 else error
        counted = printed("summary", "--depth", "1", str(right)).replace(f"{folder}/", "")
        counted = "\n".join(line for line in counted.split("\n")[2:] if not line.startswith(("activations", "peak")))
        emitted = printed("emit", "--target", "torch", str(right))
        block = emitted[emitted.index("class Basic") : emitted.index("class Small")].rstrip()
        examples = DOCS.parent / "examples"
        printed("run", str(examples / "edges.cnn"), str(examples / "photos/coffee.jpg"), "-o", str(drawn))
        left = [panel("small.cnn", NET.rstrip(), 820), panel("cnnlang check small.cnn", error, 820)]
        right_side = [
            panel("cnnlang summary mended.cnn", counted, 940),
            panel("cnnlang emit mended.cnn --target torch", block, 940),
        ]
        columns = [stacked(left, 820), stacked(right_side, 940)]
        strip = maps(Image.open(drawn).convert("RGB"), 820 + 940 + 24)
    body = max(c.height for c in columns)
    page = Image.new("RGB", (820 + 940 + 3 * 24, body + strip.height + 3 * 24), PAPER)
    page.paste(columns[0], (24, 24))
    page.paste(columns[1], (820 + 48, 24))
    page.paste(strip, (24, body + 48))
    page.quantize(128).save(DOCS / "overview.png", optimize=True)


if __name__ == "__main__":
    main()

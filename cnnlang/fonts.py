"""A font that has the letters of a text, Korean ones too, from those that the system has."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# parts of file names, without case and blanks, of fonts with many scripts; the better ones first
FAMILIES = (
    "notosanscjk",
    "notosanskr",
    "sourcehansans",
    "pretendard",
    "applesdgothicneo",
    "malgun",
    "nanumgothic",
    "nanumbarungothic",
    "nanumsquare",
    "applegothic",
    "undotum",
    "baekmukdotum",
    "gulim",
    "batang",
    "notoserifcjk",
    "wqy",
    "droidsansfallback",
    "arialunicode",
    "unifont",
    "dejavusans",
    "notosans",
    "liberationsans",
    "arial",
)
MAX_FILES = 20_000  # looked at in the font folders


def font_for(text: str, size: int) -> Font:
    """A font of a size in pixels that has every letter of a text; Pillow's own where it has or where none is better."""
    return _font_for(frozenset(c for c in text if c.isprintable() and not c.isspace()), size)


@functools.lru_cache(maxsize=256)
def _font_for(letters: frozenset[str], size: int) -> Font:
    plain = ImageFont.load_default(size)
    if not isinstance(plain, ImageFont.FreeTypeFont) or has_letters(plain, letters):
        return plain
    best, most = plain, _known(plain, letters)
    for path in font_files(font_folders()):
        try:
            font = ImageFont.truetype(path, size)
        except OSError:
            continue
        known = _known(font, letters)
        if known == len(letters):
            return font
        if known > most:
            best, most = font, known
    return best


def clear() -> None:
    """Forget the fonts that were found; for tests, and after one was installed."""
    _font_for.cache_clear()


def has_letters(font: ImageFont.FreeTypeFont, letters: frozenset[str]) -> bool:
    return _known(font, letters) == len(letters)


def _known(font: ImageFont.FreeTypeFont, letters: frozenset[str]) -> int:
    """How many of the letters a font draws otherwise than a letter that no font has."""
    missing = _drawn(font, "\U0010ffff")
    return sum(_drawn(font, letter) != missing for letter in letters)


def _drawn(font: ImageFont.FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def font_files(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """The font files of known families in some folders, the better ones first."""
    found: list[tuple[int, str, Path]] = []
    for path in _walk(folders):
        name = "".join(path.name.lower().replace("-", "").replace("_", "").split())
        rank = next((i for i, family in enumerate(FAMILIES) if family in name), None)
        if rank is not None:
            slanted = any(word in name for word in ("bold", "italic", "oblique", "light", "black", "thin", "mono"))
            found.append((rank * 2 + slanted, path.name, path))
    return tuple(path for _, _, path in sorted(found))


def _walk(folders: tuple[Path, ...]) -> Iterator[Path]:
    seen = 0
    for folder in folders:
        for here, _, names in os.walk(folder):
            for name in names:
                seen += 1
                if seen > MAX_FILES:
                    return
                if name.lower().endswith((".ttf", ".otf", ".ttc")):
                    yield Path(here, name)


def font_folders() -> tuple[Path, ...]:
    """Where this system keeps fonts."""
    home = Path.home()
    if sys.platform == "win32":
        windows = Path(os.environ.get("WINDIR", r"C:\Windows"))
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        return windows / "Fonts", local / "Microsoft" / "Windows" / "Fonts"
    if sys.platform == "darwin":
        return Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"
    data = os.environ.get("XDG_DATA_HOME") or home / ".local" / "share"
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return (
        *(Path(folder, "fonts") for folder in (data, *shared.split(":"))),
        home / ".fonts",
    )

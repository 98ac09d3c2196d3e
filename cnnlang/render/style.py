"""Colours of a terminal, by role."""

from __future__ import annotations

_CODES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;32",
    "message": "1",
    "gutter": "1;34",
    "secondary": "1;34",
    "help": "1;36",
    "added": "1;32",
    "plain": "",
}


def paint(text: str, role: str, color: bool) -> str:
    """A text in the colour of its role, where colours are wanted."""
    code = _CODES[role]
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text

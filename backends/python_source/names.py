"""Names: what Python keeps for itself, and what variables and parameters are called."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container

BUILTINS = frozenset(
    {"range", "zip", "enumerate", "len", "min", "max", "sum", "bool", "super", "getattr", "float", "self"}
)
CONSTANTS = frozenset({"LABELS", "SCALE", "MEAN", "STD", "COLOR", "RESIZE", "CROP", "INVERT"})


def variable(name: str, taken: Container[str] = (), reserved: Container[str] = ()) -> str:
    """A free name for a variable or parameter, the file's own wherever it may stand.

    `reserved` are the names that the emitted file uses for itself.
    """
    plain = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name)).lstrip("_") or "value"
    if not plain.isidentifier():
        plain = f"v{plain}"
    if keyword.iskeyword(plain) or plain in BUILTINS or plain in reserved or plain in ("l", "O", "I"):
        plain += "_"
    return free(plain, taken)


def free(name: str, taken: Container[str]) -> str:
    """The name, or the name with the first number that is free."""
    if name not in taken:
        return name
    stem = f"{name}_" if name[-1].isdigit() else name
    number = 2
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"

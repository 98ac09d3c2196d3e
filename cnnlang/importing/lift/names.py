"""Names that the language allows, from names that come from anywhere."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

from cnnlang.expand.evaluate import FUNCTIONS
from cnnlang.expand.paths import SEGMENT
from cnnlang.ops import OPERATORS
from cnnlang.syntax.tokens import FOREIGN_NAMES, lex, words

MAX_NAME = 60
MAX_LAYER = 900  # characters of a layer's path


def reserved() -> set[str]:
    """What no value, block, parameter or net may be called, or had better not."""
    return {*words(), *FOREIGN_NAMES, *OPERATORS, *FUNCTIONS, *keyword.kwlist, "N", "tensor", "repeat"}


def is_name(text: str) -> bool:
    """Whether a text is one name in the language."""
    if not text or len(text) > MAX_NAME or not re.fullmatch(r"[^\W\d]\w*", text):
        return False
    if unicodedata.normalize("NFKC", text) != text:
        return False
    tokens = lex(text)
    return tokens[0].kind == "NAME" and tokens[0].end == len(text)


def safe(text: str, other: str) -> str:
    """A name made from a text: other characters become `_`; `other` where nothing is left."""
    made = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", text[: 4 * MAX_NAME])).strip("_")[:MAX_NAME].strip("_")
    if made and made[0].isdigit():
        made = f"{other}_{made}"[:MAX_NAME]
    return made if is_name(made) else other


class Namespace:
    """Names that are taken."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = reserved() | set(taken)
        self._next: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """A name that is free: the one that is wanted, or that with a number."""
        if wanted in self.taken:
            return self.numbered(f"{wanted}_" if wanted[-1].isdigit() else wanted, 2)
        self.taken.add(wanted)
        return wanted

    def numbered(self, stem: str, first: int = 1) -> str:
        """The next of `stem1`, `stem2`, ..."""
        number = self._next.get(stem, first)
        while f"{stem}{number}" in self.taken:
            number += 1
        self._next[stem] = number + 1
        self.taken.add(f"{stem}{number}")
        return f"{stem}{number}"


def is_path(path: str) -> bool:
    """Whether a layer can be called so."""
    return path.isascii() and len(path) <= MAX_LAYER and all(SEGMENT.fullmatch(s) for s in path.split("."))


def sayable(paths: Iterable[str]) -> dict[str, str]:
    """For each layer's path the nearest that the language allows, no two alike and none within another."""
    paths = list(dict.fromkeys(paths))
    good = {p for p in paths if is_path(p)}
    scopes = {p[:i] for p in good for i in range(len(p)) if p[i] == "."}
    found: dict[str, str] = {}
    kept = {p for p in good if p not in scopes}
    taken = kept | scopes
    following: dict[str, int] = {}
    for path in paths:
        if path in kept:
            found[path] = path
            continue
        parts = [re.sub(r"[^A-Za-z0-9_]+", "_", p)[:MAX_NAME] for p in path[: 4 * MAX_NAME].split(".")]
        parts = [p if SEGMENT.fullmatch(p) else f"_{p}" for p in parts if p]
        made = "_".join(parts) or "layer"
        if not SEGMENT.fullmatch(made) or (made[0].isdigit() and made in taken):
            made = f"_{made}"
        name, number = made, following.get(made, 2)
        while name in taken:
            name = f"{made}_{number}"
            number += 1
        following[made] = number
        taken.add(name)
        found[path] = name
    return found

"""The page of each diagnostic code: what it means, an example that gives it, and its cure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from cnnlang.errors import UsageError


@dataclass(frozen=True, slots=True)
class Page:
    """One page, in Markdown.

    Attributes
    ----------
    code
        `E0203`.
    title
        A few words, from the page's heading.
    text
        The whole page.
    """

    code: str
    title: str
    text: str

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.text.split("\n\n")[1].split())


def codes() -> list[str]:
    """Every code with a page, in order."""
    return sorted(f.name.removesuffix(".md") for f in files("cnnlang.explain").iterdir() if f.name.endswith(".md"))


def page(code: str) -> Page:
    """The page of a code, in any case (`e0203`).

    Raises
    ------
    UsageError
        There is no such code.
    """
    name = code.strip().upper()
    file = files("cnnlang.explain") / f"{name}.md"
    if not re.fullmatch(r"[EW]\d{4}", name) or not file.is_file():
        from difflib import get_close_matches

        near = get_close_matches(name, codes(), n=3, cutoff=0.6)
        hint = f"; near it are {', '.join(near)}" if near else ""
        msg = f"there is no code `{code}`{hint} (`cnnlang explain --list` shows them all)"
        raise UsageError(msg)
    text = file.read_text(encoding="utf-8")
    title = text.split("\n", 1)[0].removeprefix(f"# {name}:").strip()
    return Page(name, title, text)

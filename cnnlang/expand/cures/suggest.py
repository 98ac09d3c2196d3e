"""The cure for a name that is not there: the likeliest name that is."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from cnnlang.diagnostics import Edit, Help
from cnnlang.source import Span


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest in spelling, or None where none is near."""
    by_plain: dict[str, str] = {}
    for candidate in known:
        by_plain.setdefault(candidate.lower().replace("_", ""), candidate)
    plain = name.lower().replace("_", "")
    if plain in by_plain:
        return by_plain[plain]
    if len(plain) > 100:  # no name is so long, and comparing would take its time
        return None
    close = get_close_matches(plain, by_plain, n=1, cutoff=0.6 if len(plain) > 3 else 0.5)
    return by_plain[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str], span: Span) -> tuple[Help, ...]:
    """The help for a misspelt name, with its edit; nothing where no known name is near."""
    found = nearest(name, known)
    return (Help(f"did you mean `{found}`?", (Edit(span, found),)),) if found else ()

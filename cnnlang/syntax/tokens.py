"""Text to tokens, and which line ends end a statement."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from cnnlang import grammar

# Kinds of tokens besides the texts of the grammar (`->`, `net`) and its patterns (NAME, INT, FLOAT, PAIR, STRING).
LINE_END = "_NL"
COMMENT = "COMMENT"
END = "$END"
# What the grammar does not know: reported by `findings`, then cured or blanked.
BAD_NUMBER, BAD_STRING, BAD_CHARACTER = "BAD_NUMBER", "BAD_STRING", "BAD_CHARACTER"

NUMBERS = frozenset({"INT", "FLOAT", "PAIR"})
OPENERS = {"(": ")", "[": "]", "{": "}"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}


class Token(NamedTuple):
    kind: str
    start: int
    end: int


@cache
def words() -> frozenset[str]:
    """The reserved words."""
    return frozenset(text for text in grammar.load().texts if text.isalpha())


@cache
def _pattern() -> re.Pattern[str]:
    table = grammar.load()
    signs = [re.escape(text) for text in table.texts if not text.isalpha()]
    patterns = [(name.replace("__IGNORE", "SPACE"), pattern) for name, pattern in table.patterns]
    # A string that does not end, or holds another escape than \" and \\, up to the end of its line.
    patterns.append((BAD_STRING, r'"(?:[^"\\\n]|\\[^\n])*(?:"|\\?)'))
    patterns.append(("SIGN", "|".join(signs)))
    patterns.append((BAD_CHARACTER, r"(?s:.)"))
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns))


_NUMBER_TAIL = re.compile(r"[\w.]+")


def lex(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Every token of a text but spaces: comments and line ends too, and what the grammar does not know."""
    end = len(text) if end is None else end
    reserved = words()
    tokens = []
    at = start
    match = _pattern().match
    while at < end:
        found = match(text, at, end)
        assert found is not None  # BAD_CHARACTER takes what nothing else takes
        kind = found.lastgroup or ""
        stop = found.end()
        if kind == "SIGN":
            kind = found.group()
        elif kind == "NAME":
            name = found.group()
            kind = name if name in reserved else kind
        elif kind in NUMBERS:
            tail = _NUMBER_TAIL.match(text, stop, end)
            if tail:
                kind, stop = BAD_NUMBER, tail.end()
        if not kind.startswith("SPACE"):
            tokens.append(Token(kind, at, stop))
        at = stop
    return tokens


def layout(tokens: list[Token]) -> list[Token]:
    """The tokens that the grammar is about: without comments, and without line ends that end no statement.

    A line end inside ( ) or [ ], before or after `->`, or before `else` does not end a statement; of several in a row
    one is kept.
    """
    kept: list[Token] = []
    open_brackets: list[str] = []
    for token in tokens:
        kind = token.kind
        if kind == COMMENT:
            continue
        if kind == LINE_END:
            inside = open_brackets and open_brackets[-1] != "{"
            if inside or (kept and kept[-1].kind in ("->", LINE_END)):
                continue
        elif kind in OPENERS:
            open_brackets.append(kind)
        elif kind in CLOSERS:
            if open_brackets:
                open_brackets.pop()
        elif kind in ("->", "else") and kept and kept[-1].kind == LINE_END:
            kept.pop()
        kept.append(token)
    return kept

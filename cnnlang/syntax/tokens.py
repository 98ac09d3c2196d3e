"""Text to tokens, and which line ends end a statement."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from cnnlang import grammar

# Kinds of tokens besides the fixed texts of the grammar (`->`, `net`) and its other patterns (NAME, INT, STRING, ...).
LINE_END = "_NL"
COMMENT = "COMMENT"
END = "$END"
# What the language does not have; `foreign` says what was meant.
BAD_CHARACTER, BAD_NUMBER, BAD_STRING, BAD_NAME = BAD = ("BAD_CHARACTER", "BAD_NUMBER", "BAD_STRING", "BAD_NAME")

NUMBERS = frozenset({"INT", "FLOAT", "PAIR"})
OPENERS = {"(": ")", "[": "]", "{": "}"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}

# Names that would be read as names of values, and never are.
FOREIGN_NAMES = {"True": "true", "False": "false", "None": "none", "TRUE": "true", "FALSE": "false", "NULL": "none"}


class Token(NamedTuple):
    kind: str
    start: int
    end: int


@cache
def words() -> frozenset[str]:
    """The reserved words."""
    return frozenset(text for text in grammar.load().texts if text.isalpha())


@cache
def patterns() -> str:
    """One regular expression for every token, each kind a named group; fixed signs are the group SIGN."""
    table = grammar.load()
    signs = "|".join(re.escape(text) for text in table.texts if not text.isalpha())
    named = [(name.replace("__IGNORE", "SPACE"), pattern) for name, pattern in table.patterns]
    # A string that does not end on its line, or holds another escape than \" and \\.
    named += [(BAD_STRING, r'"(?:[^"\\\n]|\\[^\n])*(?:"|\\?)'), ("SIGN", signs), (BAD_CHARACTER, r"(?s:.)")]
    return "|".join(f"(?P<{name}>{pattern})" for name, pattern in named)


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(patterns())


_NUMBER_TAIL = re.compile(r"[\w.]+")


def lex(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Every token of a text but spaces: comments and line ends too, and what the language does not have."""
    end = len(text) if end is None else end
    match = _pattern().match
    tokens = []
    at = start
    while at < end:
        found = match(text, at, end)
        assert found is not None  # BAD_CHARACTER takes what nothing else takes
        token = classify(found, found.lastgroup or "", end)
        at = token.end
        if not token.kind.startswith("SPACE"):
            tokens.append(token)
    return tokens


def classify(found: re.Match[str], kind: str, end: int) -> Token:
    """The token that a match of `patterns` is; `kind` is the group that matched."""
    stop = found.end()
    if kind == "SIGN":
        kind = found.group()
    elif kind == "NAME":
        name = found.group()
        if name in words():
            kind = name
        elif name in FOREIGN_NAMES:
            kind = BAD_NAME
    elif kind in NUMBERS:
        tail = _NUMBER_TAIL.match(found.string, stop, end)
        if tail:
            kind, stop = BAD_NUMBER, tail.end()
    return Token(kind, found.start(), stop)


def layout(tokens: Iterable[Token]) -> list[Token]:
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

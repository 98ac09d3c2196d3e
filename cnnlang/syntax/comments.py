"""Comments, and the lints that they silence."""

from __future__ import annotations

import re

from cnnlang.source import Source, Span
from cnnlang.syntax.tokens import COMMENT, lex

_ALLOW = re.compile(r"#\s*allow((?:[\s,]+W\d{4})+)")


def comments(source: Source) -> list[Span]:
    """Every comment, from its `#` to the end of its line."""
    return [Span(source, token.start, token.end) for token in lex(source.text) if token.kind == COMMENT]


def allowed(source: Source) -> dict[int, set[str]]:
    """The lints that `# allow W0504` silences, by line (from 1)."""
    found: dict[int, set[str]] = {}
    if "allow" not in source.text:
        return found
    for comment in comments(source):
        match = _ALLOW.search(comment.text)
        if match:
            found[comment.line] = set(re.findall(r"W\d{4}", match[1]))
    return found

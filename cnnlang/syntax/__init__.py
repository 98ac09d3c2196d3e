"""The syntax of the language: text to tree and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlang.syntax.comments import allowed, comments
from cnnlang.syntax.parser import parse, parse_expression
from cnnlang.syntax.read import decode, read_source

if TYPE_CHECKING:
    from cnnlang.source import Source

__all__ = ["allowed", "comments", "decode", "format_source", "parse", "parse_expression", "read_source"]


def format_source(source: Source) -> str:
    """A text in the one style; see `cnnlang.syntax.format`, which only `fmt` needs."""
    from cnnlang.syntax import format as formatter

    return formatter.format_source(source)

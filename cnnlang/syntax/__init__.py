"""The syntax of the language: text to tree and back."""

from __future__ import annotations

from cnnlang.syntax.allow import allowed
from cnnlang.syntax.parser import parse, parse_expression
from cnnlang.syntax.read import decode, read_source

__all__ = ["allowed", "decode", "parse", "parse_expression", "read_source"]

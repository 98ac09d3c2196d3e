"""Text to syntax tree."""

from __future__ import annotations

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.source import Source, Span
from cnnlang.syntax.machine import Machine
from cnnlang.syntax.tokens import END, Token, layout, lex
from cnnlang.syntax.tree import Expr, File


def parse(source: Source) -> tuple[File | None, list[Diagnostic]]:
    """The syntax tree of a file, or None and its errors."""
    tokens = layout(lex(source.text))
    tokens.append(Token(END, len(source.text), len(source.text)))
    machine = Machine(source, "file")
    try:
        at = machine.feed(tokens)
    except FindingsError as error:
        return None, list(error.diagnostics)
    if at == len(tokens):
        return machine.result, []
    token = tokens[at]
    return None, [Diagnostic("E0101", f"unexpected {token.kind}", Span(source, token.start, token.end))]


def parse_range(source: Source, start: int, end: int) -> Expr:
    """The expression in a part of a text.

    Raises
    ------
    FindingsError
        It is none.
    """
    tokens = layout(lex(source.text, start, end))
    tokens.append(Token(END, end, end))
    machine = Machine(source, "expr")
    at = machine.feed(tokens)
    if at == len(tokens):
        expression: Expr = machine.result
        return expression
    token = tokens[at]
    raise FindingsError([Diagnostic("E0101", f"unexpected {token.kind}", Span(source, token.start, token.end))])


def parse_expression(text: str, name: str = "<expression>") -> Expr:
    """The expression that a text is, as in `--set width=2*64`.

    Raises
    ------
    FindingsError
        It is none.
    """
    return parse_range(Source(name, text), 0, len(text))

"""`cnn 1`, with which a file begins."""

from __future__ import annotations

from cnnlang.diagnostics import Diagnostic, Edit, Help
from cnnlang.source import Source, Span
from cnnlang.syntax.tokens import COMMENT, LINE_END, Token


def check_header(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """E0103 unless the first statement is `cnn 1`; tokens in which it is."""
    index = 0
    while index < len(tokens) and tokens[index].kind in (COMMENT, LINE_END):
        index += 1
    first = tokens[index : index + 2]
    if not first or first[0].kind != "cnn":
        return _missing(source, tokens, first)
    if len(first) == 2 and first[1].kind == "INT" and source.text[first[1].start : first[1].end] == "1":
        return tokens, []
    span = Span(source, first[0].start, first[0].end)
    edit = Edit(Span(source, span.end, span.end), " 1")
    rest = tokens[index + 1 :]
    if len(first) == 2 and first[1].kind in ("INT", "FLOAT", "STRING", "PAIR"):
        span = Span(source, first[1].start, first[1].end)
        edit, rest = Edit(span, "1"), rest[1:]
    found = Diagnostic("E0103", "this is version 1 of the language", span, help=(Help("write `cnn 1`", (edit,)),))
    return [*tokens[: index + 1], Token("INT", edit.span.start, edit.span.end), *rest], [found]


def _missing(source: Source, tokens: list[Token], first: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    header = [Token("cnn", 0, 0), Token("INT", 0, 0), Token(LINE_END, 0, 0)]
    span = Span(source, first[0].start, first[0].end) if first else Span(source, 0, min(1, len(source.text)))
    help = Help("begin with `cnn 1`", (Edit(Span(source, 0, 0), "cnn 1\n"),))
    message = "a file begins with `cnn 1`, the version of the language"
    return [*header, *tokens], [Diagnostic("E0103", message, span, help=(help,))]

"""Text to syntax tree."""

from __future__ import annotations

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.source import Source, Span
from cnnlang.syntax.machine import MAX_DEPTH, MAX_ERRORS, Machine, too_deep
from cnnlang.syntax.tokens import BAD, CLOSERS, END, OPENERS, Token, layout, lex
from cnnlang.syntax.tree import Expr, File


def parse(source: Source) -> tuple[File | None, list[Diagnostic]]:
    """The syntax tree of a file.

    Returns
    -------
    The tree and no findings, or None and its syntax errors (at most 20, in the order of the text).
    """
    tokens = lex(source.text)
    deep = _too_deep(source, tokens)
    if deep:
        return None, [deep]
    if not any(token.kind in BAD for token in tokens):
        machine, kept = Machine(source, "file"), layout(tokens)
        kept.append(Token(END, len(source.text), len(source.text)))
        if machine.feed(kept) == len(kept):
            if machine.findings:
                return None, machine.findings[:MAX_ERRORS]
            file: File = machine.result
            if file.version == 1:
                return file, []
    # Only a text with errors needs what knows about them.
    from cnnlang.syntax.recovery import Recovery

    return None, Recovery(source).run()


def _too_deep(source: Source, tokens: list[Token]) -> Diagnostic | None:
    """E0106 at the first bracket that is nested too deep."""
    depth = 0
    for token in tokens:
        kind = token.kind
        if kind in OPENERS:
            depth += 1
            if depth > MAX_DEPTH:
                return too_deep(Span(source, token.start, token.end))
        elif kind in CLOSERS:
            depth = max(depth - 1, 0)
    return None


def parse_range(source: Source, start: int, end: int) -> Expr:
    """The expression in a part of a text.

    Raises
    ------
    FindingsError
        It is none.
    """
    from cnnlang.syntax.expected import expectation, found

    tokens = lex(source.text, start, end)
    deep = _too_deep(source, tokens)
    if deep:
        raise FindingsError([deep])
    if any(token.kind in BAD for token in tokens):
        from cnnlang.syntax.foreign import read

        raise FindingsError(read(source, start, end)[1])
    tokens = layout(tokens)
    tokens.append(Token(END, end, end))
    machine = Machine(source, "expr")
    at = machine.feed(tokens)
    if machine.findings:
        raise FindingsError(machine.findings)
    if at < len(tokens):
        token = tokens[at]
        what = "the end of the expression" if token.kind == END else found(source, token)
        message = f"expected {expectation(machine.expected() - {END})}, found {what}"
        raise FindingsError([Diagnostic("E0101", message, Span(source, token.start, max(token.end, token.start + 1)))])
    expression: Expr = machine.result
    return expression


def parse_expression(text: str, name: str = "<expression>") -> Expr:
    """The expression that a text is, as in `--set width=2*64`.

    Parameters
    ----------
    name
        What messages call the text.

    Raises
    ------
    FindingsError
        It is none.
    """
    return parse_range(Source(name, text), 0, len(text))

"""Text to syntax tree."""

from __future__ import annotations

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.source import Source, Span
from cnnlang.syntax.machine import MAX_DEPTH, Machine
from cnnlang.syntax.tokens import BAD, CLOSERS, END, OPENERS, Token, layout, lex
from cnnlang.syntax.tree import Expr, File

# The most errors that are told at once.
MAX_ERRORS = 20


def parse(source: Source) -> tuple[File | None, list[Diagnostic]]:
    """The syntax tree of a file.

    Returns
    -------
    The tree and no findings, or None and its syntax errors (at most 20, in the order of the text).
    """
    tokens = lex(source.text)
    if _plain(tokens):
        kept = layout(tokens)
        kept.append(Token(END, len(source.text), len(source.text)))
        machine = Machine(source, "file")
        if machine.feed(kept) == len(kept):
            if machine.findings:
                return None, machine.findings[:MAX_ERRORS]
            file: File = machine.result
            if file.version == 1:
                return file, []
    # Only a text with errors needs what knows about them.
    from cnnlang.syntax.recovery import Recovery

    return None, Recovery(source).run()


def _plain(tokens: list[Token]) -> bool:
    """Whether the language has all of the tokens, and brackets are not nested too deep."""
    depth = 0
    for token in tokens:
        kind = token.kind
        if kind in OPENERS:
            depth += 1
            if depth > MAX_DEPTH:
                return False
        elif kind in CLOSERS:
            depth -= 1
        elif kind in BAD:
            return False
    return True


def parse_range(source: Source, start: int, end: int) -> Expr:
    """The expression in a part of a text.

    Raises
    ------
    FindingsError
        It is none.
    """
    from cnnlang.syntax.expected import expectation, found

    tokens = lex(source.text, start, end)
    if not _plain(tokens):
        from cnnlang.syntax.brackets import check_brackets
        from cnnlang.syntax.foreign import read

        tokens, findings = read(source, start, end)
        findings += check_brackets(source, tokens)[1]
        raise FindingsError(findings)
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

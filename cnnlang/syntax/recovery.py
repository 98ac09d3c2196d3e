"""Every syntax error of a text at once: each is explained, cured or blanked, and the parser goes on.

What a cure leaves is parsed in its place, so that a second slip in the same statement is found too. Where nothing is
known to help, the whole statement is blanked: from its line, or from the line of the brackets that it closes, to the
end of that line and through the braces that were opened there. Blanking only the line would invent errors.
"""

from __future__ import annotations

from cnnlang.diagnostics import Diagnostic
from cnnlang.source import Source
from cnnlang.syntax.brackets import check_brackets
from cnnlang.syntax.cures import find_habit, find_slip, unexplained
from cnnlang.syntax.edited import is_inside
from cnnlang.syntax.foreign import read
from cnnlang.syntax.header import check_header
from cnnlang.syntax.machine import MAX_ERRORS, Machine
from cnnlang.syntax.statement import Statement, rewind
from cnnlang.syntax.tokens import CLOSERS, END, LINE_END, OPENERS, Token, layout

# What begins a line in another language and goes on from the `if` before it.
_ELSE_WORDS = frozenset({"elif", "elsif", "elseif"})


class Recovery:
    """One text that has an error somewhere.

    Attributes
    ----------
    tokens
        Its tokens as they were meant, cures carried out.
    edits
        Those of all findings.
    tainted
        Offsets of what was found: a statement that holds one has told its error.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        tokens, self.findings = read(source)
        # With so many, reading has stopped short of the text's end.
        self.enough = len(self.findings) >= MAX_ERRORS
        if not self.enough:
            tokens, findings = check_brackets(source, tokens)
            self.findings += findings
        tokens, findings = check_header(source, tokens)
        self.findings += findings
        end = len(source.text)
        self.tokens = [*layout(tokens), Token(END, end, end)]
        self.edits = [e for d in self.findings for h in d.help[:1] for e in h.edits]
        self.tainted = {d.span.start for d in self.findings if d.span} | {e.span.start for e in self.edits}
        self.machine = Machine(source, "file", building=False)

    def run(self) -> list[Diagnostic]:
        """All findings, in the order of the text."""
        at, left = 0, 0
        while not self.enough and len(self.findings) < MAX_ERRORS:
            at = self.machine.feed(self.tokens, at)
            if at >= len(self.tokens):
                break
            # The same token twice: it fits nowhere, and is passed over.
            stuck = left == len(self.tokens) - at
            left = len(self.tokens) - at
            at = at + 1 if stuck else self.go_on(at)
        # A statement that was cured was read twice.
        findings = list(dict.fromkeys([*self.findings, *self.machine.findings]))
        findings.sort(key=lambda d: d.span.start if d.span else 0)
        return findings[:MAX_ERRORS]

    def go_on(self, at: int) -> int:
        """Explain the error at a token, cure or blank its statement; the token to go on with."""
        start, end = self.bounds(at)
        statement = Statement(self.source, self.tokens, self.machine, self.edits, start, end, at)
        told = any(statement.offset <= offset <= statement.stop for offset in self.tainted)
        cure = find_habit(statement) or (None if told else find_slip(statement))
        if cure is None:
            if not told:
                self.findings.append(unexplained(statement))
            return self.blank(start, end, at)
        self.findings.append(cure.diagnostic)
        self.tainted |= {statement.offset, statement.token.start, *(edit.span.start for edit in cure.edits)}
        if cure.tokens is None:
            return self.blank(start, cure.end, at)
        self.edits = [e for e in self.edits if not is_inside(e, cure.edits)] + list(cure.edits)
        offset = statement.offset
        self.tokens[start : cure.end] = cure.tokens
        rewind(self.machine, offset, self.tokens[start])
        return start

    def blank(self, start: int, end: int, at: int) -> int:
        """Go on after the statement `tokens[start:end]`, with what the grammar needs in its place."""
        tokens, machine = self.tokens, self.machine
        first = tokens[start]
        rewind(machine, first.start, first)
        if first.kind == "cnn" and len(machine.states) == 1:
            machine.feed(tokens[start : start + 2])
        if first.kind == "|":
            machine.feed([first])
        if "in" in machine.expected():
            machine.feed([Token("in", first.start, first.start)])
        end = max(end, at if tokens[at].kind in (*CLOSERS, LINE_END, END) else at + 1)
        if tokens[end].kind == LINE_END and LINE_END not in machine.expected():
            end += 1
        return end

    # --- where a statement begins and ends ----------------------------------------------------------------------------

    def bounds(self, at: int) -> tuple[int, int]:
        """The statement of a token: the numbers of its first token and of the one after its last, brackets whole."""
        tokens = self.tokens
        start = self.line_start(at)
        if start == at > 1 and (tokens[at].kind in CLOSERS or tokens[at].kind == END):
            start = self.line_start(at - 1)
        if at > 1 and tokens[at - 1].kind == LINE_END and self.wants_branch(tokens[at - 2]):
            start = self.line_start(at - 2)
        first = self.source.text[tokens[start].start : tokens[start].end]
        if start > 1 and tokens[start - 2].kind == "}" and first in _ELSE_WORDS:
            start -= 2
        end, lowest, depth = start, 0, 0
        while tokens[end].kind != END:
            kind = tokens[end].kind
            if kind in OPENERS:
                depth += 1
            elif kind in CLOSERS:
                if depth == lowest and end >= at:
                    break
                depth -= 1
                lowest = min(lowest, depth)
            elif kind == LINE_END and depth <= lowest and end >= at and (end > at or tokens[end + 1].kind != "{"):
                break
            end += 1
        # Brackets that were closed but not opened: from the line where they were.
        while lowest < 0 and start:
            start -= 1
            lowest += (tokens[start].kind in OPENERS) - (tokens[start].kind in CLOSERS)
            if lowest == 0:
                start = self.line_start(start)
        return start, end

    def line_start(self, at: int) -> int:
        """The number of the first token after the line end before a token."""
        while at and self.tokens[at - 1].kind != LINE_END:
            at -= 1
        return at

    def wants_branch(self, before: Token) -> bool:
        """Whether a line that cannot stand where it stands belongs to the `{` or `|` that ends the line before."""
        return before.kind == "|" or (before.kind == "{" and self.machine.expected() == {"|"})

"""Brackets that are alone, found before anything is parsed: what they enclose decides which line ends count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cnnlang.diagnostics import Diagnostic, Edit, Help
from cnnlang.source import Source, Span
from cnnlang.syntax.machine import MAX_ERRORS
from cnnlang.syntax.tokens import CLOSERS, COMMENT, LINE_END, OPENERS, Token

# What cannot stand in ( ) or [ ].
_NO_EXPRESSION = frozenset(
    {"{", "}", "->", "|", "as", "let", "input", "labels", "output", "aux", "train", "predict", "meta", "check", "group"}
    | {"shared", "for", "from", "import", "net", "block", "cnn"}
)


# What begins the head of a body.
_HEADS = frozenset({"net", "block", "group", "for", "if", "else", "train", "predict", "meta", "check"})


@dataclass(slots=True)
class _Open:
    token: Token
    index: int


def balanced(tokens: list[Token]) -> bool:
    """Whether every bracket has its partner."""
    open_brackets: list[str] = []
    for token in tokens:
        kind = token.kind
        if kind in OPENERS:
            open_brackets.append(kind)
        elif kind in CLOSERS and (not open_brackets or open_brackets.pop() != CLOSERS[kind]):
            return False
    return not open_brackets


class Matcher:
    """Finds the partner of every bracket by what it may enclose, and of every brace by the indentation of its lines.

    `repaired` holds the tokens with what is missing put in and what is too much left out.
    """

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.repaired: list[Token] = []
        self.findings: list[Diagnostic] = []
        self.stack: list[_Open] = []
        counts = Counter(t.kind for t in tokens)
        self.braces_missing = counts["{"] - counts["}"]

    def run(self) -> None:
        previous = LINE_END
        for token in self.tokens:
            if len(self.findings) >= MAX_ERRORS:
                return
            kind = token.kind
            if kind == COMMENT:
                self.repaired.append(token)
                continue
            first = previous == LINE_END
            previous = kind
            if kind in _NO_EXPRESSION:
                self.close_lists(token)
            if kind in ("net", "block", "from") and first and self.column(token) == 0:
                while self.stack:
                    self.unclosed(self.stack[-1], token)
            if kind in OPENERS:
                self.stack.append(_Open(token, len(self.repaired)))
            elif kind in CLOSERS and not self.closer(token, first):
                continue
            self.repaired.append(token)
        end = Token("$END", len(self.source.text), len(self.source.text))
        while self.stack and len(self.findings) < MAX_ERRORS:
            self.unclosed(self.stack[-1], end)

    def close_lists(self, token: Token) -> None:
        """Report every ( and [ that is still open where a token cannot stand in them."""
        while self.stack and self.stack[-1].token.kind != "{":
            self.unclosed(self.stack[-1], token)

    def closer(self, token: Token, first: bool) -> bool:
        """Pair a closing bracket, or report it; whether it stays."""
        kind = token.kind
        opener = CLOSERS[kind]
        if kind == "}":
            self.by_indentation(token, first)
            if not self.stack or (self.braces_missing < 0 and self.is_extra(token, first)):
                self.braces_missing += 1
                return self.unmatched(token)
            self.stack.pop()
            return True
        if not self.stack or self.stack[-1].token.kind == "{":
            return self.unmatched(token)
        if self.stack[-1].token.kind != opener:
            below = []
            for bracket in reversed(self.stack):
                if bracket.token.kind == "{":
                    break
                below.append(bracket.token.kind)
            if opener in below:
                while self.stack[-1].token.kind != opener:
                    self.unclosed(self.stack[-1], token)
            else:
                self.wrong(self.stack[-1].token, token)
                self.repaired.append(Token(OPENERS[self.stack.pop().token.kind], token.start, token.end))
                return False
        self.stack.pop()
        return True

    def by_indentation(self, token: Token, first: bool) -> None:
        """Where braces are missing and this one stands under an outer `{`, report the inner ones as unclosed."""
        if not first or self.braces_missing <= 0:
            return
        column = self.column(token)
        while len(self.stack) > 1 and self.column(self.stack[-1].token) > column:
            if all(self.column(b.token) != column for b in self.stack[:-1]):
                return
            self.unclosed(self.stack[-1], token)

    def is_extra(self, token: Token, first: bool) -> bool:
        """Whether, with too many `}`, this one is at the end of a line, or indented deeper than what it closes."""
        opener = self.stack[-1].token
        if first:
            return self.column(token) > self.column(opener)
        return self.source.position(opener.start)[0] != self.source.position(token.start)[0]

    # --- findings -----------------------------------------------------------------------------------------------------

    def unclosed(self, bracket: _Open, before: Token) -> None:
        """Report a bracket without partner, and put one in where it was probably meant."""
        opener, closer = bracket.token, OPENERS[bracket.token.kind]
        self.stack.pop()
        if opener.kind == "{":
            self.braces_missing -= 1
        index, at, text = self.place(bracket, before)
        edit = Edit(Span(self.source, at, at), text)
        self.report(opener, f"`{opener.kind}` is never closed", Help(f"close it with `{closer}`", (edit,)))
        inserted = [Token(closer, at, at)]
        if text.startswith("\n"):
            inserted.insert(0, Token(LINE_END, at, at))
        elif text.endswith("\n"):
            inserted.append(Token(LINE_END, at, at))
        self.repaired[index:index] = inserted

    def place(self, bracket: _Open, before: Token) -> tuple[int, int, str]:
        """Where the partner goes: its index among the tokens, its offset, and the text to insert there."""
        opener, closer = bracket.token, OPENERS[bracket.token.kind]
        column, starts = self.column(opener), self.source.line_starts
        kept = self.repaired
        last = len(kept) - 1
        while last > bracket.index and kept[last].kind in (LINE_END, COMMENT):
            last -= 1
        following = kept[bracket.index + 1].kind if bracket.index + 1 < len(kept) else LINE_END
        own_line = opener.kind == "{" and following in (LINE_END, COMMENT)
        # Before the first line that is indented no deeper; where that is the very next one, indentation says nothing.
        for index in range(bracket.index + 1, len(kept)):
            if kept[index].kind != LINE_END:
                continue
            after = kept[index + 1] if index + 1 < len(kept) else before
            if after.kind == "$END" or self.column(after) > column:
                continue
            previous = kept[index - 1]
            if not own_line:
                return index, previous.end, f" {closer}" if opener.kind == "{" else closer
            if index == bracket.index + 1:
                break
            line = self.source.position(previous.end)[0]
            if line < len(starts) and starts[line] <= after.start:
                return index + 1, starts[line], " " * column + closer + "\n"
            return index, previous.end, f" {closer}"  # a line end that was written as `;`
        if before.kind != "$END" or opener.kind != "{":
            return last + 1, kept[last].end, f" {closer}" if opener.kind == "{" else closer
        newline = "" if self.source.text.endswith("\n") else "\n"
        return len(kept), len(self.source.text), f"{newline}{' ' * column}{closer}\n"

    def unmatched(self, token: Token) -> bool:
        """Report a bracket that closes nothing; whether it stays, because the head above it lacks its `{`."""
        header = self.header(token) if token.kind == "}" else None
        if header is None:
            edit = Edit(Span(self.source, token.start, token.end), "")
            self.report(token, f"`{token.kind}` closes nothing", Help(f"leave the `{token.kind}` out", (edit,)))
            return False
        index, at = header
        edit = Edit(Span(self.source, at, at), " {")
        self.report(token, "`}` closes nothing", Help("open the body with `{`", (edit,)))
        self.repaired.insert(index, Token("{", at, at))
        return True

    def header(self, token: Token) -> tuple[int, int] | None:
        """Where a `{` is missing: the end of the line above with the same indentation, if it is the head of a body."""
        column = self.column(token)
        index = len(self.repaired) - 1
        while index > 0:
            index -= 1
            if self.repaired[index].kind != LINE_END or self.column(self.repaired[index + 1]) > column:
                continue
            first = self.repaired[index + 1]
            if first.kind not in _HEADS or self.column(first) != column:
                return None
            end = index + 2
            while end < len(self.repaired) and self.repaired[end].kind not in (LINE_END, COMMENT, "{"):
                end += 1
            if end == len(self.repaired) or self.repaired[end].kind == "{":
                return None
            return end, self.repaired[end - 1].end
        return None

    def wrong(self, opener: Token, closer: Token) -> None:
        right = OPENERS[opener.kind]
        edit = Edit(Span(self.source, closer.start, closer.end), right)
        message = f"`{opener.kind}` is closed by `{closer.kind}`"
        self.report(opener, message, Help(f"close it with `{right}`", (edit,)))

    def report(self, token: Token, message: str, help: Help) -> None:
        span = Span(self.source, token.start, token.end)
        self.findings.append(Diagnostic("E0102", message, span, help=(help,)))

    def column(self, token: Token) -> int:
        """The indentation of a token's line."""
        line = self.source.line(self.source.position(token.start)[0])
        return len(line) - len(line.lstrip())


def check_brackets(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """Tokens in which every bracket has its partner, and what was wrong with them."""
    if balanced(tokens):
        return tokens, []
    matcher = Matcher(source, tokens)
    matcher.run()
    return matcher.repaired, matcher.findings

"""A statement with an error, and the trial of a cure for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from cnnlang.diagnostics import Diagnostic, Edit
from cnnlang.source import Source, Span
from cnnlang.syntax.edited import edited_tokens, is_inside, overlap
from cnnlang.syntax.expected import found
from cnnlang.syntax.machine import Machine
from cnnlang.syntax.tokens import END, LINE_END, Token

# A statement of more tokens than this is looked at no further than the line of the error.
_LONG = 1500


@dataclass(frozen=True, slots=True)
class Cure:
    """What is told of an error, and the tokens in place of the statement's, up to `end`; None to blank them."""

    diagnostic: Diagnostic
    end: int
    edits: tuple[Edit, ...] = ()
    tokens: list[Token] | None = None


@dataclass(frozen=True)
class Trial:
    """What comes of a statement with edits.

    Attributes
    ----------
    machine
        The machine after it.
    tokens
        Its tokens, and the one after it; none where the edits overlap with those of earlier cures.
    reached
        How many of them the machine took.
    end
        The number of the token after it among all.
    """

    machine: Machine
    tokens: list[Token]
    reached: int
    end: int

    @property
    def failed(self) -> Token | None:
        return self.tokens[self.reached] if self.reached < len(self.tokens) else None


@dataclass(frozen=True)
class Statement:
    """The statement `tokens[start:end]`, which cannot go on with `tokens[at]`.

    Parameters
    ----------
    machine
        The machine that stopped at the error.
    edits
        Those of earlier findings.
    """

    source: Source
    tokens: Sequence[Token]
    machine: Machine
    edits: Sequence[Edit]
    start: int
    end: int
    at: int

    @property
    def offset(self) -> int:
        """Where it begins in the text."""
        return self.tokens[self.start].start

    @property
    def stop(self) -> int:
        """Where it ends in the text."""
        return self.tokens[self.end - 1].end if self.end > self.start else self.offset

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def previous(self) -> Token:
        return self.tokens[self.at - 1]

    @property
    def here(self) -> Span:
        return Span(self.source, self.token.start, self.token.end)

    @property
    def what(self) -> str:
        """The token at fault, in words."""
        return found(self.source, self.token)

    def text(self, token: Token) -> str:
        return self.source.text[token.start : token.end]

    @cached_property
    def expected(self) -> set[str]:
        """What could stand in the token's place. The machine has often reduced too much when it stops at one."""
        if not self.start <= self.at <= self.start + _LONG:
            return self.machine.expected()
        machine = self.machine.fork()
        rewind(machine, self.offset, self.tokens[self.start])
        machine.feed(self.tokens[self.start : self.at])
        return machine.expected()

    def shortened(self) -> Statement | None:
        """A long statement up to the end of the error's line; None where that is far from its beginning."""
        if self.end - self.start <= _LONG:
            return self
        if self.at - self.start > _LONG:
            return None
        end = self.at
        while end < min(self.end, self.at + _LONG) and self.tokens[end].kind != LINE_END:
            end += 1
        return replace(self, end=end)

    def after(self, stop: int) -> int:
        """The number of the token after the statement, if it goes on to an offset at least."""
        end = self.end
        while self.tokens[end].kind != END and self.tokens[end].start < stop:
            end += 1
        return end

    def attempt(
        self, diagnostic: Diagnostic, edits: tuple[Edit, ...], stop: int | None = None, *, clean: bool = False
    ) -> Cure | None:
        """A cure, if with it the parser comes further than the error; if `clean`, to the end of the line."""
        trial = self.trial(edits, max(self.stop, *(e.span.end for e in edits)) if stop is None else stop)
        tokens, failed = trial.tokens[:-1], trial.failed
        if not trial.tokens or (tokens and tokens[0].kind in ("else", "->") and self.start):
            return None
        if failed:
            # An error further on is another one; right after the first it says that this was no cure.
            line_end = self.source.text.find("\n", self.token.start)
            passed = sum(token.start > self.token.start for token in trial.tokens[: trial.reached])
            near = line_end < 0 or failed.start <= line_end
            if failed.start <= self.token.start or (near and (clean or passed < 2)):
                return None
        return Cure(diagnostic, trial.end, edits, tokens)

    def trial(self, edits: tuple[Edit, ...], stop: int) -> Trial:
        """Parse the statement up to an offset with edits, and with those of earlier findings."""
        machine = self.machine.fork()
        kept = [e for e in self.edits if self.offset <= e.span.start and e.span.end <= stop and not is_inside(e, edits)]
        if overlap([*kept, *edits]):
            return Trial(machine, [], 0, self.end)
        tokens = edited_tokens(self.source, self.offset, stop, [*kept, *edits])
        end = self.after(stop)
        if not tokens and self.tokens[end].kind == LINE_END:
            end += 1
        ahead = [*tokens, self.tokens[end]]
        rewind(machine, self.offset, ahead[0])
        return Trial(machine, ahead, machine.feed(ahead), end)


def rewind(machine: Machine, offset: int, following: Token) -> None:
    """Take a machine back to the start of a statement, so that this token can follow."""
    machine.rewind(offset)
    expected = machine.expected()
    if following.kind not in expected and LINE_END in expected:
        # What came before on the same level went with it: nothing is built any more, so nothing is missed.
        machine.feed([Token(LINE_END, offset, offset)])

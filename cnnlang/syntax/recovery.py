"""Every syntax error of a text at once: each is explained, cured or blanked, and the parser goes on.

What a cure leaves is parsed in its place, so that a second slip in the same statement is found too. Where nothing is
known to help, the whole statement is blanked: from its line, or from the line of the brackets that it closes, to the
end of that line and through the braces that were opened there. Blanking only the line would invent errors.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnlang.diagnostics import Diagnostic, Edit, Help
from cnnlang.source import Source, Span
from cnnlang.syntax.brackets import check_brackets
from cnnlang.syntax.expected import expectation, found
from cnnlang.syntax.foreign import read
from cnnlang.syntax.habits import HABITS, MISSING, SURPLUS, SWAPS, Habit, Swap
from cnnlang.syntax.machine import MAX_ERRORS, Machine
from cnnlang.syntax.suites import suite_edits
from cnnlang.syntax.tokens import CLOSERS, END, LINE_END, OPENERS, Token, layout, words

# A statement of more tokens than this is looked at no further than the line of the error.
_LONG = 1500
# So many of a sign may be missing in a line to be put in at once.
_MOST_MISSING = 30
# What begins a line in another language and goes on from the `if` before it.
_ELSE_WORDS = frozenset({"elif", "elsif", "elseif"})
_NAMES_AFTER = frozenset(
    {"let", "net", "block", "as", "shared", "group", "input", "aux", "output", "for", "(", ",", "."}
)


@dataclass(frozen=True, slots=True)
class Region:
    """The tokens of a statement, `tokens[start:end]`, and its place in the text."""

    start: int
    end: int
    at: int
    stop: int


@dataclass(frozen=True, slots=True)
class Cure:
    """What is told of an error, and the tokens that take the place of `tokens[start:end]`; None to blank them."""

    diagnostic: Diagnostic
    end: int
    edits: tuple[Edit, ...] = ()
    tokens: list[Token] | None = None


class Recovery:
    """One text that has an error somewhere."""

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

    # --- one error ----------------------------------------------------------------------------------------------------

    def go_on(self, at: int) -> int:
        """Explain the error at a token, cure or blank its statement; the token to go on with."""
        region = self.region(at)
        suspect = any(region.at <= offset <= region.stop for offset in self.tainted)
        expected = self.expected(region, at)
        cure = self.habit(region, at, expected) or (None if suspect else self.slip(region, at, expected))
        if cure is None:
            if not suspect:
                self.findings.append(self.unexplained(at, expected))
            return self.blank(region, at)
        self.findings.append(cure.diagnostic)
        self.tainted |= {region.at, self.tokens[at].start, *(edit.span.start for edit in cure.edits)}
        if cure.tokens is None:
            return self.blank(self.spanning(region.start, cure.end), at)
        self.edits = [e for e in self.edits if not _inside(e, cure.edits)] + list(cure.edits)
        self.tokens[region.start : cure.end] = cure.tokens
        rewind(self.machine, region.at, self.tokens[region.start])
        return region.start

    def expected(self, region: Region, at: int) -> set[str]:
        """What could stand in the place of a token. The machine has often reduced too much when it stops at one."""
        if not region.start <= at <= region.start + _LONG:
            return self.machine.expected()
        trial = self.machine.fork()
        rewind(trial, region.at, self.tokens[region.start])
        trial.feed(self.tokens[region.start : at])
        return trial.expected()

    def blank(self, region: Region, at: int) -> int:
        """Go on after a statement, with what the grammar needs in its place."""
        tokens, machine = self.tokens, self.machine
        first = tokens[region.start]
        rewind(machine, region.at, first)
        if first.kind == "cnn" and len(machine.states) == 1:
            machine.feed(tokens[region.start : region.start + 2])
        if first.kind == "|":
            machine.feed([first])
        nothing = Token("in", region.at, region.at)
        if "in" in machine.expected():
            machine.feed([nothing])
        end = max(region.end, at if tokens[at].kind in (*CLOSERS, LINE_END, END) else at + 1)
        if tokens[end].kind == LINE_END and LINE_END not in machine.expected():
            end += 1
        return end

    # --- statements ---------------------------------------------------------------------------------------------------

    def region(self, at: int) -> Region:
        """The statement of a token, brackets whole."""
        tokens = self.tokens
        start = at
        while start and tokens[start - 1].kind != LINE_END:
            start -= 1
        if start == at and (tokens[at].kind in CLOSERS or tokens[at].kind == END) and start > 1:
            start -= 1
            while start and tokens[start - 1].kind != LINE_END:
                start -= 1
        if at > 1 and tokens[at - 1].kind == LINE_END and self.wants_branch(tokens[at - 2]):
            start = at - 2
            while start and tokens[start - 1].kind != LINE_END:
                start -= 1
        first = tokens[start]
        if start > 1 and tokens[start - 2].kind == "}" and self.source.text[first.start : first.end] in _ELSE_WORDS:
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
            kind = tokens[start].kind
            lowest += (kind in OPENERS) - (kind in CLOSERS)
            if lowest == 0:
                while start and tokens[start - 1].kind != LINE_END:
                    start -= 1
        return self.spanning(start, end)

    def wants_branch(self, before: Token) -> bool:
        """Whether a line that cannot stand where it stands belongs to the `{` or `|` that ends the line before."""
        return before.kind == "|" or (before.kind == "{" and self.machine.expected() == {"|"})

    def spanning(self, start: int, end: int) -> Region:
        tokens = self.tokens
        stop = tokens[end - 1].end if end > start else tokens[start].start
        return Region(start, end, tokens[start].start, stop)

    def shortened(self, region: Region, at: int) -> Region:
        """A long statement up to the end of the error's line."""
        if region.end - region.start <= _LONG:
            return region
        start = max(region.start, at - _LONG)
        if start > region.start:
            return Region(at, at, self.tokens[at].start, self.tokens[at].start)
        end = at
        while end < region.end and end < at + _LONG and self.tokens[end].kind != LINE_END:
            end += 1
        return self.spanning(start, end)

    # --- cures --------------------------------------------------------------------------------------------------------

    def habit(self, region: Region, at: int, expected: set[str]) -> Cure | None:
        """The first habit that the statement shows and whose cure carries the parser on."""
        whole, region = region, self.shortened(region, at)
        if region.start == region.end == at:
            return None
        text, places = self.joined(region, at)
        token = self.tokens[at]
        if self.source.text[token.start : token.end] == "def":
            cure = self.suite(whole, at)
            if cure:
                return cure
        for habit in HABITS:
            if habit.where and expected.isdisjoint(habit.where):
                continue
            for match in habit.regex.finditer(text):
                cure = self.try_habit(habit, match, places, region, at)
                if cure:
                    return cure
        if self.tokens[at].kind == ":" or (at and self.tokens[at - 1].kind == ":"):
            cure = self.suite(whole, at)
            if cure:
                return cure
        return self.misspelt(region, at, expected)

    def joined(self, region: Region, at: int) -> tuple[str, list[tuple[int, int, Token]]]:
        """The tokens of a statement as habits see them, and where in that text each stands."""
        parts: list[str] = []
        places: list[tuple[int, int, Token]] = []
        length = 0
        for index in range(region.start, max(region.end, at + 1)):
            token = self.tokens[index]
            if token.kind in (LINE_END, END):
                text = "\n"
            elif token.kind == "STRING":
                text = '"' + "." * max(token.end - token.start - 2, 0) + '"'
            else:
                text = token.kind if not token.kind.isupper() else self.source.text[token.start : token.end]
            if index == at:
                text = "\0" + text
            places.append((length, length + len(text), token))
            parts.append(text)
            length += len(text) + 1
        return " ".join(parts), places

    def try_habit(
        self,
        habit: Habit,
        match: re.Match[str],
        places: Sequence[tuple[int, int, Token]],
        region: Region,
        at: int,
    ) -> Cure | None:
        if "\0" not in match.group() and not match.string.startswith("\0", match.end()):
            return None
        spans = {name: _span(match.span(name), places) for name in match.re.groupindex if match.start(name) >= 0}
        written = {name: self.source.text[start:end] for name, (start, end) in spans.items()}
        groups = {name: written.get(name, "") for name in match.re.groupindex}
        edits = tuple(
            Edit(
                Span(self.source, *spans[name]),
                new(groups) if callable(new) else new.format_map(groups),
            )
            for name, new in habit.edits
        )
        token = self.tokens[at]
        help_text = " ".join(habit.help.format_map(groups).split())
        helps = (Help(help_text, edits),) if habit.help else ()
        message = habit.message.format_map(groups)
        diagnostic = Diagnostic(habit.code, message, Span(self.source, token.start, token.end), help=helps)
        if not edits:
            # A whole class goes, with what is indented below it.
            suite = suite_edits(self.source, self.source.position(region.at)[0])
            return Cure(diagnostic, self.after(region, suite[0] if suite else 0))
        return self.attempt(diagnostic, edits, region, at)

    def suite(self, region: Region, at: int) -> Cure | None:
        """Bodies by indentation, cured to the end of the last."""
        found_suite = suite_edits(self.source, self.source.position(region.at)[0])
        if found_suite is None:
            return None
        stop, edits = found_suite
        colon = next((t for t in self.tokens[at - 1 : region.end] if t.kind == ":"), self.tokens[at])
        diagnostic = Diagnostic(
            "E0107",
            "a body stands in braces, not after a colon",
            Span(self.source, colon.start, colon.end),
            help=(Help("write `{ ... }`", edits),),
        )
        return self.attempt(diagnostic, edits, region, at, stop)

    def misspelt(self, region: Region, at: int, expected: set[str]) -> Cure | None:
        """A word of the language with a slip in it, at the start of the statement."""
        for index in (at, at - 1):
            token = self.tokens[index]
            if index < region.start or token.kind != "NAME":
                continue
            text = self.source.text[token.start : token.end]
            candidates = sorted(expected & words() if index == at else words())
            for word in difflib.get_close_matches(text.lower(), candidates, 3, 0.6):
                span = Span(self.source, token.start, token.end)
                edits = (Edit(span, word),)
                help = Help(f"did you mean `{word}`?", edits)
                diagnostic = Diagnostic("E0101", f"`{text}` is no word of the language", span, help=(help,))
                cure = self.attempt(diagnostic, edits, region, at, clean=True)
                if cure:
                    return cure
        return None

    def slip(self, region: Region, at: int, expected: set[str]) -> Cure | None:
        """One sign too few, too many, or in the place of another."""
        region = self.shortened(region, at)
        if region.start == region.end == at:
            return None
        token = self.tokens[at]
        previous = self.tokens[at - 1]
        here = Span(self.source, token.start, token.end)
        what = found(self.source, token)
        if token.kind in words() and "NAME" in expected and previous.kind in _NAMES_AFTER:
            edits = (Edit(here, f"{token.kind}_"),)
            message = f"{what} is a word of the language and cannot be a name"
            diagnostic = Diagnostic("E0101", message, here, help=(Help("rename it", edits),))
            cure = self.attempt(diagnostic, edits, region, at, clean=True)
            if cure:
                return cure
        for swap in SWAPS:
            # Among values `in` is one, and in `xs[a:b]` nothing is compared.
            other = {"in": "NAME", "==": "]"}.get(swap.right)
            if token.kind == swap.wrong and swap.right in expected and other not in expected:
                edits = (self.exchange(swap, token),)
                help = Help(f"write `{swap.right}`", edits)
                diagnostic = Diagnostic(swap.code, f"expected `{swap.right}`, found {what}", here, help=(help,))
                cure = self.attempt(diagnostic, edits, region, at)
                if cure:
                    return cure
        if token.kind not in (LINE_END, END):
            for sign in MISSING:
                cure = self.missing(sign, region, at) if sign in expected else None
                if cure:
                    return cure
        if token.kind == "," or (token.kind in SURPLUS and self.tokens[at + 1].kind in OPENERS):
            start = previous.end if "\n" not in self.source.text[previous.end : token.start] else token.start
            cut = (Edit(Span(self.source, start, token.end), ""),)
            message = f"expected {expectation(expected)}, found {what}"
            diagnostic = Diagnostic("E0101", message, here, help=(Help(f"leave the {what} out", cut),))
            return self.attempt(diagnostic, cut, region, at, clean=True)
        return None

    def missing(self, sign: str, region: Region, at: int) -> Cure | None:
        """A sign put in before a token, and before others on its line that lack it too."""
        token, previous = self.tokens[at], self.tokens[at - 1]
        if sign == "in" and not {"+", "NAME"}.isdisjoint(self.expected(region, at)):
            return None  # it would compare, or be a value
        name = "a line end" if sign == LINE_END else f"`{sign}`"
        message = f"{name} is missing before {found(self.source, token)}"
        advice = "begin a new line" if sign == LINE_END else f"write {name} before it"
        edits: tuple[Edit, ...] = (self.insertion(sign, previous, token),)
        for _ in range(_MOST_MISSING):
            diagnostic = Diagnostic(
                "E0101", message, Span(self.source, token.start, token.end), help=(Help(advice, edits),)
            )
            cure = self.attempt(diagnostic, edits, region, at, clean=True)
            if cure or sign not in (",", "->"):
                return cure
            # The same sign may be missing further on: `[1 2 3]`.
            trial, ahead, reached, _ = self.trial(region, edits, region.stop)
            if reached == 0 or reached >= len(ahead) or sign not in trial.expected():
                return None
            before, failed = ahead[reached - 1], ahead[reached]
            edit = self.insertion(sign, before, failed)
            if edit in edits or edit.span.start > region.stop:
                return None
            edits = (*edits, edit)
        return None

    def exchange(self, swap: Swap, token: Token) -> Edit:
        text, end = self.source.text, token.end
        if (swap.wrong, swap.right) != (":", "="):
            return Edit(Span(self.source, token.start, end), swap.right)
        if "," not in self.machine.expected() or LINE_END in self.machine.expected():
            return Edit(Span(self.source, token.start, end), " =")
        while text[end : end + 1] == " ":
            end += 1
        return Edit(Span(self.source, token.start, end), "=")  # an argument

    def insertion(self, sign: str, previous: Token, token: Token) -> Edit:
        if sign == LINE_END:
            line = self.source.line(self.source.position(previous.start)[0])
            indent = line[: len(line) - len(line.lstrip())]
            return Edit(Span(self.source, previous.end, token.start), f"\n{indent}")
        if sign == "|":
            return Edit(Span(self.source, token.start, token.start), "| ")
        gap = Span(self.source, previous.end, previous.end)
        return Edit(gap, sign if sign in (",", ":") else f" {sign}")

    def attempt(
        self,
        diagnostic: Diagnostic,
        edits: tuple[Edit, ...],
        region: Region,
        at: int,
        stop: int | None = None,
        *,
        clean: bool = False,
    ) -> Cure | None:
        """A cure, if with it the parser comes further than the error; if `clean`, to the end of the line."""
        stop = max(region.stop, *(e.span.end for e in edits)) if stop is None else stop
        _, ahead, reached, end = self.trial(region, edits, stop)
        tokens = ahead[:-1]
        if not ahead or (tokens and tokens[0].kind in ("else", "->") and region.start):
            return None
        if reached < len(ahead):
            # An error further on is another one; right after the first it says that this was no cure.
            error = self.tokens[at]
            line_end = self.source.text.find("\n", error.start)
            passed = [token for token in ahead[:reached] if token.start > error.start]
            near = line_end < 0 or ahead[reached].start <= line_end
            if ahead[reached].start <= error.start or (near and (clean or len(passed) < 2)):
                return None
        return Cure(diagnostic, end, edits, tokens)

    def trial(self, region: Region, edits: tuple[Edit, ...], stop: int) -> tuple[Machine, list[Token], int, int]:
        """A statement with edits, and with those of earlier cures, parsed on its own.

        Returns
        -------
        The machine, the tokens and the one after them (none where the edits overlap), how many of them it took, and the
        number of the one after among all tokens.
        """
        machine = self.machine.fork()
        kept = [e for e in self.edits if region.at <= e.span.start and e.span.end <= stop and not _inside(e, edits)]
        if _overlap([*kept, *edits]):
            return machine, [], 0, region.end
        tokens = cured(self.source, region.at, stop, [*kept, *edits])
        end = self.after(region, stop)
        if not tokens and self.tokens[end].kind == LINE_END:
            end += 1
        ahead = [*tokens, self.tokens[end]]
        rewind(machine, region.at, ahead[0])
        return machine, ahead, machine.feed(ahead), end

    def after(self, region: Region, stop: int) -> int:
        """The number of the token after a statement that goes on to an offset."""
        end = region.end
        while self.tokens[end].kind != END and self.tokens[end].start < stop:
            end += 1
        return end

    def unexplained(self, at: int, expected: set[str]) -> Diagnostic:
        token = self.tokens[at]
        message = f"expected {expectation(expected)}, found {found(self.source, token)}"
        return Diagnostic("E0101", message, Span(self.source, token.start, token.end))


def rewind(machine: Machine, offset: int, following: Token) -> None:
    """Take a machine back to the start of a statement, so that this token can follow."""
    machine.rewind(offset)
    expected = machine.expected()
    if following.kind not in expected and LINE_END in expected:
        # What came before on the same level went with it: nothing is built any more, so nothing is missed.
        machine.feed([Token(LINE_END, offset, offset)])


def _inside(edit: Edit, edits: Iterable[Edit]) -> bool:
    """Whether what an edit changes is replaced by another as a whole."""
    return any(
        e.span.start <= edit.span.start and edit.span.end <= e.span.end and e.span.start < e.span.end for e in edits
    )


def _overlap(edits: Iterable[Edit]) -> bool:
    at = -1
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        if edit.span.start < at:
            return True
        at = max(at, edit.span.end)
    return False


def _span(match: tuple[int, int], places: Sequence[tuple[int, int, Token]]) -> tuple[int, int]:
    """The place in the text of a part of the joined tokens."""
    start, end = match
    ends = [token.end for low, high, token in places if high <= start]
    inside = next(((low, high, token) for low, high, token in places if low <= start < high), None)
    first = inside[2].start if inside else (ends[-1] if ends else places[0][2].start)
    if start == end:
        # Nothing: after a token where its end was matched, else before the next.
        if any(high == start for _, high, _ in places):
            first = next(token.end for _, high, token in places if high == start)
        return first, first
    following = next((token for low, _, token in places if low == end), None)
    if following is not None:
        return first, following.start
    return first, [token.end for low, high, token in places if low < end][-1]


def cured(source: Source, start: int, end: int, edits: Iterable[Edit]) -> list[Token]:
    """The tokens of a part of a text with edits carried out, at the places where they come from."""
    parts: list[str] = []
    # For each part its offset in the new text, and what it comes from.
    pieces: list[tuple[int, int, int, bool]] = []
    length, at = 0, start
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        for text, first, last, kept in (
            (source.text[at : edit.span.start], at, edit.span.start, True),
            (edit.text, edit.span.start, edit.span.end, False),
        ):
            parts.append(text)
            pieces.append((length, first, last, kept))
            length += len(text)
        at = edit.span.end
    parts.append(source.text[at:end])
    pieces.append((length, at, end, True))
    tokens, _ = read(Source(source.name, "".join(parts)))

    placed = []
    index = 0
    for token in layout(tokens):
        while index + 1 < len(pieces) and pieces[index + 1][0] <= token.start:
            index += 1
        offset, first, last, kept = pieces[index]
        begin = first + token.start - offset if kept else first
        stop = index
        while stop + 1 < len(pieces) and pieces[stop + 1][0] < token.end:
            stop += 1
        offset, first, last, kept = pieces[stop]
        placed.append(Token(token.kind, begin, max(begin, first + token.end - offset if kept else last)))
    return placed


def check_header(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """E0103 unless the first statement is `cnn 1`; tokens in which it is."""
    index = 0
    while index < len(tokens) and tokens[index].kind in ("COMMENT", LINE_END):
        index += 1
    first = tokens[index : index + 2]
    if not first or first[0].kind != "cnn":
        header = [Token("cnn", 0, 0), Token("INT", 0, 0), Token(LINE_END, 0, 0)]
        end = first[0].end if first else 0
        start = first[0].start if first else 0
        span = Span(source, start, max(end, start + 1) if source.text else 0)
        help = Help("begin with `cnn 1`", (Edit(Span(source, 0, 0), "cnn 1\n"),))
        message = "a file begins with `cnn 1`, the version of the language"
        return [*header, *tokens], [Diagnostic("E0103", message, span, help=(help,))]
    if len(first) == 2 and first[1].kind == "INT" and source.text[first[1].start : first[1].end] == "1":
        return tokens, []
    span = Span(source, first[0].start, first[0].end)
    edit = Edit(Span(source, span.end, span.end), " 1")
    rest = tokens[index + 1 :]
    if len(first) == 2 and first[1].kind in ("INT", "FLOAT", "STRING", "PAIR"):
        span = Span(source, first[1].start, first[1].end)
        edit = Edit(span, "1")
        rest = rest[1:]
    message = "this is version 1 of the language"
    help = Help("write `cnn 1`", (edit,))
    repaired = [*tokens[: index + 1], Token("INT", edit.span.start, edit.span.end), *rest]
    return repaired, [Diagnostic("E0103", message, span, help=(help,))]

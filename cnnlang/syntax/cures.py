"""The cure of a syntax error: a habit of another language, a misspelt word, a sign too few or too many."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cnnlang.diagnostics import Diagnostic, Edit, Help
from cnnlang.source import Span
from cnnlang.syntax.expected import expectation, found
from cnnlang.syntax.habits import HABITS, MISSING, SURPLUS, SWAPS, Habit, Swap
from cnnlang.syntax.statement import Cure, Statement
from cnnlang.syntax.suites import suite_edits
from cnnlang.syntax.tokens import END, LINE_END, OPENERS, Token, words

# So many of a sign may be missing in a line to be put in at once.
_MOST_MISSING = 30
_NAMES_AFTER = frozenset(
    {"let", "net", "block", "as", "shared", "group", "input", "aux", "output", "for", "(", ",", "."}
)


# --- habits -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Joined:
    """The tokens of a statement as habits see them, and where in that text each stands: from, to, token."""

    text: str
    places: Sequence[tuple[int, int, Token]]

    @classmethod
    def of(cls, statement: Statement) -> Joined:
        parts: list[str] = []
        places: list[tuple[int, int, Token]] = []
        length = 0
        for index in range(statement.start, max(statement.end, statement.at + 1)):
            token = statement.tokens[index]
            if token.kind in (LINE_END, END):
                text = "\n"
            elif token.kind == "STRING":
                text = '"' + "." * max(token.end - token.start - 2, 0) + '"'
            else:
                text = token.kind if not token.kind.isupper() else statement.text(token)
            if index == statement.at:
                text = "\0" + text
            places.append((length, length + len(text), token))
            parts.append(text)
            length += len(text) + 1
        return cls(" ".join(parts), places)

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The place in the source of a part of the joined text."""
        before = [token.end for _, high, token in self.places if high <= start]
        inside = next((token.start for low, high, token in self.places if low <= start < high), None)
        first = inside if inside is not None else before[-1] if before else self.places[0][2].start
        if start == end:
            # Nothing: after a token where its end was matched, else before the next.
            return (before[-1], before[-1]) if any(high == start for _, high, _ in self.places) else (first, first)
        following = next((token.start for low, _, token in self.places if low == end), None)
        if following is not None:
            return first, following
        return first, next(token.end for low, _, token in reversed(self.places) if low < end)


def find_habit(statement: Statement) -> Cure | None:
    """The first habit that a statement shows and whose cure carries the parser on."""
    short = statement.shortened()
    if short is None:
        return None
    joined = Joined.of(short)
    if statement.text(statement.token) == "def":
        cure = _suite(statement)
        if cure:
            return cure
    for habit in HABITS:
        if habit.where and statement.expected.isdisjoint(habit.where):
            continue
        for match in habit.regex.finditer(joined.text):
            cure = try_habit(short, habit, match, joined)
            if cure:
                return cure
    cure = _suite(statement) if ":" in (statement.token.kind, statement.previous.kind) else None
    return cure or _misspelt(short)


def try_habit(statement: Statement, habit: Habit, match: re.Match[str], joined: Joined) -> Cure | None:
    """The cure of a habit whose pattern matches, if that is at the error and it helps."""
    if "\0" not in match.group() and not joined.text.startswith("\0", match.end()):
        return None
    names = match.re.groupindex
    spans = {name: joined.origin(*match.span(name)) for name in names if match.start(name) >= 0}
    source = statement.source
    groups = {name: source.text[slice(*spans[name])] if name in spans else "" for name in names}
    edits = tuple(
        Edit(Span(source, *spans[name]), new(groups) if callable(new) else new.format_map(groups))
        for name, new in habit.edits
    )
    helps = (Help(" ".join(habit.help.format_map(groups).split()), edits),) if habit.help else ()
    diagnostic = Diagnostic(habit.code, habit.message.format_map(groups), statement.here, help=helps)
    if edits:
        return statement.attempt(diagnostic, edits)
    # A whole class goes, with what is indented below it.
    suite = suite_edits(source, source.position(statement.offset)[0])
    return Cure(diagnostic, statement.after(suite[0] if suite else 0))


def _suite(statement: Statement) -> Cure | None:
    """Bodies by indentation, cured to the end of the last."""
    start = statement.token.start if statement.token.kind == ":" else statement.offset
    suite = suite_edits(statement.source, statement.source.position(start)[0])
    if suite is None:
        return None
    stop, edits = suite
    nearby = statement.tokens[statement.at - 1 : statement.end]
    colon = next((token for token in nearby if token.kind == ":"), statement.token)
    span = Span(statement.source, colon.start, colon.end)
    message = "a body stands in braces, not after a colon"
    return statement.attempt(Diagnostic("E0107", message, span, help=(Help("write `{ ... }`", edits),)), edits, stop)


def _misspelt(statement: Statement) -> Cure | None:
    """A word of the language with a slip in it, at the error or before it."""
    for index in (statement.at, statement.at - 1):
        token = statement.tokens[index]
        if index < statement.start or token.kind != "NAME":
            continue
        text = statement.text(token)
        candidates = words() if index < statement.at else words() & statement.expected
        for word in difflib.get_close_matches(text.lower(), sorted(candidates), 3, 0.6):
            span = Span(statement.source, token.start, token.end)
            edits = (Edit(span, word),)
            help = Help(f"did you mean `{word}`?", edits)
            diagnostic = Diagnostic("E0101", f"`{text}` is no word of the language", span, help=(help,))
            cure = statement.attempt(diagnostic, edits, clean=True)
            if cure:
                return cure
    return None


# --- slips ------------------------------------------------------------------------------------------------------------


def find_slip(statement: Statement) -> Cure | None:
    """One sign too few, too many, or in the place of another."""
    short = statement.shortened()
    if short is None:
        return None
    return _reserved(short) or _swapped(short) or _missing(short) or _surplus(short)


def unexplained(statement: Statement) -> Diagnostic:
    """What was expected and what was found."""
    message = f"expected {expectation(statement.expected)}, found {statement.what}"
    return Diagnostic("E0101", message, statement.here)


def _reserved(statement: Statement) -> Cure | None:
    token = statement.token
    if token.kind not in words() or "NAME" not in statement.expected or statement.previous.kind not in _NAMES_AFTER:
        return None
    edits = (Edit(statement.here, f"{token.kind}_"),)
    message = f"{statement.what} is a word of the language and cannot be a name"
    diagnostic = Diagnostic("E0101", message, statement.here, help=(Help("rename it", edits),))
    return statement.attempt(diagnostic, edits, clean=True)


def _swapped(statement: Statement) -> Cure | None:
    for swap in SWAPS:
        # Among values `in` is one, and in `xs[a:b]` nothing is compared.
        other = {"in": "NAME", "==": "]"}.get(swap.right)
        expected = statement.expected
        if statement.token.kind != swap.wrong or swap.right not in expected or other in expected:
            continue
        edits = (_exchange(statement, swap),)
        message = f"expected `{swap.right}`, found {statement.what}"
        help = Help(f"write `{swap.right}`", edits)
        cure = statement.attempt(Diagnostic(swap.code, message, statement.here, help=(help,)), edits)
        if cure:
            return cure
    return None


def _exchange(statement: Statement, swap: Swap) -> Edit:
    start, end = statement.token.start, statement.token.end
    if swap.wrong not in (":", ","):
        return Edit(Span(statement.source, start, end), swap.right)
    if "," not in statement.expected or LINE_END in statement.expected:
        return Edit(Span(statement.source, start, end), f" {swap.right}")
    while statement.source.text[end : end + 1] == " ":
        end += 1
    return Edit(Span(statement.source, start, end), swap.right)  # an argument


def _missing(statement: Statement) -> Cure | None:
    if statement.token.kind in (LINE_END, END):
        return None
    for sign in MISSING:
        # Where a value can stand `in` is one, and after one it compares.
        if sign in statement.expected and (sign != "in" or statement.expected.isdisjoint({"+", "NAME"})):
            cure = _put_in(statement, sign)
            if cure:
                return cure
    return None


def _put_in(statement: Statement, sign: str) -> Cure | None:
    """A sign put in before a token, and before others on its line that lack it too, as in `[1 2 3]`."""
    name = "a line end" if sign == LINE_END else f"`{sign}`"
    message = f"{name} is missing before {statement.what}"
    advice = "begin a new line" if sign == LINE_END else f"write {name} before it"
    edits: tuple[Edit, ...] = (_insertion(statement, sign, statement.previous, statement.token),)
    for _ in range(_MOST_MISSING):
        diagnostic = Diagnostic("E0101", message, statement.here, help=(Help(advice, edits),))
        cure = statement.attempt(diagnostic, edits, clean=True)
        if cure or sign not in (",", "->"):
            return cure
        trial = statement.trial(edits, statement.stop)
        if not trial.failed or not trial.reached or sign not in trial.machine.expected():
            return None
        edit = _insertion(statement, sign, trial.tokens[trial.reached - 1], trial.failed)
        if edit in edits or edit.span.start > statement.stop:
            return None
        edits = (*edits, edit)
    return None


def _insertion(statement: Statement, sign: str, previous: Token, token: Token) -> Edit:
    source = statement.source
    if sign == LINE_END:
        line = source.line(source.position(previous.start)[0])
        indent = line[: len(line) - len(line.lstrip())]
        return Edit(Span(source, previous.end, token.start), f"\n{indent}")
    return Edit(Span(source, previous.end, previous.end), sign if sign == "," else f" {sign}")


def _surplus(statement: Statement) -> Cure | None:
    token = statement.token
    following = statement.tokens[min(statement.at + 1, len(statement.tokens) - 1)]
    if token.kind not in SURPLUS or (token.kind != "," and following.kind not in OPENERS):
        return None
    gap = statement.source.text[statement.previous.end : token.start]
    start = token.start if "\n" in gap else statement.previous.end
    edits = (Edit(Span(statement.source, start, token.end), ""),)
    message = f"expected {expectation(statement.expected)}, found {found(statement.source, token)}"
    help = Help(f"leave the {statement.what} out", edits)
    return statement.attempt(Diagnostic("E0101", message, statement.here, help=(help,)), edits, clean=True)

"""Tokens to lines: where the author broke them, where they must break, and how far each is indented."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cnnlang.render.display import display_width
from cnnlang.source import Source
from cnnlang.syntax.spacing import Spacing
from cnnlang.syntax.tokens import CLOSERS, COMMENT, LINE_END, OPENERS, Token

WIDTH = 120
INDENT = 2
# A bracket that opens right of this column is broken after it, or its lines would be narrow.
_FAR = 60
# A line is broken at one level of its brackets a round; brackets are nested 100 deep at most.
_MAX_ROUNDS = 200


@dataclass(slots=True)
class Word:
    """A token as it is printed; `breakable` where a line end may take the place of the space before it."""

    token: Token
    text: str
    space: bool
    breakable: bool


@dataclass(slots=True)
class Line:
    """One line; `depth` counts the ( and [ that were open where it begins."""

    indent: int
    words: list[Word] = field(default_factory=list)
    comment: str = ""
    blank_before: bool = False
    depth: int = 0

    @property
    def code(self) -> str:
        return " " * self.indent + "".join(" " * w.space + w.text for w in self.words)


@dataclass(slots=True)
class _Bracket:
    """An open bracket.

    Attributes
    ----------
    base
        The indentation of what closes it on a line of its own.
    inner
        The indentation of the lines in it.
    multi
        Whether lines break in it.
    entries
        Whether it holds entries or conditions, which commas separate as well as line ends.
    statement
        The indentation of the bodies' heads in the statement at hand, and `continued` that of its further lines.
    in_branch
        Whether a `|` came in it.
    """

    kind: str
    start: int
    base: int
    inner: int
    multi: bool
    entries: bool = False
    statement: int = 0
    continued: int = 0
    in_branch: bool = False


@dataclass(slots=True)
class _Piece:
    """A token, and what the author put before it: no, one or two line ends."""

    token: Token
    breaks: int


class Layout:
    """The lines of one text.

    Attributes
    ----------
    exploded
        Offsets of `{` whose bodies do not fit on a line.
    broken
        Offsets of tokens that begin a line although the author had them on one.
    """

    def __init__(self, source: Source, tokens: Sequence[Token], spacing: Spacing) -> None:
        self.source = source
        self.spacing = spacing
        self.pieces = list(_arrows_first(_pieces(source, tokens)))
        self.partners = _partners(self.pieces)
        # The kind of each token, or for a comment of what follows it.
        self.following = [piece.token.kind for piece in self.pieces]
        for index in range(len(self.pieces) - 2, -1, -1):
            if self.following[index] == COMMENT:
                self.following[index] = self.following[index + 1]
        self.exploded: set[int] = set()
        self.broken: set[int] = set()

    def lines(self) -> list[Line]:
        """All lines, broken where they are too long."""
        lines = self.build()
        for _ in range(_MAX_ROUNDS):
            known = len(self.exploded) + len(self.broken)
            for line in lines:
                if line.words and display_width(line.code) > WIDTH:
                    self.shorten(line)
            if len(self.exploded) + len(self.broken) == known:
                break
            lines = self.build()
        return lines

    # --- one round ----------------------------------------------------------------------------------------------------

    def build(self) -> list[Line]:
        lines: list[Line] = []
        line = Line(0)
        column = 0
        brackets = [_Bracket("{", -1, 0, 0, True)]
        previous: Token | None = None
        pieces = self.pieces
        for index, piece in enumerate(pieces):
            token, kind = piece.token, piece.token.kind
            if kind == "," and self.is_dropped(index, brackets[-1]):
                continue
            breaks = self.breaks(index, previous, brackets[-1]) if previous else 1
            if breaks:
                line = Line(self.indentation(index, brackets), blank_before=breaks > 1)
                line.depth = sum(b.kind != "{" for b in brackets)
                lines.append(line)
                column = line.indent
            if kind == COMMENT:
                line.comment = self.text(token)
                previous = token
                continue
            if kind in CLOSERS:
                brackets.pop()
            space = False
            if line.words:
                space = self.spacing.apart(line.words[-1].token, token, brackets[-1].kind)
            text = self.text(token)
            # Outside of brackets a line end would end the statement; but an arrow begins a line.
            separated = bool(line.words) and line.words[-1].token.kind == "," and brackets[-1].entries
            line.words.append(Word(token, text, space, space and (brackets[-1].kind != "{" or separated)))
            column += space + display_width(text)
            if kind in OPENERS:
                brackets.append(self.opened(index, line, column))
            previous = token
        return lines

    def text(self, token: Token) -> str:
        return self.source.text[token.start : token.end].rstrip()  # a comment may end in spaces

    def opened(self, index: int, line: Line, column: int) -> _Bracket:
        """The bracket that a line opens, whose column is the one after it."""
        token = self.pieces[index].token
        base = line.indent + INDENT * (line.words[0].token.kind == "|")
        if token.kind == "{":
            entries = token.start in self.spacing.entry_braces
            inside = self.source.text[token.start : self.partners[token.start]]
            multi = "\n" in inside or token.start in self.exploded
            return _Bracket("{", token.start, base, base + INDENT, multi, entries)
        following = self.pieces[index + 1]
        at_end = following.token.kind == COMMENT or self.begins_line(following)
        return _Bracket(token.kind, token.start, base, base + INDENT if at_end else column, True)

    def is_dropped(self, index: int, bracket: _Bracket) -> bool:
        """Whether a comma is left out: a line end separates as well, and nothing follows the last."""
        comma = self.pieces[index].token
        following = self.pieces[index + 1]
        if bracket.kind == "{":
            exploded = bracket.entries and bracket.start in self.exploded
            return exploded or following.token.kind in ("}", COMMENT) or self.begins_line(following)
        if comma.start in self.spacing.tuple_commas:
            return False
        return following.token.kind in CLOSERS and not self.begins_line(following)

    def begins_line(self, piece: _Piece) -> bool:
        return piece.breaks > 0 or piece.token.start in self.broken

    def breaks(self, index: int, previous: Token, bracket: _Bracket) -> int:
        """How many line ends stand before a token: no, one, or two, which is a blank line."""
        piece = self.pieces[index]
        kind, author = piece.token.kind, piece.breaks
        if previous.kind == COMMENT:
            return 1 if bracket.kind != "{" or kind in ("->", "else", "}") else max(author, 1)
        if kind == COMMENT:
            return author if previous.kind != "{" else min(author, 1)
        if piece.token.start in self.broken:
            return 1
        if bracket.kind != "{":
            apart = previous.kind in OPENERS or kind in CLOSERS
            return min(author, 1) if apart or self.spacing.apart(previous, piece.token, bracket.kind) else 0
        if previous.kind == "{" or kind == "}":
            empty = previous.kind == "{" and kind == "}"
            return int(bracket.multi and not empty)
        if previous.kind == "|" or kind == "else":
            return 0
        if kind == "|":
            return max(author, 1) if bracket.multi else 0
        if kind == "->":
            return min(author, 1)
        if bracket.entries and bracket.start in self.exploded and self.pieces[index - 1].token.kind == ",":
            return 1
        return author

    def indentation(self, index: int, brackets: list[_Bracket]) -> int:
        """How far the line that a token begins is indented."""
        bracket = brackets[-1]
        kind = self.pieces[index].token.kind
        following = self.following[index]
        if kind in CLOSERS:
            return bracket.base
        if bracket.kind != "{":
            return bracket.inner
        if following == "->":
            return bracket.continued
        if following == "else":
            return bracket.statement
        if following == "|":
            column = bracket.inner
            if kind == "|":
                bracket.in_branch = True
                bracket.statement, bracket.continued = column + INDENT, column + INDENT
            return column
        column = bracket.inner + INDENT * (bracket.in_branch and following != "}")
        if kind != COMMENT:
            bracket.statement, bracket.continued = column, column + INDENT
        return column

    # --- lines that are too long --------------------------------------------------------------------------------------

    def shorten(self, line: Line) -> None:
        """Break a line: at its braces, else before its arrows, else after its commas, else at any space in brackets."""
        words = line.words
        ends = _columns(line)
        openers: list[int] = []
        # For each word the one that opens the innermost bracket around it, if that is on the line.
        around: list[int | None] = []
        braces: list[tuple[int, int]] = []
        arrows: list[int] = []
        commas: dict[int, list[int]] = {}
        spaces: dict[int, list[int]] = {}
        depth = 0
        for index, word in enumerate(words):
            kind = word.token.kind
            if kind in CLOSERS:
                depth -= 1
                if openers:
                    opener = openers.pop()
                    if kind == "}" and index > opener + 1:
                        braces.append((opener, index))
            around.append(openers[-1] if openers else None)
            if kind == "->" and index and not openers:
                arrows.append(index)
            elif word.breakable:
                places = commas if words[index - 1].token.kind == "," else spaces
                places.setdefault(depth, []).append(index)
            if kind in OPENERS:
                depth += 1
                openers.append(index)
        if braces:
            # The first goes, and what is in it goes with it where it will not fit either.
            first = min(braces)
            open_to, room = [first[1]], WIDTH - line.indent
            self.exploded.add(words[first[0]].token.start)
            for opener, closer in sorted(braces)[1:]:
                while open_to and opener > open_to[-1]:
                    open_to.pop()
                if open_to and ends[closer] - ends[opener] > room - INDENT * len(open_to):
                    self.exploded.add(words[opener].token.start)
                    open_to.append(closer)
            return
        if arrows and self.fill(line, ends, arrows, line.indent + INDENT * (words[0].token.kind != "->")):
            return
        for candidates in [commas[d] for d in sorted(commas)] + [spaces[d] for d in sorted(spaces)]:
            if self.fill_bracket(line, ends, around, candidates):
                return

    def fill(self, line: Line, ends: Sequence[int], candidates: Sequence[int], indent: int) -> bool:
        """Break before some words, as few as needed; whether that changes anything."""
        allowed = set(candidates)
        shift = 0
        last: int | None = None
        changed = False
        for index, end in enumerate(ends):
            if index in allowed:
                last = index
            if end - shift > WIDTH and last is not None:
                self.broken.add(line.words[last].token.start)
                changed = True
                shift = ends[last] - display_width(line.words[last].text) - indent
                last = None
        return changed

    def fill_bracket(
        self, line: Line, ends: Sequence[int], around: Sequence[int | None], candidates: Sequence[int]
    ) -> bool:
        """Break inside a bracket; one that opens far right is broken after its opener too."""
        opener = around[candidates[0]]
        inside = [i for i in candidates if around[i] == opener]
        if opener is None:
            return self.fill(line, ends, inside, line.indent)
        column = ends[opener]
        if column > _FAR and opener + 1 < len(line.words):
            self.broken.add(line.words[opener + 1].token.start)
            self.broken.add(self.partners[line.words[opener].token.start])
            return True
        return self.fill(line, ends, inside, column)


def _columns(line: Line) -> list[int]:
    """The column after each word."""
    columns = []
    column = line.indent
    for word in line.words:
        column += word.space + display_width(word.text)
        columns.append(column)
    return columns


def _pieces(source: Source, tokens: Sequence[Token]) -> Iterator[_Piece]:
    """Tokens without line ends, each with the number of those before it."""
    end = 0
    for token in tokens:
        if token.kind == LINE_END:
            continue
        yield _Piece(token, min(source.text.count("\n", end, token.start), 2))
        end = token.end


def _arrows_first(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """An arrow at the end of a line begins the next one, after the comments between."""
    held: _Piece | None = None
    for piece in pieces:
        if held and piece.token.kind == COMMENT:
            yield piece
            held.breaks = 1
            continue
        if held:
            if piece.breaks:
                held.breaks = 1
            yield held
            piece.breaks = 0
            held = None
        if piece.token.kind == "->":
            held = piece
        else:
            yield piece


def _partners(pieces: Sequence[_Piece]) -> dict[int, int]:
    """The offset of the closing bracket of each opening one."""
    partners: dict[int, int] = {}
    stack: list[int] = []
    for piece in pieces:
        if piece.token.kind in OPENERS:
            stack.append(piece.token.start)
        elif piece.token.kind in CLOSERS:
            partners[stack.pop()] = piece.token.start
    return partners

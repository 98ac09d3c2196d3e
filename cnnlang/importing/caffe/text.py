"""Protocol Buffers' text format, as prototxt files are written: `name: value` and `name { ... }`.

No schema is needed: a field is a scalar (a word, a number or a text, as it is written) or a message.

Source: the Text Format Language Specification of Protocol Buffers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cnnlang.errors import FindingsError
from cnnlang.importing.building import LayerError, broken
from cnnlang.importing.texts import BAD_CHARACTERS, beyond, damaged, shown
from cnnlang.source import Source, Span

MAX_DEPTH = 50
MAX_FIELDS = 100_000
TOKEN = re.compile(
    r"(?P<blank>[ \t\n\v\f]+|\#[^\n]*)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFuUlL]?))"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<sign>[{}<>:;,\[\]-])"
)
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)")
PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
TRUE, FALSE = ("true", "t", "True", "1"), ("false", "f", "False", "0")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as it is written; a text without its quotes and escapes."""

    text: str
    kind: str
    span: Span


@dataclass(slots=True)
class Message:
    """A message: its fields by name, each as often as it is written.

    Attributes
    ----------
    kind
        The name of the field that it stands in.
    span
        From there to its brace.
    """

    kind: str
    span: Span
    fields: dict[str, list[Scalar | Message]] = field(default_factory=dict)

    def messages(self, name: str) -> list[Message]:
        """The messages of a name.

        Raises
        ------
        LayerError
            E0601: a scalar stands there.
        """
        found = []
        for value in self.fields.get(name, []):
            if isinstance(value, Scalar):
                raise broken(f"`{name}` needs braces: {name} {{ ... }}", value.span)
            found.append(value)
        return found

    def message(self, name: str) -> Message:
        """The message of a name, the last one where there are several; an empty one where there is none."""
        found = self.messages(name)
        return found[-1] if found else Message(name, self.span)

    def scalars(self, name: str) -> list[Scalar]:
        """The scalars of a name.

        Raises
        ------
        LayerError
            E0601: a message stands there.
        """
        found = []
        for value in self.fields.get(name, []):
            if isinstance(value, Message):
                raise broken(f"`{name}` is a value and has no braces: {name}: ...", value.span)
            found.append(value)
        return found

    def scalar(self, name: str) -> Scalar | None:
        """The scalar of a name, the last one where there are several, as Protocol Buffers have it."""
        found = self.scalars(name)
        return found[-1] if found else None

    def has(self, name: str) -> bool:
        return name in self.fields

    def place(self, name: str) -> Span:
        """Where a field stands; the message's head where it does not."""
        found = self.fields.get(name)
        return found[-1].span if found else self.span

    def text(self, name: str, default: str = "") -> str:
        found = self.scalar(name)
        return found.text if found else default

    def integers(self, name: str, low: int = 0) -> list[int]:
        return [_integer(name, s, low) for s in self.scalars(name)]

    def integer(self, name: str, default: int, low: int = 0) -> int:
        """An integer.

        Raises
        ------
        LayerError
            E0601: it is none, or too small; E0603: it has more than 31 bits.
        """
        found = self.scalar(name)
        return _integer(name, found, low) if found else default

    def number(self, name: str, default: float) -> float:
        """A number.

        Raises
        ------
        LayerError
            E0601: it is none, or not finite.
        """
        found = self.scalar(name)
        return _number(name, found) if found else default

    def numbers(self, name: str) -> list[float]:
        return [_number(name, s) for s in self.scalars(name)]

    def flag(self, name: str, default: bool) -> bool:
        """A truth value.

        Raises
        ------
        LayerError
            E0601: it is none.
        """
        found = self.scalar(name)
        if found is None:
            return default
        if found.kind == "text" or found.text not in (*TRUE, *FALSE):
            raise broken(f"`{name}` must be true or false, not {shown(found.text)}", found.span)
        return found.text in TRUE

    def choice(self, name: str, *names: str) -> str:
        """One of some words, or its number; the first where the field is not there.

        Raises
        ------
        LayerError
            E0601: it is another.
        """
        found = self.scalar(name)
        if found is None:
            return names[0]
        if found.text in names:
            return found.text
        if found.text.isascii() and found.text.isdigit() and len(found.text) < 3 and int(found.text) < len(names):
            return names[int(found.text)]
        raise broken(f"`{name}` must be {' or '.join(names)}, not {shown(found.text)}", found.span)


def _integer(name: str, value: Scalar, low: int) -> int:
    text = value.text.rstrip("uUlL")
    if value.kind != "number" or not re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)", text):
        raise broken(f"`{name}` must be an integer, not {shown(value.text)}", value.span)
    if len(text) > 12:
        raise LayerError("E0603", f"`{name}` has more than 31 bits", value.span)
    number = int(text, 16 if "x" in text.lower() else 10)
    if abs(number) >= 2**31:
        raise LayerError("E0603", f"`{name}` has more than 31 bits", value.span)
    if number < low:
        raise broken(f"`{name}` must be at least {low}, not {number}", value.span)
    return number


def _number(name: str, value: Scalar) -> float:
    found = math.nan
    if value.kind == "number" and len(value.text) <= 60:
        is_hex = "x" in value.text.lower()
        found = float(int(value.text, 16)) if is_hex else float(value.text.rstrip("fFuUlL"))
    if not math.isfinite(found):
        raise broken(f"`{name}` must be a number, not {shown(value.text)}", value.span)
    return found


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def _tokens(source: Source) -> Iterator[_Token]:
    text, at = source.text, 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise _no_token(source, at)
        kind = match.lastgroup or ""
        if kind == "text" and any(c in match.group() for c in BAD_CHARACTERS):
            raise damaged("a text has no such byte: it is no UTF-8, or a NUL", Span(source, at, match.end()))
        if kind != "blank":
            yield _Token(match.group() if kind == "sign" else kind, match.group(), at, match.end())
        at = match.end()
    yield _Token("end", "", at, at)


def _no_token(source: Source, at: int) -> FindingsError:
    character = source.text[at]
    span = Span(source, at, at + 1)
    if character in "\"'":
        return damaged("this text has no end", span, "a text ends on its line, with the quote that began it")
    if character in BAD_CHARACTERS:
        return damaged("a text has no such byte: it is no UTF-8, or a NUL", span)
    return damaged(f"no such character stands in a prototxt: {shown(character)}", span)


def parse_text(source: Source) -> Message:
    """The fields of a text.

    Raises
    ------
    FindingsError
        E0601: the text breaks off, or a sign stands where there can be none; E0603: it is nested too deep, or too long.
    """
    return _Parser(source).parse()


class _Parser:
    """One token ahead; messages are kept in a stack, so that depth costs no recursion."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = _tokens(source)
        self.token = next(self.tokens)
        self.count = 0

    def parse(self) -> Message:
        root = Message("", Span(self.source, 0, min(1, len(self.source.text))))
        stack: list[tuple[Message, str]] = [(root, "end")]
        while True:
            message, close = stack[-1]
            if self.token.kind == close:
                stack.pop()
                if not stack:
                    return root
                self._next()
                self._separator()
            elif self.token.kind == "end":
                why = f"the file breaks off: `{message.kind}` has no `{close}`"
                raise damaged(why, message.span, "get the file once more")
            else:
                self._field(stack)

    def _next(self) -> _Token:
        token = self.token
        if token.kind != "end":
            self.token = next(self.tokens)
        return token

    def _separator(self) -> None:
        if self.token.kind in (",", ";"):
            self._next()

    def _field(self, stack: list[tuple[Message, str]]) -> None:
        message = stack[-1][0]
        word = self._next()
        if word.kind != "word":
            raise self._unexpected(word, "a field's name")
        self.count += 1
        if self.count > MAX_FIELDS:
            raise beyond(f"a net has at most {MAX_FIELDS:,} fields", self._span(word))
        values = message.fields.setdefault(word.text, [])
        has_colon = self.token.kind == ":"
        if has_colon:
            self._next()
        if self.token.kind in ("{", "<"):
            brace = self._next()
            if len(stack) > MAX_DEPTH:
                raise beyond(f"messages are nested at most {MAX_DEPTH} deep", self._span(word))
            inner = Message(word.text, Span(self.source, word.start, brace.end))
            values.append(inner)
            stack.append((inner, "}" if brace.kind == "{" else ">"))
            return
        if not has_colon:
            raise self._unexpected(self.token, f"`:` or `{{` after `{word.text}`")
        if self.token.kind == "[":
            self._list(word, values)
        else:
            values.append(self._scalar(word))
        self._separator()

    def _list(self, word: _Token, values: list[Scalar | Message]) -> None:
        self._next()
        while self.token.kind != "]":
            values.append(self._scalar(word))
            self.count += 1
            if self.count > MAX_FIELDS:
                raise beyond(f"a net has at most {MAX_FIELDS:,} fields", self._span(word))
            if self.token.kind == ",":
                self._next()
            elif self.token.kind != "]":
                raise self._unexpected(self.token, "`,` or `]`")
        self._next()

    def _scalar(self, word: _Token) -> Scalar:
        token = self._next()
        if token.kind == "-" and self.token.kind == "word":  # -inf, -nan
            token = _Token("word", "-" + self._next().text, token.start, token.end)
        if token.kind not in ("word", "number", "text"):
            raise self._unexpected(token, f"the value of `{word.text}`")
        span = Span(self.source, word.start, token.end)
        if token.kind != "text":
            return Scalar(token.text, token.kind, span)
        parts = [_unquoted(token.text)]
        while self.token.kind == "text":  # neighbours are one text
            token = self._next()
            parts.append(_unquoted(token.text))
        return Scalar("".join(parts), "text", Span(self.source, word.start, token.end))

    def _span(self, token: _Token) -> Span:
        return Span(self.source, token.start, max(token.end, token.start + 1))

    def _unexpected(self, token: _Token, wanted: str) -> FindingsError:
        if token.kind == "end":
            at = max(token.start - 1, 0)
            return damaged(
                f"the file breaks off before {wanted}", Span(self.source, at, at + 1), "get the file once more"
            )
        return damaged(f"{shown(token.text)} stands where {wanted} should", self._span(token))


def _unquoted(text: str) -> str:
    return ESCAPE.sub(_escaped, text[1:-1])


def _escaped(match: re.Match[str]) -> str:
    word = match.group(1)
    if word[0] == "x" and len(word) > 1:
        return chr(int(word[1:], 16))
    if word[0] in "01234567":
        return chr(int(word, 8) & 0xFF)
    return PLAIN_ESCAPES.get(word, word)

"""The text of a Darknet cfg: sections in brackets, each with lines `key=value`.

As Darknet reads it: blanks do not count, a line that begins with `#` or `;` is a comment, and of an option that is
written twice the first holds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from cnnlang.importing.building import LayerError, broken, unsayable
from cnnlang.importing.texts import MAX_LAYERS, bad_character, beyond, damaged, shown
from cnnlang.source import Source, Span

MAX_INT = 2**31 - 1
LINE = re.compile(r"[^\n]*")
COMMENT = re.compile(r"\s[#;].*")
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?f?")


@dataclass(frozen=True, slots=True)
class Option:
    """A value, and the line that says it."""

    text: str
    span: Span


@dataclass(slots=True)
class Section:
    """One section: a layer, or `net`.

    Attributes
    ----------
    kind
        What stands in the brackets.
    span
        The brackets.
    options
        By key.
    asked
        The keys that somebody asked for.
    """

    kind: str
    span: Span
    options: dict[str, Option] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def place(self, key: str) -> Span:
        """Where an option stands; the section's head where it does not."""
        return self.options[key].span if key in self.options else self.span

    def has(self, key: str) -> bool:
        self.asked.add(key)
        return key in self.options

    def text(self, key: str, default: str) -> str:
        self.asked.add(key)
        return self.options[key].text if key in self.options else default

    def integer(self, key: str, default: int, low: int | None = None) -> int:
        """An integer option.

        Raises
        ------
        LayerError
            E0601: it is none, or too small; E0603: it has more than 31 bits.
        """
        self.asked.add(key)
        if key not in self.options:
            return default
        return self._integer(key, self.options[key].text, low)

    def integers(self, key: str) -> list[int]:
        """A list of integers, with commas between.

        Raises
        ------
        LayerError
            As in `integer`.
        """
        text = self.text(key, "").rstrip(",")
        return [self._integer(key, word, None) for word in text.split(",")] if text else []

    def _integer(self, key: str, text: str, low: int | None) -> int:
        match = INTEGER.fullmatch(text)
        if not match:
            raise broken(f"{key} must be an integer, not {shown(text)}", self.place(key))
        if len(text) > 12 or abs(int(text)) > MAX_INT:
            raise LayerError("E0603", f"{key} has more than 31 bits", self.place(key))
        value = int(text)
        if low is not None and value < low:
            raise broken(f"{key} must be at least {low}, not {value}", self.place(key))
        return value

    def number(self, key: str, default: float) -> float:
        """A number.

        Raises
        ------
        LayerError
            E0601: it is none.
        """
        self.asked.add(key)
        if key not in self.options:
            return default
        text = self.options[key].text
        value = float(text.rstrip("f")) if NUMBER.fullmatch(text) and len(text) <= 40 else math.nan
        if not math.isfinite(value):
            raise broken(f"{key} must be a number, not {shown(text)}", self.place(key))
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """An option that is 0 or not."""
        return self.integer(key, int(default)) != 0

    def forbid(self, **why: str) -> None:
        """Raise E0602 for an option that is on (not 0) and cannot be said."""
        for key, reason in why.items():
            if self.number(key, 0):
                raise unsayable(f"{key}={self.text(key, '')}: {reason}", self.place(key))

    def ignore(self, *keys: str) -> None:
        """Take note of options that do not matter in inference."""
        self.asked.update(keys)

    def rest(self) -> list[str]:
        """The options that nobody asked for."""
        return [key for key in self.options if key not in self.asked]


def parse_cfg(source: Source) -> list[Section]:
    """The sections in their order, `net` the first.

    Raises
    ------
    FindingsError
        E0601: a line is no comment, section or option, or the first section is not `net`; E0603: there are too many.
    """
    sections: list[Section] = []
    for match in LINE.finditer(source.text):
        line = match.group()
        start = match.start() + len(line) - len(line.lstrip())
        text = COMMENT.sub("", line.strip())
        if not text or text[0] in "#;":
            continue
        span = Span(source, start, start + len(text))
        if error := bad_character(source, start, span.end):
            raise error
        if text[0] == "[":
            if text[-1] != "]":
                raise damaged("a section's name ends with `]`", span)
            if len(sections) > MAX_LAYERS:
                raise beyond(f"a net has at most {MAX_LAYERS:,} layers", span)
            sections.append(Section(_squeezed(text[1:-1]), span))
            continue
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise damaged("a line is `[section]`, `key=value` or a comment", span)
        if not sections:
            raise damaged("an option stands before the first section", span, "begin the file with [net]")
        sections[-1].options.setdefault(_squeezed(key), Option(_squeezed(value), span))
    whole = Span(source, 0, min(len(source.text), 1))
    if not sections:
        raise damaged("there is no section in this file", whole, "a cfg begins with [net]")
    if sections[0].kind not in ("net", "network"):
        raise damaged("the first section must be [net]", sections[0].span, "a cfg begins with [net]")
    if len(sections) == 1:
        raise damaged("there is no layer in this file", sections[0].span)
    return sections


def _squeezed(text: str) -> str:
    return "".join(text.split())

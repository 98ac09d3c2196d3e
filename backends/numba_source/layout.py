"""Python text on lines of 120 columns, broken as a formatter breaks it."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

WIDTH = 120


def columns(text: str) -> int:
    """The columns that a line takes; Hangul and other wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def quoted(text: str) -> str:
    """A string literal, in double quotes where its text has none."""
    literal = repr(text)
    return f'"{literal[1:-1]}"' if literal[0] == "'" and '"' not in literal else literal


def call(start: str, function: str, arguments: Sequence[str], comment: str = "") -> list[str]:
    """The lines of `start function(arguments)  # comment` in a function's body, indented by 4."""
    lines = _call(start, function, arguments)
    if not comment:
        return lines
    if columns(lines[-1]) + columns(comment) + 4 <= WIDTH:
        return [*lines[:-1], f"{lines[-1]}  # {comment}"]
    return [f"    # {comment}", *lines]


def _call(start: str, function: str, arguments: Sequence[str]) -> list[str]:
    inside = ", ".join(arguments)
    line = f"    {start}{function}({inside})"
    if columns(line) <= WIDTH:
        return [line]
    if columns(inside) + 8 <= WIDTH:
        return [f"    {start}{function}(", f"        {inside}", "    )"]
    return [f"    {start}{function}(", *(f"        {a}," for a in arguments), "    )"]


def docstring(text: str) -> list[str]:
    """The lines of a function's docstring, without their indent of 4."""
    lines = textwrap.wrap(text, WIDTH - 12)
    return [f'"""{text}"""'] if len(lines) == 1 else [f'"""{lines[0]}', *lines[1:], '"""']


def constant(name: str, value: Any) -> str:
    """`NAME = value`, on as many lines as it takes."""
    return f"{name} = {_literal(value, '')}"


def _literal(value: Any, indent: str) -> str:
    """A value on one line, or each of its elements on one; words and numbers fill lines."""
    line = _on_one_line(value)
    if columns(indent) + columns(line) <= WIDTH - 20 or not isinstance(value, dict | list | tuple):
        return line
    inner = indent + "    "
    start, end = ("{", "}") if isinstance(value, dict) else ("[", "]") if isinstance(value, list) else ("(", ")")
    if isinstance(value, dict):
        elements = [f"{inner}{quoted(key)}: {_literal(element, inner)}," for key, element in value.items()]
    elif isinstance(value[0], list | tuple):
        elements = [f"{inner}{_literal(element, inner)}," for element in value]
    else:
        elements = _filled([f"{_on_one_line(element)}," for element in value], inner)
    return "\n".join([start, *elements, f"{indent}{end}"])


def _on_one_line(value: Any) -> str:
    match value:
        case str():
            return quoted(value)
        case dict():
            return f"{{{', '.join(f'{quoted(k)}: {_on_one_line(v)}' for k, v in value.items())}}}"
        case list():
            return f"[{', '.join(map(_on_one_line, value))}]"
        case tuple():
            return f"({', '.join(map(_on_one_line, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def _filled(words: list[str], indent: str) -> list[str]:
    lines = [indent + words[0]]
    for word in words[1:]:
        if columns(lines[-1]) + columns(word) + 1 <= WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(indent + word)
    return lines

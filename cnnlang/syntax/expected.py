"""What could have stood at a place, and what stands there, in words."""

from __future__ import annotations

from collections.abc import Set

from cnnlang.source import Source
from cnnlang.syntax.tokens import END, LINE_END, Token

# Sets of kinds that one word says: where all of `signs` could stand, `hides` need not be listed.
_VALUE = frozenset({"NAME", "INT", "FLOAT", "PAIR", "STRING", "true", "false", "none", "(", "[", "in", "+", "-", "not"})
_OPERATORS = frozenset(
    {"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not", "and", "or", "if"}
)
_STATEMENT = frozenset(
    {
        "let",
        "input",
        "labels",
        "output",
        "aux",
        "train",
        "predict",
        "meta",
        "check",
        "group",
        "shared",
        "for",
        "if",
        "NAME",
        "{",
        "in",
    }
)
_GROUPS: tuple[tuple[frozenset[str], tuple[str, ...], frozenset[str]], ...] = (
    (frozenset({"let", "NAME"}), ("a statement",), _STATEMENT),
    (frozenset({"net", "block"}), ("`net`", "`block`", "`from`"), frozenset({"net", "block", "from", END})),
    (frozenset({"NAME", "INT", "STRING"}), ("a value",), _VALUE | {"{"}),
    (frozenset({"NAME", "in", "{"}), ("a step",), frozenset({"NAME", "in", "{"})),
    (frozenset({"train", "check"}), ("a section",), frozenset({"train", "predict", "meta", "check", "labels"})),
    (frozenset({"->", "+"}), (), frozenset({"->", "{"})),
    (frozenset({"->"}), ("`->`",), frozenset({"->", "*", "as", ":", "(", "{", "**", "["})),
    (frozenset({LINE_END}), ("a new line",), frozenset({LINE_END, "}", "|", END})),
    (frozenset({"+", "*", "=="}), ("an operator",), _OPERATORS | {"(", "[", "."}),
)
_WORDS = {
    "NAME": "a name",
    "INT": "a number",
    "STRING": 'a string in `"`',
    LINE_END: "a new line",
    END: "the end of the file",
}


def expectation(kinds: Set[str]) -> str:
    """`` `,`, `)` or an operator ``."""
    left = set(kinds)
    said: list[str] = []
    for signs, word, hides in _GROUPS:
        if signs <= left:
            said.extend(word)
            left -= hides
    named = sorted(_WORDS.get(kind, f"`{kind}`") for kind in left)
    # What was most likely forgotten comes first; an operator is always possible and seldom meant.
    words = [*named, *said] if "an operator" in said else [*said, *named]
    words = words[:4]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def found(source: Source, token: Token) -> str:
    """What stands at a place: `` `)` `` or `the end of the line`."""
    if token.kind == END:
        return "the end of the text"
    if token.kind == LINE_END:
        return "the end of the line"
    text = source.text[token.start : token.end].split("\n")[0]
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"

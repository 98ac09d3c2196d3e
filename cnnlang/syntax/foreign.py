"""Signs, strings, numbers and comments that the language does not have, and what was meant by them.

Only a text with an error is read this way. Each finding stands on its own: the token that was meant takes its place, so
that the parser goes on as if it had been there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from cnnlang.diagnostics import Diagnostic, Edit, Help
from cnnlang.source import Source, Span
from cnnlang.syntax.machine import MAX_ERRORS
from cnnlang.syntax.numbers import check_number
from cnnlang.syntax.tokens import (
    BAD_CHARACTER,
    BAD_NAME,
    BAD_NUMBER,
    BAD_STRING,
    CLOSERS,
    COMMENT,
    FOREIGN_NAMES,
    LINE_END,
    NUMBERS,
    OPENERS,
    Token,
    classify,
    patterns,
)


class Foreign(NamedTuple):
    """What another language writes, and what to write instead.

    Parameters
    ----------
    pattern
        The text.
    kind
        The kind of token that it stands for; none if it is to be left out.
    cure
        The text to put in its place, or a function from the one to the other.
    message, help
        Where `{text}` is what stands there and `{cure}` what should.
    code
        E0107 for a habit of another language, E0108 for a string that is none in any.
    """

    pattern: str
    kind: str
    cure: str | Callable[[str], str]
    message: str
    help: str
    code: str = "E0107"


def _as_comment(text: str) -> str:
    body = re.sub(r"^(\"\"\"|'''|/\*+)|(\"\"\"|'''|\*+/)$", "", text)
    lines = [re.sub(r"^[ \t]*\*?[ \t]*", "", line).rstrip() for line in body.strip().split("\n")]
    indents = re.findall(r"\n([ \t]*)", text) or [""]
    return f"\n{min(indents, key=len)}".join(f"# {line}".rstrip() for line in lines)


def _as_string(text: str) -> str:
    inner = re.sub(r"\\(.)", r"\1", text[1:-1])
    return '"' + inner.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _as_pair(text: str) -> str:
    return "x".join(re.findall(r"[0-9]+", text))


_COMMENT = ("this comment begins as in another language", "a comment begins with `#`")
_STRING = ("a string stands between double quotes: here is {text}", "write `{cure}`")
_ARROW = ("`{text}` is no arrow", "write `->`")
_SIGN = ("the language has no `{text}`", "write `{cure}`")

FOREIGN = (
    Foreign(r'"""(?s:.*?)(?:"""|\Z)', COMMENT, _as_comment, *_COMMENT),
    Foreign(r"'''(?s:.*?)(?:'''|\Z)", COMMENT, _as_comment, *_COMMENT),
    Foreign(r"/\*(?s:.*?)(?:\*/|\Z)", COMMENT, _as_comment, *_COMMENT),
    Foreign(r"[fFrRbBuU]{1,2}(?=[\"'])", "", "", "a string has no prefix: here is `{text}`", "leave the `{text}` out"),
    Foreign(r"'(?:[^'\\\n]|\\[^\n])*'", "STRING", _as_string, *_STRING),
    Foreign(r"`[^`\n]*`", "STRING", _as_string, *_STRING),
    Foreign(r"[“”„‟«»][^“”„‟«»\"\n]*[“”„‟«»\"]", "STRING", _as_string, *_STRING),
    Foreign(r'(?!"(?:[^"\\\n]|\\["\\])*")"[^“”„‟«»"\n]*[“”„‟«»]', "STRING", _as_string, *_STRING),
    Foreign(r"[‘’‚][^‘’\n]*[‘’]", "STRING", _as_string, *_STRING),
    Foreign(
        r"[0-9]+(?:[ \t]*[×✕✖⨯X][ \t]*|[ \t]+x[ \t]*|x[ \t]+)[0-9]+(?![\w.])",
        "PAIR",
        _as_pair,
        "a pair is written without spaces and with a small `x`: here is `{text}`",
        "write `{cure}`",
    ),
    Foreign(r"-->|--+>|==+>|>>|~>|\|>", "->", "->", *_ARROW),
    Foreign(r"[→⇒➔➜⟶⟹➡►▶]️?", "->", "->", *_ARROW),
    Foreign(r"&&?", "and", "and", *_SIGN),
    Foreign(r"!(?!=)", "not", "not ", "the language has no `!`", "write `not`"),
    Foreign(r"===", "==", "==", *_SIGN),
    Foreign(r"!==|<>|≠", "!=", "!=", *_SIGN),
    Foreign(r"≤", "<=", "<=", *_SIGN),
    Foreign(r"≥", ">=", ">=", *_SIGN),
    Foreign(r"\^", "**", "**", *_SIGN),
    Foreign(r"[×∗⋅·]", "*", "*", *_SIGN),
    Foreign(r"÷", "/", "/", *_SIGN),
    Foreign(r"[−–—]", "-", "-", *_SIGN),
    Foreign(r"[ \t]*\\[ \t]*\n[ \t]*", "", " ", "a line is not continued with a backslash", "join the lines"),
    Foreign(r"[\ufeff\u200b-\u200f\u2060\xad]", "", "", "an invisible character ({name})", "leave it out"),
    Foreign(r"[^\S \t\n]", "", " ", "this is not a plain space ({name})", "write a plain space"),
)

# Numbers as other languages write them: what they are here, and their kind.
NUMBER_HABITS: tuple[tuple[str, str, Callable[[re.Match[str]], str]], ...] = (
    (r"([0-9]+)X([0-9]+)", "PAIR", lambda m: f"{m[1]}x{m[2]}"),
    (r"0x([0-9a-fA-F]+)", "INT", lambda m: str(int(m[1][:15], 16))),
    (r"0b([01]+)", "INT", lambda m: str(int(m[1][:60], 2))),
    (r"([0-9][0-9_.]*)([kmg])", "INT", lambda m: m[1] + m[2].upper()),
    (r"([0-9][0-9_.]*)[bB]", "INT", lambda m: m[1] + "G"),
    (r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)[fFdDlLuU]{1,2}", "FLOAT", lambda m: m[1]),
    (r"([0-9]+(?:_+[0-9]+)*)_*", "INT", lambda m: re.sub("_+", "_", m[1])),
)

# What makes `//` a division: an expression before it on its line, and after it an operand and what can follow one.
_OPERAND = re.compile(r"[ \t]*[-+]?(?:\w[\w.]*|\()[ \t]*(?:[-+*/%(),\]}{<>=!\[:#\n]|and\b|or\b|if\b|else\b|\Z)")
_EXPRESSION = re.compile(r"\b(?:let|if|for|labels|check|train|predict|meta)\b|=")
_COMPARED = re.compile(r"[ \t]*\w[\w.]*[ \t]*[<>=!]")


class Reader:
    """Reads a text token by token, with what was meant in the place of what the language does not have."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.tokens: list[Token] = []
        self.findings: list[Diagnostic] = []
        self.open: list[str] = []

    def read(self, start: int, end: int) -> None:
        match = _pattern().match
        at = start
        while at < end and len(self.findings) < MAX_ERRORS:
            found = match(self.text, at, end)
            assert found is not None
            group = found.lastgroup or ""
            if group.startswith("FOREIGN"):
                self.foreign(FOREIGN[int(group[7:])], at, found.end())
                at = found.end()
                continue
            token = classify(found, _QUICK.get(group, (group,))[0], end)
            at = self.take(token, end)

    def take(self, token: Token, end: int) -> int:
        """Take a token; where to go on reading."""
        kind, start, stop = token
        if kind.startswith("SPACE"):
            return stop
        if kind in ("//", "%", "-") and self.is_comment(token):
            return self.comment(token)
        if kind in NUMBERS:
            problem = check_number(self.text[start:stop], Span(self.source, start, stop))
            if problem:
                self.findings.append(problem)
        if kind == BAD_NAME:
            self.replace(token, FOREIGN_NAMES[self.text[start:stop]])
        elif kind == BAD_NUMBER:
            self.bad_number(token)
        elif kind == BAD_STRING:
            return self.bad_string(token)
        elif kind == BAD_CHARACTER:
            return self.bad_character(token, end)
        elif kind == "|" and self.text.startswith("||", start) and self.is_or(start):
            self.replace(Token(kind, start, start + 2), "or")
            return start + 2
        elif kind == "=" and self.text.startswith("=>", start):
            # In an argument `name => value`; elsewhere an arrow.
            inside = self.open and self.open[-1] != "{"
            self.replace(Token(kind, start, start + 2), "=" if inside else "->")
            return start + 2
        else:
            if kind in OPENERS:
                self.open.append(kind)
            elif kind in CLOSERS and self.open:
                self.open.pop()
            self.tokens.append(token)
        return stop

    # --- comments -----------------------------------------------------------------------------------------------------

    def is_comment(self, token: Token) -> bool:
        """Whether `//` is no division, and `%` or `--` at the start of a line no sign."""
        if self.open and self.open[-1] != "{":
            return False
        line_start = self.text.rfind("\n", 0, token.start) + 1
        before = self.text[line_start : token.start]
        if not before.strip():
            return token.kind != "-" or self.text.startswith("--", token.start)
        if token.kind != "//":
            return False
        outside = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", before))
        division = _OPERAND if _EXPRESSION.search(outside) else _COMPARED
        return not division.match(self.text, token.end)

    def comment(self, token: Token) -> int:
        sign = self.text[token.start : token.start + 2] if token.kind == "-" else token.kind
        stop = token.start + len(sign)
        space = "" if self.text[stop : stop + 1].isspace() else " "
        self.report("E0107", token.start, stop, *_COMMENT, "#" + space)
        end = self.text.find("\n", stop)
        end = len(self.text) if end < 0 else end
        self.tokens.append(Token(COMMENT, token.start, end))
        return end

    # --- signs and words ----------------------------------------------------------------------------------------------

    def is_or(self, start: int) -> bool:
        """Whether `||` at `start` is in an expression; after `{` or a step it is two bars of branches."""
        if self.open and self.open[-1] != "{":
            return True
        line = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        return bool(re.match(r"[ \t}]*(?:else[ \t]+)?(?:if|let)\b", line)) and "{" not in line.partition("if")[2]

    def foreign(self, row: Foreign, start: int, end: int) -> None:
        text = self.text[start:end]
        cure = row.cure if isinstance(row.cure, str) else row.cure(text)
        name = unicodedata.name(text[0], f"U+{ord(text[0]):04X}") if "{name}" in row.message else ""
        shown = text if len(text) <= 40 else text[:37] + "..."
        message = row.message.format(text=shown, cure=cure, name=name)
        if "\n" in text:
            # Shown at its first line alone.
            shown_end = self.text.index("\n", start)
            self.report(row.code, start, shown_end, message, row.help, cure, end)
        else:
            self.report(row.code, start, end, message, row.help.format(text=shown, cure=cure), cure)
        if row.kind:
            self.tokens.append(Token(row.kind, start, end))

    def replace(self, token: Token, kind: str) -> None:
        """Report a sign or word that has another shape here, and put that in its place."""
        text = self.text[token.start : token.end]
        message = f"`{text}` is written `{kind}`"
        self.report("E0107", token.start, token.end, message, f"write `{kind}`", kind)
        self.tokens.append(Token(kind, token.start, token.end))

    def bad_character(self, token: Token, end: int) -> int:
        text = self.text
        start, char = token.start, text[token.start]
        plain = unicodedata.normalize("NFKC", char)
        if plain != char and len(plain) == 1 and plain.isascii() and plain.isprintable():
            return self.full_width(token, plain, end)
        if char == ";":
            return self.semicolon(token)
        if char == "'":  # an apostrophe with no partner on its line
            self.tokens.append(Token("STRING", start, self.close_string(start)))
            return self.tokens[-1].end
        stop = start + 1
        while stop < end and text[stop] == char:
            stop += 1
        shown = char if char.isprintable() else f"U+{ord(char):04X}"
        self.report("E0101", start, stop, f"`{shown}` means nothing here", "leave it out", "")
        return stop

    def full_width(self, token: Token, plain: str, end: int) -> int:
        char = self.text[token.start]
        message = f"`{char}` is a full-width character; the language has `{plain}`"
        self.report("E0107", token.start, token.end, message, f"write `{plain}`", plain)
        if plain in OPENERS:
            self.open.append(plain)
        elif plain in CLOSERS and self.open:
            self.open.pop()
        kind = {";": LINE_END, "#": COMMENT}.get(plain, plain)
        self.tokens.append(Token(kind, token.start, token.end))
        if kind == COMMENT:
            stop = self.text.find("\n", token.end, end)
            return end if stop < 0 else stop
        return token.end

    def semicolon(self, token: Token) -> int:
        """`;` at the end of a line is left out; between steps it is a line end, between arguments a comma."""
        text, start = self.text, token.start
        rest = re.compile(r"[;\s]*").match(text, start)
        stop = rest.end() if rest else token.end
        line_end = text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        message = "nothing stands between statements but a line end"
        if self.open and self.open[-1] != "{":
            self.report("E0107", start, token.end, "`;` separates nothing", "write `,`", ",")
            self.tokens.append(Token(",", start, token.end))
            return token.end
        if stop >= line_end or text[stop] in "#}":
            stop = min(stop, line_end)
            end = start + len(text[start:stop].rstrip())
            self.report("E0107", start, end, message, "leave the `;` out", "")
            return end
        line_start = text.rfind("\n", 0, start) + 1
        line = text[line_start:start]
        indent = line[: len(line) - len(line.lstrip())]
        if "{" in line:
            indent += "  "
        self.report("E0107", start, start + 1, message, "begin a new line", f"\n{indent}", stop)
        self.tokens.append(Token(LINE_END, start, stop))
        return stop

    # --- numbers and strings ------------------------------------------------------------------------------------------

    def bad_number(self, token: Token) -> None:
        text = self.text[token.start : token.end]
        for pattern, kind, cure in NUMBER_HABITS:
            found = re.fullmatch(pattern, text)
            if found:
                new = cure(found)
                kind = "FLOAT" if kind == "INT" and "." in new else kind
                code = "E0107" if kind == "PAIR" else "E0108"
                message = f"`{text}` is not how a number is written"
                self.report(code, token.start, token.end, message, f"write `{new}`", new)
                self.tokens.append(Token(kind, token.start, token.end))
                return
        message = f"`{text[:40]}` is neither a number nor a name"
        if re.fullmatch(r"[0-9]+(x[0-9]+){2,}", text):
            message = f"`{text[:40]}` is no pair: `5x3` is height 5 and width 3"
            if self.text[max(0, token.start - 9) : token.start].rstrip().endswith(":"):
                shape = f"[N, {text.replace('x', ', ')}]"
                self.report("E0107", token.start, token.end, f"`{text[:40]}` is no shape", f"write `{shape}`", shape)
                self.tokens.append(Token("INT", token.start, token.end))
                return
        diagnostic = Diagnostic("E0108", message, Span(self.source, token.start, token.end))
        self.findings.append(diagnostic)
        self.tokens.append(Token("INT", token.start, token.end))

    def bad_string(self, token: Token) -> int:
        text = self.text[token.start : token.end]
        if len(text) > 1 and text.endswith('"') and not text.endswith('\\"'):
            escapes = [m for m in re.finditer(r"\\(.)", text) if m[1] not in '"\\']
            found = escapes[0]
            # An apostrophe needs no escape; a backslash that is meant is written twice.
            cure = "'" if found[1] == "'" else "\\" + found[0]
            at = token.start + found.start()
            edits = tuple(
                Edit(
                    Span(self.source, token.start + m.start(), token.start + m.end()),
                    "'" if m[1] == "'" else "\\" + m[0],
                )
                for m in escapes
            )
            message = f'a string has no escape `{found[0]}`: there are `\\"` and `\\\\`'
            span = Span(self.source, at, at + 2)
            self.findings.append(Diagnostic("E0108", message, span, help=(Help(f"write `{cure}`", edits),)))
            self.tokens.append(Token("STRING", token.start, token.end))
            return token.end
        stop = self.close_string(token.start)
        self.tokens.append(Token("STRING", token.start, stop))
        return stop

    def close_string(self, start: int) -> int:
        """Report a string that does not end on its line; where it was probably meant to end."""
        found = re.compile(r"(?:\{[^{}\n]*\}|[^(){}\[\],#\n\"])*").match(self.text, start + 1)
        stop = found.end() if found else start + 1
        inner = re.split(r"[ \t]*(?:->|$)", self.text[start + 1 : stop])[0]
        if "\\" in inner:
            inner = inner[: inner.index("\\")]
        stop = start + 1 + len(inner)
        quote = Span(self.source, start, start + 1)
        edits = [Edit(Span(self.source, stop, stop), '"')]
        if quote.text != '"':
            edits.insert(0, Edit(quote, '"'))
        message = "the string does not end on its line"
        self.findings.append(Diagnostic("E0108", message, quote, help=(Help(f'close it: `"{inner}"`', tuple(edits)),)))
        return stop

    def report(
        self, code: str, start: int, end: int, message: str, help: str, cure: str, edit_end: int | None = None
    ) -> None:
        edit = Edit(Span(self.source, start, end if edit_end is None else edit_end), cure)
        span = Span(self.source, start, max(end, start + 1))
        self.findings.append(Diagnostic(code, message, span, help=(Help(help, (edit,)),)))


# What is most frequent and begins nothing foreign, tried first.
_QUICK = {
    "QUICK_NAME": ("NAME", r"(?![fFrRbBuU]{1,2}[\"'])[^\W\d]\w*"),
    "QUICK_SIGN": ("SIGN", r"[(){}\[\],]"),
    "QUICK_SPACE": ("SPACE", r"[ \t]+"),
}


@cache
def _pattern() -> re.Pattern[str]:
    quick = "|".join(f"(?P<{name}>{pattern})" for name, (_, pattern) in _QUICK.items())
    rows = "|".join(f"(?P<FOREIGN{i}>{row.pattern})" for i, row in enumerate(FOREIGN))
    return re.compile(f"{quick}|{rows}|{patterns()}")


def read(source: Source, start: int = 0, end: int | None = None) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens of a text as they were meant, and what was wrong with them; no further than to the last error told."""
    reader = Reader(source)
    reader.read(start, len(source.text) if end is None else end)
    return reader.tokens, reader.findings

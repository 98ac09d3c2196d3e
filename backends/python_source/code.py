"""Python expressions as data, printed in the style of Black and ruff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeAlias

Value: TypeAlias = Any  # int | float | bool | str | None | list[Value] | tuple[Value, ...]


class Names(Protocol):
    """The values of names; KeyError for one that is not there."""

    def __getitem__(self, name: str, /) -> Value: ...


class Unknown(Exception):
    """An expression has no value here, or cannot be said in Python."""


# How tightly an expression binds; an operand that binds less tightly than its place needs stands in parentheses.
TERNARY, OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(10)


LEVELS = {
    "or": OR,
    "and": AND,
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "//": PRODUCT,
    "%": PRODUCT,
    "**": POWER,
}


@dataclass(frozen=True, eq=False)
class Code:
    """A Python expression."""

    level: ClassVar[int] = ATOM

    def __str__(self) -> str:
        raise NotImplementedError

    @property
    def parts(self) -> Iterator[Code]:
        """The expressions directly inside."""
        for f in fields(self):
            value = getattr(self, f.name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Code):
                    yield part

    def within(self, level: int) -> str:
        """Its text where an operand must bind at least so tightly."""
        return str(self) if self.level >= level else f"({self})"


@dataclass(frozen=True, eq=False)
class Lit(Code):
    value: Value

    @property
    def level(self) -> int:  # type: ignore[override]
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        return SIGN if is_number and self.value < 0 else ATOM

    def __str__(self) -> str:
        return literal(self.value)


@dataclass(frozen=True, eq=False)
class Var(Code):
    """A name of the constructor: a parameter, a loop's, a value computed there."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Local(Code):
    """Any other name, dotted or not: a variable of `forward`, a function, `self.conv1`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Unary(Code):
    op: str  # `-`, `+`, `not`
    operand: Code

    @property
    def level(self) -> int:  # type: ignore[override]
        return NOT if self.op == "not" else SIGN

    def __str__(self) -> str:
        return f"{self.op}{' ' if self.op == 'not' else ''}{self.operand.within(self.level)}"


@dataclass(frozen=True, eq=False)
class Binary(Code):
    op: str
    left: Code
    right: Code

    @property
    def level(self) -> int:  # type: ignore[override]
        return LEVELS[self.op]

    def __str__(self) -> str:
        if self.op == "**":
            space = "" if is_simple(self.left) and is_simple(self.right) else " "
            return f"{self.left.within(ATOM)}{space}**{space}{self.right.within(SIGN)}"
        if self.op == "or":  # `(a and b) or c`, for readers
            return " or ".join(f"({p})" if p.level == AND else p.within(OR) for p in (self.left, self.right))
        return f"{self.left.within(self.level)} {self.op} {self.right.within(self.level + 1)}"


@dataclass(frozen=True, eq=False)
class Compare(Code):
    level: ClassVar[int] = COMPARISON
    first: Code
    ops: tuple[str, ...]
    rest: tuple[Code, ...]

    def __str__(self) -> str:
        tail = (f" {op} {right.within(SUM)}" for op, right in zip(self.ops, self.rest, strict=True))
        return self.first.within(SUM) + "".join(tail)


@dataclass(frozen=True, eq=False)
class Ternary(Code):
    level: ClassVar[int] = TERNARY
    then: Code
    test: Code
    otherwise: Code

    def __str__(self) -> str:
        return f"{self.then.within(OR)} if {self.test.within(OR)} else {self.otherwise}"


@dataclass(frozen=True, eq=False)
class Group(Code):
    """An expression in parentheses."""

    inner: Code

    def __str__(self) -> str:
        return f"({self.inner})"


@dataclass(frozen=True, eq=False)
class Subscript(Code):
    value: Code
    items: tuple[Code, ...]

    def __str__(self) -> str:
        return f"{self.value.within(ATOM)}[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True, eq=False)
class Slice(Code):
    start: Code | None
    stop: Code | None

    def __str__(self) -> str:
        ends = [e for e in (self.start, self.stop) if e is not None]
        space = "" if all("." not in str(e) and (is_simple(e) or isinstance(e, Unary)) for e in ends) else " "
        left = f"{self.start}{space}" if self.start is not None else ""
        right = f"{space}{self.stop}" if self.stop is not None else ""
        return f"{left}:{right}"


@dataclass(frozen=True, eq=False)
class Attribute(Code):
    value: Code
    name: str

    def __str__(self) -> str:
        text = self.value.within(ATOM)
        return f"({text}).{self.name}" if text.isdigit() else f"{text}.{self.name}"


@dataclass(frozen=True, eq=False)
class Items(Code):
    """A list, a tuple or a dictionary."""

    open: str  # `[`, `(` or `{`
    items: tuple[Code, ...]

    def __str__(self) -> str:
        comma = "," if self.open == "(" and len(self.items) == 1 else ""
        return f"{self.open}{', '.join(map(str, self.items))}{comma}{closing(self.open)}"


class Bare(Items):
    """A tuple without parentheses; too long a one is written with them."""

    def __init__(self, parts: tuple[Code, ...]) -> None:
        super().__init__("(", parts)

    def __str__(self) -> str:
        return ", ".join(map(str, self.items))


@dataclass(frozen=True, eq=False)
class Entry(Code):
    """`key: value`, in the braces of a dictionary (`Items` that open with one)."""

    level: ClassVar[int] = -1
    key: Code
    value: Code

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


@dataclass(frozen=True, eq=False)
class Argument(Code):
    """An argument of a call; `comment` stands beside it, and then each argument has a line of its own."""

    value: Code
    name: str = ""
    star: bool = False
    comment: str = ""

    @property
    def head(self) -> str:
        return "*" if self.star else f"{self.name}=" if self.name else ""

    def __str__(self) -> str:
        return self.head + (self.value.within(OR) if self.star else str(self.value))


@dataclass(frozen=True, eq=False)
class Call(Code):
    function: Code
    arguments: tuple[Argument, ...]

    def __str__(self) -> str:
        return f"{self.function.within(ATOM)}{self.applied}"

    @property
    def applied(self) -> str:
        """The arguments in their parentheses."""
        return f"({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, eq=False)
class Generator(Code):
    """`element for target in iterable`, without its parentheses."""

    level: ClassVar[int] = -1
    element: Code
    target: str
    iterable: Code

    def __str__(self) -> str:
        return f"{self.element} for {self.target} in {self.iterable.within(OR)}"


@dataclass(frozen=True, eq=False)
class Text(Code):
    """An f-string: texts and expressions in turn."""

    pieces: tuple[Code, ...]  # a text is a Lit of str

    def __str__(self) -> str:
        body = "".join(
            quoted(p.value)[1:-1].replace("{", "{{").replace("}", "}}")
            if isinstance(p, Lit) and isinstance(p.value, str)
            else f"{{{p}}}"
            for p in self.pieces
        )
        return f'f"{body}"'


def closing(open: str) -> str:
    return {"(": ")", "[": "]", "{": "}"}[open]


def quoted(text: str) -> str:
    """A string literal in double quotes, in single ones where that saves escapes; nothing in it can end it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = (f"\\{c}" if c in (quote, "\\") else c if c.isprintable() else repr(c)[1:-1] for c in text)
    return f"{quote}{''.join(escaped)}{quote}"


def literal(value: Value) -> str:
    match value:
        case str():
            return quoted(value)
        case float() if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case tuple():
            return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
        case float():
            return re.sub(r"e([+-]?)0(?=\d)", r"e\1", repr(value))  # 1e-5, as people write it
    return repr(value)


def is_simple(code: Code) -> bool:
    """Whether Black writes it without spaces around `**` and in slices: a name, a number, an attribute."""
    match code:
        case Var() | Local():
            return True
        case Lit(value=value):
            return isinstance(value, int | float)
        case Attribute(value=value):
            return is_simple(value) and not isinstance(value, Lit)
        case Unary(op="-", operand=Lit()):
            return True
    return False

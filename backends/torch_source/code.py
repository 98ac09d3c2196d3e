"""Python expressions as data: built, folded, evaluated and substituted here, printed in the style of Black and ruff.

Constructors named in lower case (`binary`, `index`, ...) fold what is known; a tree of literals is a literal.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, TypeAlias

Value: TypeAlias = Any  # int | float | bool | str | None | list[Value] | tuple[Value, ...]


class Names(Protocol):
    """The values of names; KeyError for one that is not there."""

    def __getitem__(self, name: str, /) -> Value: ...


class Unknown(Exception):
    """An expression has no value here, or cannot be said in Python."""


# How tightly an expression binds; an operand that binds less tightly than its place needs stands in parentheses.
TERNARY, OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(10)

LEVELS = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "//": PRODUCT, "%": PRODUCT, "**": POWER}

OPERATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
    "is": operator.is_,
    "is not": operator.is_not,
}

FUNCTIONS: dict[str, Callable[..., Value]] = {
    "range": lambda *a: list(range(*a)),
    "zip": lambda *a: list(zip(*a, strict=False)),
    "enumerate": lambda *a: list(enumerate(*a)),
    "len": len,
    "min": min,
    "max": max,
    "sum": sum,
    "bool": bool,
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
            space = "" if _is_simple(self.left) and _is_simple(self.right) else " "
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
        space = "" if all(_is_simple(e) or isinstance(e, Unary) for e in ends) else " "
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
    """A list or a tuple."""

    open: str  # `[` or `(`
    items: tuple[Code, ...]

    def __str__(self) -> str:
        comma = "," if self.open == "(" and len(self.items) == 1 else ""
        return f"{self.open}{', '.join(map(str, self.items))}{comma}{closing(self.open)}"


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
        return f"{self.function.within(ATOM)}({', '.join(map(str, self.arguments))})"


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


# --- texts ------------------------------------------------------------------------------------------------------------


def closing(open: str) -> str:
    return {"(": ")", "[": "]", "{": "}"}[open]


def quoted(text: str) -> str:
    """A string literal in double quotes, in single ones where that saves escapes; nothing in it can end it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = (
        f"\\{c}" if c in (quote, "\\") else c if c.isprintable() else repr(c)[1:-1] for c in text
    )
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
    return repr(value)


def _is_simple(code: Code) -> bool:
    """Whether Black writes it without spaces around `**` and in slices: a name, a number, an attribute."""
    match code:
        case Var() | Local():
            return True
        case Lit(value=value):
            return isinstance(value, int | float)
        case Attribute(value=value):
            return _is_simple(value) and not isinstance(value, Lit)
        case Unary(op="-", operand=Lit()):
            return True
    return False


# --- building, with what is known folded --------------------------------------------------------------------------------


def call(function: str | Code, *arguments: Code | Value, **named: Code | Value) -> Call:
    """A call; a plain value is a literal, and an argument given as None is left out."""
    target = Local(function) if isinstance(function, str) else function
    made = [a if isinstance(a, Argument) else Argument(code(a)) for a in arguments]
    made += [Argument(code(value), name) for name, value in named.items() if value is not None]
    return Call(target, tuple(made))


def code(value: Code | Value) -> Code:
    return value if isinstance(value, Code) else Lit(value)


def _folded(made: Code) -> Code:
    """A literal where every part is one."""
    if all(isinstance(p, Lit) for p in made.parts):
        return Lit(evaluate(made, {}))
    return made


def binary(op: str, left: Code, right: Code) -> Code:
    match op, left, right:
        case ("*" | "//"), _, Lit(value=1) if not isinstance(left, Lit) and right.value is not True:
            return left
        case "*", Lit(value=1), _ if left.value is not True:
            return right
        case ("+" | "-"), _, Lit(value=0) if right.value is not False:
            return left
        case "+", Lit(value=0), _ if left.value is not False:
            return right
        case "**", Lit(value=int()), Lit(value=int()) if abs(right.value) > 64:
            raise Unknown
        case ("and" | "or"), Lit(), _:
            return right if bool(left.value) == (op == "and") else left
        case ("and" | "or"), _, Lit() if bool(right.value) == (op == "or"):
            return right  # decided, whatever the left side is
        case "and", _, _ if (chained := _chained(left, right)) is not None:
            return chained
    return _folded(Binary(op, left, right))


def unary(op: str, operand: Code) -> Code:
    match op, operand:
        case "not", Compare(first=first, ops=(sign,), rest=rest) if sign in OPPOSITES:
            return compare(first, (OPPOSITES[sign],), rest)
        case "not", Unary(op="not", operand=inner) if isinstance(inner, Compare | Unary):
            return inner
    return _folded(Unary(op, operand))


OPPOSITES = {"==": "!=", "!=": "==", "in": "not in", "not in": "in", "is": "is not", "is not": "is"}
RISING, FALLING = ("<", "<="), (">", ">=")


def compare(first: Code, ops: tuple[str, ...], rest: tuple[Code, ...]) -> Code:
    """A comparison; with a truth value or none as a person says it (`if act`, `x is None`)."""
    match ops, rest:
        case ("==" | "!=",), (Lit(value=None),) if not isinstance(first, Lit):
            return Compare(first, ("is" if ops[0] == "==" else "is not",), rest)
        case ("==" | "!=",), (Lit(value=bool(wanted)),) if not isinstance(first, Lit):
            return first if wanted == (ops[0] == "==") else unary("not", first)
        case (sign,), (right,) if sign in ("==", "!=", "<", "<=", ">", ">=") and str(first) == str(right):
            return Lit(sign in ("==", "<=", ">="))
    return _folded(Compare(first, ops, rest))


def _chained(left: Code, right: Code) -> Code | None:
    """`a < b and b < c` as `a < b < c`."""
    if isinstance(left, Compare) and isinstance(right, Compare) and str(left.rest[-1]) == str(right.first):
        signs = (*left.ops, *right.ops)
        if all(s in RISING for s in signs) or all(s in FALLING for s in signs):
            return Compare(left.first, signs, (*left.rest, *right.rest))
    return None


def ternary(then: Code, test: Code, otherwise: Code) -> Code:
    """A conditional expression, in the shorter ways that there are for some."""
    if isinstance(test, Lit):
        return then if test.value else otherwise
    if str(then) == str(otherwise):
        return then
    match then, test, otherwise:
        case Lit(value=True), _, Lit(value=False):
            return test if isinstance(test, Compare) or (isinstance(test, Unary) and test.op == "not") else call("bool", test)
        case Lit(value=False), _, Lit(value=True):
            return unary("not", test)
        case _, Compare(first=first, ops=(sign,), rest=(second,)), _ if sign in (*RISING, *FALLING):
            texts = {str(first): str(second)}
            if str(then) in texts and texts[str(then)] == str(otherwise):  # a if a < b else b
                return call("min" if sign in RISING else "max", then, otherwise)
            if str(otherwise) in texts and texts[str(otherwise)] == str(then):  # b if a < b else a
                return call("max" if sign in RISING else "min", otherwise, then)
    return Ternary(then, test, otherwise)


def index(value: Code, at: Code) -> Code:
    if isinstance(value, Items) and isinstance(at, Lit) and isinstance(at.value, int):
        try:
            return value.items[at.value]
        except IndexError:
            raise Unknown from None
    return _folded(Subscript(value, (at,)))


def items(open: str, parts: tuple[Code, ...]) -> Code:
    return _folded(Items(open, parts))


def function(name: str, arguments: tuple[Code, ...]) -> Code:
    if name == "range" and len(arguments) == 2 and isinstance(arguments[0], Lit) and arguments[0].value == 0:
        arguments = arguments[1:]
    made = call(name, *arguments)
    return Lit(evaluate(made, {})) if all(isinstance(a, Lit) for a in arguments) else made


def text(pieces: tuple[Code, ...]) -> Code:
    merged: list[Code] = []
    for piece in pieces:
        plain = Lit(str(piece.value)) if isinstance(piece, Lit) else piece
        if merged and isinstance(plain, Lit) and isinstance(merged[-1], Lit):
            merged[-1] = Lit(merged[-1].value + plain.value)
        elif not (isinstance(plain, Lit) and plain.value == ""):
            merged.append(plain)
    if all(isinstance(p, Lit) for p in merged):
        return Lit("".join(p.value for p in merged if isinstance(p, Lit)))
    return Text(tuple(merged))


# --- sums -------------------------------------------------------------------------------------------------------------


def total(terms: list[Code]) -> Code:
    """A sum with like terms put together: `in_channels + growth + growth` is `in_channels + 2 * growth`."""
    counts: dict[str, int] = {}
    atoms: dict[str, Code] = {}
    constant = 0
    for term in terms:
        for coefficient, atom in _linear(term, 1):
            if atom is None:
                constant += coefficient
            else:
                counts[str(atom)] = counts.get(str(atom), 0) + coefficient
                atoms[str(atom)] = atom
    made: Code | None = None
    for key, count in counts.items():
        if count:
            part = binary("*", Lit(abs(count)), atoms[key])
            if made is None:
                made = part if count > 0 else unary("-", part)
            else:
                made = binary("+" if count > 0 else "-", made, part)
    if made is None:
        return Lit(constant)
    return binary("-" if constant < 0 else "+", made, Lit(abs(constant)))


def _linear(term: Code, factor: int) -> Iterator[tuple[int, Code | None]]:
    match term:
        case Lit(value=int(value)):
            yield factor * value, None
        case Unary(op="-", operand=operand):
            yield from _linear(operand, -factor)
        case Binary(op="+", left=left, right=right):
            yield from _linear(left, factor)
            yield from _linear(right, factor)
        case Binary(op="-", left=left, right=right):
            yield from _linear(left, factor)
            yield from _linear(right, -factor)
        case Binary(op="*", left=Lit(value=int(value)), right=other) | Binary(
            op="*", left=other, right=Lit(value=int(value))
        ):
            yield from _linear(other, factor * value)
        case _:
            yield factor, term


# --- values and names -------------------------------------------------------------------------------------------------


def evaluate(made: Code, values: Names) -> Value:
    """The value of a constructor's expression.

    Raises
    ------
    Unknown
        It has none with these values, or holds what is no compile-time expression.
    """
    try:
        return _value(made, values)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise Unknown from None


def _value(made: Code, values: Names) -> Value:
    match made:
        case Lit(value=value):
            return value
        case Var(name=name):
            return values[name]
        case Unary(op=op, operand=operand):
            value = _value(operand, values)
            return (not value) if op == "not" else -value if op == "-" else value
        case Binary(op=("and" | "or") as op, left=left, right=right):
            value = _value(left, values)
            return _value(right, values) if bool(value) == (op == "and") else value
        case Binary(op=op, left=left, right=right):
            return OPERATIONS[op](_value(left, values), _value(right, values))
        case Compare(first=first, ops=ops, rest=rest):
            left_value = _value(first, values)
            for op, right in zip(ops, rest, strict=True):
                right_value = _value(right, values)
                if not OPERATIONS[op](left_value, right_value):
                    return False
                left_value = right_value
            return True
        case Ternary(then=then, test=test, otherwise=otherwise):
            return _value(then if _value(test, values) else otherwise, values)
        case Subscript(value=value, items=(at,)):
            return _value(value, values)[_value(at, values)]
        case Items(open=open, items=parts):
            found = [_value(p, values) for p in parts]
            return found if open == "[" else tuple(found)
        case Call(function=Local(name=name), arguments=arguments) if name in FUNCTIONS:
            return FUNCTIONS[name](*(_value(a.value, values) for a in arguments))
        case Text(pieces=pieces):
            return "".join(str(_value(p, values)) for p in pieces)
    raise Unknown


def names(made: Code) -> set[str]:
    """The names of the constructor (`Var`) that an expression reads."""
    found: set[str] = set()
    stack = [made]
    while stack:
        part = stack.pop()
        if isinstance(part, Var):
            found.add(part.name)
        stack.extend(part.parts)
    return found


def substituted(made: Code, replacement: Mapping[str, Code]) -> Code:
    """The expression with names of the constructor replaced, and folded anew."""

    def new(part: Code) -> Code:
        return substituted(part, replacement)

    match made:
        case Var(name=name):
            return replacement.get(name, made)
        case Binary(op=op, left=left, right=right):
            return binary(op, new(left), new(right))
        case Unary(op=op, operand=operand):
            return unary(op, new(operand))
        case Compare(first=first, ops=ops, rest=rest):
            return compare(new(first), ops, tuple(map(new, rest)))
        case Ternary(then=then, test=test, otherwise=otherwise):
            return ternary(new(then), new(test), new(otherwise))
        case Items(open=open, items=parts):
            return items(open, tuple(map(new, parts)))
        case Subscript(value=value, items=(Slice(),) as at) | Subscript(value=value, items=(_, _, *_) as at):
            return Subscript(new(value), tuple(map(new, at)))
        case Subscript(value=value, items=(at,)):
            return index(new(value), new(at))
        case Text(pieces=pieces):
            return text(tuple(map(new, pieces)))
        case Call(function=Local(name=name), arguments=arguments) if name in FUNCTIONS:
            return function(name, tuple(new(a.value) for a in arguments))
        case Call(function=target, arguments=arguments):
            return Call(new(target), tuple(replace(a, value=new(a.value)) for a in arguments))
    changed = {
        f.name: tuple(map(new, v)) if isinstance(v, tuple) else new(v)
        for f in fields(made)
        if isinstance(v := getattr(made, f.name), Code) or (isinstance(v, tuple) and v and isinstance(v[0], Code))
    }
    return replace(made, **changed) if changed else made


# --- from an operator's own line --------------------------------------------------------------------------------------


def parsed(template: str, parts: Mapping[str, Code]) -> Code:
    """An operator's `torch` line, `F.relu({x})`, with expressions in its braces.

    Raises
    ------
    Unknown
        It names something that is not among the parts.
    """
    holes = {name: f"_{i}_hole" for i, name in enumerate(parts)}
    try:
        filled = template.format_map(holes)
    except KeyError:
        raise Unknown from None
    fill = {holes[name]: part for name, part in parts.items()}
    return _from_ast(ast.parse(filled, mode="eval").body, fill)


def _from_ast(node: ast.expr, fill: Mapping[str, Code]) -> Code:
    def new(part: ast.expr) -> Code:
        return _from_ast(part, fill)

    match node:
        case ast.Name(id=name):
            return fill.get(name, Local(name))
        case ast.Constant(value=str(value)) if value in fill:
            return fill[value]  # {mode} within quotes
        case ast.Constant(value=value):
            return Lit(value)
        case ast.Attribute(value=value, attr=name):
            return Attribute(new(value), name)
        case ast.Call(func=target, args=arguments, keywords=keywords):
            made = [_argument(a, fill) for a in arguments]
            made += [Argument(new(k.value), k.arg or "") for k in keywords]
            return Call(new(target), tuple(made))
        case ast.UnaryOp(op=op, operand=operand):
            return Unary({ast.USub: "-", ast.UAdd: "+", ast.Not: "not"}[type(op)], new(operand))  # type: ignore[index]
        case ast.BinOp(left=left, op=op, right=right):
            return Binary(_SIGNS[type(op)], new(left), new(right))
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return Items("(" if isinstance(node, ast.Tuple) else "[", tuple(p for e in parts for p in _spread(e, fill)))
        case ast.Subscript(value=value, slice=ast.Tuple(elts=parts)):
            return Subscript(new(value), tuple(map(new, parts)))
        case ast.Subscript(value=value, slice=at):
            return Subscript(new(value), (new(at),))
        case ast.Slice(lower=lower, upper=upper):
            return Slice(new(lower) if lower else None, new(upper) if upper else None)
    raise Unknown


_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}


def _argument(node: ast.expr, fill: Mapping[str, Code]) -> Argument:
    return Argument(_from_ast(node, fill))


def _spread(node: ast.expr, fill: Mapping[str, Code]) -> tuple[Code, ...]:
    """The items that one stands for: `{xs}` in a list is all branches."""
    made = _from_ast(node, fill)
    return made.items if isinstance(made, Items) and made.open == "" else (made,)

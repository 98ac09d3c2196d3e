"""Expressions made from parts, with what is known folded: a tree of literals is a literal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from cnnlang.backends.python_source.code import (
    Argument,
    Binary,
    Call,
    Code,
    Compare,
    Items,
    Lit,
    Local,
    Slice,
    Subscript,
    Ternary,
    Text,
    Unary,
    Unknown,
    Value,
    Var,
)
from cnnlang.backends.python_source.evaluate import FUNCTIONS, evaluate


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
        case (("*" | "//"), _, Lit(value=1)) if not isinstance(left, Lit) and right.value is not True:
            return left
        case "*", Lit(value=1), _ if left.value is not True:
            return right
        case (("+" | "-"), _, Lit(value=0)) if right.value is not False:
            return left
        case "+", Lit(value=0), _ if left.value is not False:
            return right
        case "**", Lit(value=int()), Lit(value=int()) if abs(right.value) > 64:
            raise Unknown
        case (("and" | "or"), Lit(), _):
            return right if bool(left.value) == (op == "and") else left
        case (("and" | "or"), _, Lit()) if bool(right.value) == (op == "or"):
            return right  # decided, whatever the left side is
        case "and", _, _ if (chained := _chained(left, right)) is not None:
            return chained
    return _folded(Binary(op, left, right))


def unary(op: str, operand: Code) -> Code:
    match op, operand:
        case "not", Compare(first=first, ops=(sign,), rest=rest) if sign in OPPOSITES:
            return compare(first, (OPPOSITES[sign],), rest)
        case "not", Unary(op="not", operand=inner):
            return inner if isinstance(inner, Compare | Unary) else call("bool", inner)
    return _folded(Unary(op, operand))


def opposite(test: Code) -> Code:
    """The condition that holds where another does not; only its truth counts."""
    return test.operand if isinstance(test, Unary) and test.op == "not" else unary("not", test)


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
            return (
                test
                if isinstance(test, Compare) or (isinstance(test, Unary) and test.op == "not")
                else call("bool", test)
            )
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
        case (
            Binary(op="*", left=Lit(value=int(value)), right=other)
            | Binary(op="*", left=other, right=Lit(value=int(value)))
        ):
            yield from _linear(other, factor * value)
        case _:
            yield factor, term


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

"""The values of the constructor's expressions, and the names that they read."""

from __future__ import annotations

import operator
from collections.abc import Callable

from cnnlang.backends.python_source.code import (
    Binary,
    Call,
    Code,
    Compare,
    Items,
    Lit,
    Local,
    Names,
    Subscript,
    Ternary,
    Text,
    Unary,
    Unknown,
    Value,
    Var,
)

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

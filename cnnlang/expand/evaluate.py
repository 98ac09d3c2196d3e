"""Compile-time values: Python's semantics, within bounds.

A value is an int (64 bits), float, bool, str, list, tuple, None, or a symbolic size (`Term`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Protocol

from cnnlang.diagnostics import Help
from cnnlang.dims import Term
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.signature import Value, is_int, show_value
from cnnlang.source import Span
from cnnlang.syntax import tree

MAX_LIST = 100_000
MAX_TEXT = 10_000


class Names(Protocol):
    """Where an expression's names come from."""

    def value_of(self, name: tree.Name) -> Value:
        """The value of a name; raises Abandon where it has none."""

    def attribute_of(self, attribute: tree.Attribute) -> Value:
        """`in.channels`, `c3.height`; raises Abandon where there is none."""

    def numbers(self) -> list[str]:
        """The names that have a value, innermost first, for "did you mean"."""


OPERATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda a, b: operator.contains(b, a),
    "not in": lambda a, b: not operator.contains(b, a),
}


def type_name(value: Value) -> str:
    """What a value is, in words: `an integer`, `a string`."""
    names = {
        bool: "a truth value",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        tuple: "a tuple",
        type(None): "`none`",
        Term: "a symbolic size",
    }
    return names.get(type(value), type(value).__name__)


class Evaluator:
    """Evaluates expressions with names from one place."""

    def __init__(self, names: Names, findings: Findings) -> None:
        self.names = names
        self.findings = findings

    def error(self, message: str, span: Span, code: str = "E0312", help: str | None = None) -> Abandon:
        return self.findings.report(code, message, span, help=(Help(help),) if help else ())

    def evaluate(self, expr: tree.Expr) -> Value:
        """The value of an expression.

        Raises
        ------
        Abandon
            It has none; E0312 (or the code of what is wrong inside) has been reported.
        """
        match expr:
            case tree.Constant(value=value):
                return self._bounded(value, expr.span)
            case tree.Pair(height=height, width=width):
                return (height, width)
            case tree.Name():
                return self.names.value_of(expr)
            case tree.Attribute():
                return self.names.attribute_of(expr)
            case tree.ListExpr(items=items):
                return [self.evaluate(item) for item in items]
            case tree.TupleExpr(items=items):
                return tuple(self.evaluate(item) for item in items)
            case tree.Unary(op="not", operand=operand):
                return not self.truth(operand)
            case tree.Unary(op=op, operand=operand):
                value = self.evaluate(operand)
                if isinstance(value, bool | str | list | tuple) or value is None:
                    raise self.error(f"`{op}` needs a number, and was given {type_name(value)}", expr.span)
                return self._bounded(-value if op == "-" else value, expr.span)
            case tree.Power(base=base, exponent=exponent):
                return self._power(self.evaluate(base), self.evaluate(exponent), expr.span)
            case tree.Arithmetic(first=first, rest=rest):
                value = self.evaluate(first)
                for op, operand in rest:
                    value = self._operate(op, value, self.evaluate(operand), expr.span)
                return value
            case tree.Compare(first=first, rest=rest):
                left = self.evaluate(first)
                for op, operand in rest:
                    right = self.evaluate(operand)
                    if not self._compare(op, left, right, expr.span):
                        return False
                    left = right
                return True
            case tree.Logic(op=op, operands=operands):
                value = self.evaluate(operands[0])
                for operand in operands[1:]:
                    if self._true(value, expr.span) != (op == "and"):
                        return value
                    value = self.evaluate(operand)
                return value
            case tree.Conditional(then=then, test=test, otherwise=otherwise):
                return self.evaluate(then if self.truth(test) else otherwise)
            case tree.Index(value=listed, index=index):
                return self._index(self.evaluate(listed), self.evaluate(index), expr)
            case tree.Call():
                return self._call(expr)
            case tree.In():
                raise self.error(
                    "`in` is a tensor, not a number",
                    expr.span,
                    "E0317",
                    "its sizes are `in.channels`, `in.height`, `in.width`",
                )
            case tree.DictExpr() | tree.Pipeline():
                raise self.error("this value may stand in a section only", expr.span)
        raise AssertionError(expr)

    def truth(self, expr: tree.Expr) -> bool:
        return self._true(self.evaluate(expr), expr.span)

    def integer(self, expr: tree.Expr, what: str) -> int:
        value = self.evaluate(expr)
        if not is_int(value):
            raise self.error(f"{what} must be an integer, not {show_value(value)}", expr.span, "E0305")
        return int(value)

    def _true(self, value: Value, span: Span) -> bool:
        if isinstance(value, Term):
            raise self.error(f"whether {value} is zero is not known", span, "E0205")
        return bool(value)

    def _bounded(self, value: Value, span: Span) -> Value:
        if is_int(value) and not -(2**63) <= value < 2**63:
            raise self.error("an integer has 64 bits, and this one needs more", span)
        if isinstance(value, list | tuple) and len(value) > MAX_LIST:
            raise self.error(f"a list has at most {MAX_LIST:_} items, and this one has {len(value):_}", span, "E0311")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise self.error(f"a string has at most {MAX_TEXT:_} characters", span, "E0311")
        if isinstance(value, complex):
            raise self.error("the result is not a real number", span)
        return value

    def _operate(self, op: str, left: Value, right: Value, span: Span) -> Value:
        for value in (left, right):
            if isinstance(value, bool) or value is None:
                raise self.error(f"`{op}` needs numbers, and was given {type_name(value)}", span)
        sequences = [v for v in (left, right) if isinstance(v, str | list | tuple)]
        if op == "%" and isinstance(left, str):
            raise self.error("`%` needs numbers, and was given a string", span)
        if op == "*" and len(sequences) == 1:
            count = left if right is sequences[0] else right
            if is_int(count) and len(sequences[0]) * max(count, 0) > MAX_LIST:
                raise self.error(f"a list has at most {MAX_LIST:_} items", span, "E0311")
        try:
            return self._bounded(OPERATIONS[op](left, right), span)
        except ZeroDivisionError:
            raise self.error("division by zero", span) from None
        except OverflowError:
            raise self.error("the result is too large", span) from None
        except (TypeError, ValueError):
            words = f"`{op}` cannot take {type_name(left)} and {type_name(right)}"
            raise self.error(words, span) from None

    def _power(self, base: Value, exponent: Value, span: Span) -> Value:
        for value in (base, exponent):
            if isinstance(value, bool | str | list | tuple | Term) or value is None:
                raise self.error(f"`**` needs numbers, and was given {type_name(value)}", span)
        if is_int(base) and is_int(exponent) and abs(base) > 1 and exponent > 64:
            raise self.error("an integer has 64 bits, and this power needs more", span)
        try:
            return self._bounded(base**exponent, span)
        except ZeroDivisionError:
            raise self.error("0 has no negative power", span) from None
        except OverflowError:
            raise self.error("the result is too large", span) from None

    def _compare(self, op: str, left: Value, right: Value, span: Span) -> bool:
        if isinstance(left, Term) or isinstance(right, Term):
            if left == right and op in ("==", "<=", ">="):
                return True
            if left == right and op in ("!=", "<", ">"):
                return False
            difference = left - right if not isinstance(left, str | list | tuple) else None
            if isinstance(difference, int):
                return bool(OPERATIONS[op](difference, 0))
            raise self.error(
                f"whether {left} {op} {right} is not known", span, "E0205", "`--set` gives a symbolic size a value"
            )
        try:
            return bool(OPERATIONS[op](left, right))
        except TypeError:
            words = f"`{op}` cannot compare {type_name(left)} and {type_name(right)}"
            raise self.error(words, span) from None

    def _index(self, value: Value, index: Value, expr: tree.Index) -> Value:
        if not isinstance(value, list | tuple | str):
            raise self.error(f"{type_name(value)} has no items", expr.span)
        if not is_int(index):
            raise self.error(f"an index must be an integer, not {show_value(index)}", expr.index.span)
        try:
            return value[index]
        except IndexError:
            words = f"index {index} is out of range: there are {len(value)} items"
            raise self.error(words, expr.index.span) from None

    def _call(self, call: tree.Call) -> Value:
        function = FUNCTIONS[call.name.name]  # names are resolved before anything is evaluated
        values = [self.evaluate(a.value) for a in call.arguments]
        if call.name.name == "range" and all(map(is_int, values)) and 1 <= len(values) <= 3 and 0 not in values[2:]:
            count = len(range(*values))
            if count > MAX_LIST:
                raise self.error(
                    f"a list has at most {MAX_LIST:_} items, and this range has {count:_}", call.span, "E0311"
                )
        if call.name.name == "zip" and all(isinstance(v, list | tuple | str) for v in values):
            lengths = sorted({len(v) for v in values})
            if len(lengths) > 1:
                words = f"`zip` stops after {lengths[0]} items, and the longest list has {lengths[-1]}"
                self.findings.report("W0510", words, call.span, help=(Help("make the lists equally long"),))
        try:
            return self._bounded(function(*values), call.span)
        except (TypeError, ValueError) as error:
            given = ", ".join(map(type_name, values))
            words = f"`{call.name.name}` cannot take {given or 'no arguments'}"
            raise self.error(words, call.span) from error


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "range": lambda *a: list(range(*a)),
    "zip": lambda *a: list(zip(*a, strict=False)),
    "enumerate": lambda *a: list(enumerate(*a)),
    "len": len,
    "min": lambda *a: min(*a),
    "max": lambda *a: max(*a),
    "sum": lambda *a: sum(*a),
}

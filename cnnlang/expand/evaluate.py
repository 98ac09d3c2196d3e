"""Compile-time values: Python's semantics, within bounds.

A value is an int (64 bits), float, bool, str, list, tuple, None, or a symbolic size (`Term`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from cnnlang.diagnostics import Edit, Help
from cnnlang.dims import Term, sign
from cnnlang.expand.bounds import INTEGER, MAX_LIST, MAX_TEXT, too_large, work_of
from cnnlang.expand.cures.number import as_number, cut_lists, last_index, plain_value, step_of_one
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.cures.value import integer_cure
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.signature import Value, is_int, show_short
from cnnlang.source import Expansion, Span
from cnnlang.syntax import tree


class Names(Protocol):
    """Where an expression's names come from."""

    def value_of(self, name: tree.Name) -> Value:
        """The value of a name; raises Abandon where it has none."""

    def attribute_of(self, attribute: tree.Attribute) -> Value:
        """`in.channels`, `c3.height`; raises Abandon where there is none."""

    def numbers(self) -> list[str]:
        """The names that have a value, innermost first, for "did you mean"."""

    def sized(self, size: Term) -> tuple[Help, ...]:
        """The cure for a symbolic size where a number is due."""


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
    """Evaluates expressions with names from one place.

    Parameters
    ----------
    names
        Where names have their values.
    findings
        Where errors go.
    within
        The expansion that leads to the expressions.
    """

    def __init__(self, names: Names, findings: Findings, within: Expansion | None = None) -> None:
        self.names = names
        self.findings = findings
        self.within = within

    def error(
        self, message: str, span: Span, code: str = "E0312", help: Sequence[Help] | Help | str | None = None
    ) -> Abandon:
        """Report an error in an expression."""
        cures = (Help(help),) if isinstance(help, str) else (help,) if isinstance(help, Help) else tuple(help or ())
        return self.findings.report(code, message, span.inside(self.within or span.within), help=cures)

    def evaluate(self, expr: tree.Expr) -> Value:
        """The value of an expression.

        Raises
        ------
        Abandon
            It has none; E0312 (or the code of what is wrong inside) has been reported.
        """
        self.findings.work(10, expr.span)
        match expr:
            case tree.Constant(value=value):
                return value
            case tree.Pair(height=height, width=width):
                return (height, width)
            case tree.Name():
                return self.names.value_of(expr)
            case tree.Attribute():
                return self.names.attribute_of(expr)
            case tree.ListExpr(items=items):
                return self._bounded([self.evaluate(item) for item in items], expr.span)
            case tree.TupleExpr(items=items):
                return self._bounded(tuple(self.evaluate(item) for item in items), expr.span)
            case tree.Unary(op="not", operand=operand):
                return not self.truth(operand)
            case tree.Unary(op=op, operand=operand):
                return self._signed(op, self.evaluate(operand), expr)
            case tree.Power(base=base, exponent=exponent):
                return self._power(self.evaluate(base), self.evaluate(exponent), expr.span)
            case tree.Arithmetic(first=first, rest=rest):
                value = self.evaluate(first)
                for op, operand in rest:
                    value = self._operate(op, value, self.evaluate(operand), first, operand)
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
                for before, operand in pairwise(operands):
                    if self._true(value, before.span) != (op == "and"):
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
                cure = Edit(Span(expr.span.source, expr.span.end, expr.span.end), ".channels")
                help = Help("its sizes are `in.channels`, `in.height`, `in.width`", (cure,))
                raise self.error("`in` is a tensor, not a number", expr.span, "E0317", help)
            case tree.DictExpr() | tree.Pipeline():
                raise self.error("this value may stand in a section only", expr.span)
        raise AssertionError(expr)

    def truth(self, expr: tree.Expr) -> bool:
        """Whether an expression is true, as Python has it."""
        return self._true(self.evaluate(expr), expr.span)

    def integer(self, expr: tree.Expr, what: str) -> int:
        """The value of an expression that must be an integer; `what` is what it is, for the message."""
        value = self.evaluate(expr)
        if not is_int(value):
            message = f"{what} must be an integer, not {show_short(value)}"
            raise self.error(message, expr.span, "E0305", integer_cure(expr, value))
        return int(value)

    def _true(self, value: Value, span: Span) -> bool:
        if isinstance(value, Term):
            raise self.error(f"whether {value} is zero is not known", span, "E0205", self.names.sized(value))
        return bool(value)

    def _bounded(self, value: Value, span: Span) -> Value:
        """A new value, if it is not too large."""
        self.findings.work(work_of(value), span)
        if isinstance(value, complex):
            raise self.error("the result is not a real number", span)
        if words := too_large(value):
            raise self.error(words, span, "E0312" if is_int(value) else "E0311")
        return value

    # --- operators ----------------------------------------------------------------------------------------------------

    def _signed(self, op: str, value: Value, expr: tree.Unary) -> Value:
        if isinstance(value, bool | str | list | tuple) or value is None:
            help = as_number(expr.operand, value)
            raise self.error(f"`{op}` needs a number, and was given {type_name(value)}", expr.span, help=help)
        return self._bounded(-value if op == "-" else value, expr.span)

    def _operate(self, op: str, left: Value, right: Value, first: tree.Expr, operand: tree.Expr) -> Value:
        """`left op right`; `first` is where the left side begins, `operand` is the right side."""
        self.findings.work(10, operand.span)
        if type(left) is int and type(right) is int and op in ("+", "-", "*"):
            result = OPERATIONS[op](left, right)
            if result in INTEGER:
                return result
        span = first.span.to(operand.span)
        for value, expr in ((left, first), (right, operand)):
            if isinstance(value, bool) or value is None:
                help = as_number(expr, value)
                raise self.error(f"`{op}` needs numbers, and was given {type_name(value)}", span, help=help)
        if op == "%" and isinstance(left, str):
            raise self.error("`%` needs numbers, and was given a string", span, help=as_number(first, left))
        if any(isinstance(v, Term) for v in (left, right)) and not all(
            isinstance(v, Term | int) for v in (left, right)
        ):
            given = f"{type_name(left)} and {type_name(right)}"
            help = () if op == "/" else integer_cure(first, left) or integer_cure(operand, right)
            raise self.error(f"a symbolic size goes with integers: `{op}` cannot take {given}", span, help=help)
        self._check_length(op, left, right, span)
        try:
            return self._bounded(OPERATIONS[op](left, right), span)
        except ZeroDivisionError:
            zero = "" if isinstance(operand, tree.Constant) else f": `{operand.span.text}` is 0"
            raise self.error(f"division by zero{zero}", operand.span) from None
        except OverflowError:
            raise self.error("the result is too large", span) from None
        except (TypeError, ValueError):
            words = f"`{op}` cannot take {type_name(left)} and {type_name(right)}"
            help = as_number(first, left) or as_number(operand, right) or integer_cure(
                tree.Arithmetic(span, first, ((op, operand),)), left
            )  # fmt: skip
            raise self.error(words, span, help=help) from None

    def _check_length(self, op: str, left: Value, right: Value, span: Span) -> None:
        """Refuse `[1] * 10**9` and a product of many symbolic sizes before it is made."""
        sequences = [v for v in (left, right) if isinstance(v, str | list | tuple)]
        if op == "*" and len(sequences) == 1:
            count = left if right is sequences[0] else right
            most = MAX_TEXT if isinstance(sequences[0], str) else MAX_LIST
            if is_int(count) and (length := len(sequences[0]) * max(count, 0)) > most:
                what = "string has at most {:_} characters" if most == MAX_TEXT else "list has at most {:_} items"
                raise self.error(f"a {what.format(most)}, and this one would have {length:_}", span, "E0311")
        if op == "*" and isinstance(left, Term) and isinstance(right, Term):
            self.findings.work(10 * len(left.parts) * len(right.parts), span)

    def _power(self, base: Value, exponent: Value, span: Span) -> Value:
        for value in (base, exponent):
            if isinstance(value, bool | str | list | tuple | Term) or value is None:
                raise self.error(f"`**` needs numbers, and was given {type_name(value)}", span)
        if is_int(base) and is_int(exponent) and abs(base) > 1 and exponent > 64:
            raise self.error("an integer has 64 bits, and this one needs more", span)
        try:
            return self._bounded(base**exponent, span)
        except ZeroDivisionError:
            raise self.error("0 has no negative power", span) from None
        except OverflowError:
            raise self.error("the result is too large", span) from None

    def _compare(self, op: str, left: Value, right: Value, span: Span) -> bool:
        self.findings.work(work_of(left) + work_of(right), span)
        if isinstance(left, Term) or isinstance(right, Term):
            if left == right and op in ("==", "<=", ">="):
                return True
            if left == right and op in ("!=", "<", ">"):
                return False
            both = all(is_int(v) or isinstance(v, Term) for v in (left, right))
            difference = left - right if both else None
            if difference is not None and (side := sign(difference)) is not None:
                return bool(OPERATIONS[op](side, 0))
            if both:
                help = self.names.sized(difference) if isinstance(difference, Term) else ()
                raise self.error(f"whether {left} {op} {right} is not known", span, "E0205", help)
        try:
            return bool(OPERATIONS[op](left, right))
        except TypeError:
            words = f"`{op}` cannot compare {type_name(left)} and {type_name(right)}"
            raise self.error(words, span) from None

    def _index(self, value: Value, index: Value, expr: tree.Index) -> Value:
        if not isinstance(value, list | tuple | str):
            raise self.error(f"{type_name(value)} has no items", expr.span, help=plain_value(expr))
        if not is_int(index):
            message = f"an index must be an integer, not {show_short(index)}"
            raise self.error(message, expr.index.span, help=integer_cure(expr.index, index))
        try:
            return value[index]
        except IndexError:
            count = f"{len(value)} item{'s' * (len(value) != 1)}"
            message = f"index {index} is out of range: the list has {count}"
            raise self.error(message, expr.index.span, help=last_index(expr.index, len(value))) from None

    # --- functions ----------------------------------------------------------------------------------------------------

    def _call(self, call: tree.Call) -> Value:
        name = call.name.name
        if name not in FUNCTIONS:  # only what is not resolved before: the conditions of a `check`
            help = did_you_mean(name, FUNCTIONS, call.name.span)
            raise self.error(f"no function is called `{name}`", call.name.span, "E0301", help)
        function = FUNCTIONS[name]
        values = [self.evaluate(a.value) for a in call.arguments]
        if name == "range" and all(map(is_int, values)) and 1 <= len(values) <= 3 and 0 not in values[2:]:
            count = len(range(*values))
            if count > MAX_LIST:
                words = f"a list has at most {MAX_LIST:_} items, and this range has {count:_}"
                raise self.error(words, call.span, "E0311")
        if name == "zip" and all(isinstance(v, list | tuple | str) for v in values):
            lengths = sorted({len(v) for v in values})
            self.findings.work(len(values) * max(lengths, default=0), call.span)
            if len(lengths) > 1:
                words = f"`zip` stops after {lengths[0]} items, and the longest list has {lengths[-1]}"
                self.findings.report("W0510", words, call.span.inside(self.within), help=cut_lists(call, lengths[0]))
        self.findings.work(sum(map(work_of, values)), call.span)
        try:
            return self._bounded(function(*values), call.span)
        except (TypeError, ValueError, OverflowError):
            given = ", ".join(map(_described, values)) or "nothing"
            help = step_of_one(call) if name == "range" else ()
            raise self.error(f"`{name}` takes {TAKES[name]}, and was given {given}", call.span, help=help) from None


def _described(value: Value) -> str:
    """What a value is, for the message of a function that cannot take it."""
    if isinstance(value, list | tuple) and not value:
        return "an empty list"
    return show_short(value) if is_int(value) else type_name(value)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "range": lambda *a: list(range(*a)),
    "zip": lambda *a: list(zip(*a, strict=False)),
    "enumerate": lambda *a: list(enumerate(*a)),
    "len": len,
    "min": lambda *a: min(*a),
    "max": lambda *a: max(*a),
    "sum": lambda *a: sum(*a),
}

# What each function takes, in words.
TAKES = {
    "range": "one to three integers (start, stop and a step that is not 0)",
    "zip": "lists",
    "enumerate": "a list and, if at all, the first number",
    "len": "a list",
    "min": "numbers, or a list of them",
    "max": "numbers, or a list of them",
    "sum": "a list of numbers",
}

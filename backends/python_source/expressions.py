"""The file's compile-time expressions, in Python."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.backends.python_source.build import binary, call, compare, function, index, items, ternary, unary
from cnnlang.backends.python_source.code import Call, Code, Lit, Local, Unknown, Value
from cnnlang.backends.python_source.records import same
from cnnlang.backends.python_source.steps import Differs, Row
from cnnlang.backends.python_source.values import Scope, Values
from cnnlang.syntax import tree


class Expressions(Values):
    """Translates expressions, and holds what comes out against every instance."""

    def translate(self, expr: tree.Expr, scope: Scope) -> Code:
        """A compile-time expression in Python.

        Raises
        ------
        Differs
            It reads what has no name in the constructor.
        """
        try:
            return self._translated(expr, scope)
        except (Unknown, RecursionError):
            raise Differs from None

    def _translated(self, expr: tree.Expr, scope: Scope) -> Code:
        def new(part: tree.Expr) -> Code:
            return self._translated(part, scope)

        match expr:
            case tree.Constant(value=value):
                return Lit(value)
            case tree.Pair(height=height, width=width):
                return Lit((height, width))
            case tree.Name(name=name) if name in scope.symbols:
                return scope.symbols[name]
            case tree.Attribute(value=value, name=name):
                return self._attribute(value, name.name, scope)
            case tree.ListExpr(items=parts):
                return items("[", tuple(map(new, parts)))
            case tree.TupleExpr(items=parts):
                return items("(", tuple(map(new, parts)))
            case tree.Unary(op=op, operand=operand):
                return new(operand) if op == "+" else unary(op, new(operand))
            case tree.Power(base=base, exponent=exponent):
                return binary("**", new(base), new(exponent))
            case tree.Arithmetic(first=first, rest=rest):
                made = new(first)
                for op, operand in rest:
                    made = binary(op, made, new(operand))
                return made
            case tree.Compare(first=first, rest=rest):
                return compare(new(first), tuple(op for op, _ in rest), tuple(new(e) for _, e in rest))
            case tree.Logic(op=op, operands=operands):
                made = new(operands[-1])
                for operand in reversed(operands[:-1]):
                    made = binary(op, new(operand), made)
                return made
            case tree.Conditional(then=then, test=test, otherwise=otherwise):
                decided = new(test)
                if isinstance(decided, Lit):  # the other side may have no value here
                    return new(then if decided.value else otherwise)
                return ternary(new(then), decided, new(otherwise))
            case tree.Index(value=listed, index=at):
                return index(new(listed), new(at))
            case tree.Call(name=name, arguments=arguments):
                return function(name.name, tuple(new(a.value) for a in arguments))
        raise Differs

    def _attribute(self, value: tree.Expr, what: str, scope: Scope) -> Code:
        val = scope.entry if isinstance(value, tree.In) else scope.values.get(getattr(value, "name", ""))
        if val is None:
            raise Differs
        if what == "channels":
            return self.channels(val)
        return self.size(val, what, self.rows if val in self.sizes else list(val.nodes.own), as_read=True)

    def said(self, expr: tree.Expr, scope: Scope, rows: Sequence[Row], values: Sequence[Value]) -> Code:
        """An expression as written where it holds in every row, else the one value that all have."""
        try:
            made = self.translate(expr, scope)
            if self.holds(made, rows, values):
                return made
        except Differs:
            pass
        if all(same(v, values[0]) for v in values):
            self.fix(expr, scope)
            return Lit(values[0])
        raise Differs

    def _iterable(self, expr: tree.Expr, scope: Scope) -> Code:
        """What a loop goes through: `range`, `zip` and `enumerate` stay calls."""
        if isinstance(expr, tree.Call) and expr.name.name in ("range", "zip", "enumerate"):
            arguments = tuple(self._iterable(a.value, scope) for a in expr.arguments)
            if expr.name.name == "range" and len(arguments) == 2 and str(arguments[0]) == "0":
                arguments = arguments[1:]
            return call(expr.name.name, *arguments)
        return self.translate(expr, scope)


def turns_of(iterable: Code) -> Code:
    """How many turns a loop over an iterable has."""
    match iterable:
        case Call(function=Local(name="range"), arguments=(stop,)):
            return stop.value
        case Call(function=Local(name="enumerate"), arguments=(listed, *_)):
            return turns_of(listed.value)
        case Call(function=Local(name="zip"), arguments=arguments):
            return (
                function("min", tuple(turns_of(a.value) for a in arguments))
                if len(arguments) > 1
                else turns_of(arguments[0].value)
            )
    return function("len", (iterable,))

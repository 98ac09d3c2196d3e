"""One place where an operator is used, in all instances of its block at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from cnnlang.backends.python_source.code import Code, Items, Lit, Unknown, Value
from cnnlang.backends.python_source.evaluate import evaluate
from cnnlang.backends.python_source.expressions import Expressions
from cnnlang.backends.python_source.steps import Differs, Row, Val
from cnnlang.backends.python_source.values import Scope
from cnnlang.errors import CnnError
from cnnlang.ir import TensorType
from cnnlang.ops import Op
from cnnlang.signature import Field
from cnnlang.syntax import tree

T = TypeVar("T")
O_co = TypeVar("O_co", bound=Op, covariant=True)


class Use(Generic[O_co]):
    """An operator's arguments, as Python says them, each held against every instance.

    Parameters
    ----------
    lowering, scope
        What translates expressions, and the names in sight.
    rows, ops
        The instances, and the operator in each.
    x
        What it reads.
    arguments
        The arguments that the file writes, by name.
    is_weighted
        Whether it owns weights that have a path.
    is_shared
        Whether it is applied elsewhere too, perhaps to a map of another size.
    """

    def __init__(
        self,
        lowering: Expressions,
        scope: Scope,
        rows: Sequence[Row],
        ops: Sequence[O_co],
        x: Val,
        arguments: Mapping[str, tree.Expr],
        *,
        is_weighted: bool,
        is_shared: bool = False,
    ) -> None:
        self.lowering = lowering
        self.scope = scope
        self.rows = rows
        self.ops = ops
        self.x = x
        self.arguments = arguments
        self.is_weighted = is_weighted
        self.is_shared = is_shared
        self.helpers = lowering.compiler.helpers

    @property
    def op(self) -> O_co:
        return self.ops[0]

    @property
    def rank(self) -> int:
        return self.x.rank

    @property
    def channels(self) -> Code:
        """The channels that come in."""
        return self.lowering.channels(self.x)

    @property
    def permutes(self) -> bool:
        """Whether a `flatten` must put the channels first, where they are last."""
        return any(op in self.lowering.compiler.permuted for op in self.ops)

    def size(self, axis: str) -> Code:
        """The height or width that comes in."""
        return self.lowering.size(self.x, axis, self.rows)

    def all(self) -> list[tuple[O_co, TensorType]]:
        return [(op, self.x.type(row)) for op, row in zip(self.ops, self.rows, strict=True)]

    def each(self, question: Callable[[O_co, TensorType], T]) -> list[T]:
        return [question(op, x) for op, x in self.all()]

    def uniform(self, question: Callable[[O_co, TensorType], T], *fields: str) -> T:
        """What is the same in every instance.

        `fields` are the arguments that it depends on: a net's parameter in one of them is fixed from here on.
        """
        return self._one(self.each(question), *fields)

    def _one(self, values: Sequence[T], *fields: str) -> T:
        first, *rest = values
        if any(other != first for other in rest):
            raise Differs
        for name in fields:
            if name in self.arguments:
                self.lowering.fix(self.arguments[name], self.scope)
        return first

    def written(self, name: str) -> Code | None:
        """The argument as the file writes it; None where it does not, or where it cannot be said here."""
        if name not in self.arguments:
            return None
        try:
            made = self.lowering.translate(self.arguments[name], self.scope)
            field = self._field(name)
            for row, op in zip(self.rows, self.ops, strict=True):
                if field.kind.convert(evaluate(made, row)) != getattr(op, name):
                    return None
        except (Differs, Unknown, CnnError, ValueError, TypeError):
            return None
        return made

    def values(self, name: str) -> list[Value]:
        """The values that the file's own expression has; empty where it writes none or none can be said."""
        made = self.written(name)
        return [] if made is None else [evaluate(made, row) for row in self.rows]

    def argument(self, name: str) -> Code:
        """An argument, written or not, in PyTorch's form: a pair of equals is one number."""
        made = self.written(name)
        if made is not None:
            return simple(made)
        field = self._field(name)
        if name not in self.arguments and field.same_as is not None:
            return self.argument(field.same_as)
        return simple(Lit(self._one([getattr(op, name) for op in self.ops], name)))

    def optional(self, name: str) -> Code | None:
        """An argument, or None where it is at its default, which is PyTorch's too."""
        if name not in self.arguments:
            return None
        field = self._field(name)
        made = self.argument(name)
        if not isinstance(made, Lit):
            return made
        default = self.argument(field.same_as) if field.same_as else simple(Lit(field.default))
        return None if isinstance(default, Lit) and default.value == made.value else made

    def argument_or(self, name: str, otherwise: Code) -> Code:
        return self.argument(name) if any(f.name == name for f in self.op.fields()) else otherwise

    def holds(self, made: Code, pairs: Sequence[tuple[int, int]]) -> bool:
        """Whether an expression is one number for both sides of each instance's pair."""
        return all(v == h == w for v, (h, w) in zip(self.lowering.values(made, self.rows), pairs, strict=True))

    def _field(self, name: str) -> Field:
        return next(f for f in self.op.fields() if f.name == name)


def simple(made: Code) -> Code:
    """A pair as PyTorch takes it: one number where both are equal, and a tuple rather than a list."""
    match made:
        case Lit(value=(int() as a, int() as b)):
            return Lit((a, b)) if a != b else Lit(a)
        case Lit(value=float(number)) if number.is_integer() and abs(number) < 1e6:
            return Lit(int(number)) if number else Lit(0)
        case Items(open="[", items=(_, _) as pair):
            return Items("(", pair)
    return made

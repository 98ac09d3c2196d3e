"""From nodes of a model to a graph of the language: what the rules for ONNX's operators share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cnnlang.dims import Dim, Floor, Term
from cnnlang.errors import OperatorError
from cnnlang.importing.building import MAX_ELEMENTS, LayerError, broken, unsayable
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.constants import Budget, Constant
from cnnlang.importing.onnx.model import Model
from cnnlang.importing.onnx.scalars import Expr
from cnnlang.importing.onnx.views import View
from cnnlang.ir import Node, TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed, Op, Weight

MAX_SIZE = 2**40


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """What a node made that cannot be said, and of which nobody knows the shape."""


UNKNOWN = Unknown()
Value: TypeAlias = "Constant | View | Expr | Unknown"
Rule: TypeAlias = "Callable[[Reader, Item, list[Value | None]], Value | Sequence[Value]]"

RULES: dict[str, Rule] = {}


def rule(*op_types: str) -> Callable[[Rule], Rule]:
    """Enter a rule for operators of ONNX."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(op_types, function))
        return function

    return enter


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A layer with weights.

    Attributes
    ----------
    op, value
        The layer and what it reads.
    arrays
        Its weights, by the last part of their path.
    names
        What the file calls it, by preference: names of its weights, then the node's.
    """

    op: Op
    value: Node
    arrays: Mapping[str, Constant]
    names: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Reader:
    """The state of reading one model.

    Attributes
    ----------
    model
        The file.
    batch
        The number of samples that the file fixes, else None.
    factor
        What symbolic heights and widths are multiples of.
    values
        What each tensor of the file is, by name.
    uses
        How often each is read.
    kept
        Nodes that several read, so that nothing may be folded into them.
    records
        The layers with weights.
    owners
        The layer of each weight, by the key that stands in its path as long as it has none.
    guessed
        Nodes in place of what cannot be said.
    became
        The operators that each node of the file has become, by its number.
    item
        The node at hand.
    """

    model: Model
    batch: int | None = None
    values: dict[str, Value] = field(default_factory=dict)
    uses: Counter[str] = field(default_factory=Counter)
    kept: set[Node] = field(default_factory=set)
    records: dict[Node, Record] = field(default_factory=dict)
    owners: dict[str, Record] = field(default_factory=dict)
    became: dict[int, list[str]] = field(default_factory=dict)
    item: Item | None = None
    budget: Budget = field(default_factory=Budget)
    settled: dict[Expr, View] = field(default_factory=dict)
    leaves: dict[View, Expr] = field(default_factory=dict)
    guessed: set[Node] = field(default_factory=set)
    _weights: dict[tuple[Any, ...], tuple[Node, ...]] = field(default_factory=dict)

    def note(self, word: str, *items: Item | None) -> None:
        """Remember what nodes of the file (the one at hand, unless given) have become."""
        for item in items or (self.item,):
            if item is not None:
                words = self.became.setdefault(item.number, [])
                if word not in words:
                    words.append(word)

    def apply(self, op: Op, *values: Node, items: Sequence[Item | None] = ()) -> Node:
        """An operator without weights.

        Raises
        ------
        OperatorError
            Its rules forbid it.
        LayerError
            E0603: its result is larger than a tensor may be.
        """
        node = Node.of(op, *values, *self._fixed(op, *values), name=self._step_name(op))
        self._bounded(node.type)
        self.note(op.name, *items)
        return node

    def make(self, name: str, *values: Node, items: Sequence[Item | None] = (), **arguments: Any) -> Node:
        """The same by the operator's name."""
        return self.apply(OPERATORS[name].make(arguments), *values, items=items)

    def _step_name(self, op: Op) -> str:
        return op.name

    def _fixed(self, op: Op, *values: Node) -> list[Node]:
        made = []
        for spec in op.weights(*(v.type for v in values)):
            if spec.values is None:
                msg = f"{op.name} has weights"
                raise TypeError(msg)
            made.append(Node.of(Fixed(spec.shape, spec.values)))
        return made

    def layer(self, op: Op, value: Node, arrays: Mapping[str, Constant], names: Sequence[str] = ()) -> Node:
        """An operator with weights of its own; the same weights of the same names belong to one layer used twice.

        Raises
        ------
        OperatorError
            Its rules forbid it.
        LayerError
            E0601: the weights are not of the sizes that it needs; E0603: they or its result are too large.
        """
        specs = [s for s in op.weights(value.type) if s.values is None]
        for spec in specs:
            if spec.name not in arrays:
                raise broken(f"it has no {spec.name}")
            self._bounded(TensorType(spec.shape), from_axis=0)
            size = 1
            for d in spec.shape:
                size *= d
            if arrays[spec.name].size != size:
                given = list(arrays[spec.name].shape)
                raise broken(f"its {spec.name} is {given}, and {list(spec.shape)} is due for {value.type}")
        record = Record(op, value, arrays, (*dict.fromkeys(n for n in names if n),))
        labels = tuple(arrays[s.name].name for s in specs)
        key: tuple[Any, ...] = (op.name, str(op), tuple(s.shape for s in specs), labels)
        if not all(labels):
            key = (len(self._weights),)
        if key not in self._weights:
            place = f"layer{len(self._weights)}"
            self._weights[key] = tuple(Node.of(Weight(s.shape, f"{place}.{s.name}", s)) for s in specs)
            self.owners[place] = record
        fixed = [Node.of(Fixed(s.shape, s.values)) for s in op.weights(value.type) if s.values is not None]
        node = Node.of(op, value, *fixed, *self._weights[key])
        self._bounded(node.type)
        self.records[node] = record
        self.note(op.name)
        return node

    def _bounded(self, type: TensorType, from_axis: int = 1) -> None:
        size = 1
        for dim in type.shape[from_axis:]:
            if isinstance(dim, int):
                size *= dim
            elif not _is_sane(dim):
                raise LayerError("E0603", "its symbolic size is longer than any net's")
        if size > MAX_ELEMENTS:
            raise LayerError("E0603", f"a tensor of {type} is larger than any may be")

    def is_free(self, node: Node) -> bool:
        """Whether nobody else reads a node, so that what follows can be folded into it."""
        return node not in self.kept


def _is_sane(dim: Dim) -> bool:
    stack, count = [dim], 0
    while stack:
        term = stack.pop()
        if not isinstance(term, Term):
            continue
        for product, factor in term.parts:
            count += 1 + len(product)
            if abs(factor) > MAX_SIZE or count > 200:
                return False
            for atom in product:
                if isinstance(atom, Floor):
                    if atom.divisor > MAX_SIZE:
                        return False
                    stack.append(atom.term)
    return True


def need_constant(value: Value | None, what: str) -> Constant:
    """A constant.

    Raises
    ------
    LayerError
        E0601: it is missing; E0602: it is computed from the net's input.
    """
    if value is None:
        raise broken(f"its {what} is missing")
    if not isinstance(value, Constant):
        raise unsayable(f"its {what} is computed from the input, and a layer's is fixed")
    return value


def ints_of(value: Value | None, what: str) -> list[int]:
    """A constant vector of whole numbers.

    Raises
    ------
    LayerError
        E0602: one is not known, or computed from the input.
    """
    found = dims_of(value, what)
    if not all(isinstance(d, int) for d in found):
        raise unsayable(f"its {what} depends on the size of the input")
    return [d for d in found if isinstance(d, int)]


def dims_of(value: Value | None, what: str) -> list[Dim]:
    """A constant vector of whole numbers, of which some may be symbolic sizes."""
    found = need_constant(value, what)
    if len(found.shape) > 1 or found.size > 64 or found.is_float:
        raise broken(f"its {what} must be a few whole numbers")
    return [d if isinstance(d, Term) else int(d) for d in found.array().reshape(-1).tolist()]


def operator_error(error: OperatorError) -> LayerError:
    """What the language's own rules say, as a finding about the file."""
    damaged = error.code in ("E0202", "E0206", "E0209")
    return LayerError("E0601" if damaged else "E0602", error.message)

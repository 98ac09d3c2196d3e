"""What depends on weights alone is computed when they are read, and what depends on nothing once and for all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Fixed, Op
from cnnlang.passes.walk import rewrite, users_of

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

MAX_NUMBERS = 4096  # of a result that is written into the graph


def fold_constants(graph: Graph) -> Graph:
    """Compute what depends on weights alone with them.

    Steps whose inputs are all weights become weights, and arithmetic on fixed numbers becomes fixed numbers.

    Law: a function of what never changes never changes. The file's own values all come from an input; this is for what
    other passes and graphs made by hand hold. A result of a net, and what is read as a value together with others, stay
    steps.
    """
    foldable = constants(graph)

    def rule(old: Node, new: Node) -> Node | None:
        if old in foldable:
            new = Node.of(Computed(new.op), *new.inputs, span=new.span, name=new.name)
        if not _is_small_arithmetic(new):
            return new
        values = new.op.reference(*(n.op.reference() for n in new.inputs))
        return Node.of(Fixed(new.type.shape, values.tolist()), span=new.span)

    return rewrite(graph, rule)


def constants(graph: Graph) -> set[Node]:
    """The steps that depend on weights alone and whose results are used as weights."""
    fixed: set[Node] = set()
    for node in graph.nodes:
        if node.op.is_weight or (node.inputs and all(n in fixed for n in node.inputs)):
            fixed.add(node)
    users = users_of(graph)
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        if node not in fixed or node.op.is_weight or node in graph.outputs:
            continue
        if all(user in found or user.op.is_weight or _is_weight_of(node, user) for user in users.get(node, [])):
            found.add(node)
    return found


def _is_weight_of(node: Node, user: Node) -> bool:
    """Whether a node stands only where an operator reads its weights, which follow its values."""
    return user.op.arity is not None and node not in user.inputs[: user.op.arity]


def _is_small_arithmetic(node: Node) -> bool:
    return (
        node.op.is_weight
        and bool(node.inputs)
        and all(isinstance(n.op, Fixed) for n in node.inputs)
        and math.prod(int(str(d)) for d in node.type.shape) <= MAX_NUMBERS
    )


@dataclass(frozen=True, eq=False, repr=False)
class Computed(Op):
    """What an operator makes of weights, as a weight."""

    op: Op

    is_weight = True

    @property
    def name(self) -> str:  # type: ignore[override]  # it is the operator still
        return self.op.name

    def __str__(self) -> str:
        return str(self.op)

    def result(self, *inputs: TensorType) -> TensorType:
        return self.op.result(*inputs)

    def reference(self, *inputs: Array) -> Array:
        return self.op.reference(*inputs)

"""What the Numba target cannot say: operators without a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cnnlang.backends.numba_source.rules import has_rule
from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.ir import Node
from cnnlang.ops.base import Op
from cnnlang.ops.dense import Dropout

if TYPE_CHECKING:
    from cnnlang.program import Program

LIMITS: Mapping[str, str] = {}


def refusals(program: Program) -> tuple[Diagnostic, ...]:
    """What the target cannot say of a program, each with its place; empty if it can say all."""
    found: dict[object, Diagnostic] = {}
    for node in program.graph.nodes:
        computed = node.op.arity != 0 and not node.op.is_weight and not isinstance(node.op, Dropout)
        if computed and not has_rule(node.op):
            place = (node.span.source, node.span.start, node.span.end) if node.span else node
            found.setdefault(place, no_rule(node.op, node))
    return tuple(found.values())


def no_rule(op: Op, node: Node) -> Diagnostic:
    """E0401 for one operator."""
    message = f"the target `numba` cannot express `{op.name}`"
    cure = Help("run the net without it, or emit for another target")
    return Diagnostic("E0401", message, node.span, label="no rule for this operator", help=(cure,))

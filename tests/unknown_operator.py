"""A net with an operator that no target has a rule for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cnnlang.expand import check
from cnnlang.ir import Node, TensorType
from cnnlang.ops.base import Op
from cnnlang.program import Layer, Program
from cnnlang.source import Source

if TYPE_CHECKING:
    from cnnlang.ops.base import Array


@dataclass(frozen=True, eq=False, repr=False)
class Triple(Op):
    """y = 3 * x."""

    name = "triple"

    def result(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def reference(self, *inputs: Array) -> Array:
        return 3 * inputs[0]


def unknown_program() -> Program:
    """A checked net in which a `relu` is replaced by an operator that is in no registry."""
    checked = check(Source("net.cnn", "cnn 1\nnet Net {\n  input x: [N, 4]\n  relu\n}\n"))
    program = checked.programs["Net"]
    (trace,) = program.root.body
    assert isinstance(trace, Layer)
    node = Node.of(Triple(), *trace.node.inputs, span=trace.node.span)
    root = replace(program.root, body=(replace(trace, node=node),), output=node)
    return replace(program, root=root, graph=replace(program.graph, outputs=(node,)))

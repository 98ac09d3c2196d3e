"""An activation behind a layer is done while the layer's result is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlang.dims import Dim
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Convolution, Deconv
from cnnlang.ops.dense import Dense
from cnnlang.ops.elementwise import Elementwise
from cnnlang.ops.merge import SameShape
from cnnlang.ops.norm import BatchNorm
from cnnlang.passes.walk import rewrite, use_counts

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

PRODUCERS = (Convolution, Deconv, Dense, BatchNorm, SameShape)


def fuse_activation(graph: Graph) -> Graph:
    """Join an activation with the step in front of it.

    That is a layer, bn or merge whose only user it is.

    Law: f(layer(x)) = (f . layer)(x), number by number. An activation that has weights (`prelu`) or reads several
    numbers (`softmax`) stays a step of its own, and so does one whose input somebody else reads.
    """
    counts = use_counts(graph)

    def rule(old: Node, new: Node) -> Node | None:
        if not isinstance(new.op, Elementwise) or counts[old.inputs[0]] > 1:
            return None
        (producer,) = new.inputs
        if not isinstance(producer.op, PRODUCERS):
            return None
        name = producer.name if new.name == new.op.name else new.name
        return Node.of(Fused(producer.op, new.op), *producer.inputs, span=producer.span, name=name)

    return rewrite(graph, rule)


@dataclass(frozen=True, eq=False, repr=False)
class Fused(Op):
    """`producer`, then `activation` on each number of its result; the inputs are the producer's."""

    producer: Op
    activation: Elementwise

    @property
    def name(self) -> str:  # type: ignore[override]  # it is the producer still, with something behind it
        return self.producer.name

    def __str__(self) -> str:
        return f"{self.producer} -> {self.activation}"

    def result(self, *inputs: TensorType) -> TensorType:
        return self.activation.result(self.producer.result(*inputs))

    def macs(self, *inputs: TensorType) -> Dim:
        return self.producer.macs(*inputs)

    def reference(self, *inputs: Array) -> Array:
        return self.activation.reference(self.producer.reference(*inputs))

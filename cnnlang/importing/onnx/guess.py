"""What a node that cannot be said would have made, so that the nodes behind it are judged too.

Shapes are taken from the file and from the node's input, not from ONNX's own inference: that is C++, and ends the
process on some files that do not hold together.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.dims import Dim, Term
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.reader import UNKNOWN, Reader, Value
from cnnlang.importing.onnx.scalars import Expr
from cnnlang.importing.onnx.views import View, view_of
from cnnlang.ir import Node
from cnnlang.ops.base import Input

# operators that the language has not, and whose result has the shape of what they read
KEEPING = frozenset(
    (
        "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "Ceil", "Celu", "Cos", "Cosh", "CumSum",
        "Floor", "Hardmax", "LpNormalization", "MeanVarianceNormalization", "Round", "Shrink", "Sign", "Sin", "Sinh",
        "Softsign", "Tan", "ThresholdedRelu",
    )
)  # fmt: skip


def guessed(r: Reader, item: Item, inputs: Sequence[Value | None]) -> list[Value]:
    """A value in place of each result of a node: of its shape where that is known."""
    return [_value(r, item, name, inputs) for name in item.proto.output]


def _value(r: Reader, item: Item, name: str, inputs: Sequence[Value | None]) -> Value:
    dims = r.model.shapes.get(name)
    if dims is not None and len(dims) in (2, 4) and isinstance(dims[1], int):
        sizes = [d if isinstance(d, int) else Term.variable("HW"[i]) for i, d in enumerate(dims[2:])]
        return view_of(_stand_in(r, (dims[1], *sizes)))
    first = inputs[0] if inputs else None
    view = first.view if isinstance(first, Expr) else first
    if isinstance(view, View) and (item.op_type in KEEPING or isinstance(first, Expr)):
        return view.over(_stand_in(r, view.node.type.shape[1:]))
    return UNKNOWN


def _stand_in(r: Reader, dims: Sequence[Dim]) -> Node:
    node = Node.of(Input((Term.variable("N"), *dims), "?"))
    r.guessed.add(node)
    return node

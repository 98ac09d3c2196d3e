"""What a node that cannot be said would have made, so that the nodes behind it are judged too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnlang.dims import Dim, Term
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.constants import Constant
from cnnlang.importing.onnx.reader import UNKNOWN, Reader, Value
from cnnlang.importing.onnx.views import view_of
from cnnlang.ir import Node
from cnnlang.ops.base import Input

if TYPE_CHECKING:
    from onnx import TensorProto

MAX_BYTES = 2**24  # of constants that shapes are inferred from


class Guesses:
    """Shapes of tensors as ONNX infers them, found when they are first asked for."""

    def __init__(self, r: Reader) -> None:
        self.r = r
        self._shapes: dict[str, list[Dim]] | None = None

    def of(self, item: Item) -> list[Value]:
        """A value in place of each result of a node: of its shape where that is known."""
        return [self._value(name) for name in item.proto.output]

    def _value(self, name: str) -> Value:
        if not name:
            return UNKNOWN
        if self._shapes is None:
            self._shapes = _inferred(self.r)
        dims = self._shapes.get(name)
        if dims is None or len(dims) not in (2, 4) or not isinstance(dims[1], int):
            return UNKNOWN
        node = Node.of(Input((Term.variable("N"), *dims[1:]), "?"))
        self.r.guessed.add(node)
        return view_of(node)


def _inferred(r: Reader) -> dict[str, list[Dim]]:
    """The shapes that ONNX's own inference finds; none where the file does not hold together for it."""
    from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
    from onnx import ModelProto, checker, shape_inference

    proto: Any = ModelProto()
    proto.ir_version = 8
    proto.opset_import.add().version = r.model.items[0].version if r.model.items else 13
    graph = proto.graph
    graph.name = "g"
    left = MAX_BYTES
    for item in r.model.items:
        left -= item.proto.ByteSize()
        if left > 0:
            graph.node.append(item.proto)
    for info in r.model.inputs:
        graph.input.append(info)
    for name, value in r.model.constants.items():
        _declare(graph, name, value)
    try:
        inferred: Any = shape_inference.infer_shapes(proto, data_prop=True)
    except (
        shape_inference.InferenceError,
        checker.ValidationError,
        DecodeError,
        EncodeError,
        ValueError,
        RuntimeError,
    ):
        return {}
    found: dict[str, list[Dim]] = {}
    for info in inferred.graph.value_info:
        dims = info.type.tensor_type.shape.dim
        if 0 < len(dims) <= 8:
            found[info.name] = [_dim(d, i) for i, d in enumerate(dims)]
    return found


def _dim(dim: Any, axis: int) -> Dim:
    if dim.dim_value > 0:
        return int(dim.dim_value)
    return Term.variable("W" if axis == 3 else "H")


def _declare(graph: Any, name: str, value: Constant) -> None:
    """A constant by its shape alone; small whole numbers, which may be shapes, with their values."""
    from onnx import helper, numpy_helper

    if value.size <= 64 and value.dtype.kind in "iu":
        tensor: TensorProto = numpy_helper.from_array(value.array(), name)
        graph.initializer.append(tensor)
        return
    try:
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    except KeyError:
        return
    graph.input.append(helper.make_tensor_value_info(name, kind, value.shape))

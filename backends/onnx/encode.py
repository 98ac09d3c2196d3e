"""The bytes of a model, by the `onnx` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import helper

from cnnlang import __version__
from cnnlang.backends.onnx.build import Model, OnnxNode
from cnnlang.ir import TensorType
from cnnlang.program import Program

# A message is its fields one after the other, in any order: the weights are put in as they are, for the library would
# copy them several times, and takes five seconds for half a gigabyte.
MODEL_GRAPH = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
GRAPH_INITIALIZER = onnx.GraphProto.DESCRIPTOR.fields_by_name["initializer"].number
TENSOR_RAW_DATA = onnx.TensorProto.DESCRIPTOR.fields_by_name["raw_data"].number


def encode(
    program: Program,
    model: Model,
    weights: Mapping[str, NDArray[Any]],
    properties: Mapping[str, str],
    opset: int,
) -> bytes:
    """A model as the bytes of a file.

    Parameters
    ----------
    program
        Whose inputs and outputs it has.
    model
        Its nodes and constants.
    weights
        Its weights by path, float32.
    properties
        Its metadata.
    opset
        The version of ONNX's operators.
    """
    graph = program.graph
    outputs = dict(zip(graph.output_names, (n.type for n in graph.outputs), strict=True))
    made = onnx.ModelProto(producer_name="cnnlang", producer_version=__version__)
    opsets = [helper.make_operatorsetid("", opset)]
    made.opset_import.extend(opsets)
    made.ir_version = helper.find_min_ir_version_for(opsets)
    helper.set_model_props(made, dict(properties))
    made.graph.name = graph.name
    made.graph.node.extend(map(_node, model.nodes))
    made.graph.input.extend(_value(info.name, info.node.type) for info in program.inputs)
    made.graph.output.extend(_value(name, type) for name, type in outputs.items())
    made.graph.value_info.extend(_value(name, type) for name, type in model.types.items() if name not in outputs)
    tensors = [part for name, array in (*weights.items(), *model.constants.items()) for part in _tensor(name, array)]
    skeleton = made.graph.SerializeToString(deterministic=True)
    made.ClearField("graph")
    length = len(skeleton) + sum(map(len, tensors))
    return b"".join([made.SerializeToString(deterministic=True), _head(MODEL_GRAPH, length), skeleton, *tensors])


def _tensor(name: str, array: NDArray[Any]) -> tuple[bytes, bytes]:
    """An initializer as a field of a graph: what stands before its numbers, and its numbers."""
    tensor = onnx.TensorProto(
        name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape
    ).SerializeToString(deterministic=True)
    numbers = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    before = tensor + _head(TENSOR_RAW_DATA, len(numbers))
    return _head(GRAPH_INITIALIZER, len(before) + len(numbers)) + before, numbers


def _head(field: int, length: int) -> bytes:
    """What protobuf writes before a field of bytes or a message: its number with its kind, 2, and how long it is."""
    found = bytearray()
    for value in (field << 3 | 2, length):
        rest = value
        while rest > 127:
            found.append(rest & 127 | 128)
            rest >>= 7
        found.append(rest)
    return bytes(found)


def _node(node: OnnxNode) -> onnx.NodeProto:
    made = helper.make_node(node.op_type, node.inputs, [node.output], node.name, node.hint or None)
    made.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(node.attributes.items()))
    return made


def _value(name: str, type: TensorType) -> onnx.ValueInfoProto:
    sizes = [d if isinstance(d, int) else str(d) for d in type.shape]
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)

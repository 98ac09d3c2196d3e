"""The bytes of a model, by the `onnx` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cnnlang import __version__
from cnnlang.backends.onnx.build import Model, OnnxNode
from cnnlang.ir import TensorType
from cnnlang.program import Program


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
    proto = helper.make_graph(
        [_node(node) for node in model.nodes],
        graph.name,
        [_value(info.name, info.node.type) for info in program.inputs],
        [_value(name, type) for name, type in outputs.items()],
        [
            *(_tensor(path, array.astype("<f4", copy=False)) for path, array in weights.items()),
            *(_tensor(name, array) for name, array in model.constants.items()),
        ],
        value_info=[_value(name, type) for name, type in model.types.items() if name not in outputs],
    )
    opsets = [helper.make_operatorsetid("", opset)]
    made = helper.make_model(proto, opset_imports=opsets, producer_name="cnnlang", producer_version=__version__)
    made.ir_version = helper.find_min_ir_version_for(opsets)
    helper.set_model_props(made, dict(properties))
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _node(node: OnnxNode) -> onnx.NodeProto:
    made = helper.make_node(node.op_type, node.inputs, [node.output], node.name, node.hint or None)
    made.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(node.attributes.items()))
    return made


def _value(name: str, type: TensorType) -> onnx.ValueInfoProto:
    sizes = [d if isinstance(d, int) else str(d) for d in type.shape]
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)


def _tensor(name: str, array: NDArray[Any]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array) if array.ndim else array, name)

"""What the tests of ONNX models share: running them in ONNX Runtime, and looking into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from cnnlang.backends.onnx import OPSET, export
from cnnlang.backends.onnx.build import Model
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.program import Program
from cnnlang.render import render_full
from cnnlang.source import Source
from tests.helpers import assert_close, random_inputs, random_weights

onnxruntime.set_default_logger_severity(3)  # warnings about shapes that a random network makes on purpose


def exported(
    program: Program, weights: Mapping[str, NDArray[Any]], *, normalize: bool = False, opset: int = OPSET
) -> bytes:
    """The model of a program, which passes every check of the onnx library."""
    data = export(program, weights, normalize=normalize, opset=opset)
    onnx.checker.check_model(data, full_check=True)
    return data


def run_model(data: bytes, *inputs: NDArray[Any], optimized: bool = True) -> tuple[Any, ...]:
    """The outputs of a model for inputs in its order, with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return tuple(session.run(None, dict(zip(names, inputs, strict=True))))


def run_onnx(program: Program, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any]) -> tuple[Any, ...]:
    """The outputs of a program's model."""
    return run_model(exported(program, weights), *inputs)


def program(body: str, name: str = "A") -> Program:
    """A net of these lines, checked."""
    result = check(Source("a.cnn", f"cnn 1\nnet {name} {{\n{body}\n}}\n"))
    assert not result.has_errors, body + "\n".join(render_full(d) for d in result.diagnostics)
    return result.programs[name]


def model_of(net: Program, **options: Any) -> onnx.ModelProto:
    return onnx.load_from_string(exported(net, random_weights(net.graph), **options))


def metadata(model: onnx.ModelProto) -> dict[str, Any]:
    return {p.key: json.loads(p.value) for p in model.metadata_props}


def agree(net: Program, sizes: dict[str, int], **options: Any) -> None:
    """A net's model and the reference give the same, for batches 1 and 3."""
    weights = random_weights(net.graph)
    data = exported(net, weights, **options)
    for batch in (1, 3):
        inputs = random_inputs(net.graph, {**sizes, "N": batch})
        for actual, expected in zip(run_model(data, *inputs), interpret(net.graph, weights, *inputs), strict=True):
            assert_close(actual, expected)


def assert_sound(net: Program, model: Model) -> None:
    """Names are unique, and nothing is read before it is made; constants are all read."""
    names = [n.name for n in model.nodes]
    assert len(set(names)) == len(names)
    known = {info.name for info in net.inputs} | set(net.graph.weights) | set(model.constants)
    assert len(known) == len(net.inputs) + len(net.graph.weights) + len(model.constants)
    for node in model.nodes:
        assert all(name in known for name in node.inputs if name)
        assert node.output not in known
        known.add(node.output)
    assert set(net.graph.output_names) <= known
    assert {n for n in known if n in model.constants} <= {name for node in model.nodes for name in node.inputs}

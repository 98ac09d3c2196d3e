"""ONNX models for the tests: made of a few lines, run by ONNX Runtime, and compared with what is read of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cnnlang.importing.foreign import Foreign
from cnnlang.importing.onnx import read
from cnnlang.interpret import interpret
from cnnlang.ir import Graph
from tests.helpers import assert_close

Array = NDArray[Any]


def random(*shape: int, seed: int = 0, positive: bool = False) -> Array:
    drawn = np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)
    return np.abs(drawn) + np.float32(0.5) if positive else drawn


def numbers(*values: float) -> Array:
    """Whole numbers as int64, others as float32."""
    kind = np.int64 if all(isinstance(v, int) for v in values) else np.float32
    return np.array(values, dtype=kind)


def scalar(value: float) -> Array:
    return np.array(value, dtype=np.float32)


def built(
    text: str,
    constants: Mapping[str, Array] | None = None,
    x: tuple[int | str, ...] = ("N", 4, 8, 8),
    opset: int = 17,
    outputs: tuple[str, ...] = ("y",),
    ir: int = 8,
) -> onnx.ModelProto:
    """A model of the nodes that a text in ONNX's own notation says: `y = Relu(x)`."""
    results = ", ".join(f"float {name}" for name in outputs)
    sizes = ", ".join(map(str, x))
    graph = onnx.parser.parse_graph(f"case (float[{sizes}] x) => ({results}) {{ {text} }}")
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in (constants or {}).items())
    model = helper.make_model(graph, opset_imports=[helper.make_operatorsetid("", opset)])
    model.ir_version = ir
    return model


def run(path: Path, feeds: Mapping[str, Array]) -> list[Array]:
    """What ONNX Runtime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    results: list[Array] = session.run(None, dict(feeds))
    return results


def saved(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    place = folder / name
    place.write_bytes(model.SerializeToString())
    return place


def steps(graph: Graph) -> str:
    """The operators of a graph, in order."""
    return " ".join(n.op.name for n in graph.nodes if not n.op.is_weight and n.op.arity != 0)


def agrees(path: Path, *inputs: Array, channels_last: bool = False, tolerance: float = 2e-6) -> Foreign:
    """The net of a file, after it has been held to ONNX Runtime on these inputs (in the file's own layout)."""
    model = onnx.load(path, load_external_data=False)
    stored = {i.name for i in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in stored]
    expected = run(path, dict(zip(names, inputs, strict=True)))
    foreign = read(path)
    ours = [x.transpose(0, 3, 1, 2) if channels_last and x.ndim == 4 else x for x in inputs]
    results = interpret(foreign.graph, foreign.weights, *ours)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        if channels_last and wanted.ndim == 4 and result.ndim == 4:
            wanted = wanted.transpose(0, 3, 1, 2)
        if wanted.size == math.prod(wanted.shape[:2]) or wanted.ndim == 1:  # axes of size 1 that one of both has not
            wanted = wanted.reshape(result.shape)
        assert_close(result, wanted, tolerance)
        assert np.ptp(result) > 0
    return foreign

"""Running what `--target onnx` writes, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from cnnlang.backends.onnx import OPSET, export
from cnnlang.program import Program

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

"""The exported ONNX model in ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from cnnlang.backends.onnx import export
from cnnlang.backends.onnx.names import step_names
from cnnlang.ir import Node
from cnnlang.program import Program
from cnnlang.verify.runners import Array, TargetFailed, Weights

FAILURES = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.NotImplemented, state.RuntimeException)


def version() -> str:
    return f"ONNX Runtime {onnxruntime.__version__}"


def make(program: Program, weights: Weights) -> OnnxRunner:
    return OnnxRunner(program, weights)


class OnnxRunner:
    """A session of the model; a second one with more outputs shows the values inside."""

    def __init__(self, program: Program, weights: Weights) -> None:
        self._program = program
        self._model = export(program, weights)
        self._session = self._made()

    def _made(self) -> Any:
        return _session(self._model)

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        return _run(self._session, inputs)

    def values(self, *inputs: Array) -> Mapping[Node, Array]:
        graph = self._program.graph
        model = onnx.load_from_string(self._model)
        have = {name for node in model.graph.node for name in node.output}
        nodes = {name: node for node, name in step_names(self._program).items() if name in have}
        kept = len(model.graph.output)  # a value that is an output already has the output's name, and is not told twice
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in nodes)
        results = _run(_session(model.SerializeToString()), inputs)
        return dict(zip([*nodes.values(), *graph.outputs], [*results[kept:], *results[:kept]], strict=True))


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: what it advises is not the user's business
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave the cores alone
    return _told(lambda: onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))


def _run(session: Any, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    names = [x.name for x in session.get_inputs()]
    given = dict(zip(names, map(np.ascontiguousarray, inputs), strict=True))
    results: list[Array] = _told(lambda: session.run(None, given))
    return tuple(results)


def _told(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except FAILURES as error:
        raise TargetFailed(str(error)) from error

"""The emitted Keras model, on whichever backend Keras has, its weights read by the loader that is emitted with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cnnlang.backends.keras_source import emit
from cnnlang.ir import Graph, Node
from cnnlang.ops.dense import Dropout
from cnnlang.program import Program
from cnnlang.verify.layers import Layers
from cnnlang.verify.module import executed, last_defined
from cnnlang.verify.runners import BACKENDS_OF_KERAS, Array, TargetFailed, Weights
from cnnlang.weights import save_weights

if "KERAS_BACKEND" not in os.environ:  # Keras' own default is TensorFlow, installed or not
    os.environ["KERAS_BACKEND"] = next(name for name in BACKENDS_OF_KERAS if find_spec(name))

import keras

FAILURES = (ArithmeticError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)


def version() -> str:
    return f"Keras {keras.__version__} ({keras.config.backend()})"


def make(program: Program, weights: Weights) -> KerasRunner:
    return KerasRunner(program, weights)


class KerasRunner:
    """The model; a second one with its layers' results as outputs shows the values inside."""

    def __init__(self, program: Program, weights: Weights) -> None:
        self._program = program
        module = executed(emit(program), "keras source")
        try:
            self.model: Any = last_defined(module, ("load_weights", "layers_in"))()
            if weights:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "weights.safetensors"
                    save_weights(path, weights)
                    module.load_weights(self.model, str(path))
        except FAILURES as error:
            raise TargetFailed(f"{type(error).__name__}: {error}") from error

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        return _run(self.model, inputs)

    def values(self, *inputs: Array) -> Mapping[Node, Array]:
        graph = self._program.graph
        layers = Layers(graph)
        named = {layer.name.replace("-", "."): layer for layer in self.model.layers}
        found = {
            _shown(layers.by_path[path], layer, graph): layer for path, layer in named.items() if path in layers.by_path
        }
        entries = self.model.inputs[0] if len(inputs) == 1 else self.model.inputs
        model = keras.Model(entries, [*(layer.output for layer in found.values()), *self.model.outputs])
        return dict(zip([*found, *graph.outputs], _run(model, inputs), strict=True))


def _shown(node: Node, layer: Any, graph: Graph) -> Node:
    """The node whose value a layer gives: the activation behind it, where the layer has taken it over."""
    if getattr(layer, "activation", keras.activations.linear) is keras.activations.linear:
        return node
    while True:
        (node,) = (n for n in graph.nodes if node in n.values)
        if not isinstance(node.op, Dropout):
            return node


def _run(model: Any, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    given = [_channels_last(x) for x in inputs]
    try:
        with _no_gradients():
            results = model(given[0] if len(given) == 1 else given, training=False)
    except FAILURES as error:
        raise TargetFailed(f"{type(error).__name__}: {error}") from error
    results = results if isinstance(results, list | tuple) else [results]
    return tuple(_channels_first(_array(y)) for y in results)


def _no_gradients() -> AbstractContextManager[Any]:
    """PyTorch keeps track of what it computes unless it is told; the other backends do so when they are told."""
    if keras.config.backend() != "torch":
        return nullcontext()
    import torch

    guard: AbstractContextManager[Any] = torch.no_grad()
    return guard


def _array(tensor: Any) -> Array:
    array: Array
    # Keras asks PyTorch's tensors for arrays in a way of which NumPy 2 warns
    array = tensor.numpy(force=True) if keras.config.backend() == "torch" else keras.ops.convert_to_numpy(tensor)
    return array


def _channels_last(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def _channels_first(y: Array) -> Array:
    return np.ascontiguousarray(y.transpose(0, 3, 1, 2)) if y.ndim == 4 else y

"""Running what `--target keras` emits."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from cnnlang.backends.keras_source import emit
from cnnlang.program import Program


def keras_model(program: Program, weights: Mapping[str, NDArray[Any]], **options: Any) -> Any:
    """The emitted model, filled by its own loader, which refuses what is missing, misshapen or more than there is."""
    keras.backend.clear_session(free_memory=False)
    torch.set_num_threads(1)
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emit(program), "<keras source>", "exec"), space)
    model = space[net_function(space)](**options)
    if "load_weights" in space:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.safetensors"
            save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, path)
            space["load_weights"](model, str(path))
    return model


def net_function(space: Mapping[str, Any]) -> str:
    """The net's own function: the last one, but for the loader and what it calls."""
    made = [n for n, v in space.items() if callable(v) and getattr(v, "__module__", "") == "emitted"]
    return next(n for n in reversed(made) if n not in ("load_weights", "layers_in"))


def run_keras(program: Program, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any]) -> tuple[Any, ...]:
    """The outputs of the emitted model for inputs with their channels first, with their channels first."""
    return outputs_of(keras_model(program, weights), inputs)


def outputs_of(model: Any, inputs: tuple[NDArray[Any], ...]) -> tuple[Any, ...]:
    """The outputs of a model, with their channels first; on JAX and TensorFlow from the whole as they compile it."""
    entering = [np.moveaxis(x, 1, -1) if x.ndim == 4 else x for x in inputs]
    given = entering[0] if len(entering) == 1 else entering
    if keras.backend.backend() == "torch":
        with torch.no_grad():
            result = model(given, training=False)
    else:
        result = model.predict_on_batch(given)
    results = result if isinstance(result, list | tuple) else [result]
    arrays = [r.numpy() if isinstance(r, torch.Tensor) else np.asarray(r) for r in results]
    return tuple(np.moveaxis(a, -1, 1) if a.ndim == 4 else a for a in arrays)

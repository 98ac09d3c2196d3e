"""Weights by parameter path: reading, checking against a net, writing, and where they begin.

A path such as `layer1.0.conv1.weight` is the same in every target and every file, so weights travel with no mapping by
hand. All arrays here are float32, C-contiguous.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.initializers import Initializer
from cnnlang.ir import Graph
from cnnlang.ops.base import Weight, WeightSpec
from cnnlang.weight_files import WRITERS, Stored, opened, refuse_folder
from cnnlang.weight_files.fitting import Weights, as_in_net, collect, fitting
from cnnlang.weight_sources import Drawn, InFile, fixed

if TYPE_CHECKING:
    from cnnlang.program import Program

Shapes = Mapping[str, tuple[int, ...]]

PIECE = 2**17  # numbers that are drawn at once


def load_weights(
    path: str | os.PathLike[str], expected: Shapes, *, ignore: Collection[str] = (), program: Program | None = None
) -> Weights:
    """Read weights from a file of any kind: safetensors, npz, PyTorch's, Keras' or ONNX's.

    float16, bfloat16 and float64 become float32. A checkpoint that holds its weights under `state_dict` is looked into,
    and a `module.` before every name is dropped.

    Parameters
    ----------
    path
        The file: `.safetensors`, `.npz`, `.pth`, `.pt`, `.weights.h5`, `.h5`, `.keras` or `.onnx`.
    expected
        The shape of each weight, by path.
    ignore
        Names that the file may have and nobody wants (those of heads that only train); `num_batches_tracked` is one
        always.
    program
        The net, which tells what lies where in a file of Keras'; none can be read without it.

    Raises
    ------
    WeightsError
        The file cannot be read, or does not fit: then the message lists what is missing, unexpected or mis-shaped.
    """
    place = Path(path)
    with opened(place) as stored:
        return collect(str(path), as_in_net(place, stored, program), expected, ignore)


def lazy_weights(
    path: str | os.PathLike[str], expected: Shapes, *, ignore: Collection[str] = (), program: Program | None = None
) -> Mapping[str, NDArray[np.float32]]:
    """The same, not to be written to, each array read when it is asked for where the file allows that: it stays open.

    Raises
    ------
    WeightsError
        As in `load_weights`; and later, where the file is written to while it is open.
    """
    place = Path(path)
    if place.suffix.lower() != ".safetensors" or sys.platform == "win32":  # an open file cannot be replaced there
        return fixed(load_weights(path, expected, ignore=ignore, program=program))
    from cnnlang.weight_files.safetensors_file import SafetensorsFile

    refuse_folder(place)
    file = SafetensorsFile(place)
    found = fitting(str(path), as_in_net(place, file.stored, program), expected, ignore)
    if any(entry.dtype == "float64" for entry in found.values()):  # they may be too large, which is said at once
        file.close()
        return fixed(load_weights(path, expected, ignore=ignore, program=program))
    return InFile(file, found)


def check_weights(weights: Mapping[str, Any], expected: Shapes, *, ignore: Collection[str] = ()) -> Weights:
    """Copies of weights that are in memory (NumPy arrays or PyTorch tensors by path), as float32.

    Raises
    ------
    WeightsError
        They do not fit `expected`, as in `load_weights`.
    """
    return collect("the mapping", {str(n): _in_memory(v) for n, v in weights.items()}, expected, ignore)


def save_weights(path: str | os.PathLike[str], weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Write weights to a `.safetensors`, `.npz`, `.pth` or `.pt` file, whole or not at all.

    The same weights are the same bytes in a `.safetensors` or `.npz` file.

    Raises
    ------
    WeightsError
        The file's name ends otherwise, or PyTorch is not there to write its own files.
    UsageError
        The file cannot be written.
    """
    place = Path(path)
    write = WRITERS.get(place.suffix.lower())
    if write is None:
        msg = f"{path}: weights are written to {', '.join(list(WRITERS)[:-1])} and {list(WRITERS)[-1]} files"
        raise WeightsError(msg)
    write(place, {name: np.asarray(array, dtype=np.float32) for name, array in weights.items()})


def expected_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """The shape of each weight that a graph reads, by path, in the order of use."""
    return {path: _spec(op).shape for path, node in graph.weights.items() for op in [node.op]}


def initialise(graph: Graph, seed: int, init: Initializer | None = None) -> Weights:
    """Weights to begin with, by path.

    Each weight has a generator of its own, made from the seed and its path: adding a layer changes no other, and every
    target that trains begins alike.

    Parameters
    ----------
    graph
        The graph whose weights to make; a training graph has those of its `aux` heads too.
    seed
        Any integer.
    init
        Draws the weights of convolutions and dense layers; None for PyTorch's defaults. Biases, bn and running
        statistics begin as in PyTorch in any case.
    """
    return {path: make() for path, make in _makers(graph, seed, init).items()}


def lazy_initialise(graph: Graph, seed: int, init: Initializer | None = None) -> Mapping[str, NDArray[np.float32]]:
    """The same, not to be written to, each weight drawn when it is asked for."""
    specs = [f"{path} {_spec(node.op)}" for path, node in graph.weights.items()]
    told = "\n".join([f"seed {seed}, init {init}", np.__version__, *specs])
    return Drawn(_makers(graph, seed, init), hashlib.sha256(told.encode()).hexdigest())


def _makers(graph: Graph, seed: int, init: Initializer | None) -> dict[str, Callable[[], NDArray[np.float32]]]:
    def maker(path: str, spec: WeightSpec) -> Callable[[], NDArray[np.float32]]:
        return lambda: _begin(spec, seed, path, init)

    return {path: maker(path, _spec(node.op)) for path, node in graph.weights.items()}


def generator(seed: int, path: str) -> np.random.Generator:
    """The generator of one weight."""
    digest = hashlib.sha256(f"{seed}:{path}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def _begin(spec: WeightSpec, seed: int, path: str, init: Initializer | None) -> NDArray[np.float32]:
    rng = generator(seed, path)
    if init is not None and spec.fan_in > 0:
        return init.draw(rng, spec.shape, spec.fan_in, max(spec.fan_out, 1)).astype(np.float32)
    match spec.init:
        case ("constant", value):
            return np.full(spec.shape, value, dtype=np.float32)
        case ("uniform", bound):
            drawn = np.empty(math.prod(spec.shape), np.float32)
            for first in range(0, drawn.size, PIECE):  # so many that the numbers in float64 stay near
                part = drawn[first : first + PIECE]
                part[:] = rng.uniform(-bound, bound, part.size)
            return drawn.reshape(spec.shape)
        case (kind, _):
            msg = f"no weight begins {kind}"
            raise TypeError(msg)


def _spec(op: Any) -> WeightSpec:
    assert isinstance(op, Weight)
    return op.spec


def _in_memory(value: Any) -> Stored:
    if hasattr(value, "detach"):  # asked without importing PyTorch
        from cnnlang.weight_files.torch_file import as_numpy

        array = as_numpy(value)
    else:
        array = np.asarray(value)
    return Stored(array.dtype.name, array.shape, array.copy)

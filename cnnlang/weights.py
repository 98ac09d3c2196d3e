"""Weights by parameter path: reading, checking against a net, writing, and where they begin.

A path such as `layer1.0.conv1.weight` is the same in every target and every file, so weights travel with no mapping by
hand. All arrays here are float32, C-contiguous.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.initializers import Initializer
from cnnlang.ir import Graph
from cnnlang.ops.base import Weight, WeightSpec
from cnnlang.weight_files import FLOATS, WRITERS, Stored, as_numpy, opened, printable
from cnnlang.weight_files.fitting import as_in_net
from cnnlang.weight_files.keras_layout import owners

Weights = dict[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]

LISTED = 10  # of each kind of mismatch
COUNTER = "num_batches_tracked"  # PyTorch's batch normalisation counts batches; nothing here depends on it
PARALLEL = "module."  # before every name that torch.nn.DataParallel saved


def load_weights(
    path: str | os.PathLike[str], expected: Shapes, *, ignore: Collection[str] = (), graph: Graph | None = None
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
    graph
        The net, by which Keras' layouts are understood; no Keras file can be read without it.

    Raises
    ------
    WeightsError
        The file cannot be read, or does not fit: then the message lists what is missing, unexpected or mis-shaped.
    """
    place = Path(path)
    with opened(place) as stored:
        return _collect(str(path), as_in_net(place, stored, owners(graph) if graph else None), expected, ignore)


def check_weights(weights: Mapping[str, Any], expected: Shapes, *, ignore: Collection[str] = ()) -> Weights:
    """Copies of weights that are in memory (NumPy arrays or PyTorch tensors by path), as float32.

    Raises
    ------
    WeightsError
        They do not fit `expected`, as in `load_weights`.
    """
    return _collect("the mapping", {str(n): _in_memory(v) for n, v in weights.items()}, expected, ignore)


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
    return {path: _begin(_spec(node.op), seed, path, init) for path, node in graph.weights.items()}


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
            return rng.uniform(-bound, bound, spec.shape).astype(np.float32)
        case (kind, _):
            msg = f"no weight begins {kind}"
            raise TypeError(msg)


def _spec(op: Any) -> WeightSpec:
    assert isinstance(op, Weight)
    return op.spec


def _in_memory(value: Any) -> Stored:
    array = as_numpy(value) if hasattr(value, "detach") else np.asarray(value)  # asked without importing PyTorch
    return Stored(array.dtype.name, array.shape, lambda: array)


def _collect(where: str, stored: Mapping[str, Stored], expected: Shapes, ignore: Collection[str]) -> Weights:
    if stored and all(n.startswith(PARALLEL) for n in stored) and not any(n.startswith(PARALLEL) for n in expected):
        stored = {name.removeprefix(PARALLEL): entry for name, entry in stored.items()}
    ignored = set(ignore)
    given = {
        name: entry
        for name, entry in stored.items()
        if name in expected or (name not in ignored and name.rsplit(".", 1)[-1] != COUNTER)
    }
    problems = _mismatches(given, expected)
    if problems:
        raise WeightsError("\n  ".join([f"{where} does not fit the net:", *problems]))
    return {name: _float32(where, name, given[name]) for name in expected}


def _float32(where: str, name: str, stored: Stored) -> NDArray[np.float32]:
    array = stored.read()
    with np.errstate(over="ignore"):
        narrow: NDArray[np.float32] = np.array(array, dtype=np.float32, order="C")
    if narrow.dtype != array.dtype and np.isinf(narrow).sum() > np.isinf(array).sum():
        msg = f"{where}: `{printable(name)}` has numbers that a float32 cannot hold (beyond 3.4e38)"
        raise WeightsError(msg)
    return narrow


def _mismatches(given: Mapping[str, Stored], expected: Shapes) -> list[str]:
    """What does not fit, a line each, at most `LISTED` of a kind."""
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    both = [(name, given[name]) for name in expected if name in given]
    shapes = [(name, entry) for name, entry in both if entry.shape != tuple(expected[name])]
    types = [(name, entry) for name, entry in both if entry.dtype not in FLOATS]
    return [
        *_listed([f"missing: {name} {list(expected[name])}" for name in missing], "missing"),
        *_listed(
            [f"unexpected: {printable(name)} {_shown(given[name].shape)}" for name in unexpected],
            "unexpected",
            [_did_you_mean(name, given[name].shape, missing, expected) for name in unexpected[:LISTED]],
        ),
        *_listed(
            [f"another shape: {n} is {_shown(e.shape)}, the net has {list(expected[n])}" for n, e in shapes],
            "of another shape",
        ),
        *_listed([f"no float: {name} is {printable(entry.dtype)}" for name, entry in types], "that are no floats"),
    ]


def _listed(lines: list[str], kind: str, endings: list[str] | None = None) -> list[str]:
    shown = [line + end for line, end in zip(lines, endings or [""] * LISTED, strict=False)]
    return [*shown, f"and {len(lines) - LISTED:,} more {kind}"] if len(lines) > LISTED else shown


def _shown(shape: tuple[int, ...]) -> str:
    return str(list(shape)) if len(shape) <= 8 else f"of {len(shape)} axes"


def _did_you_mean(name: str, shape: tuple[int, ...], missing: list[str], expected: Shapes) -> str:
    """The missing name most like an unexpected one that ends alike (`.weight`) or has its shape, better both."""
    if len(name) > 200:
        return ""
    stem, _, leaf = name.rpartition(".")
    alike = {other.rpartition(".")[0]: other for other in missing[:500] if other.rpartition(".")[2] == leaf}
    for stems in ([s for s, other in alike.items() if tuple(expected[other]) == shape], list(alike)):
        close = difflib.get_close_matches(stem, stems, 1, 0.6)
        if close:
            return f" - did you mean `{alike[close[0]]}`?"
    close = difflib.get_close_matches(name, [m for m in missing[:500] if tuple(expected[m]) == shape], 1, 0.6)
    return f" - did you mean `{close[0]}`?" if close else ""

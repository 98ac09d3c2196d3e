"""`.onnx`: the initializers of a model, laid out as here where the operator that reads them tells how they lie.

Layouts that ONNX leaves open: a dense weight is [in, out] for `MatMul` and for `Gemm` with transB=0, and [out, in] with
transB=1; slopes of `PRelu` have axes of one for height and width.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.weight_files.stored import WIDTH, Stored, damaged, halves_to_float

MOST = 2**31 - 1  # bytes of one message of Protocol Buffers

# what the inputs of an operator are
ROLES = {
    "Conv": ("", "weight", "bias"),
    "ConvTranspose": ("", "weight", "bias"),
    "Gemm": ("", "weight", "bias"),
    "MatMul": ("", "weight"),
    "BatchNormalization": ("", "weight", "bias", "running_mean", "running_var"),
    "InstanceNormalization": ("", "weight", "bias"),
    "GroupNormalization": ("", "weight", "bias"),
    "PRelu": ("", "weight"),
}
PASSING = ("Identity", "Unsqueeze")
OURS = "cnnlang"  # who made the file; what has a `/` in its name there is no weight

_NAMED = re.compile(r"[./_](weight|bias|running_mean|running_var|gamma|beta)$")


@dataclass(frozen=True, slots=True)
class _Use:
    """Where an initializer is read: the node, what it is there, and whether it lies [in, out]."""

    layer: str
    role: str
    operator: str
    transposed: bool


@contextlib.contextmanager
def open_onnx(path: Path) -> Iterator[dict[str, Stored]]:
    if importlib.util.find_spec("onnx") is None:
        msg = f'{path}: reading an .onnx file needs onnx: pip install "cnnlang[onnx]"'
        raise WeightsError(msg)
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    bad = (DecodeError, ValueError, TypeError, KeyError, RuntimeError, RecursionError, MemoryError, OverflowError)
    with damaged(path, "ONNX", *bad):
        if path.stat().st_size > MOST:
            raise ValueError("it is larger than 2 GiB")
        model = onnx.load_model_from_string(path.read_bytes())
        if not model.HasField("graph"):
            raise ValueError("there is no graph in it")
        uses = _uses(model.graph)
        is_ours = model.producer_name == OURS
        stored: dict[str, Stored] = {}
        for name, tensor in _tensors(model.graph):
            if (is_ours and "/" in name) or (name not in uses and not _NAMED.search(name)):
                continue
            if name in stored:
                raise ValueError(f"it holds {name} twice")
            if any(size < 0 for size in tensor.dims):
                raise ValueError(f"{name} has a size below 0")
            kind = onnx.TensorProto.DataType.Name(tensor.data_type)
            dtype = {"FLOAT": "float32", "DOUBLE": "float64"}.get(kind, kind.lower())
            stored[name] = _stored(path, bad, tensor, dtype, uses.get(name))
    yield stored


def _tensors(graph: Any) -> Iterator[tuple[str, Any]]:
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value" and len(attribute.t.dims):
                    yield node.output[0], attribute.t


def _uses(graph: Any) -> dict[str, _Use]:
    """How each tensor is read first; through nodes that pass a tensor on it is the same tensor."""
    same = {n.output[0]: n.input[0] for n in graph.node if n.op_type in PASSING and n.input and n.output}
    products: dict[str, str] = {}
    found: dict[str, _Use] = {}
    for number, node in enumerate(graph.node):
        layer = node.name or f"{node.op_type}_{number}"
        as_is = any(a.name == "transB" and a.i == 1 for a in node.attribute)
        transposed = node.op_type == "MatMul" or (node.op_type == "Gemm" and not as_is)
        for name, role in zip(node.input, ROLES.get(node.op_type, ()), strict=False):
            if role:
                use = _Use(layer, role, node.op_type, transposed and role == "weight")
                found.setdefault(same.get(name, name), use)
        if node.op_type == "MatMul" and node.output:
            products[node.output[0]] = layer
        if node.op_type == "Add" and len(node.input) == 2:  # the bias of a dense layer
            for value, name in (node.input, node.input[::-1]):
                if value in products:
                    found.setdefault(name, _Use(products[value], "bias", node.op_type, False))
    return found


def _stored(path: Path, bad: tuple[type[BaseException], ...], tensor: Any, dtype: str, use: _Use | None) -> Stored:
    shape = tuple(tensor.dims)
    here, change = _change(shape, use)
    bytes_ = math.prod(shape) * WIDTH.get(dtype, 0)

    def read() -> NDArray[Any]:
        from onnx import numpy_helper

        with damaged(path, "ONNX", *bad):
            raw = _external(path, tensor) if tensor.data_location == 1 else None
            if raw is not None or tensor.HasField("raw_data"):
                raw = bytes(tensor.raw_data) if raw is None else raw
                if len(raw) != bytes_:
                    raise ValueError(f"{tensor.name} is not as long as its shape says")
                if dtype == "bfloat16":
                    return change(halves_to_float(np.frombuffer(raw, "<u2")).reshape(shape))
                return change(np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).reshape(shape))
            return change(np.asarray(numpy_helper.to_array(tensor)).astype(np.float64))

    return Stored(dtype, here, read, use.layer if use else "", use.role if use else "")


def _change(shape: tuple[int, ...], use: _Use | None) -> tuple[tuple[int, ...], Callable[[NDArray[Any]], NDArray[Any]]]:
    """The shape that a tensor has here, and how it comes to lie so."""
    if use and use.transposed and len(shape) == 2:
        return shape[::-1], lambda array: array.T
    if use and use.operator == "PRelu" and shape[1:] and all(size == 1 for size in shape[1:]):
        return shape[:1], lambda array: array.reshape(-1)
    return shape, lambda array: array


def _external(path: Path, tensor: Any) -> bytes:
    """The bytes of a tensor that lie in another file, in the model's own folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.parent.resolve()
    place = (folder / entries["location"]).resolve()
    if not place.is_relative_to(folder) or not place.is_file():
        raise ValueError(f"{tensor.name} lies in another file, which is not beside this one")
    start, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
    whole = place.stat().st_size
    if start < 0 or start + max(length, 0) > whole:
        raise ValueError(f"{tensor.name} lies beyond the end of another file")
    with place.open("rb") as file:
        file.seek(start)
        data: bytes = file.read(length if length >= 0 else whole - start)
        return data

"""A `.weights` file of Darknet: a header, then the weights of each layer as float32, in the order of the cfg.

The header is three int32, `major`, `minor`, `revision`, and how many images were seen: int64 from version 0.2 on, int32
before. Where `major` or `minor` is above 1000, dense layers are stored [inputs, outputs]. There are no names and no
sizes in the file, so that its length is all that can be held against the cfg.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError, UsageError
from cnnlang.importing.darknet.net import Stored
from cnnlang.ir import Graph
from cnnlang.ops.base import Weight

FLOAT_BYTES = 4
ABSENT = "absent"
Arrays = dict[str, NDArray[np.float32]]


def read_weights(path: Path, stored: Sequence[Stored], graph: Graph) -> Arrays:
    """The weights that a graph reads, by path.

    Parameters
    ----------
    path
        The file.
    stored
        The layers with weights in their order, those that reach no output among them.
    graph
        The net.

    Raises
    ------
    FindingsError
        E0601: the file is too short or too long for this net.
    UsageError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(0)
            starts, transposed = _header(path, file.read(20))
            wanted = graph.weights
            arrays: Arrays = {}
            place, order = _order(path, stored, length, starts)
            for op, kind in order:
                count = math.prod(op.spec.shape)
                if kind == ABSENT:
                    arrays[op.path] = np.zeros(op.spec.shape, np.float32)
                    continue
                if op.path in wanted:
                    file.seek(place)
                    flat = np.fromfile(file, "<f4", count)
                    arrays[op.path] = _array(flat, op, transposed and kind == "connected")
                place += count * FLOAT_BYTES
    except OSError as error:
        msg = f"{path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(msg) from None
    return {name: arrays[name] for name in wanted}


def _header(path: Path, data: bytes) -> tuple[tuple[int, ...], bool]:
    """Where the weights may begin, and whether dense layers are stored the other way round."""
    if len(data) < 12:
        raise _unfit(path, "it is too short for a header")
    major, minor, _ = struct.unpack("<3i", data[:12])
    if not (0 <= major < 2000 and 0 <= minor < 2000):
        raise _unfit(path, f"its header says version {major}.{minor}")
    if major > 1000 or minor > 1000:
        return (16, 20), True  # the first version and the fork differ
    return ((20,) if major * 10 + minor >= 2 else (16,)), False


def _order(
    path: Path, stored: Sequence[Stored], length: int, starts: tuple[int, ...]
) -> tuple[int, list[tuple[Weight, str]]]:
    """Where the weights begin, and all of them in the order of the file, each with its layer's kind.

    A [batchnorm] layer has a bias in the files of the maintained fork and none in the older ones, where it is 0; the
    length tells.
    """
    if any(layer.skipped for layer in stored):
        raise _unfit(path, "layers that are not loaded (dontload, dontloadscales) have none in it")
    order = [(node.op, layer.kind) for layer in stored for node in layer.nodes if isinstance(node.op, Weight)]
    older = [(op, ABSENT if kind == "batchnorm" and op.spec.name == "bias" else kind) for op, kind in order]
    for each in (order, older):
        for start in starts:
            if start + _bytes(each) == length:
                return start, each
    floats, wanted = max(length - starts[0], 0) / FLOAT_BYTES, _bytes(order) // FLOAT_BYTES
    raise _unfit(
        path,
        f"it holds {floats:,.10g} numbers, and this net has {wanted:,}",
        "it may belong to another cfg, or to an older or newer version of this one",
    )


def _bytes(order: Sequence[tuple[Weight, str]]) -> int:
    return sum(math.prod(op.spec.shape) * FLOAT_BYTES for op, kind in order if kind != ABSENT)


def _array(flat: NDArray[np.float32], op: Weight, transposed: bool) -> NDArray[np.float32]:
    shape = op.spec.shape
    if transposed and len(shape) == 2:
        return np.ascontiguousarray(flat.reshape(shape[::-1]).T, dtype=np.float32)
    return flat.reshape(shape).astype(np.float32)


def _unfit(path: Path, why: str, cure: str | None = None) -> FindingsError:
    message = f"these weights do not fit the net: {why}"
    return FindingsError([Diagnostic("E0601", message, file=str(path), help=(Help(cure),) if cure else ())])

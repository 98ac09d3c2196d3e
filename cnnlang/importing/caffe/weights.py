"""A `.caffemodel` file: a net with its numbers, in Protocol Buffers' binary form, layer by layer under their names.

Only names and numbers are read; what the file says of the net itself is passed over. The file is mapped into memory and
no more of it is copied than what the net wants.

Source: caffe.proto (NetParameter, LayerParameter, V1LayerParameter, BlobProto); Protocol Buffers' encoding.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError, UsageError
from cnnlang.ir import Graph
from cnnlang.ops.base import Weight

Array = NDArray[np.float32]
Field = tuple[int, int, int, int]  # its number, its wire type, where its bytes begin and end

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LAYERS = {100: (1, 7), 2: (4, 6)}  # of a net: by a layer's field the fields of its name and blobs, newer and older
SHAPE, DATA, DOUBLES = 7, 5, 8  # of a blob
MAX_BLOBS = 100_000
MAX_FIELDS = 1_000_000
LISTED = 10


@dataclass(frozen=True, slots=True)
class Stored:
    """The weights of one layer as a `.caffemodel` holds them.

    Attributes
    ----------
    name
        The layer's name.
    paths
        The path of each of its blobs, in their order; for a batch normalisation those of its mean and variance.
    is_scaled
        Whether a third blob is what the others are to be divided by (a batch normalisation).
    is_transposed
        Whether it is a dense layer that is stored [inputs, outputs].
    """

    name: str
    paths: tuple[str, ...]
    is_scaled: bool = False
    is_transposed: bool = False


def read_weights(path: Path, stored: Sequence[Stored], graph: Graph) -> dict[str, Array]:
    """The weights that a graph reads, by path. What a file has none of, bn's weight and bias, begins at 1 and 0.

    Raises
    ------
    FindingsError
        E0601: the file is damaged, or holds other weights than the net has; E0603: it has too many fields.
    UsageError
        It cannot be read.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _collect(_Reader(path, data), stored, graph)
    except ValueError:  # an empty file cannot be mapped
        raise _bad(path, "it is empty") from None
    except OSError as error:
        msg = f"{path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(msg) from None


def _collect(reader: _Reader, stored: Sequence[Stored], graph: Graph) -> dict[str, Array]:
    blobs = reader.layers()
    wanted = {p: node.op.spec for p, node in graph.weights.items() if isinstance(node.op, Weight)}
    found: dict[str, Array] = {}
    problems: list[str] = []
    for layer in stored:
        paths = [p for p in layer.paths if p in wanted]
        if not paths or all(p in found for p in paths):
            continue  # it reaches no output, or shares what another has
        there = blobs.get(layer.name, [])
        needed = len(layer.paths) + layer.is_scaled
        if len(there) != needed:
            problems.append(f"layer `{layer.name}` has {needed} blobs here and {len(there)} there")
            continue
        arrays = [reader.array(*blob) for blob in there]
        scale = _factor(arrays[-1]) if layer.is_scaled else None
        for place, array in zip(layer.paths, arrays, strict=False):
            shape = wanted[place].shape
            if array.size != math.prod(shape):
                problems.append(f"layer `{layer.name}` has {math.prod(shape):,} numbers here and {array.size:,} there")
                break
            whole = np.float32(scale) * array if scale is not None else array
            is_turned = layer.is_transposed and len(shape) == 2
            found[place] = np.ascontiguousarray(whole.reshape(shape[::-1]).T if is_turned else whole.reshape(shape))
    if problems:
        more = [f"and {len(problems) - LISTED:,} more"] if len(problems) > LISTED else []
        raise _bad(reader.path, problems[0], "they may belong to another prototxt", (*problems[1:LISTED], *more))
    for place, spec in wanted.items():
        if place not in found:
            found[place] = np.full(spec.shape, 1 if spec.name == "weight" else 0, np.float32)
    return {place: found[place] for place in wanted}


def _factor(array: Array) -> float:
    """What mean and variance are to be multiplied by: one over the third blob, or 0 for 0."""
    value = float(array[0]) if array.size else 0.0
    return 1 / value if value else 0.0


class _Reader:
    """The messages of a file, by their wire types alone."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.count = 0

    def layers(self) -> dict[str, list[tuple[int, int]]]:
        """Where the blobs of each layer are."""
        found: dict[str, list[tuple[int, int]]] = {}
        count = 0
        for number, wire, start, end in self.fields(0, len(self.data)):
            if wire != BYTES or number not in LAYERS:
                continue
            name_field, blob_field = LAYERS[number]
            name, blobs = "", []
            for field, inner, a, b in self.fields(start, end):
                if (field, inner) == (name_field, BYTES):
                    name = self.data[a : min(b, a + 1000)].decode("utf-8", errors="replace")
                elif (field, inner) == (blob_field, BYTES):
                    blobs.append((a, b))
            count += len(blobs)
            if count > MAX_BLOBS:
                raise _bad(self.path, f"it holds more than {MAX_BLOBS:,} blobs")
            if blobs:
                found[name] = blobs
        return found

    def array(self, start: int, end: int) -> Array:
        """The numbers of a blob, in one row."""
        parts = []
        for number, wire, a, b in self.fields(start, end):
            if wire == BYTES and number in (DATA, DOUBLES):
                dtype = np.dtype("<f4" if number == DATA else "<f8")
                if (b - a) % dtype.itemsize:
                    raise _bad(self.path, f"a blob ends within a number, at byte {b:,}")
                parts.append(np.frombuffer(self.data, dtype, (b - a) // dtype.itemsize, a).astype(np.float32))
            elif number in (DATA, DOUBLES):
                raise _bad(self.path, f"a blob holds its numbers one by one, at byte {a:,}")
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields of a message."""
        at = start
        while at < end:
            self.count += 1
            if self.count > MAX_FIELDS:
                message = f"a file of weights has at most {MAX_FIELDS:,} fields"
                raise FindingsError([Diagnostic("E0603", message, file=str(self.path))])
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            first = at
            if wire == VARINT:
                _, at = self._varint(at, end)
            elif wire == FIXED64:
                at += 8
            elif wire == FIXED32:
                at += 4
            elif wire == BYTES:
                length, first = self._varint(at, end)
                at = first + length
            else:
                raise _bad(self.path, f"there is no field of type {wire}, at byte {at:,}")
            if at > end:
                raise _bad(self.path, f"it breaks off: a field ends at byte {at:,}, behind its message's end, {end:,}")
            yield number, wire, first, at

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise _bad(self.path, f"it breaks off at byte {at:,}")
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise _bad(self.path, f"a number has no end, at byte {at:,}")


def _bad(path: Path, why: str, cure: str = "get the file once more", notes: tuple[str, ...] = ()) -> FindingsError:
    message = f"these weights do not fit the net, or are damaged: {why}"
    return FindingsError([Diagnostic("E0601", message, file=str(path), help=(Help(cure),), notes=notes)])

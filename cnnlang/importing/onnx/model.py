"""A model file, opened and held together: what it takes in and gives out, its constants, its nodes in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError, UsageError
from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.constants import Constant
from cnnlang.importing.onnx.tensors import Folder, constant_of
from cnnlang.weight_files import printable

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

MAX_BYTES = 2**31 - 1  # what protobuf can hold
MAX_NODES = 100_000
OLDEST = 7
DOMAINS = ("", "ai.onnx")
EXPORTER = "cnnlang"


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What a file holds.

    Attributes
    ----------
    name
        The graph's name.
    ours
        Whether cnnlang exported it.
    inputs, outputs
        What it takes in (constants left out) and gives out.
    constants
        Its initializers by name.
    items
        The nodes that lead to an output, each after those it reads.
    properties
        Its metadata.
    folder
        Where it lies.
    shapes
        The shapes of tensors as the file gives them, numbers or names; nothing here depends on them.
    """

    name: str
    ours: bool
    inputs: tuple[ValueInfoProto, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Constant]
    items: tuple[Item, ...]
    properties: Mapping[str, str]
    folder: Folder
    shapes: Mapping[str, tuple[int | str, ...]]


def open_model(path: Path) -> Model:
    """Read a file, whose weights stay where they are until they are asked for.

    Raises
    ------
    FindingsError
        E0601: it is damaged; E0602: it says what no net can be; E0603: it is too large.
    UsageError
        There is no such file, or the package `onnx` is missing.
    """
    proto = _parsed(path)
    graph = proto.graph
    version = max((int(o.version) for o in proto.opset_import if o.domain in DOMAINS), default=1)
    _need_texts(proto)
    if not graph.node and not graph.output:
        raise broken("it holds no graph, so it is no ONNX model")
    if version < OLDEST:
        raise unsayable(f"it is of opset {version}, and models are read from opset {OLDEST} on")
    if len(graph.node) > MAX_NODES:
        message = f"a net has at most {MAX_NODES:,} nodes, and this one has {len(graph.node):,}"
        raise FindingsError([Diagnostic("E0603", message, file=str(path))])
    if graph.sparse_initializer:
        raise unsayable("it holds sparse tensors")
    folder = Folder(path.parent)
    constants: dict[str, Constant] = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise broken(f"two tensors are called {printable(tensor.name)}")
        constants[tensor.name] = constant_of(tensor, folder)
    inputs = tuple(i for i in graph.input if i.name not in constants)
    outputs = tuple(o.name for o in graph.output)
    items = [Item(node, number, version) for number, node in enumerate(graph.node)]
    ordered = _in_order(items, {i.name for i in inputs} | constants.keys(), outputs)
    properties = {p.key: p.value for p in proto.metadata_props}
    return Model(
        graph.name,
        proto.producer_name == EXPORTER,
        inputs,
        outputs,
        constants,
        ordered,
        properties,
        folder,
        {info.name: tuple(_dims(info)) for info in (*graph.value_info, *graph.output)},
    )


def _parsed(path: Path) -> ModelProto:
    try:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from onnx import ModelProto
    except ImportError:
        msg = 'reading an ONNX model needs the package onnx: pip install "cnnlang[onnx]"'
        raise UsageError(msg) from None
    try:
        if path.is_dir():
            msg = f"{path} is a folder, not a model"
            raise UsageError(msg)
        if path.stat().st_size > MAX_BYTES:
            message = "a file of more than 2 GiB is no ONNX model: protobuf holds no more"
            raise FindingsError([Diagnostic("E0603", message, file=str(path))])
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(msg) from None
    model: Any = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError):
        raise broken("it is cut off, or no ONNX model") from None
    return model  # type: ignore[no-any-return]


def _dims(info: ValueInfoProto) -> list[int | str]:
    dims: Any = info.type.tensor_type.shape.dim
    return [int(d.dim_value) if 0 < d.dim_value <= 2**31 else str(d.dim_param) for d in dims[:8]]


def _need_texts(proto: ModelProto) -> None:
    """Refuse a file in which a name is no UTF-8, which protobuf hands over as bytes."""
    graph = proto.graph
    if not all(isinstance(text, str) for text in _texts(proto, graph)):
        raise broken("a name in it is no text")


def _texts(proto: ModelProto, graph: Any) -> Iterator[object]:
    yield from (graph.name, proto.producer_name)
    for entry in proto.metadata_props:
        yield from (entry.key, entry.value)
    for opset in proto.opset_import:
        yield opset.domain
    for info in (*graph.input, *graph.output, *graph.value_info):
        yield info.name
        yield from (d.dim_param for d in info.type.tensor_type.shape.dim)
    tensors = [*graph.initializer]
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, node.doc_string, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
            tensors.append(attribute.t)
    for tensor in tensors:
        yield tensor.name
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)


def _in_order(items: list[Item], given: set[str], outputs: tuple[str, ...]) -> tuple[Item, ...]:
    """The nodes that lead to an output, inputs before users; else in the order of the file."""
    maker: dict[str, Item] = {}
    for item in items:
        for name in item.proto.output:
            if name and (name in maker or name in given):
                raise broken(f"two values are called {printable(name)}")
            if name:
                maker[name] = item
    wanted: dict[int, set[int]] = {}
    stack = [(name, "its outputs") for name in outputs]
    while stack:
        name, reader = stack.pop()
        if name in given:
            continue
        if name not in maker:
            raise broken(f"no node makes {printable(name)}, which {reader} read")
        item = maker[name]
        if item.number not in wanted:
            reads = [n for n in item.proto.input if n]
            wanted[item.number] = {maker[n].number for n in reads if n in maker}
            stack.extend((n, f"the node {item.title} wants to") for n in reads)
    users: dict[int, list[int]] = {number: [] for number in wanted}
    for number, needs in wanted.items():
        for need in needs:
            users[need].append(number)
    missing = {number: len(needs) for number, needs in wanted.items()}
    ready = [number for number, count in missing.items() if not count]
    heapq.heapify(ready)
    found: list[Item] = []
    while ready:
        number = heapq.heappop(ready)
        found.append(items[number])
        for user in users[number]:
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, user)
    if len(found) < len(wanted):
        stuck = next(items[n] for n, count in sorted(missing.items()) if count)
        raise broken(f"the node {stuck.title} needs its own result")
    return tuple(found)

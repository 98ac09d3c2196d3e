"""Steps of a model that cnnlang exported: what a node's hint says is taken when its nodes are just those of the step.

ONNX says less than the language: not `"same"`, nor whether a convolution in groups of one channel is `depthwise`. So
the exporter writes the operator beside its nodes. A hint may be anything; it counts only where exporting that operator
gives the very nodes, attributes and constants that stand there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnlang.errors import OperatorError
from cnnlang.importing.building import LayerError
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.constants import Constant, short
from cnnlang.importing.onnx.names import OUR_PATH, is_name
from cnnlang.importing.onnx.reader import Reader, Value
from cnnlang.importing.onnx.views import View, view_of
from cnnlang.ir import Node
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Convolution
from cnnlang.ops.kernel import MAX_FIXED


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The nodes of one step, in order, and the operator that they claim to be."""

    name: str
    op: Op
    items: tuple[Item, ...]


def groups_of(r: Reader) -> dict[int, Group]:
    """The step of each node that has one, by the node's number, of which nobody else reads what is inside."""
    if not r.model.ours:
        return {}
    from cnnlang.backends.onnx.hints import read

    found: dict[tuple[str, str], list[Item]] = {}
    for item in r.model.items:
        if item.proto.doc_string:
            found.setdefault((_step(item.proto.name), item.proto.doc_string), []).append(item)
    groups: dict[int, Group] = {}
    for (name, hint), items in found.items():
        op = read(hint)
        if op is None or len(items) > 100:
            continue
        inside = {o for item in items[:-1] for o in item.proto.output}
        reads = sum(i in inside for item in items for i in item.proto.input)
        if reads == sum(r.uses[o] for o in inside):
            group = Group(name, op, tuple(items))
            groups.update((item.number, group) for item in items)
    return groups


def _step(name: str) -> str:
    """The step that a node belongs to: its name, without the part that tells the nodes of one step apart."""
    head, _, last = name.rpartition("/")
    return head if head and last[:1].isupper() else name


def said(r: Reader, group: Group) -> View | None:
    """The value of a step, if its nodes are those of its operator; else None."""
    from cnnlang.backends.onnx.steps import lowered

    names = _values(r, group)
    views = [r.values[name] for name in names]
    nodes = [v.node for v in views if isinstance(v, View) and v.axes == view_of(v.node).axes]
    op = group.op
    if len(nodes) < len(views) or not nodes or (not op.is_merge and len(nodes) != op.arity):
        return None
    try:
        model = lowered(op, *(n.type for n in nodes))
        specs = op.weights(*(n.type for n in nodes))
    except OperatorError:
        return None
    known = {f"x{i}": name for i, name in enumerate(names)}
    if not _same(r, group, model.nodes, model.constants, known, {s.name for s in specs}):
        return None
    arrays: dict[str, Constant] = {}
    for spec in specs:
        value = r.values.get(known[spec.name])
        if not isinstance(value, Constant) or value.shape != spec.shape or value.dtype != np.float32:
            return None
        arrays[spec.name] = value
    try:
        return view_of(_node(r, group, nodes, arrays, {s.name: known[s.name] for s in specs}))
    except (OperatorError, LayerError):
        return None


def _values(r: Reader, group: Group) -> list[str]:
    """The tensors that a step reads as values, in the order of its branches."""
    inside = {o for item in group.items for o in item.proto.output}
    alias: dict[str, str] = {}
    found: list[str] = []
    for item in group.items:
        if item.op_type == "Unsqueeze" and group.op.is_merge and item.proto.input:
            alias[item.proto.output[0]] = item.proto.input[0]
            continue
        for read in item.proto.input:
            name = alias.get(read, read)
            if not name or (name in inside and name == read) or isinstance(r.values.get(name), Constant):
                continue
            if name in r.values and (group.op.is_merge or name not in found):
                found.append(name)
    return found


def _same(
    r: Reader,
    group: Group,
    nodes: Sequence[Any],
    constants: Mapping[str, Any],
    known: dict[str, str],
    weights: set[str],
) -> bool:
    """Whether the nodes of a step are these, with `known` the file's name of each of theirs; names are added to it."""
    if len(nodes) != len(group.items):
        return False
    for node, item in zip(nodes, group.items, strict=True):
        proto = item.proto
        if node.op_type != proto.op_type or proto.domain or len(node.inputs) != len(proto.input):
            return False
        if len(proto.output) != 1 or not _alike(node.attributes, proto):
            return False
        for ours, theirs in zip(node.inputs, proto.input, strict=True):
            if ours in constants and ours not in weights:
                if not _equal(r.values.get(theirs), constants[ours]):
                    return False
            elif known.setdefault(ours, theirs) != theirs:
                return False
        known[node.output] = proto.output[0]
    return weights <= known.keys()


def _equal(value: Value | None, array: Any) -> bool:
    return (
        isinstance(value, Constant)
        and value.shape == array.shape
        and value.dtype == array.dtype
        and np.array_equal(value.array(), array)
    )


def _alike(ours: Mapping[str, Any], proto: Any) -> bool:
    from onnx import helper

    if {a.name for a in proto.attribute} != ours.keys() or len(proto.attribute) != len(ours):
        return False
    for attribute in proto.attribute:
        wanted: Any = helper.make_attribute(attribute.name, ours[attribute.name])
        if wanted != attribute:
            return False
    return True


def _node(r: Reader, group: Group, nodes: list[Node], arrays: dict[str, Constant], names: dict[str, str]) -> Node:
    op = group.op
    if not arrays:
        return _labelled(r.apply(op, *nodes), group.name)
    if isinstance(op, Convolution) and not OUR_PATH.fullmatch(names["weight"]):
        op = _fixed(op, arrays.pop("weight"))
        if not arrays:
            return _labelled(r.apply(op, *nodes), group.name)
    return r.layer(op, nodes[0], arrays, tuple(names.values()))


def _labelled(node: Node, step: str) -> Node:
    """A node without weights, called as the file calls its step, if it does."""
    return replace(node, name=step.split("/", 1)[0]) if is_label(step) else node


def is_label(name: str) -> bool:
    """Whether a step is called by a name of the file: no scope and number, but perhaps the number of a namesake."""
    label, _, rest = name.partition("/")
    return is_name(label) and (not rest or rest.isdigit())


def _fixed(op: Convolution, weight: Constant) -> Op:
    """A convolution whose kernel stands in the file."""
    if weight.size > MAX_FIXED:
        raise LayerError("E0603", "its fixed kernel holds more numbers than a file may")
    array = weight.array()
    same = (array == array[:1, :1]).all()
    rows = array[0, 0] if same else array
    plain: Any = op
    values = np.vectorize(short, otypes=[float])(rows).tolist()
    made: Op = type(plain).make({**_arguments(plain), "weight": values, "bias": True if op.has_bias else None})
    return made


def _arguments(op: Any) -> dict[str, Any]:
    return {f.name: getattr(op, f.name) for f in op.fields()}

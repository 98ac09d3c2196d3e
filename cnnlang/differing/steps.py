"""A net in the form in which two are compared: steps whose arguments say what is computed, however it was written.

What leaves the numbers as they are is gone (dropout, a flatten of what is flat), a bn behind a linear layer is a part
of that layer, paddings are numbers, and each way of saying one thing is one operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Fixed, Input, Op, Weight
from cnnlang.ops.conv import Convolution, Deconv
from cnnlang.ops.norm import BatchNorm
from cnnlang.ops.pool import AdaptiveAvgPool, Pool
from cnnlang.ops.shape import Flatten
from cnnlang.passes.dropout import remove_dropout
from cnnlang.passes.walk import use_counts

COMMUTATIVE = {"add", "mul", "max", "mean"}
ASSOCIATIVE = {"add", "mul", "max"}
EMPTY = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step:
    """One thing that a net computes.

    Attributes
    ----------
    kind
        The operator that it is: `conv` for a `depthwise` too.
    arguments
        What decides the result, by the language's names of the arguments.
    inputs
        The steps whose results it reads; those of a merge without an order, deepest first.
    nodes
        What the file says: a layer, and the padding before it and the bn behind it that are parts of it here.
    type
        The shape of the result.
    eps
        That of the bn in it; None where there is none.
    depth
        The most steps on a path from an input.
    owner
        The step that uses its weights first, where that is another one (`shared`).
    """

    kind: str
    arguments: Mapping[str, Any]
    inputs: tuple[Step, ...]
    nodes: tuple[Node, ...]
    type: TensorType
    eps: float | None = None
    depth: int = 0
    owner: Step | None = None

    @property
    def node(self) -> Node:
        """The node that it is called after: the layer's own."""
        return next((n for n in self.nodes if n.weights), self.nodes[-1])

    @property
    def is_layer(self) -> bool:
        """Whether it is a convolution or a dense layer."""
        return self.node.op.counts_depth

    @property
    def key(self) -> tuple[Any, ...]:
        """What two steps have in common that do the same to their inputs."""
        return (self.kind, self.owner is not None, *((name, _frozen(v)) for name, v in self.arguments.items()))

    @property
    def is_commutative(self) -> bool:
        return self.kind in COMMUTATIVE

    def __str__(self) -> str:
        """The calls as the file has them: `conv(64, 3, pad=1) -> bn`."""
        return " -> ".join(str(n.op) for n in self.nodes)

    def __repr__(self) -> str:
        return f"<{self}>"


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A net as steps, inputs before users; branches of a merge one after the other."""

    name: str
    inputs: tuple[Step, ...]
    outputs: tuple[Step, ...]
    order: tuple[Step, ...]

    @property
    def layers(self) -> int:
        return sum(s.is_layer for s in self.order)


def steps_of(graph: Graph) -> Steps:
    """A graph as steps."""
    graph = remove_dropout(graph)
    counts = use_counts(graph)
    made: dict[Node, Step] = {}
    owners: dict[str, Step] = {}
    for node in graph.nodes:
        if node.op.is_weight:
            continue
        inputs = tuple(made[v] for v in node.values)
        step = _step(node, inputs, [counts[v] == 1 for v in node.values])
        path = next((w.op.path for w in node.inputs if isinstance(w.op, Weight)), None)
        if path is not None and path in owners and step.node is node:
            step = replace(step, owner=owners[path])
        made[node] = step
        if path is not None:
            owners.setdefault(path, step)
    outputs = tuple(made[n] for n in graph.outputs)
    inputs = tuple(made[n] for n in graph.inputs)
    return Steps(graph.name, inputs, outputs, tuple(_ordered([*inputs, *outputs])))


def _step(node: Node, inputs: tuple[Step, ...], alone: Sequence[bool]) -> Step:
    """The step of a node, with what it is a part of; `alone` says of each value whether nobody else reads it."""
    if isinstance(node.op, Input):
        return Step("input", {"shape": node.type.shape}, (), (node,), node.type)
    before = inputs[0]
    if node.op.is_merge:
        return _merge(node, inputs, alone)
    match node.op:
        case Flatten() if node.type == before.type:
            return before
        case Flatten() if alone[0] and _is_global(before):
            return replace(before, kind="global_avgpool", arguments={}, nodes=(*before.nodes, node), type=node.type)
        case BatchNorm() if alone[0] and before.eps is None and before.kind in ("conv", "deconv", "dense"):
            arguments = {**before.arguments, "bias": True}
            return replace(before, arguments=arguments, nodes=(*before.nodes, node), eps=node.op.eps)
        case BatchNorm():
            return replace(_plain(node, inputs, {}), eps=node.op.eps)
    made = _plain(node, inputs, arguments_of(node.op, node))
    if alone[0] and before.kind == "pad" and _takes(made, before):
        made = _with_padding(made, before)
    return replace(made, arguments=_settled(made.arguments)) if made.kind in ("conv", "avgpool") else made


def _plain(node: Node, inputs: tuple[Step, ...], arguments: Mapping[str, Any]) -> Step:
    kind = "conv" if isinstance(node.op, Convolution) else node.op.name
    return Step(kind, arguments, inputs, (node,), node.type, depth=1 + max(s.depth for s in inputs))


def _merge(node: Node, inputs: tuple[Step, ...], alone: Sequence[bool]) -> Step:
    kind = node.op.name
    if kind in ASSOCIATIVE:  # `add { | add { | a | b } | c }` is `add { | a | b | c }`
        parts = [s.inputs if own and s.kind == kind else (s,) for s, own in zip(inputs, alone, strict=True)]
        inputs = tuple(step for part in parts for step in part)
    if kind in COMMUTATIVE:
        inputs = tuple(sorted(inputs, key=lambda s: -s.depth))
    return _plain(node, inputs, {})


def _ordered(ends: list[Step]) -> Iterator[Step]:
    done: set[Step] = set()
    stack = [(step, False) for step in reversed(ends)]
    while stack:
        step, ready = stack.pop()
        if step in done:
            continue
        if ready:
            done.add(step)
            yield step
        else:
            stack.append((step, True))
            stack.extend((s, False) for s in reversed(step.inputs) if s not in done)


# --- one way of saying it ---------------------------------------------------------------------------------------------


@singledispatch
def arguments_of(op: Op, node: Node) -> dict[str, Any]:
    """What of an operator's arguments decides its result, paddings in numbers."""
    return {f.name: getattr(op, f.name) for f in op.fields()}


@arguments_of.register
def _(op: Convolution, node: Node) -> dict[str, Any]:
    x = node.values[0].type
    return {
        "channels": op.outputs(x),
        "kernel": op.kernel,
        "stride": op.stride,
        "pad": _pads(op, x),
        "dilation": op.dilation if op.kernel != (1, 1) else (1, 1),
        "groups": op.parts(x),
        "bias": op.has_bias,
        "fill": op.fill,
        "weight": next((w.op.values for w in node.inputs if isinstance(w.op, Fixed)), None),
    }


@arguments_of.register
def _(op: Deconv, node: Node) -> dict[str, Any]:
    found = {f.name: getattr(op, f.name) for f in op.fields()}
    return {**found, "pad": _pads(op, node.values[0].type)}


@arguments_of.register
def _(op: Pool, node: Node) -> dict[str, Any]:
    x = node.values[0].type
    found = {f.name: getattr(op, f.name) for f in op.fields()}
    found["pad"] = _pads(op, x)
    if op.ceil:
        with suppress(OperatorError):  # without it no window fits
            found["ceil"] = replace(op, ceil=False).result(x) != node.type
    return found


@arguments_of.register
def _(op: AdaptiveAvgPool, node: Node) -> dict[str, Any]:
    return {"size": op.size}


def _pads(op: Any, x: TensorType) -> Any:
    """Top, bottom, left and right; the word itself where the size that decides is symbolic."""
    try:
        pads: tuple[Dim, ...] = op.pads(x)
    except OperatorError:
        return op.pad
    return pads


def _is_global(step: Step) -> bool:
    """Whether an average pooling leaves one number a channel, of all of the map."""
    if step.kind == "adaptive_avgpool":
        return bool(step.arguments["size"] == (1, 1))
    if step.kind != "avgpool" or step.arguments["pad"] != EMPTY:
        return False
    return bool(step.arguments["kernel"] == step.inputs[0].type.shape[2:])


def _takes(step: Step, pad: Step) -> bool:
    """Whether a step may do the padding before it itself."""
    if pad.arguments["mode"] != "constant" or not isinstance(step.arguments.get("pad"), tuple):
        return False
    value = pad.arguments["value"]
    if step.kind == "conv":
        return bool(value == step.arguments["fill"] or step.arguments["pad"] == EMPTY)
    return bool(step.kind == "avgpool" and value == 0 and step.arguments["count_pad"] and not step.arguments["ceil"])


def _with_padding(step: Step, pad: Step) -> Step:
    """A step that does the padding before it itself."""
    amount = tuple(a + b for a, b in zip(step.arguments["pad"], pad.arguments["amount"], strict=True))
    arguments = {**step.arguments, "pad": amount}
    if step.kind == "conv":
        arguments["fill"] = pad.arguments["value"]
    return replace(step, arguments=arguments, inputs=pad.inputs, nodes=(*pad.nodes, *step.nodes))


def _settled(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without those that decide nothing: what to pad with where nothing is padded."""
    found = dict(arguments)
    if found["pad"] == EMPTY:
        found["fill" if "fill" in found else "count_pad"] = 0.0 if "fill" in found else True
    return found


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value

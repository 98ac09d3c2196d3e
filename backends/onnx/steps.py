"""A program, step by step, as the nodes and constants of a model. The rules enter themselves when they are imported."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from cnnlang.backends.onnx import (
    hints,
    rules_elementwise,
    rules_layer,
    rules_merge,
    rules_norm,
    rules_pool,
    rules_shape,
)
from cnnlang.backends.onnx.build import Model, OnnxNode, Step
from cnnlang.backends.onnx.names import step_names
from cnnlang.backends.onnx.pixels import prepare, takes_pixels
from cnnlang.backends.onnx.rules import can_lower, lower
from cnnlang.backends.onnx.rules_pool import shares_size
from cnnlang.backends.onnx.runtime import keep_pads
from cnnlang.errors import OperatorError
from cnnlang.ir import Node, TensorType
from cnnlang.ops.base import Fixed, Op, Weight
from cnnlang.ops.conv import Convolution
from cnnlang.ops.pool import AdaptiveAvgPool
from cnnlang.program import Program

MOST = 2**26  # constants of a step that a reader compares
RULES = (rules_layer, rules_pool, rules_elementwise, rules_norm, rules_shape, rules_merge)

__all__ = ["RULES", "can_lower", "constants", "lowered", "operators", "said", "takes_pixels"]


def said(program: Program, normalize: bool) -> Model:
    """The nodes of a program's inference graph, and their constants; weights are read by their paths.

    Parameters
    ----------
    program
        What to say.
    normalize
        Whether the inputs are pixels, which the model prepares itself.
    """
    model = Model()
    graph, names = program.graph, step_names(program)
    results = dict(zip(reversed(graph.outputs), reversed(graph.output_names), strict=True))
    values: dict[Node, str] = {node: info.name for info in program.inputs for node in [info.node]}
    if normalize:
        for info in program.inputs:
            if takes_pixels(info):
                name = f"{info.name}/preprocess"
                type = info.node.type
                step = Step(model, name, name, "", (info.name,), (), (type,), type)
                prepare(info, step)
                values[info.node] = step.close() or info.name
    for node in graph.nodes:
        if node.op.is_weight or node.op.arity == 0:
            continue
        name = names[node]
        weights = tuple(_weight(model, name, w) for w in node.weights)
        step = Step(
            model,
            name,
            results.get(node, name),
            hints.write(node.op),
            tuple(values[v] for v in node.values),
            weights,
            tuple(v.type for v in node.values),
            node.type,
        )
        lower(node.op, step)
        values[node] = step.close() or step.x
    for name, node in zip(graph.output_names, graph.outputs, strict=True):
        if values[node] != name:  # several names for one value, or a value that is an input or a dropout's
            model.nodes.append(OnnxNode("Identity", (values[node],), name, f"{name}/Identity"))
    keep_pads(model)
    return model


def _weight(model: Model, name: str, weight: Node) -> str:
    """What a step's weight is called; a fixed one becomes a constant of the step."""
    if isinstance(weight.op, Weight):
        return weight.op.path
    assert isinstance(weight.op, Fixed)
    key = f"{name}/weight"
    model.constants[key] = np.asarray(weight.op.reference(), dtype=np.float32)
    return key


def lowered(op: Op, *types: TensorType) -> Model:
    """The nodes of one step called `step`, of an operator on values `x0`, `x1`, ... of these types.

    Its weights are called by their last names (`weight`, `bias`), its result is `step`. A reader that finds a hint
    compares these nodes with those that it has.

    Raises
    ------
    OperatorError
        The operator does not take such values, or the step has more constants than a model that was exported.
    """
    model = Model()
    specs = op.weights(*types)
    result = op.result(*types)
    if constants(op, *types) > MOST:
        message = f"`{op.name}` would take more than {MOST:,} constants here"
        raise OperatorError("E0401", message)
    values = tuple(f"x{i}" for i in range(len(types)))
    step = Step(model, "step", "step", hints.write(op), values, tuple(s.name for s in specs), types, result)
    lower(op, step)
    step.close()
    return model


def constants(op: Op, *types: TensorType) -> int:
    """How many numbers a step holds beside its weights: those of a fixed kernel, and of an average over uneven bins."""
    if isinstance(op, AdaptiveAvgPool):
        return shares_size(op, types[0])
    if isinstance(op, Convolution) and op.weight is not None:
        return math.prod(op.weight_shape(types[0]))
    return 0


def operators(program: Program) -> Iterator[Node]:
    """The steps of a program's inference graph."""
    return (n for n in program.graph.nodes if not n.op.is_weight and n.op.arity != 0)

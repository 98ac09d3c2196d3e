"""The net as cnnlang itself runs it, on kernels compiled for this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input
from cnnlang.ops.dense import Dropout
from cnnlang.ops.elementwise import Elementwise
from cnnlang.ops.norm import BatchNorm
from cnnlang.passes.average import is_mean, is_of_cells
from cnnlang.passes.hoist import is_extreme, never_falls
from cnnlang.passes.normalize import foldable
from cnnlang.passes.walk import use_counts
from cnnlang.program import Program
from cnnlang.verify.runners import Array, Weights


def version() -> str:
    import llvmlite

    return f"llvmlite {llvmlite.__version__}"


def make(program: Program, weights: Weights) -> CpuRunner:
    return CpuRunner(program, weights)


class CpuRunner:
    """A compiled model; a second one with more outputs shows the values inside."""

    def __init__(self, program: Program, weights: Weights) -> None:
        from cnnlang.model import Model

        self._program, self._weights = program, weights
        self._model = Model(program, weights)

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            result = self._model(*inputs)
        return result if isinstance(result, tuple) else (result,)

    def values(self, *inputs: Array) -> Mapping[Node, Array]:
        nodes = shown(self._program.graph)
        names = tuple(f"value_{i}" for i in range(len(nodes)))
        graph = self._program.graph
        more = replace(self._program, graph=Graph(graph.name, graph.inputs, tuple(nodes), names))
        return dict(zip(nodes, type(self)(more, self._weights)(*inputs), strict=True))


def shown(graph: Graph) -> list[Node]:
    """The values that the optimised graph has too: not what a bn, an activation or a dropout alone goes on from, nor
    what a layer takes in from before it.

    As further outputs they leave the fusions as they are, so that what is looked at is what ran.
    """
    counts = use_counts(graph)
    outputs = set(graph.outputs)
    hidden = foldable(graph)
    for node in graph.nodes:
        if isinstance(node.op, BatchNorm | Elementwise | Dropout) and counts[node.inputs[0]] == 1:
            (before,) = node.values
            hidden.add(before)
            if never_falls(node.op) and is_extreme(before) and counts[before.inputs[0]] == 1:
                hidden.add(before.inputs[0])  # the activation is done between these two
        if is_mean(node) and counts[node.inputs[0]] == 1 and is_of_cells(_without_bn(node.inputs[0], counts)):
            hidden.add(node.inputs[0])  # the average is taken before it
    return [n for n in graph.nodes if n in outputs or not (n.op.is_weight or isinstance(n.op, Input) or n in hidden)]


def _without_bn(node: Node, counts: Mapping[Node, int]) -> Node:
    """The layer that a bn becomes part of, if there is one."""
    while isinstance(node.op, BatchNorm) and counts[node.inputs[0]] == 1:
        node = node.inputs[0]
    return node

"""What ONNX cannot say: a file of more than 2 GB, numbers beyond float32, operators without a rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cnnlang.backends.onnx.steps import can_lower, constants, operators
from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.ir import Node
from cnnlang.ops.base import Weight
from cnnlang.program import Program

MAX_BYTES = 2**31 - 2**24  # of a protobuf message, less what nodes and names may take
LARGEST = float(np.finfo(np.float32).max)


def find(program: Program) -> tuple[Diagnostic, ...]:
    """The findings E0401 for a program, one for a place."""
    found: dict[tuple[int, int], Diagnostic] = {}
    for diagnostic in [*_size(program), *(d for node in operators(program) for d in _step(node))]:
        span = diagnostic.span
        found.setdefault((span.start, span.end) if span else (0, 0), diagnostic)
    return tuple(found.values())


def _size(program: Program) -> Iterator[Diagnostic]:
    weights = (n.op.spec.shape for n in program.graph.weights.values() if isinstance(n.op, Weight))
    size = 4 * (
        sum(map(math.prod, weights)) + sum(constants(n.op, *(v.type for v in n.inputs)) for n in operators(program))
    )
    if size > MAX_BYTES:
        yield Diagnostic(
            "E0401",
            f"the target `onnx` is a file of at most 2 GB, and the numbers in {program.name} take {size / 1e9:.1f} GB",
            program.definition.name.span,
            help=(Help("make the net narrower, or use another target"),),
        )


def _step(node: Node) -> Iterator[Diagnostic]:
    if not can_lower(node.op):
        yield Diagnostic(
            "E0401",
            f"the target `onnx` has nothing for `{node.op.name}`",
            node.span,
            help=(Help("write the step with operators that the target has, or use another target"),),
        )
    elif (number := next(_beyond(node), None)) is not None:
        yield Diagnostic(
            "E0401",
            f"the target `onnx` holds float32 numbers, of at most 3.4e38, and `{node.op.name}` is given {number:g}",
            node.span,
            help=(Help("use a smaller number"),),
        )


def _beyond(node: Node) -> Iterator[float]:
    """The numbers among an operator's arguments that a float32 cannot hold."""
    stack: list[Any] = [getattr(node.op, f.name) for f in node.op.fields()]
    while stack:
        value = stack.pop()
        if isinstance(value, list | tuple):
            stack.extend(value)
        elif isinstance(value, float) and LARGEST < abs(value) < math.inf:
            yield value

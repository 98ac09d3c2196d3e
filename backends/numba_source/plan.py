"""From a graph to steps: what is called for each node, and which functions the module needs for it."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlang.backends.numba_source.names import numbered
from cnnlang.backends.numba_source.refusing import no_rule
from cnnlang.backends.numba_source.rules import NoRule, step
from cnnlang.backends.numba_source.step import Kernel, Step, closure
from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input, Op
from cnnlang.ops.elementwise import Elementwise
from cnnlang.passes import Fused


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a module consists of.

    Attributes
    ----------
    steps
        Each node that is computed, in order, with its step and the constant of the activation behind it.
    activations
        The constant of each activation, with the expression that it stands for.
    kernels
        The functions, what is needed first.
    """

    steps: list[tuple[Node, Step, str | None]]
    activations: dict[str, str]
    kernels: list[Kernel]


def plan(graph: Graph) -> Plan:
    """Look the rule of each operator up.

    Raises
    ------
    FindingsError
        E0401 for every operator without a rule.
    """
    steps: list[tuple[Node, Step, str | None]] = []
    constants: dict[str, str] = {}  # by expression: equal ones are one
    missing: list[Diagnostic] = []
    for node in graph.nodes:
        if node.op.is_weight or isinstance(node.op, Input):
            continue
        op, activation = _parts(node.op)
        try:
            made = step(op, node)
        except NoRule:
            missing.append(no_rule(op, node))
            continue
        steps.append((node, made, _constant(activation, constants) if activation else None))
    if missing:
        raise FindingsError(missing)
    return Plan(steps, {name: text for text, name in constants.items()}, _kernels(steps))


def _parts(op: Op) -> tuple[Op, Elementwise | None]:
    """An operator and the activation behind it; one that stands alone is a step with nothing before it."""
    match op:
        case Fused(producer, activation):
            return producer, activation
        case Elementwise():
            return op, op
    return op, None


def _constant(activation: Elementwise, constants: dict[str, str]) -> str:
    arguments = {f.name: repr(getattr(activation, f.name)) for f in activation.fields()}
    expression = activation.scalar.format(**arguments)
    if expression not in constants:
        constants[expression] = numbered(activation.name.upper(), constants.values())
    return constants[expression]


def _kernels(steps: list[tuple[Node, Step, str | None]]) -> list[Kernel]:
    needed: list[Kernel] = []
    for _, made, act in steps:
        needed.extend(made.kernels)
        if act and not made.takes_act:
            needed.append(Kernel("activated"))
        if made.layer and made.layer.bn:
            needed.append(Kernel("scale_and_shift"))
    # the constants of the activations stand in other functions' signatures
    return sorted(closure(needed), key=lambda kernel: kernel.template != "activate")

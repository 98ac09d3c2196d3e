"""A plan: the stages of a net for inputs of one shape."""

from __future__ import annotations

from cnnlang.backends.numba_cpu.constants import Constants
from cnnlang.backends.numba_cpu.machine import Machine
from cnnlang.backends.numba_cpu.plan import cells, channels, conv, moves, pool  # noqa: F401  # they register rules
from cnnlang.backends.numba_cpu.plan.lowering import Lowering
from cnnlang.backends.numba_cpu.plan.stages import Stage
from cnnlang.ir import Graph


def plan(graph: Graph, machine: Machine, constants: Constants, threads: int) -> list[Stage]:
    """The stages of an optimised graph whose sizes are known.

    Parameters
    ----------
    constants
        The value of each weight-like node, float32.
    threads
        How many threads will run it.
    """
    lowering = Lowering(graph, machine, constants, threads)
    lowering.run()
    return lowering.stages

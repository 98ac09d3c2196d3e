"""A plan as rows to look at: its stages, where they write, and where the threads meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cnnlang.backends.numba_cpu.constants import Array, Constants
from cnnlang.backends.numba_cpu.machine import host
from cnnlang.backends.numba_cpu.plan import plan
from cnnlang.backends.numba_cpu.plan.memory import WRITTEN, assign, meetings
from cnnlang.backends.numba_cpu.plan.stages import At, Stage
from cnnlang.backends.numba_cpu.profile import title
from cnnlang.ir import Graph


@dataclass(frozen=True, slots=True)
class Row:
    """One stage.

    Attributes
    ----------
    name, kernel
        What the file calls it, and how it is done.
    items
        The parts that threads share out among themselves.
    writes
        The first byte of the arena that it may write, and how many bytes the buffer has from its begin; None for one
        that writes to the caller's array.
    meets
        Whether all threads must have finished what stands before.
    """

    name: str
    kernel: str
    items: int
    writes: tuple[int, int] | None
    meets: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """A plan's stages in order, and the bytes of the arena that their values lie in."""

    rows: tuple[Row, ...]
    arena: int


def listing(graph: Graph, threads: int) -> Listing:
    """The plan of an optimised graph whose sizes are known; weights are not needed, and no kernel is compiled."""
    weights: Mapping[str, Array] = {
        path: np.broadcast_to(np.float32(0), tuple(int(str(d)) for d in node.type.shape))
        for path, node in graph.weights.items()
    }
    stages = plan(graph, host(), Constants(weights), threads)
    floats = assign(stages)
    rows = tuple(
        Row(stage.name, title(stage), stage.items, _written(stage), meets)
        for stage, meets in zip(stages, meetings(stages), strict=True)
    )
    return Listing(rows, 4 * floats)


def _written(stage: Stage) -> tuple[int, int] | None:
    for name in WRITTEN:
        match stage.args.get(name):
            case At(buffer=buffer, offset=offset):
                return 4 * (buffer.offset + offset), 4 * buffer.size
    return None

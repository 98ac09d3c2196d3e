"""Large batches, some samples at a time: what a layer writes shall still be near when the next one reads it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from cnnlang.backends.numba_cpu.packing import Packed
from cnnlang.backends.numba_cpu.plan.memory import assign
from cnnlang.backends.numba_cpu.plan.stages import Array, At, Stage
from cnnlang.backends.numba_cpu.program import Program
from cnnlang.dims import variables
from cnnlang.ir import Graph

NEAR = 16_000_000  # bytes of values that are near, whatever the batch
WEIGHT = 3  # weights are read once for each portion, values once for each sample: so much worse is the former


def is_by_sample(graph: Graph) -> bool:
    """Whether every value's batch is the same symbol, and no other size depends on it: then samples do not meet."""
    name = str(graph.inputs[0].type.batch)
    values = [node for node in graph.nodes if not node.op.is_weight]
    return all(
        str(node.type.batch) == name and not any(name in variables(dim) for dim in node.type.shape[1:])
        for node in values
    )  # fmt: skip


def samples_at_once(stages: Sequence[Stage], batch: int) -> int:
    """Of a batch, from the stages for a single sample."""
    if 4 * assign(stages) * batch <= NEAR:
        return batch
    buffers = [{a.buffer for a in stage.args.values() if isinstance(a, At)} for stage in stages]
    values = sum(4 * buffer.size for some in buffers for buffer in some)
    weights = sum(a.nbytes for stage in stages for a in stage.args.values() if isinstance(a, Packed))
    most = max(1, math.ceil(WEIGHT * weights / values))
    return math.ceil(batch / math.ceil(batch / most))  # so that no portion is much smaller than the others


class Portions:
    """A net for a batch, of which it takes some samples at a time.

    Parameters
    ----------
    program_for
        Gives the plan for a number of samples.
    shapes
        Of the outputs, for the whole batch.
    batch, size
        Samples, and how many at a time.
    """

    def __init__(
        self, program_for: Callable[[int], Program], shapes: Sequence[tuple[int, ...]], batch: int, size: int
    ) -> None:
        self._shapes, self._batch, self.size = shapes, batch, size
        self.program = program_for(size)
        self._rest = program_for(batch % size) if batch % size else None

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs; inputs are float32, in the order of memory that their shape says."""
        outputs = [np.empty(shape, np.float32) for shape in self._shapes]
        for start in range(0, self._batch, self.size):
            part = slice(start, start + self.size)
            is_whole = start + self.size <= self._batch
            program = self.program if is_whole or self._rest is None else self._rest
            program.run([x[part] for x in inputs], [y[part] for y in outputs])
        return outputs

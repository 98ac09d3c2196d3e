"""A net with its weights, ready to run on inputs of any shape that it takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache

from cnnlang.backends.numba_cpu.code import Code
from cnnlang.backends.numba_cpu.locks import Lock
from cnnlang.backends.numba_cpu.machine import host
from cnnlang.backends.numba_cpu.packing import Packer
from cnnlang.backends.numba_cpu.plan.stages import Array
from cnnlang.backends.numba_cpu.program import Program
from cnnlang.interpret import bind_sizes
from cnnlang.ir import Graph, bind_graph
from cnnlang.passes import optimize

KEPT = 8  # plans, of the shapes that were asked for last


@cache
def _code(width: int | None) -> Code:
    return Code(host(width))


class Engine:
    """Runs a graph.

    Parameters
    ----------
    graph
        As the file says it; it is optimised here.
    weights
        An array for each of its weights, by path.
    threads
        How many threads may run it.
    width
        Lanes of the vectors to use; None for this machine's.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], threads: int = 1, width: int | None = None) -> None:
        self._graph = optimize(graph)
        self._packer = Packer(weights)
        self._threads = threads
        self.code = _code(width)
        self._programs: OrderedDict[tuple[tuple[int, ...], ...], Program] = OrderedDict()
        self._last: tuple[tuple[tuple[int, ...], ...], Program | None] = ((), None)
        self._lock = Lock()

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for inputs in float32, each contiguous, of shapes that fit.

        Raises
        ------
        InputError
            The shapes do not fit.
        UsageError
            There is not enough memory.
        """
        return tuple(self.program(tuple([x.shape for x in inputs]))(inputs))

    def program(self, shapes: tuple[tuple[int, ...], ...]) -> Program:
        """The plan for inputs of these shapes, made if it is not there."""
        last, found = self._last
        if last == shapes and found is not None:
            return found
        with self._lock:
            found = self._programs.get(shapes)
            if found is None:
                graph = bind_graph(self._graph, dict(bind_sizes(self._graph, list(shapes))))
                found = Program(graph, self._packer, self.code, self._threads)
                self._programs[shapes] = found
                if len(self._programs) > KEPT:
                    self._programs.popitem(last=False)
            self._programs.move_to_end(shapes)
            self._last = (shapes, found)
            return found

"""A net with its weights, ready to run on inputs of any shape that it takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

from cnnlang.backends.numba_cpu.code import Code
from cnnlang.backends.numba_cpu.locks import Lock
from cnnlang.backends.numba_cpu.machine import host
from cnnlang.backends.numba_cpu.packing import Packer
from cnnlang.backends.numba_cpu.plan import plan
from cnnlang.backends.numba_cpu.plan.stages import Array
from cnnlang.backends.numba_cpu.portions import Portions, is_by_sample, samples_at_once
from cnnlang.backends.numba_cpu.program import Program
from cnnlang.interpret import bind_sizes
from cnnlang.ir import Graph, bind_graph
from cnnlang.passes import optimize

Shapes: TypeAlias = tuple[tuple[int, ...], ...]

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
        self._programs: OrderedDict[Shapes, Program] = OrderedDict()
        self._portions: OrderedDict[Shapes, Program | Portions] = OrderedDict()
        self._last: tuple[Shapes, Program | Portions | None] = ((), None)
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
        return tuple(self.runner(tuple([x.shape for x in inputs]))(inputs))

    def runner(self, shapes: Shapes) -> Program | Portions:
        """What runs inputs of these shapes."""
        last, found = self._last
        if last != shapes or found is None:
            found = self._for(shapes)
            self._last = (shapes, found)
        return found

    def planned(self, shapes: Shapes) -> tuple[Program, int]:
        """The plan that inputs of these shapes are run with, and for how many samples it is."""
        found = self.runner(shapes)
        return (found.program, found.size) if isinstance(found, Portions) else (found, shapes[0][0])

    def program(self, shapes: Shapes) -> Program:
        """The plan for inputs of these shapes, made if it is not there."""
        with self._lock:
            return self._program(shapes)

    def _program(self, shapes: Shapes) -> Program:
        found = self._programs.get(shapes)
        if found is None:
            found = Program(self._bound(shapes), self._packer, self.code, self._threads)
            _keep(self._programs, shapes, found)
        self._programs.move_to_end(shapes)
        return found

    def _for(self, shapes: Shapes) -> Program | Portions:
        """A plan, or one for some of the samples at a time."""
        with self._lock:
            found = self._portions.get(shapes)
            if found is None:
                found = self._made(shapes)
                _keep(self._portions, shapes, found)
            self._portions.move_to_end(shapes)
            return found

    def _made(self, shapes: Shapes) -> Program | Portions:
        batch = shapes[0][0]
        if batch == 1 or shapes in self._programs or not is_by_sample(self._graph):
            return self._program(shapes)

        def of(count: int) -> Shapes:
            return tuple([(count, *shape[1:]) for shape in shapes])

        one = plan(self._bound(of(1)), self.code.machine, self._packer.constants, self._threads)
        size = samples_at_once(one, batch)
        if size == batch:
            return self._program(shapes)
        outputs = [tuple(int(str(d)) for d in node.type.shape) for node in self._bound(shapes).outputs]
        return Portions(lambda count: self._program(of(count)), outputs, batch, size)

    def _bound(self, shapes: Shapes) -> Graph:
        return bind_graph(self._graph, dict(bind_sizes(self._graph, list(shapes))))


def _keep(plans: OrderedDict[Shapes, Any], shapes: Shapes, plan: Any) -> None:
    plans[shapes] = plan
    if len(plans) > KEPT:
        plans.popitem(last=False)

"""One plan of a net as a table in memory, with the arena that it runs in."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from cnnlang.backends.numba_cpu.code import RUN, Code
from cnnlang.backends.numba_cpu.driver import ROW
from cnnlang.backends.numba_cpu.locks import Lock
from cnnlang.backends.numba_cpu.packing import Packed, Packer
from cnnlang.backends.numba_cpu.plan import plan
from cnnlang.backends.numba_cpu.plan.memory import LINE, assign, meetings
from cnnlang.backends.numba_cpu.plan.stages import Array, At, Outside, Stage, Table
from cnnlang.backends.numba_cpu.workers import Job
from cnnlang.ir import Graph
from cnnlang.system import need_memory

SMALL = 1_000_000  # multiply-accumulates for a thread: fewer are done sooner than threads are woken
GRAIN = 2_000_000  # multiply-accumulates that a thread takes at a time, or what takes about as long
BYTE = 8  # multiply-accumulates in the time of a byte that is read or written


class Program:
    """A net for inputs of one shape.

    Parameters
    ----------
    graph
        Optimised, with sizes bound.
    packer
        Its constants, and its packed weights.
    code
        The kernels of the machine.
    threads
        How many threads may run it.

    Raises
    ------
    UsageError
        There is not enough memory.
    """

    def __init__(self, graph: Graph, packer: Packer, code: Code, threads: int) -> None:
        macs = sum(int(str(node.macs)) for node in graph.nodes)
        self.threads = max(1, min(threads, macs // SMALL))
        self.stages = plan(graph, code.machine, packer.constants, threads)
        floats = assign(self.stages) + 2 * LINE
        need_memory(4 * floats, f"{graph.name} with inputs {', '.join(str(node.type) for node in graph.inputs)}")
        self._arena = np.zeros(floats, np.float32)
        self._shapes = [tuple(int(str(d)) for d in node.type.shape) for node in graph.outputs]
        self._from: list[tuple[ctypes.c_int64, int]] = []  # a word of a kernel's, the number of the input it points to
        self._to: list[tuple[ctypes.c_int64, int]] = []
        self._words: list[Array] = []  # what the table points to
        self._lock = Lock()
        wanted = [a for stage in self.stages for a in stage.args.values() if isinstance(a, Packed)]
        packed = dict(zip(wanted, packer.arrays(wanted), strict=True))
        self._packed = list(packed.values())  # what the table points to
        kernels = {
            width: code.of_width(width).load([stage.spec for stage in self.stages if stage.width == width])
            for width in {stage.width for stage in self.stages}
        }
        self.rows = np.zeros((len(self.stages), len(ROW)), np.int64)
        base = self._arena.ctypes.data
        base += -base % (4 * LINE)
        for row, stage, meets in zip(self.rows, self.stages, meetings(self.stages), strict=True):
            kernel = kernels[stage.width][stage.spec]
            words = np.zeros(len(kernel.arguments), np.int64)
            for k, name in enumerate(kernel.arguments):
                match stage.args[name]:
                    case At(buffer=buffer, offset=offset):
                        words[k] = base + 4 * (buffer.offset + offset)
                    case Table(array=array):
                        words[k] = array.ctypes.data
                    case Packed() as weights:
                        words[k] = packed[weights].ctypes.data
                    case Outside() as outside:
                        word = ctypes.c_int64.from_address(words[k:].ctypes.data)
                        (self._from if outside.is_input else self._to).append((word, outside.index))
                    case float(number):
                        words[k : k + 1].view(np.float32)[0] = number
                    case None:
                        pass
                    case number:
                        words[k] = number
            self._words.append(words)
            row[:] = kernel.address, words.ctypes.data, stage.items, meets, _grain(stage)
        self._job = Job(code.load([RUN])[RUN].address, self.rows, self.threads)

    @property
    def memory(self) -> int:
        """Bytes of the arena."""
        return int(self._arena.nbytes)

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs; inputs are float32, in the order of memory that their shape says."""
        outputs = [np.empty(shape, np.float32) for shape in self._shapes]
        self.run(inputs, outputs)
        return outputs

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Write the outputs where they shall stand."""
        with self._lock.plain:
            self.point_to(inputs, outputs)
            self._job()

    def point_to(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Let the stages read and write these arrays."""
        for word, index in self._from:
            word.value = address(inputs[index])
        for word, index in self._to:
            word.value = address(outputs[index])


def address(array: Array) -> int:
    """Where an array begins, read from NumPy's own record of it; `array.ctypes.data` takes six times as long."""
    return ctypes.c_int64.from_address(id(array) + RECORD).value


RECORD = object.__basicsize__  # the address is the first thing behind what every object has
_probe = np.zeros(1)
assert address(_probe) == _probe.ctypes.data, "NumPy keeps arrays in another way than it used to"


def _grain(stage: Stage) -> int:
    """How many items a thread takes at a time: few enough that nobody waits long for another's last ones."""
    cost = max(stage.macs, BYTE * stage.bytes)
    return max(1, stage.items * GRAIN // max(cost, 1))

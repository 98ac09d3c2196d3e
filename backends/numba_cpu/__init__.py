"""The engine: runs a net on a CPU by kernels that are written in LLVM code for this machine's vectors.

    graph --plan--> stages --program--> a table in memory that threads go through

- `plan/`: which kernel does each step, on which part of one arena of memory, with which packed weights;
- `kernels/`: what runs innermost, written with `emitter.py`, compiled once a machine (`machine.py`, `code.py`);
- `program.py`, `driver.py`, `workers.py`: the table, the compiled loop that goes through it, and its threads.
"""

from cnnlang.backends.numba_cpu.engine import Engine

__all__ = ["Engine"]

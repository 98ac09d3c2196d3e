"""What a plan consists of: kernels with their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnlang.backends.numba_cpu.packing import Packed
from cnnlang.backends.numba_cpu.plan.places import Buffer

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """A float in the arena."""

    buffer: Buffer
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Constant numbers: packed weights, offsets."""

    array: Array


@dataclass(frozen=True, slots=True)
class Outside:
    """An array of the caller's: input or output number `index`."""

    is_input: bool
    index: int


Argument: TypeAlias = int | float | At | Table | Packed | Outside | None


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One kernel, on `items` items of work.

    Attributes
    ----------
    name
        What the file calls the step.
    spec
        The kernel.
    args
        Its arguments by its own names; `out` and `scratch` are where it writes, and all stages that write to one
        buffer write to different cells of it.
    width
        Lanes of the kernel's vectors.
    macs
        Multiply-accumulates that it stands for, however it does them.
    """

    name: str
    spec: Any
    args: Mapping[str, Argument]
    items: int
    width: int
    macs: int = 0

    @property
    def bytes(self) -> int:
        """Of the buffers and tables that it reads and writes."""
        buffers = {a.buffer: 4 * a.buffer.size for a in self.args.values() if isinstance(a, At)}
        tables = sum(a.array.nbytes for a in self.args.values() if isinstance(a, Table))
        return sum(buffers.values()) + tables + sum(a.nbytes for a in self.args.values() if isinstance(a, Packed))


def longs(values: Sequence[int] | Array) -> Table:
    return Table(np.ascontiguousarray(values, dtype=np.int64))


def floats(values: Any) -> Table:
    return Table(np.ascontiguousarray(values, dtype=np.float32))

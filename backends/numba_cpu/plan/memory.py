"""Where buffers lie in the arena, and between which stages the threads must wait for each other."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.backends.numba_cpu.plan.places import Buffer
from cnnlang.backends.numba_cpu.plan.stages import At, Stage

LINE = 16  # floats in a line of cache
WRITTEN = ("out", "scratch")  # the arguments through which kernels write


def assign(stages: Sequence[Stage]) -> int:
    """Give every buffer its offset; answers how many floats the arena has.

    Two buffers that are never in use at once may share a place. The largest first, each at the lowest offset at which
    nothing lies that is in use at the same time.
    """
    life: dict[Buffer, tuple[int, int]] = {}
    for i, stage in enumerate(stages):
        for argument in stage.args.values():
            if isinstance(argument, At):
                first, _ = life.get(argument.buffer, (i, i))
                life[argument.buffer] = (first, i)
    for buffer in life:
        if buffer.is_cleared:
            life[buffer] = (0, len(stages))
    placed: list[Buffer] = []
    total = 0
    for buffer in sorted(life, key=lambda b: -b.size):
        first, last = life[buffer]
        taken = sorted(
            (other.offset, other.offset + other.size)
            for other in placed
            if life[other][0] <= last and first <= life[other][1]
        )
        offset = 0
        for start, end in taken:
            if offset + buffer.size <= start:
                break
            offset = max(offset, -(-end // LINE) * LINE)
        buffer.offset = offset
        placed.append(buffer)
        total = max(total, offset + buffer.size)
    return total


def meetings(stages: Sequence[Stage]) -> list[bool]:
    """Before which stages all threads must have finished what stands before; offsets are assigned.

    A stage that reads what an unfinished one writes, or writes over what one uses, waits. Stages that write to the same
    buffer write to different cells.
    """
    found = []
    reading: set[Buffer] = set()
    writing: set[Buffer] = set()
    for stage in stages:
        buffers = {name: a.buffer for name, a in stage.args.items() if isinstance(a, At)}
        writes = {buffer for name, buffer in buffers.items() if name in WRITTEN}
        reads = {buffer for name, buffer in buffers.items() if name not in WRITTEN}
        clash = _overlap(reads, writing) or _overlap(writes, reading) or _overlap(writes, writing - writes)
        if clash:
            reading, writing = set(), set()
        found.append(clash)
        reading |= reads
        writing |= writes
    return found


def _overlap(some: set[Buffer], others: set[Buffer]) -> bool:
    return any(a.offset < b.offset + b.size and b.offset < a.offset + a.size for a in some for b in others)

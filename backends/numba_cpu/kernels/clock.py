"""What time it is between two stages, for whoever measures them where they stand, with the caches as they are there."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlang.backends.numba_cpu.emitter import I64, Kernel


@dataclass(frozen=True, slots=True)
class Clock:
    """Each item writes what a counter of the processor's shows; `counter` is LLVM's intrinsic that reads it."""

    counter: str


def write(k: Kernel, spec: Clock) -> None:
    out = k.args.pointer("out")
    with k.loop(k.begin, k.end):
        k.b.store(k.call(spec.counter, I64), out, align=8)
    k.finish()

"""What the processor can do at most: multiplications and additions in registers, with nothing else to wait for."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlang.backends.numba_cpu.emitter import Kernel

SUMS = 12  # more than a multiplication takes cycles, on every processor so far


@dataclass(frozen=True, slots=True)
class Peak:
    """An item is `turns` turns of `SUMS` vectors, each times one number and plus another."""


def write(k: Kernel, spec: Peak) -> None:
    out, start = k.args.pointer("out"), k.args.pointer("start")
    (turns,) = k.args.words("turns")
    factor = k.load(start)
    with k.loop(k.begin, k.end) as (item, _):
        # each begins as another number, or they would be computed once
        begun = [k.load(k.at(start, k.width * (i + 1))) for i in range(SUMS)]
        with k.loop(0, turns, carry=begun) as (_turn, over):
            over.values = [k.fma(value, factor, factor) for value in over.values]
        for i, value in enumerate(over.final):
            k.store(value, k.at(out, k.add(k.mul(item, SUMS * k.width), i * k.width)))
    k.finish()

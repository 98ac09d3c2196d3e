"""Receptive fields: the rows and columns of the input that one number of a value can depend on.

Along one axis the cells of a value see stretches of the input that repeat: `period` cells further on, everything is
`jump` rows further on. Each operator says which cells of its input a cell of its result sees, and the stretches follow.
They are not clipped at the borders of the input, as is usual (Araujo et al. 2019, Computing Receptive Fields).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeAlias

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Deconv
from cnnlang.ops.dense import Dense
from cnnlang.ops.norm import GroupNorm
from cnnlang.ops.pool import AdaptiveAvgPool, GlobalPool
from cnnlang.ops.shape import Crop, Flatten, Pad, PixelShuffle, Upsample
from cnnlang.ops.window import Windowed

MAX_PERIOD = 4096  # beyond it the answer is "all"; no net that is meant comes near

Cells: TypeAlias = Callable[[int], Iterable[int]]  # from a cell of a result to the cells of the input that it sees


@dataclass(frozen=True, slots=True)
class Stretches:
    """What the cells along one axis see: cell q*period + p from q*jump + lows[p] to q*jump + highs[p].

    A cell that sees nothing (between the stamps of a `deconv`) has lows[p] above highs[p].
    """

    jump: int
    lows: tuple[float, ...]
    highs: tuple[float, ...]

    @property
    def period(self) -> int:
        return len(self.lows)

    @property
    def size(self) -> int:
        """The most rows that a cell sees."""
        return max(int(max(high - low + 1, 0)) for low, high in zip(self.lows, self.highs, strict=True))

    def low(self, cell: int) -> float:
        turns, phase = divmod(cell, self.period)
        return turns * self.jump + self.lows[phase]

    def high(self, cell: int) -> float:
        turns, phase = divmod(cell, self.period)
        return turns * self.jump + self.highs[phase]

    def through(self, cells: Cells, step: int, per: int) -> Stretches | None:
        """The stretches of a result: its cell i sees `cells(i)`, and `step` cells further on, `per` cells further on.

        None where the period becomes too long.
        """
        turns = self.period // math.gcd(self.period, per)
        if step * turns > MAX_PERIOD:
            return None
        sees = [list(cells(i)) for i in range(step * turns)]
        return Stretches(
            self.jump * (per * turns // self.period),
            tuple(min((self.low(c) for c in seen), default=math.inf) for seen in sees),
            tuple(max((self.high(c) for c in seen), default=-math.inf) for seen in sees),
        )


Field: TypeAlias = tuple[Stretches, Stretches] | None  # None is the whole input


def receptive_fields(graph: Graph) -> dict[Node, tuple[int, int] | None]:
    """The receptive field of every value, rows and columns; None where it is the whole input."""
    pixel = Stretches(1, (0,), (0,))
    fields: dict[Node, Field] = {}
    for node in graph.nodes:
        if node.op.is_weight:
            continue
        if not node.values:
            fields[node] = (pixel, pixel) if node.type.rank == 4 else None
        else:
            united = _unite([fields[n] for n in node.values])
            fields[node] = united and _through(node.op, node, united)
    return {node: field and (field[0].size, field[1].size) for node, field in fields.items()}


def _unite(fields: list[Field]) -> Field:
    """What a merge of values sees: everything that any of them does."""
    whole = fields[0]
    for field in fields[1:]:
        if whole is None or field is None:
            return None
        down, across = _union(whole[0], field[0]), _union(whole[1], field[1])
        whole = (down, across) if down and across else None
    return whole


def _union(a: Stretches, b: Stretches) -> Stretches | None:
    if a == b:
        return a
    period = math.lcm(a.period, b.period)
    if period > MAX_PERIOD:
        return None
    # where the two do not keep step (a crop beside a stride), the first cells stand for all
    return Stretches(
        max(a.jump * (period // a.period), b.jump * (period // b.period)),
        tuple(min(a.low(i), b.low(i)) for i in range(period)),
        tuple(max(a.high(i), b.high(i)) for i in range(period)),
    )


def _both(field: tuple[Stretches, Stretches], along: Callable[[int], tuple[Cells, int, int]]) -> Field:
    """A field through an operator that says for each axis which cells it sees, and its step."""
    down, across = (field[axis].through(*along(axis)) for axis in (0, 1))
    return (down, across) if down and across else None


@singledispatch
def _through(op: Op, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    """The field of an operator's result; by default each cell sees the cell in its place."""
    return field


@_through.register(GlobalPool)
@_through.register(Dense)
@_through.register(GroupNorm)
@_through.register(Flatten)
def _(op: Op, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    return None


@_through.register
def _(op: Windowed, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    pads = op.pads(node.values[0].type)

    def along(axis: int) -> tuple[Cells, int, int]:
        stride, dilation = op.stride[axis], op.dilation[axis]
        return lambda i: (i * stride - pads[2 * axis] + u * dilation for u in range(op.kernel[axis])), 1, stride

    return _both(field, along)


@_through.register
def _(op: Deconv, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    pads = op.pads(node.values[0].type)

    def along(axis: int) -> tuple[Cells, int, int]:
        stride, dilation = op.stride[axis], op.dilation[axis]

        def stamps(i: int) -> Iterable[int]:
            places = (i + pads[2 * axis] - u * dilation for u in range(op.kernel[axis]))
            return (place // stride for place in places if place % stride == 0)

        return stamps, stride, 1

    return _both(field, along)


@_through.register
def _(op: Upsample, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    def along(axis: int) -> tuple[Cells, int, int]:
        scale = op.scale[axis]

        def nearest(i: int) -> Iterable[int]:
            return (i // scale,)

        def bilinear(i: int) -> Iterable[int]:
            first, weight = divmod(2 * i + 1 - scale, 2 * scale)  # (i + 0.5)/scale - 0.5
            return (first, first + 1) if weight else (first,)

        return nearest if op.mode == "nearest" else bilinear, scale, 1

    return _both(field, along)


@_through.register
def _(op: PixelShuffle, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    return _both(field, lambda axis: (lambda i: (i // op.r,), op.r, 1))


@_through.register(Pad)
@_through.register(Crop)
def _(op: Pad | Crop, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    sign = -1 if isinstance(op, Pad) else 1
    return _both(field, lambda axis: (lambda i: (i + sign * op.amount[2 * axis],), 1, 1))


@_through.register
def _(op: AdaptiveAvgPool, node: Node, field: tuple[Stretches, Stretches]) -> Field:
    size = node.values[0].type.shape[2:]

    def along(axis: int) -> tuple[Cells, int, int]:
        cells, count = size[axis], op.size[axis]
        assert isinstance(cells, int)
        common = math.gcd(cells, count)
        return lambda i: range(i * cells // count, -(-(i + 1) * cells // count)), count // common, cells // common

    known = isinstance(size[0], int) and isinstance(size[1], int)
    return _both(field, along) if known and op.size != (1, 1) else None

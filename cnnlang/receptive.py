"""Receptive fields: the rows and columns of the input that one number of a value can depend on.

The cell with index i along one axis of a value sees the input from jump*i + low to jump*i + high. Each operator says
how its cells' stretches follow from its input's; the size is high - low + 1, not clipped at the borders of the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
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


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the cells along one axis see."""

    jump: Fraction
    low: Fraction
    high: Fraction

    @property
    def size(self) -> int:
        """The rows or columns; a part of one counts as one."""
        return math.ceil(self.high - self.low + 1)

    def window(self, stride: Fraction, first: Fraction, cells: Fraction) -> Stretch:
        """Where cell i sees `cells` cells of this stretch, the first at stride*i + first."""
        last = first + cells - 1
        return Stretch(self.jump * stride, self.low + self.jump * first, self.high + self.jump * last)


Field: TypeAlias = tuple[Stretch, Stretch] | None  # None is the whole input


def receptive_fields(graph: Graph) -> dict[Node, tuple[int, int] | None]:
    """The receptive field of every value, rows and columns; None where it is the whole input."""
    one = Stretch(Fraction(1), Fraction(0), Fraction(0))
    fields: dict[Node, Field] = {}
    for node in graph.nodes:
        if node.op.is_weight:
            continue
        if not node.values:
            fields[node] = (one, one) if node.type.rank == 4 else None
        else:
            united = _unite([fields[n] for n in node.values])
            fields[node] = united and _through(node.op, node, united)
    return {node: field and (field[0].size, field[1].size) for node, field in fields.items()}


def _unite(fields: list[Field]) -> Field:
    """What a merge of values sees: everything that any of them does."""
    whole: Field = fields[0]
    for field in fields[1:]:
        if whole is None or field is None:
            return None
        down, across = (
            Stretch(max(a.jump, b.jump), min(a.low, b.low), max(a.high, b.high))
            for a, b in zip(whole, field, strict=True)
        )
        whole = (down, across)
    return whole


@singledispatch
def _through(op: Op, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    """The field of an operator's result; by default each cell sees the cell in its place."""
    return field


@_through.register(GlobalPool)
@_through.register(Dense)
@_through.register(GroupNorm)
@_through.register(Flatten)
def _(op: Op, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    return None


@_through.register
def _(op: Windowed, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    pads = op.pads(node.values[0].type)
    down, across = (
        field[axis].window(Fraction(op.stride[axis]), Fraction(-pads[2 * axis]), Fraction(op.reach[axis]))
        for axis in (0, 1)
    )
    return down, across


@_through.register
def _(op: Deconv, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    pads = op.pads(node.values[0].type)

    def along(axis: int) -> Stretch:
        stride, reach = op.stride[axis], op.reach[axis]
        cells = -(-reach // stride)  # the most stamps that meet in one cell
        middle = Fraction(2 * pads[2 * axis] - reach + 1, 2 * stride)
        return field[axis].window(Fraction(1, stride), middle - Fraction(cells - 1, 2), Fraction(cells))

    return along(0), along(1)


@_through.register
def _(op: Upsample, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    cells = 1 if op.mode == "nearest" else 2

    def along(axis: int) -> Stretch:
        scale = op.scale[axis]
        middle = Fraction(1 - scale, 2 * scale)
        near = 1 if scale == 1 else cells
        return field[axis].window(Fraction(1, scale), middle - Fraction(near - 1, 2), Fraction(near))

    return along(0), along(1)


@_through.register
def _(op: PixelShuffle, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    down, across = (s.window(Fraction(1, op.r), Fraction(1 - op.r, 2 * op.r), Fraction(1)) for s in field)
    return down, across


@_through.register(Pad)
@_through.register(Crop)
def _(op: Pad | Crop, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    sign = -1 if isinstance(op, Pad) else 1
    down, across = (
        s.window(Fraction(1), Fraction(sign * op.amount[2 * axis]), Fraction(1)) for axis, s in enumerate(field)
    )
    return down, across


@_through.register
def _(op: AdaptiveAvgPool, node: Node, field: tuple[Stretch, Stretch]) -> Field:
    x = node.values[0].type

    def along(axis: int, size: object) -> Stretch | None:
        count = op.size[axis]
        if count == 1 or not isinstance(size, int):
            return None
        cells = max(-(-(i + 1) * size // count) - i * size // count for i in range(count))
        return field[axis].window(Fraction(size, count), Fraction(0), Fraction(cells))

    down, across = along(0, x.height), along(1, x.width)
    return (down, across) if down and across else None

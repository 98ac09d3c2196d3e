"""From a graph with known shapes to stages: which kernel does each step, on what, and in how many items.

The rule of each operator is a function of `lower`, in the files beside this one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from itertools import pairwise
from typing import Any

import numpy as np

from cnnlang.backends.numba_cpu.constants import Constants
from cnnlang.backends.numba_cpu.kernels.move import Fill, Move, Shift
from cnnlang.backends.numba_cpu.kernels.pointwise import Pointwise
from cnnlang.backends.numba_cpu.kernels.window import TILE, Pool
from cnnlang.backends.numba_cpu.machine import Machine
from cnnlang.backends.numba_cpu.plan.ends import enter, leave
from cnnlang.backends.numba_cpu.plan.merging import NARROW, Merging, producer
from cnnlang.backends.numba_cpu.plan.places import Halo, Place, new_place
from cnnlang.backends.numba_cpu.plan.stages import Argument, Array, At, Stage, Table, floats, longs
from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Input, Op
from cnnlang.ops.elementwise import Elementwise, LeakyRelu, Relu, Relu6
from cnnlang.ops.merge import Concat
from cnnlang.passes import Fused


class NoRule(Exception):
    """The engine has nothing for an operator."""


@singledispatch
def lower(op: Op, node: Node, to: Lowering) -> None:
    """Add the stages of a node; raises NoRule where there is nothing for its operator."""
    raise NoRule(op.name)


@singledispatch
def halo_of(op: Op, x: TensorType, y: TensorType) -> Halo:
    """What an operator reads beyond the border of its first input."""
    return Halo()


@dataclass(eq=False)
class Lowering:
    """Lowers one graph.

    Parameters
    ----------
    graph
        Optimised, with sizes bound.
    constants
        The value of each weight-like node, float32.
    threads
        How many threads will run it.
    """

    graph: Graph
    machine: Machine
    constants: Constants
    threads: int = 1
    stages: list[Stage] = field(default_factory=list)
    places: dict[Node, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lanes = self.machine.width
        self.merging = Merging(self.graph, self.machine.width)
        self._roots: dict[Node, Place] = {}

    # --- places -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Add all stages.

        Raises
        ------
        FindingsError
            E0401 for every operator without a rule.
        """
        missing: list[Diagnostic] = []
        for i, node in enumerate(self.graph.inputs):
            self._enter(node, i)
        for node in self.graph.nodes:
            if node.op.is_weight or isinstance(node.op, Input) or node in self.merging.taken:
                continue
            self.lanes = NARROW if node in self.merging.narrow else self.machine.width
            try:
                lower(node.op, node, self)
            except NoRule:
                missing.append(Diagnostic("E0401", f"the engine has nothing for `{node.op.name}`", node.span))
                self.make(node)  # so that what follows can be looked at
        if missing:
            raise FindingsError(missing)
        self.lanes = self.machine.width
        for i, node in enumerate(self.graph.outputs):
            leave(self.stage, i, self.places[node])

    def make(self, node: Node) -> Place:
        """The place for a node's value, with the halo that its users want, which is filled first."""
        root, first = self._root(node)
        if root not in self._roots:
            self._roots[root] = self._new(root.type, self._halo(root))
        whole = self._roots[root]
        self.places[node] = place = whole if node is root else whole.slice(first, node.type.channels)
        return place

    def _root(self, node: Node) -> tuple[Node, int]:
        first = 0
        while node in self.merging.parts:
            node, offset = self.merging.parts[node]
            first += offset
        return node, first

    def _halo(self, root: Node) -> Halo:
        """What the users of a value, and of those that are written into it, read around it."""
        halo = Halo()
        stack = [root]
        while stack:
            node = stack.pop()
            for user in self.merging.users.get(node, []):
                if user.inputs[0] is node:
                    halo = halo.joined(halo_of(producer(user.op), node.type, user.type)) or halo  # else it is copied
            if isinstance(node.op, Concat):
                stack.extend(v for v in node.inputs if v in self.merging.parts and self.merging.parts[v][0] is node)
        return halo

    def _new(self, type: TensorType, halo: Halo, lanes: int | None = None) -> Place:
        height, width = map(number, type.shape[2:]) if type.rank == 4 else (1, 1)
        place = new_place(number(type.batch), type.channels, height, width, lanes or self.lanes, halo)
        if not halo.is_none:
            self._fill(place)
        return place

    def _fill(self, place: Place) -> None:
        halo, row = place.halo, place.row
        around = []
        for block in range(place.blocks):
            start = block * place.plane
            if halo.top:
                around.append((start, halo.top * row))
            if halo.left or halo.right:
                if halo.left:
                    around.append((start + halo.top * row, halo.left * place.lanes))
                for y in range(halo.top, halo.top + place.height):
                    last = y == halo.top + place.height - 1
                    cells = halo.right + (0 if last else halo.left)
                    if cells:
                        around.append((start + y * row + (halo.left + place.width) * place.lanes, cells * place.lanes))
            if halo.bottom:
                around.append((start + (halo.top + place.height) * row, halo.bottom * row))
        args: dict[str, Argument] = {
            "out": At(place.buffer, 0), "runs": longs(np.array(around).reshape(-1)), "images": place.images,
            "out_image": place.image, "value": halo.value,
        }  # fmt: skip
        self.stages.append(Stage("halo", Fill(), args, len(around) * place.images, self.machine.width))

    def of(self, node: Node, halo: Halo | None = None) -> Place:
        """Where a value lies; with at least this halo, copied if it has another."""
        place = self.places[node]
        if halo is None or halo.is_none:
            return place
        have = place.halo
        if have.value == halo.value and all(
            getattr(have, side) >= getattr(halo, side) for side in ("top", "bottom", "left", "right")
        ):
            return place
        lanes, self.lanes = self.lanes, place.lanes
        copy = self._new(node.type, halo)
        self.pointwise("copy", "same", [place], copy)
        self.lanes = lanes
        return copy

    def stage(self, name: str, spec: Any, items: int, macs: int = 0, /, **args: Argument) -> None:
        self.stages.append(Stage(name, spec, args, items, self.lanes, macs))

    # --- in and out ---------------------------------------------------------------------------------------------------

    def _enter(self, node: Node, index: int) -> None:
        place = self._new(node.type, self._halo(node), 1) if self.merging.is_planar(node) else self.make(node)
        self.places[node] = place
        enter(self.stage, index, place)
        if place.channels % place.lanes:
            self.clear_tail(place)

    def clear_tail(self, place: Place) -> None:
        """Numbers, once, in the lanes beyond the last channel, which nothing else writes."""
        place.buffer.is_cleared = True

    # --- kernels that several operators share -------------------------------------------------------------------------

    def pointwise(
        self, name: str, kind: Any, operands: Sequence[Place | Table], out: Place, activation: Elementwise | None = None
    ) -> None:
        spec, parameters = activation_of(activation)
        args: dict[str, Argument] = {}
        for i, operand in enumerate(operands):
            if isinstance(operand, Table):  # a number a channel
                strides = (0, self.lanes, 0, 0)
                args[f"x{i}"] = operand
            else:
                one = operand.height == operand.width == 1 and (out.height, out.width) != (1, 1)
                strides = (operand.image, operand.plane, 0 if one else operand.row, 0 if one else self.lanes)
                args[f"x{i}"] = At(operand.buffer, operand.offset)
            args |= dict(zip((f"image{i}", f"plane{i}", f"row{i}", f"step{i}"), strides, strict=True))
        self.stage(
            name, Pointwise(kind, len(operands), spec), out.images * out.blocks * out.height,
            out=At(out.buffer, out.offset), blocks=out.blocks, height=out.height, width=out.width,
            out_image=out.image, out_plane=out.plane, out_row=out.row, **parameters, **args,
        )  # fmt: skip

    def per_channel(self, numbers: Array, beyond: float = 0.0) -> Table:
        """A number a channel, filled up to whole vectors."""
        count = len(numbers)
        full = np.full(-(-count // self.lanes) * self.lanes, beyond)
        full[:count] = numbers
        return floats(full)

    def move(
        self, name: str, x: Place, out: Place, channels: Sequence[int], rows: Sequence[int], columns: Sequence[int],
        *, first: int = 0, value: float = 0.0, at: int = 0, row_step: int = 1, column_step: int = 1,
    ) -> None:  # fmt: skip
        """Channel `first + i` of `out` is channel `channels[i]` of `x`; rows and columns likewise; -1 is `value`."""
        lanes, count = self.lanes, len(channels)
        whole = (
            in_blocks(channels, lanes) and not first % lanes and (not count % lanes or first + count == out.channels)
        )
        if not whole and self._shifted(name, x, out, channels, (rows, columns), first, (row_step, column_step)):
            self.clear_tail(out)
            return
        picked = range(0, count, lanes) if whole else range(count)
        self.stage(
            name, Move(whole), out.images * len(picked) * len(rows),
            x=At(x.buffer, x.offset), out=At(out.buffer, out.offset + at),
            channel_from=longs([x.channel(channels[i]) if channels[i] >= 0 else -1 for i in picked]),
            channel_to=longs([out.channel(first + i) for i in picked]),
            row_from=longs([r * x.row if r >= 0 else -1 for r in rows]),
            column_from=longs([c * lanes if c >= 0 else -1 for c in columns]),
            channels=len(picked), height=len(rows), width=len(columns), x_image=x.image, out_image=out.image,
            out_row=out.row * row_step, out_step=lanes * column_step, value=value,
        )  # fmt: skip
        if not whole:
            self.clear_tail(out)

    def _shifted(
        self, name: str, x: Place, out: Place, channels: Sequence[int], cells: tuple[Sequence[int], Sequence[int]],
        first: int, steps: tuple[int, int],
    ) -> bool:  # fmt: skip
        """Whether it is one run of channels with all its cells: then vector by vector."""
        lanes, count, start = self.lanes, len(channels), channels[0]
        is_run = list(channels) == list(range(start, start + count)) and start >= 0
        if not is_run or cells != (range(x.height), range(x.width)) or steps != (1, 1) or x.lanes != lanes:
            return False
        to = first // lanes  # the first block of the result
        behind, left_out = divmod(to * lanes - first + start, lanes)
        blocks = (first + count - 1) // lanes - to + 1
        self.stage(
            name, Shift(left_out), out.images * blocks * out.height, x=At(x.buffer, x.offset),
            out=At(out.buffer, out.offset + out.plane * to), blocks=blocks, behind=behind, x_blocks=x.blocks,
            before=first - to * lanes, channels=count, height=x.height, width=x.width, x_image=x.image,
            x_plane=x.plane, x_row=x.row, out_image=out.image, out_plane=out.plane, out_row=out.row,
        )  # fmt: skip
        return True

    def pool(
        self, name: str, kind: Any, x: Place, out: Place, ys: Sequence[tuple[int, int]], xs: Sequence[tuple[int, int]],
        counts: tuple[Sequence[int], Sequence[int]], dilation: tuple[int, int] = (1, 1),
    ) -> None:  # fmt: skip
        """Windows that begin at `first` and have `count` cells inside the map, down and across."""
        most = max(n for _, n in xs)
        whole = [i for i, (_, n) in enumerate(xs) if n == most]
        inner, after = whole[0], whole[-1] + 1
        strides = {b - a for (a, _), (b, _) in pairwise(xs[inner:after])}
        if after - inner != len(whole) or len(whole) < TILE or len(strides) > 1 or most > TILE * TILE:
            inner, after, most, strides = 0, 0, 0, set()  # there are none, or not in step
        spec = Pool(kind, most, self.lanes * dilation[1], self.lanes * max(strides, default=0))
        self.stage(
            name, spec, out.images * out.blocks * out.height,
            x=At(x.buffer, x.offset), out=At(out.buffer, out.offset),
            y_first=longs([y for y, _ in ys]), y_count=longs([n for _, n in ys]),
            x_first=longs([c for c, _ in xs]), x_count=longs([n for _, n in xs]),
            y_scale=floats([1 / max(n, 1) for n in counts[0]]), x_scale=floats([1 / max(n, 1) for n in counts[1]]),
            blocks=out.blocks, height=out.height, width=out.width, inner=inner, after=after,
            x_image=x.image, x_plane=x.plane, x_row=x.row, y_step=x.row * dilation[0],
            out_image=out.image, out_plane=out.plane, out_row=out.row,
        )  # fmt: skip


def in_blocks(channels: Sequence[int], lanes: int) -> bool:
    """Whether channels come in whole vectors: each run of lanes is a vector of the source, or nothing."""
    for i in range(0, len(channels), lanes):
        run = channels[i : i + lanes]
        if any(c >= 0 for c in run) and (run[0] % lanes or list(run) != list(range(run[0], run[0] + len(run)))):
            return False
    return True


def number(dim: Any) -> int:
    """A size that is known."""
    assert isinstance(dim, int)
    return dim


def activation_behind(op: Op) -> Elementwise | None:
    return op.activation if isinstance(op, Fused) else None


def activation_of(op: Elementwise | None) -> tuple[Any, dict[str, float]]:
    """The kernel's name of an activation, and its two numbers."""
    match op:
        case None:
            return "clamp", {"low": -math.inf, "high": math.inf}
        case Relu():
            return "clamp", {"low": 0.0, "high": math.inf}
        case Relu6():
            return "clamp", {"low": 0.0, "high": 6.0}
        case LeakyRelu():
            return "leaky_relu", {"low": op.slope, "high": 0.0}
    return op.name, {"low": 0.0, "high": 0.0}


@lower.register
def _(op: Fused, node: Node, to: Lowering) -> None:
    lower(op.producer, node, to)

"""How weights lie in memory: as the innermost loops read them, one after the other.

A layout is all that decides about the packed numbers besides the weights: its `repr` is part of their name on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cnnlang.backends.numba_cpu.kernels.winograd import KERNEL
from cnnlang.backends.numba_cpu.plan.places import Place
from cnnlang.backends.numba_cpu.plan.stages import Array
from cnnlang.ir import Node

Shape: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Direct:
    """Weights of a direct sum: [output tile, entry, lane, output].

    Attributes
    ----------
    shape
        Of the weight, as a convolution's: [outputs, inputs/groups, rows, columns].
    groups
        Of its channels.
    transposed
        Whether the weight is a deconvolution's: [inputs, outputs/groups, rows, columns].
    cells
        Of the kernel, row by row, that are read, in the order of the taps.
    wide
        Outputs of a tile.
    lanes
        Channels of a block of inputs; 1 where an entry is a channel.
    starts
        The first block of inputs of each tile.
    most
        Blocks of inputs that a tile reads.
    used
        Lanes of an entry that are read.
    """

    shape: Shape
    groups: int
    transposed: bool
    cells: tuple[int, ...]
    wide: int
    lanes: int
    starts: tuple[int, ...]
    most: int
    used: int

    @property
    def packed(self) -> Shape:
        """The shape of the result."""
        return len(self.starts), self.most * len(self.cells), self.used, self.wide

    def table(self, x: Place, offsets: Sequence[int]) -> Array:
        """For each tile (one row where they are alike) the offset of each entry, from those of the taps."""
        starts = np.array(self.starts[:1] if self.is_alike else self.starts, dtype=np.int64)
        blocks = (starts[:, None] + np.arange(self.most)) * x.plane
        table: Array = blocks[:, :, None] + np.array(offsets, dtype=np.int64)
        return table.reshape(len(starts), -1)

    @property
    def is_alike(self) -> bool:
        """Whether all tiles read the same inputs."""
        return len(set(self.starts)) <= 1

    def __call__(self, weight: Array) -> Array:
        outputs, inputs = self.shape[:2]
        count, tiles = len(self.cells), len(self.starts)
        if self.transposed:
            by_group = weight.reshape(self.groups, inputs, outputs // self.groups, -1)
            part = by_group.transpose(0, 2, 1, 3).reshape(outputs, inputs, -1)
        else:
            part = weight.reshape(outputs, inputs, -1)
        if self.cells != tuple(range(part.shape[2])):
            part = part[:, :, self.cells]
        if self.groups == 1 and outputs == tiles * self.wide and inputs == self.most * self.lanes:
            split = part.reshape(tiles, self.wide, self.most, self.lanes, count)
            packed = np.ascontiguousarray(split[:, :, :, : self.used].transpose(0, 2, 4, 3, 1))
            return packed.reshape(self.packed)
        packed = np.zeros((tiles, self.most, count, self.used, self.wide), np.float32)
        per_group = outputs // self.groups
        for t, start in enumerate(self.starts if count else ()):
            rows = part[t * self.wide : (t + 1) * self.wide]
            full = np.zeros((len(rows), self.most * self.lanes, count), np.float32)
            for o, kernel in enumerate(rows if self.groups > 1 else ()):
                first = (t * self.wide + o) // per_group * inputs - start * self.lanes
                full[o, first : first + inputs] = kernel
            if self.groups == 1:
                full[:, :inputs] = rows
            blocks = full.reshape(-1, self.most, self.lanes, count)[:, :, : self.used]
            packed[t, ..., : len(rows)] = blocks.transpose(1, 3, 2, 0)
        return packed.reshape(self.packed)


def direct(
    shape: Shape, groups: int, taps: Sequence[tuple[int, int, int, int]], x: Place, wide: int, unroll: int, *,
    transposed: bool = False,
) -> Direct:  # fmt: skip
    """The layout for tiles that are `wide` outputs wide."""
    (outputs, inputs), lanes = shape[:2], x.lanes
    tiles = -(-outputs // wide)
    cells = tuple(tap[0] * shape[3] + tap[1] for tap in taps)
    if lanes == 1:  # planar: an entry is a channel
        return Direct(shape, groups, transposed, cells, wide, 1, (0,) * tiles, inputs, 1)
    blocks, ranges = -(-x.channels // lanes), blocks_read(shape, groups, lanes, wide)
    most = max(map(len, ranges))
    starts = tuple(min(read.start, blocks - most) for read in ranges)
    used = lanes if most > 1 else min(lanes, -(-min(x.channels, lanes) // unroll) * unroll)
    return Direct(shape, groups, transposed, cells, wide, lanes, starts, most, used)


@dataclass(frozen=True, slots=True)
class Spread:
    """Weights of a deconvolution of single cells as those of a dense layer: a unit for each lane of each cell.

    Attributes
    ----------
    rows, columns
        For each of the result's the row and column of the kernel that it is made with; -1 for none.
    blocks, lanes
        Of the result.
    dense
        The layout of the units.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    blocks: int
    lanes: int
    dense: Direct

    @property
    def packed(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self.dense.packed

    def __call__(self, weight: Array) -> Array:
        inputs, outputs = weight.shape[:2]
        full = np.zeros((inputs, self.blocks * self.lanes, len(self.rows), len(self.columns)), np.float32)
        for y, row in enumerate(self.rows):
            for x, column in enumerate(self.columns):
                if row >= 0 and column >= 0:
                    full[:, :outputs, y, x] = weight[:, :, row, column]
        split = full.reshape(inputs, self.blocks, self.lanes, -1)
        return self.dense(split.transpose(1, 3, 2, 0).reshape(-1, inputs))


def blocks_read(shape: Shape, groups: int, lanes: int, wide: int) -> list[range]:
    """Which blocks of inputs each tile of `wide` outputs reads: those of its groups."""
    outputs, inputs = shape[:2]
    per_group = outputs // groups
    ranges = []
    for start in range(0, outputs, wide):
        first, last = start // per_group, (min(start + wide, outputs) - 1) // per_group
        ranges.append(range(first * inputs // lanes, -(-(last + 1) * inputs // lanes)))
    return ranges


@dataclass(frozen=True, slots=True)
class Transformed:
    """G g G^T of Winograd's F(size x size, 3 x 3): [place, group of outputs, input, output].

    Attributes
    ----------
    groups
        Of `wide` outputs.
    inputs
        Channels, filled up to whole blocks.
    first
        The first output of the weight's that is taken.
    """

    size: int
    groups: int
    inputs: int
    wide: int
    first: int = 0

    @property
    def packed(self) -> Shape:
        """The shape of the result."""
        return (self.size + 2) ** 2, self.groups, self.inputs, self.wide

    def __call__(self, weight: Array) -> Array:
        g = np.array(KERNEL[self.size])
        both = np.kron(g, g)  # of all nine cells at once: one product of matrices
        inputs = weight.shape[1]
        full = np.zeros(self.packed, np.float32)
        for group in range(self.groups):
            start = self.first + group * self.wide
            part = weight[start : start + self.wide]
            made = both @ part.reshape(-1, 9).T.astype(np.float64)
            full[:, group, :inputs, : len(part)] = made.reshape(len(both), len(part), inputs).transpose(0, 2, 1)
        return full


@dataclass(frozen=True, slots=True)
class PerLane:
    """Weights of a depthwise convolution: [block, cell, lane]."""

    blocks: int
    cells: int
    lanes: int

    @property
    def packed(self) -> tuple[int, int, int]:
        """The shape of the result."""
        return self.blocks, self.cells, self.lanes

    def __call__(self, weight: Array) -> Array:
        full = np.zeros((self.blocks * self.lanes, self.cells), np.float32)
        full[: len(weight)] = weight.reshape(len(weight), -1)
        return np.ascontiguousarray(full.reshape(self.blocks, self.lanes, -1).transpose(0, 2, 1))


def shape_of(weight: Node) -> Shape:
    """Of a weight with four axes."""
    first, second, rows, columns = map(int, map(str, weight.type.shape))
    return first, second, rows, columns

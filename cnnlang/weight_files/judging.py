"""How sure it is that a layer of a file is one of a net."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlang.weight_files.mapping import Line
from cnnlang.weight_files.units import Unit

OF_NAMES = 0.3  # of the weight of a pair is that of its names
ALIKE = 0.4  # names are this alike at least where they alone tell
MARGIN = 0.05  # and so much more than others are


@dataclass(frozen=True, slots=True)
class Row:
    """Two layers that may be one: their names, the shape of the first array there, and how sure that is.

    `is_sure` is False where somebody should look; `lines` are those of the map.
    """

    theirs: str
    ours: str
    shape: tuple[int, ...]
    why: str
    is_sure: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """Says of a pair why it was made and whether that can be trusted.

    `is_by_name` is whether the order in which the layers were aligned is but that of their names; then it tells
    something only of names that differ in nothing but numbers. `counted` are the pairs of names that count alike.
    """

    ours: Sequence[Unit]
    theirs: Sequence[Unit]
    weights: NDArray[np.float32]
    is_by_name: bool
    counted: set[tuple[str, str]]

    def row(self, lines: tuple[Line, ...], i: int, j: int, turn: int) -> Row:
        why, is_sure = self._why(i, j, turn)
        is_sure = is_sure and not any(line.is_constant for line in lines)
        return Row(self.theirs[j].name, self.ours[i].name, self.theirs[j].parts[0].shape, why, is_sure, lines)

    def _why(self, i: int, j: int, turn: int) -> tuple[str, bool]:
        there, here = np.flatnonzero(self.weights[i]), np.flatnonzero(self.weights[:, j])
        if len(here) == len(there) == 1:
            return "only one of its shape", True
        if self._names_agree(i, j):
            return "names agree", True
        if len(here) != len(there):
            return f"{len(there)} of this shape for {len(here)}", False
        if (self.ours[i].name, self.theirs[j].name) in self.counted:
            return "numbers in names agree", True
        if turn:
            return f"out of order, {len(here)} alike", False
        if self.is_by_name and len({_pattern(self.theirs[k].name) for k in there.tolist()}) > 1:
            return f"by alphabet, {len(here)} alike", False
        return f"in order, {len(here)} alike", True

    def _names_agree(self, i: int, j: int) -> bool:
        """Whether the names of a pair are alike, and more so than those of any other pair with one of the two."""
        rest = np.concatenate([np.delete(self.weights[i], j), np.delete(self.weights[:, j], i)])
        least = max(rest.max(initial=0) + MARGIN * OF_NAMES, 1 + ALIKE * OF_NAMES)
        return bool(self.weights[i, j] > least)


def counted_alike(pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs of names that count alike: `layer1.0.conv2` and `stages.0.layers.0.layer.1.convolution`.

    Names of one pattern go with names of one other pattern and with no others, and where a number grows in one, it
    grows as much in the other. A pair that was made wrongly would break one or the other.
    """
    partners: dict[str, set[str]] = {}
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for pair in pairs:
        left, right = map(_pattern, pair)
        partners.setdefault(f"ours {left}", set()).add(right)
        partners.setdefault(f"theirs {right}", set()).add(left)
        groups.setdefault((left, right), []).append(pair)
    return {
        pair
        for (left, right), members in groups.items()
        if len(partners[f"ours {left}"]) == len(partners[f"theirs {right}"]) == 1 and _grow_alike(members)
        for pair in members
    }


def _grow_alike(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether the numbers that are not the same in all names differ by the same in each pair."""
    sides = ([[float(n[:15]) for n in re.findall(r"\d+", name)] for name in side] for side in zip(*pairs, strict=True))
    counts = [np.array(side) for side in sides]
    left, right = (numbers[:, (numbers != numbers[0]).any(axis=0)] for numbers in counts)
    return left.shape == right.shape and left.shape[1] > 0 and bool(((left - right) == (left - right)[0]).all())


def _pattern(name: str) -> str:
    """A name with its numbers left out."""
    return re.sub(r"\d+", "#", name)

"""A map proposed where names differ: the layers of a file laid beside those of a net, by shape, order and name.

Layers can be one another if every array has its place. Those that can are aligned as two sequences, so that layers of
equal shape stay in order, and where that leaves a choice the names decide; what is left over is aligned again. How sure
each pair is, is said, and nothing of it is applied by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.weight_files.aligning import best_order
from cnnlang.weight_files.judging import OF_NAMES, Judge, Row, counted_alike
from cnnlang.weight_files.keras_layout import Owner, as_here
from cnnlang.weight_files.mapping import Line, squeezed
from cnnlang.weight_files.stored import Stored
from cnnlang.weight_files.units import Part, Unit, likeness, units_of_file, units_of_net

MAX_PAIRS = 16_000_000  # of a layer of the file and a layer of the net
MAX_COMPARED = 400_000  # pairs whose names are compared
DEPTHWISE = "depthwise_kernel"

# what stands in for an array that the file has not, by operator and what the array is
NEUTRAL = {
    ("bn", "weight"): "=1",
    ("bn", "bias"): "=0",
    ("group_norm", "weight"): "=1",
    ("group_norm", "bias"): "=0",
    ("conv", "bias"): "=0",
    ("depthwise", "bias"): "=0",
    ("deconv", "bias"): "=0",
    ("dense", "bias"): "=0",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What may be what; `missing` are the net's weights and `unused` the file's arrays without a counterpart."""

    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def layout(self) -> str:
        """How all kernels of the file lie; empty where it is as here, or not for all the same."""
        found = {line.layout for row in self.rows for line in row.lines if len(row.shape) > 1 and not line.is_constant}
        kernels = found - {""}
        return kernels.pop() if len(kernels) == 1 else ""


def propose(stored: Mapping[str, Stored], owners: Mapping[str, Owner]) -> Proposal:
    """A map from a file to a net.

    Raises
    ------
    WeightsError
        There are too many arrays for that.
    """
    found = {name: entry for name, entry in stored.items() if name not in owners or entry.shape != owners[name].shape}
    wanted = {path: owner for path, owner in owners.items() if path not in stored or path in found}
    theirs, by_layer = units_of_file(found)
    ours = units_of_net(wanted.values(), by_layer)
    if len(theirs) * len(ours) > MAX_PAIRS:
        msg = f"{len(theirs):,} layers of the file and {len(ours):,} of the net are too many to propose a map"
        raise WeightsError(msg)
    tells_depthwise = any(entry.role == DEPTHWISE for entry in found.values())
    fits = _Fits(owners, _convention(theirs, wanted), tells_depthwise)
    weights, lines = _table(ours, theirs, fits)
    pairs, is_by_name = best_order(weights, ours, theirs)
    counted = counted_alike([(ours[i].name, theirs[j].name) for i, j, _ in pairs])
    judge = Judge(ours, theirs, weights, is_by_name or list(found) == sorted(found), counted)
    rows = tuple(judge.row(lines[i, j], i, j, turn) for i, j, turn in sorted(pairs))
    taken = {line.theirs for row in rows for line in row.lines}
    given = {line.ours for row in rows for line in row.lines}
    unused = tuple(p.name for unit in theirs for p in unit.parts if p.name not in taken)
    return Proposal(rows, tuple(path for path in wanted if path not in given), unused)


# --- which layers can be one another ----------------------------------------------------------------------------------


def _convention(theirs: Sequence[Unit], wanted: Mapping[str, Owner]) -> str:
    """How a file lays out kernels whose own format does not tell: as here, `keras`, or dense ones `transposed`."""
    here = Counter(owner.shape for owner in wanted.values() if len(owner.shape) > 1)
    keras = Counter(tuple(np.transpose(np.broadcast_to(0, s), (2, 3, 1, 0)).shape) for s in here if len(s) == 4)
    turned = Counter(shape[::-1] for shape in here if len(shape) == 2)
    shapes = [part.shape for unit in theirs for part in unit.parts]
    if sum(s in keras and s not in here for s in shapes) > sum(len(s) == 4 and s in here for s in shapes):
        return "keras"
    if sum(s in turned and s not in here for s in shapes) > sum(len(s) == 2 and s in here for s in shapes):
        return "transposed"
    return ""


@dataclass(frozen=True, slots=True)
class _Fits:
    """Whether and how an array can be a weight."""

    owners: Mapping[str, Owner]
    convention: str
    tells_depthwise: bool  # whether the file calls kernels of depthwise convolutions so

    def layout(self, theirs: Part, ours: Part) -> str | None:
        """The layout to name in the map, empty where none is needed; None where the array does not fit."""
        owner = self.owners[ours.name]
        if theirs.keras:
            is_kind = len(theirs.shape) != 4 or theirs.shape[3] == 1 or self._is_kind(theirs, owner)
            return "" if is_kind and _keras_shape(theirs, owner) == owner.shape else None
        if self.convention == "keras" and len(theirs.shape) > 1:
            return "keras" if _keras_shape(theirs, owner) == owner.shape else None
        if self.convention == "transposed" and len(theirs.shape) == 2:
            return "transposed" if theirs.shape[::-1] == ours.shape else None
        if squeezed(theirs.shape) == squeezed(ours.shape):
            return ""
        return "transposed" if len(theirs.shape) == 2 and theirs.shape[::-1] == ours.shape else None

    def _is_kind(self, theirs: Part, owner: Owner) -> bool:
        """Whether a kernel is one of a depthwise convolution just where the net has such."""
        return not self.tells_depthwise or (theirs.role == DEPTHWISE) == (owner.op == "depthwise")

    def lines(self, theirs: Unit, ours: Unit) -> tuple[Line, ...] | None:
        """The lines that make a layer of the file one of the net; None where it cannot be that."""
        if len(theirs.parts) > len(ours.parts):
            return None
        if not theirs.parts[0].leaf:
            layout = self.layout(theirs.parts[0], ours.parts[0]) if len(ours.parts) == 1 else None
            return None if layout is None else (Line(theirs.parts[0].name, ours.parts[0].name, layout),)
        there = {part.leaf: part for part in theirs.parts}
        if len(there) != len(theirs.parts) or not there.keys() <= {part.leaf for part in ours.parts}:
            return None
        lines = []
        for part in ours.parts:
            if part.leaf in there:
                layout = self.layout(there[part.leaf], part)
                name = there[part.leaf].name
            else:
                layout, name = "", NEUTRAL.get((ours.op, part.leaf), "")
            if layout is None or not name:
                return None
            lines.append(Line(name, part.name, layout))
        return tuple(lines)


def _keras_shape(part: Part, owner: Owner) -> tuple[int, ...]:
    return as_here(Stored("float32", part.shape, lambda: np.zeros(())), owner).shape


Lines = dict[tuple[int, int], tuple[Line, ...]]


def _table(ours: Sequence[Unit], theirs: Sequence[Unit], fits: _Fits) -> tuple[NDArray[np.float32], Lines]:
    """For each layer of the net and each of the file how well they go together (0: not at all), and the map's lines."""
    weights = np.zeros((len(ours), len(theirs)), np.float32)
    lines: Lines = {}
    # layers of equal arrays fit alike: each kind is looked at once
    kinds: dict[tuple[object, ...], list[int]] = {}
    for j, unit in enumerate(theirs):
        kinds.setdefault(tuple((p.leaf, p.shape, p.keras, p.role) for p in unit.parts), []).append(j)
    for i, unit in enumerate(ours):
        for members in kinds.values():
            if fits.lines(theirs[members[0]], unit) is None:
                continue
            for j in members:
                found = fits.lines(theirs[j], unit)
                assert found is not None
                lines[i, j] = found
    compare = len(lines) <= MAX_COMPARED
    for (i, j), found in lines.items():
        whole = 0.6 if any(line.is_constant for line in found) else 1.0
        weights[i, j] = whole + (OF_NAMES * likeness(ours[i].name, theirs[j].name) if compare else 0.0)
    return weights, lines

"""Two sequences of layers aligned: pairs of greatest weight, each sequence in its order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlang.weight_files.keras_names import natural
from cnnlang.weight_files.units import Unit

ROUNDS = 4
Pairs = list[tuple[int, int, int]]  # a layer of the net, one of the file, and the round that paired them


def best_order(weights: NDArray[np.float32], ours: Sequence[Unit], theirs: Sequence[Unit]) -> tuple[Pairs, bool]:
    """The pairs, in whichever order of the file aligns best, and whether that is the order of its names.

    That may be its own or that of its names, of all layers or, where a file has one operator's after the other's, of
    each operator's alone.
    """
    if not weights.size:
        return [], False
    rows = np.arange(len(ours))
    apart = [rows[[unit.op == op for unit in ours]] for op in dict.fromkeys(unit.op for unit in ours)]
    by_name = sorted(range(len(theirs)), key=lambda j: natural(theirs[j].name))
    tried = [
        (_groups_aligned(weights, groups, order), order is by_name)
        for groups in ([rows], apart)
        for order in (list(range(len(theirs))), by_name)
    ]
    return max(tried, key=lambda found: sum(float(weights[i, j]) / (4 ** min(r, 1)) for i, j, r in found[0]))


def _groups_aligned(weights: NDArray[np.float32], groups: list[NDArray[np.intp]], order: list[int]) -> Pairs:
    """The pairs of each group of the net's layers, with what the groups before it left of the file's."""
    pairs: Pairs = []
    for group in groups:
        taken = {j for _, j, _ in pairs}
        pairs += _aligned(weights, group, np.array([j for j in order if j not in taken], np.intp))
    return pairs


def _aligned(weights: NDArray[np.float32], left: NDArray[np.intp], columns: NDArray[np.intp]) -> Pairs:
    """Pairs of greatest weight that keep the order; then those of what is left over, and so on."""
    pairs: Pairs = []
    for turn in range(ROUNDS):
        found = _heaviest(weights[np.ix_(left, columns)])
        pairs += [(int(left[i]), int(columns[j]), turn) for i, j in found]
        left = np.delete(left, [i for i, _ in found])
        columns = np.delete(columns, [j for _, j in found])
        if not found or not len(left) or not len(columns):
            break
    return pairs


def _heaviest(weights: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The heaviest common subsequence: `best[i, j]` is its weight for the first i rows and j columns."""
    rows, columns = weights.shape
    best = np.zeros((rows + 1, columns + 1), np.float32)
    for i in range(rows):
        paired = np.where(weights[i] > 0, best[i, :-1] + weights[i], 0)
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], paired))
    pairs = []
    i, j = rows, columns
    while i and j:
        if best[i, j] == best[i, j - 1]:
            j -= 1
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]

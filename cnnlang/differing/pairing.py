"""Which step of one net is which of the other.

What is computed alike from the inputs on is paired first, the deepest first (as in Falleri et al. 2014, "Fine-grained
and accurate source code differencing"). The steps that are left are aligned like the lines of two texts; each pair of
that alignment is a new ground from which equal steps are paired again, so that one difference is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from difflib import SequenceMatcher

from cnnlang.differing.steps import Step, Steps
from cnnlang.ops.elementwise import Activation
from cnnlang.ops.merge import Merge
from cnnlang.ops.pool import AdaptiveAvgPool, GlobalAvgPool, GlobalMaxPool, Pool
from cnnlang.ops.shape import Upsample

MOST_CELLS = 1_000_000  # of an alignment's table; beyond, steps are aligned by their keys alone

FAMILIES: tuple[tuple[type, ...], ...] = (
    (Activation,),
    (Merge,),
    (Pool,),
    (AdaptiveAvgPool, GlobalAvgPool, GlobalMaxPool),
    (Upsample,),
)


class Pairing:
    """The pairs of two nets' steps; a step that is in none has no counterpart."""

    def __init__(self, left: Steps, right: Steps) -> None:
        self.left, self.right = left, right
        self.partner: dict[Step, Step] = {}
        self._numbers: dict[Hashable, int] = {}
        for pair in zip(left.inputs, right.inputs, strict=False):
            self._join(*pair)
        self._join_equal()
        for one, other in self._aligned():
            if one not in self.partner and other not in self.partner:
                self._join(one, other)
                self._join_equal()

    def __getitem__(self, step: Step) -> Step | None:
        return self.partner.get(step)

    def _join(self, one: Step, other: Step) -> None:
        self.partner[one] = other
        self.partner[other] = one

    # --- equal from some ground on ------------------------------------------------------------------------------------

    def _join_equal(self) -> None:
        """Pair steps that do the same to what is paired, the deepest first, each with all that leads to it."""
        left, right = self._meanings(self.left.order), self._meanings(self.right.order)
        waiting: dict[int, list[Step]] = {}
        for step in reversed(self.right.order):
            if step not in self.partner:
                waiting.setdefault(right[step], []).append(step)
        for step in sorted(self.left.order, key=lambda s: -s.depth):
            if step in self.partner:
                continue
            others = [o for o in waiting.get(left[step], ()) if o not in self.partner]
            if others:
                self._join_cones(step, others[-1], left, right)

    def _join_cones(self, one: Step, other: Step, left: dict[Step, int], right: dict[Step, int]) -> None:
        stack = [(one, other)]
        while stack:
            a, b = stack.pop()
            if a in self.partner or b in self.partner or left[a] != right[b]:
                continue
            self._join(a, b)
            if not a.is_commutative:
                stack += zip(a.inputs, b.inputs, strict=True)
                continue
            free = list(b.inputs)
            for branch in a.inputs:
                found = next((f for f in free if right[f] == left[branch]), None)
                if found is not None:
                    free.remove(found)
                    stack.append((branch, found))

    def _meanings(self, order: Iterable[Step]) -> dict[Step, int]:
        """A number for what each step computes from what is paired: two have the same if they compute the same."""
        found: dict[Step, int] = {}
        for step in order:
            meaning: Hashable
            if step in self.partner:
                meaning = ("pair", *sorted((id(step), id(self.partner[step]))))
            else:
                inputs = [found[s] for s in step.inputs]
                meaning = (step.key, tuple(sorted(inputs) if step.is_commutative else inputs))
            found[step] = self._numbers.setdefault(meaning, len(self._numbers))
        return found

    # --- alike --------------------------------------------------------------------------------------------------------

    def _aligned(self) -> Sequence[tuple[Step, Step]]:
        left = [s for s in self.left.order if s not in self.partner]
        right = [s for s in self.right.order if s not in self.partner]
        if len(left) * len(right) > MOST_CELLS:
            blocks = SequenceMatcher(None, [s.key for s in left], [s.key for s in right], False).get_matching_blocks()
            return [(left[b.a + i], right[b.b + i]) for b in blocks for i in range(b.size)]
        return align(left, right, likeness)


def likeness(one: Step, other: Step) -> float:
    """How much one step is like another, from 0; negative where they have nothing in common."""
    bonus = 1.0 if one.type == other.type else 0.0
    if one.key == other.key:
        return 8 + bonus
    if one.kind == other.kind:
        apart = [k for k, v in one.arguments.items() if v != other.arguments.get(k)]
        return 4 + bonus - 0.5 * len(apart)
    ops = one.node.op, other.node.op
    if any(all(isinstance(op, family) for op in ops) for family in FAMILIES):
        return 2 + bonus
    return -1


def align(left: Sequence[Step], right: Sequence[Step], like: Callable[[Step, Step], float]) -> list[tuple[Step, Step]]:
    """The pairs, in order on both sides, whose likeness is largest in sum (Needleman and Wunsch 1970)."""
    width = len(right)
    best = [[0.0] * (width + 1)]
    for one in left:
        above, row = best[-1], [0.0]
        for j, other in enumerate(right):
            row.append(max(above[j + 1], row[j], above[j] + like(one, other)))
        best.append(row)
    pairs = []
    i, j = len(left), width
    while i and j:
        score = like(left[i - 1], right[j - 1])
        if score > 0 and best[i][j] == best[i - 1][j - 1] + score:
            pairs.append((left[i - 1], right[j - 1]))
            i, j = i - 1, j - 1
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]

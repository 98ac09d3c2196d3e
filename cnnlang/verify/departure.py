"""Where a target departs from the reference: the first value that differs, and the steps that may have made it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import NDArray

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input
from cnnlang.verify.comparison import Difference, compare
from cnnlang.verify.runners import Array


@dataclass(frozen=True, slots=True, eq=False)
class Departure:
    """The first value at which a target and the reference part.

    Attributes
    ----------
    node
        The first node, inputs before users, whose value differs.
    suspects
        The steps between it and the last values that agree, in order, `node` last: one where the target shows all.
    difference
        How its value differs.
    actual, reference
        Its least and largest finite numbers in the target and in the reference; None where there are none.
    """

    node: Node
    suspects: tuple[Node, ...]
    difference: Difference
    actual: tuple[float, float] | None
    reference: tuple[float, float] | None


def first_departure(
    graph: Graph, reference: Mapping[Node, Array], seen: Mapping[Node, Array], tolerance: float
) -> Departure | None:
    """Compare the values that a target shows, in order.

    Returns
    -------
    Departure or None
        None where all of them agree.
    """
    agreeing: set[Node] = set()
    for node in graph.nodes:
        if isinstance(node.op, Input):
            agreeing.add(node)
        elif node in seen:
            difference = compare(seen[node], reference[node])
            if not difference.agrees(tolerance):
                suspects = _suspects(node, agreeing)
                return Departure(node, suspects, difference, span_of(seen[node]), span_of(reference[node]))
            agreeing.add(node)
    return None


def _suspects(node: Node, agreeing: set[Node]) -> tuple[Node, ...]:
    """The steps that lead from values that agree to one that does not."""
    found: dict[Node, None] = {node: None}
    waiting = [node]
    while waiting:
        for value in waiting.pop().values:
            if value not in agreeing and value not in found:
                found[value] = None
                waiting.append(value)
    return tuple(reversed(found))


def span_of(values: NDArray) -> tuple[float, float] | None:  # type: ignore[type-arg]
    """The least and the largest finite number."""
    import numpy as np

    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None

"""Rewrites of the graph that keep its meaning: `optimize` runs them in order, and checks the graph after each."""

from __future__ import annotations

from collections.abc import Callable

from cnnlang.ir import Graph
from cnnlang.passes.activation import Fused, fuse_activation
from cnnlang.passes.batch_norm import FoldedBias, FoldedDeconvKernel, FoldedKernel, fold_batch_norm
from cnnlang.passes.dropout import remove_dropout

__all__ = [
    "PASSES",
    "FoldedBias",
    "FoldedDeconvKernel",
    "FoldedKernel",
    "Fused",
    "check",
    "fold_batch_norm",
    "fuse_activation",
    "optimize",
    "remove_dropout",
]

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    remove_dropout,  # first: a dropout between a convolution and its bn or activation would hide one from the other
    fold_batch_norm,  # before fusing: the activation stands behind the bn, and joins the convolution once that is gone
    fuse_activation,
)


def optimize(graph: Graph) -> Graph:
    """The same net in fewer steps.

    The weights keep their paths: what is folded is arithmetic on `Weight` nodes, done again whenever weights change.
    """
    for rewrite in PASSES:
        graph = rewrite(graph)
        check(graph)
    return graph


def check(graph: Graph) -> None:
    """Assert that every node has the type that its operator gives for its inputs.

    Raises
    ------
    AssertionError
        A pass has made a graph that does not hold together.
    """
    for node in graph.nodes:
        expected = node.op.result(*(n.type for n in node.inputs))
        assert node.type == expected, f"{node!r} should be {expected}"

"""Rewrites of the graph that keep its meaning: `optimize` runs them in order, and checks the graph after each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from cnnlang.errors import UsageError
from cnnlang.ir import Graph, Node
from cnnlang.passes.activation import Fused, fuse_activation
from cnnlang.passes.average import average_first
from cnnlang.passes.batch_norm import FoldedBias, FoldedDeconvKernel, FoldedKernel, fold_batch_norm
from cnnlang.passes.common import share_common
from cnnlang.passes.constants import Computed, fold_constants
from cnnlang.passes.dropout import remove_dropout
from cnnlang.passes.hoist import hoist_activation
from cnnlang.passes.identity import remove_identity
from cnnlang.passes.normalize import NormalizedBias, NormalizedKernel, fold_normalize
from cnnlang.passes.siblings import Joined, merge_siblings
from cnnlang.passes.unread import remove_unread

__all__ = [
    "PASSES",
    "Computed",
    "FoldedBias",
    "FoldedDeconvKernel",
    "FoldedKernel",
    "Fused",
    "Joined",
    "NormalizedBias",
    "NormalizedKernel",
    "Pass",
    "average_first",
    "check",
    "find",
    "fold_batch_norm",
    "fold_constants",
    "fold_normalize",
    "fuse_activation",
    "hoist_activation",
    "merge_siblings",
    "optimize",
    "remove_dropout",
    "remove_identity",
    "remove_unread",
    "running",
    "share_common",
]


@dataclass(frozen=True, slots=True)
class Pass:
    """A rewrite of graphs.

    Attributes
    ----------
    rewrite
        The function.
    aliases
        What other compilers call it, for messages.
    is_on
        Whether `optimize` runs it unless told otherwise.
    """

    rewrite: Callable[[Graph], Graph]
    aliases: tuple[str, ...] = ()
    is_on: bool = True

    def __call__(self, graph: Graph) -> Graph:
        """The graph after it, checked."""
        rewritten = self.rewrite(graph)
        if rewritten is not graph:
            check(rewritten, set(graph.nodes))
        return rewritten

    @property
    def name(self) -> str:
        """What a command calls it: `fold-batch-norm` for the function `fold_batch_norm`."""
        return self.rewrite.__name__.replace("_", "-")

    @property
    def title(self) -> str:
        """What it does, the first line of the function's docstring."""
        return (self.rewrite.__doc__ or "").splitlines()[0]


PASSES: tuple[Pass, ...] = (
    # first: what stands between two steps hides one from the other
    Pass(remove_dropout),
    Pass(remove_identity, ("simplify", "canonicalize", "eliminate-nop", "algebraic-simplification")),
    Pass(remove_unread, ("dce", "dead-code", "dead-code-elimination", "eliminate-deadend")),
    # before all that wants a value to have one user: two equal users become one
    Pass(share_common, ("cse", "gvn", "common-subexpressions", "common-subexpression-elimination")),
    # before activations: they stand behind the bn, and join the layer once that is gone
    Pass(fold_batch_norm, ("fold-bn", "bn-folding", "conv-bn", "fuse-bn", "fuse-bn-into-conv")),
    Pass(fold_normalize, ("normalize-folding", "fold-mean")),
    # behind the folding, which makes arithmetic on weights
    Pass(fold_constants, ("constant-folding", "const-fold", "constprop")),
    # behind the folding of bn, which may stand between the two
    Pass(average_first),
    # puts an activation where the next pass finds it
    Pass(hoist_activation),
    Pass(fuse_activation, ("fusion", "fuse", "epilogue-fusion", "fuse-relu", "conv-relu")),
    # last: siblings must have the same activation; it does not always pay
    Pass(merge_siblings, ("horizontal-fusion", "sibling-merging", "merge-convolutions"), is_on=False),
)


def optimize(graph: Graph, also: Collection[str] = ()) -> Graph:
    """The same net in fewer steps.

    The weights keep their paths: what is folded is arithmetic on `Weight` nodes, done again whenever weights change.

    Parameters
    ----------
    also
        The names of passes to run besides those that always run: `merge-siblings`.

    Raises
    ------
    UsageError
        There is no such pass.
    """
    for step in running(also):
        graph = step(graph)
    return graph


def running(also: Collection[str] = ()) -> list[Pass]:
    """The passes that `optimize` runs, in order; raises as it does."""
    wanted = {find(name).name for name in also}
    return [step for step in PASSES if step.is_on or step.name in wanted]


def find(name: str) -> Pass:
    """A pass by its name.

    Raises
    ------
    UsageError
        There is none.
    """
    for step in PASSES:
        if step.name == name:
            return step
    raise UsageError(unknown(name))


def unknown(name: str, others: Collection[str] = ()) -> str:
    """The message for a name that no pass has, nor one of these others."""
    from cnnlang.expand.cures.suggest import nearest

    plain = name.lower().replace("_", "-")
    own = {step.name: step.name for step in PASSES} | {other: other for other in others}
    foreign = {alias: step.name for step in PASSES for alias in step.aliases}
    containing = [known for known in own if plain and plain in known]
    near = own.get(nearest(plain, own) or "") or foreign.get(nearest(plain, foreign) or "")
    near = foreign.get(plain) or (containing[0] if len(containing) == 1 else near)
    return f"there is no pass `{name}`" + (f"; did you mean `{near}`?" if near else "")


def check(graph: Graph, known: Collection[Node] = ()) -> None:
    """Assert that every node has the type that its operator gives for its inputs.

    Parameters
    ----------
    known
        Nodes that were checked before; they never change.

    Raises
    ------
    AssertionError
        A pass has made a graph that does not hold together.
    """
    for node in graph.nodes:
        if node in known:
            continue
        expected = node.op.result(*(n.type for n in node.inputs))
        assert node.type == expected, f"{node!r} should be {expected}"

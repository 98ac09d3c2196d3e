"""What a net is made of and what it costs: a row for each step or scope, and totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlang import analysis
from cnnlang.dims import substitute, variables
from cnnlang.summary.rows import Row, build_rows

if TYPE_CHECKING:
    from cnnlang.dims import Dim
    from cnnlang.program import Program

__all__ = ["Row", "Summary", "summarize"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A net's layers and totals, for one sample in inference; `str` gives a table.

    Attributes
    ----------
    net, file
        The net's name, and the name of its file.
    rows
        The inputs, then the steps in the order of the text; with a `depth`, scopes folded into one row each.
    params, params_train
        The trained numbers, without and with the `aux` heads.
    macs
        Multiply-accumulates; a `Term` where the input's size is symbolic.
    depth
        The most convolution and dense layers on any path.
    layers
        The steps that compute, folded or not.
    activations
        The elements of all steps' results.
    peak_memory
        The most bytes of values needed at one time; None where the input's size is symbolic.
    symbols
        The letters of the input's size that are not known, besides N, each with a value that makes the size usual.
    """

    net: str
    file: str
    rows: tuple[Row, ...]
    params: int
    params_train: int
    macs: Dim
    depth: int
    layers: int
    activations: Dim
    peak_memory: int | None
    symbols: Mapping[str, int]

    def __str__(self) -> str:
        from cnnlang.summary.table import summary_table

        return summary_table(self)

    def data(self) -> dict[str, Any]:
        """The summary as plain data, for JSON."""
        from cnnlang.summary.data import summary_data

        return summary_data(self)


def summarize(program: Program, depth: int | None = None) -> Summary:
    """Count a net.

    Parameters
    ----------
    depth
        How many levels of scopes to show; deeper ones are folded into the row of theirs. None shows every step.
    """
    graph = program.graph
    steps = [n for n in graph.nodes if n.values]
    activations: Dim = 0
    for node in steps:
        activations = activations + node.type.elements
    return Summary(
        net=program.name,
        file=program.definition.span.source.name,
        rows=tuple(build_rows(program, depth)),
        params=analysis.params(graph),
        params_train=analysis.params_train(program),
        macs=analysis.macs(graph),
        depth=analysis.depth(graph),
        layers=len(steps),
        activations=activations,
        peak_memory=analysis.peak_memory(graph),
        symbols=_usual_sizes([d for n in graph.inputs for d in n.type.shape[1:]]),
    )


def _usual_sizes(dims: Sequence[Dim]) -> dict[str, int]:
    """For each letter of an input's size the least value that makes its side 256 or more."""
    found: dict[str, int] = {}
    for dim in dims:
        for name in sorted(variables(dim)):
            sides = ((v, substitute(dim, dict.fromkeys(variables(dim), v))) for v in range(1, 257))
            usual = next((v for v, side in sides if isinstance(side, int) and side >= 256), 256)
            found.setdefault(name, usual)
    return found

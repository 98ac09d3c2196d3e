"""The rows of a summary: the graph's nodes, in the order and under the scopes in which the file says them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from cnnlang.analysis import connections, fully_connected, node_params
from cnnlang.dims import Dim
from cnnlang.ir import Node, TensorType
from cnnlang.program import (
    Applied,
    Chosen,
    Inlined,
    Layer,
    Looped,
    Merged,
    Opened,
    OutputMade,
    Program,
    Repeated,
    Scope,
    Trace,
)
from cnnlang.receptive import receptive_fields
from cnnlang.signature import show_value

Opening: TypeAlias = Applied | Opened  # each use of a scope; a shared one is opened more than once


@dataclass(frozen=True, slots=True)
class Row:
    """A step, or a scope folded into one row.

    Attributes
    ----------
    name
        The path of a layer or scope, the name of a value, else the operator.
    operator
        The step as the language writes it.
    type
        The shape of its result.
    params
        Trained numbers; those of a shared layer count in the row that uses it first.
    macs
        Multiply-accumulates for one sample.
    receptive_field
        Rows and columns of the input that one number of the result can depend on; None for all.
    connections
        Links between input and output numbers (LeCun et al. 1998); None where each is linked to one only.
    fully_connected
        The weights that would connect every input with every output; None for steps other than convolution and dense.
    steps
        How many steps are folded into it.
    """

    name: str
    operator: str
    type: TensorType
    params: int
    macs: Dim
    receptive_field: tuple[int, int] | None
    connections: Dim | None
    fully_connected: Dim | None
    steps: int = 1

    @property
    def activation(self) -> Dim:
        """The elements of the result for one sample."""
        return self.type.elements

    def with_step(self, other: Row) -> Row:
        """A folded row with one more step in it."""
        linked = [c for c in (self.connections, other.connections) if c is not None]
        total: Dim = 0
        for c in linked:
            total = total + c
        return replace(
            self,
            params=self.params + other.params,
            macs=self.macs + other.macs,
            connections=total if linked else None,
            steps=self.steps + 1,
        )


def build_rows(program: Program, depth: int | None) -> Iterator[Row]:
    """The rows of a net, with scopes below a depth folded."""
    fields = receptive_fields(program.graph)
    counted: set[Node] = set()
    folded: dict[Opening, Row] = {}
    rows: dict[object, Row] = {}
    names = {info.node: info.name for info in program.inputs}
    for node, openings in _in_order(program):
        fresh = [w for w in node.weights if w not in counted and w.op.name == "weight"]
        counted.update(fresh)
        row = Row(
            name=names.get(node, node.name),
            operator="input" if node in names else str(node.op),
            type=node.type,
            params=sum(map(node_params, fresh)),
            macs=node.macs,
            receptive_field=fields[node],
            connections=connections(node) if node.values else None,
            fully_connected=fully_connected(node) if node.values else None,
        )
        if depth is None or len(openings) < depth:
            rows[node] = row
            continue
        opening = openings[depth - 1]
        if opening not in folded:
            folded[opening] = _empty(opening, fields)
        folded[opening] = rows[opening] = folded[opening].with_step(row)
    yield from rows.values()


def _empty(opening: Opening, fields: dict[Node, tuple[int, int] | None]) -> Row:
    scope, output = opening.scope, opening.output
    return Row(scope.path, _operator(scope), output.type, 0, 0, fields[output], None, None, steps=0)


def _operator(scope: Scope) -> str:
    """What a folded scope is: `bottleneck(64, 1)`, or the word that opened it."""
    if scope.definition is None:
        return {"repeat": "{ ... }"}.get(scope.kind, scope.kind)
    inside = ", ".join(show_value(v) for v in scope.arguments.values())
    return f"{scope.definition.name.name}({inside})" if inside else scope.definition.name.name


def _in_order(program: Program) -> Iterator[tuple[Node, tuple[Opening, ...]]]:
    """Every node of the graph that is no weight, once, in the order of the text, and the scopes that it stands in."""
    needed = {n for n in program.graph.nodes if not n.op.is_weight}
    for node in program.graph.inputs:
        needed.discard(node)
        yield node, ()
    for node, openings in _walk(program.root.body, ()):
        if node in needed:
            needed.discard(node)
            yield node, openings
    for node in program.graph.nodes:
        if node in needed:
            yield node, ()


def _walk(traces: Iterable[Trace], openings: tuple[Opening, ...]) -> Iterator[tuple[Node, tuple[Opening, ...]]]:
    for trace in traces:
        match trace:
            case Layer(node=node):
                yield node, openings
            case Merged(branches=branches, node=node):
                for _, inner, _ in branches:
                    yield from _walk(inner, openings)
                yield node, openings
            case Applied(body=inner):
                yield from _walk(inner, (*openings, trace))
            case Opened(scope=scope):
                yield from _walk(scope.body, (*openings, trace))
            case Repeated(turns=turns):
                for inner in turns:
                    yield from _walk(inner, openings)
            case Looped(turns=looped):
                for _, inner in looped:
                    yield from _walk(inner, openings)
            case Chosen(body=inner) | Inlined(body=inner) | OutputMade(body=inner):
                yield from _walk(inner, openings)
            case _:
                pass

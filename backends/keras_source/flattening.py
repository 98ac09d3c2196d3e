"""Where the order of a flattened map is kept, by the rows of the kernel behind it or by putting the channels first.

The language flattens C, H, W. A channels-last map flattens to H, W, C: the same numbers in another order. Where they
reach nothing but dense layers, through steps that do not care for the order of their numbers, the rows of those
kernels are put in the other order when they are loaded. Elsewhere the map is permuted before it is flattened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cnnlang.ir import Graph, Node
from cnnlang.ops import Op
from cnnlang.ops.base import Weight
from cnnlang.ops.dense import Dense, Dropout
from cnnlang.ops.elementwise import Activation
from cnnlang.ops.norm import Normalize
from cnnlang.ops.shape import Flatten
from cnnlang.program import (
    Applied,
    AuxMade,
    Chosen,
    Inlined,
    Layer,
    Looped,
    Merged,
    Opened,
    OutputMade,
    Program,
    Repeated,
    Trace,
)

Sizes = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Flattening:
    """How the maps of a program are flattened.

    Attributes
    ----------
    permuted
        The flattenings that put the channels first.
    rows
        For each dense layer behind another one, by its path: the channels, height and width of the map.
    """

    permuted: frozenset[Op]
    rows: dict[str, Sizes]


def flattening(program: Program) -> Flattening:
    """Decide for every `flatten` of a program; those of one place in the file, and of one dense layer, alike."""
    graph = program.training_graph
    readers = _readers(graph)
    places = {trace.node: id(trace.step) for trace in layers_in(program.root.body)}
    flattened = [n for n in graph.nodes if isinstance(n.op, Flatten) and _changes_order(n)]
    reached = {n: _dense_behind(n, readers, graph) for n in flattened}
    permuted = {n for n in flattened if reached[n] is None}
    source = {dense: n for n in flattened for dense in reached[n] or ()}
    while True:
        kinds: dict[str, set[Sizes | None]] = {}  # what each dense layer reads: a map's rows, or something else
        for dense in (n for n in graph.nodes if isinstance(n.op, Dense)):
            behind = source.get(dense)
            is_plain = behind is not None and behind not in permuted
            kinds.setdefault(_path(dense), set()).add(_sizes(source[dense]) if is_plain else None)
        mixed = {path for path, found in kinds.items() if len(found) > 1}
        barred = {places.get(n, id(n)) for n in permuted} | {id(n.op) for n in permuted}
        more = {
            n
            for n in flattened
            if n not in permuted
            and (
                places.get(n, id(n)) in barred
                or id(n.op) in barred
                or any(_path(dense) in mixed for dense in reached[n] or ())
            )
        }
        if not more:
            rows = {_path(d): _sizes(n) for d, n in source.items() if n not in permuted}
            return Flattening(frozenset(n.op for n in permuted), rows)
        permuted |= more


def _changes_order(node: Node) -> bool:
    """Whether the order of the numbers is another one with the channels last."""
    (x,) = node.values
    return x.type.rank == 4 and x.type.channels > 1 and x.type.shape[2:] != (1, 1)


def _readers(graph: Graph) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for value in node.values:
            found.setdefault(value, []).append(node)
    return found


def _dense_behind(node: Node, readers: dict[Node, list[Node]], graph: Graph) -> list[Node] | None:
    """The dense layers that a flattened map reaches; None where it reaches anything else that knows its order."""
    if not all(isinstance(size, int) for size in node.values[0].type.shape[1:]):
        return None
    found: list[Node] = []
    stack, seen = [node], {node}
    outputs = set(graph.outputs)
    while stack:
        current = stack.pop()
        if current in outputs:
            return None
        for reader in readers.get(current, []):
            if reader in seen:
                continue
            seen.add(reader)
            if isinstance(reader.op, Dense):
                found.append(reader)
            elif _is_blind(reader):
                stack.append(reader)
            else:
                return None
    return found


def _is_blind(node: Node) -> bool:
    """Whether an operator does the same whatever the order of the features is."""
    match node.op:
        case Normalize(mean=mean, std=std):
            return len(mean) == 1 and len(std) == 1
        case Activation() | Dropout() | Flatten():
            return not node.weights
    return False


def _path(dense: Node) -> str:
    return next(n.op.path.rpartition(".")[0] for n in dense.weights if isinstance(n.op, Weight))


def _sizes(node: Node) -> Sizes:
    _, channels, height, width = node.values[0].type.shape
    assert isinstance(channels, int)
    assert isinstance(height, int)
    assert isinstance(width, int)
    return channels, height, width


def layers_in(body: tuple[Trace, ...]) -> Iterator[Layer]:
    """The layers in a record and in all that it opens."""
    stack = list(reversed(body))
    while stack:
        trace = stack.pop()
        match trace:
            case Layer():
                yield trace
            case Applied(body=inner) | Chosen(body=inner) | Inlined(body=inner) | OutputMade(body=inner):
                stack.extend(reversed(inner))
            case Opened(scope=scope) | AuxMade(scope=scope):
                stack.extend(reversed(scope.body))
            case Merged(branches=branches):
                stack.extend(t for _, traces, _ in reversed(branches) for t in reversed(traces))
            case Repeated(turns=turns):
                stack.extend(t for traces in reversed(turns) for t in reversed(traces))
            case Looped(turns=looped):
                stack.extend(t for _, traces in reversed(looped) for t in reversed(traces))
            case _:
                pass

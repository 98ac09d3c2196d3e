"""What steps are called: by the file's own names where it has any, else by their scope, operator and number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from cnnlang.ir import Node
from cnnlang.ops.base import Weight
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
    Trace,
)


def step_names(program: Program) -> dict[Node, str]:
    """A name for every step of the inference graph, no two alike, none that of an input or another step's output."""
    graph = program.graph
    scopes = _scopes(program)
    outputs = dict(zip(reversed(graph.output_names), reversed(graph.outputs), strict=True))
    taken = {n.name for n in graph.inputs}
    counts: Counter[str] = Counter()
    names: dict[Node, str] = {}
    for node in graph.nodes:
        if node.op.is_weight or node.op.arity == 0:
            continue
        if is_named(node):
            name = node.name
            reserved = outputs.get(name, node) is not node
            again = 2
            while name in taken or reserved:
                name, again, reserved = f"{node.name}/{again}", again + 1, False
        else:
            base = f"{scopes.get(node, '')}/{node.op.name}"
            counts[base] += 1
            name = f"{base}_{counts[base]}"
        taken.add(name)
        names[node] = name
    return names


def is_named(node: Node) -> bool:
    """Whether the file calls a step anything: it has a path, or a label."""
    return any(isinstance(w.op, Weight) for w in node.inputs) or node.name != node.op.name


def _scopes(program: Program) -> dict[Node, str]:
    """The path of the scope in which each step stands, "" for the net itself."""
    found: dict[Node, str] = {}
    stack: list[tuple[Iterator[Trace], str]] = [(iter(program.root.body), "")]
    while stack:
        traces, path = stack[-1]
        trace = next(traces, None)
        if trace is None:
            stack.pop()
            continue
        for inner, place in _inside(trace, path):
            stack.append((iter(inner), place))
        if isinstance(trace, Layer | Merged):
            found.setdefault(trace.node, path)
    return found


def _inside(trace: Trace, path: str) -> Iterable[tuple[tuple[Trace, ...], str]]:
    """The records inside a trace, each with the path of its scope; heads that only train are not looked into."""
    match trace:
        case Applied(scope=scope, body=body):
            yield body, scope.path
        case Opened(scope=scope):
            yield scope.body, scope.path
        case Merged(branches=branches):
            yield from ((traces, path) for _, traces, _ in branches)
        case Repeated(turns=turns):
            yield from ((traces, path) for traces in turns)
        case Looped(turns=looped):
            yield from ((traces, path) for _, traces in looped)
        case Chosen(body=body) | Inlined(body=body) | OutputMade(body=body):
            yield body, path
        case _:
            pass

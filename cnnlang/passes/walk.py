"""What the passes share: who uses a value and how often, and a rewriting that knows the node it replaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from cnnlang.ir import Graph, Node


def use_counts(graph: Graph) -> Counter[Node]:
    """How many inputs and results of the graph each node is."""
    counts = Counter(graph.outputs)
    for node in graph.nodes:
        counts.update(node.inputs)
    return counts


def users_of(graph: Graph) -> dict[Node, list[Node]]:
    """Who reads each node, once for every time, in the order of the graph; nothing for what nobody reads."""
    found: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for value in node.inputs:
            found.setdefault(value, []).append(node)
    return found


def rewrite(graph: Graph, rule: Callable[[Node, Node], Node | None]) -> Graph:
    """Replace nodes, inputs first.

    `rule` gets each node as it was (so that it can be looked up) and as it is with its new inputs, and answers its
    replacement, or None to keep it. A graph in which nothing changes is the answer itself.
    """
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = tuple(new[n] for n in node.inputs)
        fresh = node if inputs == node.inputs else replace(node, inputs=inputs)
        new[node] = rule(node, fresh) or fresh
    if all(new[n] is n for n in (*graph.inputs, *graph.outputs)):
        return graph
    return Graph(
        graph.name, tuple(new[n] for n in graph.inputs), tuple(new[n] for n in graph.outputs), graph.output_names
    )

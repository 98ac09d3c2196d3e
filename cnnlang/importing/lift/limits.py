"""What no text can say, told of every step at once."""

from __future__ import annotations

from typing import Any

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.importing.lift.items import layer_path
from cnnlang.ir import Graph, Node

MAX_NUMBERS = 4096  # of a fixed kernel, in a text


def refuse(graph: Graph, name: str) -> None:
    """Raise where a step cannot be written.

    Raises
    ------
    FindingsError
        E0602: a fixed kernel has too many numbers to be read, or steps share weights and are not the same operator.
    """
    wrong: list[str] = []
    users: dict[str, list[Node]] = {}
    for node in graph.nodes:
        count = numbers_in(getattr(node.op, "weight", None))
        if count > MAX_NUMBERS:
            wrong.append(f"`{node.name}`: a fixed kernel of {count:,} numbers is too long for a text; make it a weight")
        path = layer_path(node)
        if path is not None:
            users.setdefault(path, []).append(node)
    for path, nodes in users.items():
        if len({(str(n.op), n.weights) for n in nodes}) > 1:
            wrong.append(f"`{path}`: steps that share weights must be the same operator with the same arguments")
    if wrong:
        raise FindingsError([Diagnostic("E0602", message, file=name) for message in wrong])


def numbers_in(value: Any) -> int:
    """The numbers in a nested list."""
    count, stack = 0, [value] if isinstance(value, list) else []
    while stack:
        for item in stack.pop():
            if isinstance(item, list):
                stack.append(item)
            else:
                count += 1
    return count

"""What is computed twice is computed once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from typing import Any

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input, Op, Weight
from cnnlang.ops.dense import Dropout
from cnnlang.passes.walk import rewrite


def share_common(graph: Graph) -> Graph:
    """Let one step serve all that do the same.

    Law: an operator is a function, of its values and its weights. Weights are the same where their paths are, and fixed
    numbers where they are equal; layers with weights of their own stay apart, whatever these hold. A dropout is no
    function and is left alone. The first of equal steps stays, with its name and place.
    """
    first: dict[Hashable, Node] = {}
    keys = Keys()

    def rule(old: Node, new: Node) -> Node | None:
        if isinstance(new.op, Input | Dropout):
            return None
        return first.setdefault((keys.of(new.op), new.inputs), new)

    return rewrite(graph, rule)


class Keys:
    """Equal keys for operators that do the same; holds while the operators live."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Hashable, ...], int] = {}  # of lists that were seen, by what they hold
        self._lists: dict[int, int] = {}  # the same by identity: a fixed kernel repeats one list for many channels

    def of(self, op: Op) -> Hashable:
        if isinstance(op, Weight):  # most nodes are weights, and a path tells all
            return op.path
        return (type(op), *(self._value(getattr(op, f.name)) for f in fields(op)))  # type: ignore[arg-type]

    def _value(self, value: Any) -> Hashable:
        if isinstance(value, Op):
            return self.of(value)
        if not isinstance(value, list):
            return repr(value)  # tells 0.0 from -0.0
        if id(value) not in self._lists:
            inside = tuple(map(self._value, value))
            self._lists[id(value)] = self._numbers.setdefault(inside, len(self._numbers))
        return ("list", self._lists[id(value)])

"""The graph: typed nodes that point to their inputs. Every target is made from it or from the `Program` that holds it.

Nodes never change and nothing points back; every walk is iterative, for a net may be a chain of thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cnnlang.dims import Dim, substitute

if TYPE_CHECKING:
    from cnnlang.ops.base import Op
    from cnnlang.source import Span


@dataclass(frozen=True, slots=True)
class TensorType:
    """The shape of a float32 tensor: `[N, C, H, W]` or `[N, C]` for values; a weight has a shape of its own."""

    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def batch(self) -> Dim:
        return self.shape[0]

    @property
    def channels(self) -> int:
        """The channels, never symbolic."""
        channels = self.shape[1]
        assert isinstance(channels, int)
        return channels

    @property
    def height(self) -> Dim:
        return self.shape[2]

    @property
    def width(self) -> Dim:
        return self.shape[3]

    @property
    def elements(self) -> Dim:
        """The number of elements of one sample (of the whole tensor for a weight)."""
        count: Dim = 1
        for dim in self.shape[1:]:
            count = count * dim
        return count

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """One operator applied to nodes; made by `Node.of`, which runs the operator's shape rule.

    Attributes
    ----------
    op
        The operator with its arguments.
    inputs
        The values it reads, then its weights in the order of `op.parameters`.
    type
        The shape of its one result.
    span
        Where the file says it, with the stack of expansions; None for nodes that a pass made of nothing in the file.
    name
        What the file calls it: its label or path (`stem`, `layer1.0.conv1`), else its operator.
    """

    op: Op
    inputs: tuple[Node, ...]
    type: TensorType
    span: Span | None = None
    name: str = ""

    @classmethod
    def of(cls, op: Op, *inputs: Node, span: Span | None = None, name: str = "") -> Node:
        """Apply an operator.

        Raises
        ------
        OperatorError
            The inputs' shapes break the operator's rule.
        """
        return cls(op, inputs, op.result(*(n.type for n in inputs)), span, name or op.name)

    @property
    def values(self) -> tuple[Node, ...]:
        """The inputs that are values of the net."""
        return tuple(n for n in self.inputs if not n.op.is_weight)

    @property
    def weights(self) -> tuple[Node, ...]:
        """The inputs that are weights: `Weight` nodes and fixed `Constant` nodes."""
        return tuple(n for n in self.inputs if n.op.is_weight)

    @property
    def macs(self) -> Dim:
        """Multiply-accumulates for one sample."""
        return self.op.macs(*(n.type for n in self.inputs))

    def __repr__(self) -> str:
        return f"<{self.name}: {self.op} {self.type}>"


def topological(outputs: Iterable[Node]) -> Iterator[Node]:
    """Every node that the outputs need, inputs before users, in a fixed order."""
    done: set[Node] = set()
    stack = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        if ready:
            done.add(node)
            yield node
        else:
            stack.append((node, True))
            stack.extend((n, False) for n in reversed(node.inputs) if n not in done)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A net for inference.

    Attributes
    ----------
    name
        The net's name.
    inputs
        Its `Input` nodes, in the order of the file.
    outputs
        Its results, in the order of the file.
    output_names
        Their names; `output` where the file names none.
    """

    name: str
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    output_names: tuple[str, ...]
    _order: list[Node] = field(default_factory=list, init=False)

    @property
    def nodes(self) -> list[Node]:
        """All nodes, weights among them, inputs before users."""
        if not self._order:
            unused = [n for n in self.inputs]
            self._order.extend(topological([*unused, *self.outputs]))
        return self._order

    @property
    def weights(self) -> dict[str, Node]:
        """The weights that a file holds, by path, in the order of use (running statistics among them)."""
        from cnnlang.ops.base import Weight

        return {n.op.path: n for n in self.nodes if isinstance(n.op, Weight)}

    def rewrite(self, rule: Callable[[Node], Node | None]) -> Graph:
        """Replace nodes, inputs first: `rule` gets a node with its new inputs and answers its replacement or None.

        A graph in which nothing changes is the answer itself.
        """
        new: dict[Node, Node] = {}
        for node in self.nodes:
            inputs = tuple(new[n] for n in node.inputs)
            fresh = node if inputs == node.inputs else replace(node, inputs=inputs)
            new[node] = rule(fresh) or fresh
        if all(new[n] is n for n in (*self.inputs, *self.outputs)):
            return self
        return Graph(
            self.name, tuple(new[n] for n in self.inputs), tuple(new[n] for n in self.outputs), self.output_names
        )

    def __str__(self) -> str:
        """The text of the graph, one node a line: `%1 = conv(64, 7, stride=2) %0 conv1.weight : [N, 64, 109, 109]`."""
        lines = [f"graph {self.name} {{"]
        number: dict[Node, str] = {}
        for node in self.nodes:
            if node.op.is_weight:
                continue
            number[node] = f"%{len(number)}"
            operands = "".join(f" {number[n]}" if n in number else f" {_weight_text(n)}" for n in node.inputs)
            label = f"  # {node.name}" if node.name not in ("", node.op.name) else ""
            lines.append(f"  {number[node]} = {node.op}{operands} : {node.type}{label}")
        results = ", ".join(f"{name}={number[n]}" for name, n in zip(self.output_names, self.outputs, strict=True))
        return "\n".join([*lines, f"  return {results}", "}"])


def _weight_text(node: Node) -> str:
    """A weight by its path, or what it is computed from: `folded(conv1.weight, bn1.weight, bn1.running_var)`."""
    return f"{node.op}({', '.join(map(_weight_text, node.inputs))})" if node.inputs else str(node.op)


def bind_type(type: TensorType, values: dict[str, Dim]) -> TensorType:
    """A type with symbolic sizes replaced."""
    return TensorType(tuple(substitute(d, values) for d in type.shape))


def bind_graph(graph: Graph, values: dict[str, Dim]) -> Graph:
    """A graph with symbolic sizes replaced, node by node."""
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = tuple(new[n] for n in node.inputs)
        new[node] = replace(node, inputs=inputs, type=bind_type(node.type, values))
    return Graph(
        graph.name, tuple(new[n] for n in graph.inputs), tuple(new[n] for n in graph.outputs), graph.output_names
    )

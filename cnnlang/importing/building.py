"""Making a graph layer by layer, as readers of a list of layers do.

Two things are settled here for all of them. A layer that cannot be said leaves a value that nobody knows, and reading
goes on, so that every such layer is found. And what a global pooling makes is [N, C] here and a map [N, C, 1, 1] there:
it is [N, C], which reads better, unless a layer behind it needs a map; then the net is built once more with a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.dims import Term
from cnnlang.errors import OperatorError
from cnnlang.importing.reading import Layer
from cnnlang.importing.texts import MAX_LAYERS
from cnnlang.ir import Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed, Input, Op, Weight
from cnnlang.source import Span

MAX_ELEMENTS = 2**40
MAX_ROUNDS = 3  # a map that is wanted may make another wanted; then all of them are maps
OF_THE_LANGUAGE = ("E0207", "E0305", "E0311")  # what other frameworks may well allow
T = TypeVar("T")


class LayerError(Exception):
    """A layer that does not become steps of the language.

    Attributes
    ----------
    code
        E0601: the file does not hold together; E0602: the language cannot say it; E0603: it is beyond a limit.
    why
        The reason, in a few words.
    span
        The place in the file, where it is not the layer as a whole.
    cure
        What can be done, in a sentence.
    """

    def __init__(self, code: str, why: str, span: Span | None = None, cure: str | None = None) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.span = span
        self.cure = cure

    def finding(self, where: str, span: Span | None, file: str = "") -> Diagnostic:
        """The error as a user sees it; `where` names the layer, `span` is its place."""
        message = f"{where} cannot be said: {self.why}" if self.code == "E0602" else f"{where}: {self.why}"
        help = (Help(self.cure),) if self.cure else ()
        return Diagnostic(self.code, message, self.span or span, help=help, file=file)

    def layer(self, kind: str) -> Layer:
        """The layer in the list of all."""
        return Layer(kind, why=self.why if self.code == "E0602" else f"the file is damaged here: {self.why}")


def unsayable(why: str, span: Span | None = None, cure: str | None = None) -> LayerError:
    """The error for what the language has no equal of."""
    return LayerError("E0602", why, span, cure)


def broken(why: str, span: Span | None = None, cure: str | None = None) -> LayerError:
    """The error for what does not hold together."""
    return LayerError("E0601", why, span, cure)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a layer makes: a node, or None behind a layer that cannot be said.

    Attributes
    ----------
    pools
        The global poolings, by number, whose result this is still as [N, C], so that it can be a map on request.
    """

    node: Node | None
    pools: frozenset[int] = frozenset()

    @property
    def rank(self) -> int:
        """2 or 4; 0 where nobody knows."""
        return self.node.type.rank if self.node else 0

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Its sizes without the batch; None where nobody knows."""
        if self.node is None:
            return None
        return tuple(int(str(d)) for d in self.node.type.shape[1:])


UNKNOWN = Value(None)


@dataclass(slots=True)
class Builder:
    """Applies operators for one layer after the other.

    Attributes
    ----------
    maps
        The global poolings, by number, whose result is to be a map.
    wanted
        Those of which a later layer needed a map.
    trail
        The operators that the layer at hand has become so far.
    span, name
        Its place in the file, and its name there.
    pools
        How many global poolings there were so far.
    """

    maps: frozenset[int] = frozenset()
    wanted: set[int] = field(default_factory=set)
    trail: list[str] = field(default_factory=list)
    span: Span | None = None
    name: str = ""
    pools: int = 0
    _flat: dict[Node, Value] = field(default_factory=dict)
    _weights: dict[str, Node] = field(default_factory=dict)

    def begin(self, span: Span | None, name: str = "") -> None:
        """Go on to the next layer."""
        self.trail.clear()
        self.span, self.name = span, name

    def input(self, label: str, *shape: int) -> Value:
        """An input [N, *shape].

        Raises
        ------
        LayerError
            A size is not positive, or there are too many numbers.
        """
        if min(shape) < 1:
            raise broken(f"the input's sizes {list(shape)} must be positive")
        if math.prod(shape) > MAX_ELEMENTS:
            raise LayerError("E0603", f"an input of {list(shape)} is larger than any tensor may be")
        return Value(Node.of(Input((Term.variable("N"), *shape), label), span=self.span, name=label))

    def apply(self, name: str, *values: Value, path: str = "", **arguments: Any) -> Value:
        """An operator by its name on values.

        Parameters
        ----------
        path
            The path of its weights, without the last part; layers of one path share their weights.

        Raises
        ------
        LayerError
            Its rules forbid it.
        """
        self.trail.append(name)
        try:
            op = OPERATORS[name].make(arguments)
            nodes = [v.node for v in values if v.node is not None]
            if len(nodes) < len(values):
                return UNKNOWN
            inputs = [*nodes, *(self._weight(spec, path) for spec in op.weights(*(n.type for n in nodes)))]
            node = Node.of(op, *inputs, span=self.span, name=self.name)
        except OperatorError as error:
            code = "E0602" if error.code in OF_THE_LANGUAGE else "E0601"
            raise LayerError(code, error.message) from None
        self._bounded(node)
        kept = frozenset[int]().union(*(v.pools for v in values)) if node.type.rank == 2 and _keeps(op) else frozenset()
        return Value(node, kept)

    def _weight(self, spec: Any, path: str) -> Node:
        if math.prod(spec.shape) > MAX_ELEMENTS:
            raise LayerError("E0603", f"a weight of {list(spec.shape)} is larger than any tensor may be")
        if spec.values is not None:
            return Node.of(Fixed(spec.shape, spec.values), span=self.span)
        name = f"{path}.{spec.name}"
        if name not in self._weights:
            self._weights[name] = Node.of(Weight(spec.shape, name, spec), span=self.span)
        elif self._weights[name].type.shape != spec.shape:
            there = list(self._weights[name].type.shape)
            raise broken(f"it shares weights that are {there} in another layer and {list(spec.shape)} here")
        return self._weights[name]

    def _bounded(self, node: Node) -> None:
        elements = node.type.elements
        if isinstance(elements, int) and elements > MAX_ELEMENTS:
            raise LayerError("E0603", f"a value of {node.type} is larger than any tensor may be")

    def as_map(self, value: Value) -> Value:
        """A value as a map.

        Raises
        ------
        LayerError
            It is features, of something else than a global pooling.
        """
        if value.rank != 2:
            return value
        if not value.pools:
            raise unsayable("it makes a map again of features, and the language has no step that does")
        self.wanted |= value.pools
        return UNKNOWN

    def flat(self, value: Value) -> Value:
        """A value as features [N, C]."""
        if value.node is None or value.rank == 2:
            return value
        if value.node not in self._flat:
            self._flat[value.node] = self.apply("flatten", value)
        return self._flat[value.node]

    def like(self, values: Sequence[Value]) -> list[Value]:
        """Values of one rank, where some are maps of 1x1 and others features."""
        ranks = {v.rank for v in values} - {0}
        if len(ranks) < 2:
            return list(values)
        return [self.flat(v) if v.rank == 4 and v.shape is not None and v.shape[1:] == (1, 1) else v for v in values]

    def global_pool(self, name: str, value: Value) -> Value:
        """A global pooling: `global_avgpool` or `global_maxpool`, or one window over all where a map is needed."""
        number = self.pools
        self.pools += 1
        value = self.as_map(value)
        if number not in self.maps:
            made = self.apply(name, value)
            return Value(made.node, frozenset({number})) if made.node else made
        if value.shape is None:
            self.trail.append(name)
            return UNKNOWN
        if name == "global_avgpool":
            return self.apply("adaptive_avgpool", value, size=1)
        return self.apply("maxpool", value, kernel=value.shape[1:])

    def conv(self, value: Value, path: str, *, bias: bool, **arguments: Any) -> Value:
        """A convolution; `depthwise` where each channel is a group of its own, `dense` for 1x1 on features."""
        if value.rank == 2 and value.pools and _is_pointwise(arguments):
            return self.apply("dense", value, path=path, units=arguments["channels"], bias=bias)
        value = self.as_map(value)
        arguments["bias"] = None if bias else False
        groups, channels = arguments["groups"], arguments["channels"]
        if groups > 1 and value.shape is not None and value.shape[0] == groups and channels % groups == 0:
            rest = {k: v for k, v in arguments.items() if k not in ("channels", "groups")}
            return self.apply("depthwise", value, path=path, multiplier=channels // groups, **rest)
        return self.apply("conv", value, path=path, **arguments)


def _keeps(op: Op) -> bool:
    """Whether a result is a map of 1x1 again where the values are."""
    return op.name not in ("flatten", "global_avgpool", "global_maxpool")


def _is_pointwise(arguments: dict[str, Any]) -> bool:
    return (arguments["kernel"], arguments["pad"], arguments["groups"]) == ((1, 1), (0, 0, 0, 0), 1)


def built(build: Callable[[Builder], T]) -> T:
    """Build a net, once more for as long as its layers want maps of what global poolings make."""
    builder = Builder()
    for _ in range(MAX_ROUNDS):
        result = build(builder)
        if not builder.wanted:
            return result
        builder = Builder(maps=builder.maps | builder.wanted)
    return build(Builder(maps=frozenset(range(MAX_LAYERS))))

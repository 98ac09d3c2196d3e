"""What expanding a net gives: the typed graph, and the module tree that tells how the file says it.

The module tree is a record of the expansion. A `Scope` is whatever opens a part of a weight's path; its `body` holds,
in the order of the text, one `Trace` for each thing that the expansion did, with the syntax that asked for it and the
nodes that came of it. Numeric backends need the graph alone; source backends walk the tree, so that a block becomes a
class and `* 8` a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cnnlang.ir import Graph, Node
from cnnlang.signature import Value
from cnnlang.syntax import tree


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Layer:
    """One operator (not a merge) applied to the current value.

    `name` is its part of the path (`conv1`, `stem`; dotted for a dotted label), None for an operator without weights.
    """

    step: tree.Step
    node: Node
    name: str | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Merged:
    """`add { | ... }`: each branch's traces and the node that it ends with; `entry` is the value that enters."""

    step: tree.Step
    node: Node
    entry: Node
    branches: tuple[tuple[tree.Branch, tuple[Trace, ...], Node], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Applied:
    """A block, net or shared value applied: `scope` is the instance (the same one each time for a `shared` name).

    `tensors` are the values bound to its tensor parameters, by name. For a `shared` instance applied again,
    `scope.body` records the first use; `body` is this use's own record.
    """

    step: tree.Step
    scope: Scope
    input: Node
    output: Node
    tensors: Mapping[str, Node]
    body: tuple[Trace, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Repeated:
    """`action * n`: one tuple of traces for each turn. A block repeated gives scopes `name.0`, `name.1`, ...;
    `{ ... } * n` gives scopes `repeat1.0`, ...; an operator gives layers `conv1.0`, ..."""

    step: tree.Step
    count: int
    turns: tuple[tuple[Trace, ...], ...]
    input: Node
    output: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Opened:
    """A `group` or one turn of `{ ... } * n`: its scope, recorded in `scope.body`."""

    syntax: tree.Group | tree.Step
    scope: Scope
    input: Node
    output: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Looped:
    """`for`: for each turn the names bound and the traces."""

    statement: tree.For
    turns: tuple[tuple[Mapping[str, Value], tuple[Trace, ...]], ...]
    input: Node
    output: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chosen:
    """`if`: which side was taken (True, False; for `else if` the inner one is a trace of the outer's `body`)."""

    statement: tree.If
    taken: bool
    body: tuple[Trace, ...]
    input: Node
    output: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Inlined:
    """A plain `{ ... }` as a step."""

    step: tree.Step
    body: tuple[Trace, ...]
    input: Node
    output: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recalled:
    """A chain or branch that goes on from a named value, a tensor parameter or `in`."""

    step: tree.Step
    node: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Named:
    """`as name` on the trace before it: the value `node` is called `name` from here on."""

    step: tree.Step
    name: str
    node: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bound:
    """`let name = value`."""

    statement: tree.Let
    value: Value


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SharedMade:
    """`shared name = Block(...)`; `scope` is None until it is first applied (its weights need an input's shape)."""

    statement: tree.Shared


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OutputMade:
    """One name of an `output` statement, with the traces of its chain (none where it names a value)."""

    item: tree.OutputItem
    body: tuple[Trace, ...]
    node: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AuxMade:
    """An `aux` head: its scope (`scope.body` are its traces), its result and the weight of its loss."""

    statement: tree.Aux
    scope: Scope
    weight: float
    node: Node


Trace: TypeAlias = (
    Layer
    | Merged
    | Applied
    | Repeated
    | Opened
    | Looped
    | Chosen
    | Inlined
    | Recalled
    | Named
    | Bound
    | SharedMade
    | OutputMade
    | AuxMade
)


@dataclass(slots=True, eq=False, repr=False)
class Scope:
    """Whatever opens a part of a weight's path.

    Attributes
    ----------
    kind
        `net`, `block` (an instance, also of a net applied as a block), `group`, `repeat` (one turn), `aux`, `shared`.
    name
        Its part of the path, as `bottleneck1.0`, `layer1`, `layer1.0` (dotted labels open containers); "" for the net.
    path
        The whole path; "" for the net.
    definition
        The block or net it is an instance of.
    arguments
        Every parameter of the definition, by name, evaluated, defaults included (tensor parameters are not among them).
    call
        The call as written, where there is one.
    input, output
        The value that enters and the one that leaves; None for a net with several inputs and where nothing enters.
    body
        What happened inside, in order.
    """

    kind: str
    name: str
    path: str
    definition: tree.Block | tree.Net | None = None
    arguments: Mapping[str, Value] = field(default_factory=dict)
    call: tree.Call | None = None
    input: Node | None = None
    output: Node | None = None
    body: tuple[Trace, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class InputInfo:
    """A net's input and how pictures become it (see `cnnlang.preprocess`): `metadata` as written, checked."""

    name: str
    node: Node
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class AuxHead:
    name: str
    weight: float
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One net, expanded and checked.

    Attributes
    ----------
    name
        The net's name (the variant's, where it is one).
    arguments
        Its parameters' values.
    root
        The module tree.
    graph
        The inference graph: without `aux` heads.
    inputs
        The inputs with their metadata, in order.
    aux
        The training-only heads, in order.
    labels
        The class names; empty where there are none.
    train, predict, meta
        The sections, evaluated: declared objects and values by key; empty where the file has none.
    definition
        The net or variant as written (`root.definition` may stand in another file, for a variant of an imported net).
    """

    name: str
    arguments: Mapping[str, Value]
    root: Scope
    graph: Graph
    inputs: tuple[InputInfo, ...]
    aux: tuple[AuxHead, ...]
    labels: tuple[str, ...]
    train: Mapping[str, Any]
    predict: Mapping[str, Any]
    meta: Mapping[str, Any]
    definition: tree.Net | tree.Variant

    @property
    def training_graph(self) -> Graph:
        """The graph with the `aux` heads as further outputs."""
        return Graph(
            self.graph.name,
            self.graph.inputs,
            (*self.graph.outputs, *(a.node for a in self.aux)),
            (*self.graph.output_names, *(a.name for a in self.aux)),
        )

    def scopes(self) -> Iterator[Scope]:
        """Every scope of the module tree, outermost first, in the order of the text."""
        stack: list[Scope] = [self.root]
        while stack:
            scope = stack.pop()
            yield scope
            stack.extend(reversed(list(child_scopes(scope.body))))


def child_scopes(body: tuple[Trace, ...]) -> Iterator[Scope]:
    """The scopes opened directly in a record, each once."""
    seen: set[Scope] = set()
    stack = list(reversed(body))
    while stack:
        match stack.pop():
            case Applied(scope=scope) | Opened(scope=scope) | AuxMade(scope=scope):
                if scope not in seen:
                    seen.add(scope)
                    yield scope
            case Merged(branches=branches):
                stack.extend(t for _, traces, _ in reversed(branches) for t in reversed(traces))
            case Repeated(turns=turns):
                stack.extend(t for traces in reversed(turns) for t in reversed(traces))
            case Looped(turns=looped):
                stack.extend(t for _, traces in reversed(looped) for t in reversed(traces))
            case Chosen(body=inner) | Inlined(body=inner) | OutputMade(body=inner):
                stack.extend(reversed(inner))
            case _:
                pass

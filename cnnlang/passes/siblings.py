"""Convolutions of one value that differ only in their weights are one convolution of more channels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Conv
from cnnlang.ops.shape import Channels
from cnnlang.passes.activation import Fused
from cnnlang.passes.common import Keys
from cnnlang.passes.walk import rewrite, users_of

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

# which of some siblings to merge, from them and from who reads each value
Policy: TypeAlias = Callable[[Sequence[Node], Mapping[Node, Sequence[Node]]], Sequence[Node]]


def pointwise(siblings: Sequence[Node], users: Mapping[Node, Sequence[Node]]) -> Sequence[Node]:
    """All convolutions with a 1x1 kernel, as the branches of an inception module begin with."""
    return [node for node in siblings if convolution(node.op).kernel == (1, 1)]


def merge_siblings(graph: Graph, policy: Policy = pointwise) -> Graph:
    """Join convolutions that read one value alike.

    The result is cut into their parts.

    Law: the channels of a convolution's result do not see each other, so that those of several, one after the other,
    are the result of the convolution whose weights are theirs, one after the other. Siblings read the same value with
    the same kernel size, stride, padding, dilation and fill, in one group, all with a bias or all without, and the same
    activation is fused into them. It pays where one pass over the input saves more than cutting costs, which `policy`
    decides.

    Parameters
    ----------
    policy
        Which of some siblings, in order, to join, given the users of every node; fewer than two are left as they are.
    """
    families: dict[Hashable, list[Node]] = {}
    keys = Keys()
    for node in graph.nodes:
        kind = _kind(node, keys)
        if kind is not None:
            families.setdefault((node.inputs[0], kind), []).append(node)
    users = users_of(graph)
    chosen = [list(policy(family, users)) for family in families.values() if len(family) > 1]
    member = {node: family for family in chosen if len(family) > 1 for node in family}
    joined: dict[Node, Node] = {}  # by the first of each family

    def rule(old: Node, new: Node) -> Node | None:
        family = member.get(old)
        if family is None:
            return None
        if family[0] not in joined:  # weights read nothing that this pass changes, so the others' are at hand
            joined[family[0]] = _joined(family, new.inputs[0])
        whole = joined[family[0]]
        start = sum(node.type.channels for node in family[: family.index(old)])
        cut = Channels.make({"start": start, "stop": start + new.type.channels})
        return Node.of(cut, whole, span=new.span, name=new.name)

    return rewrite(graph, rule)


def convolution(op: Op) -> Conv:
    """The convolution in a sibling."""
    found = op.producer if isinstance(op, Fused) else op
    assert isinstance(found, Conv)
    return found


def _kind(node: Node, keys: Keys) -> Hashable:
    """What siblings have in common besides their input; None for what is no convolution of one group."""
    op, activation = (node.op.producer, keys.of(node.op.activation)) if isinstance(node.op, Fused) else (node.op, None)
    if not isinstance(op, Conv) or op.groups != 1:
        return None
    rest = (repr(getattr(op, f.name)) for f in op.fields() if f.name not in ("channels", "bias", "weight"))
    return (*rest, op.has_bias, activation)


def _joined(family: Sequence[Node], x: Node) -> Node:
    first = family[0]
    conv = convolution(first.op)
    bias = None if conv.has_bias else False  # not written means a bias
    channels = sum(node.type.channels for node in family)
    op: Op = replace(conv, channels=channels, bias=bias, weight=None)  # type: ignore[type-var]  # `@op` made it one
    if isinstance(first.op, Fused):
        op = replace(first.op, producer=op)
    weights = [Node.of(Joined(), *parts, span=first.span) for parts in zip(*(n.weights for n in family), strict=True)]
    return Node.of(op, x, *weights, span=first.span, name=" + ".join(n.name for n in family))


@dataclass(frozen=True, eq=False, repr=False)
class Joined(Op):
    """The weights of several layers one after the other, along their outputs."""

    name = "joined"
    is_weight = True

    def __str__(self) -> str:
        return self.name

    def result(self, *inputs: TensorType) -> TensorType:
        outputs = sum(int(str(x.shape[0])) for x in inputs)
        return TensorType((outputs, *inputs[0].shape[1:]))

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.concatenate(inputs)

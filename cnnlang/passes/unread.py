"""What nobody reads is not computed."""

from __future__ import annotations

from cnnlang.ir import Graph, Node
from cnnlang.ops.merge import Concat
from cnnlang.ops.shape import Channels

Part = tuple[Node, int, int]  # of a value, the channels from one up to another


def remove_unread(graph: Graph) -> Graph:
    """Remove branches that are made and then cut away.

    `channels` of a `concat` reads the branches that it takes something of, and the others are not computed.

    Law: channels(i, j) of a concat is the concat of what the branches hold there; channels(i, j) of channels(k, l) is
    channels(k + i, k + j). A node that no result needs is in no graph to begin with, for nodes are found from the
    results. A slice that takes something of every branch stays.
    """

    def rule(node: Node) -> Node | None:
        if not isinstance(node.op, Channels):
            return None
        found = parts((node.inputs[0], node.op.start, node.op.stop))
        if found == [(node.inputs[0], node.op.start, node.op.stop)]:
            return None
        label = node.name if node.name != node.op.name else ""
        if len(found) == 1:
            return _slice(node, found[0], label)
        return Node.of(Concat.make({}), *(_slice(node, part) for part in found), span=node.span, name=label)

    return graph.rewrite(rule)


def parts(whole: Part) -> list[Part]:
    """The values that hold some channels, one after the other, as far back as slices and joins say it."""
    found: list[Part] = []
    stack = [whole]
    while stack:
        x, start, stop = stack.pop()
        if isinstance(x.op, Channels):
            stack.append((x.inputs[0], x.op.start + start, x.op.start + stop))
            continue
        read: list[Part] = []
        end = 0
        for branch in x.inputs if isinstance(x.op, Concat) else ():
            begin, end = end, end + branch.type.channels
            if begin < stop and start < end:
                read.append((branch, max(start - begin, 0), min(stop, end) - begin))
        if 0 < len(read) < len(x.inputs):
            stack.extend(reversed(read))
        else:
            found.append((x, start, stop))
    return found


def _slice(node: Node, part: Part, label: str = "") -> Node:
    """Channels of a value, in the place of a node; the value itself where that is all of them."""
    x, start, stop = part
    if (start, stop) == (0, x.type.channels):
        return x
    return Node.of(Channels.make({"start": start, "stop": stop}), x, span=node.span, name=label)

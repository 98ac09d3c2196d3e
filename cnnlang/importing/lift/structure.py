"""From a graph to nested chains: which steps follow each other, what a merge's branches are, which values need names.

A value that is read once joins the chain of its reader. A value that only the branches of one merge read, and through
which everything of them comes, enters that merge (`in`). Every other value is a *root*: it ends a chain of its own and
is called by name wherever it is read.
"""

from __future__ import annotations

import heapq

from cnnlang.importing.lift.items import Chain, Item, Merge, Step
from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input

# A merge whose branches hold more steps, or nest deeper, is written with names in place of `in`.
MAX_REGION = 60
MAX_NESTED = 6
MAX_SPAN = 1000


class Structure:
    """The chains of a graph.

    Attributes
    ----------
    roots
        The values that need a name, each after what it needs.
    """

    def __init__(self, graph: Graph, paths: dict[Node, str]) -> None:
        self.graph = graph
        self.paths = paths
        self.order = [n for n in graph.nodes if not n.op.is_weight]
        self.number = {n: i for i, n in enumerate(self.order)}
        self.above = _dominators(self.order, self.number)
        self.entry: dict[Node, Node] = {}  # of a merge: the value that enters it
        self.is_root: set[Node] = set(graph.inputs)
        self._find_roots()
        self.roots = [n for n in self.order if n in self.is_root and not isinstance(n.op, Input)]

    def _find_roots(self) -> None:
        users: dict[Node, list[tuple[Node, int]]] = {n: [] for n in self.order}
        for node in self.order:
            for slot, value in enumerate(node.values):
                users[value].append((node, slot))
        outputs = set(self.graph.outputs)
        home: dict[Node, tuple[Node, int]] = {}  # of a value: the root (slot -1) or the branch that it belongs to
        size: dict[Node, int] = {}
        nested: dict[Node, int] = {}
        for node in reversed(self.order):
            keys = {
                (user, slot) if len(user.values) > 1 else (user, -1) if user in self.is_root else home[user]
                for user, slot in users[node]
            }
            if isinstance(node.op, Input):
                continue
            merges = {merge for merge, slot in keys}
            merge = next(iter(merges)) if len(merges) == 1 else None
            if node in outputs or not keys:
                self.is_root.add(node)
            elif len(keys) == 1:
                home[node] = next(iter(keys))
            elif (
                merge is not None
                and len(merge.values) > 1
                and self.above[self.number[merge]] == self.number[node]
                and size.get(merge, 0) <= MAX_REGION
                and nested.get(merge, 0) <= MAX_NESTED
                and not self._is_long(node, merge)
            ):
                self.entry[merge] = node
                home[node] = (merge, -1) if merge in self.is_root else home[merge]
            else:
                self.is_root.add(node)
            if node not in self.is_root:
                inside = home[node][0]
                size[inside] = size.get(inside, 0) + 1 + (size.get(node, 0) if len(node.values) > 1 else 0)
                if len(node.values) > 1:
                    nested[inside] = max(nested.get(inside, 0), nested.get(node, 0) + 1)

    def _is_long(self, node: Node, merge: Node) -> bool:
        """Whether a value goes past steps that make the map smaller and then larger again: a skip of a U-Net."""
        if node not in merge.values or node.type.rank != 4:
            return False
        start, end = self.number[node], self.number[merge]
        if end - start > MAX_SPAN:
            return True
        sizes = {n.type.shape[2:] for n in self.order[start + 1 : end] if n.type.rank == 4}
        return len(sizes - {node.type.shape[2:]}) > 0

    def chain(self, root: Node) -> Chain:
        """The steps that lead to a root from roots before it."""
        return self._chain(root, None)

    def _chain(self, end: Node, entry: Node | None) -> Chain:
        """The steps up to a value, from a root or from what enters the merge around it. Recurses as merges nest."""
        items: list[Item] = []
        node = end
        first = True
        while first or not (node in self.is_root or node is entry):
            first = False
            if len(node.values) == 1:
                items.append(Step(node, self.paths.get(node)))
                node = node.values[0]
                continue
            enters = self.entry.get(node)
            branches = []
            for value in node.values:
                if value is enters or value in self.is_root:
                    branches.append(Chain(value, [], value))
                else:
                    branches.append(self._chain(value, enters))
            if enters is None:
                main = [c for c in branches if c.items]
                others = {c.base for c in branches if not c.items}
                is_long = any(self._is_long(o, node) for o in others if o is not None)
                apart = len(main) == 1 and (others != {main[0].base} or is_long)
                if apart and _is_main(main[0].items):
                    # what leads to the merge flows into it, up to the last layer; the other branches are names
                    (flow,) = main
                    cut = _last_layer(flow.items)
                    before, flow.items = flow.items[:cut], flow.items[cut:]
                    base, flow.base = flow.base, before[-1].node
                    items.append(Merge(node, branches, flow.base))
                    items.reverse()
                    return Chain(base, [*before, *items], end)
                bases = bases_of(branches)
                base = bases[0] if len(bases) == 1 else None
                items.append(Merge(node, branches, base))
                items.reverse()
                return Chain(base, items, end)
            items.append(Merge(node, branches, enters))
            node = enters
            if node is entry:
                break
        items.reverse()
        return Chain(node, items, end)


def _is_main(items: list[Item]) -> bool:
    """Whether a branch is longer than a few steps."""
    return _last_layer(items) > 0 and sum(isinstance(i, Merge) or i.node.op.counts_depth for i in items) > 1


def _last_layer(items: list[Item]) -> int:
    """Where the last layer of a branch begins; 0 where it is all that there is."""
    for i in range(len(items) - 1, 0, -1):
        item = items[i]
        if isinstance(item, Step) and (item.node.op.counts_depth or item.node.op.name == "upsample"):
            return i
    return 0


def bases_of(branches: list[Chain]) -> list[Node]:
    """The values from which branches begin, in order."""
    found: dict[Node, None] = {}
    stack = list(reversed(branches))
    while stack:
        chain = stack.pop()
        if chain.base is not None:
            found[chain.base] = None
        else:
            first = chain.items[0]
            assert isinstance(first, Merge)
            stack.extend(reversed(first.branches))
    return list(found)


def recalled(chain: Chain) -> list[Node]:
    """Every value from which a chain or a branch in it begins, what enters a merge among them."""
    found: dict[Node, None] = {}
    stack = [chain]
    while stack:
        each = stack.pop()
        if each.base is not None:
            found[each.base] = None
        for item in reversed(each.items):
            if isinstance(item, Merge):
                stack.extend(reversed(item.branches))
    return list(found)


def ordered(chains: dict[Node, Chain], needs: dict[Node, set[Node]], start: Node | None) -> list[Node]:
    """The roots in an order in which each follows what it needs, and goes on from the one before where it can."""
    place = {root: i for i, root in enumerate(chains)}
    missing = {root: len(needs[root]) for root in chains}
    users: dict[Node, list[Node]] = {}
    for root in chains:
        for need in needs[root]:
            users.setdefault(need, []).append(root)
    ready = [(place[root], root) for root in chains if not missing[root]]
    heap = [i for i, _ in ready]
    heapq.heapify(heap)
    roots = list(chains)
    done: set[Node] = set()
    found: list[Node] = []
    current = start
    while len(found) < len(roots):
        follows = [u for u in users.get(current, ()) if not missing[u] and u not in done] if current else []
        if current is start and not found:
            follows = [r for r in roots[:50] if not missing[r] and chains[r].base is start]
        follows = [u for u in follows if chains[u].base is current] or follows
        if follows:
            root = min(follows, key=lambda r: place[r])
        else:
            while roots[heap[0]] in done:
                heapq.heappop(heap)
            root = roots[heapq.heappop(heap)]
        done.add(root)
        found.append(root)
        for user in users.get(root, ()):
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(heap, place[user])
        current = root
    return found


def _dominators(order: list[Node], number: dict[Node, int]) -> list[int]:
    """For each value the nearest one through which all ways from the inputs lead; -1 where there is none.

    Ways up the tree of dominators are shortened by jumps of doubling length (Myers 1983), so that a skip over
    thousands of steps costs a few.
    """
    above = [-1] * len(order)
    depth = [1] * len(order)
    jump = [-1] * len(order)

    def set_above(node: int, parent: int) -> None:
        above[node] = parent
        depth[node] = depth[parent] + 1 if parent >= 0 else 1
        if parent >= 0:
            far = jump[parent]
            farther = jump[far] if far >= 0 else -1
            level = depth[far] if far >= 0 else 0
            lower = depth[farther] if farther >= 0 else 0
            jump[node] = farther if depth[parent] - level == level - lower else parent
        else:
            jump[node] = -1

    def up_to(node: int, level: int) -> int:
        while node >= 0 and depth[node] > level:
            far = jump[node]
            node = far if (depth[far] if far >= 0 else 0) >= level else above[node]
        return node

    def common(a: int, b: int) -> int:
        if a < 0 or b < 0:
            return -1
        a, b = up_to(a, depth[b]), up_to(b, depth[a])
        while a != b:
            if jump[a] != jump[b]:
                a, b = jump[a], jump[b]
            else:
                a, b = above[a], above[b]
        return a

    for i, node in enumerate(order):
        values = [number[v] for v in node.values]
        if not values:
            continue
        nearest = values[0]
        for value in values[1:]:
            nearest = common(nearest, value)
        set_above(i, nearest)
    return above

"""Blocks where the paths of weights say that there are modules: all layers of `layer1.0`, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from cnnlang.importing.lift.blocks import Blocks, Piece, is_plain, replace
from cnnlang.importing.lift.items import Block, Call, Chain, Item, Merge, Step
from cnnlang.importing.lift.names import is_name, reserved
from cnnlang.importing.lift.shapes import Shapes, all_steps, chains_in, layers_in

MAX_DEPTH = 12
STAGE = 6  # layers of each module of a stage


def find_modules(chains: Iterable[Chain], blocks: Blocks) -> None:
    """Make blocks of modules that occur at least twice, inner ones first."""
    chains = list(chains)
    totals: Counter[tuple[str, ...]] = Counter()
    deepest = 0
    for chain in _all(chains):
        for item in chain.items:
            if isinstance(item, Step) and item.path is not None:
                scope = tuple(item.path.split(".")[:-1])
                deepest = max(deepest, len(scope))
                totals.update(scope[:i] for i in range(1, len(scope) + 1))
    depths = range(min(deepest, MAX_DEPTH), 0, -1)
    for fits, shapes in ((_is_unit, blocks.units), (_is_plain, blocks.shapes)):
        _sequences(_all(chains), depths, totals, blocks, fits, shapes)
    for depth in depths:
        found: list[Piece] = []
        wrapped: dict[Block, list[Piece]] = {}
        worth = []
        for piece in _modules(_all(chains), depth, totals):
            call = wrapped_call(piece.items)
            if call is not None and call.path is not None:
                wrapped.setdefault(call.block, []).append(piece)
            elif piece.is_closed and _is_worth(piece):
                worth.append(piece)
        for block, pieces in wrapped.items():
            pieces.sort(key=lambda p: p.path or "")
            if blocks.make_optional(block, pieces) is not None:
                found += pieces
        for cluster in blocks.clusters(worth):
            if len(cluster) > 1:
                _extend(cluster)
                if blocks.make(cluster, stem_of(cluster)) is not None:
                    found += cluster
        replace(found)


def _all(chains: Iterable[Chain]) -> list[Chain]:
    """The chains and the branches in them, without what is in blocks by now."""
    return [c for chain in chains for c in chains_in(chain)]


def _modules(everything: list[Chain], depth: int, totals: Counter[tuple[str, ...]]) -> list[Piece]:
    """The modules of a depth, each in the chain that is outermost."""
    outermost: dict[str | None, Piece] = {}
    for chain in everything:
        for piece in modules_of(chain, depth, totals):
            assert piece.path is not None
            scope = tuple(piece.path.split("."))
            # a scope in a scope of its own is what a shortcut goes around
            is_inner = totals[scope] == totals[scope[:-1]] and not scope[-1].isdigit()
            if piece.path not in outermost or is_inner:
                outermost[piece.path] = piece
    return list(outermost.values())


def _sequences(
    everything: list[Chain],
    depths: Iterable[int],
    totals: Counter[tuple[str, ...]],
    blocks: Blocks,
    fits: Callable[[Piece], bool],
    shapes: Shapes,
) -> None:
    """Modules that are sequences of layers, wherever they are: one block for all of a shape."""
    kinds: dict[int, list[Piece]] = {}
    seen: set[int] = set()
    for depth in depths:
        for piece in _modules(everything, depth, totals):
            items = piece.items
            if any(id(i) in seen for i in items) or not fits(piece) or not _is_worth(piece) or not piece.is_closed:
                continue
            seen.update(map(id, items))
            if piece.end < len(piece.chain.items) and is_plain(piece.chain.items[piece.end]):
                piece.end += 1
            kinds.setdefault(shapes.of_items(piece.items, len(piece.path or "") + 1), []).append(piece)
    found = []
    for cluster in kinds.values():
        if len(cluster) > 1 and blocks.make(cluster, stem_of(cluster)) is not None:
            found += cluster
    replace(found)


def _is_unit(piece: Piece) -> bool:
    """One convolution with what follows it."""
    return len(piece.items) > 1 and layers_in(piece.items) == 1 and all(isinstance(i, Step) for i in piece.items)


def _is_plain(piece: Piece) -> bool:
    """Several layers and calls, one after the other."""
    return len(piece.items) > 1 and layers_in(piece.items) > 1 and all(isinstance(i, Step | Call) for i in piece.items)


def modules_of(chain: Chain, depth: int, totals: Counter[tuple[str, ...]]) -> list[Piece]:
    """The modules of a depth that lie in a chain as a whole."""
    found: list[Piece] = []
    start: int | None = None
    prefix: tuple[str, ...] = ()
    count = last = 0

    def close() -> None:
        if start is not None and count == totals[prefix]:
            found.append(Piece(chain, start, last + 1, ".".join(prefix)))

    for i, item in enumerate(chain.items):
        common, layers = scope_of(item)
        if layers == 0:
            continue
        if len(common) < depth:
            close()
            start = None
            continue
        if start is None or common[:depth] != prefix:
            close()
            start, prefix, count = i, common[:depth], 0
        count += layers
        last = i
    close()
    return found


def scope_of(item: Item) -> tuple[tuple[str, ...], int]:
    """The scope that the layers of an item have in common, and how many layers there are; a call is in its scope."""
    common: list[str] | None = None
    layers = 0
    stack = [item]
    while stack:
        each = stack.pop()
        if isinstance(each, Merge):
            stack.extend(i for chain in each.branches for i in chain.items)
            continue
        if not isinstance(each, Step | Call) or each.path is None:
            continue
        layers += 1 if isinstance(each, Step) else sum(s.path is not None for s in all_steps(each.items))
        scope = each.path.split(".")[:-1]
        if common is None:
            common = scope
        while common != scope[: len(common)]:
            common.pop()
    return tuple(common or ()), layers


def wrapped_call(items: list[Item]) -> Call | None:
    """The call that items are, alone or with `in` added to it."""
    if len(items) != 1:
        return None
    (item,) = items
    if isinstance(item, Call):
        return item
    if isinstance(item, Merge) and item.node.op.name == "add" and len(item.branches) == 2:
        first, second = sorted(item.branches, key=lambda chain: len(chain.items))
        if not first.items and item.base(first) is None and item.base(second) is None:
            return wrapped_call(second.items)
    return None


def _is_worth(piece: Piece) -> bool:
    """Whether a piece is more than one layer or one block, and not a list of modules."""
    if len(piece.items) == 1 and isinstance(piece.items[0], Call):
        return False
    if _is_stage(piece):
        return False
    return sum(s.path is not None for s in all_steps(piece.items)) > 1


def _is_stage(piece: Piece) -> bool:
    """Whether a piece is a list of modules, numbered, of one block or each of many layers: a loop says it."""
    blocks = {id(i.block) if isinstance(i, Call) else 0 for i in piece.items}
    if len(piece.items) > 1 and len(blocks) == 1 and 0 not in blocks:
        return all(isinstance(i, Call) and i.path is not None and i.path.split(".")[-1].isdigit() for i in piece.items)
    sizes: Counter[str] = Counter()
    for step in all_steps(piece.items):
        if step.path is not None:
            sizes[step.path[len(piece.path or "") + 1 :].split(".")[0]] += 1
    return len(sizes) > 1 and all(part.isdigit() and n >= STAGE for part, n in sizes.items())


def _extend(cluster: list[Piece]) -> None:
    """Take in what follows all pieces alike and has no weights: the activation behind an addition."""
    while True:
        following = [p.chain.items[p.end : p.end + 1] for p in cluster]
        steps = [f[0] for f in following if f and isinstance(f[0], Step) and not f[0].node.weights]
        if len(steps) < len(cluster) or len({str(s.node.op) for s in steps}) > 1:
            return
        for piece in cluster:
            piece.end += 1


def stem_of(cluster: list[Piece]) -> str | None:
    """What the modules call themselves, as `fire` of `fire2` and `features.fire3`; None where that says little."""
    stems = set()
    for piece in cluster:
        assert piece.path is not None
        parts = piece.path.split(".")
        word = parts[-1] if not parts[-1].isdigit() or len(parts) == 1 else parts[-2]
        stems.add(word.rstrip("0123456789").rstrip("_"))
    stem = stems.pop() if len(stems) == 1 else ""
    return stem if is_name(stem) and stem not in GENERIC and len(stem) > 1 else None


# What frameworks call modules of any kind.
GENERIC = {
    *reserved(), "layer", "layers", "stage", "stages", "block", "blocks", "module", "modules", "features", "feature",
    "branch", "branches", "downsample", "shortcut", "body", "denselayer", "denseblock", "sequential", "seq", "net",
    "model", "group", "part", "unit", "units", "backbone", "encoder", "decoder", "head", "inner", "op", "convs", "base",
}  # fmt: skip

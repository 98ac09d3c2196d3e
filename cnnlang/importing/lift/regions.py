"""Blocks where the paths of weights say that there are modules: all layers of `layer1.0`, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cnnlang.importing.lift.blocks import Blocks, Piece, is_plain, replace
from cnnlang.importing.lift.items import Call, Chain, Item, Step
from cnnlang.importing.lift.shapes import all_steps, chains_in


def find_modules(chains: Iterable[Chain], blocks: Blocks) -> None:
    """Make blocks of modules that occur at least twice, inner ones first."""
    everything = [c for chain in chains for c in chains_in(chain)]
    totals: Counter[tuple[str, ...]] = Counter()
    deepest = 0
    for chain in everything:
        for item in chain.items:
            if isinstance(item, Step) and item.path is not None:
                scope = tuple(item.path.split(".")[:-1])
                deepest = max(deepest, len(scope))
                totals.update(scope[:i] for i in range(1, len(scope) + 1))
    for depth in range(min(deepest, 12), 0, -1):
        outermost: dict[str | None, Piece] = {}
        for chain in everything:
            for piece in modules_of(chain, depth, totals):
                outermost.setdefault(piece.path, piece)
        found: list[Piece] = []
        for cluster in blocks.clusters([p for p in outermost.values() if p.is_closed and _is_worth(p)]):
            if len(cluster) > 1:
                _extend(cluster)
                if blocks.make(cluster, stem_of(cluster)) is not None:
                    found += cluster
        replace(found)


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
    """The scope that the layers of an item have in common, and how many layers there are."""
    if isinstance(item, Call) and item.path is not None:
        return tuple(item.path.split(".")[:-1]), sum(s.path is not None for s in all_steps(item.items))
    common: list[str] | None = None
    layers = 0
    for step in all_steps([item]):
        if step.path is None:
            continue
        layers += 1
        scope = step.path.split(".")[:-1]
        if common is None:
            common = scope
        while common != scope[: len(common)]:
            common.pop()
    return tuple(common or ()), layers


def _is_worth(piece: Piece) -> bool:
    """Whether a piece is more than one layer, and more than a run of one block."""
    blocks = {id(i.block) if isinstance(i, Call) else 0 for i in piece.items}
    if len(piece.items) > 1 and len(blocks) == 1 and 0 not in blocks:
        return False
    if len(piece.items) == 1 and isinstance(piece.items[0], Call):
        return False
    return sum(s.path is not None for s in all_steps(piece.items)) > 1


def _extend(cluster: list[Piece]) -> None:
    """Take in what follows all pieces alike and has no weights: the activation behind an addition."""
    while True:
        following = [p.chain.items[p.end : p.end + 1] for p in cluster]
        steps = [f[0] for f in following if f and is_plain(f[0])]
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
    return stem if stem in KNOWN or ("_" in stem and len(stem) > 4) else None


KNOWN = frozenset(
    "bottleneck basic fire inception transition residual se gate res five up down twice separable resblock mbconv unit "
    "dense_layer entry exit middle".split()
)

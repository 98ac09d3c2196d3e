"""Blocks where structure repeats: units of one convolution, merges with what belongs to them, sequences of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnnlang.importing.lift.blocks import Blocks, Piece, is_plain, replace
from cnnlang.importing.lift.items import Call, Chain, Item, Merge, Step
from cnnlang.importing.lift.shapes import all_steps, chains_in, layers_in
from cnnlang.importing.lift.titles import ACTIVATIONS, NORMS

FEWEST_UNITS = 4
MAX_BEFORE = 8  # items before a merge that may belong to it
LONGEST = 24  # items of a sequence
ROUNDS = 12


def find_units(chains: Iterable[Chain], blocks: Blocks) -> None:
    """Blocks of a convolution, its normalisation and its activation, for all kernels."""
    kinds: dict[int, list[Piece]] = {}
    for chain in _all(chains):
        for i, item in enumerate(chain.items):
            if not isinstance(item, Step) or not item.node.op.counts_depth or item.node.type.rank != 4:
                continue
            end = i + 1
            for names in (NORMS, ACTIVATIONS):
                following = chain.items[end] if end < len(chain.items) else None
                if isinstance(following, Step) and following.node.op.name in names:
                    end += 1
            piece = Piece(chain, i, end)
            if end > i + 1 and piece.is_closed and any(s.node.op.name in NORMS for s in all_steps(piece.items)):
                kinds.setdefault(blocks.units.of_items(piece.items), []).append(piece)
    found: list[Piece] = []
    for cluster in kinds.values():
        if len(cluster) >= FEWEST_UNITS and blocks.make(cluster) is not None:
            found += cluster
    replace(found)


def find_merges(chains: Iterable[Chain], blocks: Blocks) -> None:
    """Blocks of merges, inner ones first, with the steps before and behind them that all have."""
    chains = list(chains)
    height = _heights(_all(chains))
    for level in range(1, max(height.values(), default=0) + 1):
        everything = _all(chains)  # without what is in blocks by now
        pieces = [
            Piece(chain, i, i + 1)
            for chain in everything
            for i, item in enumerate(chain.items)
            if isinstance(item, Merge) and height.get(id(item)) == level
        ]
        found: list[Piece] = []
        taken: dict[int, list[Piece]] = {}
        for piece in pieces:
            taken.setdefault(id(piece.chain), []).append(piece)
        for cluster in blocks.clusters([p for p in pieces if p.is_closed]):
            if len(cluster) < 2 or layers_in(cluster[0].items) == 0:
                continue
            _extend(cluster, taken, blocks)
            if blocks.make(cluster) is not None:
                found += cluster
        replace(found)


def _heights(everything: Sequence[Chain]) -> dict[int, int]:
    """Of each merge: how deep merges nest in it, itself included."""
    found: dict[int, int] = {}
    for chain in reversed(everything):
        for item in chain.items:
            if isinstance(item, Merge):
                inner = [found.get(id(i), 0) for c in item.branches for i in c.items]
                found[id(item)] = 1 + max(inner, default=0)
    return found


def _all(chains: Iterable[Chain]) -> list[Chain]:
    return [c for chain in chains for c in chains_in(chain)]


def _extend(cluster: list[Piece], taken: dict[int, list[Piece]], blocks: Blocks) -> None:
    """Take in what stands behind all pieces alike and has no weights, and what stands before all of them alike."""
    while True:
        behind = [p.chain.items[p.end] if p.end < len(p.chain.items) else None for p in cluster]
        if not all(b is not None and is_plain(b) for b in behind):
            break
        if len({blocks.shapes.of(b) for b in behind if b is not None}) > 1:
            break
        for piece in cluster:
            piece.end += 1
    ends = {key: {p.end: p for p in pieces} for key, pieces in taken.items()}
    count = 0
    while count < MAX_BEFORE:
        before = [
            p.chain.items[p.start - count - 1]
            if p.start - count > 1 and (p.start - count) not in ends[id(p.chain)]
            else None
            for p in cluster
        ]
        if not all(isinstance(b, Step | Call) for b in before):
            break
        if len({blocks.shapes.of(b) for b in before if b is not None}) > 1:
            break
        count += 1
    # what is taken in begins with a layer or a normalisation, never in the middle of what another layer made
    while count and not _begins(cluster, count):
        count -= 1
    for piece in cluster:
        piece.start -= count


def _begins(cluster: list[Piece], count: int) -> bool:
    """Whether the item so many before each piece is a good first one."""
    for piece in cluster:
        item = piece.chain.items[piece.start - count]
        if isinstance(item, Call):
            continue
        assert isinstance(item, Step)
        if not item.node.op.counts_depth and item.node.op.name not in NORMS:
            return False
        previous = piece.chain.items[piece.start - count - 1] if piece.start > count else None
        if item.node.op.name in NORMS and isinstance(previous, Step) and previous.node.op.counts_depth:
            return False
    return True


def find_wrapped(chains: Iterable[Chain], blocks: Blocks) -> None:
    """Blocks of what stands in some places alone and in others beside `in` in an addition (MobileNetV2)."""
    chains = list(chains)
    everything = _all(chains)
    # the branches of another addition are residuals of their own
    added = {c for chain in everything for i in chain.items if isinstance(i, Merge) for c in i.branches}
    shapes = blocks.shapes
    wanted: dict[tuple[int, ...], list[tuple[Chain, Item, Chain]]] = {}
    for chain in everything:
        for item in chain.items:
            if not isinstance(item, Merge) or item.node.op.name != "add" or len(item.branches) != 2:
                continue
            bare = [c for c in item.branches if not c.items and item.base(c) is None]
            full = [c for c in item.branches if c.items and item.base(c) is None]
            if len(bare) == len(full) == 1 and layers_in(full[0].items) >= 2:
                wanted.setdefault(tuple(map(shapes.of, full[0].items)), []).append((chain, item, full[0]))
    for shape, every in wanted.items():
        everything = _all(chains)  # without what is in blocks by now
        reached = set(map(id, everything))
        places = [place for place in every if id(place[0]) in reached and id(place[2]) in reached]
        if any(tuple(map(shapes.of, full.items)) != shape for _, _, full in places) or not places:
            continue
        inline: list[Piece] = []
        for chain in everything:
            if chain in added:
                continue
            keys = [shapes.of(item) for item in chain.items]
            i = 0
            while i + len(shape) <= len(keys):
                if tuple(keys[i : i + len(shape)]) == shape:
                    inline.append(Piece(chain, i, i + len(shape)))
                    i += len(shape)
                else:
                    i += 1
        inner = [Piece(c, 0, len(c.items)) for _, _, c in places]
        if not inline or not all(p.is_closed for p in [*inner, *inline]):
            continue
        block = blocks.make([*inner, *inline])
        if block is None:
            continue
        replace([*inner, *inline])
        outer = [*((chain, item) for chain, item, _ in places), *((p.chain, p.call) for p in inline)]
        pieces = []
        for chain, whole in outer:
            pieces += [Piece(chain, at, at + 1) for at, each in enumerate(chain.items) if each is whole]
        if all(p.entry is not None for p in pieces) and blocks.make_optional(block, pieces) is not None:
            replace(pieces)


def find_sequences(chains: Iterable[Chain], blocks: Blocks) -> None:
    """Blocks of layers that follow each other in the same way again and again, the most saving first."""
    chains = list(chains)
    for _ in range(ROUNDS):
        best = _best_sequence(_all(chains), blocks)  # without what is in blocks by now
        if best is None or blocks.make(best) is None:
            return
        replace(best)


def _best_sequence(everything: Sequence[Chain], blocks: Blocks) -> list[Piece] | None:
    """The pieces whose block saves most text; None where none saves any."""
    seen: dict[tuple[int, ...], list[tuple[Chain, int]]] = {}
    for chain in everything:
        keys = [blocks.shapes.of(item) for item in chain.items]
        heads = [_is_head(chain.items, i) for i in range(len(keys) + 1)]
        for i in range(len(keys)):
            if not heads[i] or (i == 0 and chain.base is None):
                continue
            for end in range(i + 2, min(i + LONGEST, len(keys)) + 1):
                if heads[end]:
                    seen.setdefault(tuple(keys[i:end]), []).append((chain, i))
    best: tuple[int, list[Piece]] | None = None
    for keys_of, places in seen.items():
        if len(places) < 2:
            continue
        pieces: list[Piece] = []
        last: dict[int, int] = {}
        for chain, i in places:
            if i >= last.get(id(chain), 0):
                pieces.append(Piece(chain, i, i + len(keys_of)))
                last[id(chain)] = i + len(keys_of)
        items = pieces[0].items
        layers = layers_in(items)
        units = sum(layers_in([i]) > 0 for i in items)
        if len(pieces) < 2 or layers < 2 or units < 2 or _is_of_one_block(items):
            continue
        saved = (len(pieces) - 1) * (len(items) + layers) - 3 * len(pieces) - 4
        key = (pieces[0].items[0].node, pieces[0].items[-1].node)
        is_best = saved > 0 and (best is None or saved > best[0]) and key not in blocks.banned
        if is_best and all(p.is_closed for p in pieces):
            best = saved, pieces
    return best[1] if best else None


def _is_head(items: list[Item], i: int) -> bool:
    """Whether a sequence may begin here, or end before."""
    if i == len(items):
        return True
    item = items[i]
    if not isinstance(item, Step):
        return True
    if item.node.op.counts_depth or item.node.op.name in ("flatten", "global_avgpool"):
        return True
    previous = items[i - 1] if i else None
    return item.node.op.name in NORMS and not (isinstance(previous, Step) and previous.node.op.counts_depth)


def _is_of_one_block(items: list[Item]) -> bool:
    """Whether items are calls of one block, which a run says better."""
    found = {id(i.block) if isinstance(i, Call) else id(i) for i in items}
    return len(found) == 1

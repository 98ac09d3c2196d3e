"""Blocks: pieces of one shape, wherever they stand, become calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cnnlang.importing.lift.items import Block, Call, Chain, Item, Merge, Step
from cnnlang.importing.lift.names import Namespace
from cnnlang.importing.lift.shapes import Shapes, all_steps, externals, layers_in, shortcut_of
from cnnlang.importing.lift.titles import WIDTHS, hint_widths, title_of
from cnnlang.importing.lift.unify import Choice, Solver, ordered_parameters, tabulate
from cnnlang.ir import Node

MAX_PARAMETERS = 8

Key: TypeAlias = tuple[Node, Node]


@dataclass(slots=True, eq=False)
class Piece:
    """Consecutive items of a chain; `path` is the path of the instance that they would be."""

    chain: Chain
    start: int
    end: int
    path: str | None = None
    call: Call | None = None

    @property
    def items(self) -> list[Item]:
        return self.chain.items[self.start : self.end]

    @property
    def entry(self) -> Node | None:
        return self.chain.items[self.start - 1].node if self.start else self.chain.base

    @property
    def is_closed(self) -> bool:
        """Whether it reads one value, the one that enters."""
        if self.entry is None or externals(self.items, self.entry):
            return False
        return all(step.shared is None for step in all_steps(self.items))  # a block does not see the net's names


class Blocks:
    """The blocks of a net, and the names that its file has taken."""

    def __init__(self, names: Namespace, keeps: bool, banned: set[Key]) -> None:
        self.names = names
        self.keeps = keeps
        self.banned = banned
        self.made: list[Block] = []
        self.shapes = Shapes(keeps, False, {})
        self.units = Shapes(keeps, True, {})

    def clusters(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        """Pieces of one shape, in the order of the first of each; of residuals, those with one kind of shortcut."""
        by_shape: dict[int, list[Piece]] = {}
        for piece in pieces:
            prefix = len(piece.path) + 1 if piece.path is not None else 0
            by_shape.setdefault(self.shapes.of_items(piece.items, prefix), []).append(piece)
        return [part for cluster in by_shape.values() for part in self._alike(cluster)]

    def _alike(self, cluster: list[Piece]) -> list[list[Piece]]:
        """A cluster, divided by the shortcuts where they are of several kinds."""
        kinds: dict[tuple[int, ...], list[Piece]] = {}
        for piece in cluster:
            kinds.setdefault(self._shortcuts(piece), []).append(piece)
        if len(kinds) == 1:
            return [cluster]
        empty = [k for k in kinds if not any(k)]
        full = sorted((k for k in kinds if all(k)), key=lambda k: -len(kinds[k]))
        mixed = [k for k in kinds if any(k) and not all(k)]
        if not full or not empty:
            return list(kinds.values())
        joined = sorted([*kinds[full[0]], *kinds[empty[0]]], key=cluster.index)
        return [joined, *(kinds[k] for k in (*full[1:], *mixed))]

    def _shortcuts(self, piece: Piece) -> tuple[int, ...]:
        """The shapes of the shortcuts in a piece, 0 for `in`."""
        prefix = len(piece.path) + 1 if piece.path is not None else 0
        found = []
        stack = list(reversed(piece.items))
        while stack:
            item = stack.pop()
            if isinstance(item, Merge):
                main = shortcut_of(item)
                for i, chain in enumerate(item.branches):
                    if main is not None and i != main:
                        found.append(self.shapes.of_items(chain.items, prefix) + 1 if chain.items else 0)
                    else:
                        stack.extend(reversed(chain.items))
        return tuple(found)

    def make(self, pieces: Sequence[Piece], name: str | None = None) -> Block | None:
        """A block of pieces of one shape, which become calls; None where it would take too many parameters."""
        key = (pieces[0].items[0].node, pieces[0].items[-1].node)
        if key in self.banned:
            return None
        sizes = [sum(1 for _ in all_steps(p.items)) for p in pieces]
        template = sizes.index(max(sizes))
        entries = [p.entry for p in pieces]
        items = [p.items for p in pieces]
        table = tabulate(items, entries, template)
        before = {id(c.holder): dict(c.holder.written) for c in table.columns}
        solver = Solver(self.names, with_in=True)
        solver.solve(table)
        if len(solver.parameters) > min(MAX_PARAMETERS, 4 + layers_in(items[template])):
            for column in table.columns:
                column.holder.written = before[id(column.holder)]
            for choice in table.choices:
                choice.chain.test = None
            return None
        title = name or title_of(items[template])
        for owner, parameter in zip(solver.owners, solver.parameters, strict=True):
            if parameter.name in ("width", "units") and title in WIDTHS:
                owner.hint = WIDTHS[title]
        widths = [o for o, p in zip(solver.owners, solver.parameters, strict=True) if p.name.startswith("width")]
        if len(widths) > 1:
            hint_widths(title, items[template], widths)
        if len(widths) > 1 or title in WIDTHS:
            solver = Solver(self.names, with_in=True)
            solver.solve(table)
        title = self.names.numbered("block") if title == "block1" else self.names.take(title)
        block = Block(title, ordered_parameters(solver.parameters), items[template], entries[template], key)
        if self.keeps and pieces[template].path is not None:
            block.prefix = f"{pieces[template].path}."
        for number, piece in enumerate(pieces):
            arguments = {p.name: p.values[number] for p in solver.parameters}
            call = Call(block, arguments, piece.path, items[number], items[number][-1].node, entries[number])
            piece.call = call
        self.made.append(block)
        return block

    def make_optional(self, inner: Block, pieces: Sequence[Piece]) -> Block | None:
        """A block of calls of one block, to some of which the value that enters is added."""
        key = (inner.key[0], pieces[0].items[-1].node)
        merges = [p.items[0] if isinstance(p.items[0], Merge) else None for p in pieces]
        present = [m is not None for m in merges]
        if all(present) or not any(present) or key in self.banned:
            return None
        template = present.index(True)
        merge = merges[template]
        assert merge is not None
        orders = {bool(m.branches[0].items) for m in merges if m is not None}
        calls: list[Call] = []
        for piece, each in zip(pieces, merges, strict=True):
            inside = piece.items if each is None else [i for chain in each.branches for i in chain.items]
            if not isinstance(inside[0], Call) or inside[0].block is not inner:
                return None
            calls.append(inside[0])
        prefixes = {c.path[len(p.path) :] for c, p in zip(calls, pieces, strict=True) if c.path and p.path}
        if len(orders) > 1 or len(prefixes) > 1:
            return None
        entries = [p.entry for p in pieces]
        table = tabulate([[c] for c in calls], entries, template)
        sizes = [e.type.channels if e is not None else None for e in entries]
        made = [c.node.type.channels for c in calls]
        before = [(c.holder, dict(c.holder.written)) for c in table.columns]
        solver = Solver(self.names, with_in=True)
        solver.solve(table)
        known = len(solver.parameters)
        test = solver.test(Choice(merge.branches[0], [not p for p in present], sizes, made))
        if len(solver.parameters) > known:  # nothing in the sizes tells when
            for holder, written in before:
                holder.written = written
            return None
        merge.test = test
        title = self.names.take("inverted_residual" if inner.name.startswith(("mbconv", "separable")) else "residual")
        block = Block(title, ordered_parameters(solver.parameters), [merge], entries[template], key)
        if self.keeps and pieces[template].path is not None:
            block.prefix = f"{pieces[template].path}."
        for number, (piece, call) in enumerate(zip(pieces, calls, strict=True)):
            arguments = {p.name: p.values[number] for p in solver.parameters}
            piece.call = Call(block, arguments, piece.path, piece.items, piece.items[-1].node, call.entry)
        self.made.append(block)
        return block


def replace(pieces: Sequence[Piece]) -> None:
    """Put the calls in place of the pieces."""
    by_chain: dict[int, list[Piece]] = {}
    for piece in pieces:
        by_chain.setdefault(id(piece.chain), []).append(piece)
    for found in by_chain.values():
        chain = found[0].chain
        items: list[Item] = []
        at = 0
        for piece in sorted(found, key=lambda p: p.start):
            assert piece.call is not None
            items += [*chain.items[at : piece.start], piece.call]
            at = piece.end
        chain.items = [*items, *chain.items[at:]]


def is_plain(item: Item) -> bool:
    """A step without weights that keeps the shape: an activation or dropout."""
    return (
        isinstance(item, Step)
        and item.path is None
        and not item.node.weights
        and (item.node.type == item.node.values[0].type)
    )

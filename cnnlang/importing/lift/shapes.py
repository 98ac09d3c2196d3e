"""What two pieces of a net have in common: their shape, which is all but the numbers that a parameter can be."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from cnnlang.importing.lift.items import Call, Chain, Item, Loop, Merge, Run, Step
from cnnlang.ir import Node
from cnnlang.signature import Field

Value: TypeAlias = Any

NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})(?![0-9])")

# Arguments that may differ between instances of a block; kernels tell blocks apart, save where they are free.
FREE = frozenset({
    "channels", "units", "stride", "pad", "dilation", "groups", "rate", "slope", "start", "stop", "before", "after",
    "amount", "scale", "multiplier", "mean", "std", "size", "r",
})  # fmt: skip


def canonical(value: Value) -> Value:
    """An argument as a column holds it: `3` for `(3, 3)` and `(3, 3, 3, 3)`, `(1, 0)` for `(1, 1, 0, 0)`."""
    if isinstance(value, tuple) and len(value) in (2, 4) and all(isinstance(v, int) for v in value):
        if len(set(value)) == 1:
            return value[0]
        if len(value) == 4 and value[0] == value[1] and value[2] == value[3]:
            return (value[0], value[2])
    if isinstance(value, tuple) and len(value) == 1:
        return value[0]
    return value


def is_free(step: Step, field: Field, kernels: bool) -> bool:
    """Whether an argument may be a parameter."""
    value = getattr(step.node.op, field.name)
    if value is None or isinstance(value, bool | str | list):
        return False
    if field.name == "kernel":
        return kernels or step.node.op.name == "depthwise"
    return field.name in FREE


@dataclass(slots=True)
class Shapes:
    """Makes shapes, as numbers: equal pieces have equal ones.

    Attributes
    ----------
    keeps
        Whether the paths of layers belong to the shape.
    kernels
        Whether the kernels of convolutions may differ.
    """

    keeps: bool
    kernels: bool
    known: dict[Hashable, int]
    skeleton: bool = False  # whether the numbers in paths may differ

    def path(self, path: str | None, prefix: int) -> str | bool:
        """What of a path belongs to the shape."""
        if not self.keeps or path is None:
            return path is not None
        return NUMBER.sub("#", path[prefix:]) if self.skeleton else path[prefix:]

    def intern(self, key: Hashable) -> int:
        return self.known.setdefault(key, len(self.known))

    def of_items(self, items: list[Item], prefix: int = 0) -> int:
        """The shape of consecutive items; `prefix` characters of their paths are the instance's own."""
        return self.intern(("items", tuple(self.of(item, prefix) for item in items)))

    def of(self, item: Item, prefix: int = 0) -> int:
        match item:
            case Step():
                op = item.node.op
                fixed = tuple(
                    (f.name, str(getattr(op, f.name))) for f in op.fields() if not is_free(item, f, self.kernels)
                )
                return self.intern(("step", op.name, fixed, self.path(item.path, prefix), item.shared))
            case Merge():
                parts = [self.of_items(chain.items, prefix) for chain in item.branches]
                parts = [self.intern((part, item.base(c))) for part, c in zip(parts, item.branches, strict=True)]
                main = shortcut_of(item)
                if main is not None and all(item.base(c) is None for c in item.branches):
                    return self.intern(("residual", main, parts[main]))
                return self.intern(("merge", str(item.node.op), tuple(parts)))
            case Call():
                return self.intern(("call", id(item.block), self.path(item.path, prefix)))
            case Run():
                turn = item.turns[0] if item.turns else item.first
                return self.intern(("run", self.of_items(turn, prefix), bool(item.first)))
            case Loop():
                return self.intern(("loop", id(item)))


def shortcut_of(item: Merge) -> int | None:
    """The number of the main branch of a residual addition, whose other branch is `in` or a projection; else None."""
    if item.node.op.name != "add" or len(item.branches) != 2:
        return None
    sizes = [layers_in(chain.items) for chain in item.branches]
    for main, other in ((0, 1), (1, 0)):
        short = item.branches[other]
        simple = len(short.items) <= 3 and all(isinstance(i, Step | Call) for i in short.items)
        if sizes[main] >= 2 and simple and sizes[other] <= 1:
            return main
    return None


def layers_in(items: list[Item]) -> int:
    """The convolutions and dense layers in items."""
    count = 0
    for step in all_steps(items):
        count += step.node.op.counts_depth
    return count


def all_steps(items: list[Item]) -> Iterator[Step]:
    """Every step in items, also in branches, blocks, runs and loops, in order."""
    stack = list(reversed(items))
    while stack:
        item = stack.pop()
        match item:
            case Step():
                yield item
            case Merge():
                stack.extend(i for chain in reversed(item.branches) for i in reversed(chain.items))
            case Call():
                stack.extend(reversed(item.items))
            case Run() | Loop():
                stack.extend(i for turn in reversed(item.turns) for i in reversed(turn))
                if isinstance(item, Run):
                    stack.extend(reversed(item.first))


def chains_in(chain: Chain) -> Iterator[Chain]:
    """A chain and the branches in it."""
    stack = [chain]
    while stack:
        each = stack.pop()
        yield each
        for item in each.items:
            if isinstance(item, Merge):
                stack.extend(item.branches)


def externals(items: list[Item], entry: Node | None) -> set[Node]:
    """The values that items read besides the one that enters. Recurses as merges nest."""
    found: set[Node] = set()
    flow = entry
    for item in items:
        if isinstance(item, Merge):
            for chain in item.branches:
                if chain.base is not None and chain.base is not flow:
                    found.add(chain.base)
                found |= externals(chain.items, flow if chain.base is None else chain.base)
        flow = item.node
    return found

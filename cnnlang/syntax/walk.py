"""Every part of a syntax tree, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from cnnlang.syntax.tree import Tree


def walk(root: Tree) -> Iterator[Tree]:
    """The tree and all trees inside it, in the order of the text."""
    stack: list[object] = [root]
    while stack:
        part = stack.pop()
        if isinstance(part, Tree):
            yield part
            stack.extend(getattr(part, f.name) for f in reversed(fields(part)) if f.name not in ("span", "bar"))
        elif isinstance(part, tuple):
            stack.extend(reversed(part))

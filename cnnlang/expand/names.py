"""The names of a definition: what each stands for, where it was made, and how far it reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk


@dataclass(slots=True)
class Known:
    """A name of a body.

    Attributes
    ----------
    kind
        A `number`, a `tensor`, a `shared` value or a symbolic `size`.
    span
        Where it is bound.
    by
        What binds it: a parameter, `let`, a step with a label, ...
    counts_as_used
        Whether it is no matter that nobody uses it.
    """

    kind: str
    span: Span
    by: tree.Tree
    counts_as_used: bool = False

    @property
    def noun(self) -> str:
        """What it is, in words."""
        if isinstance(self.by, tree.Parameter):
            return "parameter"
        return {"tensor": "value", "shared": "shared layer"}.get(self.kind, "name")


@dataclass(slots=True)
class Names:
    """The names that a body sees."""

    outer: Names | None = None
    own: dict[str, Known] = field(default_factory=dict)

    def find(self, name: str) -> Known | None:
        names: Names | None = self
        while names is not None:
            if name in names.own:
                return names.own[name]
            names = names.outer
        return None

    def all(self, *kinds: str) -> list[str]:
        """Every name of these kinds, the innermost first."""
        names: Names | None = self
        found: list[str] = []
        while names is not None:
            found += [n for n, k in names.own.items() if k.kind in kinds]
            names = names.outer
        return found


def bindings(root: tree.Tree) -> Iterator[tree.Name]:
    """The names that a definition binds anywhere inside it."""
    for part in walk(root):
        match part:
            case tree.Step(label=tree.Name() as name):
                yield name
            case tree.For(targets=targets):
                yield from (p for t in targets for p in walk(t) if isinstance(p, tree.Name))
            case (
                tree.Parameter(name=name)
                | tree.Let(name=name)
                | tree.Shared(name=name)
                | tree.Input(name=name)
                | tree.Aux(name=name)
                | tree.OutputItem(name=name, chain=tree.Chain())
            ):
                yield name
            case _:
                pass


def referenced(root: tree.Tree, bound: set[int]) -> Iterator[str]:
    """The names that a tree uses, without those that it binds and the names of arguments and keys."""
    keys: set[int] = set()
    for part in walk(root):
        match part:
            case tree.Argument(name=tree.Name() as key) | tree.Entry(key=key) | tree.Attribute(name=key):
                keys.add(id(key))
            case tree.Name(name=name) if id(part) not in keys and part.span.start not in bound:
                yield name
            case _:
                pass


class Mentions:
    """Where a tree uses names: as a value in an expression, and as a step of a chain."""

    def __init__(self, root: tree.Tree) -> None:
        self.values: dict[str, list[Span]] = {}
        self.calls: dict[str, list[tree.Call]] = {}
        self.bound: dict[str, list[Span]] = {}
        skipped: set[int] = set()
        for part in walk(root):
            match part:
                case tree.Call(name=name):
                    self.calls.setdefault(name.name, []).append(part)
                    skipped.add(id(name))
                case tree.Argument(name=tree.Name() as key) | tree.Entry(key=key) | tree.Attribute(name=key):
                    skipped.add(id(key))
                case tree.Merge(name=name):
                    skipped.add(id(name))
                case tree.Name(name=name) if id(part) not in skipped:
                    self.values.setdefault(name, []).append(part.span)
                case _:
                    pass
        for name in bindings(root):
            self.bound.setdefault(name.name, []).append(name.span)

    def uses(self, name: str, after: int, until: int, *, steps: bool) -> list[Span]:
        """The uses of a name between two offsets; among them as a step, where a value or `shared` has it."""
        bound = {s.start for s in self.bound.get(name, ())}
        found = [s for s in self.values.get(name, ()) if s.start not in bound]
        if steps:
            found += [c.name.span for c in self.calls.get(name, ())]
        return sorted((s for s in found if after <= s.start < until), key=lambda s: s.start)

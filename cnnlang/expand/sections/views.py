"""`tta` of a `predict` section: views of a picture and how their results are merged, held against the net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlang.diagnostics import Edit, Help
from cnnlang.dims import Term
from cnnlang.expand.arguments import Callee, match_arguments
from cnnlang.expand.cures.removal import at
from cnnlang.expand.cures.suggest import nearest
from cnnlang.expand.findings import Abandon
from cnnlang.expand.sections.calls import Placed, Reader
from cnnlang.ir import Node
from cnnlang.ops import OPERATORS
from cnnlang.syntax import tree
from cnnlang.training.views import VIEWS, TestTime, View

MERGES = ("mean", "max")
EXAMPLE = "mean { | in | hflip }"
MAX_VIEWS = 1000


@dataclass(frozen=True, slots=True)
class ViewReader:
    """Reads `tta = mean { | in | hflip }` for a net with these inputs and outputs."""

    reader: Reader
    inputs: Sequence[Node]
    outputs: Sequence[Node]

    def read(self, entry: tree.Entry) -> TestTime:
        """The merge and the views of each branch.

        Raises
        ------
        Abandon
            Something is wrong, and reported.
        """
        expr = entry.value
        match expr:
            case tree.Pipeline(chain=tree.Chain(steps=(tree.Step(action=tree.Merge() as merge),))):
                return self._merge(merge)
            case tree.Pipeline(chain=tree.Chain(steps=steps)) if any(isinstance(s.action, tree.Merge) for s in steps):
                raise self.reader.error("nothing stands before or after the merge of views", expr.span)
            case tree.ListExpr(items=items) | tree.TupleExpr(items=items) if items:
                text = f"mean {{ {' '.join(f'| {i.span.text}' for i in items)} }}"
                cure = Help(f"write `{text}`", (Edit(expr.span, text),))
                raise self.reader.error("`tta` merges views, and is no list", expr.span, cure)
            case tree.Name() | tree.Call() | tree.Pipeline():
                pass
            case _:
                raise self.reader.error("`tta` merges several views of a picture", expr.span, _example())
        names = self.reader.chain(VIEWS, entry.key.name, expr)
        text = f"mean {{ | in | {' -> '.join(str(v.made) for v in names)} }}"
        cure = Help(f"write `{text}`", (Edit(expr.span, text),))
        raise self.reader.error("`tta` merges several views of a picture, with `mean` or `max`", expr.span, cure)

    def _merge(self, merge: tree.Merge) -> TestTime:
        failed = not self._is_merge(merge)
        branches: list[list[Placed[View]]] = []
        for branch in merge.branches:
            try:
                branches.append(self._branch(branch))
            except Abandon:
                failed = True
        if failed:
            raise Abandon
        result = TestTime(merge.name.name, tuple(tuple(v.made for v in chain) for chain in branches))
        if not self._suits(branches, merge):
            raise Abandon
        if result.count > MAX_VIEWS:
            message = f"there are at most {MAX_VIEWS} views of a picture, and these are {result.count:_}"
            raise self.reader.error(message, merge.span)
        if result.count == 1:
            self.reader.findings.report(
                "W0506", f"`{merge.name.name}` of one view merges nothing", merge.name.span,
                help=(Help("add a view, as `| hflip`, or take the entry away"),),
            )  # fmt: skip
        return result

    def _is_merge(self, merge: tree.Merge) -> bool:
        name, span = merge.name.name, merge.name.span
        if name not in MERGES:
            ours = OPERATORS.foreign(name)
            ours = ours if ours in MERGES else nearest(name, MERGES) or "mean"
            cure = Help(f"write `{ours}`", (Edit(span, ours),))
            self.reader.error(f"views are merged by `mean` or `max`, not by `{name}`", span, cure)
            return False
        try:
            match_arguments(merge.arguments, Callee(name, (), name, {}), span, self.reader.findings)
        except Abandon:
            return False
        return True

    def _branch(self, branch: tree.Branch) -> list[Placed[View]]:
        """The views of one branch, in order; none for `in` alone."""
        if not branch.body:
            cure = Help("write `| in` for the picture itself", (Edit(at(branch.bar, branch.bar.end), " in"),))
            raise self.reader.error("a branch of `tta` is empty", branch.bar, cure)
        views: list[Placed[View]] = []
        failed = False
        for i, statement in enumerate(branch.body):
            if not isinstance(statement, tree.Chain):
                raise self.reader.error("a branch of `tta` is a chain of views", statement.span, _example())
            for j, step in enumerate(statement.steps):
                if i == j == 0 and isinstance(step.action, tree.In):
                    self.reader.bare(step, "tta")
                    continue
                try:
                    views.append(self.reader.step(VIEWS, "tta", step))
                except Abandon:
                    failed = True
        if failed:
            raise Abandon
        return views

    def _suits(self, branches: Sequence[Sequence[Placed[View]]], merge: tree.Merge) -> bool:
        """Report views that do not fit the net's inputs and outputs."""
        pictures = [node for node in self.inputs if node.type.rank == 4]
        if not pictures:
            self.reader.error("`tta` needs an input that is a picture [N, C, H, W]", merge.span)
            return False
        suits = True
        maps = [n for n in self.outputs if n.type.rank == 4 and n.type.shape[2:] != (1, 1)]
        for chain in branches:
            cuts = [view for view in chain if view.made.crops]
            for view in cuts[1:]:
                self.reader.error(f"a branch cuts once, and `{view.made}` would be its second cut", view.span)
                suits = False
            for view in chain:
                if maps and not view.made.is_undone:
                    self.reader.error(
                        f"`{view.made.name}` cannot be undone on the map {maps[0].type} that the net makes",
                        view.span,
                        Help("for maps there are `in`, `hflip` and `vflip`"),
                    )
                    suits = False
            for view in cuts:
                suits = window_fits(view, pictures, self.reader) and suits
        return suits


def window_fits(cut: Placed[Any], pictures: Sequence[Node], reader: Reader) -> bool:
    """Report a window of another size than the net's input, for whatever has a `size`."""
    size: tuple[int, int] | None = getattr(cut.made, "size", None)
    if size is None:
        return True
    for node in pictures:
        want = node.type.shape[2:]
        if all(isinstance(w, Term) or w == s for s, w in zip(size, want, strict=True)):
            continue
        given = f"{size[0]}x{size[1]}"
        message = f"`{cut.made.name}` makes pictures of {given}, and input `{node.name}` is {node.type}"
        text = f"{want[0]}" if want[0] == want[1] else f"{want[0]}x{want[1]}"
        place = cut.arguments["size"]
        cures = () if any(isinstance(w, Term) for w in want) else (Help(f"write `{text}`", (Edit(place, text),)),)
        reader.error(message, place, *cures)
        return False
    return True


def _example() -> Help:
    return Help(f"write for example `{EXAMPLE}`")

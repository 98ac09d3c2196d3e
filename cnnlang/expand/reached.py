"""What of the text was expanded: an `allow` where nothing was expanded may be of use to another net or file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from cnnlang.expand.modules import Module
from cnnlang.program import Program
from cnnlang.source import Source
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

Body = tuple[int, int]  # where it starts and ends


class Reached:
    """The definitions, sides of an `if` and bodies of loops that some net was made of."""

    def __init__(self, modules: Iterable[Module], programs: Iterable[Program]) -> None:
        places: dict[Source, set[int]] = {}
        for program in programs:
            for node in program.training_graph.nodes:
                if node.span is not None:
                    places.setdefault(node.span.source, set()).add(node.span.start)
        self._missed: dict[Source, list[Body]] = {}
        for module in modules:
            starts = sorted(places.get(module.source, ()))
            self._missed[module.source] = [b for b in _bodies(module.file) if not _any_between(starts, b)]

    def line(self, source: Source, number: int) -> bool:
        """Whether whatever a line holds was expanded."""
        start = source.line_starts[number - 1]
        end = start + len(source.line(number))
        return not any(first < end and start < last for first, last in self._missed.get(source, ()))


def _bodies(file: tree.File) -> Iterator[Body]:
    for part in walk(file):
        match part:
            case tree.Block(span=span) | tree.Net(span=span):
                yield span.start, span.end
            case tree.If(then=then, otherwise=otherwise):
                yield from (_body(side) for side in (then, otherwise) if side)
            case tree.For(body=body) if body:
                yield _body(body)
            case _:
                pass


def _body(statements: tuple[tree.Statement, ...]) -> Body:
    return statements[0].span.start, statements[-1].span.end


def _any_between(starts: list[int], body: Body) -> bool:
    i = bisect_left(starts, body[0])
    return i < len(starts) and starts[i] < body[1]

"""What a target cannot say of a program: operators without a counterpart, and names that it keeps for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from cnnlang.backends.python_source.compiler import inexpressible
from cnnlang.diagnostics import Diagnostic
from cnnlang.ops.base import Op, Weight
from cnnlang.program import (
    Applied,
    AuxMade,
    Chosen,
    Inlined,
    Layer,
    Looped,
    Merged,
    Opened,
    OutputMade,
    Program,
    Repeated,
    SharedMade,
    Trace,
)
from cnnlang.source import Span
from cnnlang.syntax import tree


def once_a_place(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The first finding of each code at each place."""
    found: dict[tuple[str, int, int], Diagnostic] = {}
    for diagnostic in diagnostics:
        span = diagnostic.span
        place = (span.start, span.end) if span else (0, 0)
        found.setdefault((diagnostic.code, *place), diagnostic)
    return tuple(found.values())


def operators(program: Program, target: str, expressible: Callable[[Op], bool]) -> Iterator[Diagnostic]:
    """E0401 for each operator that a target has nothing for."""
    for node in program.training_graph.nodes:
        if not node.op.is_weight and node.op.arity != 0 and not expressible(node.op):
            yield inexpressible(target, node)


def segments(body: Sequence[Trace]) -> Iterator[tuple[str, Span]]:
    """Every part of a path that a record opens, and where the file says it."""
    stack: list[Trace] = list(reversed(body))
    shared: dict[str, Span] = {}
    while stack:
        trace = stack.pop()
        match trace:
            case SharedMade(statement=made):
                shared[made.name.name] = made.name.span
            case Layer(step=step, node=node, name=name):
                if name and any(isinstance(n.op, Weight) for n in node.inputs):
                    yield from ((part, shared.get(name) or _place(step)) for part in name.split("."))
            case Applied(step=step, scope=scope, body=inner):
                yield from ((part, shared.get(scope.name) or _place(step)) for part in scope.name.split("."))
                stack.extend(reversed(inner))
            case Opened(syntax=syntax, scope=scope):
                span = syntax.label.span if isinstance(syntax, tree.Group) else _place(syntax)
                yield from ((part, span) for part in scope.name.split("."))
                stack.extend(reversed(scope.body))
            case AuxMade(statement=statement, scope=scope):
                yield scope.name, statement.name.span
                stack.extend(reversed(scope.body))
            case Merged(branches=branches):
                stack.extend(t for _, traces, _ in reversed(branches) for t in reversed(traces))
            case Repeated(turns=turns):
                stack.extend(t for traces in reversed(turns) for t in reversed(traces))
            case Looped(turns=looped):
                stack.extend(t for _, traces in reversed(looped) for t in reversed(traces))
            case Chosen(body=inner) | Inlined(body=inner) | OutputMade(body=inner):
                stack.extend(reversed(inner))
            case _:
                pass


def _place(step: tree.Step) -> Span:
    return step.label.span if step.label is not None else step.action.span

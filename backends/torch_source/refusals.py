"""What PyTorch cannot say: operators without a counterpart, and names that its modules keep for themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnlang.backends.torch_source.compiler import TARGET, expressible
from cnnlang.backends.torch_source.names import is_reserved
from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError
from cnnlang.ops.base import Weight
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


def refuse(program: Program) -> None:
    """Raise FindingsError with E0401 and E0402 for all that the target cannot say."""
    found: dict[tuple[str, int, int], Diagnostic] = {}
    for diagnostic in [*_operators(program), *_names(program)]:
        span = diagnostic.span
        place = (span.start, span.end) if span else (0, 0)
        found.setdefault((diagnostic.code, *place), diagnostic)
    if found:
        raise FindingsError(tuple(found.values()))


def _operators(program: Program) -> Iterator[Diagnostic]:
    for node in program.training_graph.nodes:
        if node.op.is_weight or node.op.arity == 0:
            continue
        if not expressible(node.op):
            yield Diagnostic(
                "E0401",
                f"the target `{TARGET}` has nothing for `{node.op.name}`",
                node.span,
                help=(Help("write the step with operators that the target has, or use another target"),),
            )


def _names(program: Program) -> Iterator[Diagnostic]:
    for name, span in _segments(program.root.body):
        if is_reserved(name):
            yield Diagnostic(
                "E0402",
                f"PyTorch reserves the name `{name}`",
                span,
                notes=("a module of this name would take the place of an attribute that every nn.Module has",)
                if name.isidentifier()
                else (),
                help=(Help(f"give it another name with `as`, such as `{name}_layer`"),),
            )


def _segments(body: Sequence[Trace]) -> Iterator[tuple[str, Span]]:
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

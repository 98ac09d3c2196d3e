"""Questions about the records of an expansion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cnnlang.backends.python_source.code import Value
from cnnlang.backends.python_source.steps import Differs
from cnnlang.ir import Node
from cnnlang.program import (
    Applied,
    AuxMade,
    Bound,
    Chosen,
    Inlined,
    Layer,
    Looped,
    Merged,
    Named,
    Opened,
    OutputMade,
    Recalled,
    Repeated,
    SharedMade,
    Trace,
)
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk


def same(left: Value, right: Value) -> bool:
    """Equality that tells `1` from `true` and from `1.0`."""
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def is_count(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def body_nodes(traces: Sequence[Trace]) -> Iterator[Node]:
    """The nodes of the layers in a record, and what they read."""
    for trace in traces:
        match trace:
            case Layer(node=node):
                yield from (node, *node.inputs)
            case Applied(body=body) | Inlined(body=body) | Chosen(body=body) | OutputMade(body=body):
                yield from body_nodes(body)
            case Opened(scope=scope) | AuxMade(scope=scope):
                yield from body_nodes(scope.body)
            case Merged(branches=branches):
                for _, inner, _ in branches:
                    yield from body_nodes(inner)
            case Repeated(turns=turns):
                for turn in turns:
                    yield from body_nodes(turn)
            case Looped(turns=looped):
                for _, turn in looped:
                    yield from body_nodes(turn)
            case _:
                pass


def is_chain(traces: Sequence[Trace]) -> bool:
    """Whether a body is one step after the other, so that a sequence of modules says it."""
    for trace in traces:
        match trace:
            case Layer() | Bound() | SharedMade() | Named():
                continue
            case Applied(tensors=tensors):
                if tensors:
                    return False
            case Inlined(body=body) | Chosen(body=body):
                if not is_chain(body):
                    return False
            case Opened(scope=scope):
                if not is_chain(scope.body):
                    return False
            case Repeated(turns=turns):
                if not all(is_chain(t) for t in turns):
                    return False
            case Looped(turns=looped):
                if not all(is_chain(t) for _, t in looped):
                    return False
            case _:
                return False
    return True


def syntax_of(trace: Trace) -> object:
    """The syntax that a record is of."""
    match trace:
        case Opened(syntax=syntax):
            return syntax
        case Looped(statement=s) | Chosen(statement=s) | Bound(statement=s) | SharedMade(statement=s):
            return s
        case AuxMade(statement=statement):
            return statement
        case OutputMade(item=item):
            return item
    return trace.step


def end_of(traces: Sequence[Trace], entry: Node) -> Node:
    """The value that leaves a body."""
    for trace in reversed(traces):
        match trace:
            case Layer(node=node) | Merged(node=node) | Recalled(node=node) | Named(node=node):
                return node
            case Applied(output=node) | Repeated(output=node) | Opened(output=node) | Looped(output=node):
                return node
            case Chosen(output=node) | Inlined(output=node):
                return node
            case _:
                continue
    return entry


def bound_to(targets: Sequence[tree.Target], item: Value) -> dict[str, Value]:
    """What a turn's item binds."""
    parts = [item] if len(targets) == 1 else item
    if not isinstance(parts, list | tuple) or len(parts) != len(targets):
        raise Differs
    bound: dict[str, Value] = {}
    for target, part in zip(targets, parts, strict=True):
        bound |= bound_to(target.items, part) if isinstance(target, tree.TupleTarget) else {target.name: part}
    return bound


def target_names(targets: Sequence[tree.Target]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, tree.TupleTarget):
            yield from target_names(target.items)
        else:
            yield target.name


def target_text(target: tree.Target, variables: Mapping[str, str]) -> str:
    if isinstance(target, tree.TupleTarget):
        inside = ", ".join(target_text(t, variables) for t in target.items)
        return f"({inside}{',' if len(target.items) == 1 else ''})"
    return variables[target.name]


def names_in(expr: tree.Expr) -> set[str]:
    return {p.name for p in walk(expr) if isinstance(p, tree.Name)}

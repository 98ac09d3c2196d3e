"""No block applies itself: a circle of definitions would expand for ever."""

from __future__ import annotations

from collections.abc import Iterator

from cnnlang.diagnostics import Help
from cnnlang.expand.findings import Findings
from cnnlang.expand.modules import Definition, Module, shown_circle
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk


def report_recursion(module: Module, findings: Findings) -> bool:
    """Report E0307 for each circle among the definitions of a file and what it imports; whether there is one."""
    done: set[Definition] = set()
    found = False
    for start in module.own:
        path: list[Definition] = []
        stack: list[tuple[Definition, Iterator[tuple[Definition, Span]]]] = []
        if start in done:
            continue
        stack.append((start, _applied(start)))
        path.append(start)
        while stack:
            definition, calls = stack[-1]
            following = next(calls, None)
            if following is None:
                done.add(definition)
                stack.pop()
                path.pop()
                continue
            target, span = following
            if target in path:
                circle = [d.name for d in path[path.index(target) :]] + [target.name]
                words = (
                    f"`{target.name}` applies itself"
                    if len(circle) == 2
                    else f"`{target.name}` applies itself through others"
                )
                findings.report(
                    "E0307",
                    words,
                    span,
                    notes=(f"the circle: {' -> '.join(shown_circle(circle))}",),
                    help=(Help("repeat with `* n` or `for` instead"),),
                )
                found = True
            elif target not in done:
                stack.append((target, _applied(target)))
                path.append(target)
    return found


def _applied(definition: Definition) -> Iterator[tuple[Definition, Span]]:
    """The definitions that a definition applies, and where."""
    for part in walk(definition.syntax):
        if isinstance(part, tree.Call) and part.name.name in definition.module.definitions:
            yield definition.module.definitions[part.name.name], part.name.span

"""The cures of what flows from nowhere and what flows nowhere: inputs, lost values, shapes of applied nets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlang.diagnostics import Edit, Help
from cnnlang.dims import Term, variables
from cnnlang.expand.cures.removal import at, remove_statement, top_of
from cnnlang.ops.merge import projection
from cnnlang.signature import Value, is_int
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnlang.ir import Node, TensorType

EXAMPLE_INPUT = "input image: [N, 3, 224, 224]"


def missing_flow(inputs: Sequence[tuple[tree.Input, Node]], span: Span, net: tree.Net) -> tuple[Help, ...]:
    """The cure for a step that nothing flows into."""
    if inputs:
        name = inputs[0][0].name.name
        if span.text == "in":
            return (Help(f"write `{name}`", (Edit(span, name),)),)
        start = span.end if span.text == "|" else span.start
        text = f" {name} ->" if span.text == "|" else f"{name} -> "
        edits = (Edit(at(span, start), text),) if span.source is net.span.source else ()
        return (Help(f"begin it with `{name} ->`", edits),)
    return missing_input(net)


def missing_input(net: tree.Net) -> tuple[Help, ...]:
    """The cure for a net without an input: an example of one."""
    return (Help(f"declare what goes in:  {EXAMPLE_INPUT}", (top_of(net, EXAMPLE_INPUT),)),)


def input_shape(statement: tree.Input) -> tuple[Help, ...]:
    """The cure for an input of more or fewer sizes than four or two."""
    first, last = statement.shape[0].span, statement.shape[-1].span
    sizes = [d.value for d in statement.shape if isinstance(d, tree.Constant) and is_int(d.value)]
    words = ", ".join(d.span.text for d in statement.shape)
    if first.text == "N" and len(statement.shape) == 3:
        words = f"N, 1, {', '.join(d.span.text for d in statement.shape[1:])}"
        return (Help(f"write [{words}]: one channel", (Edit(first.to(last), words),)),)
    if len(statement.shape) == 3:
        if len(sizes) == 3 and sizes[2] in (1, 3) and sizes[0] not in (1, 3):  # height, width, channels
            words = f"{sizes[2]}, {sizes[0]}, {sizes[1]}"
        return (Help(f"write [N, {words}]", (Edit(first.to(last), f"N, {words}"),)),)
    if len(statement.shape) == 1 and sizes:
        return (Help(f"write [N, {words}]", (Edit(first.to(last), f"N, {words}"),)),)
    return (Help("write [N, channels, height, width]"),)


def input_size(place: int, span: Span) -> tuple[Help, ...]:
    """The cure for a height or width that is no positive number."""
    letter = {2: "H", 3: "W"}.get(place)
    if letter is None:
        return (Help("write for example `3`, the channels of a colour picture", (Edit(span, "3"),)),)
    return (Help(f"write a number from 1, or `{letter}` for any size", (Edit(span, letter),)),)


def sized(size: Term, inputs: Sequence[tree.Input]) -> tuple[Help, ...]:
    """The cure for a symbolic size where a number is due: numbers in the inputs."""
    names = variables(size)
    edits = [
        Edit(part.span, "224")
        for statement in inputs
        for dim in statement.shape[2:]
        for part in walk(dim)
        if isinstance(part, tree.Name) and part.name in names
    ]
    return (Help("declare the size as a number, for example 224, or give it one with `--set`", tuple(edits)),)


def lost_value(node: Node, net: tree.Net) -> tuple[Help, ...]:
    """The cure for a value that reaches no output: its line away, where it has one of its own."""
    words = "name it with `as` and use the name, or take the steps away"
    for statement in net.body:
        if isinstance(statement, tree.Chain) and node.span is not None and node.span.within is None:
            last = statement.steps[-1]
            named = any(isinstance(p, tree.Step) and p.label is not None for p in walk(statement))
            if last.action.span.start == node.span.start and node.span.source is net.span.source and not named:
                return (Help(words, (remove_statement(statement.span),)),)
    return (Help(words),)


def both_sides(name: str, test: tree.If | None) -> Help:
    """The cure for a value that is named on one side of an `if`: on the other it is what passes."""
    if test is None:
        return Help("make it on both sides of the `if`, or before it")
    words = f"make it on both sides of the `if`: `{{ }} as {name}` names what passes"
    if test.otherwise is None:
        return Help(words, (Edit(at(test.span, test.span.end), f" else {{ {{ }} as {name} }}"),))
    other = test.otherwise if name in named(test.then) else test.then
    if not other or name in named(other):
        return Help(words)
    return Help(words, (Edit(at(test.span, other[-1].span.end), f" -> {{ }} as {name}"),))


def named(body: tuple[tree.Statement, ...]) -> set[str]:
    """What the steps of a body name, not those inside further braces."""
    labels = (s.label for c in body if isinstance(c, tree.Chain) for s in c.steps)
    return {label.name for label in labels if isinstance(label, tree.Name)}


def loop(statement: tree.For, value: Value) -> tuple[Help, ...]:
    """The cure for `for i in 3`."""
    if not is_int(value):
        return ()
    span = statement.iterable.span
    return (Help(f"write `range({span.text})`", (Edit(span, f"range({span.text})"),)),)


def unpacked(statement: tree.For, items: Value) -> tuple[Help, ...]:
    """The cure for `for i, x in xs`, and for a tuple of more items than there are names."""
    count, iterable = len(statement.targets), statement.iterable
    if isinstance(iterable, tree.ListExpr):
        tuples = [
            i for i in iterable.items if isinstance(i, tree.TupleExpr | tree.ListExpr) and len(i.items) > count > 1
        ]
        edits = [Edit(Span(t.span.source, t.items[count - 1].span.end, t.items[-1].span.end), "") for t in tuples]
        if edits:
            return (Help("take away what no name takes", tuple(edits)),)
    if count != 2 or any(isinstance(item, list | tuple) for item in items):
        return ()
    span = iterable.span
    text = f"enumerate({span.text})"
    return (Help(f"for a number and an item write `{text}`", (Edit(span, text),)),)


def fewer_repetitions(times: tree.Expr) -> tuple[Help, ...]:
    """The cure for `* (n - 1)` where n may be 0."""
    text = f"max({times.span.text}, 0)"
    return (Help(f"write `{text}`", (Edit(times.span, text),)),)


def fitted(call: Span | None, given: TensorType, wanted: TensorType) -> tuple[Help, ...]:
    """The cure for a net that is applied to another shape than it takes."""
    step = projection(given, wanted)
    if step is None or call is None:
        return (Help("declare its input with letters for sizes that may differ: [N, 3, H, W]"),)
    return (Help(f"bring what comes in to its shape: `{step}`", (Edit(at(call, call.start), f"{step} -> "),)),)

"""The cures of expressions that have no value."""

from __future__ import annotations

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.value import number_in
from cnnlang.signature import Value
from cnnlang.source import Span
from cnnlang.syntax import tree


def as_number(expr: tree.Expr, value: Value) -> tuple[Help, ...]:
    """The cure for a truth value, or digits in quotes, where a number is due."""
    if isinstance(value, bool):
        text = f"1 if {expr.span.text} else 0"
        around = expr.span.source.text[expr.span.start - 1 : expr.span.end + 1]
        text = text if around.startswith("(") and around.endswith(")") else f"({text})"
        return (Help(f"write `{text}`", (Edit(expr.span, text),)),)
    number = number_in(value) if isinstance(value, str) else None
    if number is None:
        return ()
    if isinstance(expr, tree.Constant):
        return (Help(f"a number has no quotes: write `{number}`", (Edit(expr.span, str(number)),)),)
    return (Help(f"a number has no quotes: write `{number}` where it is said"),)


def plain_value(expr: tree.Index) -> tuple[Help, ...]:
    """The cure for `width[0]` where `width` is a number."""
    text = expr.value.span.text
    return (Help(f"write `{text}`", (Edit(Span(expr.span.source, expr.value.span.end, expr.span.end), ""),)),)


def last_index(index: tree.Expr, count: int) -> tuple[Help, ...]:
    """The cure for an index beyond the end: counting begins at 0."""
    if count == 0:
        return (Help("the list is empty"),)
    words = f"counting begins at 0, so the last is {count - 1}"
    if isinstance(index, tree.Constant):
        return (Help(words, (Edit(index.span, str(count - 1)),)),)
    return (Help(words),)


def cut_lists(call: tree.Call, length: int) -> tuple[Help, ...]:
    """The cure for lists of other lengths in `zip`: what it passes over is taken away, where it is written there."""
    edits = []
    for argument in call.arguments:
        value = argument.value
        if isinstance(value, tree.ListExpr) and len(value.items) > length > 0:
            last = value.items[length - 1].span.end
            edits.append(Edit(Span(call.span.source, last, value.items[-1].span.end), ""))
    return (Help("make the lists equally long", tuple(edits)),)


def step_of_one(call: tree.Call) -> tuple[Help, ...]:
    """The cure for `range(1, 9, 0)`."""
    match call.arguments:
        case (_, _, tree.Argument(value=tree.Constant(value=0) as step)):
            return (Help("a step of 0 never ends: write 1", (Edit(step.span, "1"),)),)
    return ()

"""The cures of an operator's own errors: where they stand in the text, and the edits that mend them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cnnlang.diagnostics import Edit, Help
from cnnlang.dims import Term, substitute, variables
from cnnlang.errors import OperatorError
from cnnlang.expand.cures.foreign_steps import NO_RESHAPING
from cnnlang.expand.cures.removal import at, end_of_line, remove_argument
from cnnlang.expand.cures.removal import remove_step as remove_span
from cnnlang.expand.cures.value import value_cure
from cnnlang.expand.frames import ABSENT, UNKNOWN
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.conv import Conv, Deconv
from cnnlang.ops.pool import AdaptiveAvgPool, GlobalPool, Pool
from cnnlang.ops.shape import Flatten, PixelShuffle, Upsample
from cnnlang.signature import Value, is_int, show_value
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnlang.ir import Node
    from cnnlang.ops.base import Op

    Inputs = Sequence[tuple[tree.Input, Node]]

# Kernels that a name is enough for elsewhere, 3x3 each.
KERNELS = {
    "sobel": "[[1, 0, -1], [2, 0, -2], [1, 0, -1]]",
    "sobel_x": "[[1, 0, -1], [2, 0, -2], [1, 0, -1]]",
    "sobel_y": "[[1, 2, 1], [0, 0, 0], [-1, -2, -1]]",
    "prewitt": "[[1, 0, -1], [1, 0, -1], [1, 0, -1]]",
    "laplace": "[[0, 1, 0], [1, -4, 1], [0, 1, 0]]",
    "laplacian": "[[0, 1, 0], [1, -4, 1], [0, 1, 0]]",
    "sharpen": "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]",
    "blur": "[[1/9, 1/9, 1/9], [1/9, 1/9, 1/9], [1/9, 1/9, 1/9]]",
    "box": "[[1/9, 1/9, 1/9], [1/9, 1/9, 1/9], [1/9, 1/9, 1/9]]",
    "gaussian": "[[1/16, 2/16, 1/16], [2/16, 4/16, 2/16], [1/16, 2/16, 1/16]]",
    "identity": "[[0, 0, 0], [0, 1, 0], [0, 0, 0]]",
}

TRAIL = 4
MAX_TRIES = 1000
LARGE_KERNEL = 8  # larger than a kernel that keeps the channels ever is
MULTIPLES = (2, 3, 4, 6, 8, 12, 16, 32, 64, 128)


def trail(node: Node) -> tuple[str, ...]:
    """The shapes that led to a value, as a note: the last few operators along first inputs."""
    if node in (UNKNOWN, ABSENT):
        return ()
    steps: list[str] = []
    while len(steps) < TRAIL:
        steps.append(f"{node.op if node.inputs else node.name} {node.type}")
        if not node.values:
            break
        node = node.values[0]
    else:
        steps.append("...")
    return (f"the shapes that led here: {' -> '.join(reversed(steps))}",)


def remove_step(call: tree.Call) -> tuple[Edit, ...]:
    """The edit that takes a step away, with its arrow."""
    return (remove_span(call.span),)


# --- arguments --------------------------------------------------------------------------------------------------------


def argument_span(call: tree.Call | tree.Merge, argument: str | None) -> Span:
    """The value of an argument as written; the call where it is not written."""
    written = written_argument(call, argument)
    if written is not None:
        return written.value.span
    return call.span if isinstance(call, tree.Call) else call.name.span


def written_argument(call: tree.Call | tree.Merge, argument: str | None) -> tree.Argument | None:
    """The argument of a call that binds a field of its operator."""
    if argument is None:
        return None
    names = [f.name for f in OPERATORS[call.name.name].fields()] if call.name.name in OPERATORS else []
    for i, written in enumerate(call.arguments):
        if (written.name.name if written.name else names[i : i + 1] == [argument] and argument) == argument:
            return written
    return None


def argument_edit(call: tree.Call | tree.Merge, argument: str, replacement: str) -> Edit:
    """The edit that gives an argument a value, written or not."""
    written = written_argument(call, argument)
    if written is not None:
        return Edit(written.value.span, replacement)
    if call.arguments:
        return Edit(at(call.span, call.arguments[-1].span.end), f", {argument}={replacement}")
    end = call.name.span.end
    has_parentheses = isinstance(call, tree.Call) and call.parens
    return Edit(Span(call.span.source, end, call.span.end if has_parentheses else end), f"({argument}={replacement})")


def refused_value(error: OperatorError, call: tree.Call | tree.Merge, value: Value, x: Node) -> tuple[Help, ...]:
    """The cures of a value that an argument cannot have (E0305)."""
    written = written_argument(call, error.argument)
    foreign = _foreign_order(call, x) or _counted_input(call, written, value)
    if foreign or written is None:
        return foreign
    if value is None:
        return (Help("leave it out", (remove_argument(call.arguments, written),)),)
    if error.argument == "weight" and isinstance(value, str) and value.lower() in KERNELS:
        text = KERNELS[value.lower()]
        return (Help(f"write its rows: `{text}`", (Edit(written.value.span, text),)),)
    if error.argument == "weight" and isinstance(value, list) and all(isinstance(row, list) for row in value):
        lengths = [len(row) for row in value]
        odd = next((i for i, n in enumerate(lengths) if n != lengths[0]), None)
        if odd is not None:
            words = f"rows are equally long: row {odd + 1} has {lengths[odd]} numbers, and the first has {lengths[0]}"
            return (Help(words),)
    kind = next(f.kind for f in OPERATORS[call.name.name].fields() if f.name == error.argument)
    return value_cure(kind, value, written.value)


# --- shapes and rules -------------------------------------------------------------------------------------------------


def operator_help(
    error: OperatorError, op: Op | None, call: tree.Call | tree.Merge, x: Node, inputs: Inputs, used: Span
) -> tuple[Help, ...]:
    """The cures of an operator's error, with edits where it says what to write.

    Parameters
    ----------
    error
        What it raised.
    op
        The operator, where its arguments are in order.
    call
        How it is written.
    x
        What flows into it.
    inputs
        The net's inputs, with the statements that declare them.
    used
        Where it is applied: where it is called, or where a `shared` one is named.
    """
    foreign = _foreign_order(call, x, error.code)
    if foreign:
        return foreign
    known = x not in (UNKNOWN, ABSENT)
    if error.code == "E0201" and known and op is not None and isinstance(call, tree.Call):
        found = _for_features(op, used, x, inputs)
        if found:
            return found
    edits: tuple[Edit, ...] = ()
    text = error.help
    if error.before is not None:
        edits = (Edit(at(used, used.start), f"{error.before} -> "),)
        text = text or f"put `{error.before}` before it"
    elif error.instead is not None:
        edits = (Edit(used, error.instead),)
        text = text or f"write `{error.instead}`"
    elif error.replacement is not None and error.argument is not None:
        edits = (argument_edit(call, error.argument, error.replacement),)
        text = text or f"write `{error.argument}={error.replacement}`"
    elif error.code == "E0205" and known and op is not None:
        edits = multiple_sizes(op, (x.type,), inputs)
    elif known and op is not None:
        found = _that_works(error, op, call, x.type)
        if found:
            return found
    return (Help(text, edits),) if text else ()


def _that_works(error: OperatorError, op: Op, call: tree.Call | tree.Merge, x: TensorType) -> tuple[Help, ...]:
    """The argument nearest below the one at fault that the operator takes, found by trying."""
    if isinstance(op, PixelShuffle):
        needed = -(-x.channels // op.r**2) * op.r**2
        text = f"conv({needed}, 1) -> "
        return (
            Help(
                f"make {needed} channels first: `{text.removesuffix(' -> ')}`",
                (Edit(at(call.span, call.span.start), text),),
            ),
        )
    written = written_argument(call, error.argument)
    match written.value if written else None:
        case tree.ListExpr(items=[tree.ListExpr(items=[tree.ListExpr() as rows])]) as value:
            text = rows.span.text
            return (Help(f"rows alone serve every pair of channels: `{text}`", (Edit(value.span, text),)),)
    for argument in dict.fromkeys(("dilation", error.argument) if error.code == "E0202" else (error.argument,)):
        written = written_argument(call, argument)
        if written is None or argument is None:
            continue
        for text, changed in _lower(op, argument, written.value):
            try:
                changed.validate()
                changed.result(x)
            except OperatorError:
                continue
            return (
                Help(
                    f"write `{argument}={text}`" if written.name else f"write `{text}`",
                    (Edit(written.value.span, text),),
                ),
            )
    return ()


def _lower(op: Op, argument: str, expr: tree.Expr) -> Iterator[tuple[str, Op]]:
    """An operator with smaller and smaller values of an argument that is written as a number or a list."""
    field = next(f for f in op.fields() if f.name == argument)
    values: Sequence[Value] = ()
    match expr:
        case tree.Constant(value=int(value)) if not isinstance(value, bool):
            values = range(min(value - 1, MAX_TRIES), -1, -1)
        case tree.ListExpr(items=[tree.Constant(value=first), *rest]):
            same = all(isinstance(i, tree.Constant) and i.value == first for i in rest)
            values = [first] if same else ()
    for value in values:
        with suppress(ValueError, TypeError):
            changed = replace(op, **{argument: field.kind.convert(value)})  # type: ignore[type-var]  # it is a dataclass
            yield show_value(value), changed


def multiple_sizes(op: Op, types: Sequence[TensorType], inputs: Inputs) -> tuple[Edit, ...]:
    """The edits that declare the inputs' sizes as multiples, `2*H`, so that an operator's rule can be proved."""
    names = {name for t in types for d in t.shape[2:] for name in variables(d)}
    for factor in MULTIPLES:
        scaled = {name: factor * Term.variable(name) for name in names}
        try:
            op.result(*(TensorType(tuple(substitute(d, scaled) for d in t.shape)) for t in types))
        except OperatorError:
            continue
        return tuple(
            _multiple(dim, part, factor)
            for statement, _ in inputs
            for dim in statement.shape[2:]
            for part in walk(dim)
            if isinstance(part, tree.Name) and part.name in names
        )
    return ()


def _multiple(dim: tree.Expr, name: tree.Name, factor: int) -> Edit:
    match dim:
        case tree.Arithmetic(first=tree.Constant(value=int(k)), rest=(("*", other),)) if other is name:
            return Edit(dim.span, f"{k * factor}*{name.name}")
    return Edit(name.span, f"{factor}*{name.name}")


def _for_features(op: Op, used: Span, x: Node, inputs: Inputs) -> tuple[Help, ...]:
    """The cures of an operator on maps that was given features [N, C]."""
    statement = next((s for s, node in inputs if node is x), None)
    if statement is not None and isinstance(op, Deconv | Upsample | PixelShuffle):
        words = f"a map of one cell is [N, {x.type.channels}, 1, 1]"
        return (Help(words, (Edit(at(statement.span, statement.shape[-1].span.end), ", 1, 1"),)),)
    if isinstance(op, Pool | GlobalPool | AdaptiveAvgPool) and not isinstance(x.op, Flatten):
        return (Help("there is no map left to pool: take it away", (remove_span(used),)),)
    if isinstance(x.op, Flatten | GlobalPool) and x.span is not None and x.span.source is used.source:
        words = f"`{op.name}` looks at neighbours: take `{x.op.name}` away, or put it after this"
        return (Help(words, (remove_span(x.span),)),)
    if isinstance(op, Conv):
        text = f"dense({op.channels})"
        return (Help(f"on features a convolution is `{text}`", (Edit(used, text),)),)
    if isinstance(op, Deconv | Upsample | PixelShuffle):
        return (Help(NO_RESHAPING),)
    return ()


def _integers(call: tree.Call | tree.Merge) -> list[int]:
    """The leading arguments of a call that are written as plain integers."""
    found: list[int] = []
    for argument in call.arguments:
        match argument:
            case tree.Argument(name=None, value=tree.Constant(value=int(number))) if not isinstance(number, bool):
                found.append(number)
            case _:
                break
    return found


def _leave_out(call: tree.Call | tree.Merge, count: int) -> Help:
    gap = Span(call.span.source, call.arguments[0].span.start, call.arguments[1].span.start)
    return Help(f"the {count} that come in are counted by themselves: leave them out", (Edit(gap, ""),))


def foreign_order(call: tree.Call, x: Node) -> tuple[Help, ...]:
    """The cures of a convolution that fits and yet is written in PyTorch's order, `conv(in, out, kernel)`.

    Its first number is what comes in, and its kernel is larger than any that keeps the channels would be.
    """
    numbers = _integers(call)
    if len(numbers) < 3 or numbers[0] != x.type.channels or numbers[1] < LARGE_KERNEL:
        return ()
    channels, kernel, stride, *_ = numbers
    meant = f"channels={channels}, kernel={kernel}, stride={stride}"
    return (_leave_out(call, channels), Help(f"or write the names, if that is meant: {meant}"))


def _foreign_order(call: tree.Call | tree.Merge, x: Node, code: str = "") -> tuple[Help, ...]:
    """The cure of `conv(in, out, kernel)` and `dense(in, out)`, where something is wrong with what they mean here."""
    numbers = _integers(call)
    match call.name.name, numbers:
        case "dense", [_, _, *_]:
            return (_leave_out(call, numbers[0]),)
        case "conv" | "deconv", [first, kernel, stride, *_]:
            known = x not in (UNKNOWN, ABSENT) and x.type.shape
            # what comes in; or a window that does not fit, with a stride that would be a kernel
            if (known and first == x.type.channels) or (code == "E0202" and stride < kernel):
                return (_leave_out(call, first),)
    return ()


def _counted_input(call: tree.Call | tree.Merge, written: tree.Argument | None, value: Value) -> tuple[Help, ...]:
    """`bn(64)` and `group_norm(32, 64)`, where a count of channels stands in the place of `eps`."""
    if written is None or written.name is not None or not is_int(value) or value < 2:
        return ()
    if call.name.name not in ("bn", "group_norm"):
        return ()
    words = f"the {value} channels that come in are counted by themselves: leave them out"
    return (Help(words, (remove_argument(call.arguments, written),)),)


# --- lints ------------------------------------------------------------------------------------------------------------


def allowing(span: Span, code: str) -> Edit:
    """The edit that silences a lint at the end of its line."""
    line = span.source.line(span.line)
    more = re.search(r"#\s*allow[\s,]+W\d{4}(?:[\s,]+W\d{4})*\s*$", line)
    return end_of_line(span, f" {code}" if more else f"  # allow {code}")


def repeat_all(step: tree.Step) -> tuple[Help, ...]:
    """The cure for `dense(4096) -> relu * 2`: braces around the line up to the `*`."""
    text = step.span.source.text
    start = text.rfind("\n", 0, step.span.start) + 1
    start += len(text[start:]) - len(text[start:].lstrip())
    before = text[start : step.span.start]
    cut = max(before.rfind("{"), before.rfind("|"))
    if cut >= 0:
        start += cut + 1 + (len(before[cut + 1 :]) - len(before[cut + 1 :].lstrip()))
    start = step.span.start if text[start:].startswith("->") else min(start, step.span.start)
    end = step.action.span.end
    mended = f"{{ {text[start:end]} }}"
    times = step.times.span.text if step.times is not None else "n"
    words = "to repeat all of it" if start < step.span.start else "to say that this step alone is meant"
    edits = (Edit(at(step.span, start), "{ "), Edit(at(step.span, end), " }"))
    return (Help(f"{words} write `{mended} * {times}`", edits),)

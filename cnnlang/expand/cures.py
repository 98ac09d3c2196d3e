"""The cures that the expander prints: where an operator's error stands in the text, and the edits that mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.expand.frames import ABSENT, UNKNOWN
from cnnlang.signature import Value, is_int
from cnnlang.source import Span
from cnnlang.syntax import tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnlang.errors import OperatorError
    from cnnlang.expand.findings import Abandon, Findings
    from cnnlang.expand.frames import Frame
    from cnnlang.ir import Node
    from cnnlang.ops.base import Op
    from cnnlang.program import Trace

TRAIL = 4


def at(span: Span, offset: int) -> Span:
    """The empty span at an offset, for an insertion."""
    return Span(span.source, offset, offset)


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


def argument_span(call: tree.Call | tree.Merge, argument: str | None) -> Span:
    """The value of an argument as written; the call's name where it is not written."""
    written = _written(call, argument)
    if written is not None:
        return written.value.span
    return call.span if isinstance(call, tree.Call) else call.name.span


def _written(call: tree.Call | tree.Merge, argument: str | None) -> tree.Argument | None:
    from cnnlang.ops import OPERATORS

    if argument is None:
        return None
    names = [f.name for f in OPERATORS[call.name.name].fields()] if call.name.name in OPERATORS else []
    for i, written in enumerate(call.arguments):
        if (written.name.name if written.name else names[i : i + 1] == [argument] and argument) == argument:
            return written
    return None


def operator_help(error: OperatorError, call: tree.Call | tree.Merge, value: Node) -> tuple[Help, ...]:
    """The cures of an operator's error, with edits where it says what to write."""
    foreign = _foreign_habit(call, value)
    if foreign:
        return foreign
    edits: tuple[Edit, ...] = ()
    text = error.help
    if error.before is not None:
        edits = (Edit(at(call.span, call.span.start), f"{error.before} -> "),)
        text = text or f"put `{error.before}` before it"
    elif error.instead is not None:
        edits = (Edit(call.span, error.instead),)
        text = text or f"write `{error.instead}`"
    elif error.replacement is not None and error.argument is not None:
        edits = (_argument_edit(call, error.argument, error.replacement),)
        text = text or f"write `{error.argument}={error.replacement}`"
    return (Help(text, edits),) if text else ()


def _argument_edit(call: tree.Call | tree.Merge, argument: str, replacement: str) -> Edit:
    written = _written(call, argument)
    if written is not None:
        return Edit(written.value.span, replacement)
    if call.arguments:
        return Edit(at(call.span, call.arguments[-1].span.end), f", {argument}={replacement}")
    end = call.name.span.end
    has_parentheses = isinstance(call, tree.Call) and call.parens
    return Edit(Span(call.span.source, end, call.span.end if has_parentheses else end), f"({argument}={replacement})")


def _foreign_habit(call: tree.Call | tree.Merge, value: Node) -> tuple[Help, ...]:
    """PyTorch's order, `conv(in, out, kernel)` and `dense(in, out)`, where what comes in is just that."""
    positional = [a for a in call.arguments if a.name is None]
    longest = {"conv": 3, "deconv": 3, "dense": 2}.get(call.name.name)
    if longest is None or len(positional) < longest or value in (UNKNOWN, ABSENT) or not value.type.shape:
        return ()
    first = positional[0].value
    counts = {value.type.channels, value.type.elements}
    if not (isinstance(first, tree.Constant) and is_int(first.value) and first.value in counts):
        return ()
    gap = Span(call.span.source, positional[0].span.start, positional[1].span.start)
    return (Help(f"the {first.value} that come in are counted by themselves: leave them out", (Edit(gap, ""),)),)


def input_shape(statement: tree.Input) -> tuple[Help, ...]:
    """The cure for an input without its batch."""
    first, last = statement.shape[0].span, statement.shape[-1].span
    words = ", ".join(d.span.text for d in statement.shape)
    if len(statement.shape) == 3:
        sizes = [d.value for d in statement.shape if isinstance(d, tree.Constant)]
        if len(sizes) == 3 and sizes[2] in (1, 3) and sizes[0] not in (1, 3):  # height, width, channels
            words = f"{sizes[2]}, {sizes[0]}, {sizes[1]}"
        return (Help(f"write [N, {words}]", (Edit(first.to(last), f"N, {words}"),)),)
    return (Help("write [N, channels, height, width]"),)


def loop(statement: tree.For, value: Value) -> tuple[Help, ...]:
    """The cure for `for i in 3`."""
    if not is_int(value):
        return ()
    text = statement.iterable.span.text
    return (Help(f"write `range({text})`", (Edit(statement.iterable.span, f"range({text})"),)),)


def repeat_all(step: tree.Step) -> tuple[Help, ...]:
    """The cure for `dense(4096) -> relu * 2`: braces around the line up to the `*`."""
    text = step.span.source.text
    start = text.rfind("\n", 0, step.span.start) + 1
    start += len(text[start:]) - len(text[start:].lstrip())
    before = text[start : step.span.start]
    cut = max(before.rfind("{"), before.rfind("|"), before.rfind(";"))
    if cut >= 0:
        start += cut + 1 + (len(before[cut + 1 :]) - len(before[cut + 1 :].lstrip()))
    if start >= step.span.start or text[start:].startswith("->"):
        return (Help("put braces around all that shall be repeated: `{ ... } * n`"),)
    end = step.action.span.end
    mended = f"{{ {text[start:end]} }}"
    return (
        Help(
            f"to repeat all of it write `{mended} *{step.span.text.split('*')[-1]}`",
            (Edit(at(step.span, start), "{ "), Edit(at(step.span, end), " }")),
        ),
    )


def remove_step(call: tree.Call) -> tuple[Edit, ...]:
    """The edit that takes a step away with the arrow before it, or nothing where it begins a line."""
    text = call.span.source.text
    before = text[: call.span.start].rstrip()
    if before.endswith("->"):
        return (Edit(Span(call.span.source, len(before[:-2].rstrip()), call.span.end), ""),)
    return ()


def missing_input(inputs: Sequence[tuple[tree.Input, Node]]) -> tuple[Help, ...]:
    """The cure for a step before any input."""
    if inputs:
        name = inputs[0][0].name.name
        return (Help(f"begin it with `{name} ->`"),)
    return (Help("declare what goes in:  input image: [N, 3, 224, 224]"),)


def merge_mismatch(
    error: OperatorError,
    merge: tree.Merge,
    branches: tuple[tuple[tree.Branch, tuple[Trace, ...], Node], ...],
    frame: Frame,
    findings: Findings,
) -> Abandon:
    """A merge of unequal shapes: each branch's shape beside its `|`, and the cure where a step makes them equal."""
    labels = tuple(Label(_branch_span(branch), str(node.type)) for branch, _, node in branches)
    help: tuple[Help, ...] = ()
    if error.after is not None and error.branch is not None:
        branch = branches[error.branch][0]
        span = _branch_span(branch)
        text = f"{error.after}" if span.text == "in" else f"{span.text} -> {error.after}"
        one_line = text if "\n" not in text else f"... -> {error.after}"
        edit = Edit(span, error.after) if span.text == "in" else Edit(at(span, span.end), f" -> {error.after}")
        ordinal = ("first", "second", "third", "fourth", "fifth")
        which = ordinal[error.branch] if error.branch < len(ordinal) else f"{error.branch + 1}th"
        help = (Help(f"project the {which} branch:  | {one_line}", (edit,)),)
    padding = _padding(branches)
    if padding:
        help = (padding, *help)
    if error.help:
        help = (*help, Help(error.help))
    return findings.report(
        error.code,
        error.message,
        frame.place(merge.name.span),
        labels=labels,
        notes=cut_trails(branches) if error.code == "E0205" else (),
        help=help,
    )


def cut_trails(branches: tuple[tuple[tree.Branch, tuple[Trace, ...], Node], ...]) -> tuple[str, ...]:
    return tuple(note for _, _, node in branches[:2] for note in trail(node))


def _branch_span(branch: tree.Branch) -> Span:
    return branch.body[0].span.to(branch.body[-1].span)


def _padding(branches: tuple[tuple[tree.Branch, tuple[Trace, ...], Node], ...]) -> Help | None:
    """Where one convolution or pool without padding makes a branch smaller, the padding that keeps its size."""
    from cnnlang.program import Layer

    types = [node.type for _, _, node in branches]
    if any(t.rank != 4 for t in types):
        return None
    sizes = [t.shape[2:] for t in types]
    largest = max(sizes, key=lambda s: [d if isinstance(d, int) else 0 for d in s])
    for (_, traces, _), size in zip(branches, sizes, strict=True):
        if size == largest:
            continue
        for trace in traces:
            if isinstance(trace, Layer) and isinstance(trace.step.action, tree.Call):
                op: Op = trace.node.op
                kernel, pad = getattr(op, "kernel", None), getattr(op, "pad", None)
                if kernel is None or pad != (0, 0, 0, 0) or getattr(op, "stride", None) != (1, 1):
                    continue
                lost = tuple(a - b for a, b in zip(largest, size, strict=True))
                if lost == (kernel[0] - 1, kernel[1] - 1) and kernel[0] % 2 and kernel[1] % 2:
                    edit = _argument_edit(trace.step.action, "pad", '"same"')
                    return Help(f'keep the size of the map in `{op.name}` with pad="same"', (edit,))
    return None

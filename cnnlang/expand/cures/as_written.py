"""A projection that fits in every instance of a block: its numbers as the branch that it must fit has them written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cnnlang.expand.cures.operator import written_argument
from cnnlang.expand.frames import Number
from cnnlang.program import Applied, Layer
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnlang.expand.frames import Frame
    from cnnlang.ir import Node
    from cnnlang.program import Trace
    from cnnlang.signature import Value

PROJECTION = re.compile(r"conv\((?P<channels>\d+), 1(?:, stride=(?P<stride>\d+))?\)")


def as_written(step: str, traces: tuple[Trace, ...], end: Node, frame: Frame) -> str:
    """`conv(256, 1)` as `conv(4*width, 1, stride=stride)`, where a branch makes its 256 channels so.

    Parameters
    ----------
    step
        The projection in numbers.
    traces
        What the other branch is made of.
    end
        Its value.
    frame
        The body around the merge, whose names the step may use.
    """
    found = PROJECTION.fullmatch(step)
    if found is None:
        return step
    channels = next(_channels(traces, end.type.channels), None)
    stride = int(found["stride"] or 1)
    strides = [e.span.text for e, value in _strides(traces) if value == (stride, stride) and _names(e, frame)]
    first = channels.span.text if channels is not None and _names(channels, frame) else found["channels"]
    if len(strides) == 1:
        return f"conv({first}, 1, stride={strides[0]})"
    return f"conv({first}, 1{f', stride={stride}' if stride > 1 else ''})"


def _names(expr: tree.Expr, frame: Frame) -> bool:
    """Whether an expression says more than its number, and means the same outside its branch."""
    keys = {id(part.name) for part in walk(expr) if isinstance(part, tree.Attribute | tree.Call)}
    names = [part for part in walk(expr) if isinstance(part, tree.Name) and id(part) not in keys]
    return bool(names) and all(isinstance(frame.env.find(name.name), Number) for name in names)


def _channels(traces: tuple[Trace, ...], count: int) -> Iterator[tree.Expr]:
    """The expression that sets how many channels leave a branch."""
    for trace in reversed(traces):
        if isinstance(trace, Applied):
            yield from (e for e, value in _arguments(trace) if value == count)
            return
        if not isinstance(trace, Layer) or not isinstance(trace.step.action, tree.Call):
            return
        argument = written_argument(trace.step.action, "channels")
        if argument is not None:
            yield argument.value
            return
        if trace.node.values[0].type.channels != count:
            return


def _strides(traces: tuple[Trace, ...]) -> Iterator[tuple[tree.Expr, Value]]:
    """The strides that a branch has written, and what they are."""
    for trace in traces:
        if isinstance(trace, Layer) and isinstance(trace.step.action, tree.Call):
            argument = written_argument(trace.step.action, "stride")
            if argument is not None:
                yield argument.value, getattr(trace.node.op, "stride", None)
        if isinstance(trace, Applied):
            yield from ((e, (v, v)) for e, v in _arguments(trace, "stride"))


def _arguments(trace: Applied, name: str = "") -> Iterator[tuple[tree.Expr, Value]]:
    """The arguments that a block is applied with, as written, and their values."""
    call, definition = trace.step.action, trace.scope.definition
    if not isinstance(call, tree.Call) or definition is None:
        return
    order = [p.name.name for p in definition.parameters]
    for i, argument in enumerate(call.arguments):
        key = argument.name.name if argument.name else order[i]
        if key in trace.scope.arguments and name in ("", key):
            yield argument.value, trace.scope.arguments[key]

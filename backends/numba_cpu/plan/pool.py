"""Pools: windows clipped to the map."""

from __future__ import annotations

from cnnlang.backends.numba_cpu.plan.lowering import Lowering, NoRule, lower
from cnnlang.ir import Node
from cnnlang.ops.base import Op
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, MinPool, Pool, bins


@lower.register
def _(op: Pool, node: Node, to: Lowering) -> None:
    source = node.inputs[0]
    x, out = to.of(source), to.make(node)
    top, bottom, left, right = op.pads(source.type)
    spans, counts = [], []
    for size, count, kernel, stride, dilation, before, after in (
        (x.height, out.height, op.kernel[0], op.stride[0], op.dilation[0], top, bottom),
        (x.width, out.width, op.kernel[1], op.stride[1], op.dilation[1], left, right),
    ):
        cells = [[i * stride - before + k * dilation for k in range(kernel)] for i in range(count)]
        inside = [[c for c in window if 0 <= c < size] for window in cells]
        padded = [sum(-before <= c < size + after for c in window) for window in cells]
        spans.append([(window[0] if window else 0, len(window)) for window in inside])
        counts.append(padded if isinstance(op, AvgPool) and op.count_pad else [len(window) for window in inside])
    kind = {MaxPool: "max", MinPool: "min", AvgPool: "mean"}.get(type(op))
    if kind is None:
        raise NoRule(op.name)
    to.pool(node.name, kind, x, out, spans[0], spans[1], (counts[0], counts[1]), op.dilation)


@lower.register(GlobalAvgPool)
@lower.register(GlobalMaxPool)
def _(op: Op, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    kind = "mean" if isinstance(op, GlobalAvgPool) else "max"
    to.pool(node.name, kind, x, out, [(0, x.height)], [(0, x.width)], ([x.height], [x.width]))


@lower.register
def _(op: AdaptiveAvgPool, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    ys, xs = (
        [(start, end - start) for start, end in bins(size, count)]
        for size, count in zip((x.height, x.width), op.size, strict=True)
    )
    to.pool(node.name, "mean", x, out, ys, xs, ([n for _, n in ys], [n for _, n in xs]))

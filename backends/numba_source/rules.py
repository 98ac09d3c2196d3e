"""How each operator is said in the module: one rule for a family, looked up by the operator's class."""

from __future__ import annotations

import builtins
import math
from functools import singledispatch
from typing import Any

from cnnlang.backends.numba_source.layout import quoted
from cnnlang.backends.numba_source.step import Kernel, Layer, Step, packed
from cnnlang.ir import Node
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Convolution, Deconv
from cnnlang.ops.dense import Dense
from cnnlang.ops.elementwise import Elementwise, LogSoftmax, Prelu, Softmax
from cnnlang.ops.merge import Concat, SameShape
from cnnlang.ops.norm import BatchNorm, GroupNorm, LocalResponseNorm, Normalize
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, Pool
from cnnlang.ops.shape import (
    Channels,
    ChannelShuffle,
    Crop,
    Flatten,
    Pad,
    PadChannels,
    PixelShuffle,
    Upsample,
)


class NoRule(Exception):
    """This target has no rule for an operator."""


@singledispatch
def step(op: Op, node: Node) -> Step:
    """The step for an operator; `node` has its inputs and type (and may hold a fused activation behind it)."""
    raise NoRule


def has_rule(op: Op) -> bool:
    """Whether there is a step for an operator."""
    return step.dispatch(type(op)) is not step.dispatch(Op)


def unless(**arguments: tuple[Any, Any]) -> tuple[str, ...]:
    """`name=value` for each argument that is not at its default, given as (value, default)."""
    return tuple(f"{name}={short(value)}" for name, (value, default) in arguments.items() if value != default)


def short(value: Any) -> str:
    """A value of Python; a size that is the same along all sides is one number."""
    same = isinstance(value, tuple) and len(set(value)) == 1
    return quoted(value) if isinstance(value, str) else repr(value[0] if same else value)


def summary(op: Op) -> str:
    """The first line of the operator's manual page."""
    return (type(op).__doc__ or op.name).strip().splitlines()[0].replace("\\", "").replace('"', "'")


def plain(op: Op, *arguments: str) -> Step:
    """A step of a function and a template that are called what the operator is called."""
    return Step(op.name, (Kernel(op.name),), arguments=arguments)


@step.register
def _(op: Convolution, node: Node) -> Step:
    x = node.values[0].type
    groups = op.parts(x)
    return Step(
        "conv",
        (Kernel("conv"),),
        packed("conv_layer", node, *unless(groups=(groups, 1))),
        unless(
            stride=(op.stride, (1, 1)),
            pad=(op.pads(x), (0, 0, 0, 0)),
            dilation=(op.dilation, (1, 1)),
            fill=(op.fill, 0.0),
        ),
        takes_act=True,
    )


@step.register
def _(op: Deconv, node: Node) -> Step:
    return Step(
        "deconv",
        (Kernel("deconv"),),
        packed("deconv_layer", node, *unless(groups=(op.groups, 1))),
        unless(
            stride=(op.stride, (1, 1)),
            pad=(op.pads(node.values[0].type), (0, 0, 0, 0)),
            output_pad=(op.output_pad, (0, 0)),
            dilation=(op.dilation, (1, 1)),
        ),
        takes_act=True,
    )


@step.register
def _(op: Dense, node: Node) -> Step:
    return Step("dense", (Kernel("dense"),), packed("dense_layer", node))


@step.register
def _(op: BatchNorm, node: Node) -> Step:
    return Step("bn", (Kernel("bn"),), Layer("bn_layer", (), node.weights, op.eps), takes_act=True)


@step.register
def _(op: Pool, node: Node) -> Step:
    return _pool(op, node)


@step.register
def _(op: AvgPool, node: Node) -> Step:
    return _pool(op, node, *unless(count_pad=(op.count_pad, True)), average=True)


def _pool(op: Pool, node: Node, *arguments: str, average: bool = False) -> Step:
    start = repr(op.start) if math.isfinite(op.start) else f"{'-' * (op.start < 0)}math.inf"
    member = Kernel(
        "pool",
        op.name,
        (("name", op.name), ("summary", summary(op)), ("start", start), ("step", op.step), ("average", average)),
    )
    given = unless(
        pad=(op.pads(node.values[0].type), (0, 0, 0, 0)), dilation=(op.dilation, (1, 1)), ceil=(op.ceil, False)
    )
    return Step(op.name, (member,), arguments=(short(op.kernel), f"stride={short(op.stride)}", *given, *arguments))


@step.register(GlobalAvgPool)
@step.register(GlobalMaxPool)
def _(op: GlobalAvgPool | GlobalMaxPool, node: Node) -> Step:
    over = "mean" if isinstance(op, GlobalAvgPool) else "max"
    parameters = (("name", op.name), ("summary", summary(op)), ("over", over))
    return Step(op.name, (Kernel("global_pool", op.name, parameters),))


@step.register
def _(op: AdaptiveAvgPool, node: Node) -> Step:
    return plain(op, short(op.size))


@step.register
def _(op: Elementwise, node: Node) -> Step:
    # reached where nothing before it could take the activation in: the step is the activation alone
    return Step("activated", (Kernel("activated"),), takes_act=True)


@step.register
def _(op: Prelu, node: Node) -> Step:
    return Step(op.name, (Kernel(op.name),), Layer("np.array", node.weights, arguments=("np.float32",)))


@step.register(Softmax)
@step.register(LogSoftmax)
@step.register(Concat)
@step.register(Flatten)
def _(op: Op, node: Node) -> Step:
    return plain(op)


@step.register
def _(op: SameShape, node: Node) -> Step:
    name = f"{op.name}_of" if hasattr(builtins, op.name) else op.name  # `max` is Python's own
    parameters = (("name", name), ("summary", summary(op)), ("step", op.step), ("finish", op.finish))
    return Step(name, (Kernel("merge", name, parameters),), takes_act=True)


@step.register
def _(op: LocalResponseNorm, node: Node) -> Step:
    return plain(op, repr(op.size), *unless(alpha=(op.alpha, 1e-4), beta=(op.beta, 0.75), k=(op.k, 1.0)))


@step.register
def _(op: GroupNorm, node: Node) -> Step:
    layer = Layer("group_norm_layer", node.weights)
    return Step(op.name, (Kernel(op.name),), layer, (repr(op.groups), *unless(eps=(op.eps, 1e-5))))


@step.register
def _(op: Normalize, node: Node) -> Step:
    return Step(op.name, (Kernel(op.name),), numbers=(("mean", op.mean), ("std", op.std)))


@step.register
def _(op: Pad, node: Node) -> Step:
    if op.mode != "constant":
        return plain(op, short(op.amount), *unless(mode=(op.mode, None)))
    return Step("padded", (Kernel("padded"),), arguments=(short(op.amount), *((repr(op.value),) if op.value else ())))


@step.register
def _(op: Crop, node: Node) -> Step:
    return plain(op, short(op.amount))


@step.register
def _(op: Upsample, node: Node) -> Step:
    name = f"{op.name}_{op.mode}"
    return Step(name, (Kernel(name),), arguments=(short(op.scale),))


@step.register
def _(op: PixelShuffle, node: Node) -> Step:
    return plain(op, repr(op.r))


@step.register
def _(op: ChannelShuffle, node: Node) -> Step:
    return plain(op, repr(op.groups))


@step.register
def _(op: Channels, node: Node) -> Step:
    return plain(op, repr(op.start), repr(op.stop))


@step.register
def _(op: PadChannels, node: Node) -> Step:
    return plain(op, repr(op.before), repr(op.after))

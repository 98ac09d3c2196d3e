"""Across channels: softmax and normalisations."""

from __future__ import annotations

from typing import Literal

from cnnlang.backends.numba_cpu.kernels.channels import GroupNorm as GroupNormKernel
from cnnlang.backends.numba_cpu.kernels.channels import LocalResponse
from cnnlang.backends.numba_cpu.kernels.channels import Softmax as SoftmaxKernel
from cnnlang.backends.numba_cpu.plan.lowering import Lowering, lower
from cnnlang.backends.numba_cpu.plan.places import Place
from cnnlang.backends.numba_cpu.plan.stages import Argument, At, floats
from cnnlang.ir import Node
from cnnlang.ops.base import Op
from cnnlang.ops.elementwise import LogSoftmax, Softmax
from cnnlang.ops.norm import GroupNorm, LocalResponseNorm


def shape_of(x: Place, out: Place) -> dict[str, Argument]:
    return {
        "x": At(x.buffer, x.offset), "out": At(out.buffer, out.offset), "channels": x.channels, "blocks": x.blocks,
        "height": x.height, "width": x.width, "x_image": x.image, "x_plane": x.plane, "x_row": x.row,
        "out_image": out.image, "out_plane": out.plane, "out_row": out.row,
    }  # fmt: skip


@lower.register(Softmax)
@lower.register(LogSoftmax)
def _(op: Op, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    to.stage(node.name, SoftmaxKernel(isinstance(op, LogSoftmax)), x.images * x.height, **shape_of(x, out))


@lower.register
def _(op: LocalResponseNorm, node: Node, to: Lowering) -> None:
    x, out = to.of(node.inputs[0]), to.make(node)
    numbers = {"start": op.k, "slope": op.alpha / op.size, "power": -op.beta}
    to.stage(node.name, LocalResponse(op.size, _kind(op.beta)), x.images * x.height, **shape_of(x, out), **numbers)


def _kind(beta: float) -> Literal["usual", "odd", "even", "broken"]:
    if beta == 0.75:
        return "usual"
    return "broken" if beta % 1 else "odd" if beta % 2 else "even"


@lower.register
def _(op: GroupNorm, node: Node, to: Lowering) -> None:
    source, scale, shift = node.inputs
    x, out = to.of(source), to.make(node)
    shape = shape_of(x, out)
    del shape["channels"], shape["blocks"]
    to.stage(
        node.name, GroupNormKernel(), x.images * op.groups, **shape, scale=floats(to.constants[scale]),
        shift=floats(to.constants[shift]), groups=op.groups, members=x.channels // op.groups, eps=op.eps,
    )  # fmt: skip
    to.clear_tail(out)

"""Cell by cell: activations, scales, merges; each operand has strides of its own, so that one may broadcast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cnnlang.backends.numba_cpu.emitter import Kernel, Value
from cnnlang.backends.numba_cpu.kernels.activations import Activation, activated


@dataclass(frozen=True, slots=True)
class Pointwise:
    """What is made of the operands; `affine` is the first times the second plus the third.

    `normal` is the first minus the second, times the third: a mean may be large. `prelu` is the first, times the second
    where it is negative.
    """

    kind: Literal["same", "add", "mul", "max", "mean", "affine", "normal", "prelu"]
    operands: int
    activation: Activation


def write(k: Kernel, spec: Pointwise) -> None:
    args = k.args
    out = args.pointer("out")
    blocks, height, width = args.words("blocks", "height", "width")
    out_image, out_plane, out_row = args.words("out_image", "out_plane", "out_row")
    parameters = [args.number(n) for n in ("low", "high")]
    operands = [
        (args.pointer(f"x{i}"), args.words(f"image{i}", f"plane{i}", f"row{i}", f"step{i}"))
        for i in range(spec.operands)
    ]
    with k.loop(k.begin, k.end) as (item, _):
        rest, y = k.divmod(item, height)
        image, block = k.divmod(rest, blocks)
        place = k.at(out, k.add(k.mul(image, out_image), k.mul(block, out_plane), k.mul(y, out_row)))
        rows = [
            k.at(x, k.add(k.mul(image, images), k.mul(block, planes), k.mul(y, row)))
            for x, (images, planes, row, _) in operands
        ]
        with k.loop(0, width) as (column, _):
            values = [
                k.load(k.at(row, k.mul(column, step))) for row, (_, (_, _, _, step)) in zip(rows, operands, strict=True)
            ]
            value = activated(k, spec.activation, _made(k, spec, values), parameters)
            k.store(value, k.at(place, k.mul(column, k.width)))
    k.finish()


def _made(k: Kernel, spec: Pointwise, values: list[Value]) -> Value:
    first, *others = values
    match spec.kind:
        case "affine":
            return k.fma(first, others[0], others[1])
        case "normal":
            return k.b.fmul(k.b.fsub(first, others[0]), others[1])
        case "prelu":
            return k.b.select(k.b.fcmp_ordered("<", first, k.constant(0.0)), k.b.fmul(first, others[0]), first)
        case "same":
            return first
    for other in others:
        if spec.kind == "mul":
            first = k.b.fmul(first, other)
        elif spec.kind == "max":
            first = k.intrinsic("llvm.maximum", first, other)
        else:
            first = k.b.fadd(first, other)
    return k.b.fmul(first, k.constant(1 / spec.operands)) if spec.kind == "mean" else first

"""Pooling."""

from __future__ import annotations

from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Attribute, Code, Lit
from cnnlang.backends.python_source.padding import WINDOW, BySize, Sides
from cnnlang.backends.python_source.rules import NoRule, unless
from cnnlang.backends.python_source.steps import Module
from cnnlang.backends.python_source.template import parsed
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.torch_source.rules import Piece, pieces, plain
from cnnlang.backends.torch_source.rules_window import in_torch_order, pad_piece, padding_of, size_module, size_piece
from cnnlang.ir import TensorType
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool


@pieces.register
def _(op: Pool, use: Use[Pool]) -> list[Piece]:
    """Any pool: its own line, after a padding by what an empty window gives."""
    padding, before, ceil = _pool_padding(op, use)
    fields = {f.name: use.argument(f.name) for f in op.fields()}
    fields |= {"dilation": use.argument_or("dilation", Lit(1)), "pad": padding, "ceil": ceil}
    if op.torch is None:
        raise NoRule
    line = op.torch
    return [*before, Piece((), lambda x: parsed(line, {**fields, "x": x}), trails=True)]


@pieces.register
def _(op: MaxPool, use: Use[MaxPool]) -> list[Piece]:
    padding, before, ceil = _pool_padding(op, use)
    named = {
        "stride": use.optional("stride"),
        "padding": unless(padding, 0),
        "dilation": use.optional("dilation"),
        "ceil_mode": unless(ceil, False),
    }
    return [*before, _pool("max_pool2d", "nn.MaxPool2d", use, named)]


@pieces.register
def _(op: AvgPool, use: Use[AvgPool]) -> list[Piece]:
    if isinstance(padding_of(use), BySize) and not use.uniform(lambda op, x: op.count_pad, "count_pad"):
        return [_real_average(use)]
    padding, before, ceil = _pool_padding(op, use)
    if before and not isinstance(padding_of(use), BySize) and not all(_counts_like_torch(*each) for each in use.all()):
        return [_uneven_average(use, ceil)]
    named = {
        "stride": use.optional("stride"),
        "padding": unless(padding, 0),
        "ceil_mode": unless(ceil, False),
        "count_include_pad": use.optional("count_pad"),
    }
    return [*before, _pool("avg_pool2d", "nn.AvgPool2d", use, named)]


def _pool(function: str, module: str, use: Use[Pool], named: dict[str, Code | None]) -> Piece:
    kernel = use.argument("kernel")
    made = call(module, kernel, **named)
    return plain(use.op.name, made, lambda x: call(f"F.{function}", x, kernel, **named), trails=True)


def _pool_padding(op: Pool, use: Use[Pool]) -> tuple[Code, tuple[Piece, ...], Code]:
    """The padding that PyTorch's pool does itself, a padding before it, and whether it rounds up."""
    ceil = use.argument("ceil")
    padding = padding_of(use)
    if isinstance(padding, BySize):
        return Lit(0), (size_piece(use, Lit(op.start)),), Lit(False)  # its windows fill the padded map
    if isinstance(padding, Code) and all(_is_half(op, op.pads(x)) for op, x in use.all()):
        return padding, (), ceil
    pads = use.uniform(lambda op, x: _torch_pads(op, op.pads(x)), *WINDOW)
    return Lit(0), (pad_piece(pads, Lit(op.start)),), ceil


def _is_half(op: Pool, pads: Sides) -> bool:
    return pads[0] <= op.kernel[0] // 2 and pads[2] <= op.kernel[1] // 2


def _torch_pads(op: Pool, pads: Sides) -> Sides:
    """The padding to put before a pool that has none of its own, so that it has as many windows.

    A window that `ceil` adds may start anywhere before size + leading pad. PyTorch, for which all of the padding is
    size, would let it start in the trailing padding; without what reaches beyond a stride it cannot.
    """
    top, bottom, left, right = pads
    if not op.ceil:
        return pads
    below, beside = (max(reach - stride, 0) for reach, stride in zip(op.reach, op.stride, strict=True))
    return top, min(bottom, below), left, min(right, beside)


def _counts_like_torch(op: AvgPool, x: TensorType) -> bool:
    return bool(op.count_pad) and _torch_pads(op, op.pads(x)) == op.pads(x)


def _real_average(use: Use[AvgPool]) -> Piece:
    """Averages of the real cells alone, with a padding that depends on the map's size."""
    use.helpers.add("real_avg_pool2d")
    kernel, stride = use.argument("kernel"), use.argument("stride")
    pad = size_module(use, Lit(0))
    return Piece((), lambda x: call("real_avg_pool2d", x, pad, kernel, stride))


def _uneven_average(use: Use[AvgPool], ceil: Code) -> Piece:
    use.helpers.add("uneven_avg_pool2d")
    pads = use.uniform(lambda op, x: _torch_pads(op, op.pads(x)), *WINDOW)
    counted = use.uniform(lambda op, x: op.pads(x) if op.count_pad else None, "count_pad")
    return Piece(
        (),
        lambda x: call(
            "uneven_avg_pool2d",
            x,
            use.argument("kernel"),
            use.argument("stride"),
            in_torch_order(pads),
            counted=None if counted is None else in_torch_order(counted),
            ceil_mode=unless(ceil, False),
        ),
    )


@pieces.register
def _(op: GlobalAvgPool, use: Use[GlobalAvgPool]) -> list[Piece]:
    return [_global_pool("global_avgpool", "nn.AdaptiveAvgPool2d", "mean")]


@pieces.register
def _(op: GlobalMaxPool, use: Use[GlobalMaxPool]) -> list[Piece]:
    return [_global_pool("global_maxpool", "nn.AdaptiveMaxPool2d", "amax")]


def _global_pool(kind: str, module: str, method: str) -> Piece:
    return Piece(
        (Module(kind, call(module, 1)), Module("flatten", call("nn.Flatten"))),
        lambda x: call(Attribute(x, method), dim=Lit((2, 3))),
    )


@pieces.register
def _(op: AdaptiveAvgPool, use: Use[AdaptiveAvgPool]) -> list[Piece]:
    size = use.argument("size")
    made = call("nn.AdaptiveAvgPool2d", size)
    return [plain("adaptive_avgpool", made, lambda x: call("F.adaptive_avg_pool2d", x, size), trails=True)]

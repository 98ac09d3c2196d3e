"""What each operator is in PyTorch: a module, a function, or both. One rule for an operator or its family.

A rule gets the operator's place of use and answers the pieces that stand there one after the other: mostly one, and a
padding of its own where PyTorch has none for it. An operator without a rule is its own `torch` line, in `forward`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeAlias

from cnnlang.backends.torch_source.code import (
    Attribute,
    Binary,
    Code,
    Items,
    Lit,
    Local,
    Slice,
    Subscript,
    Unknown,
    binary,
    call,
    items,
    parsed,
    total,
    unary,
)
from cnnlang.backends.torch_source.steps import Module
from cnnlang.backends.torch_source.use import Use, simple
from cnnlang.ir import TensorType
from cnnlang.ops import Op
from cnnlang.ops.conv import Conv, Convolution, Deconv, Depthwise
from cnnlang.ops.dense import Dense, Dropout
from cnnlang.ops.elementwise import Activation, Prelu
from cnnlang.ops.merge import Add, Concat, Max, Mean, Mul
from cnnlang.ops.norm import BatchNorm, GroupNorm, LocalResponseNorm, Normalize
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool
from cnnlang.ops.shape import (
    ChannelShuffle,
    Channels,
    Crop,
    Flatten,
    Pad,
    PadChannels,
    PixelShuffle,
    Upsample,
)

MAX_EXACT_SCALE = 40  # above, PyTorch's nearest neighbour in float32 misses some cells
WINDOW = ("pad", "kernel", "stride", "dilation", "ceil")
SELF_TRAINING = Local("self.training")


class NoRule(Exception):
    """PyTorch cannot say an operator."""


@dataclass(eq=False)
class Piece:
    """One thing applied to the value that flows.

    Attributes
    ----------
    modules
        What it is in an `nn.Sequential`; empty where it cannot stand there.
    function
        What it is in `forward`; None where it must be a module.
    weighted
        Whether its one module owns the layer's weights.
    wraps, trails
        See `Apply`.
    """

    modules: tuple[Module, ...] = ()
    function: Callable[[Code], Code] | None = None
    weighted: bool = False
    wraps: bool = False
    trails: bool = False


@dataclass(eq=False)
class Padded:
    """How a window's padding is said: as an argument, or as steps before."""

    argument: Code | None = None
    before: tuple[Piece, ...] = ()


Sides: TypeAlias = tuple[int, int, int, int]  # top, bottom, left, right


class BySize:
    """The padding depends on the size of the map that enters."""


def _layer(kind: str, made: Code, *, weighted: bool = True, wraps: bool = False) -> Piece:
    return Piece((Module(kind, made),), None, weighted, wraps)


def _plain(kind: str, made: Code, function: Callable[[Code], Code], *, wraps: bool = False, trails: bool = False) -> Piece:
    return Piece((Module(kind, made),), function, wraps=wraps, trails=trails)


@singledispatch
def pieces(op: Op, use: Use) -> list[Piece]:
    """The pieces of an operator at a place; raises NoRule where PyTorch cannot say it."""
    if op.torch is None:
        raise NoRule
    fields = {f.name: use.argument(f.name) for f in op.fields()}
    try:
        parsed(op.torch, {**fields, "x": Local("x")})
    except Unknown:
        raise NoRule from None
    return [Piece((), lambda x: parsed(op.torch or "", {**fields, "x": x}))]


# --- convolution and dense --------------------------------------------------------------------------------------------


@pieces.register
def _(op: Conv, use: Use) -> list[Piece]:
    return _convolution(op, use, use.argument("channels"), use.optional("groups"))


@pieces.register
def _(op: Depthwise, use: Use) -> list[Piece]:
    channels = use.channels
    return _convolution(op, use, binary("*", channels, use.argument("multiplier")), channels)


def _convolution(op: Convolution, use: Use, outputs: Code, groups: Code | None) -> list[Piece]:
    padded = _conv_padding(op, use)
    made = call(
        "nn.Conv2d",
        use.channels,
        outputs,
        use.argument("kernel"),
        stride=use.optional("stride"),
        padding=padded.argument,
        dilation=use.optional("dilation"),
        groups=groups,
        bias=_bias(use),
    )
    fixed = use.uniform(lambda op, x: op.weight is not None)
    if not fixed:
        return [*padded.before, _layer(op.name, made)]
    use.helpers.add("fixed_kernel")
    made = call("fixed_kernel", made, use.argument("weight"))
    return [*padded.before, _layer(op.name, made, weighted=use.is_weighted)]


def _bias(use: Use) -> Code | None:
    """`bias=False`, or whatever the file computes; nothing where there is one."""
    values = use.each(lambda op, x: op.has_bias)
    if all(values):
        return None
    if not any(values):
        return Lit(False)
    return use.argument("bias")


def _conv_padding(op: Convolution, use: Use) -> Padded:
    fill = use.uniform(lambda op, x: op.fill, "fill")
    padding = _padding(use, odd_symmetry="same")
    if isinstance(padding, BySize):
        return Padded(None, (_size_piece(use, Lit(fill)),))
    if isinstance(padding, Code):
        if not fill or (isinstance(padding, Lit) and padding.value == 0):
            return Padded(None if isinstance(padding, Lit) and padding.value == 0 else padding)
        padding = use.uniform(lambda op, x: op.pads(x), *WINDOW)
    return Padded(None, (_pad_piece(padding, Lit(fill)),))


def _padding(use: Use, odd_symmetry: str = "") -> Code | Sides | BySize:
    """The padding of a window: one number or pair where both sides are alike, else its four sides."""
    if "pad" not in use.arguments:
        return Lit(0)
    if all(op.pad == "same_upper" for op in use.ops):  # type: ignore[attr-defined]
        differs = len({op.pads(x) for op, x in use.all()}) > 1 or use.is_shared  # type: ignore[attr-defined]
        if differs and not use.uniform(lambda op, x: bool(getattr(op, "ceil", False)), "ceil"):
            return BySize()
    pads = use.each(lambda op, x: op.pads(x))
    written = use.written("pad")
    if written is not None and all(_is_pair(value) for value in use.values("pad")):
        return simple(written)
    alike = all(t == b and l == r for t, b, l, r in pads)
    kernel = use.argument("kernel")
    if alike and not isinstance(kernel, Lit):
        stride, dilation = use.argument("stride"), use.argument_or("dilation", Lit(1))
        if odd_symmetry and isinstance(stride, Lit) and stride.value == 1:
            return Lit(odd_symmetry)
        reach = binary("-", kernel, Lit(1))
        for guess in (binary("//", kernel, Lit(2)), binary("//", binary("*", dilation, reach), Lit(2))):
            if use.holds(guess, [(t, l) for t, _, l, _ in pads]):
                return guess
    sides = use.uniform(lambda op, x: op.pads(x), *WINDOW)
    if alike:
        top, _, left, _ = sides
        return Lit(top if top == left else (top, left))
    return sides


def _is_pair(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, list | tuple) and len(value) == 2
    )


def _sides(pads: Sides) -> Code:
    """PyTorch's order: left, right, top, bottom."""
    top, bottom, left, right = pads
    return Lit((left, right, top, bottom))


def _size_piece(use: Use, value: Code) -> Piece:
    """A step that pads as TensorFlow does."""
    use.helpers.add("SamePad")
    named = {
        "dilation": _unless(use.argument_or("dilation", Lit(1)), 1),
        "value": _unless(value, 0.0),
    }
    return _layer("pad", call("SamePad", use.argument("kernel"), use.argument("stride"), **named), weighted=False)


def _pad_piece(pads: Sides, value: Code) -> Piece:
    """A step of its own that pads with a value (or cuts, where a side is negative)."""
    zero = isinstance(value, Lit) and value.value == 0
    module = call("nn.ZeroPad2d", _sides(pads)) if zero else call("nn.ConstantPad2d", _sides(pads), value)
    return _plain("pad", module, lambda x: call("F.pad", x, _sides(pads), value=None if zero else value), wraps=True)


@pieces.register
def _(op: Deconv, use: Use) -> list[Piece]:
    padding = _padding(use)
    after: list[Piece] = []
    if isinstance(padding, BySize):  # it does not: what it takes away is the same for every size
        padding = use.uniform(lambda op, x: op.pads(x), *WINDOW)
    if isinstance(padding, tuple):
        top, bottom, left, right = padding
        padding, after = Lit(0), [_pad_piece((-top, -bottom, -left, -right), Lit(0))]
    made = call(
        "nn.ConvTranspose2d",
        use.channels,
        use.argument("channels"),
        use.argument("kernel"),
        stride=use.optional("stride"),
        padding=None if isinstance(padding, Lit) and padding.value == 0 else padding,
        output_padding=use.optional("output_pad"),
        dilation=use.optional("dilation"),
        groups=use.optional("groups"),
        bias=_bias(use),
    )
    return [_layer(op.name, made), *after]


@pieces.register
def _(op: Dense, use: Use) -> list[Piece]:
    return [_layer(op.name, call("nn.Linear", use.channels, use.argument("units"), bias=_bias(use)))]


@pieces.register
def _(op: Dropout, use: Use) -> list[Piece]:
    rate = use.argument("rate")
    function = lambda x: call("F.dropout", x, rate, SELF_TRAINING)  # noqa: E731
    return [_plain("dropout", call("nn.Dropout", rate), function, wraps=True, trails=True)]


# --- pooling ----------------------------------------------------------------------------------------------------------


@pieces.register
def _(op: Pool, use: Use) -> list[Piece]:
    """Any pool: its own line, after a padding by what an empty window gives."""
    padding, before, ceil = _pool_padding(op, use)
    fields = {f.name: use.argument(f.name) for f in op.fields()}
    fields |= {"dilation": use.argument_or("dilation", Lit(1)), "pad": padding, "ceil": ceil}
    if op.torch is None:
        raise NoRule
    line = op.torch
    return [*before, Piece((), lambda x: parsed(line, {**fields, "x": x}), trails=True)]


@pieces.register
def _(op: MaxPool, use: Use) -> list[Piece]:
    padding, before, ceil = _pool_padding(op, use)
    named = {
        "stride": use.optional("stride"),
        "padding": _unless(padding, 0),
        "dilation": use.optional("dilation"),
        "ceil_mode": _unless(ceil, False),
    }
    return [*before, _pool("max_pool2d", "nn.MaxPool2d", use, named)]


@pieces.register
def _(op: AvgPool, use: Use) -> list[Piece]:
    padding, before, ceil = _pool_padding(op, use)
    if before and not all(_counts_like_torch(op, x) for op, x in use.all()):
        return [_uneven_average(use, ceil)]
    named = {
        "stride": use.optional("stride"),
        "padding": _unless(padding, 0),
        "ceil_mode": _unless(ceil, False),
        "count_include_pad": use.optional("count_pad"),
    }
    return [*before, _pool("avg_pool2d", "nn.AvgPool2d", use, named)]


def _pool(function: str, module: str, use: Use, named: dict[str, Code | None]) -> Piece:
    kernel = use.argument("kernel")
    made = call(module, kernel, **named)
    return _plain(use.op.name, made, lambda x: call(f"F.{function}", x, kernel, **named), trails=True)


def _unless(made: Code, default: object) -> Code | None:
    return None if isinstance(made, Lit) and made.value == default and type(made.value) is type(default) else made


def _pool_padding(op: Pool, use: Use) -> tuple[Code, tuple[Piece, ...], Code]:
    """The padding that PyTorch's pool does itself, a padding before it, and whether it rounds up."""
    ceil = use.argument("ceil")
    padding = _padding(use)
    if isinstance(padding, BySize):
        return Lit(0), (_size_piece(use, Lit(op.start)),), ceil
    if isinstance(padding, Code) and all(_is_half(op, op.pads(x)) for op, x in use.all()):
        return padding, (), ceil
    pads = use.uniform(lambda op, x: _torch_pads(op, op.pads(x)), *WINDOW)
    return Lit(0), (_pad_piece(pads, Lit(op.start)),), ceil


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


def _counts_like_torch(op: Pool, x: TensorType) -> bool:
    return bool(op.count_pad) and _torch_pads(op, op.pads(x)) == op.pads(x)  # type: ignore[attr-defined]


def _uneven_average(use: Use, ceil: Code) -> Piece:
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
            _sides(pads),
            counted=None if counted is None else _sides(counted),
            ceil_mode=_unless(ceil, False),
        ),
    )


@pieces.register
def _(op: GlobalAvgPool, use: Use) -> list[Piece]:
    return [_global_pool("global_avgpool", "nn.AdaptiveAvgPool2d", "mean")]


@pieces.register
def _(op: GlobalMaxPool, use: Use) -> list[Piece]:
    return [_global_pool("global_maxpool", "nn.AdaptiveMaxPool2d", "amax")]


def _global_pool(kind: str, module: str, method: str) -> Piece:
    return Piece(
        (Module(kind, call(module, 1)), Module("flatten", call("nn.Flatten"))),
        lambda x: call(Attribute(x, method), dim=Lit((2, 3))),
    )


@pieces.register
def _(op: AdaptiveAvgPool, use: Use) -> list[Piece]:
    size = use.argument("size")
    made = call("nn.AdaptiveAvgPool2d", size)
    return [_plain("adaptive_avgpool", made, lambda x: call("F.adaptive_avg_pool2d", x, size), trails=True)]


# --- activations and normalisation ------------------------------------------------------------------------------------

# modules of activations by operator; their functions are the operators' own lines
ACTIVATIONS = {
    "relu": "nn.ReLU()",
    "relu6": "nn.ReLU6()",
    "leaky_relu": "nn.LeakyReLU({slope})",
    "elu": "nn.ELU()",
    "selu": "nn.SELU()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "hardswish": "nn.Hardswish()",
    "hardsigmoid": "nn.Hardsigmoid()",
    "mish": "nn.Mish()",
    "softplus": "nn.Softplus()",
    "sigmoid": "nn.Sigmoid()",
    "tanh": "nn.Tanh()",
    "softmax": "nn.Softmax(dim=1)",
    "log_softmax": "nn.LogSoftmax(dim=1)",
}
FUNCTIONS = {"softmax": "F.softmax({x}, dim=1)", "log_softmax": "F.log_softmax({x}, dim=1)"}


@pieces.register
def _(op: Activation, use: Use) -> list[Piece]:
    line = FUNCTIONS.get(op.name, op.torch)
    if line is None:
        raise NoRule
    fields = {f.name: use.argument(f.name) for f in op.fields()}
    module = ACTIVATIONS.get(op.name)
    modules = (Module(op.name, parsed(module, fields)),) if module else ()
    return [Piece(modules, lambda x: parsed(line, {**fields, "x": x}), wraps=True, trails=True)]


@pieces.register
def _(op: Prelu, use: Use) -> list[Piece]:
    return [_layer("prelu", call("nn.PReLU", use.channels), wraps=True)]


@pieces.register
def _(op: BatchNorm, use: Use) -> list[Piece]:
    module = "nn.BatchNorm2d" if use.rank == 4 else "nn.BatchNorm1d"
    made = call(module, use.channels, eps=use.optional("eps"), momentum=use.optional("momentum"))
    return [_layer("bn", made, wraps=True)]


@pieces.register
def _(op: GroupNorm, use: Use) -> list[Piece]:
    made = call("nn.GroupNorm", use.argument("groups"), use.channels, eps=use.optional("eps"))
    return [_layer("group_norm", made, wraps=True)]


@pieces.register
def _(op: LocalResponseNorm, use: Use) -> list[Piece]:
    size = use.argument("size")
    named = {name: use.optional(name) for name in ("alpha", "beta", "k")}
    made = call("nn.LocalResponseNorm", size, **named)
    return [_plain("lrn", made, lambda x: call("F.local_response_norm", x, size, **named), trails=True)]


@pieces.register
def _(op: Normalize, use: Use) -> list[Piece]:
    use.helpers.add("Normalize")
    shape = Lit((-1,)) if use.rank == 2 else None
    made = call("Normalize", use.argument("mean"), use.argument("std"), shape=shape)
    return [_layer("normalize", made, weighted=False)]


# --- shape ------------------------------------------------------------------------------------------------------------


@pieces.register
def _(op: Flatten, use: Use) -> list[Piece]:
    return [_plain("flatten", call("nn.Flatten"), lambda x: call("torch.flatten", x, 1))]


@pieces.register
def _(op: Pad, use: Use) -> list[Piece]:
    amount, four = _amount(use)
    value = use.argument("value")
    mode = use.uniform(lambda op, x: op.mode, "mode")
    if mode == "constant":
        zero = isinstance(value, Lit) and value.value == 0
        made = call("nn.ZeroPad2d", amount) if zero else call("nn.ConstantPad2d", amount, value)
        return [_plain("pad", made, lambda x: call("F.pad", x, four, value=None if zero else value), wraps=True)]
    module, name = ("nn.ReflectionPad2d", "reflect") if mode == "reflect" else ("nn.ReplicationPad2d", "replicate")
    return [_plain("pad", call(module, amount), lambda x: call("F.pad", x, four, mode=Lit(name)), wraps=True)]


def _amount(use: Use) -> tuple[Code, Code]:
    """The sides of a padding, as a module's argument and as a function's."""
    written = use.written("amount")
    if written is not None and not isinstance(written, Lit) and all(_is_count(v) for v in use.values("amount")):
        return written, Items("(", (written,) * 4)
    sides = use.uniform(lambda op, x: op.amount, "amount")
    return (Lit(sides[0]) if len(set(sides)) == 1 else _sides(sides)), _sides(sides)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@pieces.register
def _(op: Crop, use: Use) -> list[Piece]:
    written = use.written("amount")
    if written is not None and not isinstance(written, Lit) and all(_is_count(v) for v in use.values("amount")):
        less = unary("-", written)
        made = call("nn.ZeroPad2d", less)
        return [_plain("crop", made, lambda x: call("F.pad", x, Items("(", (less,) * 4)), wraps=True)]
    top, bottom, left, right = use.uniform(lambda op, x: op.amount, "amount")
    piece = _pad_piece((-top, -bottom, -left, -right), Lit(0))
    return [_plain("crop", piece.modules[0].made, piece.function or (lambda x: x), wraps=True)]


@pieces.register
def _(op: Upsample, use: Use) -> list[Piece]:
    scale = use.argument("scale")
    mode = use.uniform(lambda op, x: op.mode, "mode")
    if mode == "nearest" and any(max(op.scale) > MAX_EXACT_SCALE for op, _ in use.all()):
        down, across = use.uniform(lambda op, x: op.scale, "scale")
        return [Piece((), lambda x: _repeated(_repeated(x, down, 2), across, 3))]
    named = {"scale_factor": scale, "mode": None if mode == "nearest" else Lit(mode)}
    made = call("nn.Upsample", **named)
    return [_plain("upsample", made, lambda x: call("F.interpolate", x, **named))]


def _repeated(x: Code, times: int, dim: int) -> Code:
    return call(Attribute(x, "repeat_interleave"), times, dim=dim) if times > 1 else x


@pieces.register
def _(op: PixelShuffle, use: Use) -> list[Piece]:
    r = use.argument("r")
    return [_plain("pixel_shuffle", call("nn.PixelShuffle", r), lambda x: call("F.pixel_shuffle", x, r))]


@pieces.register
def _(op: ChannelShuffle, use: Use) -> list[Piece]:
    groups = use.argument("groups")
    made = call("nn.ChannelShuffle", groups)
    return [_plain("channel_shuffle", made, lambda x: call("F.channel_shuffle", x, groups), wraps=True)]


@pieces.register
def _(op: Channels, use: Use) -> list[Piece]:
    start, stop = use.argument("start"), use.argument("stop")
    cut = Slice(None if isinstance(start, Lit) and start.value == 0 else start, stop)
    return [Piece((), lambda x: Subscript(x, (Slice(None, None), cut)))]


@pieces.register
def _(op: PadChannels, use: Use) -> list[Piece]:
    ends = (use.argument("before"), use.argument("after"))
    sides = items("(", (*((Lit(0),) * 4 if use.rank == 4 else ()), *ends))
    return [Piece((), lambda x: call("F.pad", x, sides))]


# --- the channels that come out ---------------------------------------------------------------------------------------


@singledispatch
def channels(op: Op, use: Use) -> Code | None:
    """The channels of the result, in the constructor's terms; what enters, unless a rule says otherwise."""
    return use.channels


@channels.register
def _(op: Conv, use: Use) -> Code | None:
    return use.argument("channels")


@channels.register
def _(op: Deconv, use: Use) -> Code | None:
    return use.argument("channels")


@channels.register
def _(op: Depthwise, use: Use) -> Code | None:
    return binary("*", use.channels, use.argument("multiplier"))


@channels.register
def _(op: Dense, use: Use) -> Code | None:
    return use.argument("units")


@channels.register
def _(op: Flatten, use: Use) -> Code | None:
    if use.rank == 2:
        return use.channels
    product = use.channels
    for size in (use.size("height"), use.size("width")):
        if not (isinstance(size, Lit) and size.value == 1):
            product = Binary("*", product, size)
    return product


@channels.register
def _(op: PixelShuffle, use: Use) -> Code | None:
    return binary("//", use.channels, binary("**", use.argument("r"), Lit(2)))


@channels.register
def _(op: Channels, use: Use) -> Code | None:
    return binary("-", use.argument("stop"), use.argument("start"))


@channels.register
def _(op: PadChannels, use: Use) -> Code | None:
    return total([use.argument("before"), use.channels, use.argument("after")])


# --- merges -----------------------------------------------------------------------------------------------------------


@singledispatch
def merged(op: Op, ranks: list[int]) -> Callable[[list[Code]], Code]:
    """The expression of a merge, from those of its branches; raises NoRule where PyTorch cannot say it."""
    line = op.torch
    if line is None or op.fields():
        raise NoRule
    return lambda xs: parsed(line, {"xs": Items("", tuple(xs))})


@merged.register
def _(op: Add, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: _chained("+", _over_maps(xs, ranks))


@merged.register
def _(op: Mul, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: _chained("*", _over_maps(xs, ranks))


@merged.register
def _(op: Mean, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: Binary("/", _chained("+", xs), Lit(len(xs)))


@merged.register
def _(op: Max, ranks: list[int]) -> Callable[[list[Code]], Code]:
    def largest(xs: list[Code]) -> Code:
        if len(xs) == 2:
            return call("torch.maximum", *xs)
        return call(Attribute(call("torch.stack", Items("[", tuple(xs))), "amax"), dim=0)

    return largest


@merged.register
def _(op: Concat, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: call("torch.cat", Items("[", tuple(xs)), dim=1)


def _chained(op: str, xs: list[Code]) -> Code:
    made = xs[0]
    for x in xs[1:]:
        made = Binary(op, made, x)
    return made


def _over_maps(xs: list[Code], ranks: list[int]) -> list[Code]:
    """Features among maps, in a shape that broadcasts over them."""
    if len(set(ranks)) == 1:
        return xs
    whole = Slice(None, None)
    at = (whole, whole, Lit(None), Lit(None))
    return [x if rank == 4 else Subscript(x, at) for x, rank in zip(xs, ranks, strict=True)]

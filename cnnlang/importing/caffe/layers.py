"""What each kind of Caffe layer is in the language: one rule a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnlang.importing.building import Value, broken, unsayable
from cnnlang.importing.caffe.net import Layer, Net
from cnnlang.source import Span

Rule = Callable[[Layer, Net, list[Value]], Sequence[Value | None]]
RULES: dict[str, Rule] = {}

FILLERS = "weight_filler bias_filler engine"
NO_RULE = {
    "AbsVal": "the language has no absolute value",
    "ArgMax": "it makes a number of a class, and the language has none; the net may end before it",
    "BatchReindex": "it mixes the samples of a batch",
    "Bias": "a bias belongs to a layer with weights",
    "DetectionOutput": "it makes boxes of numbers; the net may end before it",
    "Embed": "it reads words by their number",
    "Exp": "the language has no such function of one number",
    "Filter": "it mixes the samples of a batch",
    "Im2col": "the language has no value of windows",
    "Interp": "it interpolates with its corners aligned, and `upsample` does not",
    "LSTM": "it keeps a state, and a net here has none",
    "Log": "the language has no such function of one number",
    "MVN": "it has no learnt scale and shift, and `group_norm` has",
    "Normalize": "there is no such normalisation",
    "Parameter": "a weight is no value of a net",
    "Permute": "the axes of a value are fixed",
    "PriorBox": "it makes boxes of numbers; the net may end before it",
    "Proposal": "it makes boxes of numbers; the net may end before it",
    "Python": "a program cannot be read",
    "RNN": "it keeps a state, and a net here has none",
    "ROIPooling": "where a window looks is fixed, not computed",
    "Recurrent": "it keeps a state, and a net here has none",
    "SPP": "it is a pyramid of poolings; write them one by one",
    "Threshold": "the language has no such function of one number",
    "Tile": "the language has no step that repeats",
}


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Enter the rule for layers of these kinds."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return enter


def no_rule(kind: str) -> str:
    """Why a kind has no rule."""
    from cnnlang.expand.cures.suggest import nearest

    near = nearest(kind, list(RULES))
    return NO_RULE.get(kind, "no such layer is known" + (f"; did you mean {near}?" if near else ""))


def _simple(kind: str, op: str, param: str = "") -> None:
    """A rule for a function of single numbers without arguments."""

    @rule(kind)
    def apply(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
        layer.need(1)
        if param:
            layer.param(param, "", "engine")
        return [net.builder.apply(op, x[0])]


for _kind, _op, _param in (
    ("Sigmoid", "sigmoid", "sigmoid_param"),
    ("TanH", "tanh", "tanh_param"),
    ("BNLL", "softplus", ""),
    ("ReLU6", "relu6", "relu_param"),
    ("Mish", "mish", ""),
):
    _simple(_kind, _op, _param)


@rule("ReLU")
def relu(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    slope = layer.param("relu_param", "negative_slope", "engine").number("negative_slope", 0)
    return [net.builder.apply("leaky_relu", x[0], slope=slope) if slope else net.builder.apply("relu", x[0])]


@rule("PReLU")
def prelu(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("prelu_param", "channel_shared", "filler")
    if p.flag("channel_shared", False):
        raise unsayable("one slope for all channels; `prelu` has one for each", p.place("channel_shared"))
    return [net.builder.apply("prelu", x[0], path=net.path(layer))]


@rule("ELU")
def elu(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("elu_param", "alpha")
    if p.number("alpha", 1) != 1:
        raise unsayable("`elu` has no alpha but 1", p.place("alpha"))
    return [net.builder.apply("elu", x[0])]


@rule("Swish")
def swish(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("swish_param", "beta")
    if p.number("beta", 1) != 1:
        raise unsayable("`silu` has no beta but 1", p.place("beta"))
    return [net.builder.apply("silu", x[0])]


@rule("Dropout")
def dropout(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("dropout_param", "dropout_ratio", "scale_train")
    rate = p.number("dropout_ratio", 0.5)
    if not 0 <= rate < 1:
        raise broken(f"`dropout_ratio` must be from 0 to 1, not {rate:g}", p.place("dropout_ratio"))
    return [net.builder.apply("dropout", x[0], rate=rate)]


@rule("Softmax")
def softmax(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("softmax_param", "axis", "engine")
    if p.integer("axis", 1, -4) not in ((1, -3) if x[0].rank == 4 else (1, -1)):
        raise unsayable("`softmax` goes over channels, axis 1", p.place("axis"))
    return [net.builder.apply("softmax", x[0])]


@rule("LRN")
def lrn(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("lrn_param", "local_size alpha beta norm_region k", "engine")
    size = p.integer("local_size", 5, 1)
    alpha, beta, k = p.number("alpha", 1), p.number("beta", 0.75), p.number("k", 1)
    if p.choice("norm_region", "ACROSS_CHANNELS", "WITHIN_CHANNEL") == "WITHIN_CHANNEL" and size > 1:
        raise unsayable("it goes over a neighbourhood in the map; `lrn` goes over channels", p.place("norm_region"))
    return [net.builder.apply("lrn", net.builder.as_map(x[0]), size=size, alpha=alpha, beta=beta, k=k)]


@rule("BatchNorm")
def batch_norm(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """The normalisation alone; the Scale layer behind it is `bn`'s weight and bias."""
    layer.need(1)
    p = layer.param("batch_norm_param", "eps moving_average_fraction use_global_stats")
    if not p.flag("use_global_stats", True):
        net.note(
            "use_global_stats: false was left out: `bn` uses a batch's own numbers in training, never in inference"
        )
    arguments: dict[str, Any] = {"eps": p.number("eps", 1e-5)}
    if p.has("moving_average_fraction"):
        fraction = p.number("moving_average_fraction", 0.999)
        if not 0 <= fraction <= 1:
            raise broken(f"`moving_average_fraction` must be from 0 to 1, not {fraction:g}")
        arguments["momentum"] = round(1 - fraction, 12)
    y = net.builder.apply("bn", x[0], path=net.path(layer), **arguments)
    net.await_scale(y, layer)
    return [y]


@rule("Scale")
def scale(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """With two bottoms a product; behind a batch normalisation a part of it; else a factor for each channel."""
    p = layer.param("scale_param", "axis num_axes bias_term", "filler bias_filler")
    axis, count = p.integer("axis", 1, -4), p.integer("num_axes", 1, -1)
    if len(layer.bottoms) == 2:
        layer.need(2)
        if p.flag("bias_term", False):
            raise unsayable("a product with a bias", p.place("bias_term"))
        return [_scaled_by(x[0], x[1], axis, layer, net)]
    layer.need(1)
    if axis not in ((1, -3) if x[0].rank == 4 else (1, -1)) or count != 1:
        raise unsayable("it does not scale channel by channel", p.place("axis" if axis != 1 else "num_axes"))
    has_bias = p.flag("bias_term", False)
    if net.takes_scale(x[0], layer):
        if not has_bias:
            net.note("a `bn` whose Scale layer has no bias_term has a bias all the same, which begins at 0")
        return [x[0]]
    if x[0].rank == 2:
        raise unsayable("a factor for each feature, with no batch normalisation before it")
    bias = None if has_bias else False
    return [net.builder.apply("depthwise", x[0], path=net.path(layer), kernel=1, bias=bias)]


def _scaled_by(x: Value, factor: Value, axis: int, layer: Layer, net: Net) -> Value:
    """Maps, each multiplied by a number of its own, or a product number by number."""
    if x.shape is not None and factor.shape is not None and x.shape != factor.shape:
        if factor.rank == 4 and factor.shape[1:] == (1, 1):
            factor = net.builder.flat(factor)
        if axis != 0 or factor.shape != x.shape[:1]:
            raise unsayable("its factors are no maps of the same size and no number for each channel")
    return net.builder.apply("mul", x, factor)


@rule("Axpy")
def axpy(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """Squeeze-and-excitation's: a * x + y, a number a for each channel."""
    layer.need(3)
    return [net.builder.apply("add", _scaled_by(x[1], x[0], 0, layer, net), x[2])]


@rule("InnerProduct")
def inner_product(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    p = layer.param("inner_product_param", "num_output bias_term axis", f"transpose {FILLERS}")
    if p.integer("axis", 1, -4) not in ((1, -3) if x[0].rank == 4 else (1, -1)):
        raise unsayable("`dense` takes all numbers of a sample, axis 1", p.place("axis"))
    units = _count(layer, "inner_product_param")
    flat = net.builder.flat(x[0])
    return [net.builder.apply("dense", flat, path=net.path(layer), units=units, bias=p.flag("bias_term", True))]


def _count(layer: Layer, param: str) -> int:
    """The number of a layer's outputs."""
    p = layer.message.message(param)
    if not p.has("num_output"):
        raise broken("`num_output` is not given", p.span)
    return p.integer("num_output", 1, 1)


def sizes(layer: Layer, param: str, name: str, default: int | None, low: int = 0) -> tuple[int, int]:
    """A size down and across: `kernel_size: 3`, one for each, or `kernel_h` and `kernel_w`.

    Raises
    ------
    LayerError
        E0601: it is not given, or twice; E0602: it is for more than two axes.
    """
    p = layer.message.message(param)
    stem = "kernel" if name == "kernel_size" else name
    both = [p.has(f"{stem}_h"), p.has(f"{stem}_w")]
    given = p.integers(name, low)
    if given and any(both):
        raise broken(f"`{name}` and `{stem}_h` are both given", p.place(name))
    if any(both):
        if not all(both) and default is None:
            raise broken(f"`{stem}_h` and `{stem}_w` go together", p.span)
        return p.integer(f"{stem}_h", default or 0, low), p.integer(f"{stem}_w", default or 0, low)
    if len(given) > 2:
        raise unsayable("it has more than two axes", p.place(name))
    if not given and default is None:
        raise broken(f"`{name}` is not given", p.span)
    first = given[0] if given else default or 0
    return first, given[1] if len(given) > 1 else first


WINDOWS = "kernel_size kernel_h kernel_w stride stride_h stride_w pad pad_h pad_w"
CONVOLUTION = f"num_output bias_term group dilation axis {WINDOWS}"


def _convolution(layer: Layer) -> dict[str, Any]:
    """The arguments that convolutions and transposed ones share."""
    layer.need(1)
    param = "convolution_param"
    p = layer.param(param, CONVOLUTION, f"{FILLERS} force_nd_im2col")
    if p.integer("axis", 1, -4) not in (1, -3):
        raise unsayable("channels are axis 1", p.place("axis"))
    high, wide = sizes(layer, param, "pad", 0)
    return {
        "channels": _count(layer, param),
        "kernel": sizes(layer, param, "kernel_size", None, 1),
        "stride": sizes(layer, param, "stride", 1, 1),
        "pad": (high, high, wide, wide),
        "dilation": sizes(layer, param, "dilation", 1, 1),
        "groups": p.integer("group", 1, 1),
        "bias": p.flag("bias_term", True),
    }


@rule("Convolution")
def convolution(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    arguments = _convolution(layer)
    bias = bool(arguments.pop("bias"))
    return [net.builder.conv(x[0], net.path(layer), bias=bias, **arguments)]


@rule("ConvolutionDepthwise", "DepthwiseConvolution")
def depthwise(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    arguments = _convolution(layer)
    bias = bool(arguments.pop("bias"))
    if x[0].shape is not None:
        arguments["groups"] = x[0].shape[0]
    return [net.builder.conv(x[0], net.path(layer), bias=bias, **arguments)]


@rule("Deconvolution")
def deconvolution(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    arguments = _convolution(layer)
    return [net.builder.apply("deconv", net.builder.as_map(x[0]), path=net.path(layer), **arguments)]


@rule("Pooling")
def pooling(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(1)
    param = "pooling_param"
    p = layer.param(param, f"pool global_pooling round_mode ceil_mode {WINDOWS}", "engine")
    how = p.choice("pool", "MAX", "AVE", "STOCHASTIC")
    if how == "STOCHASTIC":
        raise unsayable("a pooling by chance", p.place("pool"))
    if p.flag("global_pooling", False):
        return [net.builder.global_pool("global_avgpool" if how == "AVE" else "global_maxpool", x[0])]
    up = p.choice("round_mode", "CEIL", "FLOOR") == "CEIL" and p.flag("ceil_mode", True)
    kernel, stride = sizes(layer, param, "kernel_size", None, 1), sizes(layer, param, "stride", 1, 1)
    pad = sizes(layer, param, "pad", 0)
    value = net.builder.as_map(x[0])
    ceil = False
    if value.shape is not None:
        counts = [_windows(*c, up, any(pad)) for c in zip(value.shape[1:], kernel, stride, pad, strict=True)]
        floors = [_windows(*c, False, False) for c in zip(value.shape[1:], kernel, stride, pad, strict=True)]
        ceil = counts != floors
    name = "maxpool" if how == "MAX" else "avgpool"
    sides = (pad[0], pad[0], pad[1], pad[1])
    y = net.builder.apply(name, value, kernel=kernel, stride=stride, pad=sides, ceil=ceil)
    if y.shape is not None and list(y.shape[1:]) != counts:
        raise unsayable(f"Caffe makes {counts[0]}x{counts[1]} windows here, some of them outside of the map")
    return [y]


def _windows(side: int, kernel: int, stride: int, pad: int, up: bool, clip: bool) -> int:
    """How many windows Caffe makes along a side: rounded up, and with padding none that begins behind the map."""
    room = side + 2 * pad - kernel
    count = (-(-room // stride) if up else room // stride) + 1
    return count - 1 if clip and (count - 1) * stride >= side + pad else count


@rule("Eltwise")
def eltwise(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(max(len(x), 2))
    p = layer.param("eltwise_param", "operation coeff", "stable_prod_grad")
    how = p.choice("operation", "PROD", "SUM", "MAX")
    if not p.has("operation"):
        how = "SUM"
    factors = p.numbers("coeff")
    branches = net.builder.like(x)
    if factors and how != "SUM":
        raise unsayable("`coeff` belongs to a sum", p.place("coeff"))
    if factors and len(factors) != len(x):
        raise broken(f"there are {len(factors)} numbers `coeff` and {len(x)} bottoms", p.place("coeff"))
    if factors and len(set(factors)) == 1 and abs(factors[0] * len(x) - 1) < 1e-6:
        return [net.builder.apply("mean", *branches)]
    if min(factors, default=1) <= 0:
        raise unsayable("a branch is multiplied by 0 or less", p.place("coeff"))
    if factors:
        branches = [_times(b, f, net) for b, f in zip(branches, factors, strict=True)]
    return [net.builder.apply({"SUM": "add", "PROD": "mul", "MAX": "max"}[how], *branches)]


def _times(x: Value, factor: float, net: Net) -> Value:
    """A value multiplied by a number above 0: a division by a deviation."""
    return x if factor == 1 else net.builder.apply("normalize", x, mean=0, std=1 / factor)


@rule("Power")
def power(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    """(shift + scale * x) ** power."""
    layer.need(1)
    p = layer.param("power_param", "power scale shift")
    exponent, factor, shift = p.number("power", 1), p.number("scale", 1), p.number("shift", 0)
    if exponent != 1:
        raise unsayable("the language has no powers", p.place("power"))
    if factor <= 0:
        raise unsayable("a value is multiplied by 0 or less", p.place("scale"))
    if factor == 1 and not shift:
        return x
    return [net.builder.apply("normalize", x[0], mean=-shift / factor, std=1 / factor)]


@rule("Concat")
def concat(layer: Layer, net: Net, x: list[Value]) -> list[Value]:
    layer.need(max(len(x), 1))
    p = layer.param("concat_param", "axis concat_dim")
    need_channels(p.integer("axis", p.integer("concat_dim", 1, 0), -4), x, "concat", p.place("axis"))
    return x if len(x) == 1 else [net.builder.apply("concat", *net.builder.like(x))]


def need_channels(axis: int, x: Sequence[Value], name: str, span: Span) -> None:
    """Raise E0602 unless an axis is that of the channels."""
    ranks = {v.rank for v in x} - {0}
    if axis != 1 and (axis >= 0 or any(axis + rank != 1 for rank in ranks)):
        raise unsayable(f"`{name}` goes along channels, axis 1", span)

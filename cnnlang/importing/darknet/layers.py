"""What each kind of Darknet layer is in the language: one rule a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnlang.importing.building import Value, broken, unsayable
from cnnlang.importing.darknet.cfg import Section
from cnnlang.importing.darknet.net import EPS, Net
from cnnlang.importing.windows import fitting_pads

Rule = Callable[[Section, Net], Value]
RULES: dict[str, Rule] = {}

NO_RULE = {
    "local": "each place of the map has a kernel of its own",
    "normalization": "Darknet's leaves a neighbour of the first channels out",
    "l2norm": "there is no such normalisation",
    "iseg": "it is a loss",
    "implicit": "a weight is no value of a net",
}
TRAINING = ("cost", "contrastive")
RECURRENT = ("rnn", "gru", "lstm", "crnn", "conv_lstm", "history")
TRAINED_ALONE = ["dropblock", "dropblock_size_rel", "dropblock_size_abs"]
BN_ORDER = ((1, "bias"), (1, "weight"), (1, "running_mean"), (1, "running_var"))


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Enter the rule for layers of these kinds."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return enter


def say(section: Section, net: Net) -> Value:
    """One layer.

    Raises
    ------
    LayerError
        It cannot be said, or the file does not hold together.
    """
    if section.kind not in RULES:
        raise unsayable(_no_rule(section.kind))
    if net.index - 1 in net.head_layers and section.kind != "route":
        raise unsayable(f"it reads the boxes that layer {net.index - 1} finds")
    return RULES[section.kind](section, net)


def _no_rule(kind: str) -> str:
    if kind in RECURRENT:
        return "it keeps a state from one input to the next, and a net here has none"
    from cnnlang.expand.cures.suggest import nearest

    near = nearest(kind, list(RULES))
    return NO_RULE.get(kind, "no such layer is known" + (f"; did you mean [{near}]?" if near else ""))


@rule("convolutional", "conv")
def convolutional(s: Section, net: Net) -> Value:
    s.forbid(
        binary="weights that are signs alone",
        xnor="weights and values that are signs alone",
        antialiasing="it blurs before it takes every other place",
        coordconv="it adds the places of the map as channels",
        bin_output="values that are signs alone",
        share_index="weights that belong to another layer",
        flipped="weights in another order",
        deform="kernels that are made of one another",
        sway="kernels that are made of one another",
        rotate="kernels that are made of one another",
        stretch="kernels that are made of one another",
        stretch_sway="kernels that are made of one another",
    )
    s.ignore("assisted_excitation", "angle", "dot", "grad_centr", "reverse", "stream", "wait_stream")
    size = s.integer("size", 1, 1)
    dilation = s.integer("dilation", 1, 1)
    groups, filters = s.integer("groups", 1, 1), s.integer("filters", 1, 1)
    padding = s.integer("padding", 0, 0)
    if s.flag("pad"):
        padding = size // 2
    dilation = 1 if size == 1 else dilation
    stride = _strides(s, 1)
    normalized = s.flag("batch_normalize") | s.flag("cbn")
    y = net.builder.conv(
        net.x,
        net.path(),
        channels=filters,
        kernel=(size, size),
        stride=stride,
        pad=(padding * dilation,) * 4,
        dilation=(dilation, dilation),
        groups=groups,
        bias=not normalized,
    )
    shape = net.x.shape
    if y.shape is not None and shape is not None and len(shape) == 3 and len(y.shape) == 3:
        for side, stride_, made in zip(shape[1:], stride, y.shape[1:], strict=True):
            if (side + 2 * padding - size) // stride_ + 1 != made:
                raise unsayable("Darknet makes a map of another size where it dilates", s.place("dilation"))
    return _finish(s, net, y, normalized)


def _finish(s: Section, net: Net, y: Value, normalized: bool) -> Value:
    """Batch normalisation and the activation behind a convolution."""
    weight = (0, "weight")
    if not normalized:
        net.weigh(s, "convolutional", y, order=((0, "bias"), weight))
        return net.activate(y, s, "logistic")
    z = net.builder.apply("bn", y, path=net.path("_bn"), eps=EPS)
    net.weigh(s, "convolutional", y, z, order=(*BN_ORDER, weight))
    return net.activate(z, s, "logistic")


def _strides(s: Section, default: int) -> tuple[int, int]:
    """The stride down and across."""
    stride = s.integer("stride", default, 1)
    return s.integer("stride_y", stride, 1), s.integer("stride_x", stride, 1)


@rule("deconvolutional", "deconv")
def deconvolutional(s: Section, net: Net) -> Value:
    size, filters, padding = s.integer("size", 1, 1), s.integer("filters", 1, 1), s.integer("padding", 0, 0)
    if s.flag("pad"):
        padding = size // 2
    normalized = s.flag("batch_normalize")
    y = net.builder.apply(
        "deconv",
        net.builder.as_map(net.x),
        path=net.path(),
        channels=filters,
        kernel=size,
        stride=s.integer("stride", 1, 1),
        pad=padding,
        bias=not normalized,
    )
    return _finish(s, net, y, normalized)


@rule("connected", "conn")
def connected(s: Section, net: Net) -> Value:
    units, normalized = s.integer("output", 1, 1), s.flag("batch_normalize")
    y = net.builder.apply("dense", net.features(net.x), path=net.path(), units=units, bias=not normalized)
    if not normalized:
        net.weigh(s, "connected", y, order=((0, "bias"), (0, "weight")))
        return net.activate(y, s, "logistic")
    z = net.builder.apply("bn", y, path=net.path("_bn"), eps=EPS)
    # the bias stands before the weights, what belongs to bn behind them
    net.weigh(s, "connected", y, z, order=((1, "bias"), (0, "weight"), *BN_ORDER[1:]))
    return net.activate(z, s, "logistic")


@rule("batchnorm")
def batchnorm(s: Section, net: Net) -> Value:
    y = net.builder.apply("bn", net.x, path=net.path(), eps=EPS)
    net.weigh(s, "batchnorm", net.x, y, order=BN_ORDER)
    return y


@rule("maxpool", "max")
def maxpool(s: Section, net: Net) -> Value:
    s.forbid(
        maxpool_depth="the largest of channels",
        maxpool_zero_nonmax="it changes what it reads",
        antialiasing="it blurs before it takes every other place",
    )
    s.ignore("out_channels")
    return _pool(s, net, "maxpool")


@rule("local_avgpool", "local_avg")
def local_avgpool(s: Section, net: Net) -> Value:
    s.forbid(antialiasing="it blurs before it takes every other place")
    return _pool(s, net, "avgpool", count_pad=False)


def _pool(s: Section, net: Net, name: str, **arguments: Any) -> Value:
    """Windows of a size; `padding` is that of both sides together, the odd cell after the map."""
    stride = _strides(s, 1)
    size = s.integer("size", s.integer("stride", 1, 1), 1)
    padding = s.integer("padding", size - 1, 0)
    x = net.builder.as_map(net.x)
    pads = [(padding // 2, padding - padding // 2)] * 2
    if x.shape is not None:
        for axis, side in enumerate(x.shape[1:]):
            count = (side + padding - size) // stride[axis] + 1
            pads[axis] = fitting_pads(side, size, stride[axis], count, *pads[axis])
    return net.builder.apply(name, x, kernel=size, stride=stride, pad=(*pads[0], *pads[1]), **arguments)


@rule("avgpool", "avg")
def avgpool(s: Section, net: Net) -> Value:
    return net.builder.global_pool("global_avgpool", net.x)


@rule("activation")
def activation(s: Section, net: Net) -> Value:
    return net.activate(net.x, s, "linear")


@rule("logistic")
def logistic(s: Section, net: Net) -> Value:
    return net.builder.apply("sigmoid", net.x)


@rule("dropout")
def dropout(s: Section, net: Net) -> Value:
    s.ignore(*TRAINED_ALONE)
    rate = s.number("probability", 0.5)
    if not 0 <= rate < 1:
        raise broken(f"probability must be from 0 to 1, not {rate:g}", s.place("probability"))
    if s.has("dropblock") and s.flag("dropblock"):
        net.note("dropblock=1 became `dropout`, which drops single numbers; in inference both do nothing")
    return net.builder.apply("dropout", net.x, rate=rate)


@rule("softmax", "soft")
def softmax(s: Section, net: Net) -> Value:
    if s.has("tree"):
        raise unsayable("a softmax for each node of a tree", s.place("tree"))
    if s.integer("groups", 1) != 1:
        raise unsayable("several softmaxes, each over a part of the channels", s.place("groups"))
    temperature = s.number("temperature", 1)
    if temperature <= 0:
        raise broken(f"temperature must be above 0, not {temperature:g}", s.place("temperature"))
    s.ignore("noloss")
    x = net.x if s.flag("spatial") else net.features(net.x)
    if temperature != 1:
        x = net.builder.apply("normalize", x, mean=0, std=temperature)
    return net.builder.apply("softmax", x)


@rule(*TRAINING)
def cost(s: Section, net: Net) -> Value:
    s.ignore(*s.options)
    return net.x


@rule("empty", "silence")
def empty(s: Section, net: Net) -> Value:
    return net.x

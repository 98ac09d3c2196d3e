"""ONNX's single-node tests, said in the language: each builder makes a graph of our operators for one node.

Values of other ranks are presented as maps `[N, C, H, W]` or features `[N, C]`: a signal is a map of height 1, and what
happens along some axis happens along the channels of a value whose axes are moved. Inputs that the node multiplies or
adds as a layer does are weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.dims import Term
from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Fixed, Input, Weight
from tests.operator_cases import make

Array = NDArray[Any]


class CannotSayError(Exception):
    """The language has no words for it; the message is the reason."""


@dataclass
class NodeTest:
    """One test: a node's attributes, what goes in (None for an input left out) and what must come out."""

    name: str
    op_type: str
    attributes: dict[str, Any]
    inputs: list[Array | None]
    outputs: list[Array]
    rtol: float
    atol: float

    def input(self, number: int) -> Array | None:
        return self.inputs[number] if number < len(self.inputs) else None

    def value(self, number: int) -> Array:
        found = self.input(number)
        assert found is not None
        return found

    def get(self, name: str, default: Any) -> Any:
        found = self.attributes.get(name, default)
        return found.decode() if isinstance(found, bytes) else found


@dataclass
class Said:
    """A graph with arrays for its inputs and weights, and the arrays that must come out."""

    inputs: list[tuple[Node, Array]] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    outputs: list[tuple[Node, Array]] = field(default_factory=list)

    def input(self, x: Array) -> Node:
        shape = (Term.variable("N"), *x.shape[1:])
        node = Node.of(Input(shape, f"x{len(self.inputs)}"), name=f"x{len(self.inputs)}")
        self.inputs.append((node, x.astype(np.float64)))
        return node

    def then(self, name: str, *values: Node, weights: Sequence[Array] = (), **arguments: Any) -> Node:
        op = make(name, **arguments)
        specs = op.weights(*(v.type for v in values))
        owned = []
        given = iter(weights)
        for spec in specs:
            if spec.values is not None:
                owned.append(Node.of(Fixed(spec.shape, spec.values)))
                continue
            path, array = f"{name}{len(self.weights)}.{spec.name}", next(given)
            self.weights[path] = array.astype(np.float64).reshape(spec.shape)
            owned.append(Node.of(Weight(spec.shape, path, spec)))
        assert next(given, None) is None
        return Node.of(op, *values, *owned, name=name)

    def expect(self, node: Node, y: Array) -> Said:
        self.outputs.append((node, y.astype(np.float64)))
        return self

    @property
    def graph(self) -> Graph:
        names = tuple(f"y{i}" for i in range(len(self.outputs)))
        return Graph("Test", tuple(n for n, _ in self.inputs), tuple(n for n, _ in self.outputs), names)


BUILDERS: dict[str, Callable[[NodeTest], Said]] = {}


def says(*op_types: str) -> Callable[[Callable[[NodeTest], Said]], Callable[[NodeTest], Said]]:
    def enter(builder: Callable[[NodeTest], Said]) -> Callable[[NodeTest], Said]:
        BUILDERS.update(dict.fromkeys(op_types, builder))
        return builder

    return enter


# --- how values are presented ----------------------------------------------------------------------------------------


def row(x: Array) -> Array:
    """All numbers as the features of one sample."""
    return x.reshape(1, -1)


def rows(x: Array, axis: int = -1) -> Array:
    """The numbers along an axis as features, everything else as samples."""
    moved = np.moveaxis(x, axis, -1)
    return moved.reshape(-1, moved.shape[-1])


def as_map(x: Array) -> Array:
    """A map; a signal `[N, C, W]` as one of height 1."""
    if x.ndim == 3:
        return x[:, :, None]
    if x.ndim != 4:
        raise CannotSayError("maps have a height and a width and no depth")
    return x


def both(values: Sequence[int] | None, default: int) -> tuple[int, int]:
    """An attribute of two sides, or of one (a signal's)."""
    values = list(values) if values else [default, default]
    return (1 if default != 0 else 0, values[0]) if len(values) == 1 else (values[0], values[1])


def sides(pads: Sequence[int] | None) -> tuple[int, int, int, int]:
    """ONNX's begins then ends, as top, bottom, left, right."""
    pads = list(pads) if pads else [0] * 4
    if len(pads) == 2:
        return (0, 0, pads[0], pads[1])
    return (pads[0], pads[2], pads[1], pads[3])


def window_arguments(test: NodeTest, x: Array, kernel: tuple[int, int]) -> dict[str, Any]:
    """Kernel, stride, padding and dilation; SAME_LOWER, which puts the odd cell before, as numbers."""
    stride, dilation = both(test.get("strides", None), 1), both(test.get("dilations", None), 1)
    pad: Any = sides(test.get("pads", None))
    auto = test.get("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        pad = "same_upper"
    elif auto == "SAME_LOWER":
        pad = ()
        for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
            total = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
            pad += (total - total // 2, total // 2)
    return {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation}


def one_output(test: NodeTest, why: str) -> None:
    if len(test.outputs) > 1:
        raise CannotSayError(why)


def whole(x: Array) -> bool:
    return not np.issubdtype(x.dtype, np.floating)


# --- layers with weights ---------------------------------------------------------------------------------------------


@says("Conv")
def conv(test: NodeTest) -> Said:
    x, weight, bias = as_map(test.value(0)), as_map(test.value(1)), test.input(2)
    said, (out, _, kh, kw) = Said(), weight.shape
    arguments = window_arguments(test, x, (kh, kw))
    y = said.then("conv", said.input(x), channels=out, groups=test.get("group", 1), bias=bias is not None,
                  weights=[weight] if bias is None else [weight, bias], **arguments)  # fmt: skip
    return said.expect(y, as_map(test.outputs[0]))


@says("ConvTranspose")
def deconv(test: NodeTest) -> Said:
    x, weight, bias = as_map(test.value(0)), as_map(test.value(1)), test.input(2)
    said, groups = Said(), test.get("group", 1)
    arguments = window_arguments(test, x, (weight.shape[2], weight.shape[3]))
    extra = both(test.get("output_padding", None), 0)
    if shape := test.get("output_shape", None):
        # what the size asks for is taken off both sides, or, where it is too little, added at the end
        totals = [
            s * (size - 1) + e + d * (k - 1) + 1 - wanted
            for size, wanted, s, e, d, k in zip(
                x.shape[2:], shape, arguments["stride"], extra, arguments["dilation"], arguments["kernel"], strict=True
            )
        ]
        extra = (extra[0] + max(-totals[0], 0), extra[1] + max(-totals[1], 0))
        totals = [max(total, 0) for total in totals]
        arguments["pad"] = (totals[0] // 2, -(-totals[0] // 2), totals[1] // 2, -(-totals[1] // 2))
    y = said.then("deconv", said.input(x), channels=weight.shape[1] * groups, groups=groups, output_pad=extra,
                  bias=bias is not None, weights=[weight] if bias is None else [weight, bias], **arguments)  # fmt: skip
    return said.expect(y, as_map(test.outputs[0]))


@says("Gemm", "MatMul")
def dense(test: NodeTest) -> Said:
    a, b, c = test.value(0), test.value(1), test.input(2)
    if b.ndim > 2:
        raise CannotSayError("a layer's weight is one matrix for all samples")
    b = b if b.ndim == 2 else b[:, None]
    a = a.T if test.get("transA", 0) else a
    b = b if test.get("transB", 0) else b.T
    units, said = b.shape[0], Said()
    weights = [test.get("alpha", 1.0) * b]
    if c is not None:
        if c.ndim == 2 and c.shape[0] > 1:
            raise CannotSayError("a layer's bias is the same for all samples")
        weights.append(test.get("beta", 1.0) * np.broadcast_to(c, (1, units)))
    y = said.then("dense", said.input(rows(a)), units=units, bias=c is not None, weights=weights)
    return said.expect(y, test.outputs[0].reshape(-1, units))


@says("BatchNormalization")
def batch_norm(test: NodeTest) -> Said:
    if test.get("training_mode", 0):
        raise CannotSayError("a graph is for inference; training has operators of its own")
    said = Said()
    y = said.then("bn", said.input(test.value(0)), weights=[test.value(i) for i in (1, 2, 3, 4)],
                  eps=test.get("epsilon", 1e-5))  # fmt: skip
    return said.expect(y, test.outputs[0])


@says("GroupNormalization", "InstanceNormalization")
def group_norm(test: NodeTest) -> Said:
    said, x = Said(), test.value(0)
    groups = test.get("num_groups", x.shape[1])
    y = said.then("group_norm", said.input(x), weights=[test.value(1), test.value(2)], groups=groups,
                  eps=test.get("epsilon", 1e-5))  # fmt: skip
    return said.expect(y, test.outputs[0])


@says("PRelu")
def prelu(test: NodeTest) -> Said:
    said, (x, slope) = Said(), (test.value(0), test.value(1))
    shown = row if slope.shape == x.shape else rows
    y = said.then("prelu", said.input(shown(x)), weights=[slope])
    return said.expect(y, shown(test.outputs[0]))


# --- windows ---------------------------------------------------------------------------------------------------------


@says("MaxPool", "AveragePool")
def pool(test: NodeTest) -> Said:
    one_output(test, "the places of the largest numbers are no value of a net")
    x, said = as_map(test.value(0)), Said()
    arguments = window_arguments(test, x, both(test.attributes["kernel_shape"], 1)) | {
        "ceil": bool(test.get("ceil_mode", 0))
    }
    if test.op_type == "AveragePool":
        if arguments.pop("dilation") != (1, 1):
            raise CannotSayError("`avgpool` has no dilation")
        arguments["count_pad"] = bool(test.get("count_include_pad", 0))
    node = said.input(x)
    if arguments.get("count_pad") and not arguments["ceil"]:
        # zeros that are counted may as well be part of the map, and then they may be more than half the window
        node = said.then("pad", node, amount=arguments.pop("pad"))
    y = said.then("maxpool" if test.op_type == "MaxPool" else "avgpool", node, **arguments)
    return said.expect(y, as_map(test.outputs[0]))


@says("GlobalAveragePool", "GlobalMaxPool")
def global_pool(test: NodeTest) -> Said:
    said = Said()
    y = said.then("global_avgpool" if "Average" in test.op_type else "global_maxpool", said.input(test.value(0)))
    return said.expect(y, test.outputs[0][:, :, 0, 0])


@says("ReduceMean", "ReduceMax")
def reduce(test: NodeTest) -> Said:
    """Over all axes but some it is a global pool: those are the samples, the others a map."""
    x, said = test.value(0), Said()
    axes = test.input(1)
    listed = test.get("axes", None) if axes is None else axes.tolist()
    if x.size == 0:
        raise CannotSayError("a tensor has at least one element")
    gone = sorted(a % x.ndim for a in listed or range(x.ndim))
    moved = np.moveaxis(x, gone, range(-len(gone), 0))
    samples = moved.reshape(-1, 1, int(np.prod([x.shape[a] for a in gone])), 1)
    y = said.then("global_avgpool" if test.op_type == "ReduceMean" else "global_maxpool", said.input(samples))
    return said.expect(y, test.outputs[0].reshape(-1, 1))


@says("LRN")
def lrn(test: NodeTest) -> Said:
    said = Said()
    y = said.then("lrn", said.input(test.value(0)), size=test.get("size", None), alpha=test.get("alpha", 1e-4),
                  beta=test.get("beta", 0.75), k=test.get("bias", 1.0))  # fmt: skip
    return said.expect(y, test.outputs[0])


# --- functions of one number -----------------------------------------------------------------------------------------

PLAIN = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Mish": "mish",
    "HardSwish": "hardswish",
}  # fmt: skip


def activation(test: NodeTest, name: str, **arguments: Any) -> Said:
    said = Said()
    return said.expect(said.then(name, said.input(row(test.value(0))), **arguments), row(test.outputs[0]))


@says(*PLAIN)
def plain(test: NodeTest) -> Said:
    return activation(test, PLAIN[test.op_type])


@says("LeakyRelu")
def leaky_relu(test: NodeTest) -> Said:
    return activation(test, "leaky_relu", slope=test.get("alpha", 0.01))


@says("Elu", "Celu")
def elu(test: NodeTest) -> Said:
    if test.get("alpha", 1.0) != 1:
        raise CannotSayError("`elu` has no alpha but 1")
    return activation(test, "elu")


@says("Selu")
def selu(test: NodeTest) -> Said:
    if "alpha" in test.attributes or "gamma" in test.attributes:
        raise CannotSayError("`selu` has the paper's two numbers")
    return activation(test, "selu")


@says("Gelu")
def gelu(test: NodeTest) -> Said:
    if test.get("approximate", "none") != "none":
        raise CannotSayError("`gelu` is exact, not the tanh approximation")
    return activation(test, "gelu")


@says("HardSigmoid")
def hardsigmoid(test: NodeTest) -> Said:
    if not np.allclose((test.get("alpha", 0.2), test.get("beta", 0.5)), (1 / 6, 0.5)):
        raise CannotSayError("`hardsigmoid` has slope 1/6 and 0.5 in the middle")
    return activation(test, "hardsigmoid")


@says("Swish")
def silu(test: NodeTest) -> Said:
    if test.get("alpha", 1.0) != 1:
        raise CannotSayError("`silu` has no alpha but 1")
    return activation(test, "silu")


@says("Clip")
def clip(test: NodeTest) -> Said:
    low, high = test.input(1), test.input(2)
    if (low is None or low != 0) or (high is not None and high != 6):
        raise CannotSayError("the bounds of `relu` are 0 and none, of `relu6` 0 and 6")
    return activation(test, "relu" if high is None else "relu6")


@says("Softmax", "LogSoftmax")
def softmax(test: NodeTest) -> Said:
    said, axis = Said(), test.get("axis", -1)
    name = "softmax" if test.op_type == "Softmax" else "log_softmax"
    return said.expect(said.then(name, said.input(rows(test.value(0), axis))), rows(test.outputs[0], axis))


@says("Dropout")
def dropout(test: NodeTest) -> Said:
    one_output(test, "which numbers `dropout` kept is no value of a net")
    training = test.input(2)
    if training is not None and bool(training):
        raise CannotSayError("a graph is for inference; training has operators of its own")
    return activation(test, "dropout")


# --- moving numbers --------------------------------------------------------------------------------------------------


@says("Flatten")
def flatten(test: NodeTest) -> Said:
    said, x = Said(), test.value(0)
    if test.get("axis", 1) % x.ndim != 1:
        raise CannotSayError("`flatten` keeps the samples apart")
    return said.expect(said.then("flatten", said.input(x)), test.outputs[0])


@says("Pad")
def pad(test: NodeTest) -> Said:
    said, x, mode = Said(), test.value(0), test.get("mode", "constant")
    if mode == "wrap":
        raise CannotSayError("`pad` is constant, reflect or edge")
    axes = test.input(3)
    amounts = np.zeros((2, 4), dtype=int)
    amounts[:, np.arange(4) if axes is None else axes % 4] = test.value(1).reshape(2, -1)
    assert not amounts[:, :2].any()
    value = test.input(2)
    amount = (*amounts[:, 2].tolist(), *amounts[:, 3].tolist())
    y = said.then("pad", said.input(x), amount=amount, mode=mode, value=0 if value is None else float(value))
    return said.expect(y, test.outputs[0])


@says("Resize", "Upsample")
def upsample(test: NodeTest) -> Said:
    x, said = test.value(0), Said()
    mode = {"nearest": "nearest", "linear": "bilinear"}.get(test.get("mode", "nearest"))
    if mode is None or test.get("antialias", 0):
        raise CannotSayError("`upsample` is nearest or bilinear")
    where = test.get("coordinate_transformation_mode", "half_pixel")
    rounding = test.get("nearest_mode", "round_prefer_floor")
    scale = [b / a for a, b in zip(x.shape, test.outputs[0].shape, strict=True)]
    if any(s < 1 or s != int(s) for s in scale):
        raise CannotSayError("`upsample` enlarges by whole numbers")
    if where != "half_pixel" or (mode == "nearest" and rounding != "round_prefer_floor"):
        raise CannotSayError("`upsample` has half-pixel places, and the nearest cell is the one that covers the place")
    y = said.then("upsample", said.input(x), scale=(int(scale[2]), int(scale[3])), mode=mode)
    return said.expect(y, test.outputs[0])


@says("DepthToSpace")
def depth_to_space(test: NodeTest) -> Said:
    said, r = Said(), test.get("blocksize", None)
    x = said.input(test.value(0))
    if test.get("mode", "DCR") == "DCR":
        x = said.then("channel_shuffle", x, groups=r * r)
    return said.expect(said.then("pixel_shuffle", x, r=r), test.outputs[0])


@says("SpaceToDepth")
def space_to_depth(test: NodeTest) -> Said:
    """Each cell of a block is picked out by a kernel of zeros and one 1."""
    said, x, r = Said(), test.value(0), test.get("blocksize", None)
    picks = np.eye(r * r).reshape(r * r, 1, r, r).tolist() * x.shape[1]
    y = said.then("depthwise", said.input(x), kernel=r, stride=r, multiplier=r * r, weight=picks)
    if test.get("mode", "DCR") == "DCR":
        y = said.then("channel_shuffle", y, groups=x.shape[1])
    return said.expect(y, test.outputs[0])


@says("Concat")
def concat(test: NodeTest) -> Said:
    said, axis = Said(), test.attributes["axis"]
    y = said.then("concat", *(said.input(rows(test.value(i), axis)) for i in range(len(test.inputs))))
    return said.expect(y, rows(test.outputs[0], axis))


@says("Split")
def split(test: NodeTest) -> Said:
    said, axis, start = Said(), test.get("axis", 0), 0
    if any(y.size == 0 for y in test.outputs):
        raise CannotSayError("a tensor has at least one element")
    x = said.input(rows(test.value(0), axis))
    for y in test.outputs:
        stop = start + y.shape[axis]
        said.expect(said.then("channels", x, start=start, stop=stop), rows(y, axis))
        start = stop
    return said


@says("Slice")
def slices(test: NodeTest) -> Said:
    said, x, y = Said(), test.value(0), test.outputs[0]
    axes, steps = test.input(3), test.input(4)
    if steps is not None and (steps != 1).any():
        raise CannotSayError("`channels` and `crop` take all that lies between, in its order")
    if y.size == 0:
        raise CannotSayError("a tensor has at least one element")
    kept = [(0, size) for size in x.shape]
    starts, ends = test.value(1).tolist(), test.value(2).tolist()
    for start, end, axis in zip(starts, ends, range(len(starts)) if axes is None else axes.tolist(), strict=True):
        kept[axis] = slice(start, end).indices(x.shape[axis])[:2]
    (start, stop), (top, bottom), (left, right) = kept
    node = said.then("channels", said.input(x[None]), start=start, stop=stop)
    amount = (top, x.shape[1] - bottom, left, x.shape[2] - right)
    return said.expect(said.then("crop", node, amount=amount), y[None])


@says("CenterCropPad")
def center_crop_pad(test: NodeTest) -> Said:
    said, x, y = Said(), test.value(0), test.outputs[0]
    crops, pads = [], []
    for size, wanted in zip(x.shape, y.shape, strict=True):
        less, more = max(size - wanted, 0), max(wanted - size, 0)
        crops += [less // 2, -(-less // 2)]
        pads += [more // 2, -(-more // 2)]
    node = said.then("channels", said.input(x[None]), start=crops[0], stop=x.shape[0] - crops[1])
    node = said.then("pad_channels", node, before=pads[0], after=pads[1])
    node = said.then("crop", node, amount=tuple(crops[2:]))
    return said.expect(said.then("pad", node, amount=tuple(pads[2:])), y[None])


# --- merges ----------------------------------------------------------------------------------------------------------

MERGES = {"Add": "add", "Sum": "add", "Mul": "mul", "Max": "max", "Mean": "mean"}


@says(*MERGES)
def merge(test: NodeTest) -> Said:
    said, xs = Said(), [test.value(i) for i in range(len(test.inputs))]
    if len(xs) < 2:
        raise CannotSayError("a merge has at least two branches")
    if test.op_type in ("Add", "Mul") and whole(xs[0]):
        raise CannotSayError("values are float32; whole numbers of a fixed width are not")
    if xs[1].shape == xs[0].shape:
        y = said.then(MERGES[test.op_type], *(said.input(row(x)) for x in xs))
        return said.expect(y, row(test.outputs[0]))
    # one number for each place along the last axis: features over a map whose channels that axis is
    assert xs[1].shape == xs[0].shape[-1:]
    y = said.then(MERGES[test.op_type], said.input(rows(xs[0]).T[None, :, :, None]), said.input(xs[1][None]))
    return said.expect(y, rows(test.outputs[0]).T[None, :, :, None])

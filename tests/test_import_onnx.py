"""ONNX models that come in: operators and patterns, exporters, round trips, and files that are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from cnnlang.errors import FindingsError, UsageError
from cnnlang.importing.onnx import read, survey
from tests.onnx_models import Array, agrees, built, numbers, random, saved, scalar, steps

BN = {"s": random(4, seed=1), "b": random(4, seed=2), "m": random(4, seed=3), "v": random(4, seed=4, positive=True)}
W = random(6, 4, 3, 3)

# name: nodes, constants, the steps that they are, and arguments of `built`
CASES: dict[str, tuple[str, dict[str, Array], str, dict[str, Any]]] = {
    # layers
    "conv": ("y = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>(x, w, b)", {"w": W, "b": random(6)}, "conv", {}),
    "conv, asymmetric": ("y = Conv<pads=[0,1,2,1], strides=[2,1], dilations=[1,2]>(x, w)", {"w": W}, "conv", {}),
    "conv in groups": ("y = Conv<group=2>(x, w)", {"w": random(6, 2, 3, 3)}, "conv", {}),
    "depthwise": ("y = Conv<group=4>(x, w)", {"w": random(8, 1, 3, 3)}, "depthwise", {}),
    "same upper": ('y = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x, w)', {"w": W}, "conv", {}),
    "same lower": ('y = Conv<auto_pad="SAME_LOWER", strides=[2,2]>(x, w)', {"w": W}, "conv", {}),
    "conv, then its bias": ("t = Conv(x, w) y = Add(t, b)", {"w": W, "b": random(6, 1, 1)}, "conv", {}),
    "conv, then a scale": (
        "t = Conv(x, w) u = Mul(t, s) y = Add(b, u)",
        {"w": W, "s": random(1, 6, 1, 1), "b": random(6, 1, 1)}, "conv", {},
    ),
    "pad and conv": (
        "t = Pad(x, p) y = Conv<pads=[0,1,0,0]>(t, w)", {"w": W, "p": numbers(0, 0, 1, 0, 0, 0, 1, 2)}, "conv", {},
    ),
    "pad with a number and conv": (
        "t = Pad(x, p, c) y = Conv(t, w)", {"w": W, "p": numbers(0, 0, 1, 1, 0, 0, 1, 1), "c": scalar(0.5)}, "conv", {},
    ),
    "deconv": ("y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>(x, w)",
               {"w": random(4, 6, 3, 3)}, "deconv", {}),
    "deconv in groups, scaled": (
        "t = ConvTranspose<group=2, strides=[2,2]>(x, w) y = Mul(t, s)",
        {"w": random(4, 3, 2, 2), "s": random(6, 1, 1)}, "deconv", {},
    ),
    "deconv to a shape": ("y = ConvTranspose<strides=[2,2], output_shape=[16,16]>(x, w)",
                          {"w": random(4, 6, 3, 3)}, "deconv", {}),
    "gemm": ("t = Flatten(x) y = Gemm<transB=1>(t, w, b)", {"w": random(5, 256), "b": random(5)}, "flatten dense", {}),
    "gemm with numbers": (
        "t = Flatten(x) y = Gemm<alpha=0.5, beta=2.0>(t, w, b)", {"w": random(256, 5), "b": random(1, 5)},
        "flatten dense", {},
    ),
    "matmul and add": ("t = Flatten(x) u = MatMul(t, w) y = Add(u, b)", {"w": random(256, 5), "b": random(5)},
                       "flatten dense", {}),
    "matmul to one output": ("t = Flatten(x) u = MatMul(t, w) y = Add(u, b)", {"w": random(256, 1), "b": random(1)},
                             "flatten dense", {}),
    "matmul along the channels": (
        "t = Transpose<perm=[0,2,3,1]>(x) u = MatMul(t, w) v = Add(u, b) y = Transpose<perm=[0,3,1,2]>(v)",
        {"w": random(4, 5), "b": random(5)}, "conv", {},
    ),
    "flatten of another layout": (
        "t = Transpose<perm=[0,2,3,1]>(x) u = Reshape(t, r) y = Gemm<transB=1>(u, w)",
        {"r": numbers(-1, 256), "w": random(5, 256)}, "flatten dense", {},
    ),
    # normalisation
    "bn": ("y = BatchNormalization<epsilon=0.001>(x, s, b, m, v)", BN, "bn", {}),
    "bn of opset 8": ("y = BatchNormalization<spatial=1>(x, s, b, m, v)", BN, "bn", {"opset": 8, "ir": 4}),
    "bn, then a scale": (
        "t = BatchNormalization(x, s, b, m, v) u = Mul(t, p) y = Add(u, q)",
        {**BN, "p": random(4, 1, 1), "q": random(4, 1, 1, seed=9)}, "bn", {},
    ),
    "bn of features": ("t = GlobalAveragePool(x) u = Flatten(t) y = BatchNormalization(u, s, b, m, v)", BN,
                       "global_avgpool bn", {}),
    "lrn": ("y = LRN<size=3, alpha=0.5, beta=0.7, bias=2.0>(x)", {}, "lrn", {}),
    "instance norm": ("y = InstanceNormalization(x, s, b)", BN, "group_norm", {}),
    "group norm, written out": (
        "t = Reshape(x, r) u = InstanceNormalization(t, o, z) q = Shape(x) v = Reshape(u, q) "
        "n = Mul(v, p) y = Add(n, c)",
        {"r": numbers(0, 2, -1), "o": random(2), "z": random(2, seed=1), "p": random(4, 1, 1), "c": random(4, 1, 1)},
        "group_norm", {},
    ),
    "group norm of opset 18": ("y = GroupNormalization<num_groups=2>(x, s, b)",
                               {"s": random(2), "b": random(2, seed=1)}, "group_norm", {"opset": 18}),
    "group norm of opset 21": ("y = GroupNormalization<num_groups=2>(x, s, b)",
                               {"s": random(4), "b": random(4, seed=1)}, "group_norm", {"opset": 21, "ir": 10}),
    "layer norm": ("t = Flatten(x) y = LayerNormalization(t, s, b)",
                   {"s": random(256), "b": random(256, seed=1)}, "flatten group_norm", {}),
    "normalize": ("t = Sub(x, m) y = Div(t, s)", {"m": random(4, 1, 1), "s": random(4, 1, 1, positive=True)},
                  "normalize", {}),
    "a scale and a shift": ("t = Mul(x, s) y = Add(t, m)", {"m": scalar(3), "s": scalar(0.25)}, "normalize", {}),
    "a negative scale": ("t = Mul(x, s) y = Add(t, m)", {"m": scalar(3), "s": scalar(-0.25)}, "bn", {}),
    "scales of either sign": ("t = Mul(x, s) y = Add(t, m)", {"m": random(4, 1, 1), "s": random(1, 4, 1, 1)}, "bn", {}),
    "one minus": ("y = Sub(m, x)", {"m": scalar(1)}, "bn", {}),
    # pools
    "maxpool": ("y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)", {}, "maxpool", {}),
    "maxpool, ceil": ("y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x)", {}, "maxpool", {}),
    "maxpool, dilated": ("y = MaxPool<kernel_shape=[2,3], dilations=[2,2]>(x)", {}, "maxpool", {}),
    "maxpool, same upper": ('y = MaxPool<kernel_shape=[2,2], auto_pad="SAME_UPPER">(x)', {}, "maxpool", {}),
    "avgpool": ("y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x)", {}, "avgpool", {}),
    "avgpool with pads": ("y = AveragePool<kernel_shape=[3,3], pads=[1,0,1,1], count_include_pad=1>(x)", {},
                          "avgpool", {}),
    "avgpool, ceil": ("y = AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x)", {}, "avgpool", {}),
    "global average": ("t = GlobalAveragePool(x) y = Flatten(t)", {}, "global_avgpool", {}),
    "global maximum": ("t = GlobalMaxPool(x) y = Squeeze(t, a)", {"a": numbers(2, 3)}, "global_maxpool", {}),
    "a mean over the map": ("y = ReduceMean<axes=[2,3], keepdims=0>(x)", {}, "global_avgpool", {}),
    "a mean over the map, opset 18": ("t = ReduceMean(x, a) y = Reshape(t, r)",
                                      {"a": numbers(-1, -2), "r": numbers(0, -1)}, "global_avgpool", {"opset": 18}),
    "a maximum over the map": ("y = ReduceMax<axes=[2,3], keepdims=0>(x)", {}, "global_maxpool", {}),
    "a sum over the map": ("y = ReduceSum<keepdims=0>(x, a)", {"a": numbers(2, 3)}, "global_avgpool normalize", {}),
    "a mean over the channels": ("y = ReduceMean<axes=[1]>(x)", {}, "conv", {}),
    "pooled, then a convolution": (
        "t = GlobalAveragePool(x) u = Conv(t, w, b) v = Relu(u) y = Flatten(v)",
        {"w": random(6, 4, 1, 1), "b": random(6)}, "global_avgpool dense relu", {},
    ),
    "pooled and enlarged": (
        "t = GlobalAveragePool(x) u = Conv(t, w) v = Resize<mode=\"linear\">(u, , z) y = Concat<axis=1>(x, v)",
        {"w": random(6, 4, 1, 1), "z": numbers(1.0, 1.0, 8.0, 8.0)}, "adaptive_avgpool conv upsample concat", {},
    ),
    # activations
    **{
        name.lower(): (f"y = {name}(x)", {}, mine, {"opset": 18 if name == "Mish" else 17})
        for name, mine in [("Relu", "relu"), ("Sigmoid", "sigmoid"), ("Tanh", "tanh"), ("Elu", "elu"), ("Selu", "selu"),
                           ("Softplus", "softplus"), ("HardSwish", "hardswish"), ("Mish", "mish")]
    },
    "gelu": ("y = Gelu(x)", {}, "gelu", {"opset": 20, "ir": 9}),
    "leaky relu": ("y = LeakyRelu<alpha=0.3>(x)", {}, "leaky_relu", {}),
    "prelu": ("y = PRelu(x, s)", {"s": random(4, 1, 1)}, "prelu", {}),
    "prelu with one slope": ("y = PRelu(x, s)", {"s": random(1)}, "prelu", {}),
    "relu6": ("y = Clip(x, l, h)", {"l": scalar(0), "h": scalar(6)}, "relu6", {}),
    "relu6 of opset 10": ("y = Clip<min=0.0, max=6.0>(x)", {}, "relu6", {"opset": 10, "ir": 4}),
    "relu6 by a minimum": ("t = Relu(x) y = Min(t, h)", {"h": scalar(6)}, "relu6", {}),
    "clip to another range": ("y = Clip(x, l, h)", {"l": scalar(-1), "h": scalar(0.5)},
                              "normalize relu6 normalize", {}),
    "clip below": ("y = Clip(x, l)", {"l": scalar(-0.5)}, "normalize relu normalize", {}),
    "hardsigmoid": ("y = HardSigmoid<alpha=0.16666667, beta=0.5>(x)", {}, "hardsigmoid", {}),
    "hardsigmoid of Keras": ("y = HardSigmoid(x)", {}, "normalize hardsigmoid", {}),
    "silu": ("t = Sigmoid(x) y = Mul(t, x)", {}, "silu", {}),
    "silu by a division": ("a = Neg(x) b = Exp(a) c = Add(b, o) y = Div(x, c)", {"o": scalar(1)}, "silu", {}),
    "hardswish by hardsigmoid": ("t = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul(x, t)", {}, "hardswish", {}),
    "hardswish by relu6": (
        "a = Add(x, c) b = Clip(a, l, h) d = Mul(b, x) y = Div(d, h)",
        {"c": scalar(3), "l": scalar(0), "h": scalar(6)}, "hardswish", {},
    ),
    "hardswish by a multiplication": (
        "a = Add(c, x) b = Clip(a, l, h) d = Mul(b, s) y = Mul(x, d)",
        {"c": scalar(3), "l": scalar(0), "h": scalar(6), "s": scalar(1 / 6)}, "hardswish", {},
    ),
    "gelu by erf": (
        "a = Div(x, q) b = Erf(a) c = Add(b, o) d = Mul(x, c) y = Mul(d, h)",
        {"q": scalar(2**0.5), "o": scalar(1), "h": scalar(0.5)}, "gelu", {},
    ),
    "gelu in another order": (
        "a = Mul(x, q) b = Erf(a) c = Add(o, b) e = Mul(x, h) y = Mul(c, e)",
        {"q": scalar(0.5**0.5), "o": scalar(1), "h": scalar(0.5)}, "gelu", {},
    ),
    "mish by softplus": ("a = Softplus(x) b = Tanh(a) y = Mul(x, b)", {}, "mish", {}),
    "softplus above a threshold": (
        "a = Greater(x, t) b = Softplus(x) y = Where(a, x, b)", {"t": scalar(20)}, "softplus", {},
    ),
    "two activations of one value": ("a = Sigmoid(x) b = Mul(x, a) y = Add(a, b)", {}, "sigmoid silu add", {}),
    "softmax": ("y = Softmax<axis=1>(x)", {}, "softmax", {}),
    "softmax of opset 11": ("t = GlobalAveragePool(x) y = Softmax(t)", {}, "global_avgpool softmax", {"opset": 11}),
    "log softmax": ("t = Flatten(x) y = LogSoftmax(t)", {}, "flatten log_softmax", {}),
    "softmax, channels last": (
        "t = Transpose<perm=[0,2,3,1]>(x) u = Softmax(t) y = Transpose<perm=[0,3,1,2]>(u)", {}, "softmax", {},
    ),
    # merges
    "add": ("t = Relu(x) y = Add(t, x)", {}, "relu add", {}),
    "sum of three": ("t = Relu(x) u = Elu(x) y = Sum(t, x, u)", {}, "relu elu add", {}),
    "difference": ("t = Conv<pads=[1,1,1,1]>(x, w) y = Sub(x, t)", {"w": random(4, 4, 3, 3)}, "conv add", {}),
    "maximum": ("t = Elu(x) u = Conv<pads=[1,1,1,1]>(x, w) y = Max(t, u)", {"w": random(4, 4, 3, 3)},
                "elu conv max", {}),
    "mean": ("t = Elu(x) u = Selu(x) y = Mean(t, u, x)", {}, "elu selu mean", {}),
    "squeeze and excitation": (
        "t = GlobalAveragePool(x) u = Conv(t, w) v = Sigmoid(u) y = Mul(x, v)", {"w": random(4, 4, 1, 1)},
        "global_avgpool dense sigmoid mul", {},
    ),
    "spatial attention": ("t = Conv(x, w) u = Sigmoid(t) y = Mul(x, u)", {"w": random(1, 4, 1, 1)},
                          "conv sigmoid conv mul", {}),
    "concat": ("t = Relu(x) y = Concat<axis=-3>(x, t, x)", {}, "relu concat", {}),
    "concat, channels last": (
        "t = Transpose<perm=[0,2,3,1]>(x) u = Elu(t) v = Concat<axis=3>(t, u) y = Transpose<perm=[0,3,1,2]>(v)", {},
        "elu concat", {},
    ),
    # shapes
    "reshape to features": ("y = Reshape(x, r)", {"r": numbers(0, 256)}, "flatten", {}),
    "shape, gather, concat, reshape": (
        "s = Shape(x) a = Gather(s, i) b = Unsqueeze(a, i2) r = Concat<axis=0>(b, m) y = Reshape(x, r)",
        {"i": np.array(0), "i2": numbers(0), "m": numbers(-1)}, "flatten", {},
    ),
    "a fixed batch": ("t = GlobalAveragePool(x) y = Reshape(t, r)", {"r": numbers(2, 4)}, "global_avgpool",
                      {"x": (2, 4, 8, 8)}),
    "channel shuffle": ("a = Reshape(x, r) b = Transpose<perm=[0,2,1,3,4]>(a) y = Reshape(b, s)",
                        {"r": numbers(0, 2, 2, 8, 8), "s": numbers(0, -1, 8, 8)}, "channel_shuffle", {}),
    "pixel shuffle, written out": (
        "a = Reshape(x, r) b = Transpose<perm=[0,1,4,2,5,3]>(a) y = Reshape(b, s)",
        {"r": numbers(0, 1, 2, 2, 8, 8), "s": numbers(0, 1, 16, 16)}, "pixel_shuffle", {},
    ),
    "depth to space, CRD": ('y = DepthToSpace<blocksize=2, mode="CRD">(x)', {}, "pixel_shuffle", {}),
    "depth to space, DCR": ("y = DepthToSpace<blocksize=2>(x)", {}, "channel_shuffle pixel_shuffle",
                            {"x": ("N", 8, 4, 4)}),
    "space to depth": ("y = SpaceToDepth<blocksize=2>(x)", {}, "depthwise channel_shuffle", {}),
    "pad": ('y = Pad<mode="reflect">(x, p)', {"p": numbers(0, 0, 1, 2, 0, 0, 3, 0)}, "pad", {}),
    "pad of opset 10": ("y = Pad<pads=[0,0,1,1,0,0,1,1], value=2.0>(x)", {}, "pad", {"opset": 10, "ir": 4}),
    "pad along axes": ("y = Pad(x, p, , a)", {"p": numbers(1, 2), "a": numbers(-1)}, "pad", {"opset": 18}),
    "pad channels": ("y = Pad(x, p)", {"p": numbers(0, 1, 0, 0, 0, 2, 0, 0)}, "pad_channels", {}),
    "crop": ("y = Slice(x, s, e, a)", {"s": numbers(1, 2), "e": numbers(-1, 2**40), "a": numbers(2, 3)},
             "crop crop", {}),
    "slices with steps": ("y = Slice(x, s, e, a, t)", {"s": numbers(1, 0), "e": numbers(2**31, 2**31),
                          "a": numbers(2, 3), "t": numbers(2, 2)}, "crop maxpool maxpool", {}),
    "channels": ("y = Slice<starts=[1], ends=[3], axes=[1]>(x)", {}, "channels", {"opset": 9, "ir": 4}),
    "split": ("a, b = Split<axis=1>(x) y = Mul(a, b)", {}, "channels channels mul", {"opset": 13}),
    "other colours": ("y = Gather<axis=1>(x, i)", {"i": numbers(2, 1, 0)}, "channels channels channels concat", {}),
    "upsample": ("y = Upsample(x, z)", {"z": numbers(1.0, 1.0, 2.0, 3.0)}, "upsample", {"opset": 9, "ir": 4}),
    "resize": ('y = Resize<coordinate_transformation_mode="asymmetric", nearest_mode="floor">(x, , z)',
               {"z": numbers(1.0, 1.0, 2.0, 2.0)}, "upsample", {}),
    "resize to a size": (
        's = Shape(x) a = Slice(s, b, e) z = Concat<axis=0>(a, t) '
        'y = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x, , , z)',
        {"b": numbers(0), "e": numbers(2), "t": numbers(16, 24)}, "upsample", {},
    ),
    "resize to twice what comes": (
        "s = Shape(x) a = Slice(s, b, e) h = Slice(s, e, f) d = Mul(h, t) z = Concat<axis=0>(a, d) "
        "y = Resize(x, , , z)",
        {"b": numbers(0), "e": numbers(2), "f": numbers(4), "t": numbers(2)}, "upsample", {"x": ("N", 4, "H", "W")},
    ),
    "expand": ("t = GlobalAveragePool(x) u = Expand(t, z) y = Add(x, u)", {"z": numbers(1, 1, 8, 8)},
               "adaptive_avgpool upsample add", {}),
    # nothing
    "dropout": ("t = Dropout<ratio=0.3>(x) y = Relu(t)", {}, "dropout relu", {"opset": 10, "ir": 4}),
    "casts": ("t = Cast<to=11>(x) u = Identity(t) v = Cast<to=1>(u) y = Relu(v)", {}, "relu", {}),
    "weights of half precision": ("t = Cast<to=1>(w) y = Conv(x, t)", {"w": W.astype(np.float16)}, "conv", {}),
    "weights of a direction and a length": (
        "a = ReduceL2<axes=[1,2,3]>(w) b = Div(w, a) c = Mul(b, g) y = Conv(x, c)",
        {"w": random(64, 4, 5, 5), "g": random(64, 1, 1, 1)}, "conv", {},
    ),
    "weights transposed": ("t = Transpose<perm=[3,2,0,1]>(w) y = Conv(x, t)", {"w": random(3, 3, 4, 6)}, "conv", {}),
    "an unused node": ("t = NonZero(x) y = Relu(x)", {}, "relu", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_nodes_become_steps(name: str, tmp_path: Path) -> None:
    text, constants, expected, options = CASES[name]
    model = built(text, constants, **options)
    shape = [{"N": 2, "H": 8, "W": 6}.get(d, d) for d in options.get("x", ("N", 4, 8, 8))]
    foreign = agrees(saved(model, tmp_path), 2 * random(*shape, seed=5))  # type: ignore[arg-type]
    assert steps(foreign.graph) == expected


REFUSED: dict[str, tuple[str, dict[str, Array], list[str], dict[str, Any]]] = {
    "every node": (
        "a = Sin(x) b = Relu(a) c = Cos(b) y = Conv(c, w)", {"w": W}, ["`Sin` node a", "`Cos` node c"], {},
    ),
    "an expression": ("a = Erf(x) y = Relu(a)", {}, ["`Erf` node a: no activation"], {}),
    "gelu by tanh": ('y = Gelu<approximate="tanh">(x)', {}, ["`Gelu` node y: `gelu` is exact"], {"opset": 20}),
    "a loop": ("y = Scan<num_scan_inputs=1, body = g (float[4] z) => (float[4] q) { q = Identity(z) }>(x)", {},
               ["`Scan` node y: it holds graphs"], {}),
    "another domain": ("y = ai.example.Foo(x)", {}, ["`ai.example.Foo` node y: it is no operator of ONNX's"], {}),
    "features back to maps": ("t = Flatten(x) u = Gemm(t, w) v = Reshape(u, r) y = Conv(v, k)",
                              {"w": random(256, 64), "r": numbers(0, 4, 4, 4), "k": W}, ["`Conv` node y"], {}),
    "a weight from the input": ("y = Conv(x, x)", {}, ["`Conv` node y: its weight is computed"], {}),
    "quantised weights": ("y = ConvInteger(x, w)", {"w": W.astype(np.int8)}, ["`ConvInteger` node y"], {}),
    "a matrix from the left": ("y = MatMul(w, x)", {"w": random(8, 8)}, ["`MatMul` node y: it multiplies"], {}),
    "an odd size of lrn": ("y = LRN<size=4>(x)", {}, ["`LRN` node y: `lrn`: size=4 is even"], {}),
    "cells in other places": (
        'y = Resize<mode="linear", coordinate_transformation_mode="align_corners">(x, , z)',
        {"z": numbers(1.0, 1.0, 2.0, 2.0)}, ["`Resize` node y: `upsample` places cells at half pixels"], {},
    ),
    "samples": ("y = Concat<axis=0>(x, x)", {}, ["`Concat` node y: it puts tensors"], {}),
    "half a batch": ("y = Slice(x, s, e, a)", {"s": numbers(0), "e": numbers(1), "a": numbers(0)},
                     ["`Slice` node y: it takes some of the samples"], {}),
    "a shape of five axes": ("t = Relu(x) y = Reshape(t, r)", {"r": numbers(0, 2, 2, 8, 8)},
                             ["the output y: its axes"], {}),
    "a constant": ("y = Identity(w)", {"w": W}, ["nothing of what it takes in"], {}),
    "an old opset": ("y = Relu(x)", {}, ["it is of opset 6"], {"opset": 6}),
    "a signal": ("y = Relu(x)", {}, ["its input x has 3 axes"], {"x": ("N", 4, 8)}),
    "channels of any number": ("y = Relu(x)", {}, ["its input x has no fixed number of channels"],
                               {"x": ("N", "C", 8, 8)}),
    "an addition for each place": ("y = Add(x, w)", {"w": random(1, 4, 8, 8)}, ["`Add` node y: its constant has"], {}),
    "division": ("t = Conv<pads=[1,1,1,1]>(x, w) y = Div(x, t)", {"w": random(4, 4, 3, 3)},
                 ["`Div` node y: it divides"], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_every_node_that_cannot_be_said_is_named(name: str, tmp_path: Path) -> None:
    text, constants, expected, options = REFUSED[name]
    with pytest.raises(FindingsError) as caught:
        read(saved(built(text, constants, **options), tmp_path))
    found = caught.value.diagnostics
    assert [d.code for d in found] == ["E0602"] * len(expected)
    for diagnostic, words in zip(found, expected, strict=True):
        assert words in diagnostic.message


def test_survey_counts_what_nodes_become(tmp_path: Path) -> None:
    text = "a = Conv(x, w) b = Sigmoid(a) c = Mul(a, b) d = Sin(c) e = Flatten(d) y = Identity(e)"
    reading = survey(saved(built(text, {"w": W}), tmp_path))
    assert [(row.kind, row.becomes, row.why) for row in reading.layers] == [
        ("Conv", "conv", ""),
        ("Sigmoid", "silu", ""),
        ("Mul", "silu", ""),
        ("Sin", "", "the language has no operator that does this"),
        ("Flatten", "flatten", ""),
        ("Identity", "nothing", ""),
    ]
    assert not reading.sayable


# --- names ------------------------------------------------------------------------------------------------------------


def named(*layers: tuple[str, str, str], kind: str = "Conv") -> onnx.ModelProto:
    """A chain of convolutions: each with its node's name, its weight's and its bias'."""
    model = built("y = Relu(x)", {})
    del model.graph.node[:]
    value = "x"
    for i, (node, weight, bias) in enumerate(layers):
        tensors = [numpy_helper.from_array(random(4, 4, 1, 1, seed=i), weight)]
        if bias:
            tensors.append(numpy_helper.from_array(random(4, seed=i), bias))
        model.graph.initializer.extend(tensors)
        result = "y" if i == len(layers) - 1 else f"v{i}"
        model.graph.node.append(helper.make_node(kind, [value, *(t.name for t in tensors)], [result], node))
        value = result
    return model


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([("Conv_0", "layer1.0.conv1.weight", "layer1.0.conv1.bias")], ["layer1.0.conv1"]),
        ([("/layer1/layer1.0/conv1/Conv", "onnx::Conv_193", "onnx::Conv_194")], ["layer1.0.conv1"]),
        ([("/conv1/Conv", "onnx::Conv_1", ""), ("/conv1/Conv_1", "onnx::Conv_2", "")], ["conv1", "conv1_2"]),
        ([("", "gpu_0/res2_0_branch2a_w_0", "")], ["res2_0_branch2a"]),
        ([("", "fire2/squeeze1x1_w_0", "fire2/squeeze1x1_b_0")], ["fire2.squeeze1x1"]),
        ([("", "inception_3a/1x1_w_0", "")], ["inception_3a.conv_1x1"]),
        ([("", "conv1_w_0", ""), ("", "conv1/bn_w_0", "")], ["conv1", "conv1_bn"]),
        ([("model/block1_conv1/Conv2D", "const_fold_opt__12", "")], ["model.block1_conv1"]),
        ([("conv0_fwd", "conv0_weight", "conv0_bias")], ["conv0"]),
        ([("", "12", "13"), ("Conv_3", "14", "")], ["conv1", "conv2"]),
        ([("", "0.weight", ""), ("", "2.weight", "")], ["0", "2"]),
        ([('x"); import os\n', 'a"b\nc.weight', "")], ["a_b_c"]),
    ],
)
def test_layers_are_called_as_in_the_file(
    layers: list[tuple[str, str, str]], expected: list[str], tmp_path: Path
) -> None:
    foreign = read(saved(named(*layers), tmp_path))
    assert list(dict.fromkeys(p.rsplit(".", 1)[0] for p in foreign.weights)) == expected
    assert foreign.keeps_names == (expected != ["conv1", "conv2"] or layers[0][1] != "12")


def test_a_layer_that_is_used_twice_is_shared(tmp_path: Path) -> None:
    model = built("a = Conv(x, p.weight) b = Relu(a) y = Conv(b, p.weight)".replace("p.weight", "p"), {})
    model.graph.initializer.append(numpy_helper.from_array(random(4, 4, 1, 1), "p.weight"))
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = "p.weight" if name == "p" else name
    foreign = agrees(saved(model, tmp_path), random(2, 4, 8, 8))
    assert list(foreign.weights) == ["p.weight"]
    first, second = (n for n in foreign.graph.nodes if n.op.name == "conv")
    assert first.weights == second.weights


def test_pictures_with_channels_last(tmp_path: Path) -> None:
    """As tf2onnx writes a Keras model: a transposition around each convolution, or one for all."""
    text = """
        a = Transpose<perm=[0,3,1,2]>(x)
        b = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(a, w, k)
        c = Transpose<perm=[0,2,3,1]>(b)
        d = Relu(c)
        e = Mul(d, s)
        f = Add(e, d)
        g = Transpose<perm=[0,3,1,2]>(f)
        h = MaxPool<kernel_shape=[2,2], strides=[2,2]>(g)
        i = Transpose<perm=[0,2,3,1]>(h)
        j = Reshape(i, r)
        y = Gemm(j, v)
    """
    constants = {"w": W[:, :3], "k": random(6), "s": random(6, positive=True), "r": numbers(-1, 24), "v": random(24, 5)}
    model = built(text, constants, x=("N", 8, 8, 3))
    foreign = agrees(saved(model, tmp_path), random(2, 8, 8, 3), channels_last=True)
    assert str(foreign.graph.inputs[0].type) == "[N, 3, 8, 8]"
    assert steps(foreign.graph) == "conv relu normalize add maxpool flatten dense"


def test_symbolic_sizes_become_multiples_where_branches_need_it(tmp_path: Path) -> None:
    text = """
        a = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)
        b = ConvTranspose<strides=[2,2]>(a, w)
        y = Concat<axis=1>(x, b)
    """
    foreign = read(saved(built(text, {"w": random(4, 4, 2, 2)}, x=("batch", 4, "height", "width")), tmp_path))
    assert str(foreign.graph.inputs[0].type) == "[N, 4, 2*H, 2*W]"
    foreign = read(saved(built("y = Relu(x)", x=("batch", 4, "side", "side")), tmp_path))
    assert str(foreign.graph.inputs[0].type) == "[N, 4, H, H]"


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = saved(built("y = Relu(x)"), tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(UsageError, match=r"cnnlang\[onnx\]"):
        read(path)

"""Prototxt texts written from the published architectures, and what the layers compute, after Caffe's C++ code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def layer(name: str, kind: str, bottom: str | list[str], top: str | None = None, **params: str) -> str:
    """One layer; `convolution="num_output: 8"` becomes `convolution_param { num_output: 8 }`."""
    bottoms = "".join(f'  bottom: "{b}"\n' for b in ([bottom] if isinstance(bottom, str) else bottom))
    inside = "".join(f"  {key}_param {{ {text} }}\n" for key, text in params.items())
    return f'layer {{\n  name: "{name}"\n  type: "{kind}"\n{bottoms}  top: "{top or name}"\n{inside}}}\n'


def start(name: str, channels: int = 3, side: int = 224) -> str:
    shape = f"shape {{ dim: 10 dim: {channels} dim: {side} dim: {side} }}"
    return f'name: "{name}"\nlayer {{ name: "data" type: "Input" top: "data" input_param {{ {shape} }} }}\n'


def conv(name: str, bottom: str, channels: int, kernel: int, *, relu: bool = True, **more: Any) -> str:
    words = "".join(f" {key}: {str(value).lower()}" for key, value in more.items())
    text = layer(name, "Convolution", bottom, convolution=f"num_output: {channels} kernel_size: {kernel}{words}")
    return text + layer(f"relu_{name}", "ReLU", name, name) if relu else text


def pool(name: str, bottom: str, kernel: int, stride: int = 1, pad: int = 0, how: str = "MAX") -> str:
    return layer(name, "Pooling", bottom, pooling=f"pool: {how} kernel_size: {kernel} stride: {stride} pad: {pad}")


def global_pool(name: str, bottom: str) -> str:
    return layer(name, "Pooling", bottom, pooling="pool: AVE global_pooling: true")


def dense(name: str, bottom: str, units: int) -> str:
    return layer(name, "InnerProduct", bottom, inner_product=f"num_output: {units}")


def lrn(name: str, bottom: str) -> str:
    return layer(name, "LRN", bottom, lrn="local_size: 5 alpha: 0.0001 beta: 0.75")


def bn(name: str, bottom: str, top: str | None = None) -> str:
    top = top or bottom
    made = layer(f"{name}/bn", "BatchNorm", bottom, top, batch_norm="use_global_stats: true")
    return made + layer(f"{name}/scale", "Scale", top, top, scale="bias_term: true")


def lenet() -> str:
    """LeCun et al. 1998, as Caffe's example has it: 431,080 parameters."""
    text = start("LeNet", 1, 28) + conv("conv1", "data", 20, 5, relu=False) + pool("pool1", "conv1", 2, 2)
    text += conv("conv2", "pool1", 50, 5, relu=False) + pool("pool2", "conv2", 2, 2) + dense("ip1", "pool2", 500)
    return text + layer("relu1", "ReLU", "ip1", "ip1") + dense("ip2", "ip1", 10) + layer("prob", "Softmax", "ip2")


def caffenet() -> str:
    """Krizhevsky et al. 2012, pooling before normalisation, two groups."""
    text = start("CaffeNet", 3, 227) + conv("conv1", "data", 96, 11, stride=4)
    text += pool("pool1", "conv1", 3, 2) + lrn("norm1", "pool1") + conv("conv2", "norm1", 256, 5, pad=2, group=2)
    text += pool("pool2", "conv2", 3, 2) + lrn("norm2", "pool2") + conv("conv3", "norm2", 384, 3, pad=1)
    text += conv("conv4", "conv3", 384, 3, pad=1, group=2) + conv("conv5", "conv4", 256, 3, pad=1, group=2)
    text += pool("pool5", "conv5", 3, 2)
    for number, bottom in ((6, "pool5"), (7, "fc6")):
        name = f"fc{number}"
        text += dense(name, bottom, 4096) + layer(f"relu{number}", "ReLU", name, name)
        text += layer(f"drop{number}", "Dropout", name, name, dropout="dropout_ratio: 0.5")
    return text + dense("fc8", "fc7", 1000) + layer("prob", "Softmax", "fc8")


def vgg16() -> str:
    """Simonyan and Zisserman 2014, configuration D."""
    text, bottom = start("VGG_ILSVRC_16_layers"), "data"
    for i, (channels, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for j in range(1, count + 1):
            text += conv(f"conv{i}_{j}", bottom, channels, 3, pad=1)
            bottom = f"conv{i}_{j}"
        text += pool(f"pool{i}", bottom, 2, 2)
        bottom = f"pool{i}"
    for name in ("fc6", "fc7"):
        text += dense(name, bottom, 4096) + layer(f"relu_{name}", "ReLU", name, name)
        text += layer(f"drop_{name}", "Dropout", name, name)
        bottom = name
    return text + dense("fc8", bottom, 1000) + layer("prob", "Softmax", "fc8")


def squeezenet(version: str, pad: int = 0) -> str:
    """Iandola et al. 2016."""
    is_first = version == "1.0"
    text = start("SqueezeNet", 3, 227) + conv("conv1", "data", 96 if is_first else 64, 7 if is_first else 3, stride=2)
    text += pool("pool1", "conv1", 3, 2)
    bottom, pools = "pool1", (4, 8) if is_first else (3, 5)
    for i, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        name = f"fire{i}"
        text += conv(f"{name}/squeeze1x1", bottom, squeeze, 1)
        text += conv(f"{name}/expand1x1", f"{name}/squeeze1x1", 4 * squeeze, 1)
        text += conv(f"{name}/expand3x3", f"{name}/squeeze1x1", 4 * squeeze, 3, pad=1)
        text += layer(f"{name}/concat", "Concat", [f"{name}/expand1x1", f"{name}/expand3x3"])
        bottom = f"{name}/concat"
        if i in pools:
            text += pool(f"pool{i}", bottom, 3, 2)
            bottom = f"pool{i}"
    text += layer("drop9", "Dropout", bottom, bottom) + conv("conv10", bottom, 1000, 1, pad=pad)
    return text + global_pool("pool10", "conv10") + layer("prob", "Softmax", "pool10")


def googlenet() -> str:
    """Szegedy et al. 2014, table 1."""

    def inception(n: str, x: str, b1: int, r3: int, b3: int, r5: int, b5: int, proj: int) -> str:
        f = f"inception_{n}"
        text = conv(f"{f}/1x1", x, b1, 1) + conv(f"{f}/3x3_reduce", x, r3, 1)
        text += conv(f"{f}/3x3", f"{f}/3x3_reduce", b3, 3, pad=1) + conv(f"{f}/5x5_reduce", x, r5, 1)
        text += conv(f"{f}/5x5", f"{f}/5x5_reduce", b5, 5, pad=2) + pool(f"{f}/pool", x, 3, 1, 1)
        text += conv(f"{f}/pool_proj", f"{f}/pool", proj, 1)
        parts = [f"{f}/{part}" for part in ("1x1", "3x3", "5x5", "pool_proj")]
        return text + layer(f"{f}/output", "Concat", parts)

    text = start("GoogleNet") + conv("conv1/7x7_s2", "data", 64, 7, pad=3, stride=2)
    text += pool("pool1/3x3_s2", "conv1/7x7_s2", 3, 2) + lrn("pool1/norm1", "pool1/3x3_s2")
    text += conv("conv2/3x3_reduce", "pool1/norm1", 64, 1) + conv("conv2/3x3", "conv2/3x3_reduce", 192, 3, pad=1)
    text += lrn("conv2/norm2", "conv2/3x3") + pool("pool2/3x3_s2", "conv2/norm2", 3, 2)
    bottom = "pool2/3x3_s2"
    rows: list[Any] = [
        ("3a", 64, 96, 128, 16, 32, 32),
        ("3b", 128, 128, 192, 32, 96, 64),
        "pool3/3x3_s2",
        ("4a", 192, 96, 208, 16, 48, 64),
        ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64),
        ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128),
        "pool4/3x3_s2",
        ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ]
    for row in rows:
        if isinstance(row, str):
            text += pool(row, bottom, 3, 2)
            bottom = row
        else:
            text += inception(row[0], bottom, *row[1:])
            bottom = f"inception_{row[0]}/output"
    text += pool("pool5/7x7_s1", bottom, 7, 1, how="AVE")
    text += layer("pool5/drop", "Dropout", "pool5/7x7_s1", "pool5/7x7_s1", dropout="dropout_ratio: 0.4")
    return text + dense("loss3/classifier", "pool5/7x7_s1", 1000) + layer("prob", "Softmax", "loss3/classifier")


def resnet50() -> str:
    """He et al. 2015; the stride sits in the first convolution of a block."""

    def conv_bn(name: str, bottom: str, channels: int, kernel: int, *, relu: bool = True, **more: Any) -> str:
        text = conv(name, bottom, channels, kernel, relu=False, bias_term=False, **more)
        tail = name.removeprefix("res")
        text += layer(f"bn{tail}", "BatchNorm", name, name, batch_norm="use_global_stats: true")
        text += layer(f"scale{tail}", "Scale", name, name, scale="bias_term: true")
        return text + layer(f"{name}_relu", "ReLU", name, name) if relu else text

    text = 'name: "ResNet-50"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 224\ninput_dim: 224\n'
    text += conv_bn("conv1", "data", 64, 7, pad=3, stride=2) + pool("pool1", "conv1", 3, 2)
    bottom = "pool1"
    for i, count in enumerate((3, 4, 6, 3)):
        width = 64 * 2**i
        for j in range(count):
            name = f"res{i + 2}{chr(ord('a') + j)}"
            stride = 2 if i and not j else 1
            if not j:
                text += conv_bn(f"{name}_branch1", bottom, 4 * width, 1, relu=False, stride=stride)
            text += conv_bn(f"{name}_branch2a", bottom, width, 1, stride=stride)
            text += conv_bn(f"{name}_branch2b", f"{name}_branch2a", width, 3, pad=1)
            text += conv_bn(f"{name}_branch2c", f"{name}_branch2b", 4 * width, 1, relu=False)
            text += layer(name, "Eltwise", [bottom if j else f"{name}_branch1", f"{name}_branch2c"])
            text += layer(f"{name}_relu", "ReLU", name, name)
            bottom = name
    text += pool("pool5", bottom, 7, 1, how="AVE")
    return text + dense("fc1000", "pool5", 1000) + layer("prob", "Softmax", "fc1000")


def mobilenet() -> str:
    """Howard et al. 2017, with a group for each channel."""
    text = start("MOBILENET") + conv("conv1", "data", 32, 3, relu=False, bias_term=False, pad=1, stride=2)
    text += bn("conv1", "conv1") + layer("relu1", "ReLU", "conv1", "conv1")
    bottom, channels = "conv1", 32
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for i, (out, stride) in enumerate(plan, 2):
        for name, made, kernel, more in (
            (f"conv{i}/dw", channels, 3, {"pad": 1, "group": channels, "stride": stride}),
            (f"conv{i}/sep", out, 1, {}),
        ):
            text += conv(name, bottom, made, kernel, relu=False, bias_term=False, **more)
            text += bn(name, name) + layer(f"relu{name}", "ReLU", name, name)
            bottom = name
        channels = out
    text += global_pool("pool6", bottom) + conv("fc7", "pool6", 1000, 1, relu=False)
    return text + layer("prob", "Softmax", "fc7")


def densenet121() -> str:
    """Huang et al. 2016; normalised blobs are new ones."""
    text = start("DENSENET_121") + conv("conv1", "data", 64, 7, relu=False, bias_term=False, pad=3, stride=2)
    text += bn("conv1", "conv1", "conv1/bn") + layer("relu1", "ReLU", "conv1/bn", "conv1/bn")
    text += pool("pool1", "conv1/bn", 3, 2, 1)
    bottom, channels = "pool1", 64

    def normalized(name: str, below: str, out: int, kernel: int, **more: Any) -> str:
        made = bn(name, below, f"{name}/bn") + layer(f"relu_{name}", "ReLU", f"{name}/bn", f"{name}/bn")
        return made + conv(name, f"{name}/bn", out, kernel, relu=False, bias_term=False, **more)

    for i, count in enumerate((6, 12, 24, 16), 2):
        for j in range(1, count + 1):
            name = f"conv{i}_{j}"
            text += normalized(f"{name}/x1", bottom, 128, 1) + normalized(f"{name}/x2", f"{name}/x1", 32, 3, pad=1)
            text += layer(f"concat_{i}_{j}", "Concat", [bottom, f"{name}/x2"])
            bottom, channels = f"concat_{i}_{j}", channels + 32
        if i < 5:
            channels //= 2
            text += normalized(f"conv{i}_blk", bottom, channels, 1) + pool(f"pool{i}", f"conv{i}_blk", 2, 2, how="AVE")
            bottom = f"pool{i}"
    text += bn("conv5_blk", bottom, "conv5_blk/bn") + layer("relu5", "ReLU", "conv5_blk/bn", "conv5_blk/bn")
    return text + global_pool("pool5", "conv5_blk/bn") + conv("fc6", "pool5", 1000, 1, relu=False)


# --- what the layers compute ------------------------------------------------------------------------------------------


def pooled(x: Array, kernel: int, stride: int, pad: int, how: str) -> Array:
    """PoolingLayer::Forward_cpu, for one picture [C, H, W]."""
    channels, height, width = x.shape
    sizes = []
    for side in (height, width):
        count = math.ceil((side + 2 * pad - kernel) / stride) + 1
        if pad and (count - 1) * stride >= side + pad:
            count -= 1
        sizes.append(count)
    y = np.zeros((channels, *sizes))
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            top, left = i * stride - pad, j * stride - pad
            bottom, right = min(top + kernel, height + pad), min(left + kernel, width + pad)
            area = (bottom - top) * (right - left)
            cells = x[:, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
            y[:, i, j] = cells.max((1, 2)) if how == "MAX" else cells.sum((1, 2)) / area
    return y


def convolved(x: Array, weight: Array, bias: Array | None, stride: int, pad: int, dilation: int, groups: int) -> Array:
    out, into, kh, kw = weight.shape
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    high = (x.shape[1] - (dilation * (kh - 1) + 1)) // stride + 1
    wide = (x.shape[2] - (dilation * (kw - 1) + 1)) // stride + 1
    y = np.zeros((out, high, wide))
    for o in range(out):
        first = o // (out // groups) * into
        for u in range(kh):
            for v in range(kw):
                rows = slice(u * dilation, u * dilation + (high - 1) * stride + 1, stride)
                columns = slice(v * dilation, v * dilation + (wide - 1) * stride + 1, stride)
                y[o] += np.tensordot(weight[o, :, u, v], x[first : first + into, rows, columns], 1)
    return y if bias is None else y + bias[:, None, None]


def normalised_across(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """LRNLayer::CrossChannelForward_cpu."""
    y = np.empty_like(x)
    for c in range(len(x)):
        near = x[max(c - (size - 1) // 2, 0) : c + (size - 1) // 2 + 1]
        y[c] = x[c] * (k + alpha / size * (near**2).sum(0)) ** -beta
    return y


def batch_normalized(x: Array, weights: Mapping[str, Array], path: str, eps: float = 1e-5) -> Array:
    """BatchNormLayer with a factor of 1, then ScaleLayer."""
    mean, variance, scale, bias = (
        np.asarray(weights[f"{path}.{leaf}"], np.float64)[:, None, None]
        for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + eps) * scale + bias

"""Darknet cfg texts written from the papers' structure, and what the layers compute, after Darknet's C code.

A net is a list of layers, each a kind with its options; `text` writes it as a cfg, `Runner` computes it in float64.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Layer = tuple[str, dict[str, Any]]


def text(layers: list[Layer], channels: int, height: int, width: int) -> str:
    head = ("net", {"batch": 1, "channels": channels, "height": height, "width": width, "learning_rate": 0.001})
    return "\n".join(
        "\n".join([f"[{kind}]", *(f"{key}={value}" for key, value in options.items()), ""])
        for kind, options in [head, *layers]
    )


def conv(filters: int, size: int, stride: int = 1, activation: str = "leaky", bn: bool = True, **more: Any) -> Layer:
    options = {"filters": filters, "size": size, "stride": stride, "pad": 1, "activation": activation, **more}
    return "convolutional", ({"batch_normalize": 1} if bn else {}) | options


def maxpool(size: int = 2, stride: int = 2) -> Layer:
    return "maxpool", {"size": size, "stride": stride}


def route(*layers: int, **more: int) -> Layer:
    return "route", {"layers": ",".join(map(str, layers)), **more}


def shortcut(place: int = -3) -> Layer:
    return "shortcut", {"from": place, "activation": "linear"}


def yolo() -> Layer:
    return "yolo", {"mask": "0,1,2", "anchors": "10,14, 23,27, 37,58", "classes": 80, "num": 6, "ignore_thresh": ".7"}


def head() -> list[Layer]:
    return [conv(255, 1, activation="linear", bn=False), yolo()]


def darknet19() -> list[Layer]:
    """Redmon and Farhadi 2016, table 6."""
    found: list[Layer] = []
    for part in ([32], [64], [128, -64, 128], [256, -128, 256], [512, -256, 512, -256, 512]):
        found += [*(conv(c, 3) if c > 0 else conv(-c, 1) for c in part), maxpool()]
    found += [conv(c, 3) if c > 0 else conv(-c, 1) for c in (1024, -512, 1024, -512, 1024)]
    return [
        *found,
        conv(1000, 1, activation="linear", bn=False),
        ("avgpool", {}),
        ("softmax", {"groups": 1}),
        ("cost", {"type": "sse"}),
    ]


def darknet53_body() -> list[Layer]:
    """Redmon and Farhadi 2018, table 1."""
    found = [conv(32, 3)]
    for channels, count in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        found.append(conv(channels, 3, 2))
        found += [conv(channels // 2, 1), conv(channels, 3), shortcut()] * count
    return found


def darknet53() -> list[Layer]:
    last = conv(1000, 1, activation="linear", bn=False)
    return [*darknet53_body(), ("avgpool", {}), last, ("softmax", {"groups": 1})]


def tiny_yolo_voc() -> list[Layer]:
    found: list[Layer] = []
    for channels in (16, 32, 64, 128, 256):
        found += [conv(channels, 3), maxpool()]
    found += [conv(512, 3), maxpool(2, 1), conv(1024, 3), conv(1024, 3), conv(125, 1, activation="linear", bn=False)]
    return [*found, ("region", {"anchors": "1.08,1.19", "classes": 20, "coords": 4, "num": 5, "softmax": 1})]


def yolov3_tiny() -> list[Layer]:
    found: list[Layer] = []
    for channels in (16, 32, 64, 128, 256):
        found += [conv(channels, 3), maxpool()]
    found += [conv(512, 3), maxpool(2, 1), conv(1024, 3), conv(256, 1), conv(512, 3), *head()]
    return [*found, route(-4), conv(128, 1), ("upsample", {"stride": 2}), route(-1, 8), conv(256, 3), *head()]


def yolov3() -> list[Layer]:
    found = darknet53_body()
    for width, place in ((512, None), (256, 61), (128, 36)):
        if place is not None:
            found += [route(-4), conv(width, 1), ("upsample", {"stride": 2}), route(-1, place)]
        found += [conv(width, 1), conv(2 * width, 3)] * 3 + head()
    return found


def yolov4_tiny() -> list[Layer]:
    """Wang et al. 2020, Scaled-YOLOv4."""
    found = [conv(32, 3, 2), conv(64, 3, 2)]
    for c in (64, 128, 256):
        found += [conv(c, 3), route(-1, groups=2, group_id=1), conv(c // 2, 3), conv(c // 2, 3), route(-1, -2)]
        found += [conv(c, 1), route(-6, -1), maxpool()]
    found += [conv(512, 3), conv(256, 1), conv(512, 3), *head(), route(-4), conv(128, 1)]
    return [*found, ("upsample", {"stride": 2}), route(-1, 23), conv(256, 3), *head()]


def yolov4() -> list[Layer]:
    """Bochkovskiy et al. 2020."""
    found = [conv(32, 3, activation="mish")]
    for channels, count in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        half = channels if channels == 64 else channels // 2
        inner = channels // 2
        found += [conv(channels, 3, 2, "mish"), conv(half, 1, 1, "mish"), route(-2), conv(half, 1, 1, "mish")]
        found += [conv(inner, 1, 1, "mish"), conv(half, 3, 1, "mish"), shortcut()] * count
        found += [conv(half, 1, 1, "mish"), route(-1, -(3 * count + 4)), conv(channels, 1, 1, "mish")]
    found += [conv(512, 1), conv(1024, 3), conv(512, 1)]
    found += [maxpool(5, 1), route(-2), maxpool(9, 1), route(-4), maxpool(13, 1), route(-1, -3, -5, -6)]
    found += [conv(512, 1), conv(1024, 3), conv(512, 1)]
    for width, place in ((256, 85), (128, 54)):
        found += [conv(width, 1), ("upsample", {"stride": 2}), route(place), conv(width, 1), route(-1, -3)]
        found += [conv(width, 1), conv(2 * width, 3), conv(width, 1), conv(2 * width, 3), conv(width, 1)]
    found += [conv(256, 3), *head()]
    for width, place in ((256, -16), (512, -37)):
        found += [route(-4), conv(width, 3, 2), route(-1, place)]
        found += [conv(width, 1), conv(2 * width, 3), conv(width, 1), conv(2 * width, 3), conv(width, 1)]
        found += [conv(2 * width, 3), *head()]
    return found


# --- what the layers compute ------------------------------------------------------------------------------------------


def _mish(x: Array) -> Array:
    return x * np.tanh(np.log1p(np.exp(x)))


ACTIVATE: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: x * (x > 0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "relie": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: (x >= 0) * x + (x < 0) * (np.exp(x) - 1),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "mish": _mish,
    "revleaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "loggy": lambda x: 2 / (1 + np.exp(-x)) - 1,
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "hardtan": lambda x: np.minimum(np.maximum(x, -1), 1),
}


@dataclass
class Runner:
    """Layer after layer for one picture [C, H, W], drawing weights as it goes and keeping them as a file does."""

    rng: np.random.Generator
    file: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)

    def run(self, layers: list[Layer], x: Array) -> list[Array]:
        for kind, options in layers:
            x = getattr(self, kind)(x, options)
            self.values.append(x)
        if layers[-1][0] not in ("yolo", "region"):
            self.outputs.append(x)
        return self.outputs

    def weights(self, minor: int = 2) -> bytes:
        """The file so far, of version 0.`minor`."""
        start = struct.pack("<3iq", 0, minor, 0, 0) if minor >= 2 else struct.pack("<4i", 0, minor, 0, 0)
        return start + b"".join(a.astype("<f4").tobytes() for a in self.file)

    def draw(self, *shape: int, positive: bool = False) -> Array:
        drawn = self.rng.normal(size=shape) / math.sqrt(max(math.prod(shape[1:]), 1))
        return (np.abs(drawn) + 0.5 if positive else drawn).astype(np.float32).astype(np.float64)

    def earlier(self, number: Any) -> Array:
        return self.values[int(number) if int(number) >= 0 else len(self.values) + int(number)]

    def _normalize(self, x: Array, bias: Array, parts: tuple[Array, ...]) -> Array:
        scale, mean, variance = (p.reshape(-1, 1, 1) for p in parts)
        return (x - mean) / np.sqrt(variance + 0.00001) * scale + bias

    def convolutional(self, x: Array, o: dict[str, Any]) -> Array:
        n, size, groups = o["filters"], o["size"], o.get("groups", 1)
        pad = size // 2 if o.get("pad") else o.get("padding", 0)
        dilation = o.get("dilation", 1) if size > 1 else 1
        bias = self.draw(n)
        parts = (self.draw(n, positive=True), self.draw(n), self.draw(n, positive=True))
        weight = self.draw(n, x.shape[0] // groups, size, size)
        normalized = bool(o.get("batch_normalize"))
        self.file += [bias, *(parts if normalized else ()), weight]
        high, wide = (((side + 2 * pad - size) // o["stride"]) + 1 for side in x.shape[1:])
        y = np.zeros((n, high, wide))
        for f in range(n):
            first = f // (n // groups) * (x.shape[0] // groups)
            for i in range(high):
                for j in range(wide):
                    for u in range(size):
                        for v in range(size):
                            row = i * o["stride"] + u * dilation - pad * dilation
                            column = j * o["stride"] + v * dilation - pad * dilation
                            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                                cells = x[first : first + x.shape[0] // groups, row, column]
                                y[f, i, j] += weight[f, :, u, v] @ cells
        column_bias = bias.reshape(-1, 1, 1)
        y = self._normalize(y, column_bias, parts) if normalized else y + column_bias
        return ACTIVATE[o["activation"]](y)

    def connected(self, x: Array, o: dict[str, Any]) -> Array:
        n = o["output"]
        bias, weight = self.draw(n), self.draw(n, x.size)
        parts = (self.draw(n, positive=True), self.draw(n), self.draw(n, positive=True))
        normalized = bool(o.get("batch_normalize"))
        self.file += [bias, weight, *(parts if normalized else ())]
        y = (weight @ x.reshape(-1)).reshape(-1, 1, 1)
        column_bias = bias.reshape(-1, 1, 1)
        y = self._normalize(y, column_bias, parts) if normalized else y + column_bias
        return ACTIVATE[o["activation"]](y)

    def maxpool(self, x: Array, o: dict[str, Any]) -> Array:
        size, stride = o["size"], o["stride"]
        padding = o.get("padding", size - 1)
        high, wide = ((side + padding - size) // stride + 1 for side in x.shape[1:])
        y = np.full((x.shape[0], high, wide), -np.inf)
        offset = -(padding // 2)
        for i in range(high):
            for j in range(wide):
                for u in range(size):
                    for v in range(size):
                        row, column = offset + i * stride + u, offset + j * stride + v
                        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                            y[:, i, j] = np.maximum(y[:, i, j], x[:, row, column])
        return y

    def local_avgpool(self, x: Array, o: dict[str, Any]) -> Array:
        size, stride = o["size"], o["stride"]
        high, wide = ((side + size - 1 - size) // stride + 1 for side in x.shape[1:])
        y = np.zeros((x.shape[0], high, wide))
        offset = -((size - 1) // 2)
        for i in range(high):
            for j in range(wide):
                rows = [r for u in range(size) if 0 <= (r := offset + i * stride + u) < x.shape[1]]
                columns = [c for v in range(size) if 0 <= (c := offset + j * stride + v) < x.shape[2]]
                y[:, i, j] = x[:, rows][:, :, columns].mean((1, 2))
        return y

    def avgpool(self, x: Array, o: dict[str, Any]) -> Array:
        return x.mean((1, 2), keepdims=True)

    def upsample(self, x: Array, o: dict[str, Any]) -> Array:
        return x.repeat(o["stride"], 1).repeat(o["stride"], 2)

    def route(self, x: Array, o: dict[str, Any]) -> Array:
        found = []
        for number in str(o["layers"]).split(","):
            value = self.earlier(number)
            count = value.shape[0] // o.get("groups", 1)
            found.append(value[o.get("group_id", 0) * count :][:count])
        return np.concatenate(found)

    def shortcut(self, x: Array, o: dict[str, Any]) -> Array:
        y = x.copy()
        for number in str(o["from"]).split(","):
            value = self.earlier(number)
            stride, count = value.shape[2] // y.shape[2], min(len(value), len(y))
            for j in range(y.shape[1]):
                for i in range(y.shape[2]):
                    y[:count, j, i] += value[:count, j * stride, i * stride]
        return ACTIVATE[o["activation"]](y)

    def scale_channels(self, x: Array, o: dict[str, Any]) -> Array:
        return ACTIVATE[o.get("activation", "linear")](self.earlier(o["from"]) * x)

    def sam(self, x: Array, o: dict[str, Any]) -> Array:
        return ACTIVATE[o.get("activation", "linear")](self.earlier(o["from"]) * x)

    def softmax(self, x: Array, o: dict[str, Any]) -> Array:
        y = np.exp((x - x.max()) / o.get("temperature", 1))
        return y / y.sum()

    def reorg(self, x: Array, o: dict[str, Any]) -> Array:
        return np.concatenate([x.reshape(-1), np.zeros(o["extra"])]).reshape(-1, 1, 1) if "extra" in o else x

    def reorg3d(self, x: Array, o: dict[str, Any]) -> Array:
        c, h, w = x.shape
        s = o["stride"]
        y = np.zeros((c * s * s, h // s, w // s))
        for k in range(len(y)):
            offset = k // c
            y[k] = x[k % c, offset // s :: s, offset % s :: s]
        return y

    def dropout(self, x: Array, o: dict[str, Any]) -> Array:
        return x

    def cost(self, x: Array, o: dict[str, Any]) -> Array:
        return x

    def crop(self, x: Array, o: dict[str, Any]) -> Array:
        high, wide = o["crop_height"], o["crop_width"]
        top, left = (x.shape[1] - high) // 2, (x.shape[2] - wide) // 2
        y = x[:, top : top + high, left : left + wide]
        return y if o.get("noadjust") else 2 * y - 1

    def yolo(self, x: Array, o: dict[str, Any]) -> Array:
        self.outputs.append(x)
        return x

"""Layers of a file and of a net, to be laid side by side: their names, and for each array what it is and its shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from cnnlang.weight_files.keras_layout import Owner
from cnnlang.weight_files.stored import Stored

# what arrays are called elsewhere, by what they are called here
CALLED = {
    "weight": "weight weights kernel gamma scale alpha slope w depthwise_kernel depthwise_weights pointwise_kernel "
    "pointwise_weights filter filters",
    "bias": "bias biases beta b offset shift",
    "running_mean": "running_mean moving_mean mean",
    "running_var": "running_var moving_variance moving_var running_variance variance var",
    "": "num_batches_tracked",
}
LEAVES = {word: leaf for leaf, words in CALLED.items() for word in words.split()}

_SPLIT = re.compile(
    rf"(?P<stem>.*?)(?:^|[./:_-])(?P<leaf>{'|'.join(sorted(LEAVES, key=len, reverse=True))})(?::\d+)?", re.IGNORECASE
)
_BEFORE = re.compile(r"(?P<leaf>[wb])_?(?P<stem>(?<=_)\w+|\d+)", re.IGNORECASE)  # W1, b_fc2
_SYNONYMS = (
    (re.compile(r"batch_?norm(alization)?(v\d)?|(?<![a-z])norm"), "bn"),
    (re.compile(r"depthwise_?conv(2d)?|(?<![a-z])dw(?![a-z])"), "depthwise"),
    (re.compile(r"conv(2d)?_?transpose(d)?(2d)?|upconv"), "deconv"),
    (re.compile(r"conv(olution)?(2d)?"), "conv"),
    (re.compile(r"(?<![a-z])(fc|linear|gemm|predictions|logits|classifier|head)(?![a-z])"), "dense"),
    (re.compile(r"p_re_lu"), "prelu"),
)
_WORDS = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Part:
    """One array: its name, what it is by the names here (`weight`; empty where nobody knows), and its shape.

    `keras` and `role` are those of `Stored`.
    """

    name: str
    leaf: str
    shape: tuple[int, ...]
    keras: bool = False
    role: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A layer: its name and its arrays; `op` is a net's operator, empty for a layer of a file."""

    name: str
    parts: tuple[Part, ...]
    op: str = ""


def units_of_file(stored: Mapping[str, Stored]) -> tuple[list[Unit], bool]:
    """The layers of a file, in its order; and whether their arrays could be told apart by name.

    Where they could not (`arr_0`, `arr_1`, ...), each array is a layer of its own.
    """
    layers: dict[str, list[Part]] = {}
    told = 0
    pointwise = {entry.layer for entry in stored.values() if entry.role == "pointwise_kernel"}
    for name, entry in stored.items():
        layer, leaf = _layer_and_leaf(name, entry)
        if entry.role == "depthwise_kernel" and layer in pointwise:  # one layer of Keras, and two here
            layer = f"{layer}/depthwise"
        told += leaf is not None
        if leaf != "":
            layers.setdefault(layer, []).append(Part(name, leaf or "", entry.shape, entry.keras, entry.role))
    if 2 * told < len(stored):
        return [Unit(n, (Part(n, "", e.shape, e.keras, e.role),)) for n, e in stored.items()], False
    return [Unit(layer, tuple(parts)) for layer, parts in layers.items()], True


def units_of_net(owners: Iterable[Owner], by_layer: bool) -> list[Unit]:
    """The layers of a net, or its weights one by one, in the order of use."""
    if not by_layer:
        return [Unit(o.path, (Part(o.path, "", o.shape),), o.op) for o in owners]
    layers: dict[str, list[Owner]] = {}
    for owner in owners:
        layers.setdefault(owner.layer, []).append(owner)
    return [Unit(n, tuple(Part(o.path, o.leaf, o.shape) for o in own), own[0].op) for n, own in layers.items()]


def _layer_and_leaf(name: str, entry: Stored) -> tuple[str, str | None]:
    """The layer of an array, and what it is there: None where nothing tells, empty for what is no weight."""
    if entry.role in LEAVES:
        return entry.layer, LEAVES[entry.role]
    found = _SPLIT.fullmatch(name) or _BEFORE.fullmatch(name)
    if found:
        return found["stem"], LEAVES[found["leaf"].lower()]
    return name, None


def likeness(left: str, right: str) -> float:
    """How alike two names of layers are, from 0 to 1: by their words and numbers, the last ones most."""
    return 0.4 * _shared(_bag(left), _bag(right)) + 0.6 * _shared(_bag(_last(left)), _bag(_last(right)))


def _last(name: str) -> str:
    """The end of a name from its last word on: `downsample.0`, `conv3`."""
    parts = re.split(r"[./]", name)
    while len(parts) > 1 and parts[-1].isdecimal() and parts[-2].isdecimal():
        parts = parts[:-1]
    return ".".join(parts[-2:]) if parts[-1].isdecimal() else parts[-1]


@cache
def _bag(name: str) -> tuple[tuple[str, int], ...]:
    text = name.lower()
    for pattern, word in _SYNONYMS:
        text = pattern.sub(word, text)
    words = _WORDS.findall(text)
    return tuple((word, words[:i].count(word)) for i, word in enumerate(words))


def _shared(left: tuple[tuple[str, int], ...], right: tuple[tuple[str, int], ...]) -> float:
    either = len({*left, *right})
    return len({*left} & {*right}) / either if either else 0.0

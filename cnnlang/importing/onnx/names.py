"""What layers, inputs and outputs are called: by what the file calls them, as far as that makes a name."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache

from cnnlang.dims import Dim
from cnnlang.importing.onnx.reader import Record
from cnnlang.ops import OPERATORS

MAX_PATH = 160
OUR_PATH = re.compile(r"(?:[^\W\d]\w*|[0-9]+)(?:\.(?:[^\W\d]\w*|[0-9]+))*")
PATH = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+)(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+))*")
# the end of a weight's name, as PyTorch, Keras and TensorFlow, MXNet, Caffe2, Darknet's converters write it
LEAF = re.compile(
    r"[._/](?:weights?|bias(?:es)?|gamma|beta|kernel|depthwise_kernel|pointwise_kernel|running_mean|running_var|"
    r"moving_mean|moving_var(?:iance)?|conv_weights|conv_bias|slope|alpha|scale|mean|var|riv|rm|w|b|s)"
    r"(?:_\d+)?(?::0)?(?:_quantized)?$"
)
# what TensorFlow's graphs add to a layer's name
PARTS_OF_TF = re.compile(
    r"(?:/ReadVariableOp(?:_\d+)?|/(?:Conv2D|depthwise|separable_conv2d|conv2d_transpose|MatMul|BiasAdd|"
    r"FusedBatchNormV3|batchnorm|add(?:_\d+)?|mul(?:_\d+)?|sub)(?:_\d+)?|:\d+|__\d+|;.*)$"
)
JUNK = re.compile(
    r"onnx::.*|\d+|const_fold_opt.*|val_\d+|new_shape.*|Constant.*|.*/constant.*|(?:node_)?[a-zA-Z]+\d?d?_?\d*|t\d+|p_\d+",
    re.IGNORECASE,
)
TELLS_NOTHING = re.compile(r"(?:inputs?|onnx|x|data|args?|keras_tensor|serving_default_\w*)_?\d*", re.IGNORECASE)
WRAPPERS = ("StatefulPartitionedCall", "gpu_0", "PartitionedCall")


def paths_of(records: Sequence[Record], ours: bool) -> tuple[list[str], bool]:
    """A path for each layer, no two alike and none the scope of another; and whether most are the file's own.

    Parameters
    ----------
    records
        The layers, in the order of the net.
    ours
        Whether the file is cnnlang's, so that the names of weights are paths as they stand.
    """
    proposals = [_proposed(record, OUR_PATH if ours else PATH) for record in records]
    slashed = [p for p, exact_ in proposals if p and not exact_]
    heads = {p.split(".", 1)[0] for p in slashed}
    if len(slashed) > 1 and len(heads) == 1 and all("." in p for p in slashed) and len(slashed) == len(records):
        proposals = [(p.split(".", 1)[1], exact_) for p, exact_ in proposals]
    taken: set[str] = set()
    counts: dict[str, int] = {}
    found: list[str] = []
    for record, (path, _) in zip(records, proposals, strict=True):
        name = path or _automatic(record, counts)
        base, number = name, 2
        while name in taken:
            name, number = (f"{base}_{number}", number + 1) if path else (_automatic(record, counts), number)
        taken.add(name)
        found.append(name)
    named = sum(bool(p) for p, _ in proposals)
    return _without_clashes(found), 2 * named >= len(records) > 0


def _automatic(record: Record, counts: dict[str, int]) -> str:
    counts[record.op.name] = counts.get(record.op.name, 0) + 1
    return f"{record.op.name}{counts[record.op.name]}"


def _proposed(record: Record, pattern: re.Pattern[str]) -> tuple[str, bool]:
    """The path that a layer's names in the file make, and whether it is a weight's own name."""
    *weights, node = record.names if record.names else ("",)
    for name in (*weights, node):
        stem = LEAF.sub("", name)
        if stem == name:
            continue
        if pattern.fullmatch(stem) and len(stem) <= MAX_PATH:
            return stem, True
        path = path_of(stem, record.op.name)
        if path and not JUNK.fullmatch(stem):
            return path, False
    for name in reversed(record.names):
        if name.startswith("/"):
            path = scope_of(name)
            if path:
                return path, True
        elif name and not JUNK.fullmatch(name):
            path = path_of(name, record.op.name)
            if path:
                return path, False
    return "", False


def scope_of(name: str) -> str:
    """The module in the name that PyTorch gives a node: `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`."""
    parts: list[str] = []
    for part in name.strip("/").split("/")[:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts.pop()
        parts.append(part)
    path = ".".join(parts)
    return path if PATH.fullmatch(path) and len(path) <= MAX_PATH else ""


def path_of(name: str, kind: str) -> str:
    """A name as a path: its parts between `/`, each made an identifier."""
    while True:
        cut = PARTS_OF_TF.sub("", name)
        if cut == name:
            break
        name = cut
    parts = [re.sub(r"[^A-Za-z0-9_]+", "_", part).strip("_") for part in re.split(r"[/.]", name)]
    parts = [p for p in parts if p and p not in WRAPPERS]
    made = [f"{kind}_{p}" if p[0].isdigit() and not p.isdigit() else p for p in parts]
    path = ".".join(made)
    return path if path and len(path) <= MAX_PATH and PATH.fullmatch(path) else ""


def _without_clashes(paths: list[str]) -> list[str]:
    """No layer is the scope of another: `conv1.bn` beside a layer `conv1` is `conv1_bn`."""
    layers = set(paths)
    found: list[str] = []
    taken = set(paths)
    for path in paths:
        parts = path.split(".")
        made = parts[0]
        for part in parts[1:]:
            made = f"{made}_{part}" if made in layers else f"{made}.{part}"
        if made != path:
            base, number = made, 2
            while made in taken:
                made, number = f"{base}_{number}", number + 1
            taken.add(made)
        found.append(made)
    return found if not _clash(found) else [p.replace(".", "_") for p in found]


def _clash(paths: list[str]) -> bool:
    layers = set(paths)
    scopes = {".".join(p.split(".")[:i]) for p in paths for i in range(1, p.count(".") + 1)}
    return bool(layers & scopes) or len(layers) < len(paths)


@cache
def _reserved() -> frozenset[str]:
    from cnnlang.syntax.tokens import words

    return words() | OPERATORS.keys() | {"True", "False", "None", "N", "H", "W"}


def is_name(text: str) -> bool:
    """Whether a value of a net can be called so."""
    return text.isidentifier() and text not in _reserved() and len(text) <= MAX_PATH


def label_of(name: str, shape: Sequence[Dim], taken: Collection[str], keep: bool) -> str:
    """What an input is called: as in the file, if that is a name and says anything."""
    if keep and is_name(name):
        return _unique(name, taken)
    word = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    if not is_name(word) or (not keep and TELLS_NOTHING.fullmatch(word)):
        word = "image" if len(shape) == 4 and shape[1] in (1, 3, 4) else "x"
    return _unique(word, taken)


def output_name(name: str, taken: Collection[str], alone: bool, keep: bool) -> str:
    """What an output is called: the only one `output`, unless the file's own names are to be kept."""
    if keep and is_name(name):
        return _unique(name, taken)
    word = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    if alone and (word == "output" or not keep):
        return "output"
    return _unique(word if is_name(word) else "result", taken)


def _unique(word: str, taken: Collection[str]) -> str:
    base, number = word, 2
    while word in taken:
        word, number = f"{base}_{number}", number + 1
    return word


def net_name(text: str) -> str:
    """A net's name from a file's: `resnet18-v1` is `Resnet18V1`."""
    parts = [p for p in re.split(r"[^A-Za-z0-9]+", text) if p]
    word = "".join(p[0].upper() + p[1:] for p in parts)[:60]
    return word if word and not word[0].isdigit() else f"Net{word}"

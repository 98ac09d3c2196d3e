"""The nets that are measured: by the names of the examples, or any `.cnn` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cnnlang

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NETS = {
    "LeNet5": "lenet5.cnn",
    "AlexNet": "alexnet.cnn",
    "VGG16": "vgg16.cnn",
    "GoogLeNet": "googlenet.cnn",
    "ResNet18": "resnet.cnn",
    "ResNet50": "resnet.cnn",
    "ResNet152": "resnet.cnn",
    "SqueezeNet1_1": "squeezenet.cnn",
    "MobileNetV2": "mobilenetv2.cnn",
    "DenseNet121": "densenet121.cnn",
    "UNet": "unet.cnn",
}
SIZES: dict[str, dict[str, Any]] = {"UNet": {"H": 16, "W": 16}}  # 256 x 256


class UnknownNet(Exception):
    """There is no such net to measure."""


def plain(name: str) -> str:
    """A name as people write it: `resnet18` for `ResNet18`, `squeezenet11` for `SqueezeNet1_1`."""
    return name.lower().replace("_", "").replace("-", "").replace(".", "")


def load(wanted: str, values: Mapping[str, Any]) -> cnnlang.Net:
    """The net of an example by its name, or of a file: `nets/my.cnn`, or `nets/my.cnn:Name` where it has several.

    Raises
    ------
    UnknownNet
        It is neither, or has symbolic sizes besides the batch that are given no value.
    """
    file, _, inside = wanted.rpartition(":")
    if wanted.endswith(".cnn") or file.endswith(".cnn"):
        path, net = (wanted, None) if wanted.endswith(".cnn") else (file, inside)
        found = cnnlang.load(path, net=net, set=dict(values))
    else:
        name = next((name for name in NETS if plain(name) == plain(wanted)), None)
        if name is None:
            msg = f"there is no net {wanted}: there are {', '.join(NETS)}, and the path of any .cnn file"
            raise UnknownNet(msg)
        found = cnnlang.load(EXAMPLES / NETS[name], net=name, set={**SIZES.get(name, {}), **values})
    for node in found.graph.inputs:
        for dim in node.type.shape[1:]:
            if not str(dim).isdigit():
                msg = f"{found.name} takes [{', '.join(map(str, node.type.shape))}]: give {dim} a value with --set"
                raise UnknownNet(msg)
    return found

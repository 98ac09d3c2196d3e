"""Files as Keras writes them, made with h5py alone, so that a test needs no framework to have one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnlang.program import Program
from cnnlang.weight_files.keras_layout import emitted_owners

CLASSES = {
    "conv": "Conv2D",
    "depthwise": "DepthwiseConv2D",
    "deconv": "Conv2DTranspose",
    "dense": "Dense",
    "bn": "BatchNormalization",
    "group_norm": "GroupNormalization",
    "prelu": "PReLU",
}
GROUPS = {
    "Conv2D": "conv2d",
    "DepthwiseConv2D": "depthwise_conv2d",
    "Conv2DTranspose": "conv2d_transpose",
    "Dense": "dense",
    "BatchNormalization": "batch_normalization",
    "GroupNormalization": "group_normalization",
    "PReLU": "p_re_lu",
}
Layer = tuple[str, str, list[NDArray[Any]]]  # its name, its class, its variables


def keras_layers(program: Program, weights: Mapping[str, NDArray[Any]]) -> list[Layer]:
    """The layers of the model that the net is in Keras, with their variables in Keras' order and layout."""
    layers: dict[str, Layer] = {}
    for path, owner in emitted_owners(program).items():
        if path in weights:
            name = owner.layer.replace(".", "-")
            made = layers.setdefault(name, (name, CLASSES[owner.op], []))
            made[2].append(_as_in_keras(owner.op, weights[path], owner.flattened))
    return list(layers.values())


def _as_in_keras(op: str, array: NDArray[Any], flattened: tuple[int, int, int] | None) -> NDArray[Any]:
    match op, array.ndim:
        case "depthwise", 4:  # [C*m, 1, h, w], where C is not known: one multiplier is [h, w, C, 1]
            return array.transpose(2, 3, 0, 1)
        case _, 4:
            return array.transpose(2, 3, 1, 0)
        case "dense", 2:
            if flattened:
                array = array.reshape(-1, *flattened).transpose(0, 2, 3, 1).reshape(array.shape)
            return array.T
        case "prelu", 1:
            return array.reshape(1, 1, -1)
    return array


def write_weights_h5(path: Path | Any, layers: list[Layer], *, names: bool = True) -> None:
    """`model.save_weights("x.weights.h5")`; older versions of Keras 3 wrote no names."""
    counts: dict[str, int] = {}
    with h5py.File(path, "w") as file:
        file.create_group("vars").attrs["name"] = "net"
        for name, kind, variables in layers:
            group = GROUPS[kind]
            count = counts[group] = counts.get(group, -1) + 1
            inner = file.create_group(f"layers/{group}_{count}/vars" if count else f"layers/{group}/vars")
            if names:
                inner.attrs["name"] = name
            for number, array in enumerate(variables):
                inner[str(number)] = array


def write_keras(path: Path, layers: list[Layer], *, names: bool = True) -> None:
    """`model.save("x.keras")`, as far as weights are concerned."""
    inside = path.with_suffix(".inside")
    write_weights_h5(inside, layers, names=names)
    listed = [{"module": "keras.layers", "class_name": kind, "config": {"name": n}} for n, kind, _ in layers]
    config = {"class_name": "Functional", "config": {"name": "net", "layers": listed}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config))
        archive.write(inside, "model.weights.h5")
    inside.unlink()


def write_keras_2(path: Path, layers: list[Layer], *, whole: bool = False) -> None:
    """`model.save_weights("x.h5")` of Keras 2; with `whole`, `model.save`."""
    variables = {
        "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
        "GroupNormalization": ("gamma", "beta"),
        "DepthwiseConv2D": ("depthwise_kernel", "bias"),
        "PReLU": ("alpha",),
    }
    with h5py.File(path, "w") as file:
        top = file.create_group("model_weights") if whole else file
        top.attrs["layer_names"] = np.array([n.encode() for n, _, _ in layers])
        for name, kind, arrays in layers:
            roles = variables.get(kind, ("kernel", "bias"))[: len(arrays)]
            group = top.create_group(name)
            group.attrs["weight_names"] = np.array([f"{name}/{role}:0".encode() for role in roles])
            for role, array in zip(roles, arrays, strict=True):
                group[f"{name}/{role}:0"] = array

"""How Keras names the arrays of a model in an HDF5 file, in version 3 and before; each becomes `layer/role`.

Keras 3 writes the variables of a layer, by number, to `layers/conv2d_3/vars/0`: the class and how many of it came
before, in the order of the model. The layer's own name is an attribute of `vars` (in files of some age it is not).
Keras 2 writes them by name to `conv3/conv3/kernel:0`, and their order to attributes `layer_names` and `weight_names`.

Source: keras/src/saving/saving_lib.py and keras/src/legacy/saving/legacy_h5_format.py of Keras 3.15.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# the variables of a class in the order of their numbers
ROLES = {
    "conv2d": ("kernel", "bias"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "conv2d_transpose": ("kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "dense": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "group_normalization": ("gamma", "beta"),
    "layer_normalization": ("gamma", "beta"),
    "p_re_lu": ("alpha",),
    "normalization": ("mean", "variance", "count"),
    # the layers of source that is emitted for Keras
    "group_norm": ("gamma", "beta"),
    "grouped_conv2d_transpose": ("kernel", "bias"),
    "fixed_conv2d": ("bias",),
}
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
OF_TRAINING = ("optimizer", "metrics", "loss", "_metrics", "optimizer_weights", "top_level_model_weights")
SEEDS = "seed_generator"  # of layers that draw random numbers


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the file: its place in the listing, its path, NumPy's name of its type, and its shape."""

    number: int
    path: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """What a file holds: for each group its attributes that are texts, and the arrays."""

    groups: Mapping[str, Mapping[str, list[str]]]
    arrays: tuple[Array, ...]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Tree:
        listed = enumerate(found["arrays"])
        return cls(found["groups"], tuple(Array(i, a["path"], a["dtype"], tuple(a["shape"])) for i, a in listed))


@dataclass(frozen=True, slots=True)
class Variable:
    """An array, the layer it belongs to, and what it is there; `keras` as in `Stored`."""

    array: Array
    layer: str = ""
    role: str = ""
    keras: bool = False


def named(tree: Tree, config: Any = None) -> dict[str, Variable]:
    """The arrays that are a model's weights, by name, in the order of the model as far as the file tells it."""
    for prefix in ("", "model_weights"):
        if "layer_names" in tree.groups.get(prefix, {}) or "layer_names0" in tree.groups.get(prefix, {}):
            return _unique(_of_keras_2(tree, prefix))
    if any("/vars/" in f"/{array.path}" for array in tree.arrays):
        return _unique(_of_keras_3(tree, Account.of(config)))
    return {array.path: Variable(array) for array in tree.arrays}


def _unique(variables: Iterator[Variable]) -> dict[str, Variable]:
    """By `layer/role`; by the path in the file where two would be called the same."""
    found: dict[str, Variable] = {}
    for variable in variables:
        name = f"{variable.layer}/{variable.role}"
        found[variable.array.path if name in found else name] = variable
    return found


# --- version 3 --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """What `config.json` says of layers: by the group of each, its name, its place in the order, and its options."""

    layers: Mapping[str, tuple[str, int, Mapping[str, Any]]]

    @classmethod
    def of(cls, config: Any) -> Account:
        found: dict[str, tuple[str, int, Mapping[str, Any]]] = {}
        stack: list[tuple[str, Any]] = [("layers", config)]
        while stack:
            place, model = stack.pop()
            inner = model.get("config") if isinstance(model, dict) else None
            layers = inner.get("layers") if isinstance(inner, dict) else None
            counts: dict[str, int] = {}
            for layer in layers if isinstance(layers, list) else ():
                if not isinstance(layer, dict) or ".ops" in str(layer.get("module")):  # an operation is no layer
                    continue
                kind, options = snake_case(str(layer.get("class_name"))), layer.get("config")
                options = options if isinstance(options, dict) else {}
                # a model inside a model is saved by the name of its class, which is one of these two
                count = counts[kind] = counts.get(kind, -1) + 1
                group = f"{place}/{kind}_{count}" if count else f"{place}/{kind}"
                found[group] = (str(options.get("name")), len(found), options)
                stack.append((f"{group}/layers", layer))
        return cls(found)


def snake_case(name: str) -> str:
    """A class's name as Keras writes it in paths: `PReLU` is `p_re_lu`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _of_keras_3(tree: Tree, account: Account) -> Iterator[Variable]:
    groups: dict[str, list[Array]] = {}
    for array in tree.arrays:
        group, vars_, number = array.path.rpartition("/vars/")
        if vars_ and number.isdecimal() and SEEDS not in group:
            groups.setdefault(group, []).append(array)
    tops = {group.split("/", 1)[0] for group in groups}
    wanted = [top for top in CONTAINERS if top in tops] or [top for top in tops if top not in OF_TRAINING]

    def place(group: str) -> tuple[int, list[Any]]:
        known = account.layers.get(group)
        return (known[1] if known else len(account.layers)), natural(group)

    for group in sorted((g for g in groups if g.split("/", 1)[0] in wanted), key=place):
        arrays = sorted(groups[group], key=lambda array: int(array.path.rpartition("/")[2]))
        layer = _layer_name(tree, account, group)
        for array, role in zip(arrays, _roles(group, arrays, account), strict=True):
            yield Variable(array, layer, role, keras=True)


def natural(text: str) -> list[Any]:
    """A key by which `conv2d_10` comes after `conv2d_2`."""
    parts = re.split(r"(\d+)", text)
    return [(len(part.lstrip("0")), part.lstrip("0")) if i % 2 else part for i, part in enumerate(parts)]


def _layer_name(tree: Tree, account: Account, group: str) -> str:
    """A layer's own name, after those of the models that it is in."""
    parts = group.split("/")
    names = []
    for end in range(1, len(parts) + 1):
        place = "/".join(parts[:end])
        own = tree.groups.get(f"{place}/vars", {}).get("name")
        if own and own[0]:
            names.append(own[0])
        elif place in account.layers:
            names.append(account.layers[place][0])
        elif end == len(parts) or parts[end - 1] not in CONTAINERS:
            names.append(parts[end - 1])
    return "/".join(names)


def _roles(group: str, arrays: list[Array], account: Account) -> list[str]:
    """What a layer's arrays are, by its class and options; by their shapes where the class is not known."""
    kind = re.sub(r"_\d+$", "", group.rpartition("/")[2])
    options = account.layers.get(group, ("", 0, {}))[2]
    roles = list(ROLES.get(kind, _by_shape(arrays)))
    if "gamma" in roles and "beta" in roles:
        if len(arrays) == len(roles) - 1:  # most go without gamma, for the next layer has a kernel
            roles.remove("beta" if options.get("center") is False else "gamma")
        elif len(arrays) == len(roles) - 2:
            roles = [role for role in roles if role not in ("gamma", "beta")]
    return [roles[i] if i < len(roles) else str(i) for i in range(len(arrays))]


def _by_shape(arrays: list[Array]) -> tuple[str, ...]:
    shapes = [array.shape for array in arrays]
    if len(shapes) <= 2 and len(shapes[0]) in (2, 4) and all(len(shape) == 1 for shape in shapes[1:]):
        return ("kernel", "bias")
    if len(set(shapes)) == 1 and len(shapes[0]) == 1 and len(shapes) in (2, 4):
        return ("gamma", "beta", "moving_mean", "moving_variance")[: len(shapes)]
    return ()


# --- version 2 and before ---------------------------------------------------------------------------------------------


def _of_keras_2(tree: Tree, prefix: str) -> Iterator[Variable]:
    by_path = {array.path: array for array in tree.arrays}
    for layer in _texts(tree, prefix, "layer_names"):
        group = f"{prefix}/{layer}" if prefix else layer
        names = _texts(tree, group, "weight_names")
        for name in names:
            array = by_path.get(f"{group}/{name}")
            if array is None:
                raise ValueError(f"it names {group}/{name}, and holds no such array")
            stem, _, role = name.rpartition("/")
            inner = stem.removeprefix(layer).strip("/") if stem.startswith(layer) else ""
            several = len({n.rpartition("/")[0] for n in names}) > 1
            yield Variable(array, f"{layer}/{inner or stem}" if several else layer, role.split(":")[0], keras=True)


def _texts(tree: Tree, group: str, name: str) -> list[str]:
    """An attribute's texts; one that is too long for HDF5 is there in parts, `name0`, `name1`, ..."""
    found = tree.groups.get(group, {})
    if name in found:
        return found[name]
    parts: list[list[str]] = []
    while f"{name}{len(parts)}" in found:
        parts.append(found[f"{name}{len(parts)}"])
    return [text for part in parts for text in part]

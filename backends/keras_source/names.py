"""Names: those of the emitted file, and those of Keras' layers."""

from __future__ import annotations

import re
from collections.abc import Container

from cnnlang.backends.python_source.names import free, variable

# Names that the emitted file uses for itself.
MODULE_NAMES = frozenset({"keras", "layers", "ops", "load_file", "load_weights", "layers_in", "with_aux"})
PREFIX = "name"  # the parameter of a block's function that its layers' names begin with
SEPARATOR = "-"  # stands for the dot of a path, which Keras on PyTorch refuses


def layer_name(path: str) -> str:
    """The name of the layer at a path."""
    return path.replace(".", SEPARATOR)


def function_name(block: str) -> str:
    """What a block's function is called."""
    return variable(block, reserved=MODULE_NAMES)


def net_name(name: str, taken: Container[str]) -> str:
    """The function of a net has the net's own name, with `Net` after it where that is taken or none of Python's."""
    plain = function_name(name)
    return name if plain == name and name not in taken else free(f"{plain.rstrip('_')}Net", taken)


def automatic_name(layer: str) -> str:
    """The name that Keras gives a layer of a class that has none: `MaxPooling2D` is `max_pooling2d`."""
    spaced = re.sub(r"\W+", "", layer)
    spaced = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", spaced)
    return re.sub("([a-z])([A-Z])", r"\1_\2", spaced).lower()

"""A small language for convolutional neural networks, and its compiler.

net = cnnlang.load("examples/resnet.cnn", net="ResNet50", set={"classes": 10})
print(net.summary())
model = net.compile()
y = model(x)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlang.api import Net, load, loads
    from cnnlang.errors import CnnError, FindingsError, InputError, OperatorError, UsageError, WeightsError
    from cnnlang.importing import Imported, import_model
    from cnnlang.model import Model

__version__ = "0.1.0"

__all__ = [
    "CnnError",
    "FindingsError",
    "Imported",
    "InputError",
    "Model",
    "Net",
    "OperatorError",
    "UsageError",
    "WeightsError",
    "__version__",
    "import_model",
    "load",
    "loads",
]

# imported when asked for, so that the command line starts fast
_HOMES = {
    "cnnlang.api": ("Net", "load", "loads"),
    "cnnlang.errors": ("CnnError", "FindingsError", "InputError", "OperatorError", "UsageError", "WeightsError"),
    "cnnlang.importing": ("Imported", "import_model"),
    "cnnlang.model": ("Model",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)

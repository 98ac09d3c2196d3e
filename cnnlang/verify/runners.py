"""Running a net in each target: one small interface, one module a target, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from numpy.typing import NDArray

from cnnlang.errors import UsageError
from cnnlang.ir import Node
from cnnlang.program import Program

Array = NDArray[Any]
Weights = Mapping[str, Array]

BACKENDS_OF_KERAS = ("torch", "tensorflow", "jax")


class TargetFailed(Exception):
    """A target's own program ended in an error: what it said, in one line."""


class Runner(Protocol):
    """A net in a target, with its weights.

    Arrays are `[N, C, H, W]` or `[N, C]`, float32, whatever order the target itself has.
    """

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """The net's outputs, in the order of the file."""

    def values(self, *inputs: Array) -> Mapping[Node, Array]:
        """The values of the graph's nodes that the target has too: what it fuses, it cannot show."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a net runs in one target.

    Attributes
    ----------
    module
        Where its runner is made: `make(program, weights)`, and `version()`, what it runs in.
    needs
        The packages that must be installed.
    extra
        The extra of cnnlang that installs them; empty where they come with it.
    one_of
        Packages of which one is enough.
    """

    module: str
    needs: tuple[str, ...]
    extra: str = ""
    one_of: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        return all(map(find_spec, self.needs)) and (not self.one_of or any(map(find_spec, self.one_of)))

    def make(self, program: Program, weights: Weights) -> Runner:
        """The net in the target.

        Raises
        ------
        FindingsError
            E04xx: the target cannot express the net.
        """
        maker: Callable[[Program, Weights], Runner] = import_module(self.module).make
        return maker(program, weights)

    def version(self) -> str:
        """What it runs in: `PyTorch 2.13.0`."""
        text: str = import_module(self.module).version()
        return text


WAYS = {
    "cpu": Way("cnnlang.verify.run_cpu", ("numba",)),
    "torch": Way("cnnlang.verify.run_torch", ("torch",), "torch"),
    "keras": Way("cnnlang.verify.run_keras", ("keras",), "keras", BACKENDS_OF_KERAS),
    "onnx": Way("cnnlang.verify.run_onnx", ("onnx", "onnxruntime"), "onnx"),
}


def way(name: str) -> Way:
    """The way of a target by its name.

    Raises
    ------
    UsageError
        There is none.
    """
    if name not in WAYS:
        msg = f"nothing runs in `{name}`; the targets that run are {', '.join(WAYS)}"
        raise UsageError(msg)
    return WAYS[name]

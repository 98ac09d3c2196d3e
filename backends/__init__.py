"""The targets: source in other frameworks, models as files, and the text of the graph; imported when asked for.

The module of a source target has

    emit(program) -> str                          its text, or FindingsError with E04xx
    refusals(program) -> tuple[Diagnostic, ...]   what the target cannot express, each with its place; empty if all

and that of a model, which is a file with weights in it, has `export(program, weights, ...) -> bytes` for `emit`. What a
target cannot say of an operator stands in its module's `LIMITS`, by the operator's name, in one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnnlang.errors import FindingsError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from cnnlang.program import Program


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that a net becomes.

    Attributes
    ----------
    module
        Where it is made.
    title
        What it is, in a few words.
    is_model
        Whether it is a file with weights in it, and no text.
    """

    module: str
    title: str
    is_model: bool = False

    def load(self) -> Any:
        """The module, imported."""
        return import_module(self.module)


TARGETS = {
    "torch": Target("cnnlang.backends.torch_source", "a PyTorch module"),
    "keras": Target("cnnlang.backends.keras_source", "a Keras 3 model"),
    "numba": Target("cnnlang.backends.numba_source", "a module of NumPy and Numba"),
    "onnx": Target("cnnlang.backends.onnx", "an ONNX model", is_model=True),
    "graph": Target("cnnlang.backends.graph_text", "the typed graph as text"),
}


def emit(program: Program, target: str) -> str:
    """A program as text for a target.

    Raises
    ------
    UsageError
        There is no such target, or it is no text.
    FindingsError
        E04xx: the target cannot express the program.
    """
    found = find(target)
    if found.is_model:
        msg = f"{target} is a file with weights in it: cnnlang emit --target {target} -o FILE, or `export`"
        raise UsageError(msg)
    text: str = found.load().emit(program)
    return text


def export(
    program: Program,
    target: str,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    seed: int = 0,
    *,
    normalize: bool = False,
) -> bytes:
    """A program as a model with weights in it, the bytes of a file.

    Parameters
    ----------
    program
        The net.
    target
        A target that is a model.
    weights
        A weights file, or arrays by parameter path; None begins anew.
    seed
        Where weights begin, if none are given.
    normalize
        Whether the model takes pixels from 0 to 255 and prepares them itself.

    Raises
    ------
    UsageError
        There is no such target, it is no model, or what writes it is not installed.
    FindingsError
        E04xx: the target cannot express the program.
    WeightsError
        The weights cannot be read or do not fit.
    """
    from cnnlang.model import weights_for

    found = find(target)
    if not found.is_model:
        msg = f"{target} is text, without weights: cnnlang emit --target {target}, or `emit`"
        raise UsageError(msg)
    module = found.load()
    if refused := module.refusals(program):  # before gigabytes are read for nothing
        raise FindingsError(refused)
    data: bytes = module.export(program, weights_for(program, weights, seed), normalize=normalize)
    return data


def find(target: str) -> Target:
    """A target by its name.

    Raises
    ------
    UsageError
        There is none.
    """
    if target not in TARGETS:
        msg = f"there is no target `{target}`; there are {', '.join(TARGETS)}"
        raise UsageError(msg)
    return TARGETS[target]

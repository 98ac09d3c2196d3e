"""The targets: source (`torch`, `numba`) and the text of the graph. Each is imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cnnlang.errors import UsageError

if TYPE_CHECKING:
    from cnnlang.program import Program

# each module has `emit(program) -> str`
TARGETS = {
    "torch": "cnnlang.backends.torch_source",
    "numba": "cnnlang.backends.numba_source",
    "graph": "cnnlang.backends.graph_text",
}


def emit(program: Program, target: str) -> str:
    """A program as text for a target.

    Raises
    ------
    UsageError
        There is no such target.
    FindingsError
        E04xx: the target cannot express the program.
    """
    if target not in TARGETS:
        msg = f"there is no target `{target}`; there are {', '.join(TARGETS)}"
        raise UsageError(msg)
    text: str = import_module(TARGETS[target]).emit(program)
    return text

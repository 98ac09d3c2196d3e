"""The graph as text, one step a line, as the file says it: before any optimisation. There is nothing it cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic
    from cnnlang.program import Program

LIMITS: Mapping[str, str] = {}


def emit(program: Program) -> str:
    """The inference graph of a program."""
    return f"{program.graph}\n"


def refusals(program: Program) -> tuple[Diagnostic, ...]:
    """Nothing: every operator has a text."""
    return ()

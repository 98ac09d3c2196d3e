"""The graph as text, one step a line, as the file says it: before any optimisation."""

from __future__ import annotations

from cnnlang.program import Program


def emit(program: Program) -> str:
    """The inference graph of a program."""
    return f"{program.graph}\n"

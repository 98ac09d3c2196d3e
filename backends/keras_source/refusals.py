"""What Keras cannot say: operators without a counterpart, and names that it keeps for itself."""

from __future__ import annotations

from cnnlang.backends.keras_source.compiler import TARGET, KerasCompiler, expressible
from cnnlang.backends.python_source.refusals import once_a_place, operators
from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.program import Program

# What Keras cannot express of an operator, by the operator's name.
LIMITS: dict[str, str] = {}


def refusals(program: Program) -> tuple[Diagnostic, ...]:
    """All that the target cannot express, with its place: E0401 and E0402."""
    try:
        compiled(program)
    except FindingsError as error:
        return error.diagnostics
    return ()


def compiled(program: Program) -> KerasCompiler:
    """The functions of a program; raises FindingsError with all that the target cannot express."""
    found = once_a_place(operators(program, TARGET, expressible))
    if found:
        raise FindingsError(found)
    compiler = KerasCompiler(program)
    compiler.compile()
    return compiler

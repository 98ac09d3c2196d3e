"""What PyTorch cannot say: operators without a counterpart, and names that it or Python keeps for itself."""

from __future__ import annotations

import keyword
from collections.abc import Iterator

from cnnlang.backends.python_source.refusals import once_a_place, operators, segments
from cnnlang.backends.torch_source.compiler import TARGET, TorchCompiler, expressible
from cnnlang.backends.torch_source.names import is_reserved
from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError
from cnnlang.program import Program

# What PyTorch cannot express of an operator, by the operator's name.
LIMITS: dict[str, str] = {}


def refusals(program: Program) -> tuple[Diagnostic, ...]:
    """All that the target cannot express, with its place: E0401 and E0402."""
    try:
        compiled(program)
    except FindingsError as error:
        return error.diagnostics
    return ()


def compiled(program: Program) -> TorchCompiler:
    """The classes of a program; raises FindingsError with all that the target cannot express."""
    found = once_a_place([*operators(program, TARGET, expressible), *_names(program)])
    if found:
        raise FindingsError(found)
    compiler = TorchCompiler(program)
    compiler.compile()
    return compiler


def _names(program: Program) -> Iterator[Diagnostic]:
    for name, span in segments(program.root.body):
        if is_reserved(name):
            yield Diagnostic(
                "E0402",
                f"{'Python' if keyword.iskeyword(name) else 'PyTorch'} reserves the name `{name}`",
                span,
                notes=(_reason(name),) if name.isidentifier() else (),
                help=(Help(f"give it another name with `as`, such as `{name}_layer`"),),
            )


def _reason(name: str) -> str:
    if keyword.iskeyword(name):
        return "a module of this name could not be read: it is a word of Python's grammar"
    return "a module of this name would take the place of an attribute that every nn.Module has"

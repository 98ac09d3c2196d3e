"""What Keras cannot say: operators without a counterpart, and names that it gives to layers of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cnnlang.backends.keras_source.compiler import TARGET, KerasCompiler, expressible, helper_names
from cnnlang.backends.keras_source.names import automatic_name
from cnnlang.backends.python_source.refusals import once_a_place, operators, segments
from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError
from cnnlang.program import Program
from cnnlang.source import Span

# What Keras cannot express of an operator, by the operator's name.
LIMITS: dict[str, str] = {
    "avgpool": "in a `shared` block that is applied to maps of several sizes, a padding that depends on the size "
    "(`same_upper`) with `count_pad=false` or a window that `ceil` adds",
}


def compiled(program: Program) -> KerasCompiler:
    """The functions of a program; raises FindingsError with E0401 for what the target cannot express."""
    found = once_a_place(operators(program, TARGET, expressible))
    if found:
        raise FindingsError(found)
    compiler = KerasCompiler(program)
    compiler.compile()
    return compiler


def refuse_names(program: Program, functions: str) -> None:
    """Raise FindingsError with E0402 where a layer or input is called as Keras calls another one by itself."""
    automatic = "|".join(sorted(set(_automatic_names(functions))))
    given = re.compile(rf"({automatic})(_\d+)?") if automatic else None
    found = [_reserved(name, span) for name, span in _names(program) if given is not None and given.fullmatch(name)]
    if found:
        raise FindingsError(once_a_place(found))


def _automatic_names(functions: str) -> Iterator[str]:
    """What Keras calls the layers and operations that have no name."""
    helpers = helper_names()
    for node in ast.walk(ast.parse(functions)):
        match node:
            case ast.Call(keywords=keywords) if any(k.arg == "name" for k in keywords):
                continue
            case ast.Call(func=ast.Attribute(value=ast.Name(id="layers"), attr=name)):
                yield automatic_name(name)
            case ast.Call(func=ast.Name(id=name)) if name in helpers:
                yield automatic_name(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="ops"), attr=name)):
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id="keras"), attr="Input")):
                yield "input_layer"
            case ast.Subscript(slice=ast.Slice() | ast.Tuple()):
                yield "get_item"


def _names(program: Program) -> Iterator[tuple[str, Span | None]]:
    """The names without a dot, which alone can be those of Keras' own layers."""
    paths = {path.rpartition(".")[0] for path in program.training_graph.weights}
    yield from ((name, span) for name, span in segments(program.root.body) if name in paths)
    yield from ((info.name, info.node.span) for info in program.inputs)


def _reserved(name: str, span: Span | None) -> Diagnostic:
    return Diagnostic(
        "E0402",
        f"Keras gives the name `{name}` to another layer of this net",
        span,
        notes=("layers without weights, and operations, are called by what they are; no two may have one name",),
        help=(Help(f"give it another name with `as`, such as `{name}_layer`"),),
    )

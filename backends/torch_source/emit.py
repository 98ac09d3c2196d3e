"""The file: its docstring, imports, constants and classes."""

from __future__ import annotations

import ast

from cnnlang.backends.python_source.code import Argument, Call, Local
from cnnlang.backends.python_source.file import constants, docstring, template
from cnnlang.backends.python_source.layout import STEP, fits, rendered, statement
from cnnlang.backends.torch_source.compiler import Made
from cnnlang.backends.torch_source.names import MODULE_NAMES
from cnnlang.backends.torch_source.refusals import compiled
from cnnlang.program import Program

PACKAGE = "cnnlang.backends.torch_source"


def emit(program: Program) -> str:
    """The Python source of a net, for PyTorch 2.4 and later.

    The net's class has its name and is the last one. Its `forward` takes the inputs in their order and returns the
    output, or a tuple of them; with auxiliary heads, in training mode, their results too.

    Raises
    ------
    FindingsError
        E0401 for an operator that PyTorch has nothing for; E0402 for a name that its modules keep for themselves.
    """
    compiler = compiled(program)
    parts = [template(PACKAGE, f"{name}.py.jinja").render().rstrip("\n") for name in sorted(compiler.helpers)]
    parts += [_class(made) for made in compiler.made]
    text: str = template(PACKAGE, "module.py.jinja").render(
        docstring=docstring(program),
        uses=_used("\n\n\n".join(parts)),
        constants="\n".join(constants(program, compiler.taken, MODULE_NAMES)),
        parts=parts,
    )
    return text.rstrip("\n") + "\n"


def _class(made: Made) -> str:
    source = made.source
    init = rendered(source.init, STEP * 2)
    if init == [f"{STEP * 2}super().__init__()"] and not made.parameters:
        init = []
    arguments = tuple(Argument(Local(p)) for p in ["self", *made.parameters])
    signature = statement("", Call(Local("def __init__"), arguments), ":", STEP)
    text: str = template(PACKAGE, "class.py.jinja").render(
        name=source.name,
        base=source.base,
        docstring=_wrapped(f"{source.docstring}.") if source.docstring else "",
        signature="\n".join(signature),
        init="\n".join(init),
        forward_parameters=source.forward_parameters,
        forward="\n".join(rendered(source.forward, STEP * 2)),
    )
    return text.rstrip("\n")


def _wrapped(sentence: str) -> str:
    """The docstring of a class: one line where it fits."""
    if fits(f'{STEP}"""{sentence}"""'):
        return f'"""{sentence}"""'
    before, _, after = sentence.rpartition(" to ")
    lines = [f'"""{before}', f"to {after}", '"""']
    return f"\n{STEP}".join(lines)


def _used(text: str) -> dict[str, bool]:
    """Which of the imported names the classes read."""
    found = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return {name: name in found for name in ("torch", "F", "nn", "OrderedDict")}

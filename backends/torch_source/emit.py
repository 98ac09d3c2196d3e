"""The file: its docstring, imports, constants and classes."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cnnlang import analysis
from cnnlang.backends.torch_source.code import Argument, Call, Code, Items, Lit, Local
from cnnlang.backends.torch_source.compiler import Compiler, Made
from cnnlang.backends.torch_source.layout import STEP, WIDTH, fits, rendered, statement
from cnnlang.backends.torch_source.names import free, variable
from cnnlang.backends.torch_source.refusals import refuse
from cnnlang.program import InputInfo, Program

KEYS = ("scale", "mean", "std", "color", "resize", "crop", "invert")


def emit(program: Program) -> str:
    """The Python source of a net, for PyTorch 2.4 and later.

    The net's class has its name and is the last one. Its `forward` takes the inputs in their order and returns the
    output, or a tuple of them; with auxiliary heads, in training mode, their results too.

    Raises
    ------
    FindingsError
        E0401 for an operator that PyTorch has nothing for; E0402 for a name that its modules keep for themselves.
    """
    refuse(program)
    compiler = Compiler(program)
    compiler.compile()
    parts = [_template(f"{name}.py.jinja").render().rstrip("\n") for name in sorted(compiler.helpers)]
    parts += [_class(made) for made in compiler.classes]
    text: str = _template("module.py.jinja").render(
        docstring=_docstring(program),
        uses=_used("\n\n\n".join(parts)),
        constants="\n".join(_constants(program, compiler.taken)),
        parts=parts,
    )
    return text.rstrip("\n") + "\n"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cnnlang.backends.torch_source", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _template(name: str) -> Any:
    return _environment().get_template(name)


def _class(made: Made) -> str:
    source = made.source
    init = rendered(source.init, STEP * 2)
    if init == [f"{STEP * 2}super().__init__()"] and not made.parameters:
        init = []
    arguments = tuple(Argument(Local(p)) for p in ["self", *made.parameters])
    signature = statement("", Call(Local("def __init__"), arguments), ":", STEP)
    text: str = _template("class.py.jinja").render(
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


# --- the docstring ----------------------------------------------------------------------------------------------------


def _docstring(program: Program) -> str:
    graph = program.graph
    entering = ", ".join(str(n.type) for n in graph.inputs)
    leaving = ", ".join(str(n.type) for n in graph.outputs)
    count = analysis.params(graph)
    summary = f"{program.name}: {entering} to {leaving}, {count:,} parameter{'' if count == 1 else 's'}."
    lines = [_safe(line) for line in textwrap.wrap(summary, WIDTH - 6, break_long_words=False)]
    paragraphs = [
        textwrap.wrap(f"{key.capitalize()}: {_one_line(value)}", WIDTH, break_long_words=False)
        for key, value in program.meta.items()
        if isinstance(value, str)
    ]
    more = [_safe(line) for paragraph in paragraphs for line in paragraph]
    if not more and len(lines) == 1:
        return f'"""{lines[0]}"""'
    return "\n".join([f'"""{lines[0]}', *lines[1:], *([""] if more else []), *more, '"""'])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _safe(line: str) -> str:
    """A line that cannot end a docstring or change its meaning."""
    escaped = line.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in escaped).rstrip()


# --- constants --------------------------------------------------------------------------------------------------------


def _constants(program: Program, taken: set[str]) -> list[str]:
    """Labels, and what turns a picture into an input, as the file has them."""
    lines: list[str] = []
    for info in program.inputs:
        prefix = "" if len(program.inputs) == 1 else f"{variable(info.name).upper()}_"
        if info.metadata:
            lines += _preprocessing(info, prefix, taken)
    if program.labels:
        row = statement("LABELS = ", Lit(list(program.labels)), "", "")
        if len(row) > 1 or not fits(row[0]):
            labels = Items("[", tuple(Lit(label) for label in program.labels))
            row = statement("LABELS = ", labels, "", "")
        lines += row
    return lines


def _preprocessing(info: InputInfo, prefix: str, taken: set[str]) -> Iterator[str]:
    named = {key: free(f"{prefix}{key.upper()}", taken if prefix else set()) for key in KEYS if key in info.metadata}
    scaled = named.keys() & {"scale", "mean", "std"}
    if scaled:
        named.setdefault("scale", f"{prefix}SCALE")
        formula = f"pixel * {named['scale']}"
        if "mean" in named:
            formula = f"{formula} - {named['mean']}"
        if "std" in named:
            formula = f"({formula}) / {named['std']}"
        yield f"# Pixels from 0 to 255 become {formula}."
        if "color" in named:
            yield f"# Their channels are in the order of {named['color']}."
    for key in KEYS:
        if key in named:
            yield from statement(f"{named[key]} = ", _number(key, info.metadata.get(key)), "", "")


def _number(key: str, value: object) -> Code:
    if key == "scale":
        value = 1 / 255 if value is None else value
        assert isinstance(value, int | float)
        parts = round(1 / value) if value > 1e-9 else 0
        return Local(f"1 / {parts}") if parts > 1 and value == 1 / parts else Lit(value)
    return Lit(value)

"""The parts of a file that are the same in every target: its docstring and its constants; and its templates."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from cnnlang import analysis
from cnnlang.backends.python_source.code import Code, Items, Lit, Local
from cnnlang.backends.python_source.layout import WIDTH, fits, statement
from cnnlang.backends.python_source.names import free, variable
from cnnlang.backends.python_source.shapes import listed
from cnnlang.program import InputInfo, Program

KEYS = ("scale", "mean", "std", "color", "resize", "crop", "invert")


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package, "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def template(package: str, name: str) -> Template:
    """A template of a target's package."""
    return _environment(package).get_template(name)


# --- the docstring ----------------------------------------------------------------------------------------------------


def docstring(program: Program, *, channels_last: bool = False) -> str:
    graph = program.graph
    entering, leaving = (
        ", ".join(listed(map(str, n.type.shape), channels_last=channels_last) for n in nodes)
        for nodes in (graph.inputs, graph.outputs)
    )
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


def constants(program: Program, taken: set[str], reserved: frozenset[str]) -> list[str]:
    """Labels, and what turns a picture into an input, as the file has them."""
    lines: list[str] = []
    for info in program.inputs:
        prefix = "" if len(program.inputs) == 1 else f"{variable(info.name, reserved=reserved).upper()}_"
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

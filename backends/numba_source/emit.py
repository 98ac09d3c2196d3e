"""Put the module together: the steps by the rules, names, weights, and the templates that they need."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cnnlang.analysis import params
from cnnlang.backends.numba_source.forward import check_inputs, step_lines
from cnnlang.backends.numba_source.layout import WIDTH, columns, constant, docstring
from cnnlang.backends.numba_source.metadata import Metadata, metadata
from cnnlang.backends.numba_source.names import comment, identifier, name_values, named
from cnnlang.backends.numba_source.plan import Plan, plan
from cnnlang.backends.numba_source.prepare import Prepare
from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input
from cnnlang.passes import Pass, fold_batch_norm, fuse_activation, remove_dropout

if TYPE_CHECKING:
    from cnnlang.program import Program

# what a reader of both finds again: the module says each step as the file does
PASSES = (Pass(remove_dropout), Pass(fold_batch_norm), Pass(fuse_activation))
# names that the frame of the module uses
OWN = ("np", "math", "njit", "prange", "numpy", "weights", "p", "w", "prepare", "forward", "as_input", "Prepared")


def emit(program: Program) -> str:
    """The source of a Python module that computes a program with NumPy and Numba, and needs nothing else.

    Returns
    -------
    str
        A module with `prepare(weights)` and `forward(input, ..., weights)`; its docstring says how to call them.

    Raises
    ------
    FindingsError
        E0401 for every operator that this target has no rule for.
    """
    return emit_graph(program.graph, metadata(program))


def emit_graph(graph: Graph, about: Metadata | None = None) -> str:
    """The same for a graph, with what goes with it; raises as `emit` does."""
    about = about or Metadata()
    trained = params(graph)
    graph = named(graph, about.names)
    for step in PASSES:
        graph = step(graph)
    planned = plan(graph)
    functions = _functions(planned, about)
    constants = dict(about.constants)
    taken = {*OWN, "FIXED", *constants, *re.findall(r"^(?:def )?(\w+)(?:\(| = )", "\n".join(functions), re.MULTILINE)}
    inputs = _inputs(graph, taken)
    names = name_values([n for n, _, _ in planned.steps], graph, inputs, taken)
    prepare = Prepare()
    steps = list(step_lines(planned, graph.outputs, names, prepare))
    layers = prepare.lines
    if prepare.fixed:
        constants["FIXED"] = prepare.fixed
    template = environment().get_template("module.py.jinja")
    text = template.render(
        name=comment(graph.name),
        about=_about(graph, trained),
        constants=[constant(name, value) for name, value in constants.items()],
        imports=_imports("\n".join([*functions, *layers])),
        layers=layers,
        reads_weights=bool(graph.weights),
        default="" if graph.weights else "=None",
        parameters=", ".join(inputs.values()),
        signature=_signature(graph, inputs),
        inputs=list(check_inputs(inputs)),
        steps=steps,
        functions=functions,
    )
    wide = any(columns(line) > WIDTH for line in text.splitlines())
    return f"# ruff: noqa: E501\n{text}" if wide else text


@cache
def environment() -> Environment:
    """The templates of this target."""
    return Environment(
        loader=PackageLoader("cnnlang.backends.numba_source", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # this makes Python: every text of a file goes through `repr` or `names`
    )


def _functions(planned: Plan, about: Metadata) -> list[str]:
    activations = [{"constant": "NOTHING", "expression": "x"}]
    activations += [{"constant": name, "expression": text} for name, text in planned.activations.items()]
    used: list[tuple[str, dict[str, Any]]] = [("preprocess", dict(p)) for p in about.preprocess]
    used += [(k.template, {"activations": activations, **dict(k.parameters)}) for k in planned.kernels]
    return [environment().get_template(f"{name}.py.jinja").render(given).strip("\n") for name, given in used]


def _inputs(graph: Graph, taken: set[str]) -> dict[Node, str]:
    names: dict[Node, str] = {}
    for node in graph.inputs:
        assert isinstance(node.op, Input)
        names[node] = identifier(node.op.label, {*taken, *names.values()})
    return names


def _imports(text: str) -> list[str]:
    numba = [name for name in ("njit", "prange") if re.search(rf"\b{name}\b", text)]
    lines = ["import math", ""] if re.search(r"\bmath\.", text) else []
    lines.append("import numpy as np")
    return [*lines, f"from numba import {', '.join(numba)}"] if numba else lines


def _about(graph: Graph, trained: int) -> list[str]:
    """The inputs, the outputs and the size of the net, for the module's docstring."""
    inputs = [f"input   {n.op.label} {n.type}" for n in graph.inputs if isinstance(n.op, Input)]
    outputs = [f"output  {name} {n.type}" for name, n in zip(graph.output_names, graph.outputs, strict=True)]
    return [comment(line) for line in [*inputs, *outputs, f"{trained:,} parameters"]]


def _signature(graph: Graph, inputs: dict[Node, str]) -> list[str]:
    """The docstring of `forward`: what it takes and gives."""
    given = ", ".join(f"{name} {node.type}" for node, name in inputs.items())
    results = ", ".join(str(node.type) for node in graph.outputs)
    return docstring(comment(f"From {given} to {results}."))

"""A program from an expanded net: its graph, its pictures and classes, and its sections, held against the graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnlang.expand.expander import Expander
from cnnlang.expand.findings import Findings
from cnnlang.expand.modules import Definition
from cnnlang.expand.sections.checks import hold_checks
from cnnlang.expand.sections.metadata import input_info, read_labels
from cnnlang.ir import Graph
from cnnlang.program import Program
from cnnlang.signature import Value
from cnnlang.syntax import tree


def assemble(definition: Definition, overrides: Mapping[str, Value], findings: Findings, root: Path) -> Program | None:
    """Expand a net and read its sections; None where it has errors, which are reported."""
    expander = Expander(definition, overrides, findings)
    expander.expand()
    if expander.failed:
        return None
    graph = Graph(
        definition.name,
        tuple(node for _, node in expander.inputs),
        tuple(node for _, node in expander.outputs),
        tuple(name for name, _ in expander.outputs),
    )
    sections = _sections(definition)
    evaluator = expander.frame.evaluator(findings)
    inputs = tuple(input_info(statement, node, evaluator, findings) for statement, node in expander.inputs)
    outputs = dict(expander.outputs)
    heads = {a.name: a.node for a in expander.aux}
    paths = list(expander.weights)
    read: dict[str, dict[str, Any]] = {}
    for kind in ("train", "predict", "meta"):
        if isinstance(section := sections.get(kind), tree.Section):
            from cnnlang.expand.sections.entries import read_section  # most files need none of its registries

            read[kind] = read_section(section, evaluator, outputs, paths, heads, findings)
    program = Program(
        definition.name,
        expander.root.arguments,
        expander.root,
        graph,
        inputs,
        tuple(expander.aux),
        read_labels(sections.get("labels"), definition, graph, evaluator, findings, root, is_note=bool(overrides)),
        read.get("train", {}),
        read.get("predict", {}),
        read.get("meta", {}),
        definition.syntax,  # type: ignore[arg-type]  # only nets and variants are expanded
    )
    if isinstance(checks := sections.get("check"), tree.Check):
        hold_checks(checks, program, expander.frame, findings, is_note=bool(overrides))
    return program


def _sections(definition: Definition) -> dict[str, tree.Statement]:
    """A net's sections by kind; a variant's take the place of its base's."""
    chain = [definition]
    while isinstance(chain[-1].syntax, tree.Variant):
        chain.append(chain[-1].module.definitions[chain[-1].syntax.base.name.name])
    found: dict[str, tree.Statement] = {}
    for each in reversed(chain):
        syntax = each.syntax
        for statement in syntax.sections if isinstance(syntax, tree.Variant) else syntax.body:
            match statement:
                case tree.Section(kind=kind):
                    found[kind] = statement
                case tree.Check():
                    found["check"] = statement
                case tree.Labels():
                    found["labels"] = statement
                case _:
                    pass
    return found

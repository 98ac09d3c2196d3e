"""A program from an expanded net: its graph, its pictures and classes, and its sections, held against the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlang import analysis
from cnnlang.diagnostics import Edit, Help
from cnnlang.errors import FindingsError, OperatorError
from cnnlang.expand.cures import trail
from cnnlang.expand.evaluate import Evaluator, Names
from cnnlang.expand.expander import Expander
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.frames import FrameNames
from cnnlang.expand.instances import base_of
from cnnlang.expand.modules import Definition
from cnnlang.expand.resolve import FIGURES
from cnnlang.expand.suggest import did_you_mean
from cnnlang.ir import Graph, Node
from cnnlang.preprocess import Preprocess
from cnnlang.program import InputInfo, Program
from cnnlang.signature import Value, is_int, show_short
from cnnlang.source import Span
from cnnlang.syntax import read_source, tree
from cnnlang.syntax.walk import walk

MAX_LABELS = 100_000


def assemble(definition: Definition, overrides: Mapping[str, Value], findings: Findings, root: Path) -> Program | None:
    """Expand a net and read its sections; None where it has errors, which are reported."""
    expander = Expander(definition, overrides, findings)
    expander.expand()
    if findings.has_errors:
        return None
    graph = Graph(
        definition.name,
        tuple(node for _, node in expander.inputs),
        tuple(node for _, node in expander.outputs),
        tuple(name for name, _ in expander.outputs),
    )
    sections = _sections(definition)
    evaluator = expander.frame.evaluator(findings)
    inputs = tuple(_input_info(statement, node, evaluator, findings) for statement, node in expander.inputs)
    outputs = dict(expander.outputs)
    heads = {a.name: a.node for a in expander.aux}
    paths = list(expander.weights)
    read: dict[str, dict[str, Any]] = {}
    for kind in ("train", "predict", "meta"):
        if isinstance(section := sections.get(kind), tree.Section):
            from cnnlang.expand.sections import read_section  # most files need none of its registries

            read[kind] = read_section(section, evaluator, outputs, paths, heads, findings)
    program = Program(
        definition.name,
        expander.root.arguments,
        expander.root,
        graph,
        inputs,
        tuple(expander.aux),
        _labels(sections.get("labels"), definition, graph, evaluator, findings, root),
        read.get("train", {}),
        read.get("predict", {}),
        read.get("meta", {}),
        definition.syntax,  # type: ignore[arg-type]  # only nets and variants are expanded
    )
    if isinstance(checks := sections.get("check"), tree.Check):
        _check(checks, program, expander, findings, is_note=bool(overrides))
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


# --- inputs and labels ------------------------------------------------------------------------------------------------


def _input_info(statement: tree.Input, node: Node, evaluator: Evaluator, findings: Findings) -> InputInfo:
    values: dict[str, Value] = {}
    places: dict[str, tree.Entry] = {}
    for entry in statement.metadata:
        key = entry.key.name
        if key in places:
            findings.report("E0318", f"`{key}` is written twice", entry.key.span)
            continue
        places[key] = entry
        try:
            values[key] = evaluator.evaluate(entry.value)
        except Abandon:
            continue
    known = [f.name for f in Preprocess.fields()]
    unknown = [key for key in values if key not in known]
    for key in unknown:
        alias = Preprocess.argument_aliases.get(key)
        place = places[key].key.span
        help = (
            (Help(f"`{key}` is called `{alias}` here", (Edit(place, alias),)),)
            if alias
            else did_you_mean(key, known, place)
        )
        findings.report("E0318", f"an input has no `{key}`", place, help=help or (Help(f"it has {', '.join(known)}"),))
        del values[key]
    try:
        Preprocess.make(values, node.type.channels, node.type.shape[2:])
    except OperatorError as error:
        place = places[error.argument].value.span if error.argument in places else statement.name.span
        edits = (Edit(place, error.replacement),) if error.replacement else ()
        findings.report(error.code, error.message, place, help=(Help(error.help, edits),) if error.help else ())
    return InputInfo(statement.name.name, node, values)


def _labels(
    statement: tree.Statement | None,
    definition: Definition,
    graph: Graph,
    evaluator: Evaluator,
    findings: Findings,
    root: Path,
) -> tuple[str, ...]:
    if not isinstance(statement, tree.Labels):
        return ()
    span = statement.value.span
    try:
        value = evaluator.evaluate(statement.value)
        names = _labels_file(value, span, root, findings) if isinstance(value, str) else value
    except Abandon:
        return ()
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        findings.report("E0318", "labels are a list of strings, or the name of a file with one a line", span)
        return ()
    classes = graph.outputs[0].type.channels
    if len(names) != classes:
        findings.report(
            "E0208",
            f"there are {len(names)} labels, and the output {graph.outputs[0].type} has {classes} classes",
            span,
            notes=trail(graph.outputs[0]),
            help=_label_help(len(names), graph.outputs[0], definition),
        )
    return tuple(names)


def _label_help(count: int, output: Node, definition: Definition) -> tuple[Help, ...]:
    """The edit of the number that sets the classes, where a number in the net's own text does."""
    node = output
    while node.values and node.op.name not in ("dense", "conv"):
        node = node.values[0]
    base = base_of(definition).syntax
    for part in walk(base):
        if (
            isinstance(part, tree.Call)
            and node.span
            and part.span.start == node.span.start
            and part.span.source is node.span.source
        ):
            first = part.arguments[0].value if part.arguments else None
            if isinstance(first, tree.Constant):
                return (Help(f"write {count} classes", (Edit(first.span, str(count)),)),)
            if isinstance(first, tree.Name) and isinstance(base, tree.Net):
                for parameter in base.parameters:
                    if parameter.name.name == first.name and isinstance(parameter.default, tree.Constant):
                        edit = Edit(parameter.default.span, str(count))
                        return (Help(f"write `{first.name}={count}`", (edit,)),)
    return (Help("give as many labels as there are classes"),)


def _labels_file(name: str, span: Span, root: Path, findings: Findings) -> list[str]:
    folder = span.source.path.parent if span.source.path else root
    path = (folder / name).resolve() if "\0" not in name else root
    if Path(name).is_absolute() or not path.is_relative_to(root):
        raise findings.report("E0310", f"{name} lies outside the root folder", span)
    if not path.is_file():
        near = [p.name for p in sorted(path.parent.glob("*.txt"))] if path.parent.is_dir() else []
        raise findings.report(
            "E0308",
            f"no file {name}",
            span,
            help=tuple(
                Help(h.text, tuple(Edit(e.span, f'"{e.text}"') for e in h.edits))
                for h in did_you_mean(path.name, near, span)
            ),
        )
    try:
        lines = read_source(path, name).text.splitlines()
    except FindingsError as error:
        raise findings.report("E0318", f"{name} cannot be read: {error.diagnostics[0].message}", span) from None
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]


# --- check ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckNames:
    """The names of a `check` section: the net's figures, and whatever its body can name."""

    figures: Mapping[str, Value]
    body: Names
    known: tuple[str, ...]
    findings: Findings

    def value_of(self, name: tree.Name) -> Value:
        if name.name in self.figures:
            return self.figures[name.name]
        if name.name not in self.known:
            raise self.findings.report(
                "E0301",
                f"a check knows no `{name.name}`",
                name.span,
                help=did_you_mean(name.name, (*FIGURES, *self.known), name.span),
            )
        return self.body.value_of(name)

    def attribute_of(self, attribute: tree.Attribute) -> Value:
        value = attribute.value
        if isinstance(value, tree.Name) and value.name not in self.known:
            raise self.findings.report(
                "E0301",
                f"no value is called `{value.name}`",
                value.span,
                help=did_you_mean(value.name, self.known, value.span),
            )
        return self.body.attribute_of(attribute)

    def numbers(self) -> list[str]:
        return [*self.figures, *self.body.numbers()]


def _check(checks: tree.Check, program: Program, expander: Expander, findings: Findings, *, is_note: bool) -> None:
    figures: dict[str, Value] = {
        "params": analysis.params(program.graph),
        "params_train": analysis.params_train(program),
        "macs": analysis.macs(program.graph),
        "depth": analysis.depth(program.graph),
    }
    frame = expander.frame
    for name, node in zip(program.graph.output_names, program.graph.outputs, strict=True):
        frame.env.own.setdefault(name, node)
    names = CheckNames(figures, FrameNames(frame, findings), tuple(frame.env.own), findings)
    evaluator = Evaluator(names, findings)
    for condition in checks.conditions:
        if not isinstance(condition, tree.Compare):
            findings.report("E0315", "a check compares: `params == 61_706`", condition.span)
            continue
        try:
            if evaluator.truth(condition):
                continue
        except Abandon:
            continue
        _report_failed(condition, evaluator, program, findings, is_note=is_note)


def _report_failed(
    condition: tree.Compare, evaluator: Evaluator, program: Program, findings: Findings, *, is_note: bool
) -> None:
    left = evaluator.evaluate(condition.first)
    actual = f"{left:_}" if is_int(left) else show_short(left)
    help: tuple[Help, ...] = (Help("the definition and the check disagree: mend the one that is wrong"),)
    if (
        len(condition.rest) == 1
        and isinstance(right := condition.rest[0][1], tree.Constant)
        and condition.rest[0][0] == "=="
    ):
        help = (Help(f"if the net is right, write {actual}", (Edit(right.span, actual),)),)
    findings.report(
        "E0314",
        f"the check `{condition.span.text}` of {program.name} fails: `{condition.first.span.text}` is {actual}",
        condition.span,
        help=help,
        is_note=is_note,
        notes=("a parameter was overridden, so this is no error",) if is_note else (),
    )

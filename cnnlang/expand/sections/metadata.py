"""What goes with a net's ends: how pictures become its inputs, and what its classes are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cnnlang.diagnostics import Edit, Help
from cnnlang.errors import FindingsError, OperatorError
from cnnlang.expand.cures.operator import trail
from cnnlang.expand.cures.removal import remove_entry
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.cures.value import value_cure
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.instances import base_of
from cnnlang.expand.modules import Definition, beside, outside_the_root, what_is
from cnnlang.preprocess import Preprocess
from cnnlang.program import InputInfo
from cnnlang.signature import Value, is_number
from cnnlang.source import Span
from cnnlang.syntax import read_source, tree
from cnnlang.syntax.walk import walk

if TYPE_CHECKING:
    from cnnlang.expand.evaluate import Evaluator
    from cnnlang.ir import Graph, Node


# --- inputs -----------------------------------------------------------------------------------------------------------


def input_info(statement: tree.Input, node: Node, evaluator: Evaluator, findings: Findings) -> InputInfo:
    """Read an input's metadata, and report what is wrong in it."""
    values: dict[str, Value] = {}
    places: dict[str, tree.Entry] = {}
    entries = statement.metadata
    known = [f.name for f in Preprocess.fields()]
    for entry in entries:
        key = entry.key.name
        if key in places:
            cure = Help("take one away", (remove_entry(entries, entry),))
            findings.report("E0318", f"`{key}` is written twice", entry.key.span, help=(cure,))
        elif key not in known:
            findings.report("E0318", f"an input has no `{key}`", entry.key.span, help=_unknown_key(statement, entry))
        else:
            places[key] = entry
            try:
                values[key] = evaluator.evaluate(entry.value)
            except Abandon:
                continue
    for key in _refused(values, node):
        _report_refused(key, statement, places, values.pop(key), findings)
    try:
        Preprocess.make(values, node.type.channels, node.type.shape[2:])
    except OperatorError as error:
        found = places.get(error.argument or "")
        place = found.value.span if found else statement.name.span
        edits = (Edit(place, error.replacement),) if error.replacement and found else ()
        help: tuple[Help, ...] = (Help(error.help, edits),) if error.help else ()
        if found and not edits and error.argument in values:
            help = _one_number(values[error.argument], found) or help
        findings.report(error.code, error.message, place, help=help)
    return InputInfo(statement.name.name, node, values)


def _unknown_key(statement: tree.Input, entry: tree.Entry) -> tuple[Help, ...]:
    known = [f.name for f in Preprocess.fields()]
    written = {e.key.name for e in statement.metadata}
    key, place = entry.key.name, entry.key.span
    alias = Preprocess.argument_aliases.get(key) or Preprocess.argument_aliases.get(key.lower())
    drop = remove_entry(statement.metadata, entry)
    if alias in written:
        return (Help(f"it is `{alias}`, which is given too: take one away", (drop,)),)
    if alias:
        return (Help(f"`{key}` is called `{alias}` here", (Edit(place, alias),)),)
    free = [k for k in known if k not in written]
    return did_you_mean(key, free, place) or (Help(f"it has {', '.join(f'`{k}`' for k in known)}", (drop,)),)


def _refused(values: dict[str, Value], node: Node) -> list[str]:
    """The keys whose values cannot stand there, whatever the others are."""
    wrong = []
    for field in Preprocess.fields():
        if field.name in values:
            try:
                Preprocess.form(field, values[field.name])
            except OperatorError:
                wrong.append(field.name)
    return wrong


def _report_refused(
    key: str, statement: tree.Input, places: dict[str, tree.Entry], value: Value, findings: Findings
) -> None:
    """Report one of them; without it an input has the usual value."""
    entry = places[key]
    try:
        Preprocess.make({key: value}, None, None)
    except OperatorError as error:
        kind = next(f.kind for f in Preprocess.fields() if f.name == key)
        leave = Help("leave it out", (remove_entry(statement.metadata, entry),))
        help = value_cure(kind, value, entry.value) or (leave,)
        findings.report(error.code, error.message, entry.value.span, help=help)


def _one_number(value: Value, entry: tree.Entry) -> tuple[Help, ...]:
    """The cure for three means of one grey channel: their average."""
    if not isinstance(value, list | tuple) or not value or not all(map(is_number, value)):
        return ()
    average = f"{sum(value) / len(value):.6g}"
    return (Help(f"write one number for all channels, as their average {average}", (Edit(entry.value.span, average),)),)


# --- labels -----------------------------------------------------------------------------------------------------------


def read_labels(
    statement: tree.Statement | None,
    definition: Definition,
    graph: Graph,
    evaluator: Evaluator,
    findings: Findings,
    root: Path,
    *,
    is_note: bool = False,
) -> tuple[str, ...]:
    """The names of the classes, held against the output; none where a note says that they do not fit."""
    if not isinstance(statement, tree.Labels):
        return ()
    span = statement.value.span
    try:
        value = evaluator.evaluate(statement.value)
        names = _labels_file(value, span, root, findings) if isinstance(value, str) else value
    except Abandon:
        return ()
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        message = "labels are a list of strings, or the name of a file with one a line"
        findings.report("E0318", message, span, help=_quoted(statement.value))
        return ()
    classes = graph.outputs[0].type.channels
    if len(names) != classes:
        findings.report(
            "E0208",
            f"there are {len(names)} labels, and the output {graph.outputs[0].type} has {classes} classes",
            span,
            notes=trail(graph.outputs[0]),
            help=_label_help(len(names), graph.outputs[0], definition),
            is_note=is_note,
        )
        return ()
    return tuple(names)


def _quoted(expr: tree.Expr) -> tuple[Help, ...]:
    """The cure for labels without quotes."""
    if not isinstance(expr, tree.ListExpr | tree.TupleExpr):
        return (Help('write for example `labels ["cat", "dog"]`'),)
    items = [i.span for i in expr.items if not (isinstance(i, tree.Constant) and isinstance(i.value, str))]
    return (Help("put each in quotes", tuple(Edit(s, f'"{s.text}"') for s in items if '"' not in s.text)),)


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
            if isinstance(first, tree.Name) and (found := _bound(first.name, definition)):
                return (Help(f"write `{first.name}={count}`", (Edit(found, str(count)),)),)
    return (Help("give as many labels as there are classes"),)


def _bound(name: str, definition: Definition) -> Span | None:
    """Where a net's parameter has its number: in the variant at hand, or in the default of its base."""
    for parameter in definition.parameters:
        if parameter.name.name == name and isinstance(parameter.default, tree.Constant):
            return parameter.default.span
    return None


def _labels_file(name: str, span: Span, root: Path, findings: Findings) -> list[str]:
    folder = span.source.path.parent if span.source.path else root
    if "\0" in name or not name:
        raise findings.report("E0308", "`labels` needs the name of a file, or a list of strings", span)
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError):
        raise findings.report("E0308", f"there is no file {name}", span) from None
    if Path(name).is_absolute() or not path.is_relative_to(root):
        raise outside_the_root(name, span, findings)
    if what_is(path) == "folder":
        raise findings.report("E0308", f"{name} is a folder", span, help=(Help("name a file in it"),))
    if what_is(path) != "file":
        cures = did_you_mean(path.name, beside(path, "*.txt"), span)
        raise findings.report(
            "E0308",
            f"there is no file {name}",
            span,
            notes=("it is looked for beside the file that names it",),
            help=tuple(Help(h.text, tuple(Edit(e.span, f'"{e.text}"') for e in h.edits)) for h in cures),
        )
    try:
        lines = read_source(path, name).text.splitlines()
    except FindingsError as error:
        raise findings.report("E0318", f"{name} cannot be read: {error.diagnostics[0].message}", span) from None
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]

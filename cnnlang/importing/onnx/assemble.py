"""From the file to the net: reading with symbolic sizes as they are, then as multiples; names; weights; metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import OperatorError
from cnnlang.importing.building import LayerError
from cnnlang.importing.foreign import Foreign
from cnnlang.importing.onnx import StoredWeights
from cnnlang.importing.onnx.constants import Constant
from cnnlang.importing.onnx.inputs import Sizes, take_inputs
from cnnlang.importing.onnx.metadata import properties_of
from cnnlang.importing.onnx.model import open_model
from cnnlang.importing.onnx.names import net_name, output_name, paths_of
from cnnlang.importing.onnx.pooled import without_pooled
from cnnlang.importing.onnx.reader import Reader, operator_error
from cnnlang.importing.onnx.translate import Finding, results, translate
from cnnlang.importing.reading import Layer, Reading
from cnnlang.ir import Graph, Node, topological
from cnnlang.ops.base import Weight

FORM = "ONNX model"
FACTORS = (1, 2, 4, 8, 16, 32, 64)  # of symbolic sizes, tried until branches can be proved equal


def reading(path: Path) -> Reading:
    """The net and what became of each node.

    Raises
    ------
    LayerError
        E0601 or E0603 for the file as a whole, E0602 where it is no net at all.
    FindingsError, UsageError
        The file cannot be opened.
    """
    model = open_model(path)
    best: tuple[Reader, list[Finding], Graph | None, bool] | None = None
    for factor in FACTORS:
        r = Reader(model)
        sizes = Sizes(factor, model.ours)
        found, graph, last = _attempt(r, sizes)
        if best is None or len(found) < len(best[1]):
            best = r, found, graph, last
        if not found or not sizes.known:
            break
    assert best is not None
    r, found, graph, last = best
    layers = _layers(r, found)
    findings = tuple(_diagnostic(path, finding) for finding in found)
    name = model.name if model.ours and model.name.isidentifier() else net_name(path.stem)
    foreign = None
    if graph is not None and not found:
        foreign = _foreign(path, name, r, graph)
    notes = ("pictures come in as N, C, H, W; the file has them as N, H, W, C",) if last else ()
    return Reading(FORM, name, layers, findings, notes, foreign)


def _attempt(r: Reader, sizes: Sizes) -> tuple[list[Finding], Graph | None, bool]:
    for item in r.model.items:
        r.uses.update(n for n in item.proto.input if n)
    r.uses.update(r.model.outputs)
    r.values.update(r.model.constants)
    inputs, last = take_inputs(r, sizes)
    found = translate(r)
    outputs, more = results(r, last)
    known = {item.number for item, _ in found if item is not None}
    found += [f for f in more if f[0] is None or f[0].number not in known]
    if found:
        return found, None, last
    taken: set[str] = set()
    names: list[str] = []
    alone = len(r.model.outputs) == 1
    for name in r.model.outputs:
        names.append(output_name(name, taken, alone, r.model.ours))
        taken.add(names[-1])
    graph = Graph("", inputs, tuple(outputs), tuple(names))
    reached = set(topological(graph.outputs))
    graph = Graph("", tuple(n for n in inputs if n in reached), graph.outputs, graph.output_names)
    try:
        graph, _ = without_pooled(graph, outputs_too=not r.model.ours)
    except OperatorError as error:
        return [(None, operator_error(error))], None, last
    except LayerError as error:
        return [(None, error)], None, last
    return [], graph, last


def _layers(r: Reader, found: list[Finding]) -> tuple[Layer, ...]:
    why = {item.number: error.why for item, error in found if item is not None}
    made = []
    for item in sorted(r.model.items, key=lambda i: i.number):
        if item.number in why:
            made.append(Layer(item.kind, why=why[item.number]))
        else:
            made.append(Layer(item.kind, " -> ".join(r.became.get(item.number, ["nothing"]))))
    return tuple(made)


def _diagnostic(path: Path, finding: Finding) -> Diagnostic:
    item, error = finding
    if item is None:
        return Diagnostic(error.code, error.why, file=str(path))
    return Diagnostic(error.code, f"the `{item.kind}` node {item.title}: {error.why}", file=str(path))


def _foreign(path: Path, name: str, r: Reader, graph: Graph) -> Foreign:
    places: dict[str, None] = {}
    for node in graph.nodes:
        for weight in node.inputs:
            if isinstance(weight.op, Weight):
                places.setdefault(weight.op.path.split(".", 1)[0])
    records = [r.owners[place] for place in places]
    paths, keeps = paths_of(records, r.model.ours)
    called = dict(zip(places, paths, strict=True))
    arrays: dict[str, tuple[Constant, tuple[int, ...]]] = {}

    def rename(node: Node) -> Node | None:
        op = node.op
        if isinstance(op, Weight):
            place, leaf = op.path.split(".", 1)
            full = f"{called[place]}.{leaf}"
            arrays[full] = (r.owners[place].arrays[leaf], op.spec.shape)
            return Node.of(Weight(op.shape, full, op.spec))
        owned = [n.op.path for n in node.inputs if isinstance(n.op, Weight)]
        return replace(node, name=owned[0].rsplit(".", 1)[0]) if owned else None

    graph = graph.rewrite(rename)
    graph = Graph(name, graph.inputs, graph.outputs, graph.output_names)
    labels, meta, metadata = properties_of(r.model, graph)
    return Foreign(graph, StoredWeights(path, arrays), metadata, labels, meta, keeps or r.model.ours)

"""Caffe: a net as a prototxt, old (`layers`) or new (`layer`), as it runs in testing, and its .caffemodel.

Source: caffe.proto and the layers' C++ of Caffe (Jia et al. 2014).
"""

from __future__ import annotations

from pathlib import Path

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.importing.building import UNKNOWN, Builder, LayerError, Value, broken, built, unsayable
from cnnlang.importing.caffe import shapes as caffe_shapes
from cnnlang.importing.caffe.layers import RULES, no_rule
from cnnlang.importing.caffe.net import OF_ANY_LAYER, Layer, Net, layers_of, uses_of
from cnnlang.importing.caffe.text import Message, parse_text
from cnnlang.importing.caffe.weights import read_weights
from cnnlang.importing.foreign import Foreign
from cnnlang.importing.reading import Layer as Line
from cnnlang.importing.reading import Reading
from cnnlang.importing.texts import read_text, shown
from cnnlang.ir import Graph, topological
from cnnlang.ops.base import Input
from cnnlang.source import Source

FORM = "Caffe prototxt"
NET_FIELDS = ("name", "layer", "layers", "input", "input_dim", "input_shape", "force_backward", "state", "debug_info")
PREPARED = (
    "the file does not say how pictures are prepared; Caffe's nets mostly take values to 255, less a mean, blue first: "
    '{ scale = 1, mean = [104, 117, 123], color = "bgr" } behind the input'
)
SOLVER_FIELDS = ("net", "train_net", "test_net", "base_lr", "lr_policy", "max_iter")
IGNORED = ("Accuracy", "HDF5Output", "SoftmaxWithLoss", "Silence")


def read(path: Path, weights: Path | None = None, *, input_size: tuple[int, int, int] | None = None) -> Reading:
    """Read a prototxt.

    Parameters
    ----------
    path
        The file.
    weights
        A `.caffemodel` file; None for none.
    input_size
        Channels, height and width of an input whose size the file does not give.

    Raises
    ------
    FindingsError
        E0601, E0603: the text or the weights are damaged, or beyond a limit.
    UsageError
        It cannot be read.
    """
    return read_source(read_text(path), weights, input_size=input_size)


def read_source(
    source: Source, weights: Path | None = None, *, input_size: tuple[int, int, int] | None = None
) -> Reading:
    """Read the text of a prototxt; parameters and errors are those of `read`."""
    root = parse_text(source)
    try:
        layers = list(layers_of(root))
        name = root.text("name")
        if not layers:
            is_solver = any(root.has(key) for key in SOLVER_FIELDS)
            cure = "this is a solver; import the file that its `net` names" if is_solver else None
            raise broken("there is no layer in this file", root.span, cure)
    except LayerError as error:
        raise FindingsError([error.finding("the file", root.span)]) from None

    def build(builder: Builder) -> _Built:
        return _build(root, layers, Net(builder, uses_of(layers), input_size), name)

    made = built(build)
    notes = tuple(made.net.notes)
    if made.graph is None:
        return Reading(FORM, name, tuple(made.lines), tuple(made.findings), notes)
    metadata = {label: known for label, known in made.net.metadata.items() if label in made.labels}
    arrays = read_weights(weights, made.net.stored, made.graph) if weights else {}
    return Reading(FORM, name, tuple(made.lines), (), notes, Foreign(made.graph, arrays, metadata), True)


class _Built:
    """A net that was built once."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.lines: list[Line] = []
        self.findings: list[Diagnostic] = []
        self.graph: Graph | None = None
        self.labels: set[str] = set()


def _build(root: Message, layers: list[Layer], net: Net, name: str) -> _Built:
    made = _Built(net)
    net.builder.begin(root.span)
    try:
        _inputs(root, net)
    except LayerError as error:
        made.findings.append(error.finding("the file", root.span))
        for each in root.fields.get("input", []):
            net.blobs.setdefault(getattr(each, "text", ""), UNKNOWN)
    for layer in layers:
        net.builder.begin(layer.span, layer.name)
        try:
            made.lines.append(_say(layer, net))
        except LayerError as error:
            made.findings.append(error.finding(f"layer {shown(layer.name)} ({layer.kind})", layer.span))
            made.lines.append(error.layer(layer.kind))
            for top in layer.tops:
                net.blobs[top.text] = UNKNOWN
            for bottom in layer.bottoms:
                net.open.pop(bottom.text, None)
    if not made.findings:
        _finish(made, layers, name)
    return made


def _inputs(root: Message, net: Net) -> None:
    """The inputs that stand before the layers."""
    for key in root.fields:
        if key not in NET_FIELDS:
            raise unsayable(f"what `{key}` means here is not known", root.place(key))
    names, shapes, dims = root.scalars("input"), root.messages("input_shape"), root.integers("input_dim", 1)
    if shapes and dims:
        raise broken("`input_shape` and `input_dim` are both given", root.place("input_dim"))
    if dims and len(dims) != 4 * len(names):
        raise broken(f"each input has 4 numbers `input_dim`, and there are {len(dims)}", root.place("input_dim"))
    if shapes and len(shapes) != len(names):
        raise broken("each input has one `input_shape`", root.place("input_shape"))
    for i, label in enumerate(names):
        sizes = shapes[i].integers("dim", 1) if shapes else dims[4 * i : 4 * i + 4] or None
        net.make(label, caffe_shapes.add_input(net, label.text, sizes, label.span))


def _say(layer: Layer, net: Net) -> Line:
    """One layer: its tops are made, and what it becomes is told."""
    for key in layer.message.fields:
        if key not in OF_ANY_LAYER and not key.endswith("_param"):
            raise unsayable(f"what `{key}` means here is not known", layer.message.place(key))
    if layer.kind in IGNORED or layer.kind.endswith("Loss"):
        for bottom in layer.bottoms:
            if bottom.text not in net.blobs:
                net.read(bottom)
            if layer.kind == "Silence":
                net.open.pop(bottom.text, None)
        return Line(layer.kind, "nothing (it is for training)")
    is_program = layer.kind == "Python" and not layer.bottoms  # what feeds a net that is trained from Python
    if layer.kind not in RULES and not is_program:
        raise unsayable(no_rule(layer.kind))
    x = [net.read(bottom) for bottom in layer.bottoms]
    if not x and layer.kind not in INPUTS and not is_program:
        raise broken("it reads nothing")
    made = (caffe_shapes.data if is_program else RULES[layer.kind])(layer, net, x)
    in_place = {b.text for b in layer.bottoms}
    for top, value in zip(layer.tops, made, strict=True):
        net.make(top, value, in_place=top.text in in_place)
    if layer.kind in INPUTS or is_program:
        return Line(layer.kind, "the input")
    trail = net.builder.trail
    becomes = " and ".join(trail[:3]) + (", ..." if len(trail) > 3 else "") if len(made) > 1 else " -> ".join(trail)
    return Line(layer.kind, becomes or ("a part of bn" if layer.kind == "Scale" else "what it reads"))


INPUTS = (
    "Input",
    "Data",
    "ImageData",
    "WindowData",
    "HDF5Data",
    "MemoryData",
    "DummyData",
    "AnnotatedData",
    "VideoData",
)


def _is_picture(value: Value) -> bool:
    return value.rank == 4 and value.shape is not None and value.shape[0] == 3


def _finish(made: _Built, layers: list[Layer], name: str) -> None:
    """The graph: its outputs are the blobs that no layer reads."""
    net = made.net
    outputs: dict[str, Value] = {}
    for label in net.open:
        value = net.blobs[label]
        if value is not None and (value.node is None or not isinstance(value.node.op, Input)):
            outputs[label] = value
    nodes = {label: value.node for label, value in outputs.items() if value.node is not None}
    if len(nodes) < len(outputs):
        return  # the builder wants a map somewhere, and builds once more
    last = layers[-1]
    if not nodes:
        error = broken("no layer makes an output of the net")
        made.findings.append(error.finding(f"layer {shown(last.name)} ({last.kind})", last.span))
        return
    used = set(topological(nodes.values()))
    inputs = {label: value.node for label, value in net.inputs.items() if value.node in used}
    if not inputs:
        error = broken("nothing that the net makes depends on an input")
        made.findings.append(error.finding(f"layer {shown(last.name)} ({last.kind})", last.span))
        return
    alone = sum(node in used for node in net.awaiting)
    if alone:
        net.note(
            f"{alone} BatchNorm layer{'s have' if alone > 1 else ' has'} no Scale layer behind; `bn` has its scale and "
            "shift all the same, which begin at 1 and 0 and are counted"
        )
    lost = [label for label in net.inputs if label not in inputs]
    if lost:
        net.note(f"left out, for nothing depends on it: input {', '.join(map(shown, lost))}")
    if not net.metadata and any(_is_picture(net.inputs[label]) for label in inputs):
        net.note(PREPARED)
    made.labels = set(inputs)
    names = tuple(nodes) if len(nodes) > 1 else ("output",)
    made.graph = Graph(name, tuple(n for n in inputs.values() if n), tuple(nodes.values()), names)

"""Darknet: a net as a cfg, its weights in a file of their own.

Source: the cfg files and the C code of Darknet (Redmon 2013-2018) and of its maintained fork (Bochkovskiy).
"""

from __future__ import annotations

from pathlib import Path

from cnnlang.diagnostics import Diagnostic
from cnnlang.importing.building import UNKNOWN, Builder, LayerError, Value, broken, built
from cnnlang.importing.darknet.cfg import Section, parse_cfg
from cnnlang.importing.darknet.layers import TRAINING, say
from cnnlang.importing.darknet.net import COMMON, Net
from cnnlang.importing.darknet.shapes import HEADS
from cnnlang.importing.darknet.weights import read_weights
from cnnlang.importing.foreign import Foreign
from cnnlang.importing.reading import Layer, Reading
from cnnlang.importing.texts import read_text
from cnnlang.ir import Graph, Node, topological
from cnnlang.source import Source

FORM = "Darknet cfg"
SHOWN_NOTES = 20


def read(path: Path, weights: Path | None = None, *, name: str) -> Reading:
    """Read a cfg.

    Parameters
    ----------
    path
        The file.
    weights
        A `.weights` file; None for none.
    name
        What to call the net, for a cfg does not say.

    Raises
    ------
    FindingsError
        E0601, E0603: the text or the weights are damaged, or beyond a limit.
    UsageError
        A file cannot be read.
    """
    return read_source(read_text(path), weights, name=name)


def read_source(source: Source, weights: Path | None = None, *, name: str) -> Reading:
    """Read the text of a cfg; parameters and errors are those of `read`."""
    sections = parse_cfg(source)

    def build(builder: Builder) -> _Built:
        return _build(sections, builder, name)

    made = built(build)
    graph = made.graph
    if made.findings or graph is None:
        return Reading(FORM, name, tuple(made.layers), tuple(made.findings), tuple(made.net.notes))
    arrays = read_weights(weights, made.net.stored, graph) if weights else {}
    foreign = Foreign(graph, arrays, keeps_names=False)
    return Reading(FORM, name, tuple(made.layers), (), tuple(made.net.notes), foreign)


class _Built:
    """A net that was built once."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.layers: list[Layer] = []
        self.findings: list[Diagnostic] = []
        self.graph: Graph | None = None

    def refuse(self, error: LayerError, section: Section, where: str) -> None:
        self.findings.append(error.finding(where, section.span))


def _build(sections: list[Section], builder: Builder, name: str) -> _Built:
    head, *layers = sections
    builder.begin(head.span)
    made = _Built(Net(builder, UNKNOWN))
    net = made.net
    try:
        data = net.x = _input(head, builder)
    except LayerError as error:
        made.refuse(error, head, f"[{head.kind}]")
        data = UNKNOWN
    for number, section in enumerate(layers):
        builder.begin(section.span)
        section.asked.clear()
        section.ignore(*COMMON)
        try:
            value = say(section, net)
        except LayerError as error:
            made.refuse(error, section, f"layer {number}, [{section.kind}]")
            made.layers.append(error.layer(section.kind))
            value = UNKNOWN
        else:
            made.layers.append(Layer(section.kind, _becomes(section, builder)))
            _leave_out(section, net)
        net.values.append(value)
        net.x = value
    if not made.findings:
        _finish(made, layers, data.node, name)
    return made


def _input(head: Section, builder: Builder) -> Value:
    """The input: a map, or features where the file gives `inputs` alone."""
    height, width, channels = (head.integer(key, 0, 0) for key in ("height", "width", "channels"))
    if height and width and channels:
        return builder.input("image", channels, height, width)
    inputs = head.integer("inputs", 0, 0)
    if not inputs:
        raise broken("the input's height, width and channels must be given", cure="write height=, width= and channels=")
    return builder.input("data", inputs)


def _becomes(section: Section, builder: Builder) -> str:
    if section.kind in HEADS:
        return "an output before it"
    if section.kind in TRAINING:
        return "nothing (it is for training)"
    if not builder.trail:
        return "goes back to a value" if section.kind == "route" else "what it reads"
    if section.kind == "reorg3d":
        return "concat of every so many places"
    return " -> ".join(builder.trail)


def _leave_out(section: Section, net: Net) -> None:
    unknown = section.rest()
    if unknown and len(net.notes) < SHOWN_NOTES:
        words = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        net.note(f"left out of [{section.kind}], line {section.span.line}, for nothing here depends on it: {words}")


def _finish(made: _Built, sections: list[Section], data: Node | None, name: str) -> None:
    """The graph: its outputs are what goes into the heads, and what the last layer makes."""
    net = made.net
    outputs = dict(net.heads)
    last = len(sections) - 1
    if last not in net.head_layers:
        outputs["output"] = net.values[last]
    nodes = {label: value.node for label, value in outputs.items() if value.node is not None}
    if len(nodes) < len(outputs) or data is None:
        return  # the builder wants a map somewhere, and builds once more
    used = set(topological(nodes.values()))
    if set(nodes.values()) == {data}:
        error = broken("no layer computes anything")
        made.refuse(error, sections[last], f"layer {last}, [{sections[last].kind}]")
        return
    names = tuple(nodes) if len(nodes) > 1 else ("output",)
    if data not in used:
        error = broken("nothing that the net makes depends on its input")
        made.refuse(error, sections[last], f"layer {last}, [{sections[last].kind}]")
        return
    lost = [i for i, value in enumerate(net.values) if value.node not in used]
    if lost:
        shown = ", ".join(map(str, lost[:10])) + (", ..." if len(lost) > 10 else "")
        net.note(f"left out, for they reach no output: layer{'s' * (len(lost) > 1)} {shown}")
    made.graph = Graph(name, (data,), tuple(nodes.values()), names)

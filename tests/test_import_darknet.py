"""Darknet's cfg and weights: well-known nets by their figures, layers against Darknet's own arithmetic, bad files."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlang import analysis, import_model
from cnnlang.errors import FindingsError
from cnnlang.importing import Imported, read_model
from cnnlang.importing.darknet.layers import RULES
from cnnlang.importing.darknet.reader import read_source
from cnnlang.importing.reading import Reading
from cnnlang.interpret import interpret
from cnnlang.ir import Graph
from cnnlang.ops.base import Weight
from cnnlang.source import Source
from tests import darknet_nets as nets
from tests.darknet_nets import Layer, Runner, conv, maxpool, route, shortcut
from tests.helpers import assert_close

NETS: dict[str, tuple[list[Layer], int]] = {
    "darknet19": (nets.darknet19(), 256),
    "darknet53": (nets.darknet53(), 256),
    "tiny_yolo_voc": (nets.tiny_yolo_voc(), 416),
    "yolov3_tiny": (nets.yolov3_tiny(), 416),
    "yolov3": (nets.yolov3(), 416),
    "yolov4_tiny": (nets.yolov4_tiny(), 416),
    "yolov4": (nets.yolov4(), 608),
}


def reading(layers: list[Layer], *size: int) -> Reading:
    return read_source(Source("net.cfg", nets.text(layers, *size)), name="Net")


def graph_of(name: str) -> Graph:
    layers, side = NETS[name]
    return reading(layers, 3, side, side).foreign.graph


def findings(text: str) -> list[str]:
    """What is wrong with a cfg: the code, the text under the caret, the message."""
    try:
        found = read_source(Source("net.cfg", text), name="Net").findings
    except FindingsError as error:
        found = error.diagnostics
    return [f"{d.code} {d.span.text if d.span else ''}: {d.message}" for d in found]


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "numbers"),
    [  # the sizes of the published .weights files, less their headers, as float32
        ("tiny_yolo_voc", (63_471_556 - 16) // 4),
        ("yolov3_tiny", (35_434_956 - 20) // 4),
        ("yolov3", (248_007_048 - 20) // 4),
        ("yolov4_tiny", (24_251_276 - 20) // 4),
        ("yolov4", (257_717_640 - 20) // 4),
    ],
)
def test_a_net_holds_as_many_numbers_as_its_published_weights(name: str, numbers: int) -> None:
    weights = [node.op for node in graph_of(name).weights.values()]
    assert sum(math.prod(op.spec.shape) for op in weights if isinstance(op, Weight)) == numbers


@pytest.mark.parametrize(("name", "params", "depth"), [("darknet19", 20_842_376, 19), ("darknet53", 41_609_928, 53)])
def test_parameters_and_depth_are_the_papers(name: str, params: int, depth: int) -> None:
    graph = graph_of(name)
    assert (analysis.params(graph), analysis.depth(graph)) == (params, depth)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("darknet19", ["[N, 1000]"]),
        ("darknet53", ["[N, 1000]"]),
        ("tiny_yolo_voc", ["[N, 125, 13, 13]"]),
        ("yolov3_tiny", ["[N, 255, 13, 13]", "[N, 255, 26, 26]"]),
        ("yolov3", ["[N, 255, 13, 13]", "[N, 255, 26, 26]", "[N, 255, 52, 52]"]),
        ("yolov4", ["[N, 255, 76, 76]", "[N, 255, 38, 38]", "[N, 255, 19, 19]"]),
    ],
)
def test_a_detector_ends_before_its_boxes(name: str, shapes: list[str]) -> None:
    graph = graph_of(name)
    assert [str(n.type) for n in graph.outputs] == shapes
    single = ("output",) if len(shapes) == 1 else tuple(f"yolo{i + 1}" for i in range(len(shapes)))
    assert graph.output_names == single


@pytest.mark.parametrize("name", ["darknet19", "yolov3_tiny", "yolov4_tiny"])
def test_the_text_is_the_same_net(name: str, tmp_path: Path) -> None:
    layers, side = NETS[name]
    file = tmp_path / f"{name}.cfg"
    file.write_text(nets.text(layers, 3, side, side), encoding="utf-8")
    net = import_model(file).net()
    graph = graph_of(name)
    assert (net.params, net.macs, net.depth) == (analysis.params(graph), analysis.macs(graph), analysis.depth(graph))
    assert not net.warnings


def test_a_small_net_reads_as_a_person_would_write_it(tmp_path: Path) -> None:
    layers = [
        conv(16, 3),
        maxpool(),
        conv(32, 3, activation="mish"),
        ("avgpool", {}),
        ("connected", {"output": 10, "activation": "linear"}),
    ]
    file = tmp_path / "small-net.cfg"
    file.write_text(nets.text([*layers, ("softmax", {})], 3, 32, 32), encoding="utf-8")
    lines = import_model(file).text.splitlines()
    assert {"net small_net {", "  input image: [N, 3, 32, 32]"} < set(lines)
    assert "  conv(32, 3, pad=1, bias=false) -> bn -> mish" in lines
    assert "  global_avgpool -> dense(10) -> softmax" in lines
    assert "  check { params == 5_466, macs == 1_622_336, depth == 3 }" in lines
    assert len(lines) < 15


# --- numbers ----------------------------------------------------------------------------------------------------------


def imported(
    layers: list[Layer], x: Any, folder: Path, minor: int = 2, name: str = "net"
) -> tuple[Imported, list[Any]]:
    """A net that came in with drawn weights, and what Darknet computes with them for a picture."""
    runner = Runner(np.random.default_rng(1))
    expected = runner.run(layers, x)
    (folder / f"{name}.cfg").write_text(nets.text(layers, *x.shape), encoding="utf-8")
    (folder / f"{name}.weights").write_bytes(runner.weights(minor))
    return import_model(folder / f"{name}.cfg"), expected


def agree(layers: list[Layer], shape: tuple[int, int, int], folder: Path, minor: int = 2) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    made, expected = imported(layers, x, folder, minor)
    results = interpret(made.net().graph, made.weights, x[None])
    for y, wanted in zip(results, expected, strict=True):
        assert_close(y.reshape(-1), wanted.reshape(-1), 1e-9)


CASES: dict[str, tuple[list[Layer], tuple[int, int, int]]] = {
    "no bn": ([conv(4, 3, bn=False), conv(2, 1, 2, "relu", bn=False)], (3, 6, 7)),
    "padding": (
        [("convolutional", {"filters": 2, "size": 4, "stride": 1, "padding": 1, "activation": "linear"})],
        (2, 6, 6),
    ),
    "an even kernel": ([conv(3, 2, 2), conv(2, 4)], (2, 9, 8)),
    "dilation": ([conv(4, 3, dilation=2)], (2, 7, 7)),
    "groups": ([conv(6, 3, groups=3), conv(6, 3, groups=6), conv(12, 3, 2, groups=6)], (3, 6, 6)),
    "maxpool 2/2 of odd maps": ([maxpool(2, 2)], (2, 7, 6)),
    "maxpool 2/1": ([maxpool(2, 1)], (2, 5, 4)),
    "maxpool 3/2": ([maxpool(3, 2)], (2, 8, 7)),
    "maxpool 5/1": ([maxpool(5, 1)], (2, 6, 6)),
    "maxpool 3/3 without padding": ([("maxpool", {"size": 3, "stride": 3, "padding": 0})], (2, 8, 9)),
    "local average": ([("local_avgpool", {"size": 3, "stride": 2})], (2, 8, 7)),
    "connected": ([("connected", {"output": 5, "activation": "leaky"}), ("dropout", {"probability": ".3"})], (2, 3, 4)),
    "connected with bn": (
        [("connected", {"output": 5, "batch_normalize": 1, "activation": "relu"}), ("softmax", {"groups": 1})],
        (2, 3, 4),
    ),
    "a shortcut with fewer channels": ([conv(4, 3), conv(6, 3), shortcut(-2)], (2, 5, 5)),
    "a shortcut with more channels": ([conv(6, 3), conv(4, 3), shortcut(-2)], (2, 5, 5)),
    "several shortcuts": (
        [conv(4, 3), conv(4, 3), conv(4, 3), ("shortcut", {"from": "-2,-3", "activation": "relu"})],
        (4, 4, 4),
    ),
    "route with groups": ([conv(6, 1), route(-1, groups=3, group_id=1), conv(2, 1), route(-1, 0)], (3, 4, 4)),
    "upsample": ([conv(2, 3, 2), ("upsample", {"stride": 2}), route(-1, 0 - 2 + 1), conv(2, 1)], (3, 6, 6)),
    "squeeze and excitation": (
        [
            conv(8, 3),
            ("avgpool", {}),
            conv(2, 1, activation="swish"),
            conv(8, 1, activation="logistic", bn=False),
            ("scale_channels", {"from": -4}),
            conv(3, 1),
        ],
        (3, 6, 6),
    ),
    "a map after a global pooling": ([conv(4, 3), ("avgpool", {}), conv(3, 3), ("upsample", {"stride": 3})], (2, 4, 4)),
    "a pooled value in two forms": (
        [conv(4, 3), ("avgpool", {}), conv(3, 3), route(-2), ("connected", {"output": 2, "activation": "tanh"})],
        (2, 4, 4),
    ),
    "attention by place": ([conv(4, 3), conv(4, 1, activation="logistic", bn=False), ("sam", {"from": -2})], (2, 5, 5)),
    "crop": ([("crop", {"crop_height": 4, "crop_width": 3}), conv(2, 3)], (3, 7, 6)),
    "crop as it is": ([("crop", {"crop_height": 4, "crop_width": 3, "noadjust": 1}), conv(2, 3)], (3, 7, 6)),
    "a shortcut from a larger map": ([conv(4, 3), conv(6, 3, 2), shortcut(-2)], (2, 6, 8)),
    "reorg that adds a number": ([conv(2, 3), ("reorg", {"extra": 1, "stride": 1}), ("softmax", {})], (3, 4, 4)),
    "reorg that does nothing": ([conv(2, 3), ("reorg", {"stride": 1}), conv(3, 1)], (3, 4, 4)),
    "reorg3d": ([("reorg3d", {"stride": 2}), conv(3, 1)], (3, 4, 6)),
    "softmax with a temperature": ([("softmax", {"groups": 1, "temperature": 3})], (4, 1, 2)),
    "softmax of a map": ([conv(3, 1), ("softmax", {"groups": 1}), ("cost", {"type": "sse"})], (2, 3, 3)),
    "several heads": ([conv(4, 3), nets.yolo(), route(-2), conv(2, 3, 2), nets.yolo()], (2, 6, 6)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_computes_what_darknet_does(name: str, tmp_path: Path) -> None:
    layers, shape = CASES[name]
    agree(layers, shape, tmp_path)


@pytest.mark.parametrize("activation", nets.ACTIVATE)
def test_an_activation_computes_what_darknet_does(activation: str, tmp_path: Path) -> None:
    agree([conv(8, 1, activation=activation)], (3, 4, 4), tmp_path)


def test_the_header_of_an_old_weights_file_is_shorter(tmp_path: Path) -> None:
    agree([conv(4, 3)], (2, 4, 4), tmp_path, minor=1)


def test_dense_layers_may_be_stored_the_other_way_round(tmp_path: Path) -> None:
    bias, weight = np.array([1.0, 2.0, 3.0]), np.arange(12.0).reshape(4, 3)  # 4 inputs, 3 outputs
    layers: list[Layer] = [("connected", {"output": 3, "activation": "linear"})]
    (tmp_path / "net.cfg").write_text(nets.text(layers, 1, 2, 2), encoding="utf-8")
    data = struct.pack("<4i", 1001, 0, 0, 0) + bias.astype("<f4").tobytes() + weight.astype("<f4").tobytes()
    (tmp_path / "net.weights").write_bytes(data)
    made = import_model(tmp_path / "net.cfg")
    np.testing.assert_array_equal(made.weights["dense1.weight"], weight.T)
    np.testing.assert_array_equal(made.weights["dense1.bias"], bias)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_lone_batchnorm_is_read_with_and_without_a_bias(has_bias: bool, tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text(nets.text([("batchnorm", {}), ("softmax", {})], 3, 1, 2), encoding="utf-8")
    rows = np.arange(12.0, dtype="<f4").reshape(4, 3)
    (tmp_path / "net.weights").write_bytes(struct.pack("<3iq", 0, 2, 0, 0) + (rows if has_bias else rows[1:]).tobytes())
    weights = import_model(tmp_path / "net.cfg").weights
    np.testing.assert_array_equal(weights["bn1.bias"], rows[0] if has_bias else np.zeros(3))
    np.testing.assert_array_equal(weights["bn1.running_var"], rows[3])


def test_weights_of_layers_that_reach_no_output_are_passed_over(tmp_path: Path) -> None:
    layers = [conv(4, 3), conv(5, 3), route(0), conv(2, 1)]
    agree(layers, (2, 4, 4), tmp_path)
    made = import_model(tmp_path / "net.cfg")
    assert made.notes == ("left out, for they reach no output: layer 1",)


@st.composite
def random_net(draw: st.DrawFn) -> tuple[list[Layer], tuple[int, int, int]]:
    """A net of layers that fit each other, their shapes followed by Darknet's arithmetic."""
    size = (draw(st.integers(1, 3)), draw(st.integers(3, 7)), draw(st.integers(3, 7)))
    layers: list[Layer] = []
    shapes: list[tuple[int, int, int]] = []
    c, h, w = size
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["conv", "conv", "maxpool", "route", "shortcut", "upsample", "groups"]))
        earlier = [i for i, s in enumerate(shapes) if s[1:] == (h, w)]
        if kind == "conv":
            n, k, s = draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2]))
            layers.append(conv(n, k, s, draw(st.sampled_from(list(nets.ACTIVATE))), draw(st.booleans())))
            c, h, w = n, (h + 2 * (k // 2) - k) // s + 1, (w + 2 * (k // 2) - k) // s + 1
        elif kind == "maxpool":
            k, s = draw(st.sampled_from([2, 3, 5])), draw(st.sampled_from([1, 2, 3]))
            layers.append(maxpool(k, s))
            h, w = (h - 1) // s + 1, (w - 1) // s + 1
        elif kind == "route" and earlier:
            found = draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3))
            layers.append(route(*(i - len(layers) if draw(st.booleans()) else i for i in found)))
            c = sum(shapes[i][0] for i in found)
        elif kind == "shortcut" and earlier:
            layers.append(shortcut(draw(st.sampled_from(earlier)) - len(layers)))
        elif kind == "groups" and c % 2 == 0 and layers:
            layers.append(route(-1, groups=2, group_id=draw(st.integers(0, 1))))
            c //= 2
        elif kind == "upsample" and max(h, w) < 6:
            layers.append(("upsample", {"stride": 2}))
            h, w = 2 * h, 2 * w
        else:
            layers.append(conv(c, 1))
        shapes.append((c, h, w))
    return layers, size


@settings(max_examples=60, deadline=None)
@given(random_net())
def test_random_nets_compute_what_darknet_does(tmp_path_factory: pytest.TempPathFactory, net: Any) -> None:
    layers, size = net
    x = np.random.default_rng(0).normal(size=size)
    runner = Runner(np.random.default_rng(1))
    expected = runner.run(layers, x)
    folder = tmp_path_factory.mktemp("net")
    (folder / "net.cfg").write_text(nets.text(layers, *size), encoding="utf-8")
    (folder / "net.weights").write_bytes(runner.weights())
    found = read_model(folder / "net.cfg")
    if any("depends on its input" in d.message for d in found.findings):
        return
    foreign = found.foreign
    for y, wanted in zip(interpret(foreign.graph, foreign.weights, x[None]), expected, strict=True):
        assert_close(y.reshape(-1), wanted.reshape(-1), 1e-9)


# --- what cannot be said, and what is damaged -------------------------------------------------------------------------

NET = "[net]\nchannels=3\nheight=8\nwidth=8\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[reorg]\nstride=2", "E0602 [reorg]: layer 0, [reorg] cannot be said: Darknet deals the numbers out"),
        ("[local]\nsize=3", "E0602 [local]: layer 0, [local] cannot be said: each place"),
        ("[convolutionl]\nsize=3", "did you mean [convolutional]?"),
        ("[lstm]", "E0602 [lstm]: layer 0, [lstm] cannot be said: it keeps a state"),
        ("[activation]\nactivation=gelu", "E0602 activation=gelu: layer 0, [activation] cannot be said: act"),
        ("[activation]\nactivation=leakey", "no such activation is known; did you mean leaky?"),
        ("[convolutional]\nactivation=plse", "the language has no such activation"),
        ("[convolutional]\nxnor=1", "E0602 xnor=1: layer 0, [convolutional] cannot be said: xnor=1: weights"),
        ("[softmax]\ngroups=2", "E0602 groups=2"),
        ("[softmax]\ntemperature=0", "E0601 temperature=0"),
        ("[softmax]\ntree=x.tree", "E0602 tree=x.tree"),
        ("[reorg3d]\nstride=3", "E0601 stride=3: layer 0, [reorg3d]: stride=3 must divide the map, 8x8"),
        ("[reorg3d]\nreverse=1", "E0602 reverse=1"),
        ("[upsample]\nstride=-2", "E0602 stride=-2"),
        ("[cost]\n[yolo]\n[softmax]", "E0602 [softmax]: layer 2, [softmax] cannot be said: it reads the boxes"),
        ("[cost]\n[yolo]\n[route]\nlayers=-1", "E0602 layers=-1: layer 2, [route] cannot be said: it reads the boxes"),
        ("[cost]\n[upsample]\n[shortcut]\nfrom=0", "cannot be said: it adds a map of 8x8 to one of 16x16"),
        ("[shortcut]\nfrom=-1", "E0601 from=-1: layer 0, [shortcut]: there is no layer before the first"),
        ("[convolutional]\n[shortcut]\nfrom=1", "E0601 from=1: layer 1, [shortcut]: layer 1 goes back to layer 1, and"),
        ("[convolutional]\n[route]\nlayers=", "E0601 layers=: layer 1, [route]: `layers` names no layer"),
        ("[convolutional]\n[route]\n", "E0601 [route]: layer 1, [route]: `layers` names no layer"),
        ("[convolutional]\nfilters=3\n[route]\nlayers=-1\ngroups=2", "E0601 groups=2: layer 1, [route]: groups=2"),
        ("[conv]\nfilters=4\ngroups=2", "E0601 [conv]: layer 0, [conv]: `conv`: groups=2 must divide the 3 channels"),
        ("[convolutional]\nsize=20", "E0601 [convolutional]: layer 0, [convolutional]: `conv`: no 20x20 window fits"),
        ("[convolutional]\nsize=0", "E0601 size=0: layer 0, [convolutional]: size must be at least 1, not 0"),
        ("[convolutional]\nsize=3.5", "E0601 size=3.5: layer 0, [convolutional]: size must be an integer, not `3.5`"),
        ("[convolutional]\nsize=nan", "E0601 size=nan: layer 0, [convolutional]: size must be an integer, not `nan`"),
        ("[convolutional]\nsize=", "E0601 size=: layer 0, [convolutional]: size must be an integer, not nothing"),
        ("[dropout]\nprobability=nan", "E0601 probability=nan: layer 0, [dropout]: probability must be a number"),
        ("[dropout]\nprobability=1e999", "E0601 probability=1e999: layer 0, [dropout]: probability must be a number"),
        ("[dropout]\nprobability=2", "E0601 probability=2"),
        ("[convolutional]\nfilters=99999999999999999999", "E0603 filters=99999999999999999999: layer 0"),
        ("[convolutional]\nfilters=2000000000\npadding=50", "E0603 [convolutional]: layer 0, [convolutional]: a "),
        ("[upsample]\nstride=9\n[connected]\noutput=2000000000", "E0603 [connected]: layer 1, [connected]: a "),
        ("[upsample]\nstride=2000000000", "E0603 [upsample]: layer 0, [upsample]: a value"),
        ("[route\n", "E0601 [route: a section's name ends with `]`"),
        ("[route]\nfoo", "E0601 foo: a line is `[section]`, `key=value` or a comment"),
        ("[route]\n=3", "E0601 =3: a line is `[section]`, `key=value` or a comment"),
        ("[ro\0ute]\n", "E0601 \0: a text has no such byte"),
        ("[route]\nlayers=\N{REPLACEMENT CHARACTER}", "E0601 \N{REPLACEMENT CHARACTER}: a text has no such byte"),
        ("", "E0601 [net]: there is no layer in this file"),
        ("[cost]\n", "E0601 [cost]: layer 0, [cost]: no layer computes anything"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, found: str) -> None:
    messages = findings(NET + text)
    assert len(messages) == 1
    assert found in messages[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "E0601 : there is no section in this file"),
        ("# [net]\n; nothing\n", "E0601 #: there is no section in this file"),
        ("channels=3\n", "E0601 channels=3: an option stands before the first section"),
        ("[convolutional]\nsize=3", "E0601 [convolutional]: the first section must be [net]"),
        ("[net]\n[convolutional]", "E0601 [net]: [net]: the input's height, width and channels must be given"),
        ("[net]\nheight=-1\nwidth=8\nchannels=3\n[cost]", "E0601 height=-1: [net]: height must be at least 0, not -1"),
        ("[net]\nheight=2000000000\nwidth=2000000000\nchannels=3\n[cost]", "E0603 [net]: [net]: an input of"),
        ("[net]" + "\n[cost]" * 10_001, "E0603 [cost]: a net has at most 10,000 layers"),
    ],
)
def test_a_file_that_is_no_net_is_told_with_its_place(text: str, found: str) -> None:
    assert findings(text)[0].startswith(found)


def test_every_layer_that_cannot_be_said_is_named() -> None:
    text = NET + "[reorg]\nstride=2\n[convolutional]\nactivation=gelu\n[local]\n"
    text += "[maxpool]\nmaxpool_depth=1\n[route]\nlayers=-30\n"
    codes = [m.split(" ")[0] for m in findings(text)]
    assert codes == ["E0602", "E0602", "E0602", "E0602", "E0601"]


def test_options_that_nobody_knows_are_noted() -> None:
    found = read_source(Source("net.cfg", NET + "[convolutional]\nsize=3\nflavour=sweet # indeed\n"), name="Net")
    assert found.notes == ("left out of [convolutional], line 5, for nothing here depends on it: flavour",)


def test_blanks_and_comments_do_not_count_and_the_first_of_two_options_holds() -> None:
    text = NET + "\n ; note\n[ convolutional ]\n filters = 1 6 # six\tteen\n filters=3\n size = 1\r\n"
    (node,) = read_source(Source("net.cfg", text.replace("\r", "")), name="Net").foreign.graph.outputs
    assert str(node.type) == "[N, 16, 8, 8]"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "too short for a header"),
        (struct.pack("<3iq", 0, 2, 0, 0), "it holds 0 numbers, and this net has 28"),
        (struct.pack("<3iq", 0, 2, 0, 0) + bytes(4 * 27), "it holds 27 numbers, and this net has 28"),
        (struct.pack("<3iq", 0, 2, 0, 0) + bytes(4 * 28 + 1), "it holds 28.25 numbers, and this net has 28"),
        (struct.pack("<3iq", -5, 2, 0, 0) + bytes(4 * 28), "its header says version -5.2"),
    ],
)
def test_weights_that_do_not_fit_are_an_error(data: bytes, found: str, tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text(NET + "[convolutional]\nfilters=1\nsize=3\n", encoding="utf-8")
    (tmp_path / "net.weights").write_bytes(data)
    with pytest.raises(FindingsError) as error:
        read_model(tmp_path / "net.cfg")
    (finding,) = error.value.diagnostics
    assert finding.code == "E0601"
    assert found in finding.message


def test_layers_that_are_not_loaded_have_no_place_in_the_weights(tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text(NET + "[convolutional]\nsize=3\ndontload=1\n", encoding="utf-8")
    (tmp_path / "net.weights").write_bytes(bytes(200))
    with pytest.raises(FindingsError, match="dontload"):
        read_model(tmp_path / "net.cfg")


# --- fuzz -------------------------------------------------------------------------------------------------------------

KEYS = sorted({"from", "layers", "groups", "group_id", "filters", "size", "stride", "pad", "padding", "activation",
               "batch_normalize", "dilation", "output", "probability", "crop_height", "channels", "alpha"})  # fmt: skip
VALUES = ["0", "1", "2", "3", "-1", "-2", "8", "leaky", "mish", "-1,-2", "0,1", "1e9", "2147483647", "99999999999999",
          "nan", "", "../x", '"', "x" * 100, "٣", "½"]  # fmt: skip


@st.composite
def cfg_text(draw: st.DrawFn) -> str:
    lines = ["[net]", "channels=3", f"height={draw(st.sampled_from(['8', '9', '0', '5000000']))}", "width=8"]
    for _ in range(draw(st.integers(0, 8))):
        lines.append(f"[{draw(st.sampled_from([*sorted(RULES), 'reorg', 'x']))}]")
        for _ in range(draw(st.integers(0, 4))):
            lines.append(f"{draw(st.sampled_from(KEYS))}={draw(st.sampled_from(VALUES))}")
    text = "\n".join(lines)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.text(max_size=5)) + text[start + draw(st.integers(0, 5)) :]
    return text


@settings(max_examples=400, deadline=None)
@given(cfg_text())
def test_no_cfg_however_bad_ends_in_anything_but_a_net_or_findings(text: str) -> None:
    for message in findings(text):
        assert re.match(r"E060[123] ", message)

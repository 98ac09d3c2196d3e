"""Lifting: a graph without its text becomes a text that says the same, and that a person could have written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnnlang.dims import Term
from cnnlang.errors import FindingsError
from cnnlang.expand import check
from cnnlang.importing.foreign import Foreign, Written
from cnnlang.importing.lift import normal, write
from cnnlang.ir import Graph, Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed, Input
from cnnlang.ops.conv import Convolution
from cnnlang.ops.merge import Concat
from cnnlang.ops.norm import BatchNorm
from cnnlang.program import Program
from cnnlang.render import render_full
from cnnlang.source import Source
from cnnlang.syntax import format_source, read_source
from tests.helpers import apply
from tests.strategies import networks

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "examples").glob("*.cnn"), *(ROOT / "tests" / "zoo").glob("*.cnn")])
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def programs(text: str) -> dict[str, Program]:
    result = check(Source("lifted.cnn", text))
    assert not result.has_errors, text + "\n".join(render_full(d) for d in result.diagnostics)
    return dict(result.programs)


def known(name: str) -> Graph:
    """The graph of a net of the examples or of the test networks."""
    for path in FILES:
        if name in path.read_text(encoding="utf-8"):
            found = check(read_source(path)).programs
            if name in found:
                return found[name].graph
    raise KeyError(name)


def unlabelled(graph: Graph, paths: dict[str, str] | None = None) -> str:
    """A graph's text without its name, the steps' labels and the outputs' names, weights renamed."""
    text = re.sub(r"  #.*", "", str(graph))
    text = re.sub(r"^graph .*", "graph", text)
    text = re.sub(r"input\([^)]*\)", "input", text)
    text = re.sub(r"return .*", lambda m: "return " + ", ".join(re.findall(r"=(%\d+)", m[0])), text)
    names = paths or {}
    return re.sub(r"(?<= )[^\s%:]+\.\w+(?= )", lambda m: names.get(m[0], m[0]), text)


def hold(graph: Graph, keeps: bool) -> Written:
    """Lift a graph, and hold the laws: it checks without a word, is formatted, and means the same."""
    written = write(Foreign(graph, keeps_names=keeps), "Lifted")
    (program,) = programs(written.text).values()
    assert not check(Source("lifted.cnn", written.text)).diagnostics
    assert format_source(Source("lifted.cnn", written.text)) == written.text
    assert unlabelled(program.graph) == unlabelled(normal(graph), dict(written.paths))
    assert set(written.paths) == set(graph.weights)
    assert sorted(written.paths.values()) == sorted(program.graph.weights)
    return written


def lines(graph: Graph, keeps: bool) -> int:
    return write(Foreign(graph, keeps_names=keeps), "Lifted").text.count("\n")


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
@pytest.mark.parametrize("keeps", [True, False])
def test_a_known_net_means_the_same(path: Path, keeps: bool) -> None:
    for program in check(read_source(path)).programs.values():
        written = hold(program.graph, keeps)
        if keeps and program.name != "CBAM":  # which applies a shared layer inside of instances
            assert all(old == new for old, new in written.paths.items())


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(networks())
def test_a_random_net_means_the_same(text: str) -> None:
    result = check(Source("random.cnn", text))
    assume(not result.has_errors)  # a net of no steps
    (program,) = result.programs.values()
    for keeps in (True, False):
        hold(program.graph, keeps)


def test_lifting_is_deterministic() -> None:
    for name in ("ResNet18", "GoogLeNet"):
        for keeps in (True, False):
            first, again = (write(Foreign(known(name), keeps_names=keeps), name) for _ in range(2))
            assert first.text == again.text
            assert first.paths == again.paths


# --- as a person would write it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "block", "kept", "automatic"),
    [
        ("ResNet18", "basic", 30, 30),
        ("ResNet50", "bottleneck", 32, 30),
        ("ResNet152", "bottleneck", 32, 30),
        ("GoogLeNet", "inception", 36, 38),
        ("SqueezeNet1_0", "fire", 30, 30),
        ("MobileNetV2", "inverted_residual", 46, 38),
        ("DenseNet121", "dense_layer", 34, 28),
        ("UNet", "", 40, 30),
        ("VGG16", "", 20, 18),
        ("YOLOv3", "residual", 52, 52),
        ("SEResNet50", "", 44, 34),
    ],
)
def test_the_text_is_short(name: str, block: str, kept: int, automatic: int) -> None:
    for keeps, most in ((True, kept), (False, automatic)):
        text = write(Foreign(known(name), keeps_names=keeps), name).text
        assert text.count("\n") <= most
        assert f"block {block}" in text or not block


def without_bn(graph: Graph) -> Graph:
    """A graph whose normalisations are folded, as PyTorch's exporter leaves it."""

    def rule(node: Node) -> Node | None:
        if isinstance(node.op, BatchNorm):
            return node.inputs[0]
        if isinstance(node.op, Convolution) and not node.op.has_bias:
            path = str(node.inputs[1].op).rpartition(".")[0]
            with_bias: Any = dataclasses.replace(node.op, bias=None)  # type: ignore[type-var]  # every operator is one
            return apply(with_bias, node.inputs[0], name=path)
        return None

    return graph.rewrite(rule)


@pytest.mark.parametrize(
    ("name", "most"), [("ResNet18", 28), ("ResNet50", 28), ("MobileNetV2", 36), ("DenseNet121", 28)]
)
def test_a_net_with_folded_normalisations_is_as_short(name: str, most: int) -> None:
    graph = without_bn(known(name))
    for keeps in (True, False):
        assert hold(graph, keeps).text.count("\n") <= most


def test_flat_concatenations_are_a_dense_block() -> None:
    flat: dict[Node, list[Node]] = {}

    def rule(node: Node) -> Node | None:
        if not isinstance(node.op, Concat):
            return None
        values = [v for each in node.inputs for v in flat.get(each, [each])]
        made = Node.of(node.op, *values)
        flat[made] = values
        return made

    graph = known("DenseNet121")
    assert write(Foreign(graph.rewrite(rule)), "Dense").text == write(Foreign(graph), "Dense").text


def test_the_text_of_a_small_net() -> None:
    graph = without_bn(known("ResNet18"))
    text = write(Foreign(graph, meta={"source": "resnet18.onnx"}), "ResNet18").text
    assert text == TEXT


TEXT = """\
cnn 1

# ResNet18, from resnet18.onnx: 11,684,712 parameters, 18 layers deep. Written by `cnnlang import`.

block basic(width, stride=1) {
  add {
    | conv(width, 3, stride=stride, pad=1) -> relu -> conv(width, 3, pad=1)
    | if stride != 1 or in.channels != width { conv(width, 1, stride=stride) as "downsample.0" }
  } -> relu
}

net ResNet18 {
  input image: [N, 3, 224, 224]

  conv(64, 7, stride=2, pad=3) -> relu -> maxpool(3, stride=2, pad=1)
  for i, width, stride in zip(range(1, 5), [64, 128, 256, 512], [1, 2, 2, 2]) {
    basic(width, stride) as "layer{i}.0"
    basic(width)         as "layer{i}.1"
  }
  global_avgpool -> dense(1000) as fc

  check { params == 11_684_712, macs == 1_814_073_344, depth == 18 }
  meta {
    source = "resnet18.onnx"
  }
}
"""


# --- what comes from elsewhere is not trusted -------------------------------------------------------------------------

N = Term.variable("N")
HOSTILE = [
    "", ".", "..", "a..b", "net", "conv", "in", "as", "x" * 5000, "1", "1.2", "layer1.0.conv1", 'a"; import os #',
    "a\nb", "../../etc/passwd", "{i}", "a{1/0}", "ä", "名前", "a b", "a.b", "a", "a.b.c", "block", "relu", "N", "True",
    "lambda", "_", "__init__", "0x", "é.é", "conv1", "conv2", "\\", "#", "\u202e", "\0",
]  # fmt: skip


def chain(names: Sequence[str], input_name: str = "image", output: str = "output") -> Graph:
    x = Node.of(Input((N, 2, 6, 6), input_name), name=input_name)
    node = x
    for i, name in enumerate(dict.fromkeys(names)):
        node = apply(OPERATORS["conv"].make({"channels": 2 + i % 3, "kernel": 1}), node, name=name)
        node = Node.of(OPERATORS["relu"].make({}), node, name=name)
    return Graph("Net", (x,), (node,), (output,))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=12), min_size=1, max_size=8), st.data())
def test_names_from_anywhere_do_no_harm(names: list[str], data: st.DataObject) -> None:
    graph = chain(names, *(data.draw(st.sampled_from(HOSTILE)) for _ in range(2)))
    classes = graph.outputs[0].type.channels
    for keeps in (True, False):
        foreign = Foreign(
            graph,
            labels=tuple(data.draw(st.lists(st.sampled_from(HOSTILE), min_size=classes, max_size=classes))),
            meta={"source": data.draw(st.sampled_from(HOSTILE)), data.draw(st.sampled_from(HOSTILE)): "x"},
            keeps_names=keeps,
        )
        written = write(foreign, data.draw(st.sampled_from(HOSTILE)))
        programs(written.text)
        assert set(written.paths) == set(graph.weights)
        assert len(set(written.paths.values())) == len(written.paths)


def test_paths_that_can_be_said_are_kept_and_others_are_mapped() -> None:
    graph = chain(["a.b", "a", "conv", "1.2", "a b", "conv1"])
    paths = write(Foreign(graph), "Net").paths
    assert {old: new for old, new in paths.items() if old.endswith("weight")} == {
        "a.b.weight": "a.b.weight",
        "a.weight": "a_2.weight",
        "conv.weight": "conv.weight",
        "1.2.weight": "1.2.weight",
        "a b.weight": "a_b.weight",
        "conv1.weight": "conv1.weight",
    }


def test_a_bias_that_goes_without_saying_is_not_written() -> None:
    x = Node.of(Input((N, 2, 6, 6), "x"))
    node = apply(OPERATORS["conv"].make({"channels": 4, "kernel": 3, "bias": True}), x, name="stem")
    written = write(Foreign(Graph("Net", (x,), (node,), ("output",))), "Net")
    assert 'conv(4, 3) as "stem"' in written.text
    assert written.paths == {"stem.weight": "stem.weight", "stem.bias": "stem.bias"}


def test_a_kernel_that_is_too_long_for_a_text_is_refused() -> None:
    kernel = [[[[0.5] * 3] * 3] * 40] * 40
    x = Node.of(Input((N, 40, 6, 6), "x"))
    op = OPERATORS["conv"].make({"channels": 40, "kernel": 3, "weight": kernel})
    graph = Graph("Net", (x,), (Node.of(op, x, Node.of(Fixed((40, 40, 3, 3), kernel)), name="blur"),), ("output",))
    with pytest.raises(FindingsError) as caught:
        write(Foreign(graph), "Net")
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0602"
    assert "`blur`" in finding.message


def test_a_text_beyond_the_limit_is_refused() -> None:
    x: Any = Node.of(Input((N, 2, 6, 6), "x"))
    node = x
    for i in range(9_000):
        op = OPERATORS["normalize"].make({"mean": (i * 0.37) % 5 + 0.123456789, "std": 1.5 + i})
        node = Node.of(op, node)
    with pytest.raises(FindingsError) as caught:
        write(Foreign(Graph("Net", (x,), (node,), ("output",))), "Net")
    assert [d.code for d in caught.value.diagnostics] == ["E0603"]


def test_a_chain_of_thousands_is_lifted() -> None:
    graph = chain([f"c.{i}" for i in range(600)])
    assert hold(graph, True).text.count("\n") < 620
    assert lines(graph, False) < 200


def test_a_value_called_as_a_layer_is_counted_does_not_take_its_path() -> None:
    x = Node.of(Input((N, 2, 6, 6), "x"))
    conv = OPERATORS["conv"].make({"channels": 2, "kernel": 1})
    first = apply(conv, x, name="b")
    second = apply(conv, first, name="conv1")  # called as the first is counted, and read twice
    add = Node.of(OPERATORS["add"].make({}), apply(conv, second, name="c"), x, second)
    hold(Graph("Net", (x,), (add, second), ("conv3", "conv1")), False)

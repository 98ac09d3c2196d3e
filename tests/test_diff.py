"""Comparing nets: what is equal, what is not, and the smallest part that differs."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cnnlang
from cnnlang.backends import export
from cnnlang.cli import main
from cnnlang.differing import compare_graphs
from cnnlang.differing.files import split_name
from cnnlang.differing.text import comparison_text, summary
from cnnlang.expand import check
from cnnlang.ir import Graph
from cnnlang.ops import OPERATORS
from cnnlang.source import Source
from tests.helpers import random_weights
from tests.strategies import networks

EXAMPLES = Path(__file__).parent.parent / "examples"
RESNET = (EXAMPLES / "resnet.cnn").read_text(encoding="utf-8")
GOOGLENET = re.sub(r"check \{[^}]*\}", "", (EXAMPLES / "googlenet.cnn").read_text(encoding="utf-8"))


def graph(text: str, net: str | None = None, name: str = "net.cnn") -> Graph:
    return cnnlang.loads(text, net=net, name=name).graph


def net(steps: str, shape: str = "[N, 4, 12, 12]") -> Graph:
    return graph(f"cnn 1\nnet Net {{\n  input x: {shape}\n  {steps}\n}}\n")


def told(left: Graph, right: Graph) -> str:
    """The summary; the same from the other side, but for the sides."""
    found, back = compare_graphs(left, right), compare_graphs(right, left)
    assert found.are_equal == back.are_equal
    assert len(found.changes) == len(back.changes)
    return summary(found)


# --- what is equal ----------------------------------------------------------------------------------------------------

EQUAL = {
    "itself": ("conv(8, 3) -> bn -> relu", "conv(8, 3) -> bn -> relu"),
    "labels": ("conv(8, 3) as stem -> relu as r", "conv(8, 3) -> relu"),
    "dropout": ("conv(8, 3) -> dropout -> bn -> relu -> dropout(0.3)", "conv(8, 3) -> bn -> relu"),
    "a bn folded in": ("conv(8, 3, bias=false) -> bn -> relu", "conv(8, 3) -> relu"),
    "a bn's momentum": ("relu -> bn(momentum=0.01)", "relu -> bn"),
    "a dense bn": ("flatten -> dense(8, bias=false) -> bn", "flatten -> dense(8)"),
    "a deconv's bn": ("deconv(8, 2, stride=2, bias=false) -> bn", "deconv(8, 2, stride=2)"),
    "same": ('conv(8, 3, pad="same")', "conv(8, 3, pad=1)"),
    "same_upper": ('conv(8, 3, stride=2, pad="same_upper")', "conv(8, 3, stride=2, pad=(0, 1, 0, 1))"),
    "a pad before": ("pad(1) -> conv(8, 3)", "conv(8, 3, pad=1)"),
    "a pad before more": ("pad((1, 0, 1, 0)) -> conv(8, 3, pad=(0, 1, 0, 1))", "conv(8, 3, pad=1)"),
    "a pad that fills": ("pad(1, value=2) -> conv(8, 3)", "conv(8, 3, pad=1, fill=2)"),
    "a pad before an average": ("pad(1) -> avgpool(3, stride=1)", "avgpool(3, stride=1, pad=1)"),
    "a fill of nothing": ("conv(8, 3, fill=2)", "conv(8, 3)"),
    "count_pad of nothing": ("avgpool(2, count_pad=false)", "avgpool(2)"),
    "ceil that adds nothing": ("maxpool(2, ceil=true)", "maxpool(2)"),
    "a depthwise": ("depthwise(3, multiplier=2)", "conv(8, 3, groups=4)"),
    "a dilated point": ("conv(8, 1, dilation=2)", "conv(8, 1)"),
    "a global average": ("global_avgpool", "avgpool(12) -> flatten"),
    "an adaptive average": ("global_avgpool -> dense(3)", "adaptive_avgpool(1) -> flatten -> dense(3)"),
    "a flatten of what is flat": ("global_avgpool -> flatten -> dense(3)", "global_avgpool -> dense(3)"),
    "branches of add": ("add { | conv(4, 1) -> relu | in }", "add { | in | conv(4, 1) -> relu }"),
    "branches of equal length": ("max { | conv(4, 1) | tanh }", "max { | tanh | conv(4, 1) }"),
    "nested adds": ("add { | add { | conv(4, 1) | in } | relu }", "add { | conv(4, 1) | relu | in }"),
    "a block": ("conv(4, 3) -> relu -> conv(4, 3) -> relu", "{ conv(4, 3) -> relu } * 2"),
    "a loop": ("for c in [4, 8] { conv(c, 3) }", "conv(4, 3) -> conv(8, 3)"),
    "a pair of equal numbers": ("conv(8, 3x3, stride=(1, 1))", "conv(8, 3)"),
}  # fmt: skip


@pytest.mark.parametrize("case", EQUAL)
def test_equal(case: str) -> None:
    left, right = map(net, EQUAL[case])
    assert told(left, right).startswith("equal: ")


DIFFERENT = {
    "an activation": ("conv(8, 3) -> tanh", "conv(8, 3) -> relu", "1 of 2 steps differs: `tanh` against `relu`"),
    "an argument": ("conv(8, 3)", "conv(8, 3, stride=2)", "1 of 1 layer differs: stride 1 against 2"),
    "two arguments": ("conv(8, 3)", "conv(6, 5)", "1 of 1 layer differs: channels 8 against 6, kernel 3 against 5"),
    "uneven padding": ("conv(8, 3, pad=(0, 1, 0, 1))", "conv(8, 3, pad=(1, 0, 1, 0))",
                       "1 of 1 layer differs: pad (0, 1, 0, 1) against (1, 0, 1, 0)"),
    "a bias": ("conv(8, 3)", "conv(8, 3, bias=false)", "1 of 1 layer differs: bias true against false"),
    "a missing step": ("conv(8, 3) -> relu -> maxpool(2)", "conv(8, 3) -> maxpool(2)",
                       "1 step only in the first net: `relu`"),
    "a step more": ("conv(8, 3)", "conv(8, 3) -> softmax", "1 step only in the second net: `softmax`"),
    "a shortcut": ("add { | conv(4, 3, pad=1) | in } -> relu", "conv(4, 3, pad=1) -> relu",
                   "1 step only in the first net: `add`"),
    "an eps": ("conv(8, 3) -> bn", "conv(8, 3) -> bn(eps=1e-3)", "1 of 1 layer differs: eps 1e-5 against 0.001"),
    "the order of concat": ("concat { | conv(4, 1) -> relu | in }", "concat { | in | conv(4, 1) -> relu }",
                            "1 of 3 steps differs: `concat`: its branches are in another order"),
    "what a branch starts from": ("relu as a -> tanh -> add { | conv(4, 1) | in }",
                                  "relu as a -> tanh -> add { | conv(4, 1) | a }",
                                  "1 of 4 steps differs: `add`: it reads another value"),
    "a pool": ("maxpool(2)", "avgpool(2)", "1 of 1 step differs: `maxpool(2)` against `avgpool(2)`"),
    "a merge": ("add { | conv(4, 1) | in }", "mul { | conv(4, 1) | in }", "1 of 2 steps differs: `add` against `mul`"),
    "a fixed kernel": ("conv(1, 1, weight=[[2]])", "conv(1, 1, weight=[[3]])",
                       "1 of 1 layer differs: weight [[2]] against [[3]]"),
    "shared weights": ("conv(4, 1) -> conv(4, 1)", "conv(4, 1) as a -> relu -> conv(4, 1)",
                       "1 step only in the second net: `relu`"),
    "a moved stride": ("conv(8, 1, stride=2) -> relu -> conv(8, 3)", "conv(8, 1) -> relu -> conv(8, 3, stride=2)",
                       "2 of 2 layers differ: stride 2 against 1; stride 1 against 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENT)
def test_different(case: str) -> None:
    one, other, expected = DIFFERENT[case]
    assert told(net(one), net(other)) == expected


def test_sharing_weights_is_a_difference() -> None:
    blocks = "block E(c) { conv(c, 1) }\n"
    left = graph(f"cnn 1\n{blocks}net A {{ input x: [N, 4, 5, 5]\n shared e = E(4)\n e -> relu -> e }}")
    right = graph(f"cnn 1\n{blocks}net A {{ input x: [N, 4, 5, 5]\n E(4) -> relu -> E(4) }}")
    assert told(left, right) == "1 of 2 layers differs: weights shared against its own"


def test_another_input_is_a_difference() -> None:
    left, right = net("conv(2, 3)"), net("conv(2, 3)", "[N, 3, 12, 12]")
    assert told(left, right) == "1 of 1 step differs: shape (N, 4, 12, 12) against (N, 3, 12, 12)"


def test_another_number_of_outputs_is_a_difference() -> None:
    left = graph(
        "cnn 1\nnet A { input x: [N, 4, 5, 5]\n relu as a\n output p = a -> conv(2, 1)\n output q = a -> tanh }"
    )
    right = graph("cnn 1\nnet A { input x: [N, 4, 5, 5]\n relu -> conv(2, 1) }")
    assert told(left, right) == "1 step only in the first net: `tanh`"


def test_swapped_outputs_are_a_difference() -> None:
    text = "cnn 1\nnet A { input x: [N, 4, 5, 5]\n relu as a\n output p = a -> conv(2, 1)\n output q = a -> tanh }"
    other = "cnn 1\nnet A { input x: [N, 4, 5, 5]\n relu as a\n output q = a -> tanh\n output p = a -> conv(2, 1) }"
    assert not compare_graphs(graph(text), graph(other)).are_equal


def test_outputs_that_name_a_value_in_between_are_a_difference() -> None:
    text = "cnn 1\nnet A { input x: [N, 4, 5, 5]\n relu as a -> conv(2, 1) as b\n output p = b }"
    other = "cnn 1\nnet A { input x: [N, 4, 5, 5]\n relu as a -> conv(2, 1) as b\n output p = b\n output q = a }"
    assert not compare_graphs(graph(text), graph(other)).are_equal


# --- the smallest part ------------------------------------------------------------------------------------------------


def v1(text: str) -> str:
    """ResNet as first published: the stride of a bottleneck sits in its first convolution."""
    text = text.replace("| conv(width, 1, bias=false)", "| conv(width, 1, stride=stride, bias=false)")
    text = text.replace(
        "conv(width, 3, stride=stride, pad=1, bias=false) -> bn -> relu\n",
        "conv(width, 3, pad=1, bias=false) -> bn -> relu\n",
    )
    return re.sub(r"macs == [\d_]+, ", "", text)


def test_resnet_v1_against_v1_5() -> None:
    left, right = graph(RESNET, "ResNet50", "v15.cnn"), graph(v1(RESNET), "ResNet50", "v1.cnn")
    found = compare_graphs(left, right)
    assert summary(found) == "6 of 54 layers differ: stride 1 against 2; stride 2 against 1"
    (hunk,) = found.hunks()
    assert len(hunk.alike) == 2
    assert (
        comparison_text(found, (left, right), ("v15.cnn", "v1.cnn"))
        == """\
ResNet50 (v15.cnn)                       ResNet50 (v1.cnn)
25,557,032 params, 54 layers             25,557,032 params, 54 layers

relu                                     relu
  v15.cnn:21  [N, 256, 56, 56]             v1.cnn:21  [N, 256, 56, 56]
conv(128, 1, bias=false) -> bn         | conv(128, 1, stride=2, bias=false)
  v15.cnn:15  [N, 128, 56, 56]                        ^^^^^^^^
                                           -> bn
                                           v1.cnn:15  [N, 128, 28, 28]
relu                                     relu
  v15.cnn:15  [N, 128, 56, 56]             v1.cnn:15  [N, 128, 28, 28]
conv(128, 3, stride=2, pad=1,          | conv(128, 3, pad=1, bias=false) ->
             ^^^^^^^^                      bn
  bias=false) -> bn                        v1.cnn:16  [N, 128, 28, 28]
  v15.cnn:16  [N, 128, 28, 28]
relu                                     relu
  v15.cnn:16  [N, 128, 28, 28]             v1.cnn:16  [N, 128, 28, 28]
= the same 2 more times, at layer3.0.conv1, layer4.0.conv1

6 of 54 layers differ: stride 1 against 2; stride 2 against 1"""
    )


def test_a_deeper_net_is_told_by_its_blocks() -> None:
    found = compare_graphs(graph(RESNET, "ResNet50"), graph(RESNET, "ResNet101"))
    assert {r.kind for r in found.changes} == {"added"}
    assert sum(r.is_layer for r in found.changes) == 3 * 17


def test_swapped_branches_of_every_inception() -> None:
    one, other = "    | conv(b1, 1) -> relu\n", "    | conv(r3, 1) -> relu -> conv(b3, 3, pad=1) -> relu\n"
    assert one + other in GOOGLENET
    left, right = graph(GOOGLENET), graph(GOOGLENET.replace(one + other, other + one))
    assert told(left, right) == "9 of 140 steps differ: `concat`: its branches are in another order"


def test_branches_swapped_behind_another_difference_are_still_told_as_such() -> None:
    one, other = "    | conv(b1, 1) -> relu\n", "    | conv(r3, 1) -> relu -> conv(b3, 3, pad=1) -> relu\n"
    changed = GOOGLENET.replace(one + other, other + one).replace(
        "conv(64, 7, stride=2, pad=3)", "conv(64, 5, stride=2, pad=2)"
    )
    found = compare_graphs(graph(GOOGLENET), graph(changed))
    assert [r.kind for r in found.changes] == ["changed"] + ["rewired"] * 9


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("vgg16.cnn", "conv(width, 3", "conv(width, 5", ""),
        ("alexnet.cnn", "conv(384, 3", "conv(380, 3", "1 of 8 layers differs: channels 384 against 380"),
        ("squeezenet.cnn", "dropout", "relu", ""),
        ("unet.cnn", "maxpool(2)", "avgpool(2)", ""),
    ],
)
def test_one_edit_of_an_example_is_found_where_it_is(file: str, old: str, new: str, expected: str) -> None:
    text = re.sub(r"check \{[^}]*\}", "", (EXAMPLES / file).read_text(encoding="utf-8"))
    assert old in text
    changed = text.replace(old, new, 1)
    nets = check(Source(file, text)).programs
    others = {name: cnnlang.loads(changed, net=name).graph for name in nets}
    differs = 0
    for name, program in nets.items():
        found = compare_graphs(program.graph, others[name])
        differs += bool(found.changes)
        assert expected in summary(found)
    assert differs


def test_a_chain_of_thousands_is_compared_in_seconds() -> None:
    left = net("{ conv(4, 3, pad=1) -> relu } * 2000")
    right = net("{ conv(4, 3, pad=1) -> relu } * 1000\n conv(4, 1)\n { conv(4, 3, pad=1) -> relu } * 1000")
    start = time.perf_counter()
    assert told(left, right) == "1 step only in the second net: `conv(4, 1)`"
    assert time.perf_counter() - start < 20


# --- laws -------------------------------------------------------------------------------------------------------------

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(networks())
def test_a_net_is_equal_to_itself_read_again(text: str) -> None:
    assert compare_graphs(graph(text), graph(text)).are_equal


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(networks(), st.data())
def test_a_changed_number_is_found(text: str, data: st.DataObject) -> None:
    """A number changed in the text either changes nothing of the graph's text, or something is told."""
    lines = text.split("\n")
    at = data.draw(
        st.sampled_from([i for i, line in enumerate(lines) if re.search(r"\bconv\(\d|\bdense\(\d", line)] or [0])
    )
    changed = re.sub(r"\b(conv|dense)\((\d+)", lambda m: f"{m[1]}({int(m[2]) + 1}", lines[at], count=1)
    other = check(Source("random.cnn", "\n".join([*lines[:at], changed, *lines[at + 1 :]])))
    assume(not other.has_errors)
    left, right = graph(text), other.programs["Random"].graph
    found = compare_graphs(left, right)
    assert found.are_equal == (re.sub(r"#.*", "", str(left)) == re.sub(r"#.*", "", str(right)))
    if not found.are_equal:
        assert any(a.name in ("channels", "units") for r in found.changes for a in r.arguments)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(networks(), networks())
def test_any_two_nets_are_told_apart(one: str, other: str) -> None:
    """Every step of both stands in one row; what is told fits a terminal and is the same from the other side."""
    left, right = graph(one), graph(other)
    found = compare_graphs(left, right)
    counted = [r for r in found.rows if r.wiring != "the output is another value" and "output" not in r.wiring]
    assert sorted(map(id, found.left.order)) == sorted(id(r.left) for r in counted if r.left)
    assert sorted(map(id, found.right.order)) == sorted(id(r.right) for r in counted if r.right)
    text = comparison_text(found, (left, right), ("one.cnn", "other.cnn"))
    *lines, _, _ = text.split("\n") if not found.are_equal else ["", "", ""]
    assert max(map(len, lines), default=0) <= 80 + max(len(r.wiring) for r in found.rows)
    assert compare_graphs(right, left).are_equal == found.are_equal


def test_every_operator_is_compared_by_its_arguments() -> None:
    """A step of every operator is equal to itself, and with another argument it is not."""
    values = {"elu": "elu", "conv": "conv(4, 3)"}
    for name, operator in OPERATORS.items():
        if operator.is_merge:
            call = f"{name} {{ | relu | tanh }}"
        else:
            needed = [f for f in operator.fields() if f.required]
            call = values.get(
                name, f"{name}({', '.join('2' if f.name != 'start' else '1' for f in needed)})" if needed else name
            )
        before = "flatten -> " if name == "dense" else ""
        call = call.replace("lrn(2)", "lrn(3)").replace("normalize(2, 2)", "normalize(2, 3)")
        assert told(net(before + call), net(before + call)).startswith("equal"), name


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {
        "a.cnn": "cnn 1\nnet A { input x: [N, 4, 8, 8]\n conv(8, 3) -> relu }\n"
        "net Small { input x: [N, 2]\n dense(1) }\n",
        "b.cnn": "cnn 1\nnet B { input x: [N, 4, 8, 8]\n conv(8, 3) -> tanh }\n",
        "wrong.cnn": "cnn 1\nnet A { input x: [N, 4, 8, 8]\n conv(8, 3) -> rleu }\n",
        "net.cfg": (
            "[net]\nwidth=8\nheight=8\nchannels=4\n\n"
            "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=0\nactivation=relu\n"
        ),
    }
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["a.cnn:A", "a.cnn:A"], 0),
        (["a.cnn", "b.cnn", "--net-a", "A"], 1),
        (["a.cnn:A", "b.cnn"], 1),
        (["a.cnn:A", "a.cnn:Small"], 1),
        (["a.cnn", "b.cnn"], 2),
        (["a.cnn:Nothing", "b.cnn"], 2),
        (["nothing.cnn", "b.cnn"], 2),
        (["-", "-"], 2),
        (["wrong.cnn", "b.cnn"], 1),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    assert main(["diff", *arguments]) == code


@pytest.mark.usefixtures("files")
def test_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "a.cnn:A", "b.cnn"]) == 1
    assert (
        capsys.readouterr().out
        == """\
A (a.cnn)                                B (b.cnn)
296 params, 1 layer                      296 params, 1 layer

conv(8, 3)                               conv(8, 3)
  a.cnn:3  [N, 8, 6, 6]                    b.cnn:3  [N, 8, 6, 6]
relu                                   | tanh
^^^^                                     ^^^^
  a.cnn:3  [N, 8, 6, 6]                    b.cnn:3  [N, 8, 6, 6]

1 of 2 steps differs: `relu` against `tanh`
"""
    )


@pytest.mark.usefixtures("files")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "a.cnn:A", "b.cnn", "--format", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["equal"] is False
    assert data["a"] == {"net": "A", "file": "a.cnn", "params": 296, "layers": 1}
    (row,) = data["differences"]
    assert row["kind"] == "changed"
    assert row["a"] == {
        "step": "relu",
        "name": "relu",
        "file": "a.cnn",
        "line": 3,
        "column": 16,
        "shape": ["N", 8, 6, 6],
    }
    assert row["b"]["step"] == "tanh"


@pytest.mark.usefixtures("files")
def test_a_net_is_compared_with_a_cfg(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "a.cnn:A", "net.cfg"]) == 0
    assert capsys.readouterr().out == "equal: 1 layer in 2 steps\n"
    assert main(["diff", "net.cfg", "b.cnn"]) == 1
    assert "`relu` against `tanh`" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "name"), [("lenet5.cnn", None), ("squeezenet.cnn", "SqueezeNet1_1"), ("unet.cnn", None)]
)
def test_an_exported_model_is_equal(
    file: str, name: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = cnnlang.load(EXAMPLES / file, net=name).program
    model = tmp_path / "net.onnx"
    model.write_bytes(export(program, "onnx", random_weights(program.graph)))
    assert main(["diff", f"{EXAMPLES / file}{f':{name}' if name else ''}", str(model)]) == 0
    assert capsys.readouterr().out.startswith("equal: ")


def test_a_step_of_a_model_is_told_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "cnn 1\nnet A { input x: [N, 4, 8, 8]\n conv(8, 3) as stem -> relu }\n"
    program = cnnlang.loads(text).program
    (tmp_path / "net.onnx").write_bytes(export(program, "onnx", random_weights(program.graph)))
    (tmp_path / "a.cnn").write_text(text.replace("conv(8, 3)", "conv(8, 5)"), encoding="utf-8")
    assert main(["diff", str(tmp_path / "a.cnn"), str(tmp_path / "net.onnx")]) == 1
    out = capsys.readouterr().out
    assert "  stem  [N, 8, 6, 6]" in out
    assert out.endswith("1 of 1 layer differs: kernel 5 against 3\n")


PROTOTXT = """name: "A"
input: "x"
input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 8 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
"""


@pytest.mark.usefixtures("files")
def test_a_net_is_compared_with_a_prototxt(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.prototxt").write_text(PROTOTXT, encoding="utf-8")
    assert main(["diff", "a.cnn:A", "net.prototxt"]) == 0
    assert main(["diff", "net.prototxt", "net.cfg"]) == 0
    assert capsys.readouterr().out == "equal: 1 layer in 2 steps\n" * 2


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("width", ["40", "60", "80", "120", "200"])
def test_no_line_is_wider_than_the_terminal(
    width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    Path("v1.cnn").write_text(v1(RESNET), encoding="utf-8")
    main(["diff", f"{EXAMPLES / 'resnet.cnn'}:ResNet50", "v1.cnn:ResNet50"])
    lines = capsys.readouterr().out.split("\n")
    assert max(map(len, lines[:-2])) <= int(width)


def test_a_name_behind_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_name("a.cnn:Net") == ("a.cnn", "Net")
    assert split_name("a.cnn") == ("a.cnn", None)
    assert split_name("C:\\nets\\a.cnn") == ("C:\\nets\\a.cnn", None)
    Path("b.cnn:Net").write_text("", encoding="utf-8")
    assert split_name("b.cnn:Net") == ("b.cnn:Net", None)


def test_equal_nets_of_other_counts_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, steps in (("a", "conv(8, 3) -> bn"), ("b", "conv(8, 3)")):
        (tmp_path / f"{name}.cnn").write_text(f"cnn 1\nnet A {{ input x: [N, 4, 8, 8]\n {steps} }}\n", encoding="utf-8")
    assert main(["diff", str(tmp_path / "a.cnn"), str(tmp_path / "b.cnn")]) == 0
    assert capsys.readouterr().out == (
        "equal: 1 layer in 1 step\n"
        "params: 312 against 296, for a bn, or the bias before it, is folded into its layer in one\n"
    )


def test_equal_nets_compute_alike_when_their_weights_are() -> None:
    """What is called equal and owns no weights gives the same numbers."""
    from cnnlang.interpret import interpret
    from tests.helpers import random_inputs

    for one, other in (EQUAL[k] for k in ("a pad before an average", "a global average", "ceil that adds nothing")):
        left, right = net(one), net(other)
        (x,) = random_inputs(left, {"N": 2})
        np.testing.assert_array_equal(interpret(left, {}, x)[0], interpret(right, {}, x)[0])

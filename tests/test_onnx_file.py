"""What stands in an ONNX model beside the numbers: names, patterns, hints, metadata; what is refused; the commands."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnnlang
from cnnlang import FindingsError, UsageError, WeightsError
from cnnlang.backends import TARGETS
from cnnlang.backends import export as export_target
from cnnlang.backends.onnx import NEWEST, OLDEST, OPSET, export, hints, refusals
from cnnlang.backends.onnx.metadata import INPUTS, LABELS, META, NORMALIZED, properties
from cnnlang.backends.onnx.steps import lowered, said
from cnnlang.cli import main
from cnnlang.expand import check
from cnnlang.images import load_input
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed
from cnnlang.source import Source
from cnnlang.weights import initialise, save_weights
from tests.helpers import assert_close, random_weights
from tests.operator_cases import arguments
from tests.run_onnx import agree, assert_sound, exported, metadata, model_of, program, run_model, run_onnx

SLOW = list(HealthCheck)


# --- names and patterns -----------------------------------------------------------------------------------------------

NAMED = """
  input image: [N, 2, 9, 9]
  shared s = conv(2, 3, pad=1)
  s -> relu as r
  s -> relu -> silu
  group g { conv(2, 3) as st -> relu }
  { conv(2, 1) -> gelu } * 2
  dropout
  conv(2, 1) as "layer1.0"
  conv(1, 3, weight=[[0, 1, 0], [1, 1, 1], [0, 1, 0]]) as kept
  flatten as ff
  output k = ff -> dense(3) as logits -> softmax
  output same = k
  output kept
  output image
"""


def test_names_are_the_files_own() -> None:
    model = model_of(program(NAMED))
    assert [n.name for n in model.graph.node] == [
        "s", "r", "s/2", "/relu_1", "/silu_1/Sigmoid", "/silu_1/Mul", "g.st", "g/relu_1",
        "repeat1.0.conv1",
        *(f"repeat1.0/gelu_1/{part}" for part in ("Div", "Erf", "Add", "Mul", "Mul_2")),
        "repeat1.1.conv1",
        *(f"repeat1.1/gelu_1/{part}" for part in ("Div", "Erf", "Add", "Mul", "Mul_2")),
        "layer1.0", "kept", "ff", "logits", "/softmax_1", "same/Identity",
    ]  # fmt: skip
    made = {n.name: n.output[0] for n in model.graph.node}
    assert made["/silu_1/Mul"] == "/silu_1"
    assert (made["/softmax_1"], made["kept"], made["r"], made["g.st"]) == ("k", "kept", "r", "g.st")
    assert [o.name for o in model.graph.output] == ["k", "same", "kept", "image"]
    assert [i.name for i in model.graph.input] == ["image"]
    weights = [i.name for i in model.graph.initializer if "/" not in i.name]
    assert weights == list(program(NAMED).graph.weights)
    assert [i.name for i in model.graph.initializer if "/" in i.name] == [
        f"/constant/{np.sqrt(2)!r}".replace("np.float64(", "").replace(")", ""),
        "/constant/1.0",
        "/constant/0.5",
        "kept/weight",
    ]
    agree(program(NAMED), {})


def test_names_that_would_be_alike() -> None:
    net = check(
        Source(
            "a.cnn",
            "cnn 1\n"
            "block twice { conv(2, 1) as image\n relu as out\n relu as constant\n relu as inner }\n"
            "net A { input image: [N, 2, 5, 5]\n twice\n twice\n"
            ' conv(2, 1) as "a.weight" -> relu as b\n conv(2, 1) as "relu_1"\n relu\n relu\n output out = relu }\n',
        )
    ).programs["A"]
    model = said(net, normalize=False)
    assert_sound(net, model)
    names = [n.name for n in model.nodes]
    assert [n for n in names if n.startswith(("inner", "out", "constant"))] == [
        "out/2", "constant", "inner", "out/3", "constant/2", "inner/2",
    ]  # fmt: skip
    agree(net, {})


PATTERNS = [
    ("silu", "Sigmoid Mul"),
    ("mish", "Softplus Tanh Mul"),
    ("gelu", "Div Erf Add Mul Mul"),
    ("prelu", "Unsqueeze PRelu"),
    ("global_avgpool -> prelu", "GlobalAveragePool Flatten PRelu"),
    ("minpool(2)", "Neg MaxPool Neg"),
    ("maxpool(2, ceil=true)", "MaxPool"),
    ("maxpool(2, pad=2, dilation=3)", "Pad MaxPool"),
    ("avgpool(2, pad=1)", "AveragePool"),
    ("avgpool(2, pad=1, stride=4, ceil=true)", "AveragePool"),
    ("avgpool(3, pad=1, stride=2, ceil=true)", "Pad AveragePool"),
    ("avgpool(3, pad=1, stride=2, ceil=true, count_pad=false)", "AveragePool"),
    ("conv(4, 3, pad=1, fill=1)", "Pad Conv"),
    ("conv(4, 3, fill=1)", "Conv"),
    ("depthwise(3, pad=1)", "Conv"),
    ("deconv(4, 2, stride=2)", "ConvTranspose"),
    ("flatten -> dense(3)", "Flatten Gemm"),
    ("bn", "BatchNormalization"),
    ("adaptive_avgpool(1)", "GlobalAveragePool"),
    ("adaptive_avgpool(5)", "AveragePool"),
    ("adaptive_avgpool(3)", "MatMul MatMul"),
    ("group_norm(2)", "Reshape InstanceNormalization Reshape Unsqueeze Unsqueeze Mul Add"),
    ("normalize(1, 2)", "Sub Div"),
    ("channel_shuffle(2)", "Reshape Transpose Reshape"),
    ("lrn(5)", "LRN"),
    ("lrn(5, alpha=-1)", "Mul Reshape AveragePool Reshape Mul Add Pow Div"),
    ("add { | in | relu | tanh }", "Relu Tanh Sum"),
    ("mul { | in | global_avgpool }", "GlobalAveragePool Flatten Unsqueeze Mul"),
    ("mul { | in | relu | tanh }", "Relu Tanh Mul Mul"),
    ("mean { | in | relu }", "Relu Mean"),
    ("max { | in | relu }", "Relu Max"),
    ("concat { | in | relu }", "Relu Concat"),
    ("relu6", "Clip"),
    ("hardswish", "HardSwish"),
    ("dropout -> relu -> dropout", "Relu Identity"),
]


@pytest.mark.parametrize(("steps", "types"), PATTERNS)
def test_pattern(steps: str, types: str) -> None:
    net = program(f"input x: [N, 4, 10, 10]\n{steps}")
    assert [n.op_type for n in said(net, normalize=False).nodes] == types.split()
    agree(net, {})


def test_a_steps_nodes_carry_the_operator() -> None:
    net = program('input x: [N, 4, 9, 9]\nconv(2, 3, pad="same", bias=false) -> group_norm(2, eps=1e-3) -> relu')
    model = model_of(net)
    texts = {n.name: n.doc_string for n in model.graph.node}
    assert texts["conv1"] == 'conv(2, 3, pad="same", bias=false)'
    assert {t for name, t in texts.items() if name.startswith("group_norm1/")} == {"group_norm(2, eps=0.001)"}
    assert texts["/relu_1"] == "relu"
    fixed = program("input x: [N, 1, 9, 9]\nconv(1, 3, weight=[[0, 1, 0], [1, 1, 1], [0, 1, 0]])")
    assert [n.doc_string for n in model_of(fixed).graph.node] == ["conv(1, 3, bias=false)"]


@pytest.mark.parametrize("name", sorted(OPERATORS))
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_a_hint_is_read_as_it_was_written(name: str, data: st.DataObject) -> None:
    try:
        operator = OPERATORS[name].make(data.draw(arguments(name)))
    except cnnlang.OperatorError:
        return
    plain = hints.without_kernel(operator)
    assert str(hints.read(hints.write(operator))) == str(plain)


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.from_regex(r"(conv|pad|relu|add|avgpool)\(([\w=\"\[\]().,x -]{0,30})\)?", fullmatch=True),
    )
)
def test_a_hint_is_read_or_refused(text: str) -> None:
    found = hints.read(text)
    assert found is None or hints.read(str(found)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "conv", "conv(64)", "pad(1,2)", "conv(64, 7, 9, 9, 9, 9, 9, 9, 9, 9)", "conv(64, 7, stride=-1)", "relu(1)",
        "nothing(1)",
        "conv(64, 7, stride=2, stride=3)", "conv(64, 7", "conv(64, 7) -> relu", "conv(__import__)", "relu\n",
        "conv(" + "9" * 5000 + ")", "conv(64, 7x)", "avgpool(3, pad=[[1]])",
        "pad(1, value=1e999)", "pad(1, value=nan)", "leaky_relu(-inf)", "conv(1, 99999999999999999999)",
        "conv(1, 99999999999999999999x1)", "maxpool(1e3)",
    ],
)  # fmt: skip
def test_no_hint(text: str) -> None:
    assert hints.read(text) is None


def test_one_step_by_itself_is_what_the_model_has() -> None:
    net = program("input x: [N, 4, 7, 9]\ngroup_norm(2)")
    one = lowered(OPERATORS["group_norm"].make({"groups": 2}), net.inputs[0].node.type)
    whole = said(net, normalize=False)
    assert [n.op_type for n in one.nodes] == [n.op_type for n in whole.nodes]
    assert [n.attributes for n in one.nodes] == [n.attributes for n in whole.nodes]
    assert [v.tolist() for v in one.constants.values()] == [v.tolist() for v in whole.constants.values()]
    assert one.nodes[0].inputs[0] == "x0"
    assert {"weight", "bias"} <= {name for n in one.nodes for name in n.inputs}


def test_every_operator_is_said_by_itself() -> None:
    given: dict[str, Any] = {
        "channels": 4,
        "kernel": 3,
        "units": 4,
        "groups": 2,
        "size": 3,
        "amount": 1,
        "scale": 2,
        "r": 2,
    }
    given |= {"mean": 0.5, "std": 2.0, "start": 0, "stop": 2, "before": 1, "after": 1}
    for name, operator in OPERATORS.items():
        op = operator.make({f.name: given[f.name] for f in operator.fields() if f.required})
        x = TensorType((1, 8) if name == "dense" else (1, 8, 6, 6))
        model = lowered(op, *[x] * (2 if operator.is_merge else 1))
        assert bool(model.nodes) == (name != "dropout")


# --- the model --------------------------------------------------------------------------------------------------------


def test_the_model_says_who_made_it_and_for_what() -> None:
    model = model_of(program("input x: [N, 3]\ndense(2)"))
    assert (model.producer_name, model.producer_version) == ("cnnlang", cnnlang.__version__)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    assert model.ir_version == 8
    assert model.graph.name == "A"


@pytest.mark.parametrize("opset", range(OLDEST, NEWEST + 1))
def test_opset(opset: int) -> None:
    net = program(
        "input x: [N, 4, 9, 9]\nconv(4, 3) -> bn -> avgpool(2, ceil=true) -> group_norm(2) -> flatten -> dense(3)"
    )
    assert model_of(net, opset=opset).opset_import[0].version == opset
    agree(net, {}, opset=opset)


@pytest.mark.parametrize("opset", [OLDEST - 1, NEWEST + 1, 0])
def test_no_such_opset(opset: int) -> None:
    with pytest.raises(UsageError, match=f"opset {opset}: models are written for opsets from 15 to 22"):
        export(program("input x: [N, 3]\nrelu"), {}, opset=opset)


def test_symbolic_sizes_are_names() -> None:
    model = model_of(program("input x: [N, 3, 16*H, W]\nmaxpool(2)\nconv(2, 3)"))

    def sizes(value: onnx.ValueInfoProto) -> list[str]:
        return [d.dim_param or str(d.dim_value) for d in value.type.tensor_type.shape.dim]

    assert sizes(model.graph.input[0]) == ["N", "3", "16*H", "W"]
    assert sizes(model.graph.output[0]) == ["N", "2", "8*H - 2", "W//2 - 2"]


def test_weights_are_those_given_and_bytes_are_the_same() -> None:
    net = program("input x: [N, 3, 8, 8]\nconv(4, 3) as stem -> bn -> prelu")
    weights = random_weights(net.graph)
    model = onnx.load_from_string(exported(net, weights))
    found = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer if "/" not in i.name}
    assert list(found) == list(weights)
    for path, array in weights.items():
        np.testing.assert_array_equal(found[path], array)
    assert export(net, weights) == export(net, dict(reversed(weights.items())))


def test_heads_that_only_train_are_left_out() -> None:
    net = program("input x: [N, 3, 8, 8]\nconv(4, 3) as c\naux head = c -> global_avgpool -> dense(2)\nglobal_avgpool")
    weights = random_weights(net.training_graph)
    model = onnx.load_from_string(exported(net, weights))
    assert [i.name for i in model.graph.initializer] == ["c.weight", "c.bias"]
    with pytest.raises(WeightsError, match=r"missing: c\.weight"):
        export(net, {})


# --- metadata ---------------------------------------------------------------------------------------------------------


def test_metadata_is_read_back() -> None:
    net = program(
        """
        input image: [N, 3, 224, 192] {
          mean = [0.5, 0.25, 0.125], std = 2, color = "bgr", resize = 256x200, crop = 224x192
        }
        input plain: [N, 1, 8, 8] { invert = true, scale = 1 }
        input age: [N, 3]
        input deep: [N, 5, 4, 4]
        labels ["고양이", "a \\"dog\\"", "\\\\n"]
        meta { source = "https://example.com/?a=1&b=2", licence = "MIT", citation = "A. Person" }
        image -> global_avgpool as a
        plain -> global_avgpool as b
        deep -> global_avgpool as c
        output scores = concat { | a | b | age | c } -> dense(3)
        """
    )
    assert metadata(model_of(net)) == {
        LABELS: ["고양이", 'a "dog"', "\\n"],
        META: {"source": "https://example.com/?a=1&b=2", "licence": "MIT", "citation": "A. Person"},
        INPUTS: {
            "image": {
                "scale": 1 / 255,
                "mean": [0.5, 0.25, 0.125],
                "std": [2.0],
                "color": "bgr",
                "resize": [256, 200],
                "crop": [224, 192],
            },
            "plain": {"scale": 1.0, "mean": [0.0], "std": [1.0], "color": "gray", "invert": True},
            "deep": {"scale": 1 / 255, "mean": [0.0], "std": [1.0]},
        },
    }


HOSTILE = [
    '"); import os  #',
    "a\nb\r\nc",
    "\x00",
    "\ud800",
    "</script>",
    "{{ x }}",
    "%s%n",
    "../../etc/passwd",
    "é" * 9,
]


def test_hostile_texts_are_texts() -> None:
    net = program('input x: [N, 9]\nlabels ["a", "b", "c", "d", "e", "f", "g", "h", "i"]\nrelu')
    meta = dict(zip(("source", "licence", "citation"), HOSTILE, strict=False))
    net = replace(net, labels=tuple(HOSTILE), meta=meta)
    assert all(text.isascii() and text.isprintable() for text in properties(net, []).values())
    model = model_of(net)
    assert metadata(model)[LABELS] == HOSTILE
    assert metadata(model)[META] == meta
    assert "import os" not in str(model.graph)
    agree(net, {})


# --- preprocessing in the model ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behind",
    [
        "",
        "{ mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }",
        "{ scale = 1, mean = [123, 117, 104], color = \"bgr\" }",
        "{ invert = true, std = 0.5 }",
        "{ invert = true, scale = 1, mean = 3, std = [2, 1, 1] }",
    ],
)  # fmt: skip
def test_normalize_is_what_happens_outside_otherwise(behind: str, tmp_path: Path) -> None:
    net = program(f"input image: [N, 3, 6, 7] {behind}\nconv(4, 3) -> relu")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 6, 7), dtype=np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    prepared = load_input(tmp_path / "x.npy", net.inputs[0])
    weights = random_weights(net.graph)
    (outside,) = run_onnx(net, weights, prepared)
    if "bgr" in behind:  # a file of pixels has red first, the model's input is in the order of the net's
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    data = exported(net, weights, normalize=True)
    (inside,) = run_model(data, pixels.astype(np.float32))
    assert_close(inside, outside, 1e-5)
    assert metadata(onnx.load_from_string(data))[NORMALIZED] == ["image"]
    (inside,) = run_model(data, pixels.astype(np.float32), optimized=False)
    assert_close(inside, outside, 1e-5)


def test_normalize_takes_features_as_they_are_unless_the_file_says_more() -> None:
    net = program("input a: [N, 3] { mean = [1, 2, 3], scale = 2 }\ninput b: [N, 3]\nadd { | a | b } -> relu")
    model = model_of(net, normalize=True)
    assert [n.name for n in model.graph.node] == ["a/preprocess/Mul", "a/preprocess/Sub", "/add_1", "/relu_1"]
    assert metadata(model)[NORMALIZED] == ["a"]
    a, b = np.array([[1.0, 2.0, 3.0]], np.float32), np.zeros((1, 3), np.float32)
    np.testing.assert_allclose(run_model(exported(net, {}, normalize=True), a, b)[0], [[1.0, 2.0, 3.0]])


def test_an_input_that_is_an_output_too_is_given_as_the_net_sees_it() -> None:
    net = program("input image: [N, 1, 2, 2]\noutput y = relu\noutput z = image")
    x = np.full((1, 1, 2, 2), 255.0, np.float32)
    for output in run_model(exported(net, {}, normalize=True), x):
        np.testing.assert_allclose(output, np.ones_like(x))


# --- what it cannot say -----------------------------------------------------------------------------------------------


def test_a_model_of_more_than_two_gigabytes_is_refused() -> None:
    net = program("input x: [N, 3, 256, 256]\nflatten\ndense(4096)", "Wide")
    (found,) = refusals(net)
    assert found.code == "E0401"
    assert found.message == "the target `onnx` is a file of at most 2 GB, and the numbers in Wide take 3.2 GB"
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == "Wide"
    with pytest.raises(FindingsError, match="at most 2 GB"):
        export(net, {})
    with pytest.raises(FindingsError, match="at most 2 GB"):  # and no weights are made for nothing
        export_target(net, "onnx", "there is no such file")


def test_constants_are_counted_too() -> None:
    net = program("input x: [N, 1, 30000, 1]\nadaptive_avgpool(20001x1) -> adaptive_avgpool(2x1)")
    (found,) = refusals(net)
    assert "the numbers in A take 2.4 GB" in found.message
    with pytest.raises(cnnlang.OperatorError, match="constants"):
        lowered(OPERATORS["adaptive_avgpool"].make({"size": 10**12}), TensorType((1, 1, 7, 7)))


@pytest.mark.parametrize(
    ("step", "number"),
    [("leaky_relu(1e39)", "1e+39"), ("normalize([0, 1, -1e200], 1)", "-1e+200"), ("pad(1, value=4e38)", "4e+38")],
)
def test_a_number_beyond_float32_is_refused(step: str, number: str) -> None:
    net = program(f"input x: [N, 3, 4, 4]\nrelu -> {step}")
    (found,) = refusals(net)
    assert found.code == "E0401"
    assert found.message.endswith(f"is given {number}")
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == step


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_no_operator_is_refused(name: str) -> None:
    assert name not in TARGETS["onnx"].load().LIMITS


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cnnlang.backends.onnx.encode")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r'pip install "cnnlang\[onnx\]"'):
        export(program("input x: [N, 3]\nrelu"), {})


def test_fixed_kernels_are_constants_and_no_weights() -> None:
    net = program(
        "input x: [N, 2, 5, 5]\n"
        "conv(2, 3, weight=[[0, 1, 0], [1, -4, 1], [0, 1, 0]]) as a\n"
        "a -> depthwise(3, weight=[[1, 2, 1], [2, 4, 2], [1, 2, 1]], bias=true)"
    )
    model = model_of(net)
    names = [i.name for i in model.graph.initializer]
    fixed = [n for n in net.graph.nodes if isinstance(n.op, Fixed)]
    assert [n for n in names if n not in net.graph.weights] == ["a/weight", "depthwise1/weight"]
    assert len(fixed) == 2
    agree(net, {})


# --- from the command line and from Python ----------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]
NET = "cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n  conv(4, 3) -> relu\n}\n"


@pytest.fixture
def cnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in a folder with `a.cnn`: its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    Path("a.cnn").write_text(NET, encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


def test_emit_with_random_weights_says_so(cnn: Run) -> None:
    code, out, err = cnn("emit", "a.cnn", "--target", "onnx", "-o", "a.onnx")
    assert (code, out) == (0, "")
    assert err == (
        "wrote a.onnx\n"
        "note: its weights are random, from seed 0, for there is no A.safetensors; --weights FILE takes trained ones\n"
    )
    onnx.checker.check_model(Path("a.onnx").read_bytes(), full_check=True)
    first = Path("a.onnx").read_bytes()
    assert cnn("emit", "a.cnn", "--target", "onnx", "-o", "a.onnx", "--seed", "0") == (0, "", "wrote a.onnx\n")
    assert Path("a.onnx").read_bytes() == first
    assert cnn("emit", "a.cnn", "--target", "onnx", "-o", "a.onnx", "--seed", "1")[0] == 0
    assert Path("a.onnx").read_bytes() != first


@pytest.mark.parametrize("name", ["A.safetensors", "a.safetensors", "other.npz"])
def test_emit_with_trained_weights(cnn: Run, name: str) -> None:
    net = cnnlang.load("a.cnn")
    weights = random_weights(net.graph)
    save_weights(name, weights)
    options = ["--weights", name] if name == "other.npz" else []
    code, out, err = cnn("emit", "a.cnn", "--target", "onnx", "-o", "a.onnx", *options)
    assert (code, out, err) == (0, "", f"wrote a.onnx with the weights of {name}\n")
    assert Path("a.onnx").read_bytes() == export(net.program, weights)


def test_emit_normalize(cnn: Run) -> None:
    assert cnn("emit", "a.cnn", "--target", "onnx", "-o", "a.onnx", "--normalize", "--seed", "0")[0] == 0
    assert metadata(onnx.load("a.onnx"))[NORMALIZED] == ["x"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "onnx"], "error: onnx is a file of bytes: say where it goes with -o FILE (-o - for a pipe)\n"),
        (
            ["--target", "onnx", "-o", "a.onnx", "--weights", "a", "--seed", "1"],
            "error: --weights and --seed exclude each other: weights are trained or random\n",
        ),
        (
            ["--target", "torch", "--seed", "1"],
            "error: --seed is for a model with weights in it (onnx); torch is text\n",
        ),
        (
            ["--target", "graph", "--normalize"],
            "error: --normalize is for a model with weights in it (onnx); graph is text\n",
        ),
        (
            ["--target", "onnx", "-o", "no/a.onnx", "--seed", "1"],
            "error: no/a.onnx cannot be written: No such file or directory\n",
        ),
        (["--target", "onnx", "-o", "a.onnx", "--weights", "b.npz"], "error: b.npz: there is no such file\n"),
    ],
)  # fmt: skip
def test_emit_refuses(cnn: Run, options: list[str], message: str) -> None:
    assert cnn("emit", "a.cnn", *options) == (2, "", message)
    assert sorted(p.name for p in Path().iterdir()) == ["a.cnn"]


def test_emit_to_a_pipe_and_never_to_a_terminal(cnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    expected = export(cnnlang.load("a.cnn").program, initialise(cnnlang.load("a.cnn").graph, 3))
    for kind in (io.TextIOWrapper, Terminal):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", kind(written, encoding="utf-8"))
        code = main(["emit", "a.cnn", "--target", "onnx", "-o", "-", "--seed", "3"])
        assert (code, written.getvalue()) == ((2, b"") if kind is Terminal else (0, expected))


def test_emits_help_names_every_target(cnn: Run) -> None:
    code, out, _ = cnn("emit", "--help")
    assert code == 0
    for name, target in TARGETS.items():
        assert re.search(rf"^  {name} +{re.escape(target.title)}$", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100


def test_export_from_python(tmp_path: Path) -> None:
    net = cnnlang.loads(NET)
    net.export(tmp_path / "a.onnx", seed=4)
    weights = initialise(net.graph, 4)
    assert (tmp_path / "a.onnx").read_bytes() == export(net.program, weights)
    net.export(tmp_path / "b.onnx", weights, normalize=True)
    assert (tmp_path / "b.onnx").read_bytes() == export(net.program, weights, normalize=True)
    with pytest.raises(UsageError, match="torch is text, without weights"):
        net.export(tmp_path / "c.onnx", target="torch")
    with pytest.raises(UsageError, match="onnx is a file with weights in it"):
        net.emit("onnx")
    with pytest.raises(WeightsError, match="does not fit"):
        net.export(tmp_path / "c.onnx", {"conv1.weight": np.zeros(3)})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]

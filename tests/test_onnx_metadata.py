"""What goes with an ONNX model: labels, preprocessing, `meta`, hostile texts; and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import cnnlang
from cnnlang import FindingsError, UsageError
from cnnlang.backends import TARGETS
from cnnlang.backends import export as export_target
from cnnlang.backends.onnx import export, refusals
from cnnlang.backends.onnx.metadata import INPUTS, LABELS, META, NORMALIZED, properties
from cnnlang.backends.onnx.steps import lowered
from cnnlang.images import load_input
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed
from tests.helpers import assert_close, random_weights
from tests.run_onnx import agree, exported, metadata, model_of, program, run_model, run_onnx

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

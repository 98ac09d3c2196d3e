"""The numbers of ONNX models: every operator, random networks and the examples in ONNX Runtime."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

import cnnlang
from cnnlang import Net
from cnnlang.backends.onnx import NEWEST, OLDEST, OPSET
from cnnlang.backends.onnx.steps import said
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.ops import OPERATORS
from cnnlang.source import Source
from cnnlang.syntax import read_source
from tests.helpers import assert_close, is_steady, random_inputs, random_weights
from tests.operator_cases import arguments, shapes
from tests.run_onnx import agree, assert_sound, exported, program, run_model, run_onnx
from tests.strategies import SIZES, call, networks

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SLOW = list(HealthCheck)
THOROUGH = settings().max_examples > 100


# --- the numbers ------------------------------------------------------------------------------------------------------


@st.composite
def single(draw: st.DrawFn, name: str) -> tuple[str, dict[str, int]]:
    """A net of one operator, on maps of known or symbolic sizes or on features, and the sizes."""
    drawn = draw(shapes(name))
    symbolic = draw(st.integers(0, 2)) == 0
    sizes = {"N": drawn[0][0]}
    lines = []
    for i, shape in enumerate(drawn):
        sides = [str(s) for s in shape[2:]]
        if symbolic and sides and shape[2:] == drawn[0][2:]:
            sides = ["H", "W"]
            sizes |= {"H": shape[2], "W": shape[3]}
        lines.append(f"input x{i}: [{', '.join(['N', str(shape[1]), *sides])}]")
    if OPERATORS[name].is_merge:
        lines.append(f"{name} {{ {' '.join(f'| x{i}' for i in range(len(drawn)))} }}")
    else:
        lines.append(call(name, draw(arguments(name))))
    return "\n".join(lines), sizes


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operator_agrees_in_onnx_runtime(name: str) -> None:
    """Every operator with arguments of its kinds, in the oldest, usual and newest opset, optimised and not."""
    ran = 0

    @settings(max_examples=400 if THOROUGH else 25, deadline=None, suppress_health_check=SLOW, derandomize=not THOROUGH)
    @given(single(name), st.sampled_from([OLDEST, OPSET, NEWEST]), st.booleans())
    def agrees(drawn: tuple[str, dict[str, int]], opset: int, optimized: bool) -> None:
        nonlocal ran
        body, sizes = drawn
        checked = check(Source("a.cnn", f"cnn 1\nnet A {{\n{body}\n}}\n"))
        if "A" not in checked.programs or checked.has_errors:
            return
        net = checked.programs["A"]
        weights, inputs = random_weights(net.graph), random_inputs(net.graph, sizes)
        try:
            (reference,) = interpret(net.graph, weights, *inputs)
        except cnnlang.InputError:  # the sizes drawn are too small for it
            return
        if not (np.isfinite(reference).all() and is_steady(net.graph, weights, inputs, (reference,))):
            return
        assert_close(run_model(exported(net, weights, opset=opset), *inputs, optimized=optimized)[0], reference)
        ran += 1

    agrees()
    assert ran >= 3


@settings(
    max_examples=1_000 if THOROUGH else 60, deadline=None, suppress_health_check=SLOW, derandomize=not THOROUGH
)  # the numbers of saturated activations are of float32: a net that enlarges them again is one in thousands
@given(networks())
def test_random_networks_agree(text: str) -> None:
    result = check(Source("random.cnn", text))
    net = result.programs["Random"]
    weights = random_weights(net.graph)
    data = exported(net, weights)
    for batch in (1, 3):
        inputs = random_inputs(net.graph, {"N": batch, "H": int(str(SIZES["H"])), "W": int(str(SIZES["W"]))})
        reference = interpret(net.graph, weights, *inputs)
        assume(all(np.isfinite(r).all() and np.ptp(r) > 1e-2 for r in reference))
        assume(is_steady(net.graph, weights, inputs, reference))
        for actual, expected in zip(run_model(data, *inputs), reference, strict=True):
            assert_close(actual, expected)


@cache
def example(file: str, name: str | None) -> Net:
    return cnnlang.load(EXAMPLES / f"{file}.cnn", net=name)


SMALL = [
    ("densenet121", "DenseNet121"),
    ("edges", "Edges"),
    ("googlenet", None),
    ("keras_exercises", "Exercise1"),
    ("keras_exercises", "SamePooling"),
    ("lecture", "Direct"),
    ("lecture", "Lecture"),
    ("lecture", "Narrowed"),
    ("lecture", "Pooling"),
    ("lecture", "Slide"),
    ("lenet5", None),
    ("mobilenetv2", None),
    ("resnet", "ResNet18"),
    ("squeezenet", "SqueezeNet1_1"),
]
LARGE = [
    ("alexnet", None),
    ("keras_exercises", "Exercise2"),
    ("resnet", "ResNet34"),
    ("resnet", "ResNet50"),
    ("resnet", "ResNet101"),
    ("resnet", "ResNet152"),
    ("squeezenet", "SqueezeNet1_0"),
    ("unet", None),
    ("vgg16", None),
]


@pytest.mark.parametrize(("file", "name"), SMALL)
def test_example_agrees(file: str, name: str | None) -> None:
    net = example(file, name).program
    weights, inputs = random_weights(net.graph), random_inputs(net.graph, {"N": 1, "H": 16, "W": 16})
    for actual, expected in zip(run_onnx(net, weights, *inputs), interpret(net.graph, weights, *inputs), strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize(("file", "name"), [*SMALL, *LARGE])
def test_example_has_its_weights_and_unique_names(file: str, name: str | None) -> None:
    net = example(file, name).program
    model = said(net, normalize=False)
    assert_sound(net, model)
    paths = {name for node in model.nodes for name in node.inputs} & set(net.graph.weights)
    assert paths == set(net.graph.weights)


def test_every_example_is_tested() -> None:
    found = set()
    for path in EXAMPLES.glob("*.cnn"):
        found |= {(path.stem, name) for name in check(read_source(path)).programs}
    assert {(file, name or example(file, None).name) for file, name in [*SMALL, *LARGE]} == found


# --- where ONNX Runtime has ways of its own ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "normalize(3, 1) -> pad(1) -> maxpool(3)",  # it takes the zeros for padding of the pool
        "normalize(3, 1) -> pad(2) -> maxpool(2, stride=1)",
        "normalize(3, 1) -> pad(1) -> crop(0) -> maxpool(3)",
        "normalize(3, 1) -> pad(1) -> normalize(0, 1) -> maxpool(3)",
        "pad(3) -> avgpool(3)",
        "pad(2) -> avgpool(2, stride=1)",
        "pad(1) -> minpool(3, stride=1)",
        "deconv(2, 3, dilation=4, output_pad=3)",
        "deconv(2, 3, dilation=4, pad=2, output_pad=2)",
        "deconv(2, 3, stride=2, dilation=5, pad=1, output_pad=4x1, bias=false)",
        "maxpool(2, stride=1, pad=2, dilation=3)",
        "minpool(2, stride=2, pad=2, dilation=4, ceil=true)",
        "lrn(3, alpha=0)",
        "lrn(5, beta=-0.5, k=2)",
        "lrn(7, alpha=2, beta=2)",
        "lrn(1, k=0, beta=0.5)",
        "group_norm(3, eps=0.1)",
        "adaptive_avgpool(5x3)",
        "adaptive_avgpool(9x20)",
        "conv(2, 3, stride=2, pad=(0, 3, 2, 1), fill=-2)",
        'upsample(3x2, mode="bilinear")',
        'pad((2, 0, 1, 3), mode="reflect")',
    ],
)
@pytest.mark.parametrize("size", ["9, 10", "H, W"])
@pytest.mark.parametrize("optimized", [True, False])
def test_what_the_runtime_does_otherwise(body: str, size: str, optimized: bool) -> None:
    net = program(f"input x: [N, 3, {size}]\n{body}")
    weights, inputs = random_weights(net.graph), random_inputs(net.graph, {"N": 2, "H": 9, "W": 10})
    (expected,) = interpret(net.graph, weights, *inputs)
    assert_close(run_model(exported(net, weights), *inputs, optimized=optimized)[0], expected)


@pytest.mark.parametrize("kind", ["maxpool", "avgpool", "avgpool count_pad=false"])
@pytest.mark.parametrize("size", ["9, 10", "H, W"])
def test_windows_that_ceil_adds(kind: str, size: str) -> None:
    """Every way for a last window to stand out of the map, or to be dropped."""
    name, _, more = kind.partition(" ")
    for kernel, stride, pad in [(2, 2, 0), (3, 2, 1), (2, 3, 1), (1, 3, 0), (2, 4, 1), (3, 3, 1), (3, 4, (1, 0, 0, 1))]:
        step = f"{name}({kernel}, stride={stride}, pad={pad}, ceil=true{', ' + more if more else ''})"
        agree(program(f"input x: [N, 2, {size}]\n{step}"), {"H": 9, "W": 10})


@pytest.mark.parametrize(
    "steps",
    [
        "conv(4, 3, stride=2, pad=1, fill=2) -> bn -> gelu -> group_norm(2)",
        "deconv(2, 3, stride=2, pad=1, output_pad=1) -> prelu -> mish",
        "deconv(2, 3, dilation=4, output_pad=3) -> silu",
        "minpool(2, pad=2, dilation=3) -> maxpool(3, stride=2, pad=1, ceil=true)",
        "avgpool(3, stride=2, pad=1, ceil=true) -> avgpool(2, stride=4, ceil=true)",
        "normalize(3, 1) -> pad(1) -> maxpool(3) -> channel_shuffle(2)",
        "adaptive_avgpool(3x7) -> pixel_shuffle(2) -> crop((0, 1, 2, 3))",
        'upsample(2x3, mode="bilinear") -> upsample(2) -> pad(1, mode="reflect") -> channels(1, 3)',
        "mul { | in | global_avgpool -> dense(4) -> hardsigmoid } -> mean { | in | hardswish | selu } -> log_softmax",
        "pad_channels(1, 2) -> lrn(3, alpha=-0.1) -> add { | in | global_maxpool } -> softmax",
    ],
)
@pytest.mark.parametrize("size", ["9, 8", "H, W"])
def test_onnx_own_evaluator_agrees(steps: str, size: str) -> None:
    """What is written means the same to the `onnx` library, which knows nothing of ONNX Runtime's ways."""
    net = program(f"input x: [N, 4, {size}]\n{steps}")
    weights, inputs = random_weights(net.graph), random_inputs(net.graph, {"N": 2, "H": 9, "W": 8})
    (expected,) = interpret(net.graph, weights, *inputs)
    evaluator = ReferenceEvaluator(onnx.load_from_string(exported(net, weights)))
    assert_close(evaluator.run(None, {"x": inputs[0]})[0], expected)

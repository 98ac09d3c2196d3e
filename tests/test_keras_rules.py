"""Every operator in Keras: the emitted layers beside the reference, with weights, saved and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from cnnlang.backends.keras_source import emit
from cnnlang.backends.keras_source.rules import merged, pieces
from cnnlang.backends.keras_source.signs import is_never_negative
from cnnlang.errors import OperatorError
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS
from cnnlang.program import Program
from cnnlang.signature import show_value
from cnnlang.source import Source
from tests.helpers import Arrays, assert_close, is_steady, random_inputs, random_weights
from tests.operator_cases import arguments, shapes
from tests.run_keras import keras, keras_model, outputs_of

# NumPy 2 tells PyTorch, as Keras reads its tensors, that their `__array__` should take `copy`
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

LAYERS = [name for name, op in OPERATORS.items() if not op.is_merge]
MERGES = [name for name, op in OPERATORS.items() if op.is_merge]


def program_of(text: str) -> Program:
    result = check(Source("net.cnn", f"cnn 1\n{text}"))
    assert not result.has_errors, [d.message for d in result.diagnostics]
    return list(result.programs.values())[-1]


def net(steps: str, *sizes: int | str) -> Program:
    """A net of some steps on one input [N, *sizes]."""
    return program_of(f"net A {{\n  input x: [N, {', '.join(map(str, sizes))}]\n  {steps}\n}}")


def layers_of(program: Program) -> list[str]:
    """The lines of the emitted net that make layers, without the comments and the net's own name."""
    text = emit(program)
    body = text[text.index("\ndef A(") :].split("\n\n\n")[0]
    lines = [line.strip().partition("  #")[0] for line in body.splitlines()]
    return [line.rstrip(",") for line in lines if "(" in line and not line.startswith(("def", "return", "keras."))]


def agree(program: Program, folder: Path, *batches: int, inputs: Arrays = (), saved: bool = False) -> None:
    """The emitted model gives what the reference gives, and so it does when it was saved and read again."""
    weights = random_weights(program.graph)
    model = keras_model(program, weights)
    assert sum(int(np.prod(v.shape)) for v in model.weights) == sum(w.size for w in weights.values())
    for batch in batches or (2,):
        sizes = {"N": batch, "H": 2, "W": 3}
        given = inputs or random_inputs(program.graph, sizes)
        with np.errstate(all="ignore"):
            reference = interpret(program.graph, weights, *given)
        results = outputs_of(model, given)
        assert len(results) == len(reference)
        if inputs or is_steady(program.graph, weights, given, reference):
            for actual, expected in zip(results, reference, strict=True):
                assert_close(actual, expected)
    if saved:
        model.save(folder / "net.keras")
        for before, after in zip(
            results, outputs_of(keras.models.load_model(folder / "net.keras"), given), strict=True
        ):
            np.testing.assert_array_equal(before, after)


def call(name: str, values: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{k}={show_value(v)}' for k, v in values.items())})"


@pytest.mark.parametrize("name", LAYERS)
@settings(
    max_examples=10, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_an_operator_with_any_arguments(name: str, tmp_path: Path, data: st.DataObject) -> None:
    values = data.draw(arguments(name))
    shape = data.draw(shapes(name))[0]
    try:
        op = OPERATORS[name].make(values)
        op.result(TensorType(shape))
        op.weights(TensorType(shape))
    except OperatorError:
        assume(False)
    is_chain = data.draw(st.booleans())
    steps = call(name, values) + ("" if is_chain else " as y\n  output x, y")
    agree(net(steps, *shape[1:]), tmp_path, shape[0], saved=data.draw(st.integers(0, 3)) == 0)


SHAPES = {"a map": (3, 5, 4), "one cell": (3, 1, 1), "one channel": (1, 3, 3), "features": (3,), "one number": (1,)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", MERGES)
def test_a_merge(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    agree(net(f"{name} {{ | in | tanh | relu }}", *shape), tmp_path, 1, 3, saved=True)


@pytest.mark.parametrize("name", ["add", "mul"])
@pytest.mark.parametrize("branches", ["in | global_avgpool", "global_avgpool | in", "global_maxpool | in | tanh"])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (3, 1, 1), (1, 2, 5), (4, "2*H", "W")])
def test_a_merge_of_features_with_maps(name: str, branches: str, sizes: tuple[Any, ...], tmp_path: Path) -> None:
    agree(net(f"{name} {{ | {branches} }}", *sizes), tmp_path, 1, 3, saved=True)


# steps, the sizes that enter, and the layers that they become: None where what they compute is enough
CASES: dict[str, tuple[str, tuple[int | str, ...], list[str] | None]] = {
    "same padding": ('conv(4, 3, pad="same")', (3, 5, 6), ['layers.Conv2D(4, 3, padding="same", name="conv1")']),
    "same padding, written as a number": (
        "conv(4, 3x5, pad=1x2)",
        (3, 5, 6),
        ['layers.Conv2D(4, (3, 5), padding="same", name="conv1")'],
    ),
    "symmetric padding at stride 2": (
        "conv(4, 3, stride=2, pad=1)",
        (3, 6, 5),
        ["layers.ZeroPadding2D(1)", 'layers.Conv2D(4, 3, strides=2, name="conv1")'],
    ),
    "TensorFlow's padding": (
        'conv(4, 3, stride=2, pad="same_upper")',
        (3, 6, 5),
        ['layers.Conv2D(4, 3, strides=2, padding="same", name="conv1")'],
    ),
    "TensorFlow's padding of an even kernel": (
        'conv(4, 4, pad="same_upper")',
        (3, 6, 5),
        ['layers.Conv2D(4, 4, padding="same", name="conv1")'],
    ),
    "uneven padding": (
        "conv(4, 3, pad=(0, 1, 2, 0))",
        (3, 6, 5),
        ["layers.ZeroPadding2D(((0, 1), (2, 0)))", 'layers.Conv2D(4, 3, name="conv1")'],
    ),
    "a padding that is the whole map": ("conv(2, 3, pad=1)", (2, 1, 1), None),
    "cells around that are not 0": (
        "conv(4, 3, pad=1, fill=0.5)",
        (3, 6, 5),
        ["Padding2D(1, 0.5)", 'layers.Conv2D(4, 3, name="conv1")'],
    ),
    "cells around that are not 0, by size": ('conv(4, 3, stride=2, pad="same_upper", fill=-1.5)', (3, 6, 5), None),
    "dilation": ('conv(4, 3, pad="same", dilation=2x1)', (3, 6, 5), None),
    "stride and dilation": (
        "conv(4, 3, stride=2, dilation=2, pad=2)",
        (3, 8, 7),
        [
            'layers.Conv2D(4, 3, padding="same", dilation_rate=2, name="conv1")',
            "layers.AveragePooling2D(1, strides=2)",
        ],
    ),
    "stride and dilation on other axes": ("conv(4, 3, stride=2x1, dilation=1x2, pad=(1, 0, 0, 3))", (3, 8, 7), None),
    "stride and dilation with TensorFlow's padding": (
        'conv(4, 3, stride=3, dilation=2, pad="same_upper")',
        (3, 8, 7),
        None,
    ),
    "groups": ("conv(6, 3, groups=3, stride=1x2, bias=false)", (3, 6, 5), None),
    "a fixed kernel": (
        'conv(2, 3, weight=[[1, 0, -1], [2, 0, -2], [1, 0, -1]], pad="same")',
        (3, 6, 5),
        ['FixedConv2D(2, [[1, 0, -1], [2, 0, -2], [1, 0, -1]], padding="same")'],
    ),
    "a fixed kernel with a bias": ("conv(2, 1x2, weight=[[1.5, -1]], bias=true)", (3, 6, 5), None),
    "a fixed kernel for each pair": (
        "conv(2, 1x2, weight=[[[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]]], groups=2, stride=2)",
        (4, 6, 5),
        None,
    ),
    "a fixed kernel for each channel": ("depthwise(2, weight=[[1, 2], [3, 4]], multiplier=2)", (3, 6, 5), None),
    "a fixed kernel with stride and dilation": (
        "conv(1, 2, weight=[[1, 2], [3, 4]], stride=2, dilation=2, bias=true)",
        (3, 6, 5),
        None,
    ),
    "depthwise": ("depthwise(3, stride=2, pad=1, multiplier=2)", (3, 6, 5), None),
    "depthwise with unequal strides": ("depthwise(3, stride=1x2, bias=false)", (3, 6, 5), None),
    "depthwise with stride and dilation": ("depthwise(3, stride=2x3, dilation=2)", (3, 9, 9), None),
    "deconv": ("deconv(4, 2, stride=2)", (3, 3, 4), ['layers.Conv2DTranspose(4, 2, strides=2, name="deconv1")']),
    "deconv to twice the size": (
        "deconv(4, 4, stride=2, pad=1)",
        (3, 3, 4),
        ['layers.Conv2DTranspose(4, 4, strides=2, padding="same", name="deconv1")'],
    ),
    "deconv with a row more": (
        "deconv(4, 3, stride=2, output_pad=1)",
        (3, 3, 4),
        ['layers.Conv2DTranspose(4, 3, strides=2, output_padding=1, name="deconv1")'],
    ),
    "deconv with a row more and one less": (
        "deconv(4, 3, stride=2, pad=1, output_pad=1)",
        (3, 3, 4),
        [
            'layers.Conv2DTranspose(4, 3, strides=2, name="deconv1")',
            "layers.Cropping2D(((1, 0), (1, 0)))",
        ],
    ),
    "deconv with gaps": ("deconv(4, 1, stride=3)", (3, 3, 4), None),
    "deconv with gaps filled up": ("deconv(4, 1, stride=3, output_pad=2)", (3, 3, 4), None),
    "deconv with more rows than its stride": ("deconv(4, 3, dilation=3, output_pad=2x1)", (3, 3, 4), None),
    "deconv with stride and dilation": (
        "deconv(4, 3x2, stride=2x3, dilation=3x2, pad=1, output_pad=2x1)",
        (3, 3, 4),
        None,
    ),
    "deconv with uneven padding": ("deconv(4, 5, stride=2, pad=(0, 3, 2, 1))", (3, 3, 4), None),
    "deconv with TensorFlow's padding": ('deconv(4, 3, stride=2, pad="same_upper")', (3, 3, 4), None),
    "deconv in groups": ("deconv(6, 3, stride=2, groups=3, bias=false) -> relu", (3, 3, 4), None),
    "maxpool after relu": (
        "relu -> maxpool(3, stride=2, pad=1)",
        (3, 7, 6),
        ["layers.ReLU()", "layers.ZeroPadding2D(1)", "layers.MaxPooling2D(3, strides=2)"],
    ),
    "maxpool of what may be negative": (
        "tanh -> maxpool(3, stride=2, pad=1)",
        (3, 7, 6),
        ['layers.Activation("tanh")', 'Padding2D(1, float("-inf"))', "layers.MaxPooling2D(3, strides=2)"],
    ),
    "maxpool at stride 1": (
        "maxpool(3, stride=1, pad=1)",
        (3, 7, 6),
        ['layers.MaxPooling2D(3, strides=1, padding="same")'],
    ),
    "maxpool with TensorFlow's padding": (
        'maxpool(3, stride=2, pad="same_upper")',
        (3, 7, 6),
        ['layers.MaxPooling2D(3, strides=2, padding="same")'],
    ),
    "maxpool with a last window that stands out": (
        "relu -> maxpool(3, stride=2, ceil=true)",
        (3, 8, 7),
        ["layers.ReLU()", "layers.ZeroPadding2D(((0, 1), (0, 1)))", "layers.MaxPooling2D(3, strides=2)"],
    ),
    "maxpool with a last window that does not": (
        "maxpool(3, stride=2, ceil=true)",
        (3, 7, 9),
        ["layers.MaxPooling2D(3, strides=2)"],
    ),
    "maxpool with a last window that is dropped": ("maxpool(2, stride=3, pad=1, ceil=true)", (3, 5, 8), None),
    "maxpool with only the last window": ("maxpool(5, stride=2, ceil=true)", (3, 4, 4), None),
    "maxpool with dilation": ("maxpool(3x2, stride=2x1, dilation=2x3, pad=1)", (3, 9, 8), None),
    "maxpool with dilation and ceil": ("maxpool(2, stride=2, dilation=3, ceil=true)", (3, 9, 8), None),
    "maxpool of any size": ("maxpool(3, stride=2, pad=1, ceil=true)", (3, "4*H", "3*W"), None),
    "minpool": ("minpool(3, stride=2, pad=1)", (3, 7, 6), ['Padding2D(1, float("inf"))', "MinPooling2D(3, strides=2)"]),
    "minpool at stride 1": ('minpool(3, stride=1, pad="same")', (3, 7, 6), None),
    "minpool with dilation": ("minpool(2, stride=1, dilation=2, pad=(1, 0, 0, 1))", (3, 7, 6), None),
    "avgpool": ("avgpool(2)", (3, 7, 6), ["layers.AveragePooling2D(2)"]),
    "avgpool that counts padding": (
        "avgpool(3, stride=2, pad=1)",
        (3, 7, 6),
        ["layers.ZeroPadding2D(1)", "layers.AveragePooling2D(3, strides=2)"],
    ),
    "avgpool that counts no padding": (
        "avgpool(3, stride=1, pad=1, count_pad=false)",
        (3, 7, 6),
        ['layers.AveragePooling2D(3, strides=1, padding="same")'],
    ),
    "avgpool that counts no padding, at stride 2": ("avgpool(3, stride=2, pad=1, count_pad=false)", (3, 7, 6), None),
    "avgpool that counts no uneven cells": ('avgpool(2, stride=1, pad="same_upper", count_pad=false)', (3, 7, 6), None),
    "avgpool that counts padding, with ceil": ("avgpool(3, stride=2, pad=1, ceil=true)", (3, 8, 6), None),
    "avgpool that counts no padding, with ceil": (
        "avgpool(3x2, stride=2x3, pad=1, ceil=true, count_pad=false)",
        (3, 8, 6),
        None,
    ),
    "avgpool of any size": ("avgpool(3, stride=2, ceil=true)", (3, "4*H", "3*W"), None),
    "adaptive_avgpool to a divisor": ("adaptive_avgpool(3x2)", (3, 6, 6), ["layers.AveragePooling2D((2, 3))"]),
    "adaptive_avgpool to bins that overlap": ("adaptive_avgpool(3x4)", (3, 7, 6), None),
    "adaptive_avgpool to more bins than cells": ("adaptive_avgpool(4x3)", (3, 1, 2), None),
    "adaptive_avgpool of any size": ("adaptive_avgpool(3x2)", (3, "2*H+1", "W"), None),
    "bn": (
        "bn(eps=0.001, momentum=0.003)",
        (3, 2, 2),
        ['layers.BatchNormalization(momentum=0.997, epsilon=0.001, name="bn1")'],
    ),
    "bn of features": ("bn", (3,), None),
    "group_norm of single numbers": ("group_norm(4)", (4,), None),
    "group_norm of one cell": ("group_norm(4)", (4, 1, 1), None),
    "group_norm of any size": ("group_norm(2)", (4, "H", "W"), None),
    "normalize by channel": (
        "normalize(mean=[0.5, 0, 1], std=[0.25, 1, 2])",
        (3, 2, 2),
        ["layers.Normalization(mean=[0.5, 0.0, 1.0], variance=[0.25**2, 1, 2**2])"],
    ),
    "normalize all alike": (
        "normalize(mean=0.5, std=0.25)",
        (3, 2, 2),
        ["layers.Normalization(axis=None, mean=0.5, variance=0.25**2)"],
    ),
    "normalize by one mean and several deviations": ("normalize(mean=0.5, std=[1, 2, 4])", (3, 2, 2), None),
    "normalize by next to nothing": ("normalize(mean=[1e-9, 0, 2], std=1e-9)", (3, 2, 2), None),
    "normalize features": ("normalize(mean=[0.5, 0, 1], std=0.5)", (3,), None),
    "lrn of more channels than there are": ("lrn(9, alpha=0.5, beta=0.6, k=2)", (3, 2, 2), None),
    "prelu": ("prelu", (3, 2, 2), ['layers.PReLU(shared_axes=[1, 2], name="prelu1")']),
    "prelu of features": ("prelu", (3,), ['layers.PReLU(name="prelu1")']),
    "leaky_relu": ("leaky_relu(0.1)", (3, 2, 2), ["layers.LeakyReLU(negative_slope=0.1)"]),
    "leaky_relu with a slope below 0": ("leaky_relu(-0.5)", (3, 2, 2), None),
    "leaky_relu with a slope above 1": ("leaky_relu(2.5)", (3, 2, 2), None),
    "softmax of a map": ("softmax", (3, 2, 2), ["layers.Softmax()"]),
    "softmax of one channel": ("softmax", (1, 2, 2), None),
    "an activation in a layer": (
        "conv(2, 1) -> hardswish",
        (3, 2, 2),
        ['layers.Conv2D(2, 1, activation="hard_swish", name="conv1")'],
    ),
    "flatten behind which a dense layer reads": ("flatten -> dense(3)", (3, 2, 4), None),
    "flatten alone": ("flatten", (3, 2, 4), ["layers.Permute((3, 1, 2))", "layers.Flatten()"]),
    "reflection": ("pad((0, 1, 2, 1), mode=\"reflect\")", (3, 2, 4), None),
    "reflection of one channel": ("pad(1, mode=\"reflect\")", (1, 2, 4), None),
    "edges": ("pad((0, 3, 2, 1), mode=\"edge\")", (3, 2, 4), None),
    "edges of one cell": ("pad(2, mode=\"edge\")", (3, 1, 1), None),
    "edges of any size": ("pad(2, mode=\"edge\")", (3, "H", "W"), None),
    "a value around": ("pad(1x2, value=-2)", (3, 2, 4), None),
    "infinity around": ("pad(1, value=2) -> crop((1, 0, 0, 1))", (3, 2, 4), None),
    "bilinear": ("upsample(2x3, mode=\"bilinear\")", (3, 2, 4), None),
    "bilinear from one cell": ("upsample(3, mode=\"bilinear\")", (3, 1, 1), None),
    "bilinear of any size": ("upsample(2, mode=\"bilinear\")", (3, "H", "W"), None),
    "pixel_shuffle of any size": ("pixel_shuffle(2)", (8, "H", "W"), None),
    "channel_shuffle of any size": ("channel_shuffle(2)", (6, "H", "W"), None),
    "channels of features": ("channels(1, 3)", (4,), None),
    "pad_channels of features": ("pad_channels(1, 3)", (4,), None),
    "pad_channels": ("pad_channels(0, 2)", (4, 2, 2), None),
}  # fmt: skip


@pytest.mark.parametrize("title", CASES)
def test_a_case(title: str, tmp_path: Path) -> None:
    steps, sizes, expected = CASES[title]
    program = net(steps, *sizes)
    if expected is not None:
        assert layers_of(program) == expected
    agree(program, tmp_path, 1, 3, saved=True)
    agree(net(f"{steps} as y\n  output x, y", *sizes), tmp_path, 2, saved=True)


SPREADING = [
    "relu",
    "leaky_relu(0.1)",
    "elu",
    "silu",
    "hardswish",
    "mish",
    "softmax",
    "log_softmax",
    "maxpool(2)",
    "maxpool(3, stride=2, pad=1)",
    "relu -> maxpool(3, stride=2, pad=1)",
    'maxpool(3, stride=1, pad="same")',
    "maxpool(2, stride=1, dilation=2)",
    "minpool(3, stride=2, pad=1)",
    "minpool(2, stride=1, dilation=2)",
    "avgpool(3, stride=2, ceil=true)",
    "avgpool(3, stride=1, pad=1, count_pad=false)",
    "adaptive_avgpool(3x2)",
    "global_avgpool",
    "global_maxpool",
    "conv(1, 2, weight=[[1, 2], [3, 4]], stride=2, dilation=2)",
    "group_norm(3)",
    "lrn(3)",
    'pad(2, mode="edge")',
    'pad(2, mode="reflect")',
    "normalize(mean=1, std=2)",
    'upsample(2, mode="bilinear")',
    "max { | in | relu }",
    "mean { | in | relu }",
]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("steps", SPREADING)
def test_what_is_not_finite_spreads_as_in_the_reference(steps: str, value: float, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype(np.float32)
    x[0, 1, 2, 3] = value
    agree(net(steps, 3, 6, 5), tmp_path, inputs=(x,))


def test_group_norm_does_not_lose_what_is_small_beside_its_mean(tmp_path: Path) -> None:
    x = 100 + np.random.default_rng(0).normal(size=(2, 4, 3, 3)).astype(np.float32)
    agree(net("group_norm(2)", 4, 3, 3), tmp_path, inputs=(x,))


def test_group_norm_of_single_numbers_is_the_bias(tmp_path: Path) -> None:
    agree(net("group_norm(3)", 3), tmp_path, inputs=(np.array([[1e4, -3e5, 7]], np.float32),))


BLOCK = "block step(c, k, s=1) { conv(c, k, stride=s, pad=k//2) -> relu -> maxpool(k, stride=s, pad=k//2) }\n"


@pytest.mark.parametrize(
    ("calls", "padding"),
    [("step(2, 3) -> step(3, 5)", "same"), ("step(2, 3, 2) -> step(3, 1)", "layers.ZeroPadding2D(k // 2)")],
)
def test_a_block_pads_by_its_own_parameter(calls: str, padding: str, tmp_path: Path) -> None:
    program = program_of(f"{BLOCK}net A {{\n  input x: [N, 3, 9, 8]\n  {calls}\n}}")
    assert emit(program).count("def step(") == 1
    assert emit(program).count(padding) == 2
    agree(program, tmp_path, 1, 3, saved=True)


def test_a_block_at_several_sizes(tmp_path: Path) -> None:
    text = """
block step(c) {
  conv(c, 3, stride=2, pad="same_upper", fill=1) -> avgpool(3, stride=1, ceil=true, pad="same_upper")
  maxpool(2, stride=2, ceil=true) -> adaptive_avgpool(3) -> upsample(2)
}
net A { input x: [N, 3, 17, 14]
  step(2) -> step(3) -> conv(2, 1) -> step(4) }"""
    agree(program_of(text), tmp_path, 1, 3)


def test_every_operator_has_a_rule() -> None:
    assert [name for name in LAYERS if pieces.dispatch(OPERATORS[name]) is pieces.dispatch(object)] == []
    assert [name for name in MERGES if merged.dispatch(OPERATORS[name]) is merged.dispatch(object)] == []


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("relu -> dropout -> avgpool(2)", True),
        ("softmax -> maxpool(2)", True),
        ("tanh", False),
        ("relu -> lrn(3) -> max { | in | relu6 }", True),
        ("relu -> lrn(3, alpha=-1)", False),
        ("relu -> bn", False),
        ("relu -> pad(1, value=-1)", False),
        ("add { | relu | sigmoid -> crop(0) }", True),
        ("add { | relu | in }", False),
    ],
)
def test_what_is_never_negative(steps: str, expected: bool) -> None:
    assert is_never_negative(net(steps, 3, 4, 4).graph.outputs[0], frozenset()) is expected


BY_SIZE = [
    'avgpool(3, stride=2, pad="same_upper")',
    'conv(3, 3, stride=2, pad="same_upper", fill=1)',
    'conv(3, 3, stride=3, dilation=2, pad="same_upper")',
    'depthwise(2, stride=2, pad="same_upper", weight=[[1, 2], [3, 4]])',
    'maxpool(2, stride=2, dilation=2, pad="same_upper")',
    'minpool(2, stride=3, dilation=2, pad="same_upper")',
]


@pytest.mark.parametrize("step", BY_SIZE)
def test_a_shared_block_pads_by_the_size_of_its_map(step: str, tmp_path: Path) -> None:
    text = f"""
block part() {{ {step} -> conv(3, 1) }}
net A {{ input x: [N, 3, 16, 13]
  shared twice = part()
  x -> twice -> upsample(3) -> crop((0, 1, 2, 0)) -> twice }}"""
    agree(program_of(text), tmp_path, 1, 2, saved=True)


APPLIED_TWICE = """
block down(skip: tensor) {{
  add {{ | skip | {} }}
  maxpool(3, stride=2, pad=1) -> upsample(2) -> conv(3, 1, bias=false)
}}
net A {{ input x: [N, 3, 8, 8]
  relu as first
  down(first) -> down(first) -> relu as second
  maxpool(3, stride=2, pad=1) -> upsample(2)
  {{ maxpool(3, stride=2, pad=1) -> upsample(2) -> conv(3, 1, bias=false) }} * 2
  for i in range(2) {{ maxpool(3, stride=2, pad=1) -> upsample(2) -> conv(3, 1, bias=false) }} }}"""


@pytest.mark.parametrize("branch", ["in", "relu"])
def test_what_enters_a_block_may_be_negative_elsewhere(branch: str, tmp_path: Path) -> None:
    """The uses of a block on maps of one shape are one to the writer, which sees the first."""
    agree(program_of(APPLIED_TWICE.format(branch)), tmp_path, 1, 2)

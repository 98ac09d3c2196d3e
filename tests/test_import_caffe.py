"""Caffe's prototxt: well-known nets by their figures, layers against Caffe's own arithmetic, phases, bad files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlang import analysis
from cnnlang.errors import FindingsError
from cnnlang.importing import written
from cnnlang.importing.caffe.layers import RULES
from cnnlang.importing.caffe.reader import read_source
from cnnlang.importing.reading import Reading
from cnnlang.interpret import interpret
from cnnlang.ir import Graph
from cnnlang.source import Source
from cnnlang.weights import expected_shapes, load_weights
from tests import caffe_nets as nets
from tests.caffe_nets import conv, dense, layer, pool
from tests.helpers import assert_close, random_weights

DATA_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"


def reading(text: str, **more: Any) -> Reading:
    return read_source(Source("deploy.prototxt", text), **more)


def graph_of(text: str, **more: Any) -> Graph:
    return reading(text, **more).foreign.graph


def start(*dims: int) -> str:
    return 'input: "data"\ninput_shape { ' + " ".join(f"dim: {d}" for d in (1, *dims)) + " }\n"


def findings(text: str) -> list[str]:
    """What is wrong with a prototxt: the code, the text under the caret, the message."""
    try:
        found = reading(text).findings
    except FindingsError as error:
        found = error.diagnostics
    return [f"{d.code} {d.span.text if d.span else ''}: {d.message}" for d in found]


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "params", "depth"),
    [
        (nets.lenet(), 431_080, 4),
        (nets.caffenet(), 60_965_224, 8),
        (nets.vgg16(), 138_357_544, 16),
        (nets.squeezenet("1.0"), 1_248_424, 18),
        (nets.squeezenet("1.1"), 1_235_496, 18),
        (nets.googlenet(), 6_998_552, 22),
        (nets.resnet50(), 25_557_032, 50),
        (nets.mobilenet(), 4_231_976, 28),
        (nets.densenet121(), 7_978_856, 121),
    ],
    ids=[
        "lenet",
        "caffenet",
        "vgg16",
        "squeezenet 1.0",
        "squeezenet 1.1",
        "googlenet",
        "resnet",
        "mobilenet",
        "densenet",
    ],
)
def test_parameters_and_depth_are_the_papers(text: str, params: int, depth: int) -> None:
    graph = graph_of(text)
    assert (analysis.params(graph), analysis.depth(graph)) == (params, depth)
    assert [str(n.type) for n in graph.outputs] in (["[N, 1000]"], ["[N, 10]"])


@pytest.mark.skipif(
    not (DATA_FOLDER / "squeezenet_v1_0.npz").is_file(), reason="trained weights are not beside the project"
)
def test_a_net_with_its_trained_weights_computes_what_caffe_did() -> None:
    net = written(reading(nets.squeezenet("1.0", pad=1).replace("prob", "end").replace('"Softmax"', '"Flatten"'))).net()
    assert net.macs == 861_339_936
    weights = load_weights(DATA_FOLDER / "squeezenet_v1_0.npz", expected_shapes(net.graph))
    with np.load(DATA_FOLDER / "squeezenet_v1_0_expected.npz", allow_pickle=False) as file:
        photos, logits = file["input_u8_rgb_nhwc"], file["logits"]
    x = photos[:1, ..., ::-1].transpose(0, 3, 1, 2) - np.array([104.0, 117.0, 123.0])[:, None, None]
    assert_close(interpret(net.graph, weights, x)[0], logits[:1])


def test_the_sizes_of_maps_are_caffes() -> None:
    sizes = [str(n.type) for n in graph_of(nets.googlenet()).nodes if n.op.name == "maxpool"]
    assert sizes[:2] == ["[N, 64, 56, 56]", "[N, 192, 28, 28]"]
    sizes = [str(n.type) for n in graph_of(nets.squeezenet("1.0")).nodes if n.op.name == "maxpool"]
    assert sizes == ["[N, 96, 55, 55]", "[N, 256, 27, 27]", "[N, 512, 13, 13]"]


@pytest.mark.parametrize(
    "make", [nets.lenet, nets.caffenet, lambda: nets.squeezenet("1.0"), nets.googlenet, nets.mobilenet]
)
def test_the_text_is_the_same_net(make: Callable[[], str]) -> None:
    found = reading(make())
    net, graph = written(found).net(), found.foreign.graph
    assert (net.params, net.macs, net.depth) == (analysis.params(graph), analysis.macs(graph), analysis.depth(graph))
    assert not net.warnings


def test_names_become_paths() -> None:
    paths = list(graph_of(nets.googlenet()).weights)
    assert "inception_3a.conv_1x1.weight" in paths
    assert "inception_3a.pool_proj.bias" in paths
    assert "loss3.classifier.weight" in paths
    weights = graph_of(
        start(3, 4, 4) + conv("a b!", "data", 2, 1) + conv("", "a b!", 2, 1) + conv("a/b/", "", 2, 1)
    ).weights
    assert list(weights)[::2] == ["a_b_.weight", "Convolution.weight", "a.b.weight"]


def test_repeated_structure_becomes_blocks_even_where_names_stand_in_the_way() -> None:
    found = reading(nets.googlenet())
    assert "block inception(" in written(found).text
    resnet = reading(nets.resnet50())
    kept, left = written(resnet, keep_names=True).text, written(resnet).text
    assert "_branch2a" in kept
    assert left.count("\n") <= kept.count("\n")


def test_layers_whose_names_count_in_their_own_ways() -> None:
    text, bottom, channels = nets.start("Net", 3, 32), "data", 3
    for i in range(1, 5):
        name, made = f"res{i}", 8 * i
        text += conv(f"{name}_match", bottom, made, 1, relu=False) if made != channels else ""
        text += conv(f"{name}_conv1", bottom, made, 3, pad=1) + conv(f"{name}_conv2", f"{name}_conv1", made, 3, pad=1)
        text += layer(name, "Eltwise", [f"{name}_match" if made != channels else bottom, f"{name}_conv2"])
        text += layer(f"{name}_relu", "ReLU", name, name)
        text += conv(f"{name}_down{i * i}", name, made, 3, stride=2) if i < 3 else ""
        bottom, channels = f"{name}_down{i * i}" if i < 3 else name, made
    found = reading(text)
    for keep in (True, False):
        assert written(found, keep_names=keep).net().params == analysis.params(found.foreign.graph)


# --- numbers ----------------------------------------------------------------------------------------------------------


def compute(text: str, *inputs: Any) -> tuple[list[Any], dict[str, Any]]:
    """The outputs of a prototxt for inputs without their batch, and the weights that were drawn."""
    graph = graph_of(text)
    weights = random_weights(graph)
    return [y[0] for y in interpret(graph, weights, *(x[None] for x in inputs))], weights


def drawn(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("how", ["MAX", "AVE"])
@pytest.mark.parametrize(
    ("side", "kernel", "stride", "pad"),
    [
        (6, 3, 2, 0), (7, 3, 2, 0), (7, 3, 2, 1), (8, 3, 2, 1), (7, 2, 2, 0),
        (7, 3, 1, 1), (10, 3, 3, 1), (9, 5, 4, 2), (4, 2, 2, 1), (2, 3, 2, 0),
    ],
)  # fmt: skip
def test_pooling_rounds_up_and_counts_as_caffe_does(how: str, side: int, kernel: int, stride: int, pad: int) -> None:
    x = drawn(2, side, side + 1)
    (y,), _ = compute(start(*x.shape) + pool("pool", "data", kernel, stride, pad, how), x)
    assert_close(y, nets.pooled(x, kernel, stride, pad, how), 1e-12)


def test_averages_at_the_border_by_hand() -> None:
    """3x3 windows at stride 2 over a padded 4x4 map of ones: the last windows reach out of the padding too."""
    (y,), _ = compute(start(1, 4, 4) + pool("pool", "data", 3, 2, 1, "AVE"), np.ones((1, 4, 4)))
    assert_close(y[0], np.array([[4 / 9, 6 / 9, 2 / 6], [6 / 9, 1, 3 / 6], [2 / 6, 3 / 6, 1 / 4]]), 1e-12)


@pytest.mark.parametrize(
    "more", [{}, {"stride": 2, "pad": 1}, {"dilation": 2, "pad": 2}, {"group": 2}, {"bias_term": False}]
)
def test_a_convolution_computes_what_caffe_does(more: dict[str, Any]) -> None:
    x = drawn(4, 7, 6)
    (y,), w = compute(start(*x.shape) + conv("c", "data", 6, 3, relu=False, **more), x)
    stride, pad, dilation, groups = (({"stride": 1, "pad": 0, "dilation": 1, "group": 1} | more)[k] for k in GEOMETRY)
    expected = nets.convolved(x, w["c.weight"], w.get("c.bias"), stride, pad, dilation, groups)
    assert_close(y, expected, 1e-12)


GEOMETRY = ("stride", "pad", "dilation", "group")


def test_a_deconvolution_is_a_convolution_transposed() -> None:
    x = drawn(4, 3, 3)
    text = layer("up", "Deconvolution", "data", convolution="num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2")
    (y,), w = compute(start(*x.shape) + text, x)
    expected = np.zeros((6, 8, 8))
    for c in range(4):
        for o in range(3):
            for i in range(3):
                for j in range(3):
                    at = (c // 2 * 3 + o, slice(2 * i, 2 * i + 4), slice(2 * j, 2 * j + 4))
                    expected[at] += w["up.weight"][c, o] * x[c, i, j]
    assert_close(y, expected[:, 1:-1, 1:-1] + w["up.bias"][:, None, None], 1e-12)


def test_lrn_computes_what_caffe_does() -> None:
    x = drawn(7, 3, 3)
    text = layer("n", "LRN", "data", lrn="local_size: 5 alpha: 0.3 beta: 0.6 k: 2")
    (y,), _ = compute(start(*x.shape) + text, x)
    assert_close(y, nets.normalised_across(x, 5, 0.3, 0.6, 2), 1e-12)
    (y,), _ = compute(start(*x.shape) + layer("n", "LRN", "data"), x)
    assert_close(y, nets.normalised_across(x, 5, 1, 0.75, 1), 1e-12)


def test_batch_norm_and_scale_are_one_bn() -> None:
    x = drawn(3, 4, 4)
    text = layer("b", "BatchNorm", "data", batch_norm="eps: 0.01") + layer("s", "Scale", "b", scale="bias_term: true")
    (y,), w = compute(start(*x.shape) + text, x)
    assert list(w) == ["b.weight", "b.bias", "b.running_mean", "b.running_var"]
    assert_close(y, nets.batch_normalized(x, w, "b", 0.01), 1e-12)


def test_a_scale_whose_normalisation_somebody_else_reads_is_a_step_of_its_own() -> None:
    text = start(3, 4, 4) + layer("b", "BatchNorm", "data") + layer("s", "Scale", "b", scale="bias_term: true")
    graph = graph_of(text + layer("sum", "Eltwise", ["b", "s"]))
    assert [n.op.name for n in graph.nodes if n.values] == ["bn", "depthwise", "add"]
    note = "1 BatchNorm layer has no Scale layer behind"
    assert any(n.startswith(note) for n in reading(text + layer("sum", "Eltwise", ["b", "s"])).notes)
    twice = text + layer("t", "Scale", "s", scale="bias_term: true")
    assert [n.op.name for n in graph_of(twice).nodes if n.values] == ["bn", "depthwise"]


def test_a_scale_alone_is_a_factor_and_a_term_for_each_channel() -> None:
    x = drawn(3, 4, 5)
    (y,), w = compute(start(*x.shape) + layer("s", "Scale", "data", scale="bias_term: true"), x)
    assert_close(y, x * w["s.weight"].reshape(3, 1, 1) + w["s.bias"].reshape(3, 1, 1), 1e-12)
    (y,), w = compute(start(*x.shape) + layer("s", "Scale", "data"), x)
    assert_close(y, x * w["s.weight"].reshape(3, 1, 1), 1e-12)


def test_squeeze_and_excitation_in_both_spellings() -> None:
    x = drawn(4, 5, 5)
    gate = nets.global_pool("gap", "data") + conv("down", "gap", 2, 1) + conv("up", "down", 4, 1, relu=False)
    gate += layer("prob", "Sigmoid", "up", "up")

    def expected(w: dict[str, Any]) -> Any:
        hidden = np.maximum(w["down.weight"] @ x.mean((1, 2)) + w["down.bias"], 0)
        return x / (1 + np.exp(-(w["up.weight"] @ hidden + w["up.bias"])))[:, None, None]

    (y,), w = compute(start(*x.shape) + gate + layer("axpy", "Axpy", ["up", "data", "data"]), x)
    assert_close(y, expected(w) + x, 1e-12)
    (y,), w = compute(start(*x.shape) + gate + layer("mul", "Scale", ["data", "up"], scale="axis: 0"), x)
    assert_close(y, expected(w), 1e-12)


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("", lambda a, b: a + b),
        ("operation: SUM", lambda a, b: a + b),
        ("operation: 0", lambda a, b: a * b),
        ("operation: PROD", lambda a, b: a * b),
        ("operation: MAX", np.maximum),
        ("coeff: 0.5 coeff: 0.5", lambda a, b: (a + b) / 2),
        ("operation: SUM coeff: [1, 3]", lambda a, b: a + 3 * b),
    ],
)
def test_eltwise(param: str, expected: Callable[[Any, Any], Any]) -> None:
    x = drawn(2, 3, 3)
    text = layer("t", "TanH", "data") + layer("e", "Eltwise", ["data", "t"], eltwise=param)
    (y,), _ = compute(start(*x.shape) + text, x)
    assert_close(y, expected(x, np.tanh(x)), 1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (layer("y", "ReLU", "data", relu="negative_slope: 0.2"), lambda x: np.where(x > 0, x, 0.2 * x)),
        (layer("y", "ELU", "data"), lambda x: np.where(x > 0, x, np.exp(x) - 1)),
        (layer("y", "BNLL", "data"), lambda x: np.log(1 + np.exp(x))),
        (layer("y", "Swish", "data"), lambda x: x / (1 + np.exp(-x))),
        (layer("y", "Power", "data", power="scale: 0.5 shift: 3"), lambda x: 0.5 * x + 3),
        (layer("y", "Power", "data", power="power: 1") + layer("z", "Sigmoid", "y"), lambda x: 1 / (1 + np.exp(-x))),
        (layer("y", "Softmax", "data"), lambda x: np.exp(x) / np.exp(x).sum(0)),
        (layer("y", "Flatten", "data"), lambda x: x.reshape(-1)),
        (layer("y", "Reshape", "data", reshape="shape { dim: 0 dim: -1 }"), lambda x: x.reshape(-1)),
        (layer("y", "TanH", "data") + layer("z", "Reshape", "y", reshape="shape { dim: [0, 4, -1, 0] }"), np.tanh),
        (layer("y", "Reduction", "data", reduction="operation: MEAN axis: 2"), lambda x: x.mean((1, 2))),
        (layer("y", "ShuffleChannel", "data", shuffle_channel="group: 2"), lambda x: x[[0, 2, 1, 3]]),
        (layer("y", "Upsample", "data", upsample="scale: 2"), lambda x: x.repeat(2, 1).repeat(2, 2)),
        (layer("y", "Concat", ["data", "data"]), lambda x: np.concatenate([x, x])),
        (layer("y", "Concat", ["data"]) + layer("z", "TanH", "y"), np.tanh),
    ],
)  # fmt: skip
def test_layers_without_weights(text: str, expected: Callable[[Any], Any]) -> None:
    x = drawn(4, 3, 5)
    (y,), _ = compute(start(*x.shape) + text, x)
    assert_close(y, expected(x), 1e-12)


def test_slice_and_split_make_several_blobs() -> None:
    x = drawn(6, 2, 2)
    parts = 'layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" top: "c" slice_param { %s } }'
    y, _ = compute(start(*x.shape) + parts % "slice_point: 1 slice_point: 4", x)
    assert [len(part) for part in y] == [1, 3, 2]
    np.testing.assert_array_equal(np.concatenate(y), x)
    y, _ = compute(start(*x.shape) + parts % "", x)
    assert [len(part) for part in y] == [2, 2, 2]
    twice = 'layer { name: "s" type: "Split" bottom: "data" top: "a" top: "b" }'
    y, _ = compute(start(*x.shape) + twice + layer("e", "Eltwise", ["a", "b"]), x)
    np.testing.assert_array_equal(y[0], 2 * x)


def test_crop_takes_what_the_other_is_as_large_as() -> None:
    x = drawn(3, 9, 8)
    small = pool("p", "data", 2, 2, how="MAX")
    (y,), _ = compute(
        start(*x.shape) + small + layer("c", "Crop", ["data", "p"], crop="axis: 2 offset: 2 offset: 1"), x
    )
    np.testing.assert_array_equal(y, x[:, 2:7, 1:5])
    two = 'input: "data" input: "like" input_dim: [1, 3, 9, 8, 1, 2, 9, 3]\n'
    text = two + layer("c", "Crop", ["data", "like"], crop="axis: 1 offset: 1 offset: 0 offset: 4")
    found = reading(text)
    assert found.notes[0] == "left out, for nothing depends on it: input `like`"
    (y,) = interpret(found.foreign.graph, {}, x[None])
    np.testing.assert_array_equal(y[0], x[1:3, :, 4:7])


def test_a_map_after_a_global_pooling_stays_a_map() -> None:
    text = start(4, 6, 6) + nets.global_pool("gap", "data")
    text += layer("up", "Deconvolution", "gap", convolution="num_output: 3 kernel_size: 6")
    assert [str(n.type) for n in graph_of(text).outputs] == ["[N, 3, 6, 6]"]


# --- phases, data, old files ------------------------------------------------------------------------------------------

TRAIN_VAL = """
name: "Small" # both phases in one file
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 24 mirror: true } data_param { source: "train" batch_size: 256 backend: LMDB }
}
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 20 scale: 0.5 mean_value: 104 mean_value: 117 mean_value: 123 }
}
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" param { lr_mult: 1 }
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" exclude { phase: TEST } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include: { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def test_the_phase_test_is_kept() -> None:
    found = reading(TRAIN_VAL)
    assert [layer.kind for layer in found.layers] == ["Data", "InnerProduct", "Accuracy", "SoftmaxWithLoss"]
    graph = found.foreign.graph
    assert [str(n.type) for n in (*graph.inputs, *graph.outputs)] == ["[N, 3, 20, 20]", "[N, 10]"]
    assert dict(found.foreign.metadata) == {
        "data": {"scale": 0.5, "mean": [52, 58.5, 61.5], "color": "bgr", "crop": 20}
    }
    assert found.notes == (
        "the file does not give the channels of `data`, which are taken to be 3; --input 1x20x20 makes it 1",
    )


def test_the_text_says_how_pictures_are_prepared() -> None:
    assert "mean = [52, 58.5, 61.5]" in written(reading(TRAIN_VAL)).text
    assert not written(reading(TRAIN_VAL)).net().warnings


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("", True),
        ("include { phase: TRAIN }", False),
        ("include { phase: TRAIN } include { phase: TEST }", True),
        ("include { phase: 1 }", True),
        ("include { phase: TEST stage: 'deploy' }", False),
        ("include { not_stage: 'deploy' }", True),
        ("include { min_level: 1 }", False),
        ("include { min_level: -1 max_level: 3 }", True),
        ("exclude { phase: TEST }", False),
        ("exclude { phase: TRAIN }", True),
    ],
)
def test_rules_of_phases(rules: str, kept: bool) -> None:
    text = start(2, 2, 2) + f'layer {{ name: "t" type: "TanH" bottom: "data" top: "t" {rules} }}'
    text += layer("s", "Sigmoid", "data")
    assert len(reading(text).layers) == 1 + kept


OLD = """
input: 'data'
input_dim: 1 input_dim: 3; input_dim: 0x8, input_dim: 8
layers < name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2 weight_decay: 1.
  convolution_param { num_output: 4 kernel_h: 3 kernel_w: 1 stride: [2, 1] pad_w: 1 } >
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "fc" type: INNER_PRODUCT bottom: "conv1" top: "fc"
  inner_product_param: { num_output: 5 bias_term: false } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""


def test_a_file_of_the_older_form() -> None:
    graph = graph_of(OLD)
    assert str(graph).splitlines()[2:-2] == [
        "  %1 = conv(4, 3x1, stride=2x1, pad=0x1) %0 conv1.weight conv1.bias : [N, 4, 3, 10]  # conv1",
        "  %2 = relu %1 : [N, 4, 3, 10]  # relu1",
        "  %3 = flatten %2 : [N, 120]  # fc",
        "  %4 = dense(5, bias=false) %3 fc.weight : [N, 5]  # fc",
        "  %5 = softmax %4 : [N, 5]  # prob",
    ]


def test_a_size_that_the_file_does_not_give_may_be_given() -> None:
    text = 'input: "data"' + dense("ip", "data", 3)
    (message,) = findings(text)
    assert message.startswith('E0601 input: "data": the file: the file does not give the size of `data`')
    assert str(graph_of(text, input_size=(1, 28, 28)).inputs[0].type) == "[N, 1, 28, 28]"


def shared(name: str, bottom: str, *names: str, bias: bool = True) -> str:
    params = " ".join(f'param {{ name: "{n}" }}' for n in names)
    inside = f"num_output: 3 bias_term: {str(bias).lower()}"
    return layer(name, "InnerProduct", bottom, inner_product=inside)[:-2] + f"{params} }}\n"


def test_layers_that_share_their_weights_have_one_path() -> None:
    text = start(4, 2, 2) + 'layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" }'
    found = reading(
        text + shared("f", "a", "w", "b") + shared("g", "b", "w", "b") + layer("sum", "Eltwise", ["f", "g"])
    )
    graph = found.foreign.graph
    assert list(graph.weights) == ["f.weight", "f.bias"]
    assert analysis.params(graph) == 8 * 3 + 3
    assert written(found).net().params == 8 * 3 + 3
    for wrong in (shared("g", "b", "w", "c"), shared("g", "b", "w"), shared("g", "b", "b", "w")):
        assert "it shares a part of its weights" in findings(text + shared("f", "a", "w", "b") + wrong)[0]
    graph = graph_of(text + shared("f", "a", "w", bias=False) + shared("g", "b", "w", bias=False))
    assert list(graph.weights) == ["f.weight"]
    text = start(4, 2, 2) + shared("f", "data", "w", "b") + shared("g", "f", "w", "b")
    assert "it shares weights that are [3, 16] in another layer and [3, 3] here" in findings(text)[0]


def test_a_program_that_feeds_a_net_is_an_input_of_unknown_size() -> None:
    text = 'layer { name: "data" type: "Python" top: "data" top: "label" python_param { module: "voc" layer: "Data" } }'
    text += dense("ip", "data", 3)
    assert "the file does not give the size of `data`" in findings(text)[0]
    assert str(graph_of(text, input_size=(3, 8, 8)).inputs[0].type) == "[N, 3, 8, 8]"


def test_a_solver_is_no_net() -> None:
    with pytest.raises(FindingsError, match="this is a solver"):
        reading('net: "train_val.prototxt"\nbase_lr: 0.01\n')


def test_several_inputs_and_outputs_and_one_that_nobody_reads() -> None:
    text = 'input: "a" input: "b" input: "im_info" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }'
    text += "input_shape { dim: 1 dim: 2 dim: 3 dim: 3 } input_shape { dim: 1 dim: 3 }"
    text += layer("sum", "Eltwise", ["a", "b"]) + layer("left", "TanH", "sum") + layer("right", "Sigmoid", "sum")
    found = reading(text)
    graph = found.foreign.graph
    assert [n.name for n in graph.inputs] == ["a", "b"]
    assert graph.output_names == ("left", "right")
    assert found.notes == ("left out, for nothing depends on it: input `im_info`",)


# --- what cannot be said, and what is damaged -------------------------------------------------------------------------

DATA = start(4, 8, 8)


def y(kind: str, params: str = "", bottom: str = "data") -> str:
    """A layer `y` of a kind, with its parameters."""
    stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    return layer("y", kind, bottom, **({stem: params} if params else {}))


WRONG: list[tuple[str, str]] = [
    (y("Permute"), 'E0602 type: "Permute": layer `y` (Permute) cannot be said: the axes of a value'),
    (y("Convolutoin"), "no such layer is known; did you mean Convolution?"),
    (y("Python"), "a program cannot be read"),
    (layer("y", "LRN", "data", lrn="norm_region: WITHIN_CHANNEL"), "E0602 norm_region: WITHIN_CHANNEL"),
    (layer("y", "LRN", "data", lrn="local_size: 4"), "cannot be said: `lrn`: size=4 is even"),
    (y("Pooling", "pool: STOCHASTIC kernel_size: 2"), "E0602 pool: STOCHASTIC"),
    (y("Pooling", "kernel_size: 1 stride: 2"), "Caffe makes 5x5 windows here"),
    (y("Pooling", "kernel_size: 3 pad: 2"), "cannot be said: `maxpool`: padding of 2 is more than half"),
    (layer("y", "PReLU", "data", prelu="channel_shared: true"), "E0602 channel_shared: true"),
    (layer("y", "ELU", "data", elu="alpha: 2"), "E0602 alpha: 2"),
    (y("Power", "power: 2"), "E0602 power: 2"),
    (y("Power", "scale: -1"), "E0602 scale: -1"),
    (layer("y", "Eltwise", ["data", "data"], eltwise="coeff: 1 coeff: -1"), "E0602 coeff: -1"),
    (layer("y", "Concat", ["data", "data"], concat="axis: 2"), "E0602 axis: 2"),
    (y("Softmax", "axis: 2"), "E0602 axis: 2"),
    (y("Reshape", "shape { dim: 0 dim: 2 dim: -1 }"), "numbers move from one axis to another"),
    (y("Reshape", "shape { dim: 1 dim: -1 }"), "it mixes the samples of a batch"),
    (y("Reshape", "shape { dim: 0 dim: 3 dim: -1 }"), "E0601 shape {: layer `y` (Reshape): [4, 8, 8] cannot"),
    (y("Convolution", "num_output: 2 kernel_size: 3 flavour: 1"), "E0602 flavour: 1: layer `y` (Convolution) cannot"),
    (y("Convolution", "num_output: 2 kernel_size: [3, 3, 3]"), "E0602 kernel_size: [3, 3, 3"),
    (y("Convolution", "num_output: 2"), "E0601 convolution_param {: layer `y` (Convolution): `kernel_size` is not"),
    (y("Convolution", "kernel_size: 3"), "`num_output` is not given"),
    (y("Convolution", "num_output: 2 kernel_size: 3 kernel_h: 3"), "E0601 kernel_size: 3"),
    (y("Convolution", "num_output: 2 kernel_size: 3 group: 3"), "groups=3 must divide"),
    (y("Convolution", "num_output: 2 kernel_size: 30"), "no 30x30 window fits"),
    (
        y("Convolution", "num_output: nan kernel_size: 3"),
        "E0601 num_output: nan: layer `y` (Convolution): `num_output`",
    ),
    (y("Convolution", "num_output: 0 kernel_size: 3"), "`num_output` must be at least 1, not 0"),
    (y("Convolution", "num_output: 99999999999 kernel_size: 3"), "E0603 num_output: 99999999999"),
    (y("Convolution", "num_output: 2147483647 kernel_size: 8 pad: 99"), 'E0603 type: "Convolution": layer'),
    (y("Dropout", "dropout_ratio: inf"), "`dropout_ratio` must be a number, not `inf`"),
    (y("Dropout", "dropout_ratio: 1"), "`dropout_ratio` must be from 0 to 1"),
    (y("Dropout", "dropout_ratio { }"), "E0601 dropout_ratio {: layer `y` (Dropout): `dropout_ratio` is a value"),
    (y("InnerProduct", "num_output: 2 bias_term: 'no'"), "`bias_term` must be true or false, not `no`"),
    (y("TanH", bottom="dta"), "(TanH): no layer before it makes `dta`; did you mean `data`?"),
    (y("TanH", bottom="z") + layer("z", "TanH", "y"), 'E0601 bottom: "z": layer `y` (TanH): no layer before'),
    (layer("y", "TanH", ["data", "data"]), "it must have 1 bottom, and has 2"),
    (layer("y", "TanH", []), "it reads nothing"),
    (y("TanH") * 2, 'E0601 top: "y": layer `y` (TanH): another layer makes `y` too'),
    (
        'layer { name: "y" type: "Slice" bottom: "data" top: "a" top: "b" slice_param { slice_point: 9 } }',
        "slice_point: 9",
    ),
    ('layer { name: "y" type: "Slice" bottom: "data" top: "a" top: "b" top: "c" }', "4 channels are not 3 equal parts"),
    ('layer { name: "y" }', "E0601 layer {: the file: a layer has no type"),
    ('layer { name: "y" type: "TanH" bottom: "data" top: "y" color: 3 }', "E0602 color: 3: layer `y` (TanH) cannot"),
    ('layers { layer { name: "y" type: "conv" } }', "E0602 layers {: the file cannot be said: a layer in a layer"),
    ("layer: 3", "E0601 layer: 3: the file: `layer` needs braces"),
    ('layer { name: "y\\n" type: "TanH" bottom: "data" top: "y" }', "the file: a name has no line ends"),
    (y("Silence"), "no layer makes an output of the net"),
    ("", "E0601 i: the file: there is no layer in this file"),
]


@pytest.mark.parametrize(("text", "found"), WRONG)
def test_what_is_wrong_is_told_with_its_place(text: str, found: str) -> None:
    assert found in findings(DATA + text)[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("layer {", "E0601 layer {: the file breaks off: `layer` has no `}`"),
        ("layer { name: 'y", "E0601 ': this text has no end"),
        ("layer { name: }", "E0601 }: `}` stands where the value of `name` should"),
        ("layer { name", "E0601 e: the file breaks off before `:` or `{` after `name`"),
        ("layer { name: ", "E0601  : the file breaks off before the value of `name`"),
        ("layer { 3: 4 }", "E0601 3: `3` stands where a field's name should"),
        ("}", "E0601 }: `}` stands where a field's name should"),
        ("layer { a: [1 2] }", "E0601 2: `2` stands where `,` or `]` should"),
        ("layer { a: 3x }", "E0601 }: `}` stands where `:` or `{` after `x` should"),
        ("layer & 3", "E0601 &: no such character stands in a prototxt: `&`"),
        ("# a \N{REPLACEMENT CHARACTER}\nlayer \N{REPLACEMENT CHARACTER}", "E0601 \N{REPLACEMENT CHARACTER}: a"),
        ('layer { name: "\0" }', 'E0601 "\0": a text has no such byte'),
        ("a { " * 1000, "E0603 a: messages are nested at most 50 deep"),
        ("a: 1 " * 100_001, "E0603 a: a net has at most 100,000 fields"),
        ("layer { type: 'TanH' }" * 10_001, "E0603 layer {: the file: a net has at most 10,000 layers"),
    ],
)  # fmt: skip
def test_a_text_that_is_none_is_told_with_its_place(text: str, found: str) -> None:
    assert findings(text)[0].startswith(found)


def test_every_layer_that_cannot_be_said_is_named() -> None:
    text = DATA + layer("a", "Permute", "data") + layer("b", "PriorBox", "a")
    text += (
        layer("c", "LRN", "b", lrn="norm_region: WITHIN_CHANNEL") + layer("d", "TanH", "c") + layer("e", "Exp", "data")
    )
    assert [re.findall(r"layer `(.)`", m) for m in findings(text)] == [["a"], ["b"], ["c"], ["e"]]


def test_escapes_and_neighbouring_texts() -> None:
    found = reading('name: "a" \'b\' "\\143\\x64\\n"\n' + DATA + layer("t", "TanH", "data"))
    assert found.net == "abcd\n"


# --- fuzz -------------------------------------------------------------------------------------------------------------

SIGNS = "{}<>:[],;#\n\"'\\\0é"
WORDS = """layer layers name type top bottom include phase TEST dim input input_shape 1 -1 1e9 0x10 nan -inf 99999999999
    ../x true data convolution_param num_output kernel_size"""
PARAMS = """num_output kernel_size stride pad group axis alpha local_size global_pooling coeff operation bias_term
    slice_point offset power scale dim eps pool shape"""
NUMBERS = "0 1 2 3 -1 7 1e3 2147483647 true false MAX AVE nan 'x' {dim:-1}"


@st.composite
def prototxt(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 3)) == 0:
        return " ".join(draw(st.lists(st.sampled_from([*SIGNS, *WORDS.split()]), max_size=30)))
    text, blobs = start(draw(st.sampled_from([1, 3, 4])), 8, 8), ["data"]
    for i in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from([*sorted(RULES), "Permute", "SoftmaxWithLoss"]))
        name = f"l{i}"
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
        inside = " ".join(
            f"{draw(st.sampled_from(PARAMS.split()))}: {draw(st.sampled_from(NUMBERS.split()))}"
            for _ in range(draw(st.integers(0, 3)))
        ).replace(": {", " {")
        bottoms = draw(st.lists(st.sampled_from([*blobs, *blobs, "x"]), min_size=1, max_size=2))
        text += layer(name, kind, bottoms, draw(st.sampled_from([name, bottoms[0]])), **{stem: inside})
        blobs.append(name)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.text(max_size=4)) + text[at + draw(st.integers(0, 6)) :]
    return text


@settings(max_examples=600, deadline=None)
@given(prototxt())
def test_no_prototxt_however_bad_ends_in_anything_but_a_net_or_findings(text: str) -> None:
    for message in findings(text):
        assert re.match(r"E060[123] ", message)

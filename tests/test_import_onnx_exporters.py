"""Whole networks that come in: exported by PyTorch, by cnnlang, and the `light_*` models of the onnx package."""

from __future__ import annotations

import logging
import os
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from onnx import numpy_helper

from cnnlang.analysis import params
from cnnlang.backends.onnx import export
from cnnlang.expand import check
from cnnlang.importing.onnx import read, survey
from cnnlang.ir import Graph
from cnnlang.ops import OPERATORS
from cnnlang.passes import optimize
from cnnlang.program import Program
from cnnlang.source import Source
from cnnlang.syntax import read_source
from cnnlang.weights import expected_shapes
from tests.helpers import random_weights
from tests.onnx_models import Array, agrees, random, saved, steps
from tests.strategies import networks
from tests.torch_models import MODELS

EXAMPLES = Path(__file__).parent.parent / "examples"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
ALL = bool(os.environ.get("CNNLANG_SLOW"))  # every light model, and both exporters for every network


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def exported(name: str, folder: Path, dynamo: bool) -> tuple[Path, torch.nn.Module, Array]:
    """A model of `tests.torch_models` with random weights and statistics, as PyTorch writes it."""
    make, shape = MODELS[name]
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for key, value in [*model.named_buffers(), *model.named_parameters()]:
            if value.ndim == 1:
                value.copy_(torch.rand_like(value) * 0.5 + (0.75 if key.endswith(("var", "weight")) else -0.25))
    x = torch.from_numpy(random(*shape))
    path = folder / f"{name}.onnx"
    torch.set_num_threads(1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(model, (x,), str(path), dynamo=True, verbose=False, external_data=False)
        else:
            axes = {} if name == "mixture" else {"x": {0: "batch"}}
            torch.onnx.export(model, (x,), str(path), dynamo=False, input_names=["x"], dynamic_axes=axes)
    return path, model, x.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_networks_that_pytorch_exports(name: str, tmp_path: Path) -> None:
    path, model, x = exported(name, tmp_path, dynamo=False)
    foreign = agrees(path, x, tolerance=2e-5)
    assert foreign.keeps_names
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.from_numpy(x)).numpy(), read_and_run(path, x), rtol=1e-3, atol=1e-4)
    layers = {n for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)}
    assert layers <= {path.rsplit(".", 1)[0] for path in foreign.weights}


def read_and_run(path: Path, x: Array) -> Array:
    from cnnlang.interpret import interpret

    foreign = read(path)
    return interpret(foreign.graph, foreign.weights, x)[0]


@pytest.mark.parametrize("name", MODELS if ALL else ["mixture"])
def test_networks_that_pytorch_exports_by_dynamo(name: str, tmp_path: Path) -> None:
    path, _, x = exported(name, tmp_path, dynamo=True)
    agrees(path, x, tolerance=2e-5)


def test_resnet_18_has_its_blocks(tmp_path: Path) -> None:
    path, _, _ = exported("resnet18", tmp_path, dynamo=False)
    foreign = read(path)
    block = "conv relu conv add relu"
    shorter = "conv relu conv conv add relu"
    assert steps(foreign.graph) == " ".join(
        ["conv relu maxpool", block, block, *[f"{shorter} {block}"] * 3, "global_avgpool dense"]
    )


# --- the models of the onnx package -----------------------------------------------------------------------------------


def with_random_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model whose weights are random in place of constant, and whose result is not a `softmax` of large numbers."""
    stored = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    scale = {}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            scale[node.input[1]] = "fan in"
        if node.op_type == "BatchNormalization":
            scale[node.input[1]] = scale[node.input[4]] = "about 1"
    nodes = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        shape = tuple(int(d) for d in stored[node.input[0]])
        array = random(*shape, seed=len(model.graph.initializer)) * np.float32(0.3)
        if scale.get(node.output[0]) == "fan in":
            array *= np.float32((20 / np.prod(shape[1:])) ** 0.5)
        elif scale.get(node.output[0]) == "about 1":
            array = np.abs(array) + np.float32(0.7)
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    if nodes[-1].op_type == "Softmax":
        model.graph.output[0].name = nodes.pop().input[0]
        model.graph.output[0].type.tensor_type.ClearField("shape")
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


LAYERS = {
    "bvlc_alexnet": 8, "densenet121": 242, "inception_v1": 58, "inception_v2": 139, "resnet50": 107, "shufflenet": 99,
    "squeezenet": 26, "vgg19": 19, "zfnet512": 8,
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_light_models_can_be_said(name: str) -> None:
    foreign = read(LIGHT / f"light_{name}.onnx")
    layers = [n for n in foreign.graph.nodes if n.op.name in ("conv", "depthwise", "dense", "bn")]
    assert len(layers) == LAYERS[name]
    assert foreign.keeps_names
    assert len({n.name for n in layers}) == len(layers)


@pytest.mark.parametrize("name", LAYERS if ALL else ["squeezenet", "shufflenet"])
def test_light_models_with_random_weights(name: str, tmp_path: Path) -> None:
    model = with_random_weights(onnx.load(LIGHT / f"light_{name}.onnx"))
    agrees(saved(model, tmp_path), random(1, 3, 224, 224), tolerance=1e-4)


# --- out and in again -------------------------------------------------------------------------------------------------


def text(graph: Graph) -> str:
    """A graph's text without what steps are called; a fixed kernel has no bias unless written."""
    return re.sub(r"  # .*", "", str(optimize(graph))).replace("bias=false, weight=", "weight=")


def assert_comes_back(program: Program, path: Path) -> None:
    """Exported and read again it is the same graph, with the same paths and numbers."""
    weights = {name: random(*shape) for name, shape in expected_shapes(program.graph).items()}
    path.write_bytes(export(program, weights))
    foreign = read(path)
    assert text(foreign.graph) == text(program.graph)
    assert foreign.labels == program.labels
    assert list(foreign.graph.weights) == list(program.graph.weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(foreign.weights[name], array)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.cnn")), ids=lambda p: p.stem)
def test_examples_come_back(path: Path, tmp_path: Path) -> None:
    programs = check(read_source(path)).programs
    for name, program in programs.items():
        if params(program.graph) < 30e6 and name not in ("ResNet34", "ResNet50"):  # what is larger takes long
            assert_comes_back(program, tmp_path / "net.onnx")


PER_OPERATOR = 2 if settings().max_examples <= 100 else settings().max_examples // 20


@pytest.mark.parametrize("must", sorted(OPERATORS))
def test_random_networks_come_back(must: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("networks") / "net.onnx"

    @settings(max_examples=PER_OPERATOR, deadline=None, suppress_health_check=SLOW)
    @given(networks(must))
    def comes_back(source: str) -> None:
        assert_comes_back(check(Source("random.cnn", source)).programs["Random"], place)

    comes_back()


def test_without_hints_the_numbers_are_the_same(tmp_path: Path) -> None:
    """What stands beside the nodes may be taken away, or lie."""
    source = """cnn 1
net Net {
  input image: [N, 4, 9, 9] { mean = 0.5 }
  conv(8, 3, pad="same", fill=0.5) -> bn -> silu
  depthwise(3, stride=2, bias=false) -> group_norm(2) -> gelu
  channel_shuffle(4) -> prelu -> mish as c
  mul { | in | global_avgpool -> dense(8) -> hardsigmoid }
  minpool(2) -> normalize(0.5, 2) -> adaptive_avgpool(1) -> flatten -> dense(3)
}
"""
    program = check(Source("net.cnn", source)).programs["Net"]
    data = export(program, random_weights(program.graph))
    model = onnx.load_from_string(data)
    x = random(2, 4, 9, 9)
    for lie in ("", "conv(3, 3)", "relu", "dropout", "no call", "conv(" * 50, 'pad(1, mode="edge")'):
        for node in model.graph.node:
            node.doc_string = lie
        agrees(saved(model, tmp_path), x, tolerance=1e-5)


def test_labels_and_preprocessing_come_back(tmp_path: Path) -> None:
    source = """cnn 1
net Net {
  input photo: [N, 3, 8, 8] { mean = [0.5, 0.25, 0.125], std = 2, color = "bgr", resize = 10, crop = 8 }
  labels ["a \\" b", "c\\\\"]
  global_avgpool -> dense(2)
  meta { source = "a book", licence = "CC0" }
}
"""
    program = check(Source("net.cnn", source)).programs["Net"]
    weights = random_weights(program.graph)
    path = tmp_path / "net.onnx"
    path.write_bytes(export(program, weights))
    foreign = read(path)
    assert foreign.labels == ('a " b', "c\\")
    assert foreign.meta == {"source": "a book", "licence": "CC0"}
    assert foreign.metadata == {
        "photo": {"mean": [0.5, 0.25, 0.125], "std": 2.0, "color": "bgr", "resize": 10, "crop": 8}
    }
    path.write_bytes(export(program, weights, normalize=True))
    foreign = read(path)
    assert foreign.metadata == {"photo": {"scale": 1, "color": "bgr", "resize": 10, "crop": 8}}
    assert steps(foreign.graph) == "normalize global_avgpool dense"
    agrees(path, 100 * random(2, 3, 8, 8))


def test_survey_reads_no_weights(tmp_path: Path) -> None:
    program = check(read_source(EXAMPLES / "lenet5.cnn")).programs["LeNet5"]
    path = tmp_path / "net.onnx"
    path.write_bytes(export(program, random_weights(program.graph)))
    reading = survey(path)
    assert reading.sayable
    assert reading.net == "LeNet5"
    assert [row.becomes for row in reading.layers][:3] == ["conv", "tanh", "avgpool"]

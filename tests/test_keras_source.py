"""Keras source: executed beside the reference, clean, of the weights' names, and as short as a person's."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cnnlang.backends.keras_source import emit, refusals
from cnnlang.backends.keras_source.flattening import flattening
from cnnlang.errors import FindingsError
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.program import Program
from cnnlang.source import Source
from cnnlang.syntax import read_source
from tests.block_texts import BlockTexts
from tests.helpers import assert_close, is_steady, random_inputs, random_weights
from tests.run_keras import keras_model, net_function, outputs_of
from tests.strategies import SIZES as SYMBOLS
from tests.strategies import networks
from tests.torch_programs import PROGRAMS, SIZES

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "keras"
EXAMPLES = sorted((ROOT / "examples").glob("*.cnn"))
THOROUGH = settings().max_examples if settings().max_examples > 100 else 0  # with a profile that says so
REFUSED = {"averages of real cells on maps of two sizes"}  # a model of its own for each size would be two


def programs_of(path: Path) -> dict[str, Program]:
    return dict(check(read_source(path)).programs)


def program_of(text: str) -> Program:
    result = check(Source("net.cnn", f"cnn 1\n{text}"))
    assert not result.has_errors, [d.message for d in result.diagnostics]
    return list(result.programs.values())[-1]


def example(name: str, net: str) -> Program:
    return programs_of(ROOT / "examples" / f"{name}.cnn")[net]


def agree(program: Program, sizes: dict[str, int], batches: tuple[int, ...] = (1, 3)) -> Any:
    """The emitted model with random weights gives what the reference gives; its heads too, where it has some."""
    weights = random_weights(program.training_graph)
    model = keras_model(program, weights)
    for batch in batches:
        inputs = random_inputs(program.graph, {"N": batch, **sizes})
        reference = interpret(program.graph, weights, *inputs)
        results = outputs_of(model, inputs)
        assert len(results) == len(reference)
        if is_steady(program.graph, weights, inputs, reference):
            for actual, expected in zip(results, reference, strict=True):
                assert_close(actual, expected)
    if program.aux:
        heads = outputs_of(keras_model(program, weights, with_aux=True), inputs)
        for actual, expected in zip(heads, interpret(program.training_graph, weights, *inputs), strict=True):
            assert_close(actual, expected)
    return model


@pytest.mark.parametrize("title", [t for t in PROGRAMS if t not in REFUSED])
def test_it_computes_what_the_file_says(title: str) -> None:
    agree(program_of(PROGRAMS[title]), SIZES, (2,))


@pytest.mark.parametrize("title", sorted(REFUSED))
def test_what_it_cannot_share_is_a_finding(title: str) -> None:
    program = program_of(PROGRAMS[title])
    assert [d.code for d in refusals(program)] == ["E0401"]
    with pytest.raises(FindingsError):
        emit(program)


SMALL = {
    "alexnet": (67, ["AlexNet"]),
    "densenet121": (32, ["DenseNet121"]),
    "edges": (0, ["Edges"]),
    "googlenet": (80, ["GoogLeNet"]),
    "keras_exercises": (0, ["Exercise1", "SamePooling"]),
    "lecture": (0, ["Lecture", "Slide", "Pooling"]),
    "lenet5": (0, ["LeNet5"]),
    "mobilenetv2": (32, ["MobileNetV2"]),
    "resnet": (32, ["ResNet18", "ResNet50"]),
    "squeezenet": (48, ["SqueezeNet1_0", "SqueezeNet1_1"]),
    "unet": (0, ["UNet"]),
    "vgg16": (32, ["VGG16"]),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_examples_compute_what_they_say(name: str) -> None:
    """On small pictures, where the reference takes seconds and not minutes."""
    side, nets = SMALL[name]
    path = ROOT / "examples" / f"{name}.cnn"
    text = re.sub(r", (resize|crop) = \d+|check \{[^}]*\}", "", path.read_text(encoding="utf-8"))
    text = re.sub(r"22[47], 22[47]\]", f"{side}, {side}]", text).replace("width=64)", "width=8)")
    programs = check(Source(str(path), text, path)).programs
    for net in nets:
        agree(programs[net], {"H": 16, "W": 16} if name == "edges" else {"H": 1, "W": 2}, (1,))


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_golden_source(path: Path, update_golden: bool) -> None:
    for net, program in programs_of(path).items():
        golden = GOLDEN / f"{net.lower()}.py"
        text = emit(program)
        if update_golden:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(text, encoding="utf-8")
        assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.py")), ids=lambda p: p.stem)
def test_the_golden_source_can_be_imported(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("emitted", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(getattr(module, net_function(vars(module))))


def test_ruff_finds_nothing_to_say(tmp_path: Path) -> None:
    texts = [emit(program_of(text)) for title, text in PROGRAMS.items() if title not in REFUSED]
    texts += [path.read_text(encoding="utf-8") for path in sorted(GOLDEN.glob("*.py"))]
    for i, text in enumerate(texts):
        (tmp_path / f"net_{i}.py").write_text(text, encoding="utf-8")
    for command in (
        ["check", "--isolated", "--quiet"],
        ["check", "--isolated", "--quiet", "--select", "E4,E7,E9,F,I"],  # the defaults of older versions, and imports
        ["format", "--isolated", "--diff", "--quiet"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "net", "lines"),
    [("lenet5", "LeNet5", 55), ("resnet", "ResNet152", 95), ("densenet121", "DenseNet121", 95), ("unet", "UNet", 75)],
)
def test_it_is_short(name: str, net: str, lines: int) -> None:
    assert len(emit(example(name, net)).splitlines()) <= lines


def test_a_net_without_branches_reads_like_a_slide() -> None:
    text = emit(example("keras_exercises", "Exercise2"))
    slide = """
            keras.Input((150, 150, 3), name="image"),
            layers.Conv2D(32, 3, padding="same", name="conv1"),  # [N, 150, 150, 32]
            layers.MaxPooling2D(2),  # [N, 75, 75, 32]
            layers.Conv2D(32, 4, name="conv2"),  # [N, 72, 72, 32]
            layers.MaxPooling2D(2),  # [N, 36, 36, 32]
            layers.Flatten(),  # [N, 41472]
            layers.Dense(256, activation="relu", name="dense1"),  # [N, 256]
            layers.Dense(5, activation="softmax", name="dense2"),  # [N, 5]
"""
    assert f"    return keras.Sequential(\n        [{slide}        ],\n" in text


def test_the_files_loops_and_parameters_stay() -> None:
    text = emit(example("resnet", "ResNet50"))
    assert (
        """
    for i, n in enumerate([3, 4, 6, 3]):
        for j in range(n):
            width = 64 * 2**i
            stride = 2 if i > 0 and j == 0 else 1
            x = bottleneck(x, width, stride, name=f"layer{i + 1}-{j}")
"""
        in text
    )
    assert "def bottleneck(x, width, stride=1, name=" in text
    assert "if stride != 1 or in_channels != 4 * width:" in text


def test_the_same_program_gives_the_same_text() -> None:
    for text in list(PROGRAMS.values())[:20]:
        assert emit(program_of(text)) == emit(program_of(text))


# --- layers and weights -----------------------------------------------------------------------------------------------


def test_a_layer_is_found_by_its_path() -> None:
    program = program_of(PROGRAMS["groups"])
    model = keras_model(program, random_weights(program.graph))
    paths = {path.rpartition(".")[0] for path in program.graph.weights}
    assert all(model.get_layer(path.replace(".", "-")).weights for path in paths)


def test_a_nets_parameter_stays_one_where_it_may() -> None:
    program = example("unet", "UNet")
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emit(program), "<keras source>", "exec"), space)
    assert space["UNet"](classes=3, width=8).get_layer("mask").kernel.shape == (1, 1, 8, 3)


def test_a_shared_block_has_its_weights_once() -> None:
    program = program_of("""
block enc(c) { conv(c, 3, pad=1) -> bn -> relu }
net A { input left: [N, 2, 6, 6]
  input right: [N, 2, 6, 6]
  shared e = enc(3)
  concat { | left -> e | right -> e } -> global_avgpool -> dense(2) }""")
    model = agree(program, {})
    assert model.count_params() == sum(np.prod(n.type.shape) for n in program.graph.weights.values())


FLATTENED = {
    "dense": ("flatten -> dense(4)", False),
    "what does not care": ("flatten -> relu -> dropout -> tanh -> dense(4)", False),
    "two dense layers": ("flatten as f\nconcat { | f -> dense(2) | f -> relu -> dense(3) }", False),
    "normalisation": ("flatten -> bn -> dense(4)", True),
    "slopes": ("flatten -> prelu -> dense(4)", True),
    "the end": ("flatten", True),
    "a concatenation": ("concat { | flatten | global_avgpool } -> dense(4)", True),
    "both": ("flatten as f -> bn as b\nconcat { | f -> dense(2) | b -> dense(2) }", True),
    "one channel": ("conv(1, 1) -> flatten -> bn -> dense(4)", False),
    "one cell": ("adaptive_avgpool(1) -> flatten -> bn -> dense(4)", False),
}


@pytest.mark.parametrize("title", FLATTENED)
def test_flattening_keeps_its_order(title: str) -> None:
    body, permutes = FLATTENED[title]
    program = program_of(f"net A {{ input x: [N, 3, 4, 5]\nconv(3, 1)\n{body}\n}}")
    agree(program, {})
    assert bool(flattening(program).permuted) == permutes
    assert ("Permute" in emit(program)) == permutes


def test_a_shared_dense_layer_behind_maps_of_other_sides_keeps_its_rows() -> None:
    program = program_of("""
net A { input x: [N, 3, 4, 6]
  input y: [N, 3, 6, 4]
  shared d = dense(4)
  concat { | x -> flatten -> d | y -> flatten -> d } }""")
    agree(program, {})
    assert flattening(program).rows == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("conv1.bias"), "has no conv1.bias"),
        (lambda w: w.update({"conv1.weight": w["conv1.weight"][:, :, :2]}), "conv1.weight is (4, 3, 2, 3), not"),
        (lambda w: w.update({"dense1.weight": w["dense1.weight"].reshape(-1)}), "dense1.weight is (24,), not (2, 12)"),
        (lambda w: w.update({"extra.weight": w["conv1.bias"]}), "has more than the model: extra.weight"),
    ],
)
def test_the_loader_says_what_does_not_fit(change: Any, message: str, tmp_path: Path) -> None:
    program = program_of("net A { input x: [N, 3, 5, 3]\nconv(4, 3) -> flatten -> dense(2) }")
    weights = random_weights(program.graph)
    change(weights)
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emit(program), "<keras source>", "exec"), space)
    save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=re.escape(message)):
        space["load_weights"](space["A"](), str(tmp_path / "net.safetensors"))


def test_heads_are_there_when_asked_for() -> None:
    program = program_of(PROGRAMS["auxiliary heads"])
    weights = random_weights(program.training_graph)
    heads = len(program.aux)
    assert len(keras_model(program, weights).outputs) == len(program.graph.outputs)
    assert len(keras_model(program, weights, with_aux=True).outputs) == len(program.graph.outputs) + heads


def test_what_only_heads_read_may_be_in_the_file() -> None:
    agree(
        program_of("""
net A { input x: [N, 2, 5, 5]
  conv(3, 3) as c -> relu as r
  aux head = r -> global_avgpool -> dense(2)
  x -> conv(2, 1)
}"""),
        {},
    )


# --- the constants and the docstring ----------------------------------------------------------------------------------


def test_texts_that_try_to_break_out_stay_texts() -> None:
    program = program_of(PROGRAMS["labels, metadata and texts that try to break out"])
    space: dict[str, Any] = {"__name__": "emitted"}
    text = emit(program)
    exec(compile(text, "<keras source>", "exec"), space)
    assert tuple(space["LABELS"]) == program.labels
    assert (space["MEAN"], space["STD"], space["SCALE"], space["COLOR"]) == ([0.1, 0.2, 0.3], 0.5, 1 / 255, "bgr")
    called = {ast.unparse(n.func).split(".")[0] for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)}
    assert not called & {"exec", "eval", "os", "__import__"}


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "net A { input conv1: [N, 2, 5, 5]\nconv(2, 3) -> relu -> conv(2, 3) as name -> relu }",
        "net A { input x: [N, 2, 5, 5]\nconv(2, 3) as keras -> relu -> conv(1, 1) as layers }",
        "block layers(x, name) { add { | conv(x, name, pad=1) | in } }\nnet A { input x: [N, 2, 5, 5]\nlayers(2, 3) }",
        "block x(y) { conv(y, 1) }\nblock ops() { x(2) -> x(3) }\nnet keras { input y: [N, 2, 5, 5]\nops -> x(2) }",
        "block load_weights() { conv(2, 1) }\nnet A { input x: [N, 2, 5, 5]\nload_weights }",
        'net A { input x: [N, 2, 5, 5]\nconv(2, 1) as "a.half" -> conv(2, 1) as "a_half" -> conv(2, 1) as cpu }',
        "net A { input x: [N, 2, 5, 5]\nfor x1 in [1, 3] { conv(2, x1, pad=x1//2) }\nadd { | in | conv(2, 1) } }",
    ],
)
def test_names_do_not_meet(text: str) -> None:
    agree(program_of(text), {})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("conv(2, 3) as zero_padding2d -> conv(2, 3, stride=2, pad=1)", "zero_padding2d"),
        ("conv(2, 3) as max_pooling2d_1 -> maxpool(2)", "max_pooling2d_1"),
        ("conv(2, 3, pad=1) as merged -> add { | in | conv(2, 1) as add_2 }", "add_2"),
    ],
)
def test_a_name_that_keras_gives_is_a_finding(body: str, name: str) -> None:
    (found,) = refusals(program_of(f"net A {{ input x: [N, 2, 9, 9]\n{body}\n}}"))
    assert (found.code, found.message) == ("E0402", f"Keras gives the name `{name}` to another layer of this net")
    assert found.span is not None
    assert found.span.text == name


@pytest.mark.parametrize("name", ["_Net", "그물"])
def test_a_net_of_any_name_is_made(name: str) -> None:
    """On TensorFlow a model's name must do for a scope; where it does not, Keras finds one."""
    assert emit(program_of(f"net {name} {{ input x: [N, 4]\nrelu -> tanh }}")).count("name=") == 1  # the input's


# --- laws -------------------------------------------------------------------------------------------------------------


@settings(max_examples=THOROUGH or 60, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_random_networks_compute_what_the_file_says(text: str) -> None:
    program = check(Source("random.cnn", text)).programs["Random"]
    assume(len(program.graph.nodes) < 80)
    found = refusals(program)
    if found:
        assert {d.code for d in found} == {"E0401"}
        return
    agree(program, {"H": SYMBOLS["H"], "W": SYMBOLS["W"]}, (2,))  # type: ignore[dict-item]


@settings(max_examples=THOROUGH or 10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_random_blocks_compute_what_the_file_says(seed: int) -> None:
    texts = BlockTexts(Random(seed))
    for _ in range(20):
        result = check(Source("net.cnn", texts.program()))
        if not result.has_errors and len(result.programs["Net"].graph.nodes) < 150:
            agree(result.programs["Net"], {}, (2,))
            return


# --- other backends of Keras ------------------------------------------------------------------------------------------

# a few, for JAX compiles every operation of every shape
ELSEWHERE = ["a shared block on maps of two sizes", "uneven padding of pools", "a block that flattens"]


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_it_runs_on_other_backends(backend: str) -> None:
    if not installed(backend):
        pytest.skip(f"{backend} is not installed")
    code = (
        "import keras; from tests.test_keras_source import *\n"
        f"assert keras.backend.backend() == {backend!r}\n"
        "for title in ELSEWHERE: agree(program_of(PROGRAMS[title]), SIZES, (2,))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

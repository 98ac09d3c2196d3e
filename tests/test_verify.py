"""Verification: targets that are right, targets that are wrong on purpose, and what is told of either."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import cnnlang
from cnnlang.cli import main
from cnnlang.errors import UsageError
from cnnlang.interpret import interpret, interpret_all
from cnnlang.ir import Graph, Node
from cnnlang.passes import optimize
from cnnlang.program import Program
from cnnlang.verify import (
    WAYS,
    Runner,
    TargetFailed,
    Verification,
    Way,
    calibrated_weights,
    prepared_inputs,
    random_weights,
    usable_sizes,
    verify,
)
from cnnlang.verify.run_cpu import CpuRunner, shown
from cnnlang.verify.run_onnx import OnnxRunner
from cnnlang.verify.run_torch import TorchRunner
from cnnlang.verify.text import verification_text, verifications_json

EXAMPLES = Path(__file__).parent.parent / "examples"

NET = """cnn 1
block residual(c) {
  add {
    | conv(c, 3, pad=1) -> bn -> relu -> conv(c, 3, pad=1)
    | in
  }
  relu
}
net Net {
  input x: [N, 3, 12, 10]
  conv(4, 3) -> bn -> relu
  maxpool(2)
  residual(4) as part
  minpool(2) -> hardswish
  global_avgpool -> dense(5) -> softmax
}
"""


def program(text: str = NET) -> Program:
    return cnnlang.loads(text, name="net.cnn").program


@dataclass(frozen=True)
class Wrong(Way):
    """A target that is wrong on purpose."""

    made: Callable[[Program, Mapping[str, Any]], Runner] | None = None

    def make(self, program: Program, weights: Mapping[str, Any]) -> Runner:
        assert self.made is not None
        return self.made(program, weights)

    def version(self) -> str:
        return "Wrong 1.0"


def wrong(made: Callable[[Program, Mapping[str, Any]], Runner], text: str = NET) -> Verification:
    return verify(program(text), ways={"wrong": Wrong("", (), made=made)})


# --- targets that are right -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["lenet5.cnn", "edges.cnn", "keras_exercises.cnn"])
def test_targets_agree_on_examples(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(EXAMPLES / file), "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["agree"]
    for net in data["nets"]:
        assert [t["target"] for t in net["targets"]] == list(WAYS)
        for target in net["targets"]:
            assert target["status"] == "agrees"
            assert target["relative"] < 1e-4


def test_trained_weights_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", str(EXAMPLES / "lenet5.cnn"), "--weights", str(EXAMPLES / "lenet5.safetensors")]
    assert main([*arguments, "--targets", "cpu,onnx", "--inputs", "2", "--batch", "2"]) == 0
    out = capsys.readouterr().out
    assert "lenet5.safetensors" in out
    assert "2 random inputs of 2 samples" in out


TEXTS = {
    "two inputs and outputs": """cnn 1
net Net {
  input a: [N, 2, 6, 6]
  input b: [N, 2, 6, 6]
  shared enc = E(3)
  a -> enc as left
  b -> enc as right
  output total = add { | left | right }
  output product = mul { | left | right }
}
block E(c) { conv(c, 3) -> bn -> relu }
""",
    "symbolic": "cnn 1\nnet Net { input x: [N, 2, 8*H, W]\n conv(3, 3, pad=1) -> relu -> global_avgpool -> dense(4) }",
    "no weights": "cnn 1\nnet Net { input x: [N, 4, 6, 5]\n channel_shuffle(2) -> maxpool(2) }",
    "a label and a dropout": "cnn 1\nnet Net { input x: [N, 6]\n dense(4) as fc -> dropout -> tanh -> log_softmax }",
}


@pytest.mark.parametrize("name", TEXTS)
def test_targets_agree(name: str) -> None:
    found = verify(program(TEXTS[name]))
    assert [(v.target, v.status) for v in found.verdicts] == [(name, "agrees") for name in WAYS]


FUSED = """cnn 1
net Net {
  input x: [N, 2, 12, 12]
  normalize(0.5, 0.25) as scaled -> conv(4, 3, pad=1) as a -> bn as b -> maxpool(2) as c -> relu as d
  conv(4, 1) as e -> bn as f -> avgpool(2) as g -> conv(3, 1) as h -> tanh as i -> global_avgpool
}
"""


def test_the_values_inside_are_those_that_the_engine_has() -> None:
    """What is looked at is what runs: the values that are further outputs leave the optimised steps as they are."""
    graph = program(FUSED).graph
    nodes = shown(graph)
    assert [n.name for n in nodes] == ["d", "g", "i", "global_avgpool"]
    more = Graph(graph.name, graph.inputs, tuple(nodes), tuple(n.name for n in nodes))
    assert str(optimize(more)).split("return")[0] == str(optimize(graph)).split("return")[0]


@pytest.mark.parametrize("target", WAYS)
@pytest.mark.parametrize("text", [NET, TEXTS["a label and a dropout"]], ids=["net", "labelled"])
def test_the_values_inside_are_those_of_the_reference(target: str, text: str) -> None:
    """Each value that a target shows is called by the right node, and there are values between input and output."""
    net = program(text)
    weights = random_weights(net.graph)
    inputs = prepared_inputs(net.inputs, {"N": 2})
    reference = interpret_all(net.graph, weights, *inputs)
    seen = WAYS[target].make(net, weights).values(*inputs)
    assert len(seen) > 1
    assert set(net.graph.outputs) <= seen.keys()
    for node, value in seen.items():
        np.testing.assert_allclose(value, reference[node], rtol=0, atol=1e-4 * np.abs(reference[node]).max())


# --- targets that are wrong on purpose --------------------------------------------------------------------------------


class Always(CpuRunner):
    """Answers -7, whatever it is asked."""

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        return tuple(np.full_like(y, -7) for y in super().__call__(*inputs))


def flipped(path: str) -> Callable[[Program, Mapping[str, Any]], Runner]:
    def made(net: Program, weights: Mapping[str, Any]) -> Runner:
        return CpuRunner(net, {**weights, path: np.ascontiguousarray(weights[path][::-1])})

    return made


def hooked(path: str) -> Callable[[Program, Mapping[str, Any]], Runner]:
    """A PyTorch module whose layer hands its channels on in another order."""

    def made(net: Program, weights: Mapping[str, Any]) -> Runner:
        runner = TorchRunner(net, weights)
        runner.module.get_submodule(path).register_forward_hook(lambda module, given, y: y.flip(1))
        return runner

    return made


def another_eps(path: str) -> Callable[[Program, Mapping[str, Any]], Runner]:
    def made(net: Program, weights: Mapping[str, Any]) -> Runner:
        runner = TorchRunner(net, weights)
        layer = runner.module.get_submodule(path)
        assert isinstance(layer, torch.nn.BatchNorm2d)
        layer.eps = 1e-2
        return runner

    return made


class Edited(OnnxRunner):
    """An ONNX model in which a node is another one."""

    def __init__(self, net: Program, weights: Mapping[str, Any], old: str, new: str, number: int) -> None:
        super().__init__(net, weights)
        model = onnx.load_from_string(self._model)
        node = [n for n in model.graph.node if n.op_type == old][number]
        node.op_type = new
        del node.attribute[:]
        self._model = model.SerializeToString()
        self._session = self._made()


def edited(old: str, new: str, number: int = 0) -> Callable[[Program, Mapping[str, Any]], Runner]:
    return lambda net, weights: Edited(net, weights, old, new, number)


CASES: dict[str, tuple[Callable[[Program, Mapping[str, Any]], Runner], str, list[str]]] = {
    "always -7": (Always, "conv1", ["conv(4, 3)", "bn", "relu"]),
    "the first layer's kernels in another order": (flipped("conv1.weight"), "conv1", ["conv(4, 3)", "bn", "relu"]),
    "a dense layer's rows in another order": (flipped("dense1.weight"), "dense1", ["dense(5)"]),
    "a layer's channels in another order": (hooked("part.conv1"), "part.conv1", ["conv(4, 3, pad=1)"]),
    "another eps": (another_eps("part.bn1"), "part.bn1", ["bn"]),
    "a missing relu": (edited("Relu", "Identity", 2), "relu", ["relu"]),
    "a hard sigmoid of another slope": (edited("HardSwish", "HardSigmoid"), "hardswish", ["hardswish"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_target_departs_and_the_first_layer_is_named(case: str) -> None:
    made, name, suspects = CASES[case]
    found = wrong(made)
    (verdict,) = found.verdicts
    assert found.is_wrong
    assert verdict.status == "departs"
    assert verdict.difference is not None
    assert verdict.difference.relative > 1e-4
    departure = verdict.departure
    assert departure is not None
    names = [departure.node.name, *(n.name for n in departure.suspects)]
    assert name in names
    assert [str(n.op) for n in departure.suspects] == suspects


def test_all_suspects_are_told_where_a_target_shows_little() -> None:
    """PyTorch shows what enters and leaves layers: what went wrong between two of them is one of the steps there."""

    class Doubled(TorchRunner):
        def __init__(self, net: Program, weights: Mapping[str, Any]) -> None:
            super().__init__(net, weights)
            dense = self.module.get_submodule("dense1")
            dense.register_forward_pre_hook(lambda module, given: (given[0] * 2,))

    (verdict,) = wrong(Doubled).verdicts
    assert verdict.departure is not None
    assert [n.op.name for n in verdict.departure.suspects][-3:] == ["minpool", "hardswish", "global_avgpool"]


class Changed(CpuRunner):
    """Changes its answers as it is told."""

    change: Callable[[Any], Any]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        return tuple(type(self).change(y) for y in super().__call__(*inputs))


WRONG_ANSWERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "NaN": (lambda y: y + np.float32(np.nan), "NaN in other places"),
    "an infinity": (lambda y: np.where(y == y.max(), np.float32(np.inf), y), "infinities in other places"),
    "another shape": (lambda y: y[:, :1], "the shape is [1, 1], and should be [1, 5]"),
    "integers": (lambda y: y.astype(np.int64), "the numbers are int64, and should be floats"),
    "one sample for all": (lambda y: np.broadcast_to(y[:1], y.shape), ""),
}


@pytest.mark.parametrize("answer", WRONG_ANSWERS)
def test_a_wrong_answer_is_told(answer: str) -> None:
    change, problem = WRONG_ANSWERS[answer]
    made = type("Changed", (Changed,), {"change": staticmethod(change)})
    (verdict,) = wrong(made).verdicts
    assert verdict.status == "departs"
    assert verdict.difference is not None
    assert verdict.difference.problem == problem


def test_one_input_in_several_is_enough() -> None:
    """Every drawn input counts, not the first alone."""

    class OneWrong(CpuRunner):
        def __call__(self, *inputs: Any) -> tuple[Any, ...]:
            return tuple(y + np.float32(inputs[0][0, 0, 0, 0] > 0.3) for y in super().__call__(*inputs))

    found = verify(program(), inputs=12, batches=(1,), ways={"wrong": Wrong("", (), made=OneWrong)})
    assert found.is_wrong


def test_a_program_that_ends_in_an_error_fails() -> None:
    class Failing(CpuRunner):
        def __call__(self, *inputs: Any) -> tuple[Any, ...]:
            msg = "RuntimeError: no such kernel"
            raise TargetFailed(msg)

    found = wrong(Failing)
    assert [(v.status, v.message) for v in found.verdicts] == [("fails", "RuntimeError: no such kernel")]
    assert found.is_wrong
    assert "error: wrong: RuntimeError: no such kernel" in verification_text(found, "random")


def test_what_torch_raises_is_a_failure() -> None:
    class Narrow(TorchRunner):
        def __init__(self, net: Program, weights: Mapping[str, Any]) -> None:
            super().__init__(net, weights)
            setattr(self.module, "dense1", torch.nn.Linear(3, 5))  # noqa: B010

    (verdict,) = wrong(Narrow).verdicts
    assert verdict.status == "fails"
    assert verdict.message.startswith("RuntimeError: mat1 and mat2 shapes cannot be multiplied")


def test_weights_that_the_emitted_module_has_not_are_told() -> None:
    (verdict,) = wrong(
        lambda net, weights: TorchRunner(net, {k: v for k, v in weights.items() if "bn" not in k})
    ).verdicts
    assert verdict.status == "departs"


def test_where_the_reference_is_unsteady_nothing_can_be_said() -> None:
    """x + (1 - x) is 1, in float32 but for rounding, and a normalisation makes numbers of that."""
    steps = "add { | in | conv(1, 1, weight=[[-1]]) -> normalize(-1, 1) } -> group_norm(1, eps=1e-30)"
    (verdict,) = wrong(CpuRunner, f"cnn 1\nnet Net {{ input x: [N, 1, 6, 6]\n {steps} }}").verdicts
    assert verdict.status == "unsteady"
    assert verdict.is_wrong


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_calibrated_weights_keep_values_from_vanishing_and_growing() -> None:
    """Fifty layers deep, results of convolutions and dense layers still have a deviation of 1."""
    net = program(
        "cnn 1\nnet Net { input x: [N, 3, 8, 8]\n { conv(6, 3, pad=1) -> sigmoid } * 50\n"
        " flatten -> dense(10) -> softmax }"
    )
    inputs = prepared_inputs(net.inputs, {"N": 1})
    values = interpret_all(net.graph, calibrated_weights(net.graph, inputs), *inputs)
    for node, value in values.items():
        if node.op.name in ("conv", "dense"):
            assert math.isclose(np.sqrt(np.square(value).mean()), 1, rel_tol=1e-4)
    (scores,) = interpret(net.graph, calibrated_weights(net.graph, inputs), *inputs)
    assert scores.max() < 0.9


def test_nothing_in_random_weights_is_neutral() -> None:
    net = program("cnn 1\nnet Net { input x: [N, 3, 8, 8]\n conv(6, 3) -> bn -> prelu -> group_norm(2) }")
    for path, array in random_weights(net.graph).items():
        assert len(np.unique(array)) == array.size, path
        assert not np.isin(array, [0, 1]).any()
        assert (array > 0).all() or not path.endswith("running_var")


def test_inputs_are_prepared_pixels() -> None:
    net = program("cnn 1\nnet Net { input x: [N, 3, 8, 8] { mean = [0.5, 0.25, 0], std = [0.5, 1, 2] }\n conv(1, 3) }")
    (x,) = prepared_inputs(net.inputs, {"N": 4})
    assert x.shape == (4, 3, 8, 8)
    assert x.dtype == np.float32
    pixels = (x * np.reshape([0.5, 1, 2], (3, 1, 1)) + np.reshape([0.5, 0.25, 0], (3, 1, 1))) * 255
    np.testing.assert_allclose(pixels, np.rint(pixels), atol=1e-3)
    assert pixels.min() >= -1e-3
    assert pixels.max() <= 255.001


@pytest.mark.parametrize(
    ("shape", "steps", "sizes"),
    [
        ("[N, 3, H, W]", "conv(2, 3)", {"H": 32, "W": 33}),
        ("[N, 3, 16*H, 16*W]", "conv(2, 3)", {"H": 2, "W": 3}),
        ("[N, 3, 16*H, 16*W]", "conv(2, 50)", {"H": 4, "W": 5}),
        ("[N, 3, 8, 8]", "conv(2, 3)", {}),
    ],
)
def test_symbolic_sizes_are_usable_and_different(shape: str, steps: str, sizes: dict[str, int]) -> None:
    net = program(f"cnn 1\nnet Net {{ input x: {shape}\n {steps} }}")
    assert usable_sizes(net.graph) == sizes


# --- what is told -----------------------------------------------------------------------------------------------------


def test_the_text_of_a_departure() -> None:
    text = verification_text(wrong(flipped("part.conv2.weight")), "random (seed 0)")
    _, told = text.split("\n\nerror: ")
    told = re.sub(r"by \d.*|from .* to .*", "#", told)
    assert told == (
        """wrong departs first at `part.conv2`
  --> net.cnn:4:42
   |
 4 |     | conv(c, 3, pad=1) -> bn -> relu -> conv(c, 3, pad=1)
   |                                          ^^^^^^^^^^^^^^^^^ differs #
   = while expanding residual(c=4) at net.cnn:13:3
   = reference  #
   = wrong      #
   = they are furthest apart at [0, 0, 2, 3] of [N, 4, 5, 4]
   = what came in agrees: it is `conv(4, 3, pad=1)` itself"""
    )


def test_the_text_names_all_suspects() -> None:
    text = verification_text(wrong(Always), "random (seed 0)")
    assert "departs first at `relu`" in text
    assert "= what came in agrees; one of these steps departs: conv(4, 3) -> bn -> relu" in text
    assert " 11 |   conv(4, 3) -> bn -> relu\n    |   ----------    --    ^^^^ differs by" in text


def test_the_json_of_a_departure() -> None:
    data = json.loads(verifications_json([wrong(flipped("dense1.weight"))], "random"))
    assert data["agree"] is False
    (target,) = data["nets"][0]["targets"]
    assert target["status"] == "departs"
    assert target["departure"]["name"] == "dense1"
    assert target["departure"]["place"] == "net.cnn:15:21"
    assert target["departure"]["suspects"] == ["dense(5)"]


def test_json_has_no_infinity() -> None:
    made = type("Changed", (Changed,), {"change": staticmethod(lambda y: y + np.float32(np.nan))})
    data = json.loads(verifications_json([wrong(made)], "random"), parse_constant=pytest.fail)
    assert data["nets"][0]["targets"][0]["difference"] == "inf"


def test_numbers_that_are_not_finite_are_told() -> None:
    """Where nothing is finite there is nothing to compare, and to agree says little."""
    net = program("cnn 1\nnet Net { input x: [N, 3]\n dense(2) }")
    weights = {path: np.full(node.type.shape, np.inf, np.float32) for path, node in net.graph.weights.items()}
    found = verify(net, weights, ["cpu"])
    assert found.finite == 0
    assert "note: 100% of the reference's numbers are not finite" in verification_text(found, "infinite")


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "net.cnn"
    path.write_text(NET, encoding="utf-8")
    return str(path)


def test_a_departure_is_exit_code_1(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(WAYS, "torch", Wrong("", (), made=hooked("part.conv1")))
    assert main(["verify", file, "--targets", "cpu,torch"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^cpu .* agrees$", out, re.MULTILINE)
    assert re.search(r"^torch .* DEPARTS$", out, re.MULTILINE)
    assert "torch departs first at `part.conv1`" in out


def test_a_target_that_is_not_installed_is_told(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(WAYS, "keras", Way("cnnlang.verify.run_keras", ("no_such_package",), "keras"))
    monkeypatch.setitem(WAYS, "torch", Way("cnnlang.verify.run_torch", ("no_such_package",), "torch"))
    assert main(["verify", file]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^keras .* not installed$", out, re.MULTILINE)
    assert "note: keras needs no_such_package: pip install 'cnnlang[keras]'" in out
    assert main(["verify", file, "--targets", "cpu,keras"]) == 2
    assert capsys.readouterr().err == "error: keras needs no_such_package: pip install 'cnnlang[keras]'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--targets", "tensorrt"], "nothing runs in `tensorrt`; the targets that run are cpu, torch, keras, onnx"),
        (["--targets", ","], "--targets needs a target, as in --targets torch,onnx"),
        (["--weights", "none.safetensors"], "none.safetensors"),
        (["--net", "Nett"], "did you mean Net?"),
    ],
)
def test_what_the_command_cannot_do(
    file: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", file, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_name_that_a_target_reserves_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.cnn"
    path.write_text("cnn 1\nnet A {\n  input x: [N, 1, 8, 8]\n  conv(2, 3) as half\n  relu\n}\n", encoding="utf-8")
    assert main(["verify", str(path), "--targets", "torch"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^torch .* refuses$", out, re.MULTILINE)
    assert "error[E0402]: PyTorch reserves the name `half`" in out


def test_several_nets_are_all_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.cnn"
    path.write_text(
        "cnn 1\nnet A { input x: [N, 4]\n dense(2) }\nnet B { input x: [N, 4]\n dense(3) -> tanh }\n", encoding="utf-8"
    )
    assert main(["verify", str(path), "--targets", "cpu"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"A ({path})")
    assert f"B ({path})" in captured.out
    assert captured.err == "2 nets verified: all agree\n"
    assert main(["verify", str(path), "--weights", "w.npz"]) == 2
    assert "--weights fit one net; choose it with --net: A, B" in capsys.readouterr().err


def test_verify_from_python_names_unknown_targets() -> None:
    with pytest.raises(UsageError, match="nothing runs in `tpu`"):
        verify(program(), targets=["tpu"])


def test_nodes_are_those_of_the_program() -> None:
    """Values are looked up by node: a runner may not answer with those of a copy."""
    net = program()
    runner = CpuRunner(net, random_weights(net.graph))
    seen = runner.values(*prepared_inputs(net.inputs, {"N": 1}))
    nodes: set[Node] = set(net.graph.nodes)
    assert seen.keys() <= nodes

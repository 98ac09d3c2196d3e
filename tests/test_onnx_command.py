"""ONNX models from the command line and from Python."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import cnnlang
from cnnlang import UsageError, WeightsError
from cnnlang.backends import TARGETS
from cnnlang.backends.onnx import export
from cnnlang.backends.onnx.metadata import NORMALIZED
from cnnlang.cli import main
from cnnlang.weights import initialise, save_weights
from tests.helpers import random_weights
from tests.run_onnx import metadata

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

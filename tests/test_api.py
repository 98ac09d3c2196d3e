"""Nets from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cnnlang
from cnnlang.dims import Term

EXAMPLES = Path(__file__).parents[1] / "examples"
TEXT = """\
cnn 1
net A(classes=10) {
  input x: [N, 3, H, 8]
  conv(4, 3) as stem -> relu -> global_avgpool -> dense(classes)
}
"""


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels run as plain Python: compiling them takes seconds."""
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    monkeypatch.setenv("CNNLANG_CACHE", str(tmp_path / "cache"))


def test_a_net_and_its_figures() -> None:
    net = cnnlang.load(EXAMPLES / "resnet.cnn", net="ResNet50", set={"classes": 10})
    assert (net.name, net.params, net.params_train, net.depth) == ("ResNet50", 23_528_522, 23_528_522, 50)
    assert net.macs == 4_089_184_256 - 2048 * 990
    assert str(net.graph).startswith("graph ResNet50 {\n")
    assert net.program.arguments["classes"] == 10
    assert repr(net) == "<net ResNet50: 23,528,522 params>"
    assert "params: 23,528,522" in str(net.summary())
    assert net.summary(depth=1).rows[-1].name == "fc"


def test_labels_and_warnings() -> None:
    assert cnnlang.load(str(EXAMPLES / "lenet5.cnn")).labels == tuple("0123456789")
    assert cnnlang.load(EXAMPLES / "lenet5.cnn").warnings == ()
    net = cnnlang.loads(TEXT.replace("conv(4", "let a = 1\n  conv(4"))
    assert [d.code for d in net.warnings] == ["W0501"]


def test_symbolic_macs_and_sizes() -> None:
    net = cnnlang.loads(TEXT)
    assert isinstance(net.macs, Term)
    assert cnnlang.loads(TEXT, set={"H": 8}).macs == 108 * 36 + 40


@pytest.mark.parametrize(
    ("value", "kept"),
    [(np.int64(7), 7), (np.array([1, 2]), [1, 2]), ((1, [2.5, "a", None, True]), (1, [2.5, "a", None, True]))],
)
def test_values_of_set(value: object, kept: object) -> None:
    text = "cnn 1\nnet A(v) {\n  input x: [N, 3]\n  let used = [v]\n  dense(len(used))\n}\n"
    assert cnnlang.loads(text, set={"v": value}).program.arguments["v"] == kept


def test_errors_are_of_one_family_and_show_themselves() -> None:
    with pytest.raises(cnnlang.FindingsError, match=r"error\[E0301\]: .*\n  --> <string>:4:25\n") as error:
        cnnlang.loads(TEXT.replace("relu", "rellu"))
    assert isinstance(error.value, cnnlang.CnnError)
    assert [d.code for d in error.value.diagnostics] == ["E0301"]
    for wrong in ({"net": "B"}, {"set": {"clases": 3}}, {"set": {"classes": object()}}):
        with pytest.raises(cnnlang.UsageError):
            cnnlang.loads(TEXT, **wrong)  # type: ignore[arg-type]
    with pytest.raises(cnnlang.UsageError, match="choose one with --net: A, B"):
        cnnlang.loads(TEXT + "net B = A(3)\n")
    with pytest.raises(cnnlang.FindingsError, match="there is no such file"):
        cnnlang.load("nowhere.cnn")
    with pytest.raises(cnnlang.UsageError, match=r"there is no target `onyx`; there are torch, .*graph"):
        cnnlang.loads(TEXT).emit("onyx")
    with pytest.raises(cnnlang.FindingsError, match="E0104"):
        cnnlang.loads("cnn 1\n# \udc80\n")


def test_imports_stay_in_the_root(tmp_path: Path) -> None:
    (tmp_path / "blocks.cnn").write_text("cnn 1\nblock unit(c) { conv(c, 3) }\n", encoding="utf-8")
    text = 'cnn 1\nfrom "blocks.cnn" import unit\nnet A {\n  input x: [N, 3, 8, 8]\n  unit(4)\n}\n'
    assert cnnlang.loads(text, root=tmp_path).params == 112
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "a.cnn").write_text(text.replace('"blocks', '"../blocks'), encoding="utf-8")
    assert cnnlang.load(tmp_path / "nets" / "a.cnn", root=str(tmp_path)).params == 112
    with pytest.raises(cnnlang.FindingsError, match="E0310"):
        cnnlang.load(tmp_path / "nets" / "a.cnn")


@pytest.mark.usefixtures("compiled")
def test_a_model_runs_and_keeps_its_weights(tmp_path: Path) -> None:
    net = cnnlang.loads(TEXT)
    model = net.compile(weights=None, seed=0, threads=1)
    assert isinstance(model, cnnlang.Model)
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 8)).astype(np.float32)
    y = model(x)
    assert isinstance(y, np.ndarray)
    assert (y.shape, y.dtype) == ((2, 10), np.float32)
    assert list(model.weights) == ["stem.weight", "stem.bias", "dense1.weight", "dense1.bias"]
    model.save(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(net.compile(tmp_path / "w.safetensors")(x), y)
    np.testing.assert_array_equal(net.compile(weights=dict(model.weights))(x), y)
    assert np.abs(np.asarray(net.compile(seed=1)(x)) - y).max() > 1e-3


@pytest.mark.parametrize("target", ["torch", "numba", "graph"])
def test_targets(target: str) -> None:
    text = cnnlang.loads(TEXT).emit(target)
    assert text.endswith("\n")
    assert "A" in text


def test_the_package_is_light_and_says_what_it_has() -> None:
    code = (
        "import sys, cnnlang; print(sorted(m for m in sys.modules if m.startswith('cnnlang')), 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=EXAMPLES.parent, check=True)
    assert done.stdout == "['cnnlang'] False\n"
    for name in cnnlang.__all__:
        assert getattr(cnnlang, name) is not None
    assert dir(cnnlang) == sorted(cnnlang.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        cnnlang.lode  # noqa: B018

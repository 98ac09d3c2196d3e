"""Files of real Keras models: what Keras saves is read, what is written Keras loads, and the numbers are the same."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from numpy.typing import NDArray

from cnnlang import Net, load, loads
from cnnlang.errors import FindingsError, UsageError
from cnnlang.interpret import interpret
from cnnlang.weight_files import opened
from cnnlang.weight_files.conversion import convert_weights, read_weights
from cnnlang.weight_files.keras_layout import owners
from cnnlang.weight_files.mapping import read_map
from cnnlang.weight_files.proposal import propose
from cnnlang.weight_files.tables import map_text
from cnnlang.weights import save_weights
from tests.helpers import assert_close, random_weights
from tests.strategies import networks

os.environ.setdefault("KERAS_BACKEND", "torch")
# Keras' own way of getting an array out of PyTorch
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def keras() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras")


# the same net as a person writes it in Keras and here
TEXT = """cnn 1
net A {
  input x: [N, 3, 9, 7]
  conv(4, 3x2) as entry -> bn(eps=1e-3) as entry_bn -> relu
  depthwise(3, pad=1, multiplier=2) as dw -> prelu as slopes
  conv(6, 2, groups=2) as grouped -> group_norm(3, eps=1e-3) as gn
  deconv(5, 3, stride=2) as up
  flatten -> bn(eps=1e-3) as flat_bn -> dense(4) as "head.fc" -> relu -> dense(3, bias=false) as "head.last"
}
"""


def shapes_of(model: Any) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in model.weights]


def keras_model(keras: Any, names: Callable[[str], str]) -> Any:
    layers = keras.layers
    image = keras.Input((9, 7, 3))
    x = layers.Conv2D(4, (3, 2), name=names("entry"))(image)
    x = layers.BatchNormalization(name=names("entry_bn"))(x)
    x = layers.Activation("relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name=names("dw"))(x)
    x = layers.PReLU(shared_axes=[1, 2], name=names("slopes"))(x)
    x = layers.Conv2D(6, 2, groups=2, name=names("grouped"))(x)
    x = layers.GroupNormalization(3, epsilon=1e-3, name=names("gn"))(x)
    x = layers.Conv2DTranspose(5, 3, strides=2, name=names("up"))(x)
    x = layers.Flatten()(x)
    x = layers.BatchNormalization(name=names("flat_bn"))(x)
    head = [layers.Dense(4, activation="relu", name=names("fc")), layers.Dense(3, use_bias=False, name=names("last"))]
    x = keras.Sequential([keras.Input((x.shape[-1],)), *head], name=names("head"))(x)
    model = keras.Model(image, x)
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(size=s)).astype(np.float32) * 0.3 + 0.1 for s in shapes_of(model)])
    return model


@pytest.mark.parametrize("kind", ["weights.h5", "keras", "h5"])
def test_what_keras_saves_is_read_to_the_same_numbers(tmp_path: Path, keras: Any, kind: str) -> None:
    model = keras_model(keras, lambda name: f"my_{name}")
    path = tmp_path / f"a.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (model.save_weights if kind == "weights.h5" else model.save)(path)
    net = loads(TEXT)
    with opened(path) as stored:
        proposal = propose(stored, owners(net.graph))
    assert (proposal.missing, proposal.unused) == ((), ())
    (tmp_path / "map.txt").write_text(map_text(proposal, path.name, net.name), encoding="utf-8")
    weights = read_weights(path, net.program, read_map(tmp_path / "map.txt"))
    x = np.random.default_rng(1).normal(size=(2, 3, 9, 7)).astype(np.float32)
    (reference,) = interpret(net.graph, weights, x)
    assert_close(predicted(model, x), reference)


def test_a_separable_convolution_is_two_layers_here(tmp_path: Path, keras: Any) -> None:
    layers = [keras.layers.SeparableConv2D(5, 3, depth_multiplier=2, name=f"sep{i}") for i in range(2)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    model.set_weights([np.random.default_rng(i).normal(size=s) for i, s in enumerate(shapes_of(model))])
    model.save_weights(tmp_path / "a.weights.h5")
    net = loads(
        "cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n  for i in range(2) { depthwise(3, multiplier=2, bias=false) -> "
        "conv(5, 1) }\n}\n"
    )
    with opened(tmp_path / "a.weights.h5") as stored:
        proposal = propose(stored, owners(net.graph))
    assert (proposal.missing, proposal.unused) == ((), ())
    (tmp_path / "map.txt").write_text(map_text(proposal, "a", net.name), encoding="utf-8")
    weights = read_weights(tmp_path / "a.weights.h5", net.program, read_map(tmp_path / "map.txt"))
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    (reference,) = interpret(net.graph, weights, x)
    assert_close(predicted(model, x), reference)


# --- the source that is emitted ---------------------------------------------------------------------------------------

EMITTED = {
    "mixed": """cnn 1
net Mixed {
  input x: [N, 3, 9, 7]
  conv(4, 3x2) -> bn -> relu as c
  add { | depthwise(3, pad=1, bias=false) -> bn -> prelu -> conv(4, 1) | conv(4, 1) }
  conv(6, 2, groups=2) -> group_norm(3) -> deconv(4, 3, stride=2, groups=2)
  flatten -> dropout -> dense(4) as "head.0" -> relu -> dense(3) as "head.1"
}
""",
    "permuted": """cnn 1
block twin { conv(4, 3, pad=1) -> prelu }
net Permuted {
  input x: [N, 3, 6, 6]
  shared both = twin()
  conv(3, 1, weight=[[2]], bias=true) as fixed
  concat { | in -> both | relu -> both } -> flatten -> bn -> dense(5)
}
""",
}


def emitted(name: str) -> Net:
    return loads(EMITTED[name]) if name in EMITTED else load(EXAMPLES / f"{name}.cnn")


def predicted(model: Any, x: NDArray[Any]) -> NDArray[Any]:
    from tests.run_keras import outputs_of

    (output,) = outputs_of(model, (x,))
    return np.asarray(output)


def filled(net: Net, seed: int) -> Any:
    """The emitted model with random weights."""
    from tests.run_keras import keras_model

    return keras_model(net.program, random_weights(net.graph, seed))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras writes its files in this process, which has imported it."""
    from cnnlang.weight_files import keras_process, keras_target

    def run(path: Path, folder: Path, function: str, made: Path) -> None:
        assert not keras_process.main(str(folder / "net.py"), function, str(folder / "net.safetensors"), str(made))

    monkeypatch.setattr(keras_target, "_run", run)


@pytest.mark.parametrize("name", ["lenet5", *EMITTED])
@pytest.mark.usefixtures("here")
def test_emitted_models_and_files_of_weights_understand_each_other(tmp_path: Path, keras: Any, name: str) -> None:
    net = emitted(name)
    weights = random_weights(net.graph)
    save_weights(tmp_path / "a.safetensors", weights)
    for kind in ("weights.h5", "keras"):
        convert_weights(tmp_path / "a.safetensors", tmp_path / f"b.{kind}", net.program)
        found = read_weights(tmp_path / f"b.{kind}", net.program)
        assert list(found) == list(weights)
        for path, array in weights.items():
            np.testing.assert_array_equal(found[path], array, err_msg=path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.keras", "b.weights.h5"]

    sizes = [int(str(size)) for size in net.graph.inputs[0].type.shape[1:]]
    x = np.random.default_rng(1).normal(size=(2, *sizes)).astype(np.float32)
    (reference,) = interpret(net.graph, weights, x)
    model = filled(net, 1)
    model.load_weights(tmp_path / "b.weights.h5")
    assert_close(predicted(model, x), reference)
    assert_close(predicted(keras.saving.load_model(tmp_path / "b.keras"), x), reference)


@pytest.mark.parametrize("name", list(EMITTED))
def test_what_an_emitted_model_saves_needs_no_map(tmp_path: Path, keras: Any, name: str) -> None:
    net = emitted(name)
    model = filled(net, 0)
    sizes = [int(str(size)) for size in net.graph.inputs[0].type.shape[1:]]
    x = np.random.default_rng(1).normal(size=(2, *sizes)).astype(np.float32)
    model.save_weights(tmp_path / "a.weights.h5")
    model.save(tmp_path / "a.keras")
    for kind in ("weights.h5", "keras"):
        found = read_weights(tmp_path / f"a.{kind}", net.program)
        assert list(found) == list(random_weights(net.graph))
        (reference,) = interpret(net.graph, found, x)
        assert_close(predicted(model, x), reference)


@pytest.mark.usefixtures("here", "keras")
def test_weights_of_random_networks_travel_to_keras_and_back(tmp_path: Path) -> None:
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(networks())
    def travel(text: str) -> None:
        net = loads(text)
        weights = random_weights(net.graph)
        assume(weights)
        save_weights(tmp_path / "a.npz", weights)
        for kind in ("weights.h5", "keras"):
            try:
                convert_weights(tmp_path / "a.npz", tmp_path / f"b.{kind}", net.program)
            except FindingsError:  # E04xx: Keras cannot say it
                reject()
            found = read_weights(tmp_path / f"b.{kind}", net.program)
            assert list(found) == list(weights)
            for path, array in weights.items():
                np.testing.assert_array_equal(found[path], array, err_msg=path)

    travel()


def test_keras_writes_its_files_in_a_process_of_its_own(tmp_path: Path, keras: Any) -> None:
    net = emitted("lenet5")
    weights = random_weights(net.graph)
    save_weights(tmp_path / "a.npz", weights)
    convert_weights(tmp_path / "a.npz", tmp_path / "b.weights.h5", net.program)
    found = read_weights(tmp_path / "b.weights.h5", net.program)
    np.testing.assert_array_equal(found["dense1.weight"], weights["dense1.weight"])


def test_what_keras_says_when_it_fails_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_weights(tmp_path / "a.npz", random_weights(emitted("lenet5").graph))
    monkeypatch.setenv("KERAS_BACKEND", "no_such_backend")
    with pytest.raises(UsageError, match=r"b\.keras cannot be written, for Keras says: .*no_such_backend"):
        convert_weights(tmp_path / "a.npz", tmp_path / "b.keras", emitted("lenet5").program)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_without_keras_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnlang.weight_files import keras_process

    save_weights(tmp_path / "a.npz", random_weights(emitted("lenet5").graph))
    monkeypatch.setattr(keras_process, "find_spec", lambda name: None)
    assert keras_process.main("net.py", "LeNet5", "net.safetensors", "net.keras") == keras_process.NO_KERAS
    (tmp_path / "keras_process.py").write_text("import sys; sys.exit(3)", encoding="utf-8")
    monkeypatch.setattr("cnnlang.weight_files.keras_target.__file__", str(tmp_path / "keras_target.py"))
    with pytest.raises(UsageError, match=r"b\.keras: writing such a file needs Keras, with PyTorch, JAX or T"):
        convert_weights(tmp_path / "a.npz", tmp_path / "b.keras", emitted("lenet5").program)

"""Weights in files of every kind: the same numbers in each, whatever their layout."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cnnlang import Net, load, loads
from cnnlang.backends.onnx import export
from cnnlang.errors import UsageError, WeightsError
from cnnlang.weight_files import opened
from cnnlang.weight_files.conversion import convert_weights, read_weights
from cnnlang.weight_files.keras_names import snake_case
from cnnlang.weights import expected_shapes, load_weights, save_weights
from tests.helpers import random_weights
from tests.keras_files import keras_layers, write_keras, write_keras_2, write_weights_h5

EXAMPLES = Path(__file__).parents[1] / "examples"

SMALL = {
    "residual": """
block basic(c) {
  add { | conv(c, 3, pad=1, bias=false) -> bn -> relu -> conv(c, 3, pad=1, bias=false) -> bn | in } -> relu
}
net A {
  input x: [N, 3, 8, 8]
  conv(4, 3, pad=1) as stem
  basic(4) * 2
  global_avgpool -> dense(5) as fc
}""",
    "mobile": """
net A {
  input x: [N, 3, 8, 8]
  conv(6, 3, pad=1, bias=false) -> bn -> relu6
  depthwise(3, pad=1, bias=false) -> bn -> relu6 -> conv(4, 1)
  global_avgpool -> dense(5)
}""",
    "unet": """
net A {
  input x: [N, 3, 8*H, 8*W]
  conv(4, 3, pad="same") -> relu as c1
  maxpool(2) -> conv(8, 3, pad="same") -> relu
  concat { | c1 | deconv(4, 2, stride=2) } -> conv(2, 1)
}""",
    "mixed": """
net A {
  input x: [N, 3, 6, 8]
  conv(4, 3x2) -> prelu -> group_norm(2)
  conv(8, 2, groups=2) as "body.last" -> flatten -> dense(6) -> dropout -> dense(2)
}""",
    "permuted": """
net A {
  input x: [N, 3, 6, 6]
  conv(4, 3) -> flatten -> bn -> dense(6)
}""",
}


def net_of(name: str) -> Net:
    if name in SMALL:
        return loads(f"cnn 1\n{SMALL[name]}\n")
    return load(EXAMPLES / f"{name}.cnn", net={"resnet": "ResNet18"}.get(name))


def assert_same(got: dict[str, Any], wanted: dict[str, NDArray[Any]]) -> None:
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert got[name].dtype == np.float32
        assert got[name].flags.c_contiguous
        np.testing.assert_array_equal(got[name], array, err_msg=name)


# --- from one kind to the next ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SMALL, "lenet5", "resnet", "mobilenetv2"])
def test_weights_travel_through_every_kind_of_file(tmp_path: Path, name: str) -> None:
    net = net_of(name)
    weights = random_weights(net.graph)
    layers = keras_layers(net.program, weights)
    save_weights(tmp_path / "a.safetensors", weights)
    write_weights_h5(tmp_path / "a.weights.h5", layers)
    write_keras(tmp_path / "a.keras", layers)
    write_keras_2(tmp_path / "a.h5", layers)
    (tmp_path / "a.onnx").write_bytes(export(net.program, weights))
    for kind in ("safetensors", "npz", "pth", "pt"):
        convert_weights(tmp_path / "a.safetensors", tmp_path / f"b.{kind}", net.program)
        assert_same(read_weights(tmp_path / f"b.{kind}", net.program), weights)
    for kind in ("weights.h5", "keras", "h5", "onnx"):
        convert_weights(tmp_path / f"a.{kind}", tmp_path / "c.safetensors", net.program)
        assert (tmp_path / "c.safetensors").read_bytes() == (tmp_path / "a.safetensors").read_bytes(), kind
    assert sorted(p.name for p in tmp_path.iterdir())[0] == "a.h5"  # and nothing hidden beside


def test_the_state_dict_of_emitted_pytorch_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    net = net_of("mixed")
    module: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(net.emit("torch"), "emitted", "exec"), module)
    model = module["A"]()
    torch.save(model.state_dict(), tmp_path / "a.pth")
    loaded = load_weights(tmp_path / "a.pth", expected_shapes(net.graph), program=net.program)
    assert_same(loaded, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
    convert_weights(tmp_path / "a.pth", tmp_path / "b.pt", net.program)
    model.load_state_dict(torch.load(tmp_path / "b.pt", weights_only=True))


def test_a_net_takes_weights_of_any_kind(tmp_path: Path) -> None:
    net = net_of("mixed")
    weights = random_weights(net.graph)
    write_keras(tmp_path / "a.keras", keras_layers(net.program, weights))
    assert_same(dict(net.compile(weights=tmp_path / "a.keras").weights), weights)


def test_heads_that_only_train_travel_where_all_are_there(tmp_path: Path) -> None:
    net = loads(
        "cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n  conv(4, 3) -> relu as c\n  aux head = c -> global_avgpool -> "
        "dense(3)\n  global_avgpool -> dense(3)\n}\n"
    )
    weights = random_weights(net.program.training_graph)
    save_weights(tmp_path / "a.npz", weights)
    assert convert_weights(tmp_path / "a.npz", tmp_path / "b.npz", net.program).arrays == len(weights)
    save_weights(tmp_path / "a.npz", {name: weights[name] for name in expected_shapes(net.graph)})
    assert convert_weights(tmp_path / "a.npz", tmp_path / "b.npz", net.program).arrays == len(weights) - 2


def test_without_a_net_everything_is_taken(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.npz", {"module.x": np.ones(2, np.float32), "module.y": np.zeros((0, 3), np.float32)})
    done = convert_weights(tmp_path / "a.npz", tmp_path / "b.safetensors")
    assert (done.arrays, done.numbers) == (2, 2)
    with opened(tmp_path / "b.safetensors") as stored:
        assert {name: entry.shape for name, entry in stored.items()} == {"x": (2,), "y": (0, 3)}


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_safetensors_of_half_the_size_are_what_pytorch_writes(tmp_path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 20_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    numbers = np.append(bits, np.float32([0, -0.0, np.inf, -np.inf, 65504, 1e-40, 3.3895314e38]))
    if dtype == "float16":
        numbers = numbers[~(np.abs(numbers) > 65504) | np.isinf(numbers)]
    save_weights(tmp_path / "a.npz", {"w": numbers})
    convert_weights(tmp_path / "a.npz", tmp_path / "a.safetensors", dtype=dtype)
    loaded = load_file(tmp_path / "a.safetensors")["w"]
    wanted = torch.from_numpy(numbers).to(getattr(torch, dtype))
    assert loaded.dtype == wanted.dtype
    np.testing.assert_array_equal(loaded.float().numpy(), wanted.float().numpy())


def test_what_float16_cannot_hold_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.npz", {"w": np.float32([1, 7e4])})
    with pytest.raises(WeightsError, match=r"`w` has numbers that a float16 cannot hold \(beyond 65504\)"):
        convert_weights(tmp_path / "a.npz", tmp_path / "b.safetensors", dtype="float16")
    assert not (tmp_path / "b.safetensors").exists()


def test_halves_of_keras_are_read(tmp_path: Path) -> None:
    numbers = np.float32([1, -2.5, 3e20])
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        inner = file.create_group("layers/dense/vars")
        inner.attrs["name"] = "dense1"
        inner["0"] = np.ones((2, 3), ">f2")
        inner["1"] = (numbers.view(np.uint32) >> 16).astype(np.uint16).view("V2")
        inner["1"].attrs["dtype"] = "bfloat16"
    net = loads("cnn 1\nnet A {\n  input x: [N, 2]\n  dense(3)\n}\n")
    loaded = read_weights(tmp_path / "a.weights.h5", net.program)
    np.testing.assert_array_equal(loaded["dense1.weight"], np.ones((3, 2)))
    np.testing.assert_allclose(loaded["dense1.bias"], numbers, rtol=2**-8)


def test_numbers_that_are_none_are_told(tmp_path: Path) -> None:
    save_weights(
        tmp_path / "a.npz", {"a": np.float32([1, np.nan]), "b": np.float32([np.inf, -np.inf]), "c": np.ones(1)}
    )
    done = convert_weights(tmp_path / "a.npz", tmp_path / "b.npz")
    assert done.unusual == ("`a` has 1 number that is NaN", "`b` has 2 numbers that are infinite")


# --- Keras' names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "PReLU", "GroupedConv2DTranspose", "FixedConv2D", "my Layer-X"],
)
def test_classes_are_called_as_in_keras(name: str) -> None:
    import re

    # keras.src.utils.naming.to_snake_case of Keras 3.15
    kept = re.sub(r"\W+", "", name)
    kept = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kept)
    assert snake_case(name) == re.sub("([a-z])([A-Z])", r"\1_\2", kept).lower()


def test_files_without_the_layers_names_take_them_from_the_archive(tmp_path: Path) -> None:
    net = net_of("residual")
    weights = random_weights(net.graph)
    write_keras(tmp_path / "a.keras", keras_layers(net.program, weights), names=False)
    assert_same(read_weights(tmp_path / "a.keras", net.program), weights)
    write_weights_h5(tmp_path / "a.weights.h5", keras_layers(net.program, weights), names=False)
    with pytest.raises(WeightsError, match=r"unexpected: batch_normalization/gamma \[4\]"):
        read_weights(tmp_path / "a.weights.h5", net.program)


def test_arrays_of_the_optimizer_and_of_random_layers_are_no_weights(tmp_path: Path) -> None:
    net = loads("cnn 1\nnet A {\n  input x: [N, 2]\n  dense(3)\n}\n")
    weights = random_weights(net.graph)
    write_weights_h5(tmp_path / "a.weights.h5", keras_layers(net.program, weights))
    with h5py.File(tmp_path / "a.weights.h5", "a") as file:
        file["optimizer/vars/0"] = np.zeros(())
        file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)
        file["_metrics/mean/vars/0"] = np.zeros(())
    assert_same(read_weights(tmp_path / "a.weights.h5", net.program), weights)


def test_layers_of_a_model_in_a_model_are_called_after_both(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        for group, name in (("layers/functional", "encoder"), ("layers/functional/layers/dense", "fc")):
            file.create_group(f"{group}/vars").attrs["name"] = name
        file["layers/functional/layers/dense/vars/0"] = np.ones((2, 3), np.float32)
    with opened(tmp_path / "a.weights.h5") as stored:
        assert {name: entry.shape for name, entry in stored.items()} == {"encoder/fc/kernel": (2, 3)}
    net = loads('cnn 1\nnet A {\n  input x: [N, 2]\n  dense(3, bias=false) as "encoder.fc"\n}\n')
    write_keras_2(tmp_path / "a.h5", [("encoder-fc", "Dense", [np.ones((2, 3), np.float32)])])
    assert list(read_weights(tmp_path / "a.h5", net.program)) == ["encoder.fc.weight"]


@pytest.mark.parametrize(("config", "roles"), [({}, "beta"), ({"center": False}, "gamma")])
def test_bn_without_gamma_or_beta_is_told_by_the_archive(tmp_path: Path, config: dict[str, Any], roles: str) -> None:
    vectors = [np.full(4, value, np.float32) for value in (1, 2, 3)]
    write_keras(tmp_path / "a.keras", [("bn1", "BatchNormalization", vectors)])
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        data = archive.read("model.weights.h5")
    layer = {"class_name": "BatchNormalization", "config": {"name": "bn1", **config}}
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("model.weights.h5", data)
        import json

        archive.writestr("config.json", json.dumps({"config": {"layers": [layer]}}))
    with opened(tmp_path / "a.keras") as stored:
        assert list(stored) == [f"bn1/{role}" for role in (roles, "moving_mean", "moving_variance")]


def test_rows_behind_a_flattened_map_are_put_in_order(tmp_path: Path) -> None:
    """By hand: a map of 2 channels, 1 row and 2 columns; Keras' rows are (w0 c0) (w0 c1) (w1 c0) (w1 c1)."""
    net = loads("cnn 1\nnet A {\n  input x: [N, 2, 1, 2]\n  flatten -> relu -> dense(1, bias=false)\n}\n")
    write_weights_h5(tmp_path / "a.weights.h5", [("dense1", "Dense", [np.float32([[1], [2], [3], [4]])])])
    loaded = read_weights(tmp_path / "a.weights.h5", net.program)
    np.testing.assert_array_equal(loaded["dense1.weight"], [[1, 3, 2, 4]])


# --- ONNX -------------------------------------------------------------------------------------------------------------


def model_of(nodes: list[Any], *tensors: Any) -> bytes:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [], [output], list(tensors))
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


def test_dense_weights_of_onnx_lie_as_the_operator_says(tmp_path: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    nodes = [
        helper.make_node("Gemm", ["x", "a", "a_bias"], ["h"], name="a"),
        helper.make_node("Gemm", ["h", "b"], ["i"], transB=1),
        helper.make_node("Identity", ["c"], ["same"]),
        helper.make_node("MatMul", ["i", "same"], ["j"], name="c"),
        helper.make_node("Add", ["j", "offset"], ["k"]),
        helper.make_node("PRelu", ["k", "slope"], ["l"]),
        helper.make_node("Reshape", ["l", "shape"], ["y"]),
    ]
    tensors = [
        numpy_helper.from_array(weight, "a"),
        numpy_helper.from_array(np.ones(3, np.float32), "a_bias"),
        numpy_helper.from_array(weight, "b"),
        numpy_helper.from_array(weight.astype(np.float16), "c"),
        numpy_helper.from_array(np.ones(3, np.float64), "offset"),
        numpy_helper.from_array(np.ones((3, 1, 1), np.float32), "slope"),
        numpy_helper.from_array(np.array([1, 2]), "shape"),
        helper.make_tensor("unused.weight", TensorProto.FLOAT, [2], [1.0, 2.0]),
    ]
    (tmp_path / "a.onnx").write_bytes(model_of(nodes, *tensors))
    with opened(tmp_path / "a.onnx") as stored:
        found = {name: (entry.layer, entry.role, entry.shape) for name, entry in stored.items()}
        read = {name: entry.read() for name, entry in stored.items()}
    assert found == {
        "a": ("a", "weight", (3, 2)),
        "a_bias": ("a", "bias", (3,)),
        "b": ("Gemm_1", "weight", (2, 3)),
        "c": ("c", "weight", (3, 2)),
        "offset": ("c", "bias", (3,)),
        "slope": ("PRelu_5", "weight", (3,)),
        "unused.weight": ("", "", (2,)),
    }
    np.testing.assert_array_equal(read["a"], weight.T)
    np.testing.assert_array_equal(read["b"], weight)
    np.testing.assert_array_equal(read["c"], weight.T)
    np.testing.assert_array_equal(read["unused.weight"], [1, 2])


def test_onnx_tensors_beside_the_file_are_read_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    tensor = numpy_helper.from_array(np.arange(6, dtype=np.float32), "conv.weight")
    (tmp_path / "inside" / "w.bin").write_bytes(b"ab" + tensor.raw_data)
    (tmp_path / "w.bin").write_bytes(b"ab" + tensor.raw_data)

    def read(location: str, offset: int = 2, length: int = 24) -> NDArray[Any]:
        proto = onnx.TensorProto()
        proto.CopyFrom(tensor)
        proto.ClearField("raw_data")
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
            proto.external_data.add(key=key, value=value)
        (tmp_path / "inside" / "a.onnx").write_bytes(model_of([], proto))
        return read_weights(tmp_path / "inside" / "a.onnx")["conv.weight"]

    np.testing.assert_array_equal(read("w.bin"), np.arange(6))
    for location in ("../w.bin", str(tmp_path / "w.bin"), "missing.bin"):
        with pytest.raises(WeightsError, match=r"conv\.weight lies in another file, which is not beside this one"):
            read(location)
    for offset, length in ((-1, 24), (2, 2**40), (20, 24)):
        with pytest.raises(WeightsError, match=r"conv\.weight lies beyond the end of another file"):
            read("w.bin", offset, length)


# --- what cannot be written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("b.onnx", "cnnlang emit FILE.cnn --target onnx --weights IN -o b.onnx"),
        ("b.h5", "Keras reads weights from files whose names end in .weights.h5"),
        ("b.weights.h5", "a file for Keras is made with the net: name it with --for FILE.cnn"),
        ("b.keras", "a file for Keras is made with the net: name it with --for FILE.cnn"),
        ("b.bin", "weights are written to .safetensors, .npz, .pth, .pt, .weights.h5 and .keras files"),
    ],
)
def test_other_kinds_are_refused_with_where_to_turn(tmp_path: Path, target: str, words: str) -> None:
    save_weights(tmp_path / "a.npz", {"w": np.ones(2, np.float32)})
    with pytest.raises(UsageError) as caught:
        convert_weights(tmp_path / "a.npz", Path(target))
    assert words in str(caught.value)


def test_a_file_of_keras_needs_the_net(tmp_path: Path) -> None:
    write_weights_h5(tmp_path / "a.weights.h5", [("fc", "Dense", [np.ones((2, 3), np.float32)])])
    with pytest.raises(WeightsError, match=r"only the net tells: name it with --for FILE\.cnn"):
        read_weights(tmp_path / "a.weights.h5")


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("h5py", "a.weights.h5", "keras"), ("h5py", "a.keras", "keras"), ("onnx", "a.onnx", "onnx")],
)
def test_a_library_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
) -> None:
    import importlib.util

    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *more: None if n == module else find(n, *more))
    monkeypatch.setitem(sys.modules, module, None)
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    shutil.copy(tmp_path / "a.keras", tmp_path / "a.onnx")
    (tmp_path / "a.weights.h5").write_bytes(b"")
    with (
        pytest.raises(WeightsError, match=rf'needs {module}: pip install "cnnlang\[{extra}\]"'),
        opened(tmp_path / name),
    ):
        pass

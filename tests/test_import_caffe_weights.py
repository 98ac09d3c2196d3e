"""Caffe's `.caffemodel` files, written here by Protocol Buffers itself from the same schema."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlang import import_model
from cnnlang.cli import main
from cnnlang.errors import FindingsError
from cnnlang.importing import read_model
from cnnlang.interpret import interpret
from tests import caffe_nets as nets
from tests.caffe_nets import conv, dense, layer
from tests.helpers import assert_close, random_weights

STRING, FLOAT, DOUBLE, INT32, INT64, MESSAGE = 9, 2, 1, 5, 3, 11
MESSAGES: dict[str, list[tuple[str, int, int, bool, str]]] = {  # name, number, type, repeated, message
    "BlobShape": [("dim", 1, INT64, True, "")],
    "BlobProto": [
        ("shape", 7, MESSAGE, False, "BlobShape"),
        ("data", 5, FLOAT, True, ""),
        ("diff", 6, FLOAT, True, ""),
        ("double_data", 8, DOUBLE, True, ""),
        ("num", 1, INT32, False, ""),
        ("channels", 2, INT32, False, ""),
        ("height", 3, INT32, False, ""),
        ("width", 4, INT32, False, ""),
    ],
    "LayerParameter": [
        ("name", 1, STRING, False, ""),
        ("type", 2, STRING, False, ""),
        ("bottom", 3, STRING, True, ""),
        ("blobs", 7, MESSAGE, True, "BlobProto"),
    ],
    "V1LayerParameter": [
        ("name", 4, STRING, False, ""),
        ("type", 5, INT32, False, ""),
        ("blobs", 6, MESSAGE, True, "BlobProto"),
        ("blobs_lr", 7, FLOAT, True, ""),
    ],
    "NetParameter": [
        ("name", 1, STRING, False, ""),
        ("layers", 2, MESSAGE, True, "V1LayerParameter"),
        ("input_dim", 4, INT32, True, ""),
        ("layer", 100, MESSAGE, True, "LayerParameter"),
    ],
}


@cache
def net_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="caffe_test.proto", package="caffe_test", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for title, number, kind, repeated, inner in fields:
            added = message.field.add(name=title, number=number, type=kind, label=3 if repeated else 1)
            if inner:
                added.type_name = f".caffe_test.{inner}"
            if repeated and kind in (FLOAT, DOUBLE, INT64):
                added.options.packed = title != "blobs_lr"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe_test.NetParameter"))


def model(layers: dict[str, list[Any]], old: bool = False, double: bool = False) -> bytes:
    """A file that holds these blobs."""
    net = net_class()(name="test", input_dim=[1, 3, 8, 8])
    for name, blobs in layers.items():
        made = net.layers.add(name=name, type=4, blobs_lr=[1, 2]) if old else net.layer.add(name=name, type="Any")
        for array in blobs:
            blob = made.blobs.add()
            if old:
                sizes = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = sizes
            else:
                blob.shape.dim.extend(array.shape)
            (blob.double_data if double else blob.data).extend(array.reshape(-1).tolist())
    data: bytes = net.SerializeToString()
    return data


TEXT = nets.start("Net", 3, 8) + conv("c/1", "data", 4, 3, pad=1) + nets.bn("c/1", "c/1") + dense("ip", "c/1", 5)


def files(folder: Path, text: str, data: bytes) -> Path:
    (folder / "net.prototxt").write_text(text, encoding="utf-8")
    (folder / "net.caffemodel").write_bytes(data)
    return folder / "net.prototxt"


def blobs() -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """The blobs of the net above, and its weights in the language."""
    rng = np.random.default_rng(0)
    found = {
        "c/1": [rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)],
        "relu_c/1": [],
        "c/1/bn": [rng.normal(size=4), np.abs(rng.normal(size=4)), np.array([2.0])],
        "c/1/scale": [rng.normal(size=4), rng.normal(size=4)],
        "ip": [rng.normal(size=(5, 256)), rng.normal(size=5)],
        "loss": [rng.normal(size=3)],
    }
    mean, variance, _ = found["c/1/bn"]
    return found, {
        "c.1.weight": found["c/1"][0],
        "c.1.bias": found["c/1"][1],
        "c.1.bn.weight": found["c/1/scale"][0],
        "c.1.bn.bias": found["c/1/scale"][1],
        "c.1.bn.running_mean": mean / 2,
        "c.1.bn.running_var": variance / 2,
        "ip.weight": found["ip"][0],
        "ip.bias": found["ip"][1],
    }


@pytest.mark.parametrize(("old", "double"), [(False, False), (True, False), (False, True)])
def test_numbers_are_read_by_the_layers_names(old: bool, double: bool, tmp_path: Path) -> None:
    given_blobs, expected = blobs()
    foreign = read_model(files(tmp_path, TEXT, model(given_blobs, old, double))).foreign
    assert sorted(foreign.weights) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(foreign.weights[name], array, rtol=1e-6)


def test_the_imported_net_computes_with_them(tmp_path: Path) -> None:
    given_blobs, w = blobs()
    made = import_model(files(tmp_path, TEXT, model(given_blobs)))
    x = np.random.default_rng(1).normal(size=(3, 8, 8))
    y = np.maximum(nets.convolved(x, w["c.1.weight"], w["c.1.bias"], 1, 1, 1, 1), 0)
    y = nets.batch_normalized(y, w, "c.1.bn").reshape(-1)
    (result,) = interpret(made.net().graph, made.weights, x[None])
    assert_close(result[0], w["ip.weight"] @ y + w["ip.bias"], 1e-6)


def test_weights_follow_layers_that_lose_their_names(tmp_path: Path) -> None:
    text, bottom = nets.start("Net", 4, 6), "data"
    for name in ("resa_x", "resb_x", "resc_x", "resd_x"):
        text += conv(f"{name}1", bottom, 4, 3, pad=1) + conv(f"{name}2", f"{name}1", 4, 3, pad=1, relu=False)
        text += layer(name, "Eltwise", [bottom, f"{name}2"]) + layer(f"{name}_relu", "ReLU", name, name)
        bottom = name
    path = files(tmp_path, text, b"")
    graph = read_model(path, weights=False).foreign.graph
    weights = random_weights(graph)
    stored = {p[:-7]: [weights[p], weights[p[:-6] + "bias"]] for p in weights if p.endswith("weight")}
    (tmp_path / "net.caffemodel").write_bytes(model(stored))
    made = import_model(path)
    assert "resa" not in made.text
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 6))
    assert_close(interpret(made.net().graph, made.weights, x)[0], interpret(graph, weights, x)[0], 1e-9)


def test_forms_that_are_stored_otherwise(tmp_path: Path) -> None:
    """A dense layer the other way round, a normalisation alone, slopes, weights that two layers share."""
    share = "".join(f' param {{ name: "{n}" }}' for n in "ab")
    text = nets.start("Net", 2, 1) + layer("n", "BatchNorm", "data") + layer("p", "PReLU", "n")
    text += layer("ip", "InnerProduct", "p", inner_product="num_output: 2 transpose: true")[:-2] + share + "}\n"
    text += layer("again", "InnerProduct", "ip", inner_product="num_output: 2 transpose: true")[:-2] + share + "}\n"
    weight = np.array([[1.0, 2.0], [3.0, 4.0]])
    given_blobs = {"n": [np.ones(2), np.ones(2), np.zeros(1)], "p": [np.array([0.5, 0.25])], "ip": [weight, np.ones(2)]}
    weights = read_model(files(tmp_path, text, model(given_blobs | {"again": given_blobs["ip"]}))).foreign.weights
    np.testing.assert_array_equal(weights["ip.weight"], weight.T)
    np.testing.assert_array_equal(weights["p.weight"], [0.5, 0.25])
    np.testing.assert_array_equal(weights["n.running_var"], [0, 0])
    np.testing.assert_array_equal(weights["n.weight"], [1, 1])
    np.testing.assert_array_equal(weights["n.bias"], [0, 0])
    assert len(weights) == 7


def test_a_whole_net_comes_in_with_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, nets.squeezenet("1.1"), b"")
    graph = read_model("net.prototxt", weights=False).foreign.graph
    weights = random_weights(graph)
    layers = {
        p.removesuffix(".weight"): [weights[p], weights[p[:-6] + "bias"]] for p in weights if p.endswith("weight")
    }
    Path("net.caffemodel").unlink()
    Path("trained.caffemodel").write_bytes(model({name.replace(".", "/"): found for name, found in layers.items()}))
    command = ["import", "net.prototxt", "--weights", "trained.caffemodel", "-o", "net.cnn"]
    assert main(command) == 0
    assert "wrote net.safetensors: 52 arrays" in capsys.readouterr().err
    assert main(["check", "net.cnn"]) == 0
    assert main([*command, "--force", "--weights", "x.weights"]) == 2
    assert "the weights of net.prototxt are in a .caffemodel file" in capsys.readouterr().err


def error(folder: Path, data: bytes) -> str:
    with pytest.raises(FindingsError) as caught:
        read_model(files(folder, TEXT, data))
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0601"
    return " ".join([finding.message, *finding.notes])


def test_weights_that_do_not_fit_are_told_for_every_layer(tmp_path: Path) -> None:
    found, _ = blobs()
    message = error(tmp_path, model(found | {"ip": [np.ones((5, 255)), np.ones(5)], "c/1": [np.ones((4, 3, 3, 3))]}))
    assert "layer `c/1` has 2 blobs here and 1 there" in message
    assert "layer `ip` has 1,280 numbers here and 1,275 there" in message
    assert "layer `c/1/bn` has 3 blobs here and 0 there" in error(tmp_path, model({}) or b"\x0a\x00")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "it is empty"),
        (b"\xff" * 20, "a number has no end, at byte 10"),
        (b"\x0a\xff\xff\xff\x7fabc", "it breaks off: a field ends at byte"),
        (b"\x0b", "there is no field of type 3"),
        (b"\x0a", "it breaks off at byte 1"),
        (b"\x09abc", "it breaks off: a field ends at byte 9"),
    ],
)
def test_a_damaged_file_is_an_error(data: bytes, found: str, tmp_path: Path) -> None:
    assert found in error(tmp_path, data)


def test_a_file_of_too_many_fields_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="E0603"):
        read_model(files(tmp_path, TEXT, b"\x08\x00" * 1_000_001))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_file_however_bad_ends_in_anything_but_weights_or_a_finding(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    good = bytearray(model(blobs()[0]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(good) - 1) | st.integers(0, 60))
        good[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = files(tmp_path_factory.mktemp("net"), TEXT, bytes(good))
    codes: set[str] = set()
    try:
        assert sorted(read_model(path).foreign.weights) == sorted(blobs()[1])
    except FindingsError as caught:
        codes = {d.code for d in caught.diagnostics}
    assert codes <= {"E0601"}

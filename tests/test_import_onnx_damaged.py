"""ONNX files that are damaged, hostile or too large: a clear finding, bounded memory, and never a traceback."""

from __future__ import annotations

import copy
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from cnnlang.backends.onnx import export
from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import CnnError, FindingsError, UsageError
from cnnlang.expand import check
from cnnlang.importing.onnx import read, survey
from cnnlang.render import render_full
from cnnlang.source import Source
from tests.helpers import random_weights
from tests.onnx_models import agrees, built, numbers, random, saved
from tests.test_import_onnx import CASES

MAX_MEMORY = 64 * 2**20  # bytes; none of the files here has more than a few thousand


def model() -> onnx.ModelProto:
    return built("a = Conv(x, w) b = Relu(a) y = Flatten(b)", {"w": random(6, 4, 3, 3)})


def found(path: Path) -> FindingsError:
    """The findings about a file, which take no memory and can be shown."""
    tracemalloc.start()
    try:
        with pytest.raises(FindingsError) as caught:
            dict(read(path).weights)
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY
    finally:
        tracemalloc.stop()
    assert all(render_full(d) for d in caught.value.diagnostics)
    return caught.value


def tensor(proto: onnx.ModelProto) -> Any:
    return proto.graph.initializer[0]


def set_dims(*dims: int) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        del tensor(proto).dims[:]
        tensor(proto).dims.extend(dims)

    return change


def set_external(**entries: str) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        tensor(proto).ClearField("raw_data")
        tensor(proto).data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor(proto).external_data.add(key=key, value=value)

    return change


def twice(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(copy.deepcopy(proto.graph.node[0]))


def circle(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "b"


def nothing_makes(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].input[0] = 'a"\n'


def no_bytes_of(field: str) -> Callable[[onnx.ModelProto], None]:
    return lambda proto: tensor(proto).ClearField(field)


BROKEN: dict[str, tuple[Callable[[onnx.ModelProto], None], str, str]] = {
    "more numbers than bytes": (set_dims(6, 4, 3, 300), "E0601", "needs 86,400 bytes, and 864 are there"),
    "a product beyond 64 bits": (set_dims(2**40, 2**40), "E0603", "says that it holds"),
    "negative sizes": (set_dims(-6, -4, 3, 3), "E0601", "has sizes that no tensor has"),
    "no bytes": (no_bytes_of("raw_data"), "E0601", "needs 216 numbers, and 0 are there"),
    "data above the folder": (set_external(location="../weights"), "E0601", "not beside the model"),
    "data at a place of its own": (set_external(location="/etc/passwd"), "E0601", "not beside the model"),
    "data that are not there": (set_external(location="weights"), "E0601", "no such file"),
    "data of a folder": (set_external(location="."), "E0601", "no such file"),
    "data without a place": (set_external(), "E0601", "not beside the model"),
    "data beyond the end": (set_external(location="short"), "E0601", "needs 864 bytes of short"),
    "data from a place that is none": (set_external(location="short", offset="-4"), "E0601", "says no number"),
    "two values of one name": (twice, "E0601", "two values are called a"),
    "a circle": (circle, "E0601", "needs its own result"),
    "a value of nobody": (nothing_makes, "E0601", r"no node makes a\"\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_models(name: str, tmp_path: Path) -> None:
    change, code, words = BROKEN[name]
    proto = model()
    change(proto)
    (tmp_path / "short").write_bytes(b"\0" * 100)
    (diagnostic,) = found(saved(proto, tmp_path)).diagnostics
    assert diagnostic.code == code
    assert words.replace('\\"', '"') in diagnostic.message


def test_too_many_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cnnlang.importing.onnx.model.MAX_NODES", 2)
    (diagnostic,) = found(saved(model(), tmp_path)).diagnostics
    assert (diagnostic.code, diagnostic.message) == ("E0603", "a net has at most 2 nodes, and this one has 3")


HOSTILE: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "a constant of a shape": (
        "w = ConstantOfShape(s) y = Conv(x, w)", {"s": numbers(2**20, 4, 64, 64)}, "have computed|has computed", {}
    ),
    "many constants of a shape": (
        " ".join(f"w{i} = ConstantOfShape(s) z{i} = Add(w{i}, w{i})" for i in range(200)) + " y = Conv(x, z199)",
        {"s": numbers(2**20, 64)}, "", {},
    ),
    "a range": ("w = Range(a, b, c) y = Add(x, w)",
                {"a": np.array(0), "b": np.array(2**62), "c": np.array(1)}, "has computed", {}),
    "a tiled constant": ("w = Tile(v, t) y = Add(x, w)",
                         {"v": random(1, 1), "t": numbers(2**30, 2**30)}, "has computed", {}),
    "an expanded constant": ("w = Expand(v, t) y = Add(x, w)",
                             {"v": random(1), "t": numbers(2**20, 2**20)}, "has computed", {}),
    "a window of everything": ("y = MaxPool<kernel_shape=[2,2], pads=[9223372036854775807,0,0,0]>(x)", {}, "", {}),
    "an enormous map": ("y = Pad(x, p)", {"p": numbers(0, 0, 2**40, 2**40, 0, 0, 0, 0)}, "larger than any", {}),
    "enlarged a lot": ("y = Resize(x, , z)", {"z": numbers(1.0, 1.0, 4096.0, 4096.0)}, "", {}),
    "an input of many channels": ("y = Neg(x)", {}, "computed", {"x": ("N", 2**35, 1, 1)}),
    "an input larger than a tensor": ("y = Relu(x)", {}, "larger than any", {"x": ("N", 2**35, 2**35, 1)}),
    "a chain of changes": (
        "v0 = Transpose(w) " + " ".join(f"v{i + 1} = Transpose(v{i})" for i in range(3000)) + " y = Add(x, v3000)",
        {"w": random(4, 1, 1)}, "changed more than", {},
    ),
    "the stride is 0": ("y = MaxPool<kernel_shape=[2,2], strides=[0,1]>(x)", {}, "at least 1", {}),
    "an attribute of another type": ("y = MaxPool<kernel_shape=[2.5,2.0]>(x)", {}, "its kernel_shape must be", {}),
    "a kernel of three sides": ("y = MaxPool<kernel_shape=[2,2,2]>(x)", {}, "along 3 axes", {}),
    "an axis that is not there": ("y = Concat<axis=7>(x, x)", {}, "its axis 7 is none of 4", {}),
    "no inputs": ("y = Conv(x)", {}, "", {}),
    "weights of another size": ("y = Conv(x, w)", {"w": random(6, 5, 3, 3)}, "does not fit", {}),
    "statistics of another size": ("y = BatchNormalization(x, s, s, s, s)", {"s": random(5)},
                                   "there are 4 channels", {}),
    "a shape of other numbers": ("y = Reshape(x, r)", {"r": numbers(0, -7, 3)}, "its shape is", {}),
    "two sizes to be found out": ("y = Reshape(x, r)", {"r": numbers(-1, -1)}, "to be found out", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models(name: str, tmp_path: Path) -> None:
    text, constants, words, options = HOSTILE[name]
    path = saved(built(text, constants, **options), tmp_path)
    if name == "enlarged a lot":
        assert str(read(path).graph.outputs[0].type) == "[N, 4, 32768, 32768]"
        return
    diagnostics = found(path).diagnostics
    assert any(w in d.message for d in diagnostics for w in words.split("|"))


def test_long_chains(tmp_path: Path) -> None:
    """Hundreds of nodes take no recursion, whatever they are."""
    links = {
        "Relu": "Relu(v{i})", "Sigmoid": "Sigmoid(v{i})", "Add": "Add(v{i}, x)", "Mul": "Mul(v{i}, c)",
        "Reshape": "Reshape(v{i}, r)", "MaxPool": "MaxPool<kernel_shape=[2,2], strides=[2,2]>(v{i})",
    }  # fmt: skip
    for kind, link in links.items():
        size = 1 if kind != "MaxPool" else "H"
        lines = "v0 = Elu(x) " + " ".join(f"v{i + 1} = {link.format(i=i)}" for i in range(600)) + " y = Relu(v600)"
        path = saved(built(lines, {"c": numbers(1.5), "r": numbers(0, 4, 1, 1)}, x=("N", 4, size, size)), tmp_path)
        if kind == "MaxPool":
            found(path)
        else:
            assert read(path).graph.outputs[0].op.name == "relu"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "missing.onnx")
    with pytest.raises(UsageError, match="is a folder"):
        read(tmp_path)
    for data in (b"", b"\x08", b"no model", b"PK\x03\x04" + b"\0" * 100, bytes(range(256)) * 4):
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        (diagnostic,) = found(path).diagnostics
        assert diagnostic.code == "E0601"
        assert diagnostic.file == str(path)


def test_data_beside_the_model(tmp_path: Path) -> None:
    proto = model()
    array = numpy_helper.to_array(tensor(proto))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights.bin").write_bytes(b"....." + array.tobytes())
    set_external(location="data/weights.bin", offset="5", length=str(array.nbytes))(proto)
    foreign = read(saved(proto, tmp_path))
    np.testing.assert_array_equal(next(iter(foreign.weights.values())), array)
    outside = tmp_path.parent / f"{tmp_path.name}-outside.bin"
    outside.write_bytes(b"....." + array.tobytes())
    (tmp_path / "data" / "weights.bin").unlink()
    (tmp_path / "data" / "weights.bin").symlink_to(outside)
    (diagnostic,) = found(saved(proto, tmp_path)).diagnostics
    assert "leads out of the model's folder" in diagnostic.message


def test_numbers_that_are_none_are_kept(tmp_path: Path) -> None:
    """NaN and infinity are weights like others: what is damaged is for those who run the net to see."""
    weight = random(6, 4, 3, 3)
    weight[0, 0, 0, :2] = np.nan, np.inf
    foreign = read(saved(built("y = Conv(x, w)", {"w": weight}), tmp_path))
    np.testing.assert_array_equal(foreign.weights["conv1.weight"], weight)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_floats_become_float32(kind: Any, tmp_path: Path) -> None:
    weight = random(6, 4, 3, 3).astype(kind)
    proto = built("y = Conv(x, w)", {"w": weight})
    proto.graph.input[0].type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    foreign = read(saved(proto, tmp_path))
    np.testing.assert_array_equal(foreign.weights["conv1.weight"], weight.astype(np.float32))


def test_bfloat16_and_typed_fields(tmp_path: Path) -> None:
    proto = built("y = Conv(x, w)", {"w": random(2, 4, 1, 1)})
    halves = np.arange(8, dtype=np.uint16) + 0x3F80
    tensor(proto).CopyFrom(TensorProto(data_type=16, dims=[2, 4, 1, 1], name="w", raw_data=halves.tobytes()))
    expected = (halves.astype(np.uint32) << 16).view(np.float32).reshape(2, 4, 1, 1)
    np.testing.assert_array_equal(read(saved(proto, tmp_path)).weights["conv1.weight"], expected)
    tensor(proto).CopyFrom(TensorProto(data_type=1, dims=[2, 4, 1, 1], name="w", float_data=list(range(8))))
    agrees(saved(proto, tmp_path), random(1, 4, 8, 8))


# --- whatever comes ---------------------------------------------------------------------------------------------------

SIZES = [0, -1, 1, 2, 7, 65536, 10**9, 2**31, 2**40, 2**62, -(2**63)]


EXPORTED = """cnn 1
net Net {
  input image: [N, 4, 8, 8]
  conv(8, 3, pad="same", fill=0.5) -> bn -> silu -> group_norm(2) -> prelu
  mul { | relu | channel_shuffle(2) }
  depthwise(3, weight=[[0, 1, 0], [1, -4, 1], [0, 1, 0]])
  normalize(0.5, 2) -> global_avgpool -> dense(3)
}
"""


@cache
def seeds() -> list[onnx.ModelProto]:
    program = check(Source("net.cnn", EXPORTED)).programs["Net"]
    ours = onnx.load_from_string(export(program, random_weights(program.graph)))
    return [*(built(text, constants, **options) for text, constants, _, options in CASES.values()), *[ours] * 20]


def assert_answers(data: bytes, path: Path) -> None:
    """A file is read, or there are findings; its weights are no more than the file may hold."""
    path.write_bytes(data)
    findings: tuple[Diagnostic, ...] = ()
    try:
        reading = survey(path)
        findings = reading.findings
        if reading.sayable:
            assert sum(w.size for w in reading.foreign.weights.values()) < 2**28
            assert str(reading.foreign.graph)
    except FindingsError as error:
        findings = error.diagnostics
    assert all(d.code in ("E0601", "E0602", "E0603") and render_full(d) for d in findings)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changed_bytes(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = bytearray(data.draw(st.sampled_from(seeds())).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(source)))
        how = data.draw(st.sampled_from(["flip", "cut", "insert", "drop"]))
        if how == "flip" and place < len(source):
            source[place] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "cut":
            del source[place:]
        elif how == "insert":
            source[place:place] = data.draw(st.binary(max_size=6))
        else:
            del source[place : place + data.draw(st.integers(1, 12))]
    assert_answers(bytes(source), tmp_path_factory.getbasetemp() / "changed.onnx")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changed_structure(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    proto = copy.deepcopy(data.draw(st.sampled_from(seeds())))
    kinds = sorted({n.op_type for m in seeds() for n in m.graph.node} | {"If", "Loop", "Einsum"})
    for _ in range(data.draw(st.integers(1, 3))):
        change(proto, kinds, data)
    assert_answers(proto.SerializeToString(), tmp_path_factory.getbasetemp() / "structure.onnx")


def change(proto: Any, kinds: list[str], data: st.DataObject) -> None:
    """One thing in a model made another."""
    graph, pick, sizes = proto.graph, st.sampled_from, st.sampled_from(SIZES)
    nodes = list(graph.node)
    node = data.draw(pick(nodes)) if nodes else graph.node.add()
    values = [n for other in nodes for n in (*other.input, *other.output)] + ["", "nobody"]
    tensors = list(graph.initializer)
    how = data.draw(pick(["kind", "input", "output", "attribute", "type", "dims", "data", "drop", "double", "opset"]))
    if how == "kind":
        node.op_type = data.draw(pick(kinds))
    elif how == "input" and node.input:
        node.input[data.draw(st.integers(0, len(node.input) - 1))] = data.draw(pick(values))
    elif how == "output" and node.output:
        node.output[0] = data.draw(pick(values))
    elif how == "attribute" and node.attribute:
        attribute = data.draw(pick(list(node.attribute)))
        attribute.i, attribute.f = data.draw(sizes), data.draw(pick([0.0, -1.0, float("nan"), float("inf")]))
        attribute.ints.append(data.draw(sizes))
        attribute.ints[0] = data.draw(sizes)
    elif how == "type" and node.attribute:
        data.draw(pick(list(node.attribute))).type = data.draw(st.integers(0, 14))
    elif how == "dims" and tensors:
        dims = data.draw(pick(tensors)).dims
        dims.append(data.draw(sizes)) if data.draw(st.booleans()) or not dims else dims.pop()
    elif how == "data" and tensors:
        data.draw(pick(tensors)).data_type = data.draw(st.integers(0, 24))
    elif how == "drop" and nodes:
        graph.node.remove(node)
    elif how == "double":
        graph.node.add().CopyFrom(node)
    elif how == "opset":
        proto.opset_import[0].version = data.draw(pick([7, 9, 10, 11, 13, 18, 22, 2**40]))


def test_every_error_is_a_users(tmp_path: Path) -> None:
    with pytest.raises(CnnError):
        read(tmp_path / "none.onnx")

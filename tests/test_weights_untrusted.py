"""Files of weights that lie or are damaged: an error in words, bounded memory, and nothing left behind."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from cnnlang import loads
from cnnlang.errors import WeightsError
from cnnlang.weight_files import opened
from cnnlang.weight_files.conversion import read_weights
from cnnlang.weight_files.stored import FLOATS
from tests.keras_files import write_keras, write_weights_h5

NET = loads("cnn 1\nnet A {\n  input x: [N, 2]\n  dense(3)\n}\n")
LAYERS = [("dense1", "Dense", [np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)])]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Temporary files go to a folder that is empty when a test ends."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def refused(path: Path, words: str) -> None:
    with pytest.raises(WeightsError) as caught:
        read_weights(path, NET.program)
    assert words in str(caught.value)
    assert str(caught.value).isprintable() or "\n  " in str(caught.value)
    assert len(str(caught.value)) < 600


# --- HDF5 -------------------------------------------------------------------------------------------------------------


def soft_link(file: Any) -> None:
    file["layers/dense/vars/0"] = np.zeros(2)
    file["layers/more"] = h5py.SoftLink("/layers/dense")


def external_link(file: Any) -> None:
    file["layers/dense"] = h5py.ExternalLink("/etc/passwd", "/")


def cycle(file: Any) -> None:
    group = file.create_group("layers/a")
    group["again"] = file["layers"]


def two_names(file: Any) -> None:
    file["a"] = np.zeros(2)
    file["b"] = file["a"]


def never_stored(file: Any) -> None:
    file.create_dataset("layers/dense/vars/0", (2**30, 2**10), "f4", chunks=(1024, 1024), compression="gzip")


def compressed(file: Any) -> None:
    zeros = np.zeros((5_000, 2_000), np.float32)
    file.create_dataset("layers/dense/vars/0", data=zeros, chunks=True, compression="gzip", compression_opts=9)


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (2,))
    file.create_virtual_dataset("x", layout)


def external_storage(file: Any) -> None:
    file.create_dataset("x", (10,), "f4", external=[("/etc/passwd", 0, 40)])


def deep(file: Any) -> None:
    group = file
    for _ in range(100):
        group = group.create_group("a")


def long_name(file: Any) -> None:
    file["x" * 5_000] = np.zeros(1)


def objects(file: Any) -> None:
    file.create_dataset("layers/dense/vars/0", data=np.array(["a", "b"], object), dtype=h5py.string_dtype())


def records(file: Any) -> None:
    file["layers/dense/vars/0"] = np.zeros(3, [("a", "f4"), ("b", "i4")])


def integers(file: Any) -> None:
    file["layers/dense/vars/0"] = np.zeros((2, 3), "i4")
    file["layers/dense/vars"].attrs["name"] = "dense1"


def nothing(file: Any) -> None:
    file["layers/dense/vars/0"] = h5py.Empty("f4")


def long_double(file: Any) -> None:
    file["layers/dense/vars/0"] = np.zeros((2, 3), np.longdouble)
    file["layers/dense/vars"].attrs["name"] = "dense1"


def strange_attribute(file: Any) -> None:
    file["layers/dense/vars/0"] = np.zeros((2, 3))
    file["layers/dense/vars"].attrs["name"] = np.zeros(7)


def large_attribute(file: Any) -> None:
    file.create_group("layers").attrs.create("name", np.zeros(8_000, "S8"))
    file.create_dataset("layers/dense/vars/0", data=np.zeros(1))


def names_that_are_not_there(file: Any) -> None:
    file.attrs["layer_names"] = [b"a", b"b"]
    file.create_group("a").attrs["weight_names"] = [b"nothing"]


def names_with_quotes(file: Any) -> None:
    for name in ('"); import os  #', "\x1b[31m", "..", "a\nb"):
        file[f"layers/{name}/vars/0"] = np.zeros(2)
        file[f"layers/{name}/vars"].attrs["name"] = name


def empty(file: Any) -> None:
    pass


LIES: dict[Callable[[Any], None], str] = {
    soft_link: "layers has a link, more",
    external_link: "layers has a link, dense",
    cycle: "layers/a/again is there under two names",
    two_names: "b is there under two names",
    never_stored: "layers/dense/vars/0 would take 4,398,046,511,104 bytes, and next to nothing of it is stored",
    compressed: "layers/dense/vars/0 would take 40,000,000 bytes, and next to nothing of it is stored",
    virtual: "x lies in other files",
    external_storage: "x lies in other files",
    deep: "it has too many or too deep groups",
    long_name: "it has too many or too deep groups",
    objects: "unexpected: dense/kernel [2]",
    records: "unexpected: dense/kernel [3]",
    integers: "no float: dense1.weight is int32",
    nothing: "unexpected: dense/kernel []",
    long_double: "no float: dense1.weight is ",
    strange_attribute: "unexpected: dense/kernel [2, 3]",
    large_attribute: "missing: dense1.weight [3, 2]",
    names_that_are_not_there: "it names a/nothing, and holds no such array",
    names_with_quotes: "unexpected: \\x1b[31m/0 [2]",
    empty: "missing: dense1.weight [3, 2]",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_hdf5_that_lies_is_an_error_in_words(tmp_path: Path, lie: Callable[[Any], None]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        lie(file)
    refused(tmp_path / "a.h5", LIES[lie])


def test_it_is_the_same_in_an_archive(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        external_link(file)
    data = (tmp_path / "a.h5").read_bytes()
    refused(archive_of(tmp_path / "a.keras", {"model.weights.h5": data}), "layers has a link, dense")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\xff" * 4_000])
def test_what_is_no_hdf5_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.h5").write_bytes(data)
    refused(tmp_path / "a.h5", "a.h5 cannot be read as HDF5: it is")


def test_a_reader_that_is_killed_or_does_not_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnlang.weight_files import hdf5_file

    write_weights_h5(tmp_path / "a.weights.h5", LAYERS)
    with opened(tmp_path / "a.weights.h5") as stored:
        process: Any = stored["dense1/kernel"].read.__closure__
        (running,) = [cell.cell_contents for cell in process if hasattr(cell.cell_contents, "listing")]
        running._running.kill()
        running._running.wait()
        with pytest.raises(WeightsError, match=r"a\.weights\.h5 cannot be read as HDF5: it is damaged"):
            stored["dense1/kernel"].read()
    monkeypatch.setattr(hdf5_file, "PATIENCE", 0)
    with (
        pytest.raises(WeightsError, match=r"a\.weights\.h5 cannot be read as HDF5: it is damaged"),
        opened(tmp_path / "a.weights.h5"),
    ):
        pass


# --- Keras' archives --------------------------------------------------------------------------------------------------


def archive_of(path: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def test_archives_that_lie_are_errors_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    (tmp_path / "a.keras").write_bytes(b"no zip")
    refused(path, "a.keras cannot be read as a Keras archive: File is not a zip file")
    refused(archive_of(path, {"config.json": b"{}"}), "there is no model.weights.h5 in it")
    refused(archive_of(path, {"../model.weights.h5": b""}), "there is no model.weights.h5 in it")
    bomb = archive_of(path, {"model.weights.h5": b"\0" * 2**25}, zipfile.ZIP_DEFLATED)
    refused(bomb, "its model.weights.h5 would grow to 33,554,432 bytes")
    bomb = archive_of(path, {"model.weights.h5": b"", "config.json": b" " * (2**26 + 1)}, zipfile.ZIP_DEFLATED)
    refused(bomb, "its config.json is too large")
    refused(
        archive_of(path, {"model.weights.h5": b"", "config.json": b"[" * 100_000}), "cannot be read as a Keras archive"
    )


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        "text",
        {"config": 3},
        {"config": {"layers": 3}},
        {"config": {"layers": [3, None, {"class_name": ["x"]}, {"config": []}, {"config": {"name": {"a": 1}}}]}},
        {"config": {"layers": [{"class_name": "Dense", "config": {"name": "../x"}}] * 3}},
    ],
)
def test_an_account_that_says_nothing_of_use_changes_nothing(tmp_path: Path, config: Any) -> None:
    write_keras(tmp_path / "a.keras", LAYERS)
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        data = archive.read("model.weights.h5")
    path = archive_of(tmp_path / "b.keras", {"model.weights.h5": data, "config.json": json.dumps(config).encode()})
    assert list(read_weights(path, NET.program)) == ["dense1.weight", "dense1.bias"]


# --- ONNX -------------------------------------------------------------------------------------------------------------


def onnx_of(*tensors: Any) -> bytes:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    data: bytes = helper.make_model(helper.make_graph([], "g", [], [output], list(tensors))).SerializeToString()
    return data


def tensor_of(name: str, *dims: int, raw: bytes = b"", kind: int = TensorProto.FLOAT) -> Any:
    return TensorProto(name=name, dims=dims, raw_data=raw, data_type=kind)


def test_onnx_that_lies_is_an_error_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"

    def lies(data: bytes, words: str) -> None:
        path.write_bytes(data)
        refused(path, words)

    lies(b"hello", "a.onnx cannot be read as ONNX")
    lies(b"", "there is no graph in it")
    bias = tensor_of("dense1.bias", 3, raw=b"\0" * 12)
    lies(onnx_of(tensor_of("dense1.weight", 3, 2, raw=b"1234"), bias), "dense1.weight is not as long as its shape says")
    lies(onnx_of(tensor_of("dense1.weight", 3, 2), bias), "cannot be read as ONNX")
    lies(onnx_of(tensor_of("dense1.weight", 2**40, 2**40), bias), "dense1.weight is [1099511627776, 1099511627776]")
    lies(onnx_of(tensor_of("dense1.weight", 3, -2), bias), "dense1.weight has a size below 0")
    lies(onnx_of(bias, bias), "it holds dense1.bias twice")
    lies(onnx_of(tensor_of("dense1.weight", 3, 2, raw=b"\0" * 48, kind=TensorProto.INT64), bias), "is int64")
    lies(onnx_of(tensor_of("dense1.weight", 3, 2, kind=TensorProto.UNDEFINED), bias), "is undefined")
    lies(onnx_of(tensor_of("a\n\x1b[31m.weight", 1, raw=b"\0" * 4)), "unexpected: a\\n\\x1b[31m.weight [1]")


# --- bombs ------------------------------------------------------------------------------------------------------------


def test_without_a_net_the_files_size_bounds_what_is_read(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**34,)})
    archive_of(tmp_path / "a.npz", {"w.npy": header.getvalue()})
    with pytest.raises(WeightsError, match="its arrays would take 68,719,476,736 bytes, more than 100 times"):
        read_weights(tmp_path / "a.npz")
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.zeros(1).expand(2**40)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"its arrays would take 4,398,046,511,104 bytes"):
        read_weights(tmp_path / "a.pth")


def test_without_a_net_other_types_than_floats_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(2, np.int64), **{"bn.num_batches_tracked": np.array(3)})
    with pytest.raises(WeightsError, match=r"holds more than weights:\n  no float: a is int64$"):
        read_weights(tmp_path / "a.npz")


# --- damaged bytes ----------------------------------------------------------------------------------------------------


def good(folder: Path, suffix: str) -> bytes:
    path = folder / f"good.{suffix}"
    if suffix == "keras":
        write_keras(path, LAYERS)
    elif suffix == "onnx":
        weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "dense1.weight")
        path.write_bytes(onnx_of(weight, numpy_helper.from_array(np.zeros(3, np.float32), "dense1.bias")))
    else:
        write_weights_h5(path, LAYERS)
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.parametrize(("suffix", "count"), [("weights.h5", 15), ("keras", 40), ("onnx", 300)])
def test_damaged_bytes_are_errors_in_words(tmp_path: Path, suffix: str, count: int) -> None:
    data = good(tmp_path, suffix)
    changes = st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changes, st.one_of(st.just(len(data)), st.integers(0, len(data))), st.binary(max_size=3))
    def damage(places: list[tuple[int, int]], length: int, more: bytes) -> None:
        changed = bytearray(data)
        for place, value in places:
            changed[place] = value
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(changed[:length] + more)
        with contextlib.suppress(WeightsError), opened(path) as stored:
            for entry in stored.values():
                if entry.dtype in FLOATS and entry.size < 10_000:
                    assert entry.read().shape == entry.shape

    damage()

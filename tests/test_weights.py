"""Weights: files in and out, what does not fit, files that lie, and where weights begin."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cnnlang.errors import OperatorError, UsageError, WeightsError
from cnnlang.expand import check
from cnnlang.initializers import INITIALIZERS, Initializer
from cnnlang.ir import Graph
from cnnlang.source import Source
from cnnlang.weight_files import opened
from cnnlang.weights import check_weights, expected_shapes, generator, initialise, load_weights, save_weights

EXPECTED = {"conv1.weight": (2, 1, 3, 3), "conv1.bias": (2,), "fc.weight": (4, 8)}


def some_weights(seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in EXPECTED.items()}


def graph_of(body: str) -> Graph:
    checked = check(Source("net.cnn", f"cnn 1\nnet A {{\n  input x: [N, 3, 8, 8]\n{body}\n}}\n"))
    assert not checked.has_errors, checked.diagnostics
    return checked.programs["A"].graph


def assert_same(got: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert got[name].dtype == np.float32
        assert got[name].flags.c_contiguous
        np.testing.assert_array_equal(got[name], np.asarray(array, dtype=np.float32), err_msg=name)


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".NPZ"])
def test_written_weights_are_read_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"가중치{suffix}"
    save_weights(path, some_weights())
    assert_same(load_weights(path, EXPECTED), some_weights())


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_the_same_weights_are_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        save_weights(tmp_path / f"{name}{suffix}", some_weights())
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_numpy_reads_the_npz_that_is_written(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", some_weights())
    with np.load(tmp_path / "w.npz", allow_pickle=False) as file:
        assert_same(dict(file), some_weights())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_numpy_is_read(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "w.npz", **some_weights())
    assert_same(load_weights(tmp_path / "w.npz", EXPECTED), some_weights())


def test_writing_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", some_weights())
    save_weights(tmp_path / "w.npz", some_weights(1))
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]
    assert_same(load_weights(tmp_path / "w.npz", EXPECTED), some_weights(1))


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"w\.npz cannot be written: No such file or directory"):
        save_weights(tmp_path / "missing" / "w.npz", some_weights())
    assert list(tmp_path.iterdir()) == []


def test_weights_are_written_to_files_of_a_known_kind(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"w\.bin: weights are written to \.safetensors, \.npz, \.pth and \.pt files"
    ):
        save_weights(tmp_path / "w.bin", some_weights())


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", "<f8"])
@pytest.mark.parametrize("suffix", [".npz", "memory"])
def test_floats_become_float32(tmp_path: Path, dtype: Any, suffix: str) -> None:
    weights = {name: np.asfortranarray(array.astype(dtype)) for name, array in some_weights().items()}
    if suffix == "memory":
        assert_same(check_weights(weights, EXPECTED), weights)
    else:
        np.savez(tmp_path / "w.npz", **weights)
        assert_same(load_weights(tmp_path / "w.npz", EXPECTED), weights)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", "memory"])
def test_floats_of_pytorch_become_float32(tmp_path: Path, dtype: str, suffix: str) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    tensors = {name: torch.from_numpy(array).to(getattr(torch, dtype)) for name, array in some_weights().items()}
    wanted = {name: tensor.float().numpy() for name, tensor in tensors.items()}
    if suffix == "memory":
        assert_same(check_weights(tensors, EXPECTED), wanted)
        return
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tensors, path)
    assert_same(load_weights(path, EXPECTED), wanted)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "complex64", "<U3"])
def test_other_types_are_refused(tmp_path: Path, dtype: str) -> None:
    weights = some_weights() | {"conv1.bias": np.zeros(2, dtype)}
    name = np.dtype(dtype).name
    with pytest.raises(WeightsError, match=f"fit the net:\n  no float: conv1.bias is {name}$"):
        check_weights(weights, EXPECTED)
    np.savez(tmp_path / "w.npz", **weights)
    with pytest.raises(WeightsError, match=f"fit the net:\n  no float: conv1.bias is {name}$"):
        load_weights(tmp_path / "w.npz", EXPECTED)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    np.savez(tmp_path / "w.npz", **(some_weights() | {"conv1.bias": np.array([Bomb(), Bomb()])}))
    with pytest.raises(WeightsError, match=r"conv1\.bias: it holds Python objects, which are never read"):
        load_weights(tmp_path / "w.npz", EXPECTED)
    torch = pytest.importorskip("torch")
    for legacy in (False, True):
        torch.save(Bomb(), tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(WeightsError, match="it holds more than tensors"):
            load_weights(tmp_path / "w.pth", EXPECTED)
    assert not (tmp_path / "exploded").exists()


def test_numbers_beyond_float32_are_refused() -> None:
    weights = some_weights() | {"conv1.bias": np.array([1.0, 1e39])}
    with pytest.raises(WeightsError, match=r"`conv1.bias` has numbers that a float32 cannot hold \(beyond 3.4e38\)"):
        check_weights(weights, EXPECTED)


def test_infinities_and_nans_pass_as_in_pytorch() -> None:
    weights = some_weights() | {"conv1.bias": np.array([np.nan, -np.inf])}
    np.testing.assert_array_equal(check_weights(weights, EXPECTED)["conv1.bias"], weights["conv1.bias"])


def test_what_is_given_is_copied() -> None:
    weights = some_weights()
    checked = check_weights(weights, EXPECTED)
    weights["conv1.bias"][:] = 7
    np.testing.assert_array_equal(checked["conv1.bias"], some_weights()["conv1.bias"])


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_a_mismatch_lists_everything() -> None:
    given = {
        "conv_1.weight": np.zeros((2, 1, 3, 3)),
        "conv1.bias": np.zeros(3),
        "fc.weight": np.zeros((4, 8)),
        "fc2.weight": np.zeros((5, 5)),
    }
    with pytest.raises(WeightsError) as caught:
        check_weights(given, EXPECTED)
    assert str(caught.value) == (
        "the mapping does not fit the net:\n"
        "  missing: conv1.weight [2, 1, 3, 3]\n"
        "  unexpected: conv_1.weight [2, 1, 3, 3] - did you mean `conv1.weight`?\n"
        "  unexpected: fc2.weight [5, 5]\n"
        "  another shape: conv1.bias is [3], the net has [2]"
    )


def test_a_long_list_is_cut() -> None:
    with pytest.raises(WeightsError) as caught:
        check_weights({f"a{i}": np.zeros(1) for i in range(5000)}, {f"b{i}": (2,) for i in range(5000)})
    lines = str(caught.value).splitlines()
    assert len(lines) == 23
    assert lines[11] == "  and 4,990 more missing"
    assert lines[22] == "  and 4,990 more unexpected"


def test_names_from_a_file_stay_on_one_line(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "w.npz", **some_weights(), **{"../../etc/\npasswd\x1b[31m": np.zeros(1), "x" * 5000: np.zeros(1)}
    )
    with pytest.raises(WeightsError) as caught:
        load_weights(tmp_path / "w.npz", EXPECTED)
    lines = str(caught.value).splitlines()
    assert lines[1] == r"  unexpected: ../../etc/\npasswd\x1b[31m [1]"
    assert lines[2] == f"  unexpected: {'x' * 97}... [1]"
    assert len(lines) == 3


def test_ignored_names_may_be_there() -> None:
    weights = some_weights() | {"aux1.fc.bias": np.zeros(3), "bn1.num_batches_tracked": np.array(7)}
    assert_same(check_weights(weights, EXPECTED, ignore={"aux1.fc.bias"}), some_weights())
    with pytest.raises(WeightsError, match=r"net:\n  unexpected: aux1.fc.bias \[3\]$"):
        check_weights(weights, EXPECTED)


def test_a_name_that_is_ignored_is_read_where_it_is_expected() -> None:
    assert_same(check_weights(some_weights(), EXPECTED, ignore=set(EXPECTED)), some_weights())


def test_the_prefix_of_data_parallel_is_dropped() -> None:
    assert_same(check_weights({f"module.{n}": a for n, a in some_weights().items()}, EXPECTED), some_weights())


def test_a_net_may_have_a_group_called_module() -> None:
    assert_same(check_weights({"module.bias": np.ones(1)}, {"module.bias": (1,)}), {"module.bias": np.ones(1)})


# --- PyTorch's files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_state_dicts_are_read(tmp_path: Path, suffix: str, legacy: bool, key: str | None) -> None:
    torch = pytest.importorskip("torch")
    found: Any = {name: torch.from_numpy(array) for name, array in some_weights().items()}
    if key:
        found = {key: found, "epoch": 3}
    torch.save(found, tmp_path / f"w{suffix}", _use_new_zipfile_serialization=not legacy)
    assert_same(load_weights(tmp_path / f"w{suffix}", EXPECTED), some_weights())


def test_the_state_dict_of_a_pytorch_model_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4))
    torch.save(model.state_dict(), tmp_path / "w.pth")
    graph = graph_of('  conv(4, 3, bias=false) as "0" -> bn as "1"')
    loaded = load_weights(tmp_path / "w.pth", expected_shapes(graph))
    assert list(loaded) == ["0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    np.testing.assert_array_equal(loaded["0.weight"], model[0].weight.detach().numpy())


def test_a_whole_model_is_refused_with_the_cure(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"it holds more than tensors \(a whole model\?\); save its state_dict\(\)"):
        load_weights(tmp_path / "w.pth", EXPECTED)


def test_a_list_is_no_state_dict(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save([torch.zeros(2)], tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="it holds a list, not a state_dict"):
        load_weights(tmp_path / "w.pth", EXPECTED)


def test_a_tensor_that_only_looks_large_is_not_made(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"conv1.bias": torch.zeros(1, dtype=torch.bfloat16).expand(2**40)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"conv1.bias is \[1099511627776\], the net has \[2\]"):
        load_weights(tmp_path / "w.pth", EXPECTED)


def test_without_pytorch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "w.pth").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r'needs PyTorch: pip install "cnnlang\[torch\]"'):
        load_weights(tmp_path / "w.pth", EXPECTED)


# --- files that lie ---------------------------------------------------------------------------------------------------


def safetensors_of(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def npz_of(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is given twice
        with zipfile.ZipFile(buffer, "w", compression) as file:
            for name, data in entries:
                file.writestr(name, data)
    return buffer.getvalue()


def npy_of(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_header(text: str, version: bytes = b"\x01\x00") -> bytes:
    data = text.encode("latin-1")
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(data)) + data


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }"

LIES = {
    "empty.safetensors": (b"", "safetensors"),
    "short.safetensors": (b"\0\0\0", "safetensors"),
    "header_beyond.safetensors": (struct.pack("<Q", 2**62) + b"{}", "safetensors"),
    "no_json.safetensors": (struct.pack("<Q", 4) + b"abcd", "safetensors"),
    "deep.safetensors": (struct.pack("<Q", 100_000) + b"[" * 100_000, "safetensors"),
    "truncated.safetensors": (
        safetensors_of({"conv1.bias": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234"),
        "safetensors",
    ),
    "vast.safetensors": (
        safetensors_of({"conv1.bias": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, b"12345678"),
        "safetensors",
    ),
    "backwards.safetensors": (
        safetensors_of({"conv1.bias": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, b"12345678"),
        "safetensors",
    ),
    "no_zip.npz": (b"not a zip file at all", "npz"),
    "empty.npz": (b"", "npz"),
    "no_array.npz": (npz_of([("conv1.bias.npy", b"hello")]), "conv1.bias: it is not a .npy array"),
    "twice.npz": (npz_of([("a.npy", npy_of(np.zeros(1)))] * 2), "it holds a twice"),
    "half.npz": (npz_of([("conv1.bias.npy", npy_of(np.zeros(2))[:-3])]), "it ends early"),
    "more.npz": (npz_of([("conv1.bias.npy", npy_of(np.zeros(2)) + b"x")]), "it is longer than its header says"),
    "version.npz": (npz_of([("conv1.bias.npy", b"\x93NUMPY\x09\x00\x00\x00")]), "version 9.0 of the .npy format"),
    "code.npz": (npz_of([("conv1.bias.npy", npy_header("__import__('os').abort()"))]), "its header is damaged"),
    "deep.npz": (npz_of([("conv1.bias.npy", npy_header("(" * 9000))]), "its header is damaged"),
    "negative.npz": (npz_of([("conv1.bias.npy", npy_header(HUGE % -2))]), "its header is damaged"),
    "vast.npz": (npz_of([("conv1.bias.npy", npy_header(HUGE % 2**60))]), "conv1.bias is [1152921504606846976]"),
    "long_header.npz": (
        npz_of([("conv1.bias.npy", npy_header(HUGE % 2 + " " * 20_000_000, b"\x02\x00"))]),
        "its header is damaged",
    ),
    "bomb.npz": (
        npz_of([("conv1.bias.npy", npy_header(HUGE % 2**24) + b"\0" * 2**26)]),
        "conv1.bias is [16777216], the net has [2]",
    ),
    "text.pth": (b"hello", "PyTorch weights"),
    "empty.pth": (b"", "PyTorch weights"),
    "zip.pth": (npz_of([("a", b"b")]), "PyTorch weights"),
    "bomb.pth": (npz_of([("archive/data.pkl", b"\0" * 2**24)]), "its parts are larger than the file"),
    "w.bin": (b"", "weights are read from .safetensors, .npz, .pth, .pt, .h5, .hdf5, .keras and .onnx files"),
    "w": (b"", "weights are read from"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_an_error_in_words(tmp_path: Path, name: str) -> None:
    data, words = LIES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        load_weights(tmp_path / name, {"conv1.bias": (2,)})
    assert words in str(caught.value)
    assert len(str(caught.value)) < 600


def test_encrypted_and_corrupted_archives_are_errors(tmp_path: Path) -> None:
    data = bytearray(npz_of([("conv1.bias.npy", npy_of(np.ones(2, np.float32)))], zipfile.ZIP_STORED))
    body = data.find(b"\x93NUMPY")
    for place in (body + 130, data.find(b"PK\x01\x02") + 8):  # a number; the flag that says encrypted
        damaged = bytearray(data)
        damaged[place] ^= 1
        (tmp_path / "w.npz").write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"w\.npz cannot be read as npz"):
            load_weights(tmp_path / "w.npz", {"conv1.bias": (2,)})


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth"])
def test_missing_files_and_folders_are_said(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(WeightsError, match="there is no such file"):
        load_weights(tmp_path / f"w{suffix}", EXPECTED)
    (tmp_path / f"w{suffix}").mkdir()
    with pytest.raises(WeightsError, match="is a folder"):
        load_weights(tmp_path / f"w{suffix}", EXPECTED)


def good_file(suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".safetensors":
        from safetensors.numpy import save

        return save(some_weights())
    if suffix == ".npz":
        np.savez_compressed(buffer, **some_weights())
    else:
        import torch

        torch.save({n: torch.from_numpy(a) for n, a in some_weights().items()}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth"])
def test_damaged_bytes_are_errors_in_words(tmp_path_factory: pytest.TempPathFactory, suffix: str) -> None:
    if suffix == ".pth":
        pytest.importorskip("torch")
    good = good_file(suffix)
    path = tmp_path_factory.mktemp("damaged") / f"w{suffix}"
    changes = st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=4)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changes, st.integers(0, len(good)), st.binary(max_size=3))
    def damage(places: list[tuple[int, int]], length: int, more: bytes) -> None:
        data = bytearray(good)
        for place, value in places:
            data[place] = value
        path.write_bytes(data[: max(length, len(good) // 2)] + more)
        with contextlib.suppress(WeightsError):
            loaded = load_weights(path, EXPECTED)
            assert {name: array.shape for name, array in loaded.items()} == EXPECTED

    damage()


ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "F64", "I64", "BOOL", "F33", "U8", 5]),
        "shape": st.lists(st.integers(-1, 3), max_size=3) | st.just("3"),
        "data_offsets": st.lists(st.sampled_from([0, 4, 8, 12, 16, 24, -4, 1.5]), min_size=1, max_size=3),
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), ENTRIES, max_size=3), st.sampled_from([0, 4, 8, 24])
)
@example({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "__metadata__": {"by": "hand"}}, 4)
@example({"a": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]}}, 4)
@example({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}, 0)
@example({}, 0)
def test_a_header_of_safetensors_is_right_where_the_library_says_so(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any], size: int
) -> None:
    from safetensors import SafetensorError, safe_open

    path = tmp_path_factory.getbasetemp() / "header.safetensors"
    path.write_bytes(safetensors_of(header, bytes(size)))
    theirs, ours = None, None
    with contextlib.suppress(SafetensorError), safe_open(path, framework="numpy") as file:
        theirs = set(file.keys())
    with contextlib.suppress(WeightsError), opened(path) as stored:
        ours = set(stored)
    assert ours == theirs


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ({"a": ([1], 4, 8)}, 8),  # a hole
        ({"a": ([1], 0, 4)}, 8),  # more behind
        ({"a": ([2], 0, 8), "b": ([1], 4, 8)}, 8),  # one over the other
        ({"a": ([1], 0, 8)}, 8),  # too large for its shape
        ({"a": ([-1], 0, -4)}, 0),
        ({"a": ([True], 0, 4)}, 4),
        ({"a": ([1.0], 0, 4)}, 4),
        ({"a": ([1] * 65, 0, 4)}, 4),
    ],
)
def test_headers_that_are_wrong(tmp_path: Path, header: dict[str, Any], size: int) -> None:
    entries = {name: {"dtype": "F32", "shape": s, "data_offsets": [b, e]} for name, (s, b, e) in header.items()}
    (tmp_path / "w.safetensors").write_bytes(safetensors_of(entries, bytes(size)))
    with pytest.raises(WeightsError, match="cannot be read as safetensors: "), opened(tmp_path / "w.safetensors"):
        pass


# --- where they begin -------------------------------------------------------------------------------------------------


BODY = "  conv(4, 3) -> bn -> relu -> flatten -> dense(5)"


def test_a_seed_and_a_path_make_the_same_numbers() -> None:
    first, again, other = (initialise(graph_of(BODY), seed) for seed in (3, 3, 4))
    for name, array in first.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])


def test_another_layer_changes_no_weight() -> None:
    before = initialise(graph_of("  conv(4, 3) as a -> flatten -> dense(5) as c"), 0)
    after = initialise(graph_of("  conv(4, 3) as a -> conv(4, 3, pad=1) as b -> flatten -> dense(5) as c"), 0)
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_numbers_stay_what_they_are() -> None:
    np.testing.assert_allclose(
        generator(0, "conv1.weight").uniform(-1, 1, 3),
        [-0.8211294565749332, -0.13891462110160413, 0.9994985644317529],
        rtol=1e-12,
    )


def test_defaults_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    weights = initialise(graph_of("  conv(500, 3) -> bn -> relu -> flatten -> dense(5)"), 0)
    conv = torch.nn.Conv2d(3, 500, 3)
    for name, tensor in (("conv1.weight", conv.weight), ("conv1.bias", conv.bias)):
        bound = 1 / np.sqrt(27)
        assert np.abs(weights[name]).max() <= bound
        np.testing.assert_allclose(weights[name].std(), tensor.detach().numpy().std(), rtol=0.1)
        np.testing.assert_allclose(weights[name].std(), bound / np.sqrt(3), rtol=0.1)
    np.testing.assert_array_equal(weights["bn1.weight"], np.ones(500))
    np.testing.assert_array_equal(weights["bn1.bias"], np.zeros(500))
    np.testing.assert_array_equal(weights["bn1.running_mean"], np.zeros(500))
    np.testing.assert_array_equal(weights["bn1.running_var"], np.ones(500))


@pytest.mark.parametrize(
    ("name", "arguments", "conv_std"),
    [
        ("he_uniform", {}, np.sqrt(2 / 27)),
        ("he_normal", {}, np.sqrt(2 / 27)),
        ("glorot_uniform", {}, np.sqrt(2 / (27 + 4500))),
        ("lecun_normal", {}, np.sqrt(1 / 27)),
        ("normal", {"std": 0.02}, 0.02),
    ],
)
def test_initialisers_have_their_deviation(name: str, arguments: dict[str, float], conv_std: float) -> None:
    init: Initializer = INITIALIZERS[name].make(arguments)
    graph = graph_of("  conv(500, 3) -> bn -> relu -> flatten -> dense(5)")
    weights, plain = initialise(graph, 0, init), initialise(graph, 0)
    np.testing.assert_allclose(weights["conv1.weight"].std(), conv_std, rtol=0.05)
    np.testing.assert_allclose(weights["conv1.weight"].mean(), 0, atol=4 * conv_std / np.sqrt(500 * 27))
    for same in ("conv1.bias", "bn1.weight", "bn1.running_var"):
        np.testing.assert_array_equal(weights[same], plain[same])


def test_the_uniform_ones_are_bounded() -> None:
    weights = initialise(graph_of("  conv(500, 3)"), 0, INITIALIZERS["he_uniform"].make({}))
    assert 0.99 * np.sqrt(6 / 27) < np.abs(weights["conv1.weight"]).max() <= np.sqrt(6 / 27)


def test_a_deviation_is_above_zero() -> None:
    with pytest.raises(OperatorError, match="`std` of `normal` must be a number above 0"):
        INITIALIZERS["normal"].make({"std": 0})

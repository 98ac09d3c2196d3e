"""What `compile` gives: weights, inputs and their mistakes, threads, and the cache of compiled modules."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cnnlang
from cnnlang import InputError, UsageError, WeightsError
from cnnlang.interpret import interpret
from cnnlang.model import Model
from cnnlang.system import cache_folder, processors, user_cache
from tests.helpers import assert_close, random_inputs, random_weights
from tests.load_module import load_module

SMALL = """cnn 1
net Small {
  input image: [N, 1, 8, 8]
  conv(2, 3, bias=false) -> bn -> relu as c
  flatten -> dense(3)
  aux head(weight=0.5) = c -> flatten -> dense(2)
}
net Sizes {
  input image: [N, 1, 16*H, 16*W]
  conv(2, 3, pad=1) as wide
  maxpool(16) -> upsample(16)
  concat { | wide | in }
}
net Pair {
  input left: [N, 2, H, H]
  input right: [N, 3]
  output a = left -> conv(2, 5) -> global_avgpool
  output b = right -> dense(2)
}
net Shift { input image: [N, 1, H, W]
  conv(1, 2, weight=[[1, -1], [0, 0]]) }
"""


def net(name: str = "Small") -> cnnlang.Net:
    return cnnlang.loads(SMALL, net=name)


def model(name: str = "Small", *arguments: Any, **options: Any) -> Model:
    return net(name).compile(*arguments, **options)


# --- running ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_one_output_is_an_array(batch: int) -> None:
    weights = random_weights(net().graph)
    inputs = random_inputs(net().graph, {"N": batch})
    y = model("Small", weights)(*inputs)
    assert isinstance(y, np.ndarray)
    assert_close(y, interpret(net().graph, weights, *inputs)[0])


def test_several_outputs_are_a_tuple() -> None:
    weights = random_weights(net("Pair").graph)
    inputs = random_inputs(net("Pair").graph, {"N": 2, "H": 7})
    result = model("Pair", weights)(*inputs)
    assert isinstance(result, tuple)
    for actual, expected in zip(result, interpret(net("Pair").graph, weights, *inputs), strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.float16).astype(np.float32),
        lambda x: x.tolist(),
        lambda x: np.asfortranarray(x),
        lambda x: x[:, :, ::-1][:, :, ::-1],
        torch.from_numpy,
        lambda x: np.broadcast_to(x, x.shape),
    ],
    ids=["float64", "float16", "lists", "fortran", "strides", "torch", "read-only"],
)
def test_what_is_an_array_will_do(convert: Any) -> None:
    (x,) = random_inputs(net().graph, {"N": 2})
    given = convert(x)
    expected = model()(np.ascontiguousarray(np.asarray(given), np.float32))
    np.testing.assert_array_equal(model()(given), expected)


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.bool_])
def test_whole_numbers_are_numbers(kind: Any) -> None:
    x = np.ones((1, 1, 8, 8), kind)
    np.testing.assert_array_equal(model()(x), model()(x.astype(np.float32)))


def test_an_input_is_not_written_to_and_a_result_is_no_view_of_it() -> None:
    plain = cnnlang.loads("cnn 1\nnet Flat { input x: [N, 2, 2, 2]\n flatten }").compile()
    x = np.ones((1, 2, 2, 2), np.float32)
    y = plain(x)
    assert isinstance(y, np.ndarray)
    y += 1
    np.testing.assert_array_equal(x, 1)


# --- inputs that do not fit -------------------------------------------------------------------------------------------

IMAGE = "input `image` is [N, 1, 8, 8], and was given"
MISTAKES = [
    ("Small", [np.zeros((1, 1, 9, 8))], f"{IMAGE} [1, 1, 9, 8], N = 1; a height of 8 would fit"),
    ("Small", [np.zeros((1, 3, 8, 8))], f"{IMAGE} [1, 3, 8, 8], N = 1; a number of channels of 1 would fit"),
    ("Small", [np.zeros((1, 8, 8))], f"{IMAGE} [1, 8, 8]; a batch of one is x[None]"),
    ("Small", [np.zeros((8, 8))], f"{IMAGE} [8, 8]"),
    (
        "Small",
        [np.zeros((2, 8, 8, 1))],
        f"{IMAGE} [2, 8, 8, 1], N = 2; channels come before height and width: x.transpose(0, 3, 1, 2)",
    ),
    ("Small", [np.zeros((0, 1, 8, 8))], f"{IMAGE} [0, 1, 8, 8]; a batch of 1 would fit"),
    ("Small", [], "Small takes 1 input, and was given 0"),
    ("Small", [np.zeros((1, 1, 8, 8))] * 2, "Small takes 1 input, and was given 2"),
    (
        "Sizes",
        [np.zeros((1, 1, 20, 36))],
        "input `image` is [N, 1, 16*H, 16*W], and was given [1, 1, 20, 36], N = 1; "
        "a height of 16 or 32 and a width of 32 or 48 would fit",
    ),
    (
        "Pair",
        [np.zeros((1, 2, 6, 7)), np.zeros((1, 3))],
        "input `left` is [N, 2, H, H], and was given [1, 2, 6, 7], N = 1, H = 6",
    ),
    (
        "Pair",
        [np.zeros((2, 2, 6, 6)), np.zeros((1, 3))],
        "input `right` is [N, 3], and was given [1, 3], N = 2, H = 6",
    ),
    (
        "Pair",
        [np.zeros((1, 2, 4, 4)), np.zeros((1, 3))],
        "Pair cannot take an input of this size (N = 1, H = 4): `conv`: no 5x5 window fits a [1, 2, 4, 4] map",
    ),
    ("Small", [np.zeros((1, 1, 8, 8), complex)], "input `image` must be real numbers, and is complex128"),
    ("Small", [[["a"]]], "input `image` must be real numbers, and is <U1"),
    ("Small", [np.array([None])], "input `image` must be real numbers, and is object"),
]


@pytest.mark.parametrize(("name", "inputs", "message"), MISTAKES)
def test_an_input_that_does_not_fit(name: str, inputs: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        model(name)(*inputs)
    assert str(caught.value) == message


def test_pixels_are_no_input_yet() -> None:
    with pytest.raises(InputError, match="is uint8, which are pixels from 0 to 255"):
        model()(np.zeros((1, 1, 8, 8), np.uint8))


def test_ragged_lists_are_no_array() -> None:
    with pytest.raises(InputError, match=r"^input `image` is no array: "):
        model()([[1], [1, 2]])


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_by_path() -> None:
    weights = random_weights(net().graph)
    made = model("Small", weights)
    assert list(made.weights) == list(net().graph.weights)
    for path, array in made.weights.items():
        np.testing.assert_array_equal(array, weights[path])
        with pytest.raises(ValueError, match="read-only"):
            array += 1
    with pytest.raises(TypeError):
        made.weights["dense1.bias"] = np.zeros(3)  # type: ignore[index]


def test_a_mapping_is_copied() -> None:
    weights = random_weights(net().graph)
    made = model("Small", weights)
    (x,) = random_inputs(net().graph, {"N": 1})
    before = made(x)
    for array in weights.values():
        array += 1
    np.testing.assert_array_equal(made(x), before)
    np.testing.assert_allclose(made.weights["dense1.bias"], weights["dense1.bias"] - 1, rtol=1e-5)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_saved_weights_come_back(tmp_path: Path, suffix: str) -> None:
    made = model(seed=3)
    made.save(tmp_path / f"w{suffix}")
    again = model("Small", tmp_path / f"w{suffix}")
    for path, array in made.weights.items():
        np.testing.assert_array_equal(again.weights[path], array)
    (x,) = random_inputs(net().graph, {"N": 1})
    np.testing.assert_array_equal(again(x), made(x))


def test_a_seed_says_where_weights_begin() -> None:
    first, same, other = model(seed=1), model(seed=1), model(seed=2)
    np.testing.assert_array_equal(first.weights["conv1.weight"], same.weights["conv1.weight"])
    assert np.any(first.weights["conv1.weight"] != other.weights["conv1.weight"])


def test_weights_of_heads_are_left_aside() -> None:
    program = net().program
    training = random_weights(program.training_graph)
    assert training.keys() > net().graph.weights.keys()
    assert model("Small", training).weights.keys() == net().graph.weights.keys()


def test_weights_that_do_not_fit() -> None:
    weights = random_weights(net().graph)
    del weights["dense1.bias"]
    with pytest.raises(WeightsError, match=r"missing: dense1\.bias \[3\]"):
        model("Small", weights)


def test_a_net_without_weights() -> None:
    y = model("Shift")(np.arange(6.0).reshape(1, 1, 2, 3))
    np.testing.assert_array_equal(y, [[[[-1, -1]]]])


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, -1, processors() + 1])
def test_threads_that_are_not_there(threads: int) -> None:
    with pytest.raises(UsageError, match=rf"^threads must be from 1 to {processors()} here, not {threads}$"):
        model(threads=threads)


def test_calls_from_several_threads() -> None:
    made = model()
    (x,) = random_inputs(net().graph, {"N": 2})
    expected = made(x)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.extend(made(x) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    for result in results:
        np.testing.assert_array_equal(result, expected)


# --- the cache --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNLANG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_that_is_not_the_text_is_replaced(folder: Path) -> None:
    (path,) = [Path(str(load_module("value = 1\n").__file__))]
    assert path.parent == folder
    path.write_text("value = 2\n", encoding="utf-8")
    sys.modules.pop(path.stem)
    assert load_module("value = 1\n").value == 1
    assert path.read_text(encoding="utf-8") == "value = 1\n"


def test_a_module_that_fails_leaves_nothing_behind(folder: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        load_module("1 / 0\n")
    assert {name for name in set(sys.modules) - before if name.startswith("net_")} == set()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are of another kind there")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_can_write_to_is_refused(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(UsageError, match=r"can be written to by others; set CNNLANG_CACHE to a folder of your own$"):
        cache_folder()


def test_a_folder_that_cannot_be_made_is_refused(folder: Path) -> None:
    folder.write_text("a file is here", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be made: "):
        cache_folder()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are of another kind there")
def test_a_user_cache_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CNNLANG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    mine = user_cache() / "cnnlang"
    assert cache_folder() == mine
    assert mine.stat().st_mode & 0o077 == 0
    mine.chmod(0o777)
    other = cache_folder()
    assert other != mine
    assert other.stat().st_mode & 0o077 == 0
    assert cache_folder() == other


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x/cache"}, "/x/cache"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache"),
        ("linux", {}, "/home/me/.cache"),
        ("darwin", {"XDG_CACHE_HOME": "/x/cache"}, "/home/me/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "/x/local"}, "/x/local"),
        ("win32", {}, "/home/me/AppData/Local"),
    ],
)
def test_where_caches_are(
    platform: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    monkeypatch.setattr("cnnlang.system.sys.platform", platform)
    assert user_cache() == Path(expected)

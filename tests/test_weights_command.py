"""`cnnlang weights`: what a user sees, exit codes, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnlang import load
from cnnlang.cli import main
from cnnlang.weight_files.comparing import compare
from cnnlang.weight_files.stored import Stored
from cnnlang.weights import load_weights, save_weights
from tests.helpers import random_weights
from tests.keras_files import keras_layers, write_weights_h5

Run = Callable[..., tuple[int, str, str]]

TEXT = """cnn 1
net A(classes=4) {
  input x: [N, 2, 4, 4]
  conv(3, 2) -> bn -> relu -> flatten -> dense(classes)
}
net B = A(5)
"""


@pytest.fixture
def cnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in a folder with a net and its weights: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    Path("a.cnn").write_text(TEXT, encoding="utf-8")
    save_weights("a.npz", random_weights(load("a.cnn", net="A").graph))

    def run(line: str) -> tuple[int, str, str]:
        code = main(line.split())
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def theirs() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """The weights under other names."""
    weights = random_weights(load("a.cnn", net="A").graph)
    return {name.replace("conv1", "first").replace("dense1", "last"): array for name, array in weights.items()}


# --- convert ----------------------------------------------------------------------------------------------------------


def test_weights_are_converted(cnn: Run) -> None:
    assert cnn("weights convert a.npz b.pth") == (0, "", "wrote b.pth: 8 arrays, 151 numbers\n")
    words = "weights convert b.pth c.safetensors --for a.cnn --net A --dtype bfloat16"
    assert cnn(words) == (0, "", "wrote c.safetensors: 8 arrays, 151 numbers\n")
    assert cnn("weights diff a.npz c.safetensors --tolerance 0.02")[0] == 0


def test_what_does_not_fit_is_listed_with_the_command_that_helps(cnn: Run) -> None:
    np.savez("t.npz", **theirs())
    code, out, err = cnn("weights convert t.npz b.npz --for a.cnn --net B --set classes=4")
    assert (code, out) == (1, "")
    assert (
        err
        == """error: t.npz does not fit the net:
  missing: conv1.weight [3, 2, 2, 2]
  missing: conv1.bias [3]
  missing: dense1.weight [4, 27]
  missing: dense1.bias [4]
  unexpected: first.weight [3, 2, 2, 2]
  unexpected: first.bias [3]
  unexpected: last.weight [4, 27] - did you mean `dense1.weight`?
  unexpected: last.bias [4] - did you mean `dense1.bias`?
help: where only the names differ, propose a map: cnnlang weights convert t.npz --for a.cnn --net B --set classes=4 \
--propose -o map.txt
"""
    )
    assert not Path("b.npz").exists()


def test_a_map_is_proposed_looked_at_and_used(cnn: Run) -> None:
    np.savez("t.npz", **theirs())
    code, out, err = cnn("weights convert t.npz --for a.cnn --net A --propose -o map.txt")
    assert code == 0
    assert (
        out
        == """t.npz for A

theirs  ours    shape    why
──────────────────────────────────────────────
first   conv1   3x2x2x2  only one of its shape
last    dense1  4x27     only one of its shape

2 of 2 layers sure
"""
    )
    assert err == ("wrote map.txt; use it with: cnnlang weights convert t.npz --for a.cnn --net A OUT --map map.txt\n")
    assert cnn("weights convert t.npz b.npz --for a.cnn --net A --map map.txt")[0] == 0
    assert Path("b.npz").read_bytes() == Path("a.npz").read_bytes()


def test_a_map_that_leaves_weights_without_numbers_is_no_success(cnn: Run) -> None:
    np.savez("t.npz", **{"other": np.zeros((9, 9), np.float32)})
    code, out, err = cnn("weights convert t.npz --for a.cnn --net A --propose")
    assert (code, err) == (1, "")
    assert out.endswith("0 of 0 layers sure; 8 weights missing; 1 array unused\n")


def test_names_that_fit_need_no_map(cnn: Run) -> None:
    code, out, _ = cnn("weights convert a.npz --for a.cnn --net A --propose")
    assert (code, out) == (0, "a.npz has the names of A: no map is needed\n")


def test_numbers_that_are_none_are_warned_of(cnn: Run) -> None:
    np.savez("n.npz", w=np.float32([1, np.nan, np.inf]))
    assert cnn("weights convert n.npz b.npz") == (
        0,
        "",
        "warning: `w` has 1 number that is NaN\n"
        "warning: `w` has 1 number that is infinite\n"
        "wrote b.npz: 1 array, 3 numbers\n",
    )


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a\nb", "a\x1b[31m", "a\0b", "..", "", "x" * 2_000, "a\\..\\b"])
def test_names_that_could_do_harm_do_not_travel(cnn: Run, name: str) -> None:
    save_weights("n.safetensors", {name: np.zeros(1, np.float32)})
    code, out, err = cnn("weights convert n.safetensors b.npz")
    assert (code, out) == (2, "")
    assert err.startswith("error: n.safetensors: `")
    assert err.endswith("` is no name for a weight; give it another with --map\n")
    assert len(err) < 300
    assert sorted(p.name for p in Path().iterdir()) == ["a.cnn", "a.npz", "n.safetensors"]


WRONG = {
    "weights convert a.npz": "convert takes two files, IN and OUT; -o names the map that --propose writes",
    "weights convert a.npz b.npz -o m": "convert takes two files, IN and OUT; -o names the map that --propose writes",
    "weights convert a.npz --propose": "--propose takes IN and --for FILE.cnn, writes a map",
    "weights convert a.npz b.npz --for a.cnn --net A --propose": "--propose takes IN and --for FILE.cnn",
    "weights convert a.npz b.npz --net A": "--net, --set and --root say which net of a file: name it with --for FILE",
    "weights convert a.npz b.onnx": "cnnlang emit FILE.cnn --target onnx --weights IN -o b.onnx",
    "weights convert a.npz b.npz --dtype float16": "b.npz: float16 is for .safetensors files",
    "weights convert x.npz b.npz": "x.npz: there is no such file",
    "weights convert a.cnn b.npz": "a.cnn: weights are read from .safetensors, .npz, .pth,",
    "weights convert a.npz b.npz --map m.txt": "m.txt cannot be read: No such file or directory",
    "weights convert a.npz b.npz --for b.cnn": "b.cnn: there is no such file; did you mean a.cnn?",
    "weights convert a.npz no/b.npz": "no/b.npz cannot be written: No such file or directory",
    "weights diff a.npz x.npz": "x.npz: there is no such file",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_says_what_is_wrong(cnn: Run, line: str) -> None:
    code, out, err = cnn(line)
    assert (code, out) == (2, "")
    assert WRONG[line] in err
    assert sorted(p.name for p in Path().iterdir()) == ["a.cnn", "a.npz"]


# --- diff -------------------------------------------------------------------------------------------------------------


def test_equal_files_of_two_kinds_are_equal(cnn: Run) -> None:
    net = load("a.cnn", net="A")
    write_weights_h5("a.weights.h5", keras_layers(net.program, random_weights(net.graph)))
    found = cnn("weights diff a.npz a.weights.h5 --for a.cnn --net A")
    assert found == (0, "8 arrays in both, all equal\n", "")
    assert load_weights("a.weights.h5", {n: a.shape for n, a in random_weights(net.graph).items()}, program=net.program)


def test_differences_are_shown_the_largest_first(cnn: Run) -> None:
    weights = random_weights(load("a.cnn", net="A").graph)
    weights["conv1.bias"] = weights["conv1.bias"] + np.float32([0, 0, 0.25])
    weights["bn1.running_var"] = np.float32([1, 2, np.nan])
    weights["dense1.bias"] = np.zeros(5, np.float32)
    del weights["bn1.bias"]
    weights["bn2.bias"] = np.zeros(3, np.float32)
    np.savez("b.npz", **weights, num_batches_tracked=np.array(3), step=np.array(7))
    code, out, err = cnn("weights diff a.npz b.npz")
    assert (code, err) == (1, "")
    assert out == DIFFERENT
    code, out, _ = cnn("weights diff a.npz b.npz --all")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines() if "e-" in line or line.endswith(" 0")] == [
        "conv1.bias",
        "conv1.weight",
        "bn1.weight",
        "bn1.running_mean",
        "dense1.weight",
    ]


DIFFERENT = """\
only in a.npz (1):
  bn1.bias 3

only in b.npz (1):
  bn2.bias 3

of other shapes (1):
  dense1.bias: 4 and 5

weight           shape  difference  relative
────────────────────────────────────────────
bn1.running_var  3             inf       inf
conv1.bias       3        2.50e-01  2.06e-01

6 arrays in both, 2 differ, the most bn1.running_var; 1 array of other types than floats left out
"""


def test_a_tolerance_is_of_numbers_not_of_names(cnn: Run) -> None:
    weights = random_weights(load("a.cnn", net="A").graph)
    save_weights("b.npz", {name: array + np.float32(1e-3) for name, array in weights.items()})
    assert cnn("weights diff a.npz b.npz --tolerance 0.01") == (
        0,
        "8 arrays in both, none differs by more than 0.01\n",
        "",
    )
    code, out, _ = cnn("weights diff a.npz b.npz --tolerance 1e-4")
    assert code == 1
    assert "8 arrays in both, 8 differ by more than 0.0001, the most " in out
    save_weights("b.npz", {name: array for name, array in weights.items() if name != "bn1.bias"})
    assert cnn("weights diff a.npz b.npz --tolerance 9")[0] == 1


def test_many_differences_are_cut(cnn: Run) -> None:
    for name, value in (("x", 0), ("y", 1)):
        save_weights(f"{name}.npz", {f"w{i}": np.full(2, value, np.float32) for i in range(30)})
    code, out, _ = cnn("weights diff x.npz y.npz")
    assert code == 1
    assert out.count("1.00e+00") == 40
    assert out.endswith("30 arrays in both, 30 differ, the most w0; 10 more with --all\n")
    assert cnn("weights diff x.npz y.npz --all")[1].count("1.00e+00") == 60


def test_a_map_gives_the_names_of_the_other_file(cnn: Run) -> None:
    np.savez("t.npz", **theirs())
    Path("m.json").write_text('{"first.weight": "conv1.weight", "first.bias": "conv1.bias"}', encoding="utf-8")
    code, out, _ = cnn("weights diff t.npz a.npz --map m.json")
    assert code == 1
    assert out.startswith(
        "only in t.npz (2):\n  last.weight 4x27\n  last.bias 4\n\nonly in a.npz (2):\n  dense1.weight "
    )


def test_json_holds_everything(cnn: Run) -> None:
    save_weights("x.npz", {"a": np.float32([1, 2]), "b": np.zeros(1, np.float32), "c": np.zeros(2, np.float32)})
    save_weights("y.npz", {"a": np.float32([1, np.inf]), "c": np.zeros(3, np.float32), "d": np.zeros(1, np.float32)})
    code, out, _ = cnn("weights diff x.npz y.npz --format json")
    assert code == 1
    assert json.loads(out) == {
        "format_version": 1,
        "files": ["x.npz", "y.npz"],
        "tolerance": 0.0,
        "equal": False,
        "only": [[{"name": "b", "shape": [1]}], [{"name": "d", "shape": [1]}]],
        "reshaped": [{"name": "c", "shapes": [[2], [3]]}],
        "compared": [{"name": "a", "shape": [2], "absolute": "inf", "relative": "inf"}],
        "left_out": 0,
    }


def test_a_difference_is_that_of_the_numbers() -> None:
    def stored(*numbers: float) -> dict[str, Stored]:
        array = np.array(numbers, np.float32)
        return {"w": Stored("float32", array.shape, lambda: array)}

    def difference(left: dict[str, Stored], right: dict[str, Stored]) -> tuple[float, float]:
        (found,) = compare(left, right).compared
        return found.absolute, found.relative

    assert difference(stored(1, -4), stored(1, -5)) == (1, 0.2)
    assert difference(stored(np.nan, np.inf, 1), stored(np.nan, np.inf, 1)) == (0, 0)
    assert difference(stored(np.nan), stored(1)) == (np.inf, np.inf)
    assert difference(stored(np.inf), stored(-np.inf)) == (np.inf, np.inf)
    assert difference(stored(0), stored(0)) == (0, 0)
    assert difference(stored(), stored()) == (0, 0)
    assert compare(stored(1), stored(1)).is_equal(0)
    assert not compare(stored(np.nan), stored(1)).is_equal(1e30)


def test_the_manual_is_to_the_point(cnn: Run) -> None:
    code, out, _ = cnn("weights --help")
    assert code == 0
    assert "convert" in out
    assert "diff" in out
    assert max(map(len, out.splitlines())) <= 80

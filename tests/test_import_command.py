"""`cnnlang import` end to end: what it prints and writes, its exit codes, and that nothing is left half written."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnlang
from cnnlang.cli import main
from cnnlang.errors import FindingsError, UsageError
from cnnlang.explain import page
from cnnlang.importing.caffe import reader as caffe
from cnnlang.importing.darknet import reader as darknet
from cnnlang.importing.reading import Reading
from cnnlang.interpret import interpret
from cnnlang.source import Source
from tests import caffe_nets, darknet_nets
from tests.darknet_nets import Runner, conv, maxpool
from tests.helpers import assert_close

SMALL = [conv(8, 3), maxpool(), conv(4, 1), ("avgpool", {}), ("softmax", {"groups": 1})]
BAD = darknet_nets.text([("reorg", {"stride": 2}), conv(4, 3), ("local", {"size": 3})], 3, 8, 8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def small(folder: Path, weights: bool = True) -> tuple[Any, Any]:
    """`small.cfg`, and its weights beside it; a picture, and what the net makes of it."""
    runner, x = Runner(np.random.default_rng(1)), np.random.default_rng(0).normal(size=(3, 8, 8))
    (expected,) = runner.run(SMALL, x)
    (folder / "small.cfg").write_text(darknet_nets.text(SMALL, *x.shape), encoding="utf-8")
    if weights:
        (folder / "small.weights").write_bytes(runner.weights())
    return x, expected.reshape(-1)


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# --- what it writes ---------------------------------------------------------------------------------------------------


def test_text_goes_to_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(folder)
    assert main(["import", "small.cfg"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("cnn 1\n")
    assert "\nnet small {\n  input image: [N, 3, 8, 8]\n" in out
    assert out.endswith("}\n")
    assert err == "note: the weights are not in this text; -o FILE.cnn writes them too\n"
    assert cnnlang.loads(out).params == 8 * 27 + 16 + 32 + 8
    assert files(folder) == ["small.cfg", "small.weights"]
    assert main(["import", "small.cfg", "-o", "-"]) == 0
    assert capsys.readouterr() == (out, "")


def test_a_net_and_its_weights_are_written_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, expected = small(folder)
    assert main(["import", "small.cfg", "-o", "net.cnn"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = (folder / "net.cnn").read_text(encoding="utf-8").count("\n")
    assert err.splitlines() == [
        f"wrote net.cnn: small, {lines} lines, 272 params",
        "wrote net.safetensors: 10 arrays",
        "next: cnnlang verify net.cnn --weights net.safetensors",
    ]
    assert files(folder) == ["net.cnn", "net.safetensors", "small.cfg", "small.weights"]
    net = cnnlang.load("net.cnn")
    weights = net.compile("net.safetensors").weights
    assert_close(interpret(net.graph, weights, x[None])[0][0], expected, 1e-9)


def test_weights_are_found_named_or_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(folder)
    (folder / "small.weights").rename(folder / "other.weights")
    assert main(["import", "small.cfg", "-o", "a.cnn"]) == 0
    assert main(["import", "small.cfg", "-o", "b.cnn", "--weights", "other.weights"]) == 0
    (folder / "other.weights").rename(folder / "small.weights")
    assert main(["import", "small.cfg", "-o", "c.cnn", "--no-weights"]) == 0
    assert [p.name for p in sorted(folder.glob("*.safetensors"))] == ["b.safetensors"]
    assert capsys.readouterr().err.count("next: cnnlang summary") == 2
    assert main(["import", "small.cfg", "--no-weights", "--weights", "other.weights"]) == 2
    assert "do not go together" in capsys.readouterr().err
    assert main(["import", "small.cfg", "--weights", "missing.weights"]) == 2
    assert "missing.weights: no such file" in capsys.readouterr().err


def test_files_that_are_there_are_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(folder)
    for name in ("net.cnn", "net.safetensors"):
        (folder / name).write_text("mine", encoding="utf-8")
        before = files(folder)
        assert main(["import", "small.cfg", "-o", "net.cnn"]) == 2
        assert f"{name} is there already; --force replaces it" in capsys.readouterr().err
        assert (files(folder), (folder / name).read_text(encoding="utf-8")) == (before, "mine")
        (folder / name).unlink()
    (folder / "net.cnn").write_text("mine", encoding="utf-8")
    assert main(["import", "small.cfg", "-o", "net.cnn", "--force"]) == 0
    assert cnnlang.load("net.cnn").params == 272


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("net.txt", "a net is written to a file whose name ends with .cnn"),
        ("nowhere/net.cnn", "cannot be written"),
        ("folder.cnn", "folder.cnn: this is a folder"),
    ],
)
def test_a_place_where_nothing_can_be_written(
    output: str, found: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small(folder)
    (folder / "folder.cnn").mkdir()
    before = files(folder)
    assert main(["import", "small.cfg", "-o", output]) == 2
    assert found in capsys.readouterr().err
    assert files(folder) == before


def test_both_files_are_written_or_neither(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(folder)
    before = files(folder)
    made = cnnlang.import_model("small.cfg")
    replace = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if target.suffix == ".safetensors":
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(UsageError, match=r"net\.safetensors cannot be written: No space left on device"):
        made.save("net.cnn")
    assert files(folder) == before


def test_a_weight_that_cannot_be_read_leaves_no_file_behind(folder: Path) -> None:
    small(folder)
    before = files(folder)
    made = cnnlang.import_model("small.cfg")

    class Breaking(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise FindingsError([])

        def items(self) -> Any:
            return [(key, self[key]) for key in self]

    object.__setattr__(made, "weights", Breaking(made.weights))
    with pytest.raises(FindingsError):
        made.save("net.cnn")
    assert files(folder) == before


# --- names, options, the Python API -----------------------------------------------------------------------------------


def test_a_net_is_called_as_the_file_or_the_user_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = caffe_nets.lenet()
    for name, inside, wanted in (
        ("a.prototxt", text, "LeNet"),
        ("7 Net-ü.prototxt", text.replace('name: "LeNet"', ""), "Net_7_Net_ü"),
        ("b.prototxt", text.replace('"LeNet"', '"../ \\"); import os  #"'), "import_os"),
        ("c.prototxt", text.replace('"LeNet"', '"conv"'), None),
    ):
        (folder / name).write_text(inside, encoding="utf-8")
        made = cnnlang.import_model(name)
        assert wanted is None or made.name == wanted
        assert cnnlang.loads(made.text).params == 431_080
    assert main(["import", "a.prototxt", "--name", "Mine"]) == 0
    assert "\nnet Mine {\n" in capsys.readouterr().out
    for bad in ("relu", "a b", "1a", "net", ""):
        assert main(["import", "a.prototxt", "--name", bad]) == 2
        assert "cannot be a net's name" in capsys.readouterr().err


def test_a_file_is_known_by_its_end_or_its_beginning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(folder)
    (folder / "small.cfg").rename(folder / "small.txt")
    (folder / "net.pt.txt").write_text(caffe_nets.lenet(), encoding="utf-8")
    assert cnnlang.import_model("small.txt", weights=False).net().params == 272
    assert cnnlang.import_model("net.pt.txt").net().params == 431_080
    for name, data, found in (
        ("x.bin", b"\x00\x01", "models are read from .onnx, .cfg (Darknet) and .prototxt (Caffe) files"),
        ("x.caffemodel", b"", "name the .prototxt file of this net"),
        ("x.weights", b"", "name the .cfg file of this net"),
        ("x.pth", b"", "export it with torch.onnx.export"),
        ("x.h5", b"", "format='onnx'"),
    ):
        (folder / name).write_bytes(data)
        assert main(["import", name]) == 2
        assert found in capsys.readouterr().err
    assert main(["import", "missing.cfg"]) == 2
    assert main(["import", str(folder)]) == 2
    assert "there is no such file" in (err := capsys.readouterr().err)
    assert "this is a folder" in err


@pytest.mark.parametrize("size", ["3x224", "ax2x3", "0x2x2", "3x2x99999999999", "1x2x3x4", ""])
def test_a_size_that_is_none_is_refused(size: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "a.prototxt", "--input", size]) == 2
    assert "write channels, height and width" in capsys.readouterr().err


def test_the_size_of_the_input_can_be_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'layer { name: "mnist" type: "Data" top: "data" top: "label" transform_param { scale: 0.00390625 } }'
    (folder / "a.prototxt").write_text(text + caffe_nets.dense("ip", "data", 10), encoding="utf-8")
    assert main(["import", "a.prototxt"]) == 1
    assert "give it with --input, as in --input 3x224x224" in capsys.readouterr().err
    assert main(["import", "a.prototxt", "--input", "1x28x28"]) == 0
    assert "input data: [N, 1, 28, 28]" in capsys.readouterr().out
    made = cnnlang.import_model("a.prototxt", input_size=(1, 28, 28))
    assert made.net().params == 7_850
    assert "scale = " in made.text


def test_names_are_kept_on_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "resnet.prototxt").write_text(caffe_nets.resnet50(), encoding="utf-8")
    assert main(["import", "resnet.prototxt"]) == 0
    without = capsys.readouterr().out
    assert main(["import", "resnet.prototxt", "--keep-names"]) == 0
    kept = capsys.readouterr().out
    assert "branch2a" in kept
    assert without.count("\n") <= kept.count("\n")
    assert cnnlang.loads(kept).params == cnnlang.loads(without).params == 25_557_032


# --- what cannot be said ----------------------------------------------------------------------------------------------


def test_what_cannot_be_said_is_told_for_every_layer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.cfg").write_text(BAD, encoding="utf-8")
    assert main(["import", "bad.cfg", "-o", "net.cnn"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error[E0602]: layer 0, [reorg] cannot be said: Darknet deals the numbers out across")
    assert " --> bad.cfg:8:1\n   |\n 8 | [reorg]\n   | ^^^^^^^\n" in err
    assert "error[E0602]: layer 2, [local] cannot be said: each place of the map has a kernel of its own" in err
    assert err.endswith("2 errors\n")
    assert files(folder) == ["bad.cfg"]


def test_a_dry_run_lists_all_layers_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(folder)
    assert main(["import", "small.cfg", "--dry-run", "-o", "net.cnn"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "count  layer          becomes",
        "─" * 46,
        "    2  convolutional  conv -> bn -> leaky_relu",
        "    1  maxpool        maxpool",
        "    1  avgpool        global_avgpool",
        "    1  softmax        softmax",
        "",
        "small.cfg (Darknet cfg): 5 layers, all can be said: 272 params",
    ]
    assert files(folder) == ["small.cfg", "small.weights"]
    (folder / "bad.cfg").write_text(BAD, encoding="utf-8")
    assert main(["import", "bad.cfg", "--dry-run"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:22] for line in lines[2:]].count("    1  reorg          ") == 1
    assert lines[-1] == "bad.cfg (Darknet cfg): 3 layers, of which 2 cannot be said"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net.cfg", lambda: darknet_nets.text(darknet_nets.yolov4(), 3, 608, 608)),
        ("net.prototxt", caffe_nets.densenet121),
    ],
)
def test_a_dry_run_answers_in_a_second(name: str, text: Callable[[], str], folder: Path) -> None:
    (folder / name).write_text(text(), encoding="utf-8")
    start = time.process_time()
    assert main(["import", name, "--dry-run"]) == 0
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.cfg", b"", "E0601"),
        ("a.cfg", b"[net]\nwidth=8\xff\n", "E0601"),
        ("a.cfg", b"[net]\n" + b"# " * 2**20, "E0603"),
        ("a.cfg", b"[net]\n" + b"x" * 10_000_000, "E0603"),
        ("a.prototxt", b"layer {" * 500_000, "E0603"),
        ("a.prototxt", b"layer {" * 2_000, "E0603"),
        ("a.prototxt", b'name: "a', "E0601"),
        ("a.prototxt", b"\xff\xfe", "E0601"),
        ("a.prototxt", b"", "E0601"),
    ],
)
def test_a_damaged_file_is_an_error_with_its_place(
    name: str, data: bytes, code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_bytes(data)
    for more in ([], ["--dry-run"]):
        assert main(["import", name, "-o", "net.cnn", *more]) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"error[{code}]: ")
        assert f"--> {name}" in err
        assert len(err) < 2_000
    assert files(folder) == [name]


def test_comments_in_other_encodings_do_no_harm(folder: Path) -> None:
    (folder / "a.prototxt").write_bytes(b"# \xc0\xce\xbd\xc4\xb1\xe2\n" + caffe_nets.lenet().encode())
    assert cnnlang.import_model("a.prototxt").net().params == 431_080


# --- the pages of the codes -------------------------------------------------------------------------------------------

READERS: dict[str, Callable[..., Reading]] = {"cfg": darknet.read_source, "prototxt": caffe.read_source}


def read_example(code: str, kind: str) -> Reading:
    """What comes of the one example of a kind in a code's page."""
    ((form, text),) = re.findall(rf"^```(\w+) {kind}\n(.*?)^```$", page(code).text, re.MULTILINE | re.DOTALL)
    return READERS[form](Source("example", text), **({"name": "Net"} if form == "cfg" else {}))


@pytest.mark.parametrize("code", ["E0601", "E0602", "E0603"])
def test_the_example_of_a_page_gives_its_code_and_the_cure_none(code: str) -> None:
    assert [d.code for d in read_example(code, "wrong").findings] == [code]
    assert read_example(code, "right").sayable

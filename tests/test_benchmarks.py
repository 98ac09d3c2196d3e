"""The benchmarks: which nets they take, how they time, and that what is shown is made of what was recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import chart, inference, results, timing
from benchmarks.contenders import OURS
from benchmarks.nets import NETS, UnknownNet, load, plain
from benchmarks.timing import Rules, calls_for, in_rounds, summarised

SVG = "{http://www.w3.org/2000/svg}"
SMALL = """cnn 1
net Small(width=4) { input image: [N, 3, 8, 8]
  conv(width, 3) -> relu -> global_avgpool -> dense(3) }
net Any { input image: [N, 3, H, 8]
  conv(4, 1) }
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.cnn"
    path.write_text(SMALL, encoding="utf-8")
    return path


# --- nets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("resnet18", "ResNet18"),
        ("RESNET-18", "ResNet18"),
        ("squeezenet11", "SqueezeNet1_1"),
        ("SqueezeNet1.1", "SqueezeNet1_1"),
        ("u_net", "UNet"),
    ],
)
def test_nets_have_names_as_people_write_them(said: str, name: str) -> None:
    assert load(said, {}).name == name


def test_no_two_nets_are_called_alike() -> None:
    assert len({plain(name) for name in NETS}) == len(NETS)


def test_a_net_of_a_file(small: Path) -> None:
    net = load(f"{small}:Small", {"width": 5})
    assert net.params == 5 * 28 + 3 * 6
    assert load(f"{small}:Any", {"H": 9}).name == "Any"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("resnet19", r"^there is no net resnet19: there are LeNet5, AlexNet, .*, and the path of any \.cnn file$"),
        ("{small}:Any", r"^Any takes \[N, 3, H, 8\]: give H a value with --set$"),
    ],
)
def test_what_cannot_be_measured(small: Path, said: str, message: str) -> None:
    with pytest.raises(UnknownNet, match=message):
        load(said.format(small=small), {})


# --- timing -----------------------------------------------------------------------------------------------------------


def test_rounds_are_interleaved_and_the_first_call_of_a_turn_is_not_timed() -> None:
    log: list[str] = []
    runs = {name: (lambda name=name: log.append(name)) for name in (OURS, "A", "B")}
    found = in_rounds(runs, Rules(rounds=3, limit=60, burst=3, pause=0))
    assert found.calls == 2
    assert log == [name for _ in range(3) for name in (OURS, "A", "B") for _ in range(3)]
    assert {name: len(times) for name, times in found.seconds.items()} == {OURS: 3, "A": 3, "B": 3}


def test_there_are_some_rounds_however_long_they_take() -> None:
    found = in_rounds({OURS: lambda: None}, Rules(rounds=20, limit=0, burst=2, pause=0))
    assert len(found.seconds[OURS]) == 5


@pytest.mark.skipif(not timing.STATISTICS.exists(), reason="this system does not tell how busy it is")
def test_what_else_runs_is_told() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = in_rounds({OURS: lambda: None}, Rules(rounds=20, limit=60, burst=2, pause=0.05))
    finally:
        child.kill()
        child.wait()
    assert found.others is not None
    assert found.others > 0.3


@pytest.mark.parametrize(("seconds", "calls"), [(1e-9, 300), (14e-6, 300), (1e-3, 5), (0.1, 1)])
def test_short_calls_are_timed_in_a_row(seconds: float, calls: int) -> None:
    assert calls_for(seconds) == calls


def test_ratios_are_of_the_same_round() -> None:
    found = dict(summarised({OURS: [1.0, 2.0, 4.0], "A": [3.0, 4.0, 8.0]}))
    assert (found["A"].median, found["A"].least) == (4.0, 3.0)
    assert (found["A"].ratio, found["A"].least_ratio) == (2.0, 3.0)
    assert (found[OURS].ratio, found[OURS].least_ratio) == (1.0, 1.0)


# --- a measurement ----------------------------------------------------------------------------------------------------

QUICK = ["--rounds", "5", "--pause", "0", "--burst", "2", "--without", "torch.compile", "--without", "OpenVINO"]


def test_a_measurement(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.json"
    options = ["--net", f"{small}:Small", "--batch", "3", "--threads", "1", "--json", str(out), *QUICK]
    assert inference.main(options) == 0
    (row,) = json.loads(out.read_text(encoding="utf-8"))
    assert (row["net"], row["batch"], row["threads"], row["rounds"], row["calls"]) == ("Small", 3, 1, 5, 1)
    assert row["macs"] == 3 * (4 * 27 * 36 + 4 * 3)
    assert list(row["contenders"]) == [OURS, "PyTorch", "PyTorch NHWC", "ONNX Runtime"]
    for timed in row["contenders"].values():
        assert timed["median"] >= timed["least"] > 0
        assert timed["apart"] < 1e-5
    shown = capsys.readouterr().out
    assert shown.startswith("Small, batch 3, 1 thread, 5 rounds; peak ")
    assert max(map(len, shown.splitlines())) <= 80


def test_wrong_outputs_are_not_timed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {OURS: lambda: np.ones((1, 3), np.float32), "A": lambda: np.ones((1, 3), np.float32) * 1.001}
    monkeypatch.setattr(inference, "prepare", lambda task, without: wrong)
    with pytest.raises(AssertionError, match=r"differ from cnnlang's by \{'A': '1\.0e-03'\} of the largest"):
        inference.measure(f"{small}:Small", {}, 1, 1, Rules(5, 1, 2, 0), [])


def test_what_is_not_a_number_differs() -> None:
    ones = [np.ones(3, np.float32)]
    assert not inference.apart([np.array([1, np.nan, 1], np.float32)], ones) <= inference.TOLERANCE


def test_a_net_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert inference.main(["--net", "resnet19", "--threads", "1"]) == 2
    assert capsys.readouterr().err.startswith("there is no net resnet19: ")


def test_each_is_measured_in_a_process_of_its_own(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert inference.main(["--net", f"{small}:Any"]) == 2  # on one thread and on two
    assert capfd.readouterr().err == "Any takes [N, 3, H, 8]: give H a value with --set\n"


# --- what is shown ----------------------------------------------------------------------------------------------------


def measured(net: str, batch: int, threads: int, ratios: dict[str, float]) -> dict[str, Any]:
    timed = {name: {"median": r, "least": r, "ratio": r, "least_ratio": r, "apart": 0.0} for name, r in ratios.items()}
    ours = {"median": 0.5, "least": 0.25, "ratio": 1.0, "least_ratio": 1.0, "apart": 0.0}
    where = {"machine": "A machine", "date": "2026-01-01"}
    return {
        "net": net, "batch": batch, "threads": threads, **where, "macs": 10**9, "peak_gflops": 16.0, "rounds": 5,
        "calls": 1, "pause": 0.0, "others": 0.9 if batch > 1 else None, "contenders": {OURS: ours, **timed},
    }  # fmt: skip


ROWS = [
    measured("LeNet5", 1, 1, {"PyTorch": 3.0, "OpenVINO": 2.0}),
    measured("LeNet5", 1, 2, {"PyTorch": 0.5, "OpenVINO": 0.75}),
    measured("UNet", 16, 1, {"PyTorch": 1.25}),
]


def test_the_best_peer_is_told() -> None:
    lines = results.markdown({"sections": [], "inference": ROWS}).splitlines()
    assert "| LeNet5 | 1 | 500.000 | 250.000 | 50% | 3.00 / 3.00 |  |  |  | **2.00 / 2.00** |" in lines
    assert "| LeNet5 | 2 | 500.000 | 250.000 | 50% | **0.50 / 0.50** |  |  |  | 0.75 / 0.75 |" in lines
    assert lines[-1] == "Something else was running beside UNet (1): others kept 0.9 processors busy."
    assert [line for line in lines if line.startswith("## ")] == ["## Inference, batch 1", "## Inference, batch 16"]


def test_the_chart_hides_nothing() -> None:
    svg = ElementTree.fromstring(chart.chart({"sections": [], "inference": ROWS}))
    texts = [element.text for element in svg.iter(f"{SVG}text")]
    assert [text for text in texts if text in ("2.00", "0.50", "1.25")] == ["2.00", "0.50", "1.25"]
    widths = [float(bar.get("width", "")) for bar in svg.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    np.testing.assert_allclose(widths, np.array([2.0, 0.5, 1.25]) / 2.0 * max(widths), atol=0.1)
    assert "UNet, batch 16" in texts
    assert "A machine, 2026-01-01" in texts
    assert "Something else was running during 1 of the 3 measurements." in texts


def test_the_sentences_tell_what_is_slower() -> None:
    said = chart.sentences({"sections": [], "inference": ROWS})
    assert "cnnlang is 0.50 to 2.00 times as fast as the fastest of PyTorch and OpenVINO" in said
    assert "(slower: LeNet5 at batch 1 on 2 threads)" in said


def test_recording_replaces_what_it_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "DATA", tmp_path / "results.json")
    monkeypatch.setattr(results, "TEXT", tmp_path / "results.md")
    results.record(ROWS[1:])
    results.write_section("A title", ["a line"])
    results.record([ROWS[0], measured("LeNet5", 1, 2, {"PyTorch": 9.0})])
    kept = results.read()
    assert [(row["net"], row["batch"], row["threads"]) for row in kept["inference"]] == [
        ("LeNet5", 1, 1), ("LeNet5", 1, 2), ("UNet", 16, 1),
    ]  # fmt: skip
    assert kept["inference"][1]["contenders"]["PyTorch"]["ratio"] == 9.0
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == results.markdown(kept)
    assert "## A title" in results.markdown(kept)


def test_all_that_is_shown_is_made_of_what_was_recorded() -> None:
    recorded = results.read()
    again = "run `python -m benchmarks.chart`"
    assert results.TEXT.read_text(encoding="utf-8") == results.markdown(recorded), again
    assert chart.CHART.read_text(encoding="utf-8") == chart.chart(recorded), again
    found = chart.PART.search(chart.README.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == chart.sentences(recorded), again

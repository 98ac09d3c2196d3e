"""`cnnlang profile`: every layer with its time, its kernel and its share of the peak."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import cnnlang
from cnnlang.backends.numba_cpu import portions
from cnnlang.backends.numba_cpu.engine import Engine
from cnnlang.backends.numba_cpu.plan.stages import Stage
from cnnlang.backends.numba_cpu.profile import Profile, Row, layers, peak
from cnnlang.cli import main
from cnnlang.cli.profile import size_unit, time_unit
from cnnlang.cli.profile_chart import chart_svg
from tests.helpers import random_weights

SVG = "{http://www.w3.org/2000/svg}"

NET = """cnn 1
net Small {
  input image: [N, 16, 32, 32]
  conv(32, 3, pad=1) -> relu -> depthwise(3) -> conv(16, 1, stride=2) -> flatten -> dense(3)
}
net Any { input image: [N, 3, H, W]
  conv(4, 1) }
"""


def profiled(tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    path = tmp_path / "a.cnn"
    path.write_text(NET, encoding="utf-8")
    code = main(["profile", str(path), "--rounds", "2", *options])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("threads", ["1", "2"])
def test_what_is_counted_is_what_the_net_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], threads: str
) -> None:
    options = ["--net", "Small", "--format", "json", "--batch", "2", "--threads", threads]
    code, shown = profiled(tmp_path, capsys, *options)
    assert code == 0
    found = json.loads(shown)
    net = cnnlang.loads(NET, net="Small")
    assert sum(row["macs"] for row in found["layers"]) == 2 * int(str(net.macs))
    assert {row["name"] for row in found["layers"]} >= {"conv1", "depthwise1", "conv2", "dense1"}
    assert all(row["seconds"] > 0 and row["bytes"] > 0 for row in found["layers"])
    assert found["seconds"] > 0
    for row in found["layers"]:
        np.testing.assert_allclose(row["gflops"], 2e-9 * row["macs"] / row["seconds"])
        np.testing.assert_allclose(row["of_peak"], row["gflops"] / found["peak_gflops"])
    # layers are measured where they stand in the whole
    assert sum(row["seconds"] for row in found["layers"]) < 3 * found["seconds"]
    assert found["arena_bytes"] > 2 * 4 * 16 * 32 * 32


def test_a_table_and_a_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = profiled(tmp_path, capsys, "--net", "Small")
    assert code == 0
    lines = shown.splitlines()
    assert lines[0].startswith("Small, ")
    assert any(line.startswith("conv2 ") and " direct " in line and "%" in line for line in lines)
    code, _ = profiled(tmp_path, capsys, "--net", "Small", "--chart", str(tmp_path / "a.svg"))
    assert code == 0
    svg = ElementTree.fromstring((tmp_path / "a.svg").read_text(encoding="utf-8"))
    texts = [element.text for element in svg.iter(f"{SVG}text")]
    assert {"conv1", "depthwise1", "conv2", "dense1"} <= set(texts)
    assert any(text is not None and text.startswith("direct ") for text in texts)


def test_a_large_batch_is_shown_as_it_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert profiled(tmp_path, capsys, "--net", "Small", "--batch", "3")[1].splitlines()[0].endswith(", batch 3")
    monkeypatch.setattr(portions, "NEAR", 0)
    monkeypatch.setattr(portions, "WEIGHT", 0)
    shown = profiled(tmp_path, capsys, "--net", "Small", "--batch", "3")[1]
    assert shown.splitlines()[0].endswith(", batch 3, of which 1 at a time, as below")


def test_symbolic_sizes_need_a_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert profiled(tmp_path, capsys, "--net", "Any")[0] == 2
    assert profiled(tmp_path, capsys, "--net", "Any", "--set", "H=8", "--set", "W=9")[0] == 0


def test_the_peak_is_above_what_a_scalar_could_do() -> None:
    engine = Engine(cnnlang.loads("cnn 1\nnet A { input x: [N, 2]\n relu }").graph, {})
    assert np.isfinite(found := peak(engine.code, 1, rounds=3, least=0.001))
    assert found > 0.5


def rows_of(text: str, shape: tuple[int, ...]) -> tuple[list[Row], list[Stage]]:
    """The rows of a net, each stage taking a second."""
    graph = cnnlang.loads(f"cnn 1\nnet A {{ {text} }}").graph
    stages = Engine(graph, random_weights(graph)).program((shape,)).stages
    return list(layers(stages, np.ones(len(stages)))), stages


def test_stages_of_one_layer_are_a_row() -> None:
    rows, stages = rows_of(
        "input x: [N, 4, 6, 6]\n conv(4, 3, pad=1) -> avgpool(2) -> avgpool(2, ceil=true) -> deconv(3, 2, stride=2)",
        (1, 4, 6, 6),
    )
    assert [row.name for row in rows] == ["input", "conv1", "avgpool", "avgpool", "deconv1", "output", "halos"]
    assert sum(row.seconds for row in rows) == len(stages)
    assert rows[4].seconds == 4
    assert rows[4].kernel.endswith(", 4 stages")


def test_halos_count_what_is_written() -> None:
    rows, _ = rows_of("input x: [N, 16, 5, 7]\n relu -> conv(4, 3, pad=1)", (2, 16, 5, 7))
    (halos,) = [row for row in rows if row.name == "halos"]
    assert halos.bytes == 4 * 2 * 16 * (7 * 9 - 5 * 7)


@pytest.mark.parametrize(("count", "bars"), [(3, 3), (60, 31)])
def test_a_chart_of_many_layers_gathers_the_small_ones(count: int, bars: int) -> None:
    rows = tuple(Row(f"layer{i}", "direct 1x1", 1e-3 if i < 30 else 1e-6, 1000, 4000) for i in range(count))
    found = Profile(rows, 1.0, 100.0, 4000, 1, 1)
    svg = ElementTree.fromstring(chart_svg(found, "A<&", "1 thread", time_unit(found), size_unit(found)))
    assert len(list(svg.iter(f"{SVG}title"))) == bars
    assert ("30 others" in [element.text for element in svg.iter(f"{SVG}text")]) == (count == 60)
    assert str(svg.get("aria-label")).startswith("A<&: 1000.000 ms a call")

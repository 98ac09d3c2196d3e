"""`cnnlang profile`: every layer with its time, its kernel and its share of the peak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cnnlang
from cnnlang.backends.numba_cpu.engine import Engine
from cnnlang.backends.numba_cpu.profile import peak
from cnnlang.cli import main

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
    assert found["arena_bytes"] > 2 * 4 * 16 * 32 * 32


def test_a_table_and_a_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = profiled(tmp_path, capsys, "--net", "Small")
    assert code == 0
    lines = shown.splitlines()
    assert lines[0].startswith("Small, ")
    assert any(line.startswith("conv2 ") and " direct " in line and "%" in line for line in lines)
    code, _ = profiled(tmp_path, capsys, "--net", "Small", "--chart", str(tmp_path / "a.svg"))
    assert code == 0
    assert "depthwise1" in (tmp_path / "a.svg").read_text(encoding="utf-8").replace("&#160;", " ")


def test_symbolic_sizes_need_a_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert profiled(tmp_path, capsys, "--net", "Any")[0] == 2
    assert profiled(tmp_path, capsys, "--net", "Any", "--set", "H=8", "--set", "W=9")[0] == 0


def test_the_peak_is_above_what_a_scalar_could_do() -> None:
    engine = Engine(cnnlang.loads("cnn 1\nnet A { input x: [N, 2]\n relu }").graph, {})
    assert np.isfinite(found := peak(engine.code, 1, rounds=3, turns=1000))
    assert found > 0.5

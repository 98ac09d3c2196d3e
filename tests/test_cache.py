"""`cnnlang cache`: what is kept, and that clearing takes only that."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cnnlang
from cnnlang.cli import main


def test_the_cache_is_shown_and_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CNNLANG_CACHE", str(folder))
    (folder / "mine.txt").write_text("not cnnlang's", encoding="utf-8")
    (folder / "net_1.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "net_1.nbi").write_bytes(b"1234")
    (folder / "1.kernel").write_bytes(b"12345")
    assert main(["cache", "info", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folder": str(folder), "files": 3, "bytes": 15}
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out == f"{folder}: 3 files, 0.0 MB\n"
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"deleted 3 files, 0.0 MB, from {folder}\n"
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_net_runs_after_the_cache_was_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CNNLANG_CACHE", str(tmp_path / "cache"))
    net = cnnlang.loads("cnn 1\nnet A { input x: [N, 3]\n softplus }")
    x = np.ones((1, 3), np.float32)
    before = net.compile()(x)
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("deleted ")
    np.testing.assert_array_equal(net.compile()(x), before)

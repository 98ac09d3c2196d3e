"""`--print-after` of `run` and `emit`: the graph after a pass, and the engine's plan."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cnnlang
from cnnlang.cli import main
from cnnlang.passes import PASSES, optimize
from cnnlang.system import processors

NET = """cnn 1
net A {
  input x: [N, 3, 8, 8]
  conv(4, 3, pad=1, bias=false) -> bn -> relu -> dropout
  global_avgpool -> dense(2)
}
"""
GRAPH = """graph A {
  %0 = input(x) : [N, 3, 8, 8]  # x
  %1 = conv(4, 3, pad=1, bias=false) %0 conv1.weight : [N, 4, 8, 8]  # conv1
  %2 = bn %1 bn1.weight bn1.bias bn1.running_mean bn1.running_var : [N, 4, 8, 8]  # bn1
  %3 = relu %2 : [N, 4, 8, 8]
  %4 = global_avgpool %3 : [N, 4]
  %5 = dense(2) %4 dense1.weight dense1.bias : [N, 2]  # dense1
  return output=%5
}
"""
SIBLINGS = "cnn 1\nnet S { input x: [N, 3, H, 8]\n concat { | conv(4, 1) | conv(4, 1) } }\n"
MESSAGE = """error: there is no pass `fold_bn`; did you mean `fold-batch-norm`?
  remove-dropout    Remove dropouts
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in a folder with a net and an input: its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    Path("a.cnn").write_text(NET, encoding="utf-8")
    Path("s.cnn").write_text(SIBLINGS, encoding="utf-8")
    np.save("x.npy", np.ones((1, 3, 8, 8), np.float32))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


def test_the_graph_after_a_pass_without_an_input(cnn: Run) -> None:
    code, out, err = cnn("run", "a.cnn", "--print-after", "remove-dropout")
    assert (code, err) == (0, "")
    assert out == f"# after remove-dropout: 5 steps, before it 6\n{GRAPH}"


def test_emit_says_the_same(cnn: Run) -> None:
    shown = cnn("run", "a.cnn", "--print-after", "remove-dropout")
    assert cnn("emit", "a.cnn", "--target", "graph", "--print-after", "remove-dropout") == shown
    assert cnn("emit", "a.cnn", "--target", "graph", "--print-after", "remove-dropout", "-o", "g.txt")[0] == 0
    assert Path("g.txt").read_text(encoding="utf-8") == shown[1]


def test_a_pass_that_changes_nothing_is_shown_where_it_is_named(cnn: Run) -> None:
    _, out, _ = cnn("run", "a.cnn", "--print-after", "share-common")
    assert out == f"# after share-common: 5 steps, nothing changed\n{GRAPH}"


def test_all_passes(cnn: Run) -> None:
    code, out, _ = cnn("run", "a.cnn", "--print-after", "all")
    assert code == 0
    heads = re.findall(r"^# (.*)", out, re.MULTILINE)
    assert heads[0] == "as the file says it: 6 steps"
    assert [head.split(":")[0] for head in heads[1:]] == [f"after {p.name}" for p in PASSES if p.is_on]
    assert heads[-1] == "after fuse-activation: 3 steps, before it 4"
    assert out.endswith(f"{optimize(cnnlang.loads(NET).graph)}\n")
    assert out.count("graph A {") == 4


def test_passes_are_shown_in_their_order_and_once(cnn: Run) -> None:
    names = ["fuse-activation", "remove-dropout", "fuse-activation"]
    _, out, _ = cnn("run", "a.cnn", *(part for name in names for part in ("--print-after", name)))
    assert re.findall(r"^# after ([\w-]+)", out, re.MULTILINE) == ["remove-dropout", "fuse-activation"]
    assert "\n}\n\n# after fuse" in out


def test_a_pass_that_is_off_is_shown_as_if_it_were_on(cnn: Run) -> None:
    _, out, _ = cnn("emit", "s.cnn", "--target", "graph", "--print-after", "merge-siblings")
    assert out.startswith("# after merge-siblings, off unless it is asked for: 4 steps, before it 3\n")
    assert "joined(conv1.weight, conv2.weight)" in out
    assert "merge" not in cnn("emit", "s.cnn", "--target", "graph", "--print-after", "all")[1]


def test_with_an_input_the_results_follow(cnn: Run) -> None:
    code, out, err = cnn("run", "a.cnn", "x.npy", "--seed", "0", "--print-after", "remove-dropout")
    assert (code, err) == (0, "")
    head, result = out.split("}\n\n")
    assert f"{head}}}\n" == f"# after remove-dropout: 5 steps, before it 6\n{GRAPH}"
    assert result == cnn("run", "a.cnn", "x.npy", "--seed", "0")[1]


def test_json_stays_json(cnn: Run) -> None:
    arguments = ("run", "a.cnn", "x.npy", "--seed", "0", "--format", "json")
    code, out, err = cnn(*arguments, "--print-after", "remove-dropout")
    assert code == 0
    assert json.loads(out) == json.loads(cnn(*arguments)[1])
    assert GRAPH in err


def test_lines_are_folded_for_a_terminal(cnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = cnn("run", "a.cnn", "--print-after", "fuse-activation")
    assert max(map(len, out.splitlines())) <= 60
    assert "  %1 = conv(4, 3, pad=1) -> relu %0 folded(conv1.weight,\n      bn1.weight, bn1.running_var)" in out
    assert ": [N, 4, 8, 8]" in out


def test_the_plan_is_a_table_of_stages(cnn: Run) -> None:
    code, out, err = cnn("run", "a.cnn", "--print-after", "plan", "--threads", "1")
    assert (code, err) == (0, "")
    head, headings, _, *rows = out.splitlines()
    assert re.fullmatch(r"# plan: \d+ stages for \[1, 3, 8, 8\] on 1 thread, [\d,]+ bytes for values", head)
    assert headings.split() == ["stage", "kernel", "items", "offset", "bytes", "threads"]
    assert len(rows) == int(head.split()[2])
    names = [row.split()[0] for row in rows]
    assert [n for n in names if n in ("input", "conv1", "global_avgpool", "dense1", "output")] == list(
        dict.fromkeys(["input", "conv1", "global_avgpool", "dense1", "output"])
    )
    layers = [row for row in rows if row.startswith(("conv1", "dense1"))]
    assert all(row.endswith("meet") for row in layers)  # each reads what all threads made
    arena = int(head.split(", ")[-1].split()[0].replace(",", ""))
    for row in rows:
        found = re.search(r" ([\d,]+) +([\d,]+)(?:  meet)?$", row)
        if found and "output" not in row:
            first, size = (int(text.replace(",", "")) for text in found.groups())
            assert first < arena
            assert size <= arena
    assert rows[-1].split()[3] == "output"


def test_the_plan_is_of_the_size_that_runs(cnn: Run) -> None:
    np.save("tall.npy", np.ones((2, 3, 24, 8), np.float32))
    _, out, _ = cnn("run", "s.cnn", "tall.npy", "--seed", "0", "--print-after", "plan")
    threads = "1 thread" if processors() == 1 else f"{processors()} threads"
    assert f" stages for [1, 3, 24, 8] on {threads}, " in out
    _, out, _ = cnn("emit", "s.cnn", "--target", "graph", "--set", "H=16", "--print-after", "plan")
    assert " stages for [1, 3, 16, 8] on " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "a.cnn", "--print-after", "fold_bn"), MESSAGE),
        (
            ("emit", "a.cnn", "--target", "graph", "--print-after", "zzz"),
            "error: there is no pass `zzz`\n  remove-dropout",
        ),
        (("run", "a.cnn"), "Error: Missing argument 'INPUT...'."),
        (
            ("run", "a.cnn", "--print-after", "all", "-o", "y.npy"),
            "error: -o y.npy: it takes what the net makes of an INPUT, and there is none",
        ),
        (
            ("run", "s.cnn", "--print-after", "plan"),
            "error: a plan is made for inputs of one size, and S takes [N, 3, H, 8]: give --set H=...",
        ),
        (
            ("emit", "a.cnn", "--target", "torch", "--print-after", "all"),
            "error: --print-after is for --target graph, and the target is torch",
        ),
    ],
)
def test_what_cannot_be_shown(cnn: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = cnn(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert max(map(len, err.splitlines())) <= 100


def test_every_name_is_told(cnn: Run) -> None:
    _, _, err = cnn("run", "a.cnn", "--print-after", "no")
    assert re.findall(r"^  ([\w-]+)  ", err, re.MULTILINE) == [*(p.name for p in PASSES), "plan", "all"]

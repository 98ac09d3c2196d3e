"""The command line, as a user meets it: words, streams, exit codes, files."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlang import __version__
from cnnlang.cli import main
from cnnlang.cli.group import COMMANDS

ROOT = Path(__file__).parents[1]
GOOD = "cnn 1\n\nnet A(classes=10) {\n  input x: [N, 3, 8, 8]\n  conv(4, 3) -> relu -> flatten -> dense(classes)\n}\n"
TYPO = GOOD.replace("relu", "rellu")
LINT = GOOD.replace("net A(classes=10)", "net A(classes=10, spare=1)")
BROKEN = "cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n  conv(4 3)\n}\n"
SYMBOLIC = "cnn 1\nnet A {\n  input x: [N, 3, H, W]\n  conv(4, 3)\n}\n"
TWO = GOOD + "\nnet B = A(5)\n"

# a good text with a part of it taken out, doubled, or put elsewhere
mutated = st.builds(
    lambda a, b, c: (GOOD[: min(a, b)] + GOOD[c : c + 9] + GOOD[max(a, b) :]).encode(),
    st.integers(0, len(GOOD)),
    st.integers(0, len(GOOD)),
    st.integers(0, len(GOOD)),
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder: its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: str | bytes = b"") -> tuple[int, str, str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def write(**texts: str) -> None:
    """Files `name.cnn` in the working folder."""
    for name, text in texts.items():
        Path(f"{name}.cnn").write_text(text, encoding="utf-8", newline="")


# --- the whole --------------------------------------------------------------------------------------------------------


def test_help_names_every_command(cnn: Run) -> None:
    code, out, err = cnn("--help")
    assert (code, err) == (0, "")
    assert re.findall(r"^  (\w+)  ", out.split("Commands:")[1], re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cnn: Run, command: str) -> None:
    code, out, _ = cnn(command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: cnnlang {command} ")


def test_version(cnn: Run) -> None:
    assert cnn("--version") == (0, f"cnnlang {__version__}\n", "")
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_no_command_shows_the_help(cnn: Run) -> None:
    code, out, err = cnn()
    assert code == 2
    assert "Commands:" in out + err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc", "a.cnn"], "There is no command `chekc`. Did you mean `check`?"),
        (["check"], "Missing argument 'FILE...'"),
        (["check", "--format", "xml", "a.cnn"], "'xml' is not one of"),
        (["check", "none.cnn"], "error: none.cnn: there is no such file"),
        (["summary", "a.cnn", "none.cnn"], "error: none.cnn: there is no such file"),
        (["check", "--root", "nowhere", "a.cnn"], "error: --root nowhere: there is no such folder"),
        (["check", "ab.cnn"], "error: ab.cnn: there is no such file; did you mean a.cnn?"),
        (["check", "empty"], "error: empty: there is no .cnn file in this folder"),
        (["emit", "empty", "--target", "graph"], "error: empty: this is a folder; name a file in it"),
        (["emit", "a.cnn"], "Missing option '--target'"),
        (["emit", "a.cnn", "--target", "graph", "--net", "AA"], "error: a.cnn has no net AA; did you mean A?"),
        (["check", "a.cnn", "--set", "clases=3"], "error: a.cnn has no parameter clases; did you mean classes?"),
        (["check", "a.cnn", "--set", "classes"], "error: --set needs NAME=VALUE, as in --set classes=10"),
        (["check", "a.cnn", "--set", "classes=1 +"], "error: --set classes=1 +: "),
        (["check", "a.cnn", "--set", "classes=1/0"], "error: --set classes=1/0: "),
        (["check", "a.cnn", "--set", "classes=ten"], "error: --set classes=ten: `ten` has no value here"),
        (
            ["check", "a.cnn", "--set", "classes=in.channels"],
            "error: --set classes=in.channels: nothing has sizes here",
        ),
        (["check", "--fix", "-"], "error: --fix changes files, and - is standard input"),
        (["explain", "E9999"], "error: there is no code `E9999`"),
        (["explain"], "error: explain needs a code"),
        (["ops", "konv"], "error: there is no operator `konv`; did you mean `conv`?"),
        (["ops", "Conv2d"], "error: `Conv2d` is called `conv` here: cnnlang ops conv"),
        (["new", "a"], "error: a.cnn exists already; nothing was written"),
        (["emit", "two.cnn", "--target", "graph"], "error: the file has several nets; choose one with --net: A, B"),
        (
            ["run", "a.cnn", "x.npy"],
            "error: net A needs weights, and there is neither A.safetensors nor a.safetensors: ",
        ),
        (
            ["run", "a.cnn", "x.npy", "--weights", "w.npz", "--seed", "1"],
            "error: --weights and --seed exclude each other",
        ),
        (["run", "a.cnn", "x.npy", "--weights", "w.npz"], "error: w.npz"),
    ],
)
def test_errors_of_the_command_exit_with_2_and_one_message(cnn: Run, arguments: list[str], message: str) -> None:
    write(a=GOOD, two=TWO)
    Path("empty").mkdir()
    code, out, err = cnn(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_folder_that_cannot_be_written_is_an_error_of_the_command(cnn: Run) -> None:
    code, _, err = cnn("new", "nowhere/a")
    assert code == 2
    assert err == f"error: {Path('nowhere/a.cnn')}: No such file or directory\n"


@pytest.mark.parametrize("command", [["summary"], ["emit", "--target", "graph"], ["run", "--seed", "0"]])
def test_findings_that_stand_in_the_way_exit_with_1(cnn: Run, command: list[str]) -> None:
    write(a=TYPO)
    code, out, err = cnn(command[0], "a.cnn", *command[1:], *(["x.npy"] if command[0] == "run" else []))
    assert (code, out) == (1, "")
    assert err.startswith("error[E0301]: ")
    assert err.endswith("\n\n1 error\n")


# --- check ------------------------------------------------------------------------------------------------------------


def test_a_clean_file(cnn: Run) -> None:
    write(a=GOOD, b=TWO)
    assert cnn("check", "a.cnn", "b.cnn") == (0, "", "3 nets in 2 files checked: no errors\n")
    assert cnn("check", "-", stdin=GOOD) == (0, "", "1 net in 1 file checked: no errors\n")


def test_findings_go_to_standard_output_and_their_number_to_standard_error(cnn: Run) -> None:
    write(a=TYPO)
    code, out, err = cnn("check", "a.cnn")
    assert (code, err) == (1, "1 error in a.cnn\n")
    assert out.splitlines()[:5] == [
        "error[E0301]: no operator, block or value is called `rellu`",
        "  --> a.cnn:5:17",
        "   |",
        " 5 |   conv(4, 3) -> rellu -> flatten -> dense(classes)",
        "   |                 ^^^^^",
    ]


def test_every_file_is_checked(cnn: Run) -> None:
    write(a=TYPO, b=GOOD, c=BROKEN)
    code, out, err = cnn("check", "a.cnn", "b.cnn", "c.cnn", "--format", "concise")
    assert (code, err) == (1, "2 errors in 2 of 3 files\n")
    assert [line.split(":")[0] for line in out.splitlines()] == ["a.cnn", "c.cnn"]


def test_a_folder_is_searched(cnn: Run) -> None:
    for name in ("nets/a", "nets/deep/b", "nets/.hidden/c", "nets/.d"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write(**{name: TYPO})
    Path("nets/note.txt").write_text("no net", encoding="utf-8")
    code, out, _ = cnn("check", "nets", "nets/a.cnn", "--format", "concise")
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines()] == [str(Path("nets/a.cnn")), str(Path("nets/deep/b.cnn"))]


def test_lints_count_with_strict_only(cnn: Run) -> None:
    write(a=LINT)
    assert cnn("check", "a.cnn")[0] == 0
    code, out, err = cnn("check", "a.cnn", "--strict", "--format", "concise")
    assert (code, err) == (1, "1 warning in a.cnn\n")
    assert out.startswith("a.cnn:3:19: warning[W0508] ")


def test_a_failed_check_after_set_is_a_note(cnn: Run) -> None:
    write(a=GOOD.replace("}\n", "  check { params == 1562 }\n}\n"))
    assert cnn("check", "a.cnn")[0] == 0
    code, out, err = cnn("check", "a.cnn", "--strict", "--set", "classes=3", "--format", "concise")
    assert (code, err) == (0, "1 note in a.cnn\n")
    assert out.startswith("a.cnn:6:11: note[E0314] ")


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_formats_for_programs_are_whole_without_findings(cnn: Run, form: str) -> None:
    write(a=GOOD)
    code, out, _ = cnn("check", "a.cnn", "--format", form)
    assert code == 0
    data = json.loads(out)
    assert data["runs"][0]["results"] == [] if form == "sarif" else data["diagnostics"] == []


def test_findings_as_json_sarif_and_for_github(cnn: Run) -> None:
    write(a=TYPO)
    found = json.loads(cnn("check", "a.cnn", "--format", "json")[1])["diagnostics"]
    assert [(d["code"], d["file"], d["line"], d["column"]) for d in found] == [("E0301", "a.cnn", 5, 17)]
    (result,) = json.loads(cnn("check", "a.cnn", "--format", "sarif")[1])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"]["startColumn"] == 17
    assert cnn("check", "a.cnn", "--format", "github")[1].startswith("::error file=a.cnn,line=5,endLine=5,col=17,")


def test_an_unreadable_file_is_a_finding_and_a_missing_one_is_not(cnn: Run) -> None:
    Path("a.cnn").write_bytes(b"cnn 1\n# \xff\n")
    code, out, _ = cnn("check", "a.cnn", "--format", "concise")
    assert (code, out[:25]) == (1, "a.cnn:2:3: error[E0104] t")
    assert cnn("check", "missing.cnn")[0] == 2


def test_a_net_without_values_is_said_to_be_left_out(cnn: Run) -> None:
    write(a=GOOD.replace("classes=10", "classes"))
    code, out, err = cnn("check", "a.cnn")
    assert (code, out) == (0, "")
    assert err.startswith("note: a.cnn: no net was expanded, for none has values for all its parameters")
    assert cnn("check", "a.cnn", "--set", "classes=10") == (0, "", "1 net in 1 file checked: no errors\n")


def test_the_root_bounds_imports(cnn: Run) -> None:
    Path("nets").mkdir()
    write(blocks="cnn 1\nblock unit(c) { conv(c, 3) }\n")
    write(**{"nets/a": 'cnn 1\nfrom "../blocks.cnn" import unit\nnet A {\n  input x: [N, 3, 8, 8]\n  unit(4)\n}\n'})
    code, out, _ = cnn("check", "nets/a.cnn", "--format", "concise")
    assert (code, "E0310" in out) == (1, True)
    assert cnn("check", "nets/a.cnn", "--root", ".")[0] == 0


def test_colours(cnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=TYPO)
    plain = cnn("check", "a.cnn")[1]
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    colored = cnn("check", "a.cnn")[1]
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain != colored
    monkeypatch.setenv("NO_COLOR", "1")
    assert cnn("check", "a.cnn")[1] == plain


# --- check --fix ------------------------------------------------------------------------------------------------------


def test_fix_carries_cures_out_and_says_so(cnn: Run) -> None:
    write(a=TYPO.replace("conv(4, 3)", "conv(4, 3, padding=0)"))
    code, out, err = cnn("check", "--fix", "a.cnn")
    assert (code, out) == (0, "")
    assert [line.split(" ")[:3] for line in err.splitlines()[:-1]] == [
        ["fixed:", "a.cnn:5:14:", "E0302"],
        ["fixed:", "a.cnn:5:28:", "E0301"],
    ]
    assert Path("a.cnn").read_text(encoding="utf-8") == GOOD.replace("conv(4, 3)", "conv(4, 3, pad=0)")
    assert list(Path().iterdir()) == [Path("a.cnn")]


def test_fix_keeps_line_ends_and_permissions(cnn: Run) -> None:
    write(a=TYPO.replace("\n", "\r\n"))
    Path("a.cnn").chmod(0o640)
    assert cnn("check", "--fix", "a.cnn")[0] == 0
    assert Path("a.cnn").read_bytes() == GOOD.replace("\n", "\r\n").encode()
    if os.name == "posix":
        assert Path("a.cnn").stat().st_mode & 0o777 == 0o640


def test_fix_leaves_what_has_no_cure(cnn: Run) -> None:
    write(a=GOOD.replace("dense(classes)", "dense(classes // 0)"))
    before = Path("a.cnn").stat().st_mtime_ns
    assert cnn("check", "--fix", "a.cnn")[0] == 1
    assert Path("a.cnn").stat().st_mtime_ns == before


# --- fmt --------------------------------------------------------------------------------------------------------------

UGLY = GOOD.replace("conv(4, 3) -> relu", "conv( 4,3 )->relu")


def test_fmt_writes_in_place(cnn: Run) -> None:
    write(a=UGLY, b=GOOD)
    code, out, err = cnn("fmt", "a.cnn", "b.cnn")
    assert (code, out) == (0, "")
    assert err == "a.cnn reformatted\n1 file reformatted, 1 file left unchanged\n"
    assert Path("a.cnn").read_text(encoding="utf-8") == GOOD


def test_fmt_check_and_diff_write_nothing(cnn: Run) -> None:
    write(a=UGLY)
    code, out, err = cnn("fmt", "--check", "a.cnn")
    assert (code, out, err) == (1, "", "a.cnn would be reformatted\n1 file would be reformatted\n")
    code, out, err = cnn("fmt", "--diff", "a.cnn")
    assert code == 1
    assert out.splitlines()[:2] == ["--- a.cnn", "+++ a.cnn (formatted)"]
    assert "-  conv( 4,3 )->relu -> flatten -> dense(classes)\n+  conv(4, 3) -> relu -> flatten" in out
    assert Path("a.cnn").read_text(encoding="utf-8") == UGLY
    write(a=GOOD)
    assert cnn("fmt", "--check", "a.cnn") == (0, "", "1 file already formatted\n")


def test_fmt_of_standard_input_goes_to_standard_output(cnn: Run) -> None:
    assert cnn("fmt", "-", stdin=UGLY) == (0, GOOD, "")
    code, out, _ = cnn("fmt", "-", "--check", stdin=UGLY)
    assert (code, out) == (1, "")


def test_fmt_leaves_a_broken_file_alone_and_goes_on(cnn: Run) -> None:
    write(a=BROKEN, b=UGLY)
    code, out, err = cnn("fmt", "a.cnn", "b.cnn")
    assert (code, out) == (1, "")
    assert err.startswith("error[E01")
    assert err.endswith("1 file reformatted, 1 file with syntax errors left as it is\n")
    assert Path("a.cnn").read_text(encoding="utf-8") == BROKEN
    assert Path("b.cnn").read_text(encoding="utf-8") == GOOD


def test_fmt_keeps_line_ends(cnn: Run) -> None:
    write(a=UGLY.replace("\n", "\r\n"))
    assert cnn("fmt", "a.cnn")[0] == 0
    assert Path("a.cnn").read_bytes() == GOOD.replace("\n", "\r\n").encode()


# --- summary ----------------------------------------------------------------------------------------------------------


def test_summary_of_one_net(cnn: Run) -> None:
    write(a=GOOD)
    code, out, err = cnn("summary", "a.cnn")
    assert (code, err) == (0, "")
    assert "params: 1,562 (6.1 KiB as float32)\nMACs: 5,328\ndepth: 2 " in out
    assert json.loads(cnn("summary", "a.cnn", "--format", "json", "--set", "classes=3")[1])["params"] == 547


def test_summary_of_several_nets(cnn: Run) -> None:
    write(a=GOOD, two=TWO)
    code, out, _ = cnn("summary", "two.cnn")
    assert code == 0
    assert out.splitlines()[0].split() == ["A", "B"]
    assert out.splitlines()[2].split() == ["params", "1,562", "837", "(x0.536)"]
    assert cnn("summary", "two.cnn", "--net", "B", "--net", "A")[1].splitlines()[0].split() == ["B", "A"]
    assert "file" in cnn("summary", "two.cnn", "a.cnn", "--net", "A")[1]
    assert cnn("summary", "-", "--net", "B", stdin=TWO)[1].startswith("B (<stdin>)\n")
    nets = json.loads(cnn("summary", "two.cnn", "--format", "json")[1])["nets"]
    assert [n["net"] for n in nets] == ["A", "B"]


def test_summary_needs_a_net_with_values(cnn: Run) -> None:
    write(a=GOOD.replace("classes=10", "classes"))
    code, out, err = cnn("summary", "a.cnn")
    assert (code, out) == (2, "")
    assert err.startswith("error: no net of the file has all its parameters bound: A; give them with --set")


def test_symbolic_sizes_are_set(cnn: Run) -> None:
    write(a=SYMBOLIC)
    assert "MACs: ?" in cnn("summary", "a.cnn")[1]
    assert "MACs: 6,967,728" in cnn("summary", "a.cnn", "--set", "H=256", "--set", "W=256")[1]


@pytest.mark.parametrize(
    ("form", "start"),
    [("csv", "name,operator,shape"), ("md", "### A\n\n| name "), ("json", '{\n  "format_version": 1')],
)
def test_forms_of_a_summary(cnn: Run, form: str, start: str) -> None:
    write(a=GOOD)
    assert cnn("summary", "a.cnn", "--format", form)[1].startswith(start)


def test_columns_on_request(cnn: Run) -> None:
    write(a=GOOD)
    asked = ["--receptive-field", "--connections", "--fully-connected"]
    data = json.loads(cnn("summary", "a.cnn", "--format", "json", *asked)[1])
    assert data["layers"][1]["receptive_field"] == [3, 3]
    assert (data["layers"][1]["connections"], data["layers"][1]["fully_connected"]) == (4032, 192 * 144)


def test_the_width_of_a_terminal_is_kept(cnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=GOOD.replace("conv(4, 3)", "conv(4, 3, pad=1, dilation=1, bias=false, stride=2)"))
    assert max(map(len, cnn("summary", "a.cnn")[1].splitlines()[:6])) > 70
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, cnn("summary", "a.cnn")[1].splitlines()[:6])) <= 60


# --- explain, ops, new ------------------------------------------------------------------------------------------------


def test_explain(cnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = cnn("explain", "e0203")
    assert (code, err) == (0, "")
    assert out.startswith("# E0203: the branches of a merge have different shapes\n")
    listed = cnn("explain", "--list")[1].splitlines()
    assert "E0203  the branches of a merge have different shapes" in listed
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in cnn("explain", "E0203")[1]


def test_ops_lists_every_signature(cnn: Run) -> None:
    from cnnlang.ops import OPERATORS
    from cnnlang.training import REGISTRIES

    out = cnn("ops")[1]
    for registry in (OPERATORS, *REGISTRIES):
        for cls in registry.values():
            assert f"\n  {cls.signature()}" in out


def test_ops_describes_one(cnn: Run) -> None:
    out = cnn("ops", "maxpool")[1]
    assert out.startswith(
        "maxpool(kernel, stride=kernel, pad=0, dilation=1, ceil=false)\noperator (pooling)\n\nThe largest"
    )
    assert "\nceil=false     true or false\n" in out
    assert "MaxPool2d" in out
    assert "::" not in out
    assert cnn("ops", "add")[1].startswith("add { | ... | ... }\noperator (merging branches)\n")
    assert cnn("ops", "adam")[1].startswith("adam(")


def test_new_writes_a_file_that_checks_clean_and_is_formatted(cnn: Run) -> None:
    code, out, err = cnn("new", "my-net")
    assert (code, out, err) == (0, "", "wrote my-net.cnn; now: cnnlang check my-net.cnn\n")
    assert cnn("check", "--strict", "my-net.cnn")[:2] == (0, "")
    assert cnn("fmt", "--check", "my-net.cnn")[0] == 0
    assert "net MyNet(" in Path("my-net.cnn").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["N", "3d", "한글", "relu.cnn", "conv", "cnn", "a b", "stage"])
def test_new_makes_a_valid_name_of_any(cnn: Run, name: str) -> None:
    assert cnn("new", name)[0] == 0
    (made,) = Path().iterdir()
    assert cnn("check", "--strict", made.name)[:2] == (0, "")


# --- emit -------------------------------------------------------------------------------------------------------------


def test_emit_graph(cnn: Run) -> None:
    write(a=GOOD)
    code, out, err = cnn("emit", "a.cnn", "--target", "graph")
    assert (code, err) == (0, "")
    assert out.startswith("graph A {\n  %0 = input(x) : [N, 3, 8, 8]")
    assert out.endswith("\n}\n")
    assert cnn("emit", "a.cnn", "--target", "graph", "-o", "a.txt") == (0, "", "wrote a.txt\n")
    assert Path("a.txt").read_text(encoding="utf-8") == out


@pytest.mark.parametrize("target", ["torch", "numba"])
def test_emit_source_that_compiles(cnn: Run, target: str) -> None:
    write(a=GOOD)
    code, out, err = cnn("emit", "a.cnn", "--target", target, "--set", "classes=7")
    assert (code, err) == (0, "")
    assert target in out
    compile(out, "a.py", "exec")


# --- run --------------------------------------------------------------------------------------------------------------

BLUR = "cnn 1\nnet Blur {\n  input x: [N, 1, H, W]\n  conv(1, 3, weight=[[1, 0, 1], [0, 1, 0], [1, 0, 1]])\n}\n"
IMAGE = "1,1,1,0,0\n0,1,1,1,0\n0,0,1,1,1\n0,0,1,1,0\n0,1,1,0,0\n"
SCORES = 'cnn 1\nnet S {{\n  input x: [N, 3]\n  labels ["고양이", "dog", "bird"]\n  {}\n}}\n'


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels run as plain Python: compiling them takes seconds."""
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    monkeypatch.setenv("CNNLANG_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("compiled")
def test_run_prints_a_small_output_as_numbers(cnn: Run) -> None:
    write(a=BLUR)
    Path("i.csv").write_text(IMAGE, encoding="utf-8")
    code, out, err = cnn("run", "a.cnn", "i.csv")
    assert (code, err) == (0, "")
    assert out == "i.csv: 1x3x3, from 2 to 4, mean 3.22222\n  4  3  4\n  2  4  3\n  2  3  4\n"


@pytest.mark.usefixtures("compiled")
def test_run_writes_arrays_and_pictures(cnn: Run) -> None:
    import numpy as np

    write(a=BLUR)
    Path("i.csv").write_text(IMAGE, encoding="utf-8")
    assert cnn("run", "a.cnn", "i.csv", "i.csv", "-o", "o.npy") == (0, "", "wrote o.npy\n")
    np.testing.assert_array_equal(np.load("o.npy")[1, 0], [[4, 3, 4], [2, 4, 3], [2, 3, 4]])
    assert cnn("run", "a.cnn", "i.csv", "-o", "o.png")[0] == 0
    assert Path("o.png").read_bytes().startswith(b"\x89PNG")
    assert cnn("run", "a.cnn", "i.csv", "-o", "o.xyz")[0] == 2


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("steps", "how", "probabilities"),
    [
        ("normalize(0, 1)", "softmax", [0.6652, 0.2447, 0.09]),
        ("softmax -> dropout", "none", [0.6652, 0.2447, 0.09]),
        ("log_softmax", "exp", [0.6652, 0.2447, 0.09]),
        ("sigmoid", "none", [0.8808, 0.7311, 0.5]),
        ("normalize(0, 1)\n  train { loss = bce }", "sigmoid", [0.8808, 0.7311, 0.5]),
    ],
)
def test_run_shows_classes_with_probabilities(cnn: Run, steps: str, how: str, probabilities: list[float]) -> None:
    write(a=SCORES.format(steps))
    Path("i.csv").write_text("1 2 0\n", encoding="utf-8")
    code, out, _ = cnn("run", "a.cnn", "i.csv", "--format", "json")
    assert code == 0
    data = json.loads(out)
    assert data["probabilities"] == {"output": how}
    (result,) = data["results"]
    top = result["outputs"]["output"]["top"]
    assert [(t["class"], t["label"]) for t in top] == [(1, "dog"), (0, "고양이"), (2, "bird")]
    assert [round(t["probability"], 4) for t in top] == probabilities
    text = cnn("run", "a.cnn", "i.csv", "--top", "2")[1].splitlines()
    assert text[0] == "i.csv: dog"
    one = cnn("run", "a.cnn", "i.csv", "i.csv", "--top", "1")[1].splitlines()
    assert one[:2] == [f"i.csv: dog ({probabilities[0]:.2%})"] * 2
    assert [line.split()[:2] for line in text[1:3]] == [
        [name, f"{p:.2%}"] for name, p in zip(("dog", "고양이"), [*probabilities], strict=False)
    ]
    assert ("(probabilities are the softmax of the net's output)" in text) == (how == "softmax")


@pytest.mark.usefixtures("compiled")
def test_run_shows_numbers_where_a_loss_of_numbers_trains(cnn: Run) -> None:
    write(a=SCORES.format("normalize(0, 1)\n  train { loss = mse }"))
    Path("i.csv").write_text("1 2 0\n3 4 5\n", encoding="utf-8")
    code, out, _ = cnn("run", "a.cnn", "i.csv")
    assert (code, out) == (
        0,
        "i.csv[0]: 3, from 0 to 2, mean 1\n  1  2  0\n\ni.csv[1]: 3, from 3 to 5, mean 4\n  3  4  5\n",
    )


@pytest.mark.usefixtures("compiled")
def test_run_shows_channels_and_long_vectors_as_numbers(cnn: Run) -> None:
    write(a="cnn 1\nnet A {\n  input x: [N, 1, H, W]\n  conv(20, 1, weight=[[2]])\n}\n")
    Path("i.csv").write_text("1 -10\n", encoding="utf-8")
    out = cnn("run", "a.cnn", "i.csv")[1]
    assert out == "i.csv: 20x1x2, from -20 to 2, mean -9\n" + "  2  -20\n\n" * 16 + "  ... and 4 more channels\n"
    write(a="cnn 1\nnet A {\n  input x: [N, 18]\n  relu\n  train { loss = mae }\n}\n")
    Path("i.csv").write_text("1 " * 16 + "100 2\n", encoding="utf-8")
    lines = cnn("run", "a.cnn", "i.csv")[1].splitlines()
    assert lines[1:] == ["    1  1" + "  1" * 14, "  100  2"]


@pytest.mark.usefixtures("compiled")
def test_run_finds_weights_beside_the_file(cnn: Run) -> None:
    import cnnlang

    write(a=GOOD)
    cnnlang.load("a.cnn").compile(seed=3).save("a.safetensors")
    Path("i.npy").write_bytes(_npy())
    code, found, _ = cnn("run", "a.cnn", "i.npy")
    assert code == 0
    assert cnn("run", "a.cnn", "i.npy", "--seed", "3")[1] == found
    assert cnn("run", "a.cnn", "i.npy", "--seed", "4")[1] != found
    cnnlang.load("a.cnn").compile(seed=4).save("A.safetensors")
    by_name = cnn("run", "a.cnn", "i.npy")[1]
    assert by_name == cnn("run", "a.cnn", "i.npy", "--seed", "4")[1]
    assert cnn("run", "-", "i.npy", stdin=GOOD)[0] == 2
    assert cnn("run", "-", "i.npy", "--weights", "a.safetensors", stdin=GOOD)[1] == found


def _npy() -> bytes:
    import numpy as np

    out = io.BytesIO()
    np.save(out, np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32))
    return out.getvalue()


@pytest.mark.usefixtures("compiled")
def test_run_takes_several_inputs_and_shows_several_outputs(cnn: Run) -> None:
    inputs = "  input a: [N, 1, H, W]\n  input b: [N, 1, H, W]\n"
    write(a=f"cnn 1\nnet T {{\n{inputs}  output total = add {{ | a | b }}, second = b -> relu\n}}\n")
    Path("1.csv").write_text("1 2\n", encoding="utf-8")
    Path("2.csv").write_text("30 -4\n", encoding="utf-8")
    code, out, _ = cnn("run", "a.cnn", "1.csv", "2.csv", "2.csv", "1.csv")
    assert code == 0
    assert out.split("\n\n")[0].splitlines() == [
        "1.csv + 2.csv",
        "  total: 1x1x2, from -2 to 31, mean 14.5",
        "    31  -2",
        "  second: 1x1x2, from 0 to 30, mean 15",
        "    30  0",
    ]
    code, out, err = cnn("run", "a.cnn", "1.csv")
    assert (code, out) == (2, "")
    assert "net T takes 2 inputs (a, b), and was given 1" in err


@pytest.mark.usefixtures("compiled")
def test_run_takes_inputs_of_different_sizes(cnn: Run) -> None:
    write(a=BLUR)
    Path("i.csv").write_text(IMAGE, encoding="utf-8")
    Path("j.csv").write_text("1 1 1\n1 1 1\n1 1 1\n", encoding="utf-8")
    out = cnn("run", "a.cnn", "i.csv", "j.csv", "i.csv")[1]
    assert [block.split(",")[0] for block in out.split("\n\n")] == ["i.csv: 1x3x3", "j.csv: 1x1x1", "i.csv: 1x3x3"]
    code, _, err = cnn("run", "a.cnn", "i.csv", "j.csv", "-o", "o.npy")
    assert code == 2
    assert "different sizes" in err


# --- processes --------------------------------------------------------------------------------------------------------


def process(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", "-m", "cnnlang", *arguments]
    options = {"capture_output": True, "text": True, "encoding": "utf-8", "cwd": ROOT, **more}
    return subprocess.run(command, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("arguments", "banned"),
    [
        (["--help"], ["numpy", "numba", "torch", "rich", "PIL", "jinja2", "lark", "cnnlang.expand", "cnnlang.ops"]),
        (["check", "examples/lenet5.cnn"], ["numpy", "numba", "torch", "rich", "PIL", "jinja2", "lark", "wcwidth"]),
        (["summary", "examples/lenet5.cnn"], ["numpy", "numba", "torch", "PIL", "jinja2"]),
    ],
)
def test_what_a_command_does_not_import(arguments: list[str], banned: list[str]) -> None:
    lines = [
        "import sys",
        "from cnnlang.cli import main",
        f"main({arguments!r})",
        f"print(sorted({{*{banned!r}}} & {{*sys.modules}}))",
    ]
    code = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(os.name != "posix", reason="pipes break otherwise elsewhere")
def test_a_reader_that_goes_away_is_no_error() -> None:
    pipe = subprocess.Popen(
        [sys.executable, "-m", "cnnlang", "ops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert pipe.stdout
    assert pipe.stderr
    pipe.stdout.close()
    assert (pipe.stderr.read(), pipe.wait()) == (b"", 141)
    pipe.stderr.close()


def test_korean_text_goes_through_a_pipe_and_a_path(tmp_path: Path) -> None:
    file = tmp_path / "한글 이름.cnn"
    file.write_text(GOOD.replace("relu", "렐루"), encoding="utf-8")
    done = process("check", str(file), "--format", "concise", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert done.stdout.startswith(f"{file}:5:")


def test_completion_scripts() -> None:
    done = process(env={**os.environ, "_CNNLANG_COMPLETE": "bash_source"})
    assert done.returncode == 0
    assert "_CNNLANG_COMPLETE=bash_complete" in done.stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [("su", ["summary"]), ("explain e020", [f"E020{i}" for i in range(1, 10)]), ("ops maxp", ["maxpool"])],
)
def test_completions(words: str, found: list[str]) -> None:
    index = str(len(words.split()))
    asked = {"_CNNLANG_COMPLETE": "bash_complete", "COMP_WORDS": f"cnnlang {words}", "COMP_CWORD": index}
    answers = process(env={**os.environ, **asked}).stdout.split()
    assert [a.removeprefix("plain,") for a in answers][: len(found)] == found


def test_interruption_is_quiet(cnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cnnlang.expand.check", interrupt)
    write(a=GOOD)
    assert cnn("check", "a.cnn") == (130, "", "\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode), mutated))
def test_no_bytes_end_in_a_traceback(cnn: Run, data: bytes) -> None:
    for command in (["check", "-"], ["summary", "-"], ["check", "-", "--format", "json"]):
        code, out, err = cnn(*command, stdin=data)
        assert code in (0, 1, 2)
        assert out + err
    if code != 0:
        json.loads(cnn("check", "-", "--format", "sarif", stdin=data)[1])

"""Targets are honest: what one cannot say is E04xx before anything runs, and what it says means what the file does."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, assume, find, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from cnnlang.backends import TARGETS, emit, export
from cnnlang.cli import main
from cnnlang.errors import FindingsError, InputError
from cnnlang.expand import check
from cnnlang.interpret import bind_sizes, interpret
from cnnlang.ops import OPERATORS
from cnnlang.program import Program
from cnnlang.source import Source
from cnnlang.verify import WAYS
from cnnlang.verify.module import executed
from tests.helpers import assert_close, is_steady, plain_module, random_inputs, random_weights, run_numba
from tests.operator_cases import arguments, shapes
from tests.strategies import call

torch.set_num_threads(1)

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
PER_OPERATOR = 4 if settings().max_examples <= 100 else settings().max_examples // 20
RUNNING = [name for name in TARGETS if name == "numba" or name in WAYS]
PYTHON = [name for name, target in TARGETS.items() if name != "graph" and not target.is_model]


def made(target: str, program: Program) -> str | bytes:
    """What a target makes of a program: text, or a model with weights."""
    if TARGETS[target].is_model:
        return export(program, target, random_weights(program.graph))
    return emit(program, target)


def answers(target: str, program: Program, weights: Mapping[str, Any], *inputs: Any) -> tuple[Any, ...]:
    if target == "numba":
        return run_numba(program, weights, *inputs)
    return WAYS[target].make(program, weights)(*inputs)


@st.composite
def single(draw: st.DrawFn, name: str) -> tuple[str, dict[str, int]]:
    """The text of a net of one operator, with sizes that are symbolic or not; and the sizes of a run."""
    values = draw(arguments(name))
    given_shapes = draw(shapes(name))
    symbolic = draw(st.integers(0, 3)) == 0
    lines, names = [], []
    for i, shape in enumerate(given_shapes):
        sides = ["H", "W"] if symbolic and len(shape) == 4 else list(map(str, shape[2:]))
        lines.append(f"input x{i}: [{', '.join(['N', str(shape[1]), *sides])}]")
        names.append(f"x{i}")
    operator = OPERATORS[name]
    step = f"{name} {{ | {' | '.join(names)} }}" if operator.is_merge else f"x0 -> {call(name, values)}"
    text = "\n".join(["cnn 1", "net Net {", *lines, step, "}"])
    checked = check(Source("one.cnn", text))
    assume(not checked.has_errors)
    try:
        return text, bind_sizes(checked.programs["Net"].graph, given_shapes)
    except InputError:  # a symbolic size was given a value that is too small
        reject()


def read(text: str) -> Program:
    return check(Source("one.cnn", text)).programs["Net"]


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_an_operator_agrees_in_every_target_or_is_refused(name: str) -> None:
    seen = dict.fromkeys(RUNNING, 0)

    @settings(max_examples=PER_OPERATOR, deadline=None, suppress_health_check=SLOW)
    @given(single(name))
    def agree(drawn: tuple[str, dict[str, int]]) -> None:
        text, sizes = drawn
        program = read(text)
        weights, inputs = random_weights(program.graph), random_inputs(program.graph, sizes)
        reference = interpret(program.graph, weights, *inputs)
        steady = is_steady(program.graph, weights, inputs, reference)
        for target in RUNNING:
            refused = TARGETS[target].load().refusals(program)
            if refused:
                assert {d.code for d in refused} == {"E0401"}
                assert all(d.span is not None for d in refused)
                assert name in TARGETS[target].load().LIMITS, f"{target} refuses {name}, and its LIMITS do not tell"
                with pytest.raises(FindingsError, match="E0401"):
                    made(target, program)
                continue
            for actual, expected in zip(answers(target, program, weights, *inputs), reference, strict=True):
                assert actual.shape == expected.shape
                if steady:
                    assert_close(actual, expected)
            seen[target] += 1

    agree()
    refusing = {target for target in RUNNING if name in TARGETS[target].load().LIMITS}
    assert all(seen[target] for target in RUNNING if target not in refusing)


# programs for limits that show where an operator meets others
WITNESSES = {
    ("keras", "avgpool"): """cnn 1
block part(c) { avgpool(2, pad="same_upper", count_pad=false) -> conv(c, 1) }
net Net {
  input x: [N, 4, 10, 9]
  shared p = part(4)
  p -> relu -> p
}
""",
}


def refused_alone(target: str, name: str) -> str:
    """A net of one operator that a target refuses."""
    refusals = TARGETS[target].load().refusals
    slow = settings(max_examples=3000, deadline=None, suppress_health_check=SLOW)
    try:
        text, _ = find(single(name), lambda drawn: bool(refusals(read(drawn[0]))), settings=slow)
    except NoSuchExample:
        pytest.fail(f"{target} has a limit for {name}, and refuses no such program: if it does, give it a witness")
    return text


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_target_says_that_it_cannot_it_cannot(target: str) -> None:
    """Every entry of LIMITS is an operator, one sentence, and true of some program."""
    module = TARGETS[target].load()
    for name, sentence in module.LIMITS.items():
        assert name in OPERATORS
        assert re.fullmatch(r"[^\n]{10,200}", sentence)
        text = WITNESSES.get((target, name)) or refused_alone(target, name)
        program = read(text)
        assert {d.code for d in module.refusals(program)} == {"E0401"}
        with pytest.raises(FindingsError, match="E0401"):
            made(target, program)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_refuses_an_operator_that_it_does_not_know(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new operator without a rule is E0401 at its place, in every target but the text of the graph."""
    from tests.unknown_operator import unknown_program

    program = unknown_program()
    refused = TARGETS[target].load().refusals(program)
    if target == "graph":
        assert refused == ()
        return
    assert [(d.code, str(d.span)) for d in refused] == [("E0401", "net.cnn:4:3")]
    assert "`triple`" in refused[0].message
    with pytest.raises(FindingsError, match="E0401"):
        made(target, program)


# --- check --target ---------------------------------------------------------------------------------------------------

RESERVED = """cnn 1
net A {
  input x: [N, 1, 28, 28]
  conv(8, 3) as half
  relu
}
net B = A
"""


@pytest.fixture
def reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("half.cnn").write_text(RESERVED, encoding="utf-8")
    return "half.cnn"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("full", "error[E0402]: PyTorch reserves the name `half`\n --> half.cnn:4:17\n"),
        ("concise", "half.cnn:4:17: error[E0402] PyTorch reserves the name `half`\n"),
        ("github", "::error file=half.cnn,line=4,endLine=4,col=17,endColumn=21,title=E0402::PyTorch reserves"),
        ("json", '"code": "E0402"'),
        ("sarif", '"ruleId": "E0402"'),
    ],
)
def test_check_tells_what_a_target_cannot_say(
    reserved: str, form: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", reserved, "--format", form, "--target", "torch"]) == 1
    out = re.sub(r"^ +-->", " -->", capsys.readouterr().out, flags=re.MULTILINE)
    assert expected in out
    assert out.count("E0402") in (1, 2) or form in ("sarif",)  # two nets have it from one place


def test_check_without_a_target_or_with_another_finds_nothing(reserved: str) -> None:
    assert main(["check", reserved]) == 0
    assert main(["check", reserved, "--target", "numba", "--target", "graph"]) == 0
    assert main(["check", reserved, "--target", "numba", "--target", "torch"]) == 1
    assert main(["check", reserved, "--target", "theano"]) == 2


# --- hostile texts ----------------------------------------------------------------------------------------------------

BAD = "open('PWNED', 'w').close()"
HOSTILE = {
    "a call's end": f'"); {BAD}  #',
    "a list's end": f'"]; {BAD}  #',
    "a single quote": f"'); {BAD}  #",
    "three quotes": f'"""\n{BAD}\n"""',
    "three single quotes": f"'''\n{BAD}\n'''",
    "a quote at the end": 'x"',
    "three quotes at the end": 'x"""',
    "a backslash": "\\",
    "backslashes and quotes": '\\"); ' + BAD + " #\\",
    "a line": f"x\n{BAD}\n",
    "other line ends": f"x\r{BAD}\x0b{BAD}\x0c{BAD}\x85{BAD}\u2028{BAD}\u2029{BAD}",
    "a template": "{{ 7*7 }} {% for x in y %} {# #} {x} {0}",
    "formats": "%s %d %(x)s {!r} $HOME `id`",
    "NUL": "a\x00b",
    "direction": "\u202egnp.exe\u202c\u200f\u2066",
    "escapes of a terminal": "\x1b[2J\x1b]0;x\x07",
    "a surrogate": "a\ud800b",
    "an encoding": "# -*- coding: utf-7 -*-",
    "a directive": "# ruff: noqa # type: ignore # fmt: off",
    "a long one": "x" * 5000 + '"""' + BAD,
    "nothing": "",
    "emoji": "\U0001f600 숫자",
    "names": "torch nn F keras np self __import__",
}

PLAIN = """cnn 1
block unit(c) { conv(c, 3, pad=1) -> bn -> relu }
net Net {
  input image: [N, 3, 8, 8] { mean = [0.5, 0.4, 0.3] }
  labels ["LABEL0", "LABEL1"]
  unit(4) * 2
  global_avgpool -> dense(2)
  meta { source = "SOURCE", licence = "LICENCE", citation = "CITATION" }
}
"""


def plain(name: str = "net.cnn") -> Program:
    checked = check(Source(name, PLAIN))
    assert not checked.has_errors
    return checked.programs["Net"]


def infected(text: str) -> Program:
    """The net with a text as label, as meta entries, and as the file's name: also what no file could say."""
    program = plain(text)
    return replace(program, labels=(text, "LABEL1"), meta=dict.fromkeys(program.meta, text))


def skeleton(source: str) -> str:
    """The statements of a module, texts left out."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("target", PYTHON)
def test_hostile_texts_are_texts(target: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emitted file has the statements of the harmless one, and runs; the labels are what they were."""
    monkeypatch.chdir(tmp_path)
    text = HOSTILE[name]
    source = emit(infected(text), target)
    assert skeleton(source) == skeleton(emit(plain(), target))
    assert source.encode("utf-8").decode("utf-8") == source
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]", source)
    space = plain_module(source) if target == "numba" else vars(executed(source, "emitted"))
    assert list(space["LABELS"]) == [text, "LABEL1"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_texts_in_onnx(name: str) -> None:
    text = HOSTILE[name]
    program = infected(text)
    model = onnx.load_from_string(export(program, "onnx", random_weights(program.graph)))
    onnx.checker.check_model(model, full_check=True)
    found = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert found["cnnlang.labels"] == [text, "LABEL1"]
    assert found["cnnlang.meta"] == dict.fromkeys(["source", "licence", "citation"], text)
    harmless = onnx.load_from_string(export(plain(), "onnx", random_weights(program.graph)))
    assert model.graph == harmless.graph


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_in_the_graph_are_one_line(name: str) -> None:
    assert emit(infected(HOSTILE[name]), "graph") == emit(plain(), "graph")


def written(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_in_a_file_is_itself_or_an_error(name: str) -> None:
    """As label and meta entry a text is what it is, or the file is refused; behind `#` it is nothing."""
    text = HOSTILE[name]
    changed = PLAIN.replace('"LABEL0"', written(text)).replace('"SOURCE"', written(text))
    checked = check(Source("net.cnn", changed))
    if checked.has_errors:
        assert all(re.match("E0[13]", d.code) for d in checked.diagnostics)
        assert not text.isprintable() or len(text) > 1000
    else:
        program = checked.programs["Net"]
        assert program.labels[0] == text
        assert program.meta["source"] == text
    commented = check(Source("net.cnn", PLAIN.replace("\n", f" # {' '.join(text.splitlines())}\n", 1)))
    if not commented.has_errors:
        for target in PYTHON:
            assert emit(commented.programs["Net"], target) == emit(plain(), target)


@pytest.mark.parametrize("name", [n for n in HOSTILE if n != "nothing"])
@pytest.mark.parametrize("place", ["unit(4) as {} -> relu", "group {} {{ conv(4, 1) }}"], ids=["label", "group"])
def test_a_hostile_path_is_an_error(place: str, name: str) -> None:
    step = place.format(written(HOSTILE[name]))
    checked = check(Source("net.cnn", PLAIN.replace("unit(4) * 2", step)))
    assert checked.has_errors
    assert all(re.match("E0[13]", d.code) for d in checked.diagnostics if d.is_error)


def test_no_path_is_an_error_too() -> None:
    checked = check(Source("net.cnn", PLAIN.replace("unit(4) * 2", 'unit(4) as "" -> relu')))
    assert checked.has_errors


@pytest.mark.parametrize("target", ["torch", "numba"])
def test_emitted_files_agree_with_hostile_texts_in_them(target: str) -> None:
    """The numbers are the net's still."""
    program = infected(HOSTILE["three quotes"])
    weights, inputs = random_weights(program.graph), random_inputs(program.graph, {"N": 2})
    (reference,) = interpret(program.graph, weights, *inputs)
    assert_close(answers(target, program, weights, *inputs)[0], reference)
    assert np.ptp(reference) > 0

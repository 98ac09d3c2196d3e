"""The limits of the language, each just inside and just outside; and that no text ends in a traceback or a hang."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlang.diagnostics import Diagnostic
from cnnlang.edits import apply_edits, choose_cures
from cnnlang.errors import FindingsError
from cnnlang.expand import Checked, check
from cnnlang.render import render
from cnnlang.source import MAX_FILE_BYTES, Source
from cnnlang.syntax import decode

ROOT = Path(__file__).parent.parent
SECONDS = 60.0  # of processor time, on a machine that is busy; each takes a few


def net(body: str, size: str = "8, 8", head: str = "", parameters: str = "") -> str:
    return f"cnn 1\n{head}net A{parameters} {{\n  input x: [N, 3, {size}]\n  {body}\n}}\n"


def checked(text: str, path: Path | None = None) -> Checked:
    start = time.process_time()
    found = check(Source("net.cnn", text, path))
    assert time.process_time() - start < SECONDS
    return found


def errors(text: str) -> list[str]:
    return [f"{d.code} {d.message}" for d in checked(text).diagnostics if d.is_error]


def lets(first: str, step: str, count: int) -> str:
    """`let a0 = first`, then `let a1 = step` with `a` for the one before, and so on."""
    steps = [re.sub(r"\ba\b", f"a{i}", step) for i in range(count)]
    lines = [f"let a0 = {first}", *(f"let a{i + 1} = {text}" for i, text in enumerate(steps))]
    return "\n  ".join([*lines, f"conv(len([a{count}]), 1)"])


# --- just inside, just outside ----------------------------------------------------------------------------------------

LAYERS = "E0311 a net has at most 100_000 layers"
STEPS = "E0311 expanding takes more than 1_000_000 steps"
NESTED = "E0311 blocks, loops and braces nest at most 100 deep"
DEEP = "E0106 nested deeper than 100 levels"
WORK = "E0311 computing the values of this file takes too long: lists are too long, or computed too often"
LIMITS = {
    "layers": (net("{ relu } * 99_999 -> relu"), net("{ relu } * 100_000 -> relu"), LAYERS),
    "steps": (
        net("for _a in range(500) { for _b in range(600) { in } }\n  relu"),
        net("for _a in range(1000) { for _b in range(1000) { in } }\n  relu"),
        STEPS,
    ),
    "repetitions": (
        net("{ } * 100_000 -> relu"),
        net("{ } * 1_000_001 -> relu"),
        "E0311 1_000_001 repetitions are more than the 1_000_000 steps of an expansion",
    ),
    "items of a list": (
        net("let a = [1] * 100_000\n  conv(len(a), 1)"),
        net("let a = [1] * 100_001\n  conv(len(a), 1)"),
        "E0311 a list has at most 100_000 items, and this one would have 100_001",
    ),
    "items of a range": (
        net("let a = range(100_000)\n  conv(len(a), 1)"),
        net("let a = range(10**15)\n  conv(len(a), 1)"),
        "E0311 a list has at most 100_000 items, and this range has 1_000_000_000_000_000",
    ),
    "items of a sum of lists": (
        net("let a = [1] * 50_000\n  let b = a + a\n  conv(len(b), 1)"),
        net("let a = [1] * 50_001\n  let b = a + a\n  conv(len(b), 1)"),
        "E0311 a list has at most 100_000 items, and this one has 100_002",
    ),
    "numbers in lists of lists": (
        net("let a = [[1] * 1000] * 998\n  conv(len(a), 1)"),
        net("let a = [[1] * 1000] * 1000\n  conv(len(a), 1)"),
        "E0311 a list holds at most 1_000_000 numbers in all, and this one 1_001_001",
    ),
    "lists in lists": (
        net(lets("1", "[a]", 99)),
        net(lets("1", "[a]", 100)),
        "E0311 lists are nested at most 100 deep",
    ),
    "characters of a string": (
        net('let a = "x" * 10_000\n  conv(len(a), 1)'),
        net('let a = "x" * 10_001\n  conv(len(a), 1)'),
        "E0311 a string has at most 10_000 characters, and this one would have 10_001",
    ),
    "bits of an integer": (
        net("let a = 9_223_372_036_854_775_806 + 1\n  conv(len([a]), 1)"),
        net("let a = 9_223_372_036_854_775_807 + 1\n  conv(len([a]), 1)"),
        "E0312 an integer has 64 bits, and this one needs more",
    ),
    "bits of a negative integer": (
        net("let a = -9_223_372_036_854_775_807 - 1\n  conv(len([a]), 1)"),
        net("let a = -9_223_372_036_854_775_807 - 2\n  conv(len([a]), 1)"),
        "E0312 an integer has 64 bits, and this one needs more",
    ),
    "bits of a power": (
        net("let a = 2 ** 62\n  conv(len([a]), 1)"),
        net("let a = 2 ** 63\n  conv(len([a]), 1)"),
        "E0312 an integer has 64 bits, and this one needs more",
    ),
    "depth of braces": (net("{ " * 98 + "relu" + " }" * 98), net("{ " * 101 + "relu" + " }" * 101), DEEP),
    "depth of merges": (
        net("add { | in | " * 98 + "relu" + " }" * 98),
        net("add { | in | " * 101 + "relu" + " }" * 101),
        DEEP,
    ),
    "depth of loops": (
        net("for _a in [1] { " * 1 + "".join(f"for _a{i} in [1] {{ " for i in range(97)) + "relu" + " }" * 98),
        net("".join(f"for _a{i} in [1] {{ " for i in range(101)) + "relu" + " }" * 101),
        DEEP,
    ),
    "depth of parentheses": (net(f"conv({'(' * 98}8{')' * 98}, 3)"), net(f"conv({'(' * 101}8{')' * 101}, 3)"), DEEP),
    "depth of an expression": (net(f"conv({'-' * 98}8, 3)"), net(f"conv({'-' * 102}8, 3)"), DEEP),
    "depth of blocks": (
        net("b97", head="block b0 { relu }\n" + "".join(f"block b{i + 1} {{ b{i} }}\n" for i in range(97))),
        net("b101", head="block b0 { relu }\n" + "".join(f"block b{i + 1} {{ b{i} }}\n" for i in range(101))),
        NESTED,
    ),
    "depth of variants": (
        "cnn 1\nnet A0(c=3) {\n  input x: [N, 3, 8, 8]\n  conv(c, 1)\n}\n"
        + "".join(f"net A{i + 1} = A{i}()\n" for i in range(100)),
        "cnn 1\nnet A0(c=3) {\n  input x: [N, 3, 8, 8]\n  conv(c, 1)\n}\n"
        + "".join(f"net A{i + 1} = A{i}()\n" for i in range(101)),
        "E0311 variants build on variants at most 100 deep",
    ),
    "elements of a map": (
        net("upsample(75_000) -> global_avgpool"),
        net("upsample(76_000) -> global_avgpool"),
        "E0311 a tensor has at most 2**40 elements, and this one would have 1_108_992_000_000 (3 x 608_000 x 608_000)",
    ),
    "elements of an input": (
        net("global_avgpool", size="600_000, 600_000"),
        net("global_avgpool", size="700_000, 700_000"),
        "E0311 a tensor has at most 2**40 elements, and this one would have 1_470_000_000_000 (3 x 700_000 x 700_000)",
    ),
    "elements of a weight": (
        net("flatten -> dense(1_000_000) -> dense(1_000_000) -> dense(1)"),
        net("flatten -> dense(32_000_000) -> dense(32_000_000) -> dense(1)"),
        "E0311 a tensor has at most 2**40 elements, and this one would have 1_024_000_000_000_000"
        " (32_000_000 x 32_000_000)",
    ),
    "parameters": (
        net("flatten -> dense(1_000_000) -> dense(1_000_000) -> dense(1)"),
        net("flatten -> dense(1_000_000) -> dense(1_000_000) * 2 -> dense(1)"),
        "E0311 a net has at most 2**40 parameters",
    ),
    "numbers of a fixed kernel": (
        net("conv(1000, 2, weight=[[1, 0], [0, 1]])"),
        net("conv(2_000_000, 2, weight=[[1, 0], [0, 1]])"),
        "E0311 `conv`: a fixed kernel of [2000000, 3, 2, 2] would hold more than 16,777,216 numbers",
    ),
    "characters of a path": (
        net(f'conv(8, 1) as "{"a" * 1000}"'),
        net(f'conv(8, 1) as "{"a" * 1001}"'),
        "E0311 the path of a weight has at most 1_000 characters",
    ),
    "parts of a formula": (
        net("{ maxpool(2) -> upsample(3) } * 4", size="H, W"),
        net("{ maxpool(2) -> upsample(3) } * 1000", size="H, W"),
        "E0311 a size of this map is a formula with more than 1_000 parts",
    ),
    "parts of a computed formula": (
        net("let a = in.height * in.width * in.height\n  conv(len([a]), 1)", size="H, W"),
        net(lets("in.height + in.width", "a * a", 9), size="H, W"),
        "E0311 a symbolic size has at most 1_000 parts",
    ),
    "work of a loop": (
        net("let a = range(1000)\n  for _i in range(100) { if sum(a) > 3 { in } }\n  relu"),
        net("let a = range(100_000)\n  for _i in a { if sum(a) > 3 { in } }\n  relu"),
        WORK,
    ),
    "work of a comparison": (
        net("let a = [[1] * 10] * 9\n  for _i in range(100) { if a == [[1] * 10] * 9 { in } }\n  relu"),
        net("let a = [[1] * 99_999] * 9\n  for _i in range(999) { if a == [[1] * 99_999] * 9 { in } }\n  relu"),
        WORK,
    ),
    "work of a long expression": (
        net("for _i in range(3) { let _c = " + " + ".join("1" * 10_000) + " }\n  relu"),
        net("for _i in range(100_000) { let _c = " + " + ".join("1" * 60_000) + " }\n  relu"),
        WORK,
    ),
    "work of zip": (
        net(f"let a = range(1000)\n  for _t in zip({', '.join(['a'] * 10)}) {{ in }}\n  relu"),
        net(f"let a = range(100_000)\n  for _t in zip({', '.join(['a'] * 20_000)}) {{ in }}\n  relu"),
        WORK,
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_just_inside_a_limit(name: str) -> None:
    assert errors(LIMITS[name][0]) == []


@pytest.mark.parametrize("name", LIMITS)
def test_just_outside_a_limit(name: str) -> None:
    assert errors(LIMITS[name][1]) == [LIMITS[name][2]]


def test_all_nets_of_a_file_share_the_steps() -> None:
    text = "cnn 1\nnet A(c=3) {\n  input x: [N, 3, 8, 8]\n  { relu } * (300 + 0 * c)\n}\n"
    assert errors(text + "".join(f"net B{i} = A({i + 1})\n" for i in range(9000))) == [STEPS]


def test_blocks_that_double_end_at_once() -> None:
    head = "block b0 { relu }\n" + "".join(f"block b{i + 1} {{ b{i} -> b{i} }}\n" for i in range(60))
    assert errors(net("b60", head=head)) == [STEPS]


def test_a_file_of_256_kib_is_read_and_one_byte_more_is_not() -> None:
    line = b"  relu\n"
    start, end = b"cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n", b"}\n"
    room = MAX_FILE_BYTES - len(start) - len(end)
    data = start + line * (room // len(line)) + b"#" * (room % len(line) - 1) + b"\n" * bool(room % len(line)) + end
    assert len(data) == MAX_FILE_BYTES
    assert errors(decode(data, "net.cnn").text) == []
    with pytest.raises(FindingsError) as caught:
        decode(data + b"\n", "net.cnn")
    assert [d.message for d in caught.value.diagnostics] == ["a file may have 256 KiB; this one is larger"]


def test_at_most_twenty_errors_are_shown_and_the_rest_is_counted() -> None:
    found = checked(net("\n  ".join(f"conv(8, {i + 1}, wibble{i}=1)" for i in range(50)))).diagnostics
    assert len(found) == 20
    assert found[-1].notes == ("30 more errors are not shown",)


def test_of_thousands_of_errors_some_are_looked_for() -> None:
    found = checked(net("\n  ".join(f"b{i}" for i in range(30_000)))).diagnostics
    assert len(found) == 20
    assert found[-1].notes == ("at least 80 more errors are not shown",)


def test_of_thousands_of_lints_a_hundred_are_shown() -> None:
    found = checked(net("\n  ".join([*(f"let a{i} = 1" for i in range(10_000)), "relu"]))).diagnostics
    assert len(found) == 100
    assert found[-1].notes == ("9900 more warnings are not shown",)


# --- imports ----------------------------------------------------------------------------------------------------------


def imported(folder: Path, count: int, start: str) -> list[str]:
    """What is found where file number i imports file i + 1, or (`start` "wide") one file imports all others."""
    for i in range(count):
        below = f'from "f{i + 1}.cnn" import b{i + 1}\nblock b{i} {{ b{i + 1} }}\n' if start == "deep" else ""
        below = below if i + 1 < count and below else f"block b{i} {{ relu }}\n"
        (folder / f"f{i}.cnn").write_text(f"cnn 1\n{below}", encoding="utf-8")
    names = range(count) if start == "wide" else [0]
    head = "".join(f'from "f{i}.cnn" import b{i}\n' for i in names)
    text = net("\n  ".join(f"b{i}" for i in names), head=head)
    found = checked(text, folder / "net.cnn").diagnostics
    return [f"{d.code} {d.message}" for d in found if d.is_error]


FILES = "E0311 imports may lead to 1_000 files, and 100 deep"


def test_imports_go_a_hundred_files_deep(tmp_path: Path) -> None:
    assert imported(tmp_path, 90, "deep") == []
    assert imported(tmp_path, 110, "deep") == [FILES]


def test_a_thousand_files_are_read(tmp_path: Path) -> None:
    assert imported(tmp_path, 1000, "wide") == []
    assert set(imported(tmp_path, 1010, "wide")) == {FILES}


# --- memory -----------------------------------------------------------------------------------------------------------

HUNGRY = [
    net("conv(3, 1) * 10**12"),
    net("flatten -> dense(32_000_000) -> dense(32_000_000)"),
    net("let a = [1] * 100_000\n  let b = [a] * 100_000\n  let c = [b] * 100_000\n  conv(len(c), 1)"),
    net('let a = "x" * 10_000\n  let b = [a] * 100_000\n  conv(len(b), 1)'),
    net(f'conv(8, 1) as "{".".join("a" * 100_000)}"'),
    net("{ maxpool(2) -> upsample(3) } * 10_000", size="H, W"),
    net("conv(1000, 100, weight=" + str([[1] * 100] * 100) + ")", size="100, 100"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.parametrize("number", range(len(HUNGRY)))
def test_memory_is_bounded(number: int, tmp_path: Path) -> None:
    """A quarter of a gigabyte is enough to refuse what would need terabytes."""
    file = tmp_path / "net.cnn"
    file.write_text(HUNGRY[number], encoding="utf-8")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\n"
        "from pathlib import Path; from cnnlang.expand import check; from cnnlang.syntax import read_source\n"
        f"print(*sorted(d.code for d in check(read_source(Path({str(file)!r}))).diagnostics))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.stderr == ""
    assert result.stdout.strip() == "E0311"
    assert resource.RLIMIT_AS is not None


# --- mutated programs -------------------------------------------------------------------------------------------------

FILES_TO_MUTATE = [*sorted((ROOT / "examples").glob("*.cnn")), *sorted((ROOT / "cnnlang" / "std").glob("*.cnn"))]
TOKEN = re.compile(r'\s+|"[^"\n]*"|[A-Za-z_]\w*|\d[\w.]*|->|\*\*|//|[^\w\s]')
TEXT = """
in if else for let as net block input output aux shared group labels check train predict meta true false none not and or
conv relu dense bn add concat mul maxpool flatten range zip len sum x c H N 0 1 2 7 -1 1.5 5x3 1e-3 10**12 100_001
99999999999 in.channels in.height { } ( ) [ ] | -> * ** // % == < , : = . "same" "x{i}" #
"""
WORDS = [*TEXT.split(), "\n"]
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def survives(text: str) -> None:
    """Checking, showing and curing end in findings, and in nothing else."""
    source = Source("net.cnn", text, ROOT / "examples" / "net.cnn")
    found: tuple[Diagnostic, ...] = checked(text, source.path).diagnostics
    assert render(found, "full").count("[E") + render(found, "full").count("[W") >= len(found)
    source = next((d.span.source for d in found if d.span and d.span.source.text == text), source)
    apply_edits(text, [e for _, cure in choose_cures(found, source) for e in cure.edits])


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The text of an example with a few tokens deleted, doubled, exchanged or replaced, or lines moved."""
    text = draw(st.sampled_from(FILES_TO_MUTATE)).read_text(encoding="utf-8")
    tokens = TOKEN.findall(text)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(tokens) - 1))
        other = draw(st.integers(0, len(tokens) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                del tokens[at : at + draw(st.integers(1, 5))]
            case 1:
                tokens.insert(at, tokens[other])
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = draw(st.sampled_from(WORDS))
            case 4:
                numbers = [i for i, token in enumerate(tokens) if token[0].isdigit()]
                if numbers:
                    tokens[draw(st.sampled_from(numbers))] = draw(st.sampled_from(WORDS))
            case _:
                lines = "".join(tokens).split("\n")
                first, second = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                lines[first], lines[second] = lines[second], lines[first]
                tokens = TOKEN.findall("\n".join(lines))
        if not tokens:
            return ""
    return "".join(tokens)


@QUICK
@given(mutated())
def test_no_mutated_example_ends_in_a_traceback(text: str) -> None:
    survives(text)


@QUICK
@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
def test_no_sequence_of_words_ends_in_a_traceback(text: str) -> None:
    survives(net(text))
    survives("cnn 1\n" + text)


@QUICK
@given(st.text(max_size=200))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    survives(text)
    survives(net(text))

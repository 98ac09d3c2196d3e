"""The page of each code: its example gives the code, its cure checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cnnlang.backends import emit
from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import CnnError, FindingsError, UsageError
from cnnlang.expand import check
from cnnlang.explain import codes, page
from cnnlang.source import Source
from cnnlang.syntax import decode, format_source, read_source

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```cnn(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
IMPORTED = {"E0601", "E0602", "E0603"}  # of files of other formats: test_import_command.py tests their examples
WITHOUT_EXAMPLE = {"E0104", "E0105", "E0401", *IMPORTED}  # bytes, a size and a lacking operator: tested elsewhere


def examples(code: str, kind: str) -> list[tuple[dict[str, str], str, str]]:
    """The examples of a page of a kind: the other files they need, the target they are emitted for, their text."""
    found = []
    others: dict[str, str] = {}
    for fence in FENCE.finditer(page(code).text):
        words = fence["info"].split()
        options = dict(w.split("=") for w in words if "=" in w)
        if "file" in options:
            others[options["file"]] = fence["text"]
            continue
        if kind in words:
            found.append((others, options.get("target", ""), fence["text"]))
        others = {}
    return found


def findings(folder: Path, others: dict[str, str], target: str, text: str) -> list[Diagnostic]:
    for name, content in {**others, "main.cnn": text}.items():
        (folder / name).write_text(content, encoding="utf-8")
    checked = check(read_source(folder / "main.cnn"))
    found = list(checked.diagnostics)
    if target:
        try:
            emit(next(iter(checked.programs.values())), target)
        except FindingsError as error:
            found += error.diagnostics
    return found


@pytest.mark.parametrize("code", [c for c in codes() if c not in WITHOUT_EXAMPLE])
def test_the_example_gives_the_code_alone(code: str, tmp_path: Path) -> None:
    (example,) = examples(code, "wrong")
    assert {d.code for d in findings(tmp_path, *example)} == {code}


@pytest.mark.parametrize("code", [c for c in codes() if c not in {"E0104", "E0401", *IMPORTED}])
def test_the_cure_checks_without_a_finding(code: str, tmp_path: Path) -> None:
    (example,) = examples(code, "right")
    assert [f"{d.code} {d.message}" for d in findings(tmp_path, *example)] == []


@pytest.mark.parametrize("code", [c for c in codes() if c not in {"E0104", "E0401", *IMPORTED}])
def test_the_cure_is_in_the_one_style(code: str) -> None:
    ((others, _, text),) = examples(code, "right")
    for each in (*others.values(), text):
        assert format_source(Source("a.cnn", each)) == each


@pytest.mark.parametrize(("code", "data"), [("E0104", b"cnn 1\n# \xff"), ("E0105", b"#" * 10_000_000)])
def test_what_no_example_can_show(code: str, data: bytes) -> None:
    with pytest.raises(FindingsError) as error:
        decode(data, "a.cnn")
    assert [d.code for d in error.value.diagnostics] == [code]


def test_every_code_in_the_source_has_a_page_and_every_page_a_code() -> None:
    used: set[str] = set()
    for folder in ("cnnlang", "backends"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.parent.name != "explain":
                used |= set(re.findall(r'"([EW]\d{4})"', file.read_text(encoding="utf-8")))
    assert sorted(used) == codes()


@pytest.mark.parametrize("code", codes())
def test_a_page_begins_with_its_code_and_a_sentence(code: str) -> None:
    found = page(code)
    assert found.text.startswith(f"# {code}: {found.title}\n\n")
    assert found.title
    assert found.summary.endswith((".", ":"))
    assert max(map(len, found.text.splitlines())) <= 120


def test_a_code_is_found_in_any_case_and_an_unknown_one_is_an_error() -> None:
    assert page("e0203") == page(" E0203 ")
    with pytest.raises(UsageError, match="near it are E02"):
        page("E0293")
    with pytest.raises(CnnError):
        page("../E0203")

"""What an import may reach: files within the root, links followed first, and what ships with cnnlang."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlang.expand import check
from cnnlang.expand.modules import beside, what_is
from cnnlang.syntax import read_source

BLOCKS = "cnn 1\nblock b(c) { conv(c, 3) }\nblock twice(c) { b(c) -> b(c) }\nnet N { input x: [N, 3, H, W]\n b(8) }\n"
OUTSIDE = "E0310 {} lies outside the root folder"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`inside/` is the root; files of blocks lie in it, below it and beside it, with links from one to another."""
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    for place in (inside / "blocks.cnn", inside / "deep" / "blocks.cnn", tmp_path / "beside" / "blocks.cnn"):
        place.write_text(BLOCKS, encoding="utf-8")
    (tmp_path / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    (inside / "names.txt").write_text("고양이\n개\n\n", encoding="utf-8")
    (inside / "within.cnn").symlink_to(inside / "deep" / "blocks.cnn")
    (inside / "without.cnn").symlink_to(tmp_path / "beside" / "blocks.cnn")
    (inside / "folder").symlink_to(tmp_path / "beside")
    (inside / "round.cnn").symlink_to(inside / "round.cnn")
    (inside / "deep" / "up.cnn").write_text(
        'cnn 1\nfrom "../blocks.cnn" import b\nblock up(c) { b(c) }\n', encoding="utf-8"
    )
    (inside / "deep" / "out.cnn").write_text('cnn 1\nfrom "../../beside/blocks.cnn" import b\n', encoding="utf-8")
    return inside


def findings(folder: Path, head: str, step: str = "b(8)", root: Path | None = None) -> list[str]:
    """What is wrong with a net that imports something and applies it."""
    file = folder / "net.cnn"
    file.write_text(f"cnn 1\n{head}\nnet A {{\n  input x: [N, 3, 8, 8]\n  {step}\n}}\n", encoding="utf-8")
    return [f"{d.code} {d.message}" for d in check(read_source(file, "net.cnn"), root=root).diagnostics]


@pytest.mark.parametrize(
    ("head", "step"),
    [
        ('from "blocks.cnn" import b', "b(8)"),
        ('from "./blocks.cnn" import b', "b(8)"),
        ('from "deep/blocks.cnn" import b', "b(8)"),
        ('from "deep/../blocks.cnn" import b', "b(8)"),
        ('from "within.cnn" import b', "b(8)"),
        ('from "deep/up.cnn" import up', "up(8)"),
        ('from "blocks.cnn" import b as c', "c(8)"),
        ('from "blocks.cnn" import b, twice', "b(8) -> twice(8)"),
        ('from "blocks.cnn" import b\nfrom "deep/blocks.cnn" import b as d', "b(8) -> d(8)"),
        ('from "blocks.cnn" import N as Small', "Small"),
        ("from std.se import se", "conv(16, 1) -> se(4)"),
    ],
)
def test_what_an_import_reaches(folder: Path, head: str, step: str) -> None:
    assert findings(folder, head, step) == []


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ('from "../beside/blocks.cnn" import b', OUTSIDE.format("../beside/blocks.cnn")),
        ('from "deep/../../beside/blocks.cnn" import b', OUTSIDE.format("deep/../../beside/blocks.cnn")),
        ('from "without.cnn" import b', OUTSIDE.format("without.cnn")),
        ('from "folder/blocks.cnn" import b', OUTSIDE.format("folder/blocks.cnn")),
        ('from "/etc/passwd" import b', OUTSIDE.format("/etc/passwd")),
        ('from "deep/out.cnn" import b', OUTSIDE.format("../../beside/blocks.cnn")),
        ('from "deep" import b', "E0308 deep is a folder"),
        ('from "" import b', "E0308 an import needs the name of a file"),
        ('from "round.cnn" import b', "E0308 there is no file round.cnn"),
        ('from "nothing.cnn" import b', "E0308 there is no file nothing.cnn"),
        ('from "' + "a" * 5000 + '" import b', "E0308 there is no file " + "a" * 380 + "..."),
        ("from std.nothing import b", "E0308 nothing called std.nothing ships with cnnlang"),
        ("from stdlib.resnet import b", "E0308 nothing called stdlib.resnet ships with cnnlang"),
        ("from std.se import b", "E0301 `std/se.cnn` has no block or net `b`"),
        ('from "net.cnn" import b', "E0309 net.cnn imports itself"),
    ],
)
def test_what_it_does_not(folder: Path, head: str, message: str) -> None:
    assert findings(folder, head) == [message]


def test_a_wider_root_reaches_more(folder: Path) -> None:
    for text in ("../beside/blocks.cnn", "without.cnn", "folder/blocks.cnn"):
        assert findings(folder, f'from "{text}" import b', root=folder.parent) == []
    assert findings(folder, 'from "/etc/passwd" import b', root=Path("/")) == [OUTSIDE.format("/etc/passwd")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names.txt", None),
        ("../labels.txt", OUTSIDE.format("../labels.txt")),
        ("nams.txt", "E0308 there is no file nams.txt"),
        ("deep", "E0308 deep is a folder"),
        ("", "E0308 `labels` needs the name of a file, or a list of strings"),
    ],
)
def test_labels_are_held_to_the_same_root(folder: Path, text: str, message: str | None) -> None:
    assert findings(folder, "", f'labels "{text}"\n  flatten -> dense(2)') == ([message] if message else [])


def test_labels_are_the_lines_of_a_file(folder: Path) -> None:
    findings(folder, "", 'labels "names.txt"\n  flatten -> dense(2)')
    assert check(read_source(folder / "net.cnn")).programs["A"].labels == ("고양이", "개")


def test_what_cannot_be_a_path_is_nothing() -> None:
    assert what_is(Path("a" * 5000)) == ""
    assert beside(Path("a" * 5000) / "b.cnn", "*.cnn") == []

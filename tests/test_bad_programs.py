"""Every bad program of the table: its exact messages, and what carrying out the printed cures makes of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlang.explain import codes
from tests.bad_programs import FOLDER, MAIN, Program, check_files, mend, printed, read_table, write_golden

TABLES = sorted(FOLDER.glob("*.md"))
NET = "cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n  %s\n}\n"

# Programs that are too long to stand in the table.
LONG: dict[str, Callable[[], str]] = {
    "ten-megabytes": lambda: NET % ("conv(8, 1)\n" * 1_000_000),
    "ten-thousand-parentheses": lambda: NET % f"conv({'(' * 10_000}8{')' * 10_000}, 3)",
}


def programs() -> list[Program]:
    found = [p for table in TABLES for p in read_table(table)]
    for program in found:
        if program.name in LONG:
            program.files[MAIN] = LONG[program.name]().encode()
    return found


PROGRAMS = programs()
NAMES = [p.name for p in PROGRAMS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the files of a program, with a link that leads out of it."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "blocks.cnn").write_text("cnn 1\nblock b(c) { conv(c, 3) }\n", encoding="utf-8")
    (tmp_path / "imagenet.txt").write_text("cat\ndog\n", encoding="utf-8")
    (inside / "outside.cnn").symlink_to(tmp_path / "blocks.cnn")
    return inside


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_messages_and_cures(program: Program, folder: Path, update_golden: bool) -> None:
    start = time.perf_counter()
    found = check_files(program.files, folder, program.overrides)
    assert time.perf_counter() - start < 5
    mended, left = mend(program.files, folder, program.overrides)
    cured = "" if left or mended == program.files else mended[MAIN].decode()
    if update_golden:
        write_golden(FOLDER / f"{program.table}.md", program, printed(found), cured)
        return
    assert printed(found) == program.expected
    assert cured.rstrip("\n") == program.cured.rstrip("\n")
    assert bool(cured) != bool(program.no_cure), "a program has a cure or says why not"


def test_names_are_said_once() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 80
    assert LONG.keys() <= set(NAMES)


def test_the_cures_of_nine_programs_in_ten_give_a_file_that_checks() -> None:
    """Which do not, and why, stands with each of the others in the table."""
    exceptions = {p.name: p.no_cure for p in PROGRAMS if not p.cured}
    assert all(exceptions.values())
    assert len(exceptions) == 29
    assert len(exceptions) <= 0.1 * len(PROGRAMS)


def test_every_code_of_checking_occurs() -> None:
    shown = "\n".join(p.expected for p in PROGRAMS)
    elsewhere = ("E04", "E06")  # what targets cannot express, and files of other frameworks
    assert [c for c in codes() if not c.startswith(elsewhere) and f"[{c}]" not in shown] == []


def test_every_code_that_occurs_has_a_page() -> None:
    shown = "\n".join(p.expected for p in PROGRAMS)
    assert set(re.findall(r"^(?:error|warning)\[(.*?)\]", shown, re.MULTILINE)) <= set(codes())


def test_a_check_of_what_was_overridden_is_a_note(folder: Path) -> None:
    text = "cnn 1\nnet A(width=8) {\n  input x: [N, 3, 8, 8]\n  conv(width, 1)\n  check { params == 32 }\n}\n"
    (found,) = check_files({MAIN: text.encode()}, folder, {"width": 16})
    assert (
        printed([found])
        == """\
note[E0314]: the check `params == 32` of A fails: `params` is 64
  --> net.cnn:5:11
   |
 5 |   check { params == 32 }
   |           ^^^^^^^^^^^^
   = note: a parameter was overridden, so this is no error
   = help: if the net is right, write 64
   |
 5 |   check { params == 64 }
   |                     ~~"""
    )

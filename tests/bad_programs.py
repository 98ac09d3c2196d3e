"""The table of bad programs: `tests/bad/*.md`, each program beside its messages and what their cures make of it.

A program is a section of such a file::

    ## name-of-the-program
    One sentence, where the name does not say it all. `No cure: reason.` where only the author can mend it.

    ```cnn blocks.cnn          a further file, any number of them
    ```cnn                     the program, net.cnn (or ```bytes, a Python literal, where it is no clean text)
    ```text                    what `check` prints
    ```cnn cured               the program after the printed cures are carried out

`pytest tests/test_bad_programs.py --update-golden` writes the last two.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnlang.diagnostics import Diagnostic
from cnnlang.edits import apply_edits, choose_cures
from cnnlang.errors import FindingsError
from cnnlang.expand import check
from cnnlang.render import render
from cnnlang.source import Source
from cnnlang.syntax import read_source

FOLDER = Path(__file__).parent / "bad"
MAIN = "net.cnn"
MAX_ROUNDS = 8
FENCE = re.compile(r"^```([^\n]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass
class Program:
    """One program of the table.

    Attributes
    ----------
    files
        Its files by name; `net.cnn` is the one that is checked.
    expected
        What `check` prints.
    cured
        `net.cnn` after the cures, where they make a file that checks.
    no_cure
        Why they do not.
    overrides
        What stands after `--set`.
    """

    name: str
    table: str
    files: dict[str, bytes] = field(default_factory=dict)
    expected: str = ""
    cured: str = ""
    no_cure: str = ""
    overrides: dict[str, int] = field(default_factory=dict)


def read_table(path: Path) -> list[Program]:
    """The programs of one file of the table."""
    _, *sections = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    programs = []
    for section in sections:
        program = Program(section.split("\n", 1)[0].strip(), path.stem)
        for fence in FENCE.finditer(section):
            what, text = fence[1].strip(), fence[2]
            match what.split():
                case ["cnn"]:
                    program.files[MAIN] = text.encode()
                case ["bytes"]:
                    program.files[MAIN] = ast.literal_eval(text.strip())
                case ["text"]:
                    program.expected = text.rstrip("\n")
                case ["cnn", "cured"]:
                    program.cured = text
                case [_, name]:
                    program.files[name] = text.encode()
        prose = FENCE.sub("", section)
        if found := re.search(r"^No cure: (.*?)(?=\n\n|\Z)", prose, re.DOTALL | re.MULTILINE):
            program.no_cure = " ".join(found[1].split())
        if found := re.search(r"^Set: (.*)$", prose, re.MULTILINE):
            program.overrides = {k: int(v) for k, _, v in (part.partition("=") for part in found[1].split())}
        programs.append(program)
    return programs


def write_golden(path: Path, program: Program, printed: str, cured: str) -> None:
    """Put what `check` prints and what the cures make into the table."""
    text = path.read_text(encoding="utf-8")
    start = re.search(rf"^## {re.escape(program.name)}$", text, re.MULTILINE)
    assert start
    following = re.search(r"^## ", text[start.end() :], re.MULTILINE)
    end = start.end() + following.start() if following else len(text)
    section = text[start.start() : end]
    for fence in reversed(list(FENCE.finditer(section))):
        if fence[1].strip() in ("text", "cnn cured"):
            section = section[: fence.start()].rstrip() + "\n" + section[fence.end() :].lstrip("\n")
    section = section.rstrip() + f"\n\n```text\n{printed}\n```\n"
    if cured:
        section += f"\n```cnn cured\n{cured.rstrip(chr(10))}\n```\n"
    path.write_text(text[: start.start()] + section + ("\n" if following else "") + text[end:], encoding="utf-8")


def check_files(files: dict[str, bytes], folder: Path, overrides: dict[str, int]) -> Sequence[Diagnostic]:
    """What `check` finds in `net.cnn` of a folder that holds these files."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    try:
        return check(read_source(folder / MAIN, MAIN), overrides=overrides).diagnostics
    except FindingsError as error:
        return error.diagnostics


def printed(diagnostics: Sequence[Diagnostic]) -> str:
    return render(diagnostics, "full")


def mend(
    files: dict[str, bytes], folder: Path, overrides: dict[str, int]
) -> tuple[dict[str, bytes], Sequence[Diagnostic]]:
    """The files after the first cures of all findings, again and again, and what is left to find."""
    files = dict(files)
    found = check_files(files, folder, overrides)
    for _ in range(MAX_ROUNDS):
        changed = False
        for source in _sources(found):
            chosen = choose_cures(found, source)
            name = source.name
            if chosen and name in files:
                text = apply_edits(source.text, [e for _, cure in chosen for e in cure.edits])
                changed = changed or text != source.text
                files[name] = text.encode()
        if not changed:
            break
        found = check_files(files, folder, overrides)
    return files, found


def _sources(found: Sequence[Diagnostic]) -> list[Source]:
    return list(dict.fromkeys(e.span.source for d in found for h in d.help for e in h.edits))

"""Carrying out the cures of findings in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlang.cli.output import say
from cnnlang.cli.rewrite import rewrite
from cnnlang.edits import apply_edits, choose_cures
from cnnlang.errors import FindingsError
from cnnlang.expand import check
from cnnlang.source import Source
from cnnlang.syntax import read_source

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic

MAX_ROUNDS = 10  # a cure may bring another finding to light


def fix_file(name: str, net: str | None, overrides: dict[str, Any], root: Path | None) -> None:
    """Apply the first cure of each finding, round after round, write the file, and say what was done."""
    try:
        source = read_source(name)
    except FindingsError:
        return  # the check that follows shows it
    before = source.text
    for _ in range(MAX_ROUNDS):
        cures = choose_cures(_findings(source, net, overrides, root), source)
        text = apply_edits(source.text, [e for _, cure in cures for e in cure.edits])
        if text == source.text:
            break
        for diagnostic, cure in cures:
            place = diagnostic.span or name
            say(f"fixed: {place}: {diagnostic.code} {diagnostic.message}: {cure.text}", "help")
        source = Source(source.name, text, source.path)
    if source.text != before:
        rewrite(Path(name), source.text)


def _findings(source: Source, net: str | None, overrides: dict[str, Any], root: Path | None) -> tuple[Diagnostic, ...]:
    return check(source, net=net, overrides=overrides, root=root).diagnostics

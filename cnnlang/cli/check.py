"""`cnnlang check`: find every mistake before anything runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.backends import TARGETS
from cnnlang.cli.options import choose_net, files_argument, find_files
from cnnlang.cli.output import put, say, wants_color
from cnnlang.errors import FindingsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnlang.diagnostics import Diagnostic
    from cnnlang.program import Program

FORMATS = ("full", "concise", "json", "sarif", "github")


@click.command(short_help="Find mistakes, and show their cures.")
@files_argument
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="full", show_default=True, help="How to show findings."
)
@click.option(
    "--target",
    "targets",
    type=click.Choice(list(TARGETS)),
    multiple=True,
    help="Find what this target cannot express, too. Repeatable.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--fix", is_flag=True, help="Carry out the first cure of each finding that has one.")
@choose_net
def command(
    files: tuple[str, ...],
    form: str,
    targets: tuple[str, ...],
    strict: bool,
    fix: bool,
    net: str | None,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Check FILES: every net whose parameters all have values.

    A folder is searched for .cnn files; - is standard input. Findings go to standard output, their number to standard
    error. The exit code is 1 if there are errors (with --strict, warnings too).
    """
    from cnnlang.render import count, render

    found: list[Diagnostic] = []
    nets = with_findings = 0
    names = find_files(files)
    if fix and "-" in names:
        msg = "--fix changes files, and - is standard input"
        raise UsageError(msg)
    for name in names:
        if fix:
            from cnnlang.cli.fix import fix_file

            fix_file(name, net, overrides, root)
        diagnostics, programs = _check(name, net, overrides, root)
        diagnostics += _refused(programs, targets)
        found += diagnostics
        nets += len(programs)
        with_findings += bool(diagnostics)
    if found or form in ("json", "sarif"):
        put(render(found, form, wants_color(sys.stdout)) + ("\n" if form == "full" else ""))
    if found:
        files_text = names[0] if len(names) == 1 else f"{with_findings} of {len(names)} files"
        say(f"{count(found)} in {files_text}")
    else:
        say(f"{nets} net{'s' * (nets != 1)} in {len(names)} file{'s' * (len(names) != 1)} checked: no errors")
    return int(any(d.is_error or (strict and d.severity == "warning") for d in found))


def _check(
    name: str, net: str | None, overrides: dict[str, Any], root: Path | None
) -> tuple[list[Diagnostic], list[Program]]:
    """The findings of a file, and those of its nets that could be expanded."""
    from cnnlang.cli.options import checked_file

    try:
        checked = checked_file(name, net, overrides, root)
    except FindingsError as error:  # it cannot be read
        return list(error.diagnostics), []
    if checked.nets and not checked.programs and not checked.has_errors:
        say(
            f"note: {name}: no net was expanded, for none has values for all its parameters; give them with --set",
            "note",
        )
    return list(checked.diagnostics), list(checked.programs.values())


def _refused(programs: Iterable[Program], targets: Iterable[str]) -> list[Diagnostic]:
    """What targets cannot express of nets: once where several nets have it from one place."""
    found: dict[object, Diagnostic] = {}
    for target in targets:
        refusals = TARGETS[target].load().refusals
        for diagnostic in (d for program in programs for d in refusals(program)):
            found.setdefault((diagnostic.code, diagnostic.message, diagnostic.span), diagnostic)
    return list(found.values())

"""`cnnlang fmt`: one style for every file."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from cnnlang.cli.options import files_argument, find_files
from cnnlang.cli.output import put, say, show_findings, wants_color
from cnnlang.errors import FindingsError
from cnnlang.render.style import paint


@click.command(short_help="Bring files into the one style.")
@files_argument
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, and exit with 1 if anything would.")
def command(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Format FILES in place. A folder is searched for .cnn files; - formats standard input to standard output.

    A file with syntax errors is left as it is, and the exit code is 1. Formatting never changes what a file means.
    """
    from cnnlang.cli.rewrite import rewrite
    from cnnlang.syntax import format_source, read_source

    broken = changed = 0
    names = find_files(files)
    for name in names:
        try:
            source = read_source(name)
            text = format_source(source)
        except FindingsError as error:
            show_findings(error.diagnostics)
            broken += 1
            continue
        differs = text != source.text
        changed += differs
        if diff:
            if differs:
                put(_diff(source.text, text, name))
        elif name == "-" and not check:
            click.echo(text, nl=False)
        elif differs and check:
            say(f"{name} would be reformatted")
        elif differs:
            rewrite(Path(name), text)
            say(f"{name} reformatted")
    if names != ["-"] or check:
        say(_counts(changed, len(names) - changed - broken, broken, would=check or diff))
    return int(broken > 0 or ((check or diff) and changed > 0))


def _counts(changed: int, same: int, broken: int, *, would: bool) -> str:
    parts = [
        (changed, "would be reformatted" if would else "reformatted"),
        (same, "already formatted" if would else "left unchanged"),
        (broken, "with syntax errors left as they are" if broken > 1 else "with syntax errors left as it is"),
    ]
    return ", ".join(f"{n} file{'s' * (n != 1)} {words}" for n, words in parts if n)


def _diff(before: str, after: str, name: str) -> str:
    color = wants_color(sys.stdout)
    roles = {"+": "added", "-": "error", "@": "gutter"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name} (formatted)", lineterm="")
    return "\n".join(paint(line, roles.get(line[:1], "plain"), color) for line in lines)

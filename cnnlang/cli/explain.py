"""`cnnlang explain`: the page of a code."""

from __future__ import annotations

import sys

import click

from cnnlang.cli.output import put, terminal_width, wants_color
from cnnlang.errors import UsageError


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from cnnlang.explain import codes

    return [c for c in codes() if c.startswith(incomplete.upper())]


@click.command(short_help="Say what a code such as E0203 means.")
@click.argument("code", required=False, shell_complete=_complete)
@click.option("--list", "listing", is_flag=True, help="List all codes.")
def command(code: str | None, listing: bool) -> int:
    """Print the page of CODE: what it means, an example, and its cure."""
    from cnnlang.explain import codes, page

    if listing:
        put("\n".join(f"{c}  {page(c).title}" for c in codes()))
        return 0
    if code is None:
        msg = "explain needs a code, as in `cnnlang explain E0203`, or --list"
        raise UsageError(msg)
    text = page(code).text
    put(_on_terminal(text) if wants_color(sys.stdout) else text.rstrip("\n"))
    return 0


def _on_terminal(text: str) -> str:
    """Markdown as a terminal shows it."""
    import io

    from rich.console import Console
    from rich.markdown import Markdown

    out = io.StringIO()
    width = min(terminal_width() or 100, 100)
    console = Console(file=out, width=width, force_terminal=True, color_system="standard", legacy_windows=False)
    console.print(Markdown(text, code_theme="ansi_dark"))
    return out.getvalue().rstrip("\n")

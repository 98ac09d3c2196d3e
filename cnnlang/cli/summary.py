"""`cnnlang summary`: what a net is made of and what it costs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.options import checked_file, files_argument, find_files, root_option, set_option
from cnnlang.cli.output import put, terminal_width, wants_color
from cnnlang.errors import FindingsError, UsageError

if TYPE_CHECKING:
    from cnnlang.program import Program
    from cnnlang.summary import Summary


@click.command(short_help="Count parameters, MACs, depth and memory.")
@files_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv", "md")),
    default="table",
    show_default=True,
    help="The form.",
)
@click.option("--depth", type=click.IntRange(min=1), help="Fold scopes below this level into one row each.")
@click.option("--receptive-field", is_flag=True, help="Add the rows and columns of the input that a number depends on.")
@click.option("--connections", is_flag=True, help="Add the links between input and output numbers.")
@click.option(
    "--fully-connected", is_flag=True, help="Add the weights that a dense layer would take in a layer's place."
)
@click.option("--net", "nets", metavar="NAME", multiple=True, help="The net to take; several stand side by side.")
@set_option
@root_option
def command(
    files: tuple[str, ...],
    form: str,
    depth: int | None,
    receptive_field: bool,
    connections: bool,
    fully_connected: bool,
    nets: tuple[str, ...],
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Summarise FILES: for each layer its shape, parameters and multiply-accumulates (MACs), and the totals.

    Several nets, of one file or of several, stand side by side with ratios to the first.
    """
    from cnnlang.summary import summarize

    wanted = {"receptive_field": receptive_field, "connections": connections, "fully_connected": fully_connected}
    extra = [name for name, on in wanted.items() if on]
    programs = [p for name in find_files(files) for p in _programs(name, nets, overrides, root)]
    put(_shown([summarize(p, depth) for p in programs], form, extra))
    return 0


def _programs(name: str, nets: tuple[str, ...], overrides: dict[str, Any], root: Path | None) -> list[Program]:
    """The nets of a file that were asked for, or all."""
    from cnnlang.expand import pick

    if nets and name == "-":
        checked = checked_file(name, nets[0] if len(nets) == 1 else None, overrides, root)
        return [pick(checked, net) for net in nets]
    if nets:
        return [pick(checked_file(name, net, overrides, root), net) for net in nets]
    checked = checked_file(name, None, overrides, root)
    if checked.has_errors:
        raise FindingsError(checked.diagnostics)
    if not checked.programs:
        pick(checked)  # says why there is none
    return list(checked.programs.values())


def _shown(summaries: list[Summary], form: str, extra: list[str]) -> str:
    from cnnlang.summary.data import summary_csv, summary_json
    from cnnlang.summary.table import compare_markdown, compare_table, summary_markdown, summary_table

    width, color = terminal_width(), wants_color(sys.stdout)
    match form, len(summaries):
        case "json", _:
            return summary_json(summaries, extra)
        case "csv", _:
            return summary_csv(summaries, extra)
        case "md", 1:
            return summary_markdown(summaries[0], extra)
        case "md", _:
            return compare_markdown(summaries)
        case "table", 1:
            return summary_table(summaries[0], extra, width, color)
        case "table", _:
            return compare_table(summaries, width, color)
    msg = f"there is no form `{form}`"
    raise UsageError(msg)

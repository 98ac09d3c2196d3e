"""`cnnlang diff`: what differs between two nets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.options import existing, root_option, set_option
from cnnlang.cli.output import put, terminal_width, wants_color
from cnnlang.errors import UsageError

if TYPE_CHECKING:
    from cnnlang.ir import Graph


@click.command(short_help="Show what differs between two nets.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--net-a", metavar="NAME", help="The net of A to take; or write A:NAME.")
@click.option("--net-b", metavar="NAME", help="The net of B to take; or write B:NAME.")
@click.option(
    "--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True, help="The form."
)
@set_option
@root_option
def command(
    first: str,
    second: str,
    net_a: str | None,
    net_b: str | None,
    form: str,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Compare the nets A and B: .cnn files, ONNX models, Darknet .cfg or Caffe .prototxt files.

    Nets are equal up to the names of their layers, bn folded into the layer before it, dropout, the order of the
    branches of `add`, `mul`, `max` and `mean`, and the ways of saying a padding. Else the smallest parts that differ
    are shown side by side, and the exit code is 1.
    """
    from cnnlang.differing import compare_graphs
    from cnnlang.differing.files import split_name
    from cnnlang.differing.text import comparison_json, comparison_text

    if first == second == "-":
        msg = "standard input can be one of the two nets, not both"
        raise UsageError(msg)
    chosen = []
    for name, net in ((first, net_a), (second, net_b)):
        file, behind = split_name(name)
        chosen.append((existing(file), net or behind))
    left, right = (_graph(file, net, overrides, root) for file, net in chosen)
    found = compare_graphs(left, right)
    files = (chosen[0][0], chosen[1][0])
    if form == "json":
        put(comparison_json(found, (left, right), files))
    else:
        put(comparison_text(found, (left, right), files, terminal_width(), wants_color(sys.stdout)))
    return int(not found.are_equal)


def _graph(file: str, net: str | None, overrides: dict[str, Any], root: Path | None) -> Graph:
    from cnnlang.differing.files import read_graph

    return read_graph(file, net, overrides, root)

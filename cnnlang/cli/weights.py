"""`cnnlang weights`: weights from one kind of file to another, and what differs between two."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.options import choose_net
from cnnlang.cli.output import put, say, terminal_width, wants_color
from cnnlang.errors import UsageError

if TYPE_CHECKING:
    from cnnlang.program import Program

TOP = 20


@click.group(short_help="Convert files of weights, and compare them.")
def command() -> None:
    """Weights that travel: from one kind of file to another, and what differs between two.

    Read are .safetensors, .npz, .pth and .pt (PyTorch), .weights.h5, .h5 and .keras (Keras) and .onnx files; written
    are .safetensors, .npz, .pth, .pt, .weights.h5 and .keras files. Keras' files need the net (--for FILE.cnn): it
    tells what lies where in them.
    """


for_option = click.option("--for", "file", metavar="FILE.cnn", help="The net that the weights are for.")
map_option = click.option(
    "--map", "map_file", metavar="MAP", help="A file that says which array is which weight, where names differ."
)


@command.command(short_help="Write the weights of a file to another kind of file.")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="[OUT]", required=False)
@for_option
@map_option
@click.option("--propose", is_flag=True, help="Propose a map by shapes, order and names; convert nothing.")
@click.option("-o", "--output", metavar="MAP", help="Write the proposed map to a file.")
@click.option(
    "--dtype",
    type=click.Choice(("float32", "float16", "bfloat16")),
    default="float32",
    show_default=True,
    help="The numbers of a .safetensors file.",
)
@choose_net
def convert(
    source: str,
    target: str | None,
    file: str | None,
    map_file: str | None,
    propose: bool,
    output: str | None,
    dtype: str,
    net: str | None,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Write the weights of IN to OUT; how their names end says what kinds of files they are.

    With --for FILE.cnn the weights must be that net's: all of them, in its shapes. Where the names in IN are others,
    --propose shows which array may be which weight, and with -o MAP writes that down, to be looked at, mended, and
    used with --map MAP. A map has one `theirs ours` a line.
    """
    from cnnlang.weight_files.conversion import convert_weights
    from cnnlang.weight_files.fitting import Misfit
    from cnnlang.weight_files.mapping import read_map
    from cnnlang.weight_files.tables import counted

    program = _program(file, net, overrides, root)
    if propose:
        if target is not None or map_file is not None or program is None:
            msg = "--propose takes IN and --for FILE.cnn, writes a map (-o MAP), and converts nothing"
            raise UsageError(msg)
        return _propose(source, program, output, _as_given(source, file, net, overrides))
    if output is not None or target is None:
        msg = "convert takes two files, IN and OUT; -o names the map that --propose writes"
        raise UsageError(msg)
    lines = read_map(Path(map_file)) if map_file else []
    try:
        done = convert_weights(Path(source), Path(target), program, lines, dtype)
    except Misfit as error:
        say(f"error: {error}", "error")
        if not map_file:
            again = f"{_as_given(source, file, net, overrides)} --propose -o map.txt"
            say(f"help: where only the names differ, propose a map: {again}", "help")
        return 1
    for sentence in done.unusual:
        say(f"warning: {sentence}", "warning")
    say(f"wrote {target}: {counted(done.arrays, 'array')}, {counted(done.numbers, 'number')}")
    return 0


def _as_given(source: str, file: str | None, net: str | None, overrides: dict[str, Any]) -> str:
    """The command that converts a file of weights for its net, as far as where to."""
    import json

    given = [f"{name}={'none' if value is None else json.dumps(value)}" for name, value in overrides.items()]
    words = ["cnnlang", "weights", "convert", source, "--for", str(file), *(["--net", net] if net else [])]
    return shlex.join([*words, *(word for text in given for word in ("--set", text))])


def _program(file: str | None, net: str | None, overrides: dict[str, Any], root: Path | None) -> Program | None:
    if file is None:
        if net or overrides or root:
            msg = "--net, --set and --root say which net of a file: name it with --for FILE.cnn"
            raise UsageError(msg)
        return None
    from cnnlang.cli.options import checked_file
    from cnnlang.expand import pick

    return pick(checked_file(file, net, overrides, root), net)


def _propose(source: str, program: Program, output: str | None, again: str) -> int:
    """Show a map, and write it; 1 where a weight has no array, so that it could not be used as it is."""
    from cnnlang.files import write_bytes
    from cnnlang.weight_files import opened
    from cnnlang.weight_files.keras_layout import owners, renamed
    from cnnlang.weight_files.proposal import propose
    from cnnlang.weight_files.tables import map_text, proposal_table

    found = owners(program.graph)
    with opened(Path(source)) as stored:
        proposal = propose(renamed(stored, program, only_fitting=True), found)
    name = Path(source).name
    if not proposal.rows and not proposal.missing:
        put(f"{name} has the names of {program.name}: no map is needed")
        return 0
    put(proposal_table(proposal, name, program.name, terminal_width(), wants_color(sys.stdout)))
    if output is not None:
        write_bytes(output, map_text(proposal, name, program.name).encode())
        doubt = " (look at what is marked ?)" if any(not row.is_sure for row in proposal.rows) else ""
        say(f"wrote {output}{doubt}; use it with: {again} OUT --map {shlex.quote(output)}")
    return 1 if proposal.missing else 0


@command.command(short_help="Show how the weights of two files differ.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@for_option
@map_option
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="The largest difference of two numbers that count as equal.",
)
@click.option("--all", "every", is_flag=True, help=f"Show all arrays, not the {TOP} that differ most.")
@click.option(
    "--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True, help="The form."
)
@choose_net
def diff(
    first: str,
    second: str,
    file: str | None,
    map_file: str | None,
    tolerance: float,
    every: bool,
    form: str,
    net: str | None,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Compare the weights in A and B by name: those that only one has, other shapes, and the largest differences.

    A and B may be files of different kinds; for Keras' the net is needed (--for FILE.cnn). --map gives the arrays of A
    the names that they have in B. The exit code is 1 where the files differ.
    """
    from cnnlang.weight_files.comparing import compare
    from cnnlang.weight_files.conversion import arranged
    from cnnlang.weight_files.mapping import read_map
    from cnnlang.weight_files.tables import comparison_json, comparison_text

    program = _program(file, net, overrides, root)
    lines = read_map(Path(map_file)) if map_file else []
    with arranged(Path(first), program, lines) as left, arranged(Path(second), program) as right:
        found = compare(left, right)
    names = (first, second)
    if form == "json":
        put(comparison_json(found, names, tolerance))
    else:
        put(comparison_text(found, names, tolerance, None if every else TOP, terminal_width(), wants_color(sys.stdout)))
    return 0 if found.is_equal(tolerance) else 1

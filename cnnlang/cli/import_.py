"""`cnnlang import`: a model of another framework becomes a `.cnn` file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnlang.cli.output import put, say, show_findings, terminal_width, wants_color
from cnnlang.errors import UsageError

if TYPE_CHECKING:
    from cnnlang.importing import Imported
    from cnnlang.importing.reading import Reading


SIZE = re.compile(r"[1-9][0-9]{0,5}(x[1-9][0-9]{0,5}){2}")


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int, int] | None:
    """Channels, height and width, as in 3x224x224."""
    if value is None:
        return None
    if not SIZE.fullmatch(value):
        msg = f"--input {value}: write channels, height and width, as in --input 3x224x224"
        raise UsageError(msg)
    channels, height, width = map(int, value.split("x"))
    return channels, height, width


@click.command(name="import", short_help="Turn an ONNX, Darknet or Caffe model into a .cnn file.")
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", metavar="FILE.cnn", help="Write there, and weights to FILE.safetensors; - is stdout.")
@click.option("--dry-run", is_flag=True, help="Write nothing; list the layers, and what each becomes.")
@click.option("--name", metavar="NAME", help="What to call the net [default: as the file does].")
@click.option(
    "--weights",
    metavar="FILE",
    help="The .weights of a cfg, the .caffemodel of a prototxt [default: the one beside it].",
)
@click.option("--no-weights", is_flag=True, help="Leave weights out.")
@click.option("--input", "size", metavar="CxHxW", callback=_size, help="The input's size, if a prototxt has none.")
@click.option("--keep-names", is_flag=True, help="Keep the file's names of layers, even where blocks are lost by it.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def command(
    model: str,
    output: str | None,
    dry_run: bool,
    name: str | None,
    weights: str | None,
    no_weights: bool,
    size: tuple[int, int, int] | None,
    keep_names: bool,
    force: bool,
) -> int:
    """Turn MODEL into a .cnn file: .onnx, .cfg of Darknet, .prototxt of Caffe.

    The text goes to standard output. With -o net.cnn it goes there, and the weights, if MODEL holds any, to
    net.safetensors beside it: both or neither, and never over a file that is there, unless --force says so. An ONNX
    file holds its weights; those of a cfg are in a .weights file, those of a prototxt in a .caffemodel file.

    Repeated structure becomes blocks and `* n`. What the language cannot say is an error for every such layer, and
    then nothing is written; --dry-run lists all layers, and exits with 1 if one cannot be said.
    """
    from cnnlang.importing import read_model, written
    from cnnlang.importing.saving import need_free

    if no_weights and weights is not None:
        msg = "--weights and --no-weights do not go together"
        raise UsageError(msg)
    to_file = output not in (None, "-") and not dry_run
    if output is not None and to_file:
        need_free(Path(output), weights=False, force=force)
    wanted: str | bool = weights if weights is not None else not (no_weights or dry_run)
    reading = read_model(model, weights=wanted, name=name, input_size=size)
    if dry_run:
        return _list(model, reading)
    if reading.findings:
        show_findings(reading.findings)
        return 1
    made = written(reading, keep_names=keep_names or None)
    if output is None or not to_file:
        put(made.text.rstrip("\n"))
        _say_notes(made.notes)
        if made.weights and output is None:
            say("note: the weights are not in this text; -o FILE.cnn writes them too", "note")
        return 0
    if no_weights:
        made = _without_weights(made)
    _say_written(made, [str(f) for f in made.save(output, force=force)])
    return 0


def _without_weights(made: Imported) -> Imported:
    from dataclasses import replace

    return replace(made, weights={})


def _say_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        say(f"note: {note}", "note")


def _say_written(made: Imported, files: list[str]) -> None:
    """What was written, and what to do with it."""
    net = made.net()
    lines = made.text.count("\n")
    say(f"wrote {files[0]}: {net.name}, {lines} lines, {net.params:,} params")
    if made.weights:
        say(f"wrote {files[1]}: {len(made.weights)} arrays")
    _say_notes(made.notes)
    after = f"cnnlang verify {files[0]} --weights {files[1]}" if made.weights else f"cnnlang summary {files[0]}"
    say(f"next: {after}")


def _list(model: str, reading: Reading) -> int:
    """The table of layers; the exit code is 1 if one cannot be said."""
    from cnnlang.importing.reading import counted
    from cnnlang.summary.grid import Grid

    rows = [
        [str(n), layer.kind, layer.becomes or f"cannot be said: {layer.why}"] for n, layer in counted(reading.layers)
    ]
    grid = Grid(["count", "layer", "becomes"], rows, [True, False, False], {2: 20, 1: 10})
    put(grid.text(terminal_width(), wants_color(sys.stdout)))
    total = len(reading.layers)
    bad = sum(not layer.becomes for layer in reading.layers)
    what = f"\n{model} ({reading.form}): {total:,} layer{'s' * (total != 1)}"
    if reading.sayable:
        from cnnlang.analysis import params

        put(f"{what}, all can be said: {params(reading.foreign.graph):,} params")
    else:
        put(f"{what}, of which {bad:,} cannot be said")
    _say_notes(reading.notes)
    if len(reading.findings) > bad:  # some of them are about no layer
        show_findings(reading.findings)
    return int(not reading.sayable)

"""`cnnlang emit`: a net as source or as a model for a target."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.backends import TARGETS
from cnnlang.cli.after import graphs_text, print_after_option
from cnnlang.cli.options import choose_net, file_argument
from cnnlang.cli.output import put, say, terminal_width
from cnnlang.errors import UsageError

if TYPE_CHECKING:
    from cnnlang.program import Program

MODELS = [name for name, target in TARGETS.items() if target.is_model]


def _help() -> str:
    """The command's manual, with every target in it."""
    width = max(map(len, TARGETS))
    targets = "\n".join(f"{name:{width}}  {target.title}" for name, target in TARGETS.items())
    return "\n\n".join(
        [
            "Turn FILE's net into source for a target, or into a model with weights in it.",
            f"\b\n{targets}",
            f"Source goes to standard output unless -o names a file. A model ({', '.join(MODELS)}) needs -o; its "
            "weights are those that --weights names, else those beside FILE (NAME.safetensors), else random ones.",
        ]
    )


@click.command(short_help="Turn a net into source, or a model, for a target.", help=_help())
@file_argument
@click.option("--target", type=click.Choice(list(TARGETS)), required=True, help="What to make.")
@click.option("-o", "--output", metavar="FILE", help="Where to write; - is standard output.")
@click.option("--weights", metavar="FILE", help="A model's trained weights [default: those beside FILE].")
@click.option("--seed", type=int, help="Give a model random weights that begin from this number.")
@click.option("--normalize", is_flag=True, help="Let a model take pixels from 0 to 255 and prepare them itself.")
@print_after_option
@choose_net
def command(
    file: str,
    target: str,
    output: str | None,
    weights: str | None,
    seed: int | None,
    normalize: bool,
    after: tuple[str, ...],
    net: str | None,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    from cnnlang.cli.options import checked_file
    from cnnlang.expand import pick

    is_model = TARGETS[target].is_model
    if not is_model and (weights is not None or seed is not None or normalize):
        option = "--weights" if weights is not None else "--seed" if seed is not None else "--normalize"
        msg = f"{option} is for a model with weights in it ({', '.join(MODELS)}); {target} is text"
        raise UsageError(msg)
    if after and target != "graph":
        msg = f"--print-after is for --target graph, and the target is {target}"
        raise UsageError(msg)
    if weights is not None and seed is not None:
        msg = "--weights and --seed exclude each other: weights are trained or random"
        raise UsageError(msg)
    if is_model:
        _refuse_terminal(target, output)
    program = pick(checked_file(file, net, overrides, root), net)
    if is_model:
        _write_model(file, program, target, str(output), weights, seed, normalize)
    elif after:
        width = terminal_width() if output in (None, "-") else None
        _write_text(graphs_text(program, after, width=width), output)
    else:
        from cnnlang.backends import emit

        _write_text(emit(program, target).rstrip("\n"), output)
    return 0


def _refuse_terminal(target: str, output: str | None) -> None:
    """Raise where a model has no file to go to."""
    if output is None:
        msg = f"{target} is a file of bytes: say where it goes with -o FILE (-o - for a pipe)"
        raise UsageError(msg)
    if output == "-" and sys.stdout.isatty():
        msg = f"{target} is a file of bytes, which are not for a terminal: name a file with -o FILE"
        raise UsageError(msg)


def _write_text(text: str, output: str | None) -> None:
    if output is None or output == "-":
        put(text)
        return
    from cnnlang.files import write_bytes

    write_bytes(output, f"{text}\n".encode())
    say(f"wrote {output}")


def _write_model(
    file: str, program: Program, target: str, output: str, weights: str | None, seed: int | None, normalize: bool
) -> None:
    from cnnlang.backends import export

    given = weights
    if given is None and seed is None and program.graph.weights:
        given = _beside(file, program)
    data = export(program, target, given, seed or 0, normalize=normalize)
    if output == "-":
        sys.stdout.buffer.write(data)
    else:
        from cnnlang.files import write_bytes

        write_bytes(output, data)
        say(f"wrote {output}" + (f" with the weights of {given}" if given is not None else ""))
    if given is None and seed is None and program.graph.weights:
        wanted = "" if file == "-" else f", for there is no {Path(file).with_name(program.name)}.safetensors"
        say(f"note: its weights are random, from seed 0{wanted}; --weights FILE takes trained ones", "note")


def _beside(file: str, program: Program) -> str | None:
    """The weights beside a file: named like the net or like the file."""
    if file == "-":
        return None
    path = Path(file)
    candidates = [path.with_name(f"{name}.safetensors") for name in (program.name, path.stem)]
    return next((str(c) for c in candidates if c.is_file()), None)

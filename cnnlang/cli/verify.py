"""`cnnlang verify`: a net through every target, held to the reference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.options import choose_net, file_argument
from cnnlang.cli.output import put, say, terminal_width, wants_color
from cnnlang.errors import FindingsError, UsageError

if TYPE_CHECKING:
    from cnnlang.program import Program
    from cnnlang.verify import Verification


@click.command(short_help="Compare what every target computes.")
@file_argument
@click.option("--weights", metavar="FILE", help="Trained weights [default: random ones].")
@click.option("--targets", metavar="A,B,...", help="cpu, torch, keras, onnx [default: those that are installed].")
@click.option("--inputs", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many inputs to draw.")
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1, 1024),
    multiple=True,
    metavar="B",
    help="Samples that run together; repeatable [default: 1 and 3].",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Where random weights and inputs begin.")
@click.option(
    "--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True, help="The form."
)
@choose_net
def command(
    file: str,
    weights: str | None,
    targets: str | None,
    inputs: int,
    batches: tuple[int, ...],
    seed: int,
    form: str,
    net: str | None,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Run FILE's nets in every target and in the float64 reference, on the same weights and inputs, and compare.

    Where a target departs, the first layer that does so is shown. The exit code is 1 then, and 2 where a target that
    was named is not installed.
    """
    names = _names(targets)
    programs = _programs(file, net, overrides, root)
    if weights is not None and len(programs) > 1:
        msg = f"--weights fit one net; choose it with --net: {', '.join(p.name for p in programs)}"
        raise UsageError(msg)
    from cnnlang.verify import verify
    from cnnlang.verify.text import verification_text, verifications_json
    from cnnlang.verify.verification import BATCHES

    described = weights if weights is not None else f"random (seed {seed})"
    done: list[Verification] = []
    for program in programs:
        arrays = _weights(weights, program)
        found = verify(program, arrays, names, inputs=inputs, batches=batches or BATCHES, seed=seed)
        if form == "table":
            put(("\n" if done else "") + verification_text(found, described, terminal_width(), wants_color(sys.stdout)))
        done.append(found)
    if form == "json":
        put(verifications_json(done, described))
    wrong = sum(f.is_wrong for f in done)
    refused = names is not None and any(v.status == "refuses" for f in done for v in f.verdicts)
    if len(done) > 1:
        say(f"{len(done)} nets verified: {f'{wrong} depart' if wrong else 'all agree'}")
    return int(bool(wrong) or refused)


def _names(targets: str | None) -> list[str] | None:
    if targets is None:
        return None
    from cnnlang.verify.runners import way

    names = list(dict.fromkeys(t.strip() for t in targets.split(",") if t.strip()))
    if not names:
        msg = "--targets needs a target, as in --targets torch,onnx"
        raise UsageError(msg)
    for name in names:
        way(name)
    return names


def _programs(file: str, net: str | None, overrides: dict[str, Any], root: Path | None) -> list[Program]:
    """The net that was asked for, or all of the file."""
    from cnnlang.cli.options import checked_file
    from cnnlang.expand import pick

    checked = checked_file(file, net, overrides, root)
    if checked.has_errors:
        raise FindingsError(checked.diagnostics)
    if net is not None or not checked.programs:
        return [pick(checked, net)]
    return list(checked.programs.values())


def _weights(path: str | None, program: Program) -> Any:
    if path is None:
        return None
    from cnnlang.model import weights_for

    return weights_for(program, path)

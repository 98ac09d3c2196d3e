"""`cnnlang run`: a net on pictures and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.after import PLAN, graphs_text, print_after_option
from cnnlang.cli.options import choose_net, file_argument
from cnnlang.cli.output import put, say, terminal_width
from cnnlang.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnlang.model import Model
    from cnnlang.program import Program

    Array = NDArray[np.float32]

MAX_BATCH = 32  # samples that go through the net together


@click.command(short_help="Run a net on pictures or arrays.")
@file_argument
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@click.option("--weights", metavar="FILE", help="Trained weights [default: those beside the file, NAME.safetensors].")
@click.option("--seed", type=int, help="Run with random weights that begin from this number.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many classes to show.")
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True, help="The form."
)
@click.option(
    "-o", "--output", metavar="FILE", help="Write the outputs whole to a .npy or .npz file, or draw them in a .png."
)
@click.option("--threads", type=click.IntRange(min=1), help="How many threads to use [default: one a core].")
@print_after_option
@choose_net
def command(
    file: str,
    inputs: tuple[str, ...],
    weights: str | None,
    seed: int | None,
    top: int,
    form: str,
    output: str | None,
    threads: int | None,
    after: tuple[str, ...],
    net: str | None,
    overrides: dict[str, Any],
    root: Path | None,
) -> int:
    """Run FILE's net on each INPUT: a picture (prepared as the net's input says), a .npy array (floats as they are,
    uint8 as pixels), or a matrix in a .csv or .txt file.

    A net with several inputs takes that many INPUTs in order, once or again and again. Classes are shown with their
    probabilities; small outputs as numbers; larger ones by their shape and range (-o writes them whole).

    With --print-after the graphs stand before the results (with --format json in standard error), and without an INPUT
    alone.
    """
    if not inputs and not after:
        ctx = click.get_current_context()
        raise click.MissingParameter(ctx=ctx, param_type="argument", param_hint="'INPUT...'")
    from cnnlang.cli.options import checked_file
    from cnnlang.cli.results import Result, results_json, results_text
    from cnnlang.expand import pick
    from cnnlang.model import Model

    if output is not None and not inputs:
        msg = f"-o {output}: it takes what the net makes of an INPUT, and there is none"
        raise UsageError(msg)
    program = pick(checked_file(file, net, overrides, root), net)
    if weights is not None and seed is not None:
        msg = "--weights and --seed exclude each other: weights are trained or random"
        raise UsageError(msg)
    if after:
        text = _graphs(program, after, inputs, threads)
        if not inputs:
            put(text)
            return 0
        (say if form == "json" else put)(f"{text}\n")
    source = weights if weights is not None else _default_weights(file, program, seed)
    model = Model(program, source, seed or 0, threads)
    names, outputs = _run(model, program, inputs)
    if output is not None:
        from cnnlang.outputs import save_output

        joined = dict(zip(program.graph.output_names, _joined(outputs), strict=True))
        save_output(output, joined, labels=program.labels, titles=names)
        say(f"wrote {output}")
        if form == "text":
            return 0
    results = [Result(name, values) for name, values in zip(names, outputs, strict=True)]
    put(results_json(results, program, top) if form == "json" else results_text(results, program, top))
    return 0


def _graphs(program: Program, after: Sequence[str], inputs: Sequence[str], threads: int | None) -> str:
    """The graphs after some passes, the plan for inputs of the first sample's sizes."""
    shapes = None
    if PLAN in after and inputs:
        _, arrays = next(_samples(program, inputs))
        shapes = [array.shape for array in arrays]
    return graphs_text(program, after, threads, shapes, terminal_width())


def _default_weights(file: str, program: Program, seed: int | None) -> str | None:
    """The weights beside a file: named like the net or like the file; None where the net has none or they are random.

    Raises
    ------
    UsageError
        There are none.
    """
    if not program.graph.weights or seed is not None:
        return None
    if file == "-":
        msg = f"net {program.name} needs weights, and nothing lies beside standard input: give --weights or --seed"
        raise UsageError(msg)
    path = Path(file)
    candidates = [path.with_name(f"{name}.safetensors") for name in dict.fromkeys((program.name, path.stem))]
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    looked = f"no {candidates[0]}" if len(candidates) == 1 else f"neither {candidates[0]} nor {candidates[1]}"
    msg = (
        f"net {program.name} needs weights, and there is {looked}: "
        "name them with --weights FILE, or take random ones with --seed 0"
    )
    raise UsageError(msg)


def _run(model: Model, program: Program, files: Sequence[str]) -> tuple[list[str], list[tuple[Array, ...]]]:
    """What each sample is called, and the outputs for it, each without the axis of samples."""
    names: list[str] = []
    outputs: list[tuple[Array, ...]] = []
    for group, arrays in _batches(_samples(program, files)):
        result = model(*arrays)
        results = result if isinstance(result, tuple) else (result,)
        names += group
        outputs += list(zip(*results, strict=True))
    return names, outputs


def _samples(program: Program, files: Sequence[str]) -> Iterator[tuple[str, list[Array]]]:
    """Each sample's name and its inputs, [1, ...] each."""
    from cnnlang.images import load_input

    count = len(program.inputs)
    if len(files) % count:
        wanted = ", ".join(info.name for info in program.inputs)
        msg = f"net {program.name} takes {count} inputs ({wanted}), and was given {len(files)}"
        raise UsageError(msg)
    for first in range(0, len(files), count):
        group = files[first : first + count]
        arrays = [load_input(path, info) for path, info in zip(group, program.inputs, strict=True)]
        samples = len(arrays[0])
        if any(len(a) != samples for a in arrays):
            given = ", ".join(f"{path} has {len(a)}" for path, a in zip(group, arrays, strict=True))
            msg = f"the inputs have different numbers of samples: {given}"
            raise UsageError(msg)
        name = " + ".join(group)
        for i in range(samples):
            yield name if samples == 1 else f"{name}[{i}]", [a[i : i + 1] for a in arrays]


def _batches(samples: Iterator[tuple[str, list[Array]]]) -> Iterator[tuple[list[str], list[Array]]]:
    """Samples of equal shapes that follow each other, together."""
    import numpy as np

    names: list[str] = []
    rows: list[list[Array]] = []
    for name, arrays in samples:
        differs = rows and [a.shape for a in arrays] != [a.shape for a in rows[0]]
        if rows and (differs or len(rows) == MAX_BATCH):
            yield names, [np.concatenate(column) for column in zip(*rows, strict=True)]
            names, rows = [], []
        names.append(name)
        rows.append(arrays)
    if rows:
        yield names, [np.concatenate(column) for column in zip(*rows, strict=True)]


def _joined(outputs: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    """The samples' outputs as one array each.

    Raises
    ------
    UsageError
        They have different shapes.
    """
    import numpy as np

    joined = []
    for values in zip(*outputs, strict=True):
        if len({v.shape for v in values}) > 1:
            msg = "the inputs have different sizes, and so do the outputs: write them one by one with -o"
            raise UsageError(msg)
        joined.append(np.stack(values))
    return tuple(joined)

"""From the arrays of a file to the weights of a net: names, layouts, and what a map says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.weight_files.stored import FLOATS, Stored, printable

if TYPE_CHECKING:
    from cnnlang.program import Program
    from cnnlang.weight_files.keras_layout import Owner
    from cnnlang.weight_files.mapping import Line

Weights = dict[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]

LISTED = 10  # of each kind of mismatch
COUNTER = "num_batches_tracked"  # PyTorch's batch normalisation counts batches; nothing here depends on it
PARALLEL = "module."  # before every name that torch.nn.DataParallel saved


class Misfit(WeightsError):
    """Weights were read, and do not fit the net."""


def as_in_net(
    path: Path, stored: Mapping[str, Stored], program: Program | None, lines: Sequence[Line] = ()
) -> dict[str, Stored]:
    """The arrays of a file by the paths of a net's weights and laid out as here, as far as names and a map tell.

    What is no weight of the net keeps its name.

    Parameters
    ----------
    program
        The net; None where none is known.
    lines
        The map.

    Raises
    ------
    WeightsError
        The map does not fit; or the file is Keras', and no net is known.
    """
    if program is None and any(entry.keras for entry in stored.values()):
        msg = (
            f"{path}: what lies where in a file of Keras' only the net tells: name it with --for FILE.cnn "
            "(in Python: `net.compile(weights=...)`)"
        )
        raise WeightsError(msg)
    mapped = dict(stored)
    if lines:
        from cnnlang.weight_files.mapping import apply_map

        mapped = apply_map(str(path), lines, stored, all_owners(program) if program else None)
    if program is None or not any(entry.keras for entry in mapped.values()):
        return mapped
    from cnnlang.weight_files.keras_layout import renamed

    return renamed(mapped, program)


def all_owners(program: Program) -> dict[str, Owner]:
    """The weights of a net, and behind them those of heads that only train."""
    from cnnlang.weight_files.keras_layout import owners

    return owners(program.graph) | owners(program.training_graph)


def collect(where: str, stored: Mapping[str, Stored], expected: Shapes, ignore: Collection[str] = ()) -> Weights:
    """The arrays that a net expects, as float32.

    Raises as `fitting` does, and a `WeightsError` where one cannot be read, or has numbers beyond a float32's.
    """
    return {name: as_float32(where, name, entry) for name, entry in fitting(where, stored, expected, ignore).items()}


def fitting(
    where: str, stored: Mapping[str, Stored], expected: Shapes, ignore: Collection[str] = ()
) -> dict[str, Stored]:
    """The arrays that a net expects, in its order, not read yet.

    Parameters
    ----------
    where
        What messages call the file.
    ignore
        Names that it may have and nobody wants; `num_batches_tracked` is one always.

    Raises
    ------
    Misfit
        The arrays are not those that are expected: the message lists what is missing, unexpected or mis-shaped.
    """
    if not any(name.startswith(PARALLEL) for name in expected):
        stored = without_parallel(stored)
    ignored = set(ignore)
    given = {
        name: entry
        for name, entry in stored.items()
        if name in expected or (name not in ignored and name.rsplit(".", 1)[-1] != COUNTER)
    }
    problems = _mismatches(given, expected)
    if problems:
        raise Misfit("\n  ".join([f"{where} does not fit the net:", *problems]))
    return {name: given[name] for name in expected}


def without_parallel(stored: Mapping[str, Stored]) -> Mapping[str, Stored]:
    """The arrays without the `module.` that `torch.nn.DataParallel` puts before every name."""
    if not all(name.startswith(PARALLEL) for name in stored):
        return stored
    return {name.removeprefix(PARALLEL): entry for name, entry in stored.items()}


def as_float32(where: str, name: str, stored: Stored) -> NDArray[np.float32]:
    """Read an array as float32, C-contiguous.

    Raises
    ------
    WeightsError
        It cannot be read, or has numbers beyond a float32's.
    """
    array = stored.read()
    with np.errstate(over="ignore"):
        narrow: NDArray[np.float32] = np.ascontiguousarray(array, dtype=np.float32)
    if narrow.dtype != array.dtype and np.isinf(narrow).sum() > np.isinf(array).sum():
        msg = f"{where}: `{printable(name)}` has numbers that a float32 cannot hold (beyond 3.4e38)"
        raise WeightsError(msg)
    return narrow


def _mismatches(given: Mapping[str, Stored], expected: Shapes) -> list[str]:
    """What does not fit, a line each, at most `LISTED` of a kind."""
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    both = [(name, given[name]) for name in expected if name in given]
    shapes = [(name, entry) for name, entry in both if entry.shape != tuple(expected[name])]
    types = [(name, entry) for name, entry in both if entry.dtype not in FLOATS]
    return [
        *_listed([f"missing: {name} {list(expected[name])}" for name in missing], "missing"),
        *_listed(
            [f"unexpected: {printable(name)} {_shown(given[name].shape)}" for name in unexpected],
            "unexpected",
            [_did_you_mean(name, given[name].shape, missing, expected) for name in unexpected[:LISTED]],
        ),
        *_listed(
            [f"another shape: {n} is {_shown(e.shape)}, the net has {list(expected[n])}" for n, e in shapes],
            "of another shape",
        ),
        *_listed([f"no float: {name} is {printable(entry.dtype)}" for name, entry in types], "that are no floats"),
    ]


def _listed(lines: list[str], kind: str, endings: list[str] | None = None) -> list[str]:
    shown = [line + end for line, end in zip(lines, endings or [""] * LISTED, strict=False)]
    return [*shown, f"and {len(lines) - LISTED:,} more {kind}"] if len(lines) > LISTED else shown


def _shown(shape: tuple[int, ...]) -> str:
    return str(list(shape)) if len(shape) <= 8 else f"of {len(shape)} axes"


def _did_you_mean(name: str, shape: tuple[int, ...], missing: list[str], expected: Shapes) -> str:
    """The missing name most like an unexpected one that ends alike (`.weight`) or has its shape, better both."""
    import difflib

    if len(name) > 200:
        return ""
    stem, _, leaf = name.rpartition(".")
    alike = {other.rpartition(".")[0]: other for other in missing[:500] if other.rpartition(".")[2] == leaf}
    for stems in ([s for s, other in alike.items() if tuple(expected[other]) == shape], list(alike)):
        close = difflib.get_close_matches(stem, stems, 1, 0.6)
        if close:
            return f" - did you mean `{alike[close[0]]}`?"
    close = difflib.get_close_matches(name, [m for m in missing[:500] if tuple(expected[m]) == shape], 1, 0.6)
    return f" - did you mean `{close[0]}`?" if close else ""

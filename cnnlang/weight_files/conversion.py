"""Weights from one kind of file to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import UsageError, WeightsError
from cnnlang.weight_files import WRITERS, opened
from cnnlang.weight_files.fitting import COUNTER, Weights, all_owners, as_float32, as_in_net, collect, without_parallel
from cnnlang.weight_files.keras_layout import owners
from cnnlang.weight_files.mapping import Line
from cnnlang.weight_files.safetensors_file import save_safetensors
from cnnlang.weight_files.stored import FLOATS, Stored, printable, refuse_growth

if TYPE_CHECKING:
    from cnnlang.program import Program

MOST_16 = 65504.0  # the largest float16


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written; `unusual` tells of arrays with numbers that are none."""

    arrays: int
    numbers: int
    unusual: tuple[str, ...]


def convert_weights(
    source: Path,
    target: Path,
    program: Program | None = None,
    lines: Sequence[Line] = (),
    dtype: str = "float32",
) -> Converted:
    """Write the weights of a file to another kind of file, whole or not at all.

    Parameters
    ----------
    program
        The net that they are for: then all of its weights must be there, and nothing else. None takes what there is.
    lines
        A map, where names differ.
    dtype
        `float16` or `bfloat16` for a `.safetensors` file of half the size.

    Raises
    ------
    Misfit
        The weights do not fit the net.
    WeightsError
        A file cannot be read, or one of such a kind cannot be written.
    UsageError
        The file cannot be written.
    """
    check_target(target, program, dtype)
    weights = read_weights(source, program, lines)
    if not weights:
        msg = f"{source} holds no weights"
        raise WeightsError(msg)
    suffix = target.suffix.lower()
    if suffix in (".h5", ".keras"):
        from cnnlang.weight_files.keras_target import save_keras

        assert program is not None
        save_keras(target, program, weights)
    elif suffix == ".safetensors":
        save_safetensors(target, _narrowed(weights, dtype), dtype)
    else:
        WRITERS[suffix](target, weights)
    unusual = tuple(sentence for name, array in weights.items() for sentence in _unusual(name, array))
    return Converted(len(weights), sum(array.size for array in weights.values()), unusual)


def read_weights(source: Path, program: Program | None = None, lines: Sequence[Line] = ()) -> Weights:
    """The weights of a file as float32: those of a net, or all that it holds.

    Raises
    ------
    Misfit, WeightsError
        As `convert_weights`.
    """
    with arranged(source, program, lines) as stored:
        if program is not None:
            return _of_net(source, stored, program)
        refuse_growth(source, stored)
        others = [name for name, entry in stored.items() if entry.dtype not in FLOATS]
        if others:
            found = [f"no float: {printable(name)} is {printable(stored[name].dtype)}" for name in others[:10]]
            more = [f"and {len(others) - 10:,} more"] if len(others) > 10 else []
            raise WeightsError("\n  ".join([f"{source} holds more than weights:", *found, *more]))
        for name in stored:
            _refuse_name(source, name)
        return {name: as_float32(str(source), name, entry) for name, entry in stored.items()}


@contextmanager
def arranged(
    source: Path, program: Program | None = None, lines: Sequence[Line] = ()
) -> Iterator[Mapping[str, Stored]]:
    """A file's arrays, opened, under a net's names and laid out as here, where a net is given; counters left out."""
    with opened(source) as found:
        stored = as_in_net(source, without_parallel(found), program, lines)
        yield {name: entry for name, entry in stored.items() if name.rsplit(".", 1)[-1] != COUNTER}


def _of_net(source: Path, stored: Mapping[str, Stored], program: Program) -> Weights:
    """The net's weights; with those of heads that only train, where the file has them all."""
    expected = {path: owner.shape for path, owner in owners(program.graph).items()}
    everything = {path: owner.shape for path, owner in all_owners(program).items()}
    heads = everything.keys() - expected.keys()
    if heads <= stored.keys():
        return collect(str(source), stored, everything)
    return collect(str(source), stored, expected, heads)


def check_target(target: Path, program: Program | None, dtype: str = "float32") -> None:
    """Raise unless weights can be written to a file of that name.

    Raises
    ------
    WeightsError, UsageError
        They cannot; the message says where to turn.
    """
    suffix = target.suffix.lower()
    if suffix == ".onnx":
        msg = (
            f"{target}: an ONNX model is a net and its weights: "
            f"cnnlang emit FILE.cnn --target onnx --weights IN -o {target}"
        )
        raise UsageError(msg)
    if suffix in (".h5", ".hdf5") and not target.name.lower().endswith(".weights.h5"):
        msg = f"{target}: Keras reads weights from files whose names end in .weights.h5"
        raise UsageError(msg)
    if suffix in (".h5", ".keras"):
        if program is None:
            msg = f"{target}: a file for Keras is made with the net: name it with --for FILE.cnn"
            raise UsageError(msg)
    elif suffix not in WRITERS:
        msg = f"{target}: weights are written to {', '.join(WRITERS)}, .weights.h5 and .keras files"
        raise UsageError(msg)
    if dtype != "float32" and suffix != ".safetensors":
        msg = f"{target}: {dtype} is for .safetensors files"
        raise UsageError(msg)


def _refuse_name(source: Path, name: str) -> None:
    """Names that no net gave travel on only where they can do no harm in an archive or a listing."""
    parts = name.replace("\\", "/").split("/")
    if not name.isprintable() or not name or len(name) > 1_000 or ".." in parts or not parts[0]:
        msg = f"{source}: `{printable(name)}` is no name for a weight; give it another with --map"
        raise WeightsError(msg)


def _narrowed(weights: Weights, dtype: str) -> Weights:
    for name, array in weights.items():
        if dtype == "float16" and np.abs(array[np.isfinite(array)]).max(initial=0.0) > MOST_16:
            msg = f"`{printable(name)}` has numbers that a float16 cannot hold (beyond 65504): take bfloat16"
            raise WeightsError(msg)
    return weights


def _unusual(name: str, array: NDArray[np.float32]) -> Iterator[str]:
    for words, count in (("NaN", np.isnan(array).sum()), ("infinite", np.isinf(array).sum())):
        if count:
            yield f"`{printable(name)}` has {count:,} {'number' if count == 1 else 'numbers'} that are {words}".replace(
                "number that are", "number that is"
            )

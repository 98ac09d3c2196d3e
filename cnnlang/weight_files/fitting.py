"""From the arrays of a file to the weights of a net: names, layouts, and what a map says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnlang.errors import WeightsError
from cnnlang.weight_files.keras_layout import Owner, renamed
from cnnlang.weight_files.mapping import Line, apply_map
from cnnlang.weight_files.stored import Stored


def as_in_net(
    path: Path, stored: Mapping[str, Stored], owners: Mapping[str, Owner] | None, lines: Sequence[Line] = ()
) -> dict[str, Stored]:
    """The arrays of a file by the paths of a net's weights and laid out as here, as far as names and a map tell.

    What is no weight of the net keeps its name.

    Parameters
    ----------
    owners
        The net's weights; None where no net is known.
    lines
        The map.

    Raises
    ------
    WeightsError
        The map does not fit; or the file is Keras', and no net is known.
    """
    if owners is None and any(entry.keras for entry in stored.values()):
        msg = (
            f"{path}: what lies where in a file of Keras' only the net tells: name it with --for FILE.cnn "
            "(in Python: `net.compile(weights=...)`)"
        )
        raise WeightsError(msg)
    mapped = apply_map(str(path), lines, stored, owners) if lines else dict(stored)
    return renamed(mapped, owners) if owners is not None else mapped

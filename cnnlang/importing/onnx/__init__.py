"""ONNX models as nets of the language.

`read` gives the net, `survey` what became of each node, without reading the weights. Shapes are followed, not inferred
by ONNX: `views` says how a tensor lies over a value, `scalars` which activation several nodes are, `rules_*` what each
operator becomes, `pooled` and `names` put the last hand to the graph. A model that cnnlang exported says in each node
which step of the language it belongs to, and `hints` holds that against the nodes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.importing.building import LayerError
from cnnlang.importing.foreign import Foreign
from cnnlang.importing.onnx.constants import Constant
from cnnlang.importing.reading import Reading

__all__ = ["read", "survey"]


def read(path: str | os.PathLike[str]) -> Foreign:
    """The net that a model file holds; its weights are read when they are asked for.

    Parameters
    ----------
    path
        The `.onnx` file; tensors outside it must lie in its folder.

    Raises
    ------
    FindingsError
        E0601: the file is damaged; E0602: it says what the language cannot, one finding for each such node;
        E0603: it is beyond a limit.
    UsageError
        There is no such file, or the package `onnx` is not installed.
    """
    return survey(path).foreign


def survey(path: str | os.PathLike[str]) -> Reading:
    """What became of each node of a model; the net too, if all can be said.

    Raises
    ------
    FindingsError, UsageError
        As in `read`, but nodes that cannot be said are findings of the result.
    """
    from cnnlang.importing.onnx.assemble import reading

    place = Path(path)
    try:
        return reading(place)
    except LayerError as error:
        raise FindingsError([Diagnostic(error.code, error.why, file=str(place))]) from None


class StoredWeights(Mapping[str, NDArray[np.float32]]):
    """The weights of a model by path, each read when it is asked for."""

    def __init__(self, path: Path, arrays: Mapping[str, tuple[Constant, tuple[int, ...]]]) -> None:
        self._path = path
        self._arrays = arrays

    def __getitem__(self, key: str) -> NDArray[np.float32]:
        constant, shape = self._arrays[key]
        try:
            found = constant.array()
        except LayerError as error:
            raise FindingsError([Diagnostic(error.code, error.why, file=str(self._path))]) from None
        with np.errstate(all="ignore"):
            return np.ascontiguousarray(found.reshape(shape), dtype=np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

"""What goes with a net beside its graph: labels, the file's names, what pictures must become, the `meta` section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cnnlang.backends.numba_source.layout import docstring
from cnnlang.backends.numba_source.names import identifier
from cnnlang.ir import Node
from cnnlang.preprocess import Preprocess
from cnnlang.program import (
    Applied,
    Chosen,
    Inlined,
    InputInfo,
    Looped,
    Merged,
    Named,
    Opened,
    OutputMade,
    Program,
    Repeated,
    Trace,
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a module holds beside its computation.

    Attributes
    ----------
    constants
        Constants of the module, by name.
    names
        What the file calls values (`as c3`).
    preprocess
        The parameters of the `preprocess` template for each input whose pictures must become something.
    """

    constants: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[Node, str] = field(default_factory=dict)
    preprocess: tuple[Mapping[str, Any], ...] = ()


def metadata(program: Program) -> Metadata:
    """What a program's module holds beside its computation."""
    constants: dict[str, Any] = {}
    if program.labels:
        constants["LABELS"] = tuple(program.labels)
    if program.meta:
        constants["META"] = dict(program.meta)
    taken: list[str] = []
    described = []
    for info in program.inputs:
        if info.metadata and info.node.type.rank == 4 and info.node.type.channels in (1, 3):
            taken.append(identifier(f"preprocess_{info.name}", taken))
            described.append(_preprocess(taken[-1], info))
    names = {trace.node: trace.name for trace in _traces(program.root.body) if isinstance(trace, Named)}
    return Metadata(constants, names, tuple(described))


def _preprocess(name: str, info: InputInfo) -> dict[str, Any]:
    channels = info.node.type.channels
    how = Preprocess.make(info.metadata, channels)
    before = [] if how.resize is None else [f"resized to {_sides(how.resize, 'a shorter side of ')}"]
    before += [] if how.crop is None else [f"cropped to {_sides(how.crop)} in the middle"]
    pixels = "[N, H, W], gray" if channels == 1 else "[N, H, W, 3], red first"
    return {
        "name": name,
        "doc": docstring(f"Pixels from 0 to 255, {', '.join([pixels, *before])}, as `forward` takes them."),
        "gray": "[..., None]" if channels == 1 else "",
        "invert": how.invert,
        "blue_first": how.order(channels) == "bgr",
        "scale": next(f for f in how.fields() if f.name == "scale").kind.show(how.scale).replace("/", " / "),
        "mean": _numbers(how.mean, 0.0),
        "std": _numbers(how.std, 1.0),
    }


def _sides(size: int | tuple[int, int], words: str = "") -> str:
    return f"{size[0]}x{size[1]}" if isinstance(size, tuple) else f"{words}{size}"


def _numbers(values: tuple[float, ...], nothing: float) -> str:
    """A float32 array of one number a channel; "" where they change nothing."""
    return "" if set(values) == {nothing} else f"np.array({list(values)}, np.float32)"


def _traces(body: tuple[Trace, ...]) -> Iterator[Trace]:
    """Everything that an expansion did for inference, what happened inside blocks too."""
    stack = [*body]
    while stack:
        trace = stack.pop()
        yield trace
        match trace:
            case Applied(body=inner) | Chosen(body=inner) | Inlined(body=inner) | OutputMade(body=inner):
                stack.extend(inner)
            case Opened(scope=scope):
                stack.extend(scope.body)
            case Merged(branches=branches):
                stack.extend(t for _, traces, _ in branches for t in traces)
            case Repeated(turns=turns):
                stack.extend(t for traces in turns for t in traces)
            case Looped(turns=looped):
                stack.extend(t for _, traces in looped for t in traces)
            case _:
                pass

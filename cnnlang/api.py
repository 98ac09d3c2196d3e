"""Nets from Python: load a file, look at it, run it, turn it into source.

net = load("examples/resnet.cnn", net="ResNet50", set={"classes": 10})
print(net.params, net.macs, net.summary())
model = net.compile(seed=0)
y = model(x)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlang import analysis
from cnnlang.errors import UsageError
from cnnlang.expand import check, pick
from cnnlang.source import Source
from cnnlang.syntax import decode, read_source

if TYPE_CHECKING:
    from cnnlang.diagnostics import Diagnostic
    from cnnlang.dims import Dim
    from cnnlang.ir import Graph
    from cnnlang.model import Model
    from cnnlang.program import Program
    from cnnlang.signature import Value
    from cnnlang.summary import Summary

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, eq=False, repr=False)
class Net:
    """A checked net.

    Attributes
    ----------
    program
        What the file says, expanded: the graph, the module tree, inputs, labels and sections.
    warnings
        The lints of its file.
    """

    program: Program
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def graph(self) -> Graph:
        """The inference graph; `str` gives it as text."""
        return self.program.graph

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes; empty where the file has none."""
        return self.program.labels

    @property
    def params(self) -> int:
        """Trained numbers of the inference net, shared ones once."""
        return analysis.params(self.graph)

    @property
    def params_train(self) -> int:
        """Trained numbers with the `aux` heads."""
        return analysis.params_train(self.program)

    @property
    def macs(self) -> Dim:
        """Multiply-accumulates for one sample; a `Term` of the symbolic sizes where there are any."""
        return analysis.macs(self.graph)

    @property
    def depth(self) -> int:
        """The most convolution and dense layers on any path."""
        return analysis.depth(self.graph)

    def summary(self, depth: int | None = None) -> Summary:
        """Layers and totals; `str` gives a table, `.data()` plain data.

        Parameters
        ----------
        depth
            How many levels of scopes to show, deeper ones folded; None for all.
        """
        from cnnlang.summary import summarize

        return summarize(self.program, depth)

    def compile(
        self, weights: StrPath | Mapping[str, Any] | None = None, seed: int = 0, threads: int | None = None
    ) -> Model:
        """A model that runs the net.

        Parameters
        ----------
        weights
            A file of weights (`.safetensors`, `.npz`, `.pth`, `.weights.h5`, `.keras`, `.onnx`), or arrays by
            parameter path; None begins anew.
        seed
            Where weights begin, if none are given.
        threads
            How many threads run it; None for as many as there are cores.

        Raises
        ------
        WeightsError
            The weights cannot be read or do not fit.
        """
        from cnnlang.model import Model

        return Model(self.program, weights, seed, threads)

    def emit(self, target: str) -> str:
        """Source for a target: `torch`, `keras`, `numba`, or `graph`.

        Raises
        ------
        UsageError
            There is no such target.
        FindingsError
            The target cannot express the net.
        """
        from cnnlang.backends import emit

        return emit(self.program, target)

    def export(
        self,
        path: StrPath,
        weights: StrPath | Mapping[str, Any] | None = None,
        seed: int = 0,
        normalize: bool = False,
        target: str = "onnx",
    ) -> None:
        """Write a model with weights in it, whole or not at all.

        Parameters
        ----------
        path
            The file, such as `net.onnx`.
        weights
            A file of weights (`.safetensors`, `.npz`, `.pth`, `.weights.h5`, `.keras`, `.onnx`), or arrays by
            parameter path; None begins anew.
        seed
            Where weights begin, if none are given.
        normalize
            Whether the model takes pixels from 0 to 255 and brings them to `(pixel * scale - mean) / std` itself.
        target
            What to write.

        Raises
        ------
        FindingsError
            The target cannot express the net.
        WeightsError
            The weights cannot be read or do not fit.
        UsageError
            There is no such target, what writes it is not installed, or the file cannot be written.
        """
        from cnnlang.backends import export
        from cnnlang.files import write_bytes

        write_bytes(path, export(self.program, target, weights, seed, normalize=normalize))

    def __repr__(self) -> str:
        return f"<net {self.name}: {self.params:,} params>"


def load(
    path: StrPath, net: str | None = None, set: Mapping[str, Value] | None = None, root: StrPath | None = None
) -> Net:
    """Read a `.cnn` file and check it.

    Parameters
    ----------
    path
        The file.
    net
        The net to take, where the file has several.
    set
        Values for its parameters and symbolic sizes: `{"classes": 10, "H": 256}`.
    root
        The folder that imports may not leave; the file's own where it is None.

    Raises
    ------
    FindingsError
        The file cannot be read or has errors; its text shows them.
    UsageError
        There is no such net or parameter, or several nets and none is named.
    """
    return _net(read_source(Path(path)), net, set, root)


def loads(
    text: str,
    net: str | None = None,
    set: Mapping[str, Value] | None = None,
    root: StrPath | None = None,
    name: str = "<string>",
) -> Net:
    """Check a text in the language; imports are relative to `root`, else to the working folder.

    Parameters and errors are those of `load`; `name` is what messages call the text.
    """
    return _net(decode(text.encode("utf-8", "surrogatepass"), name), net, set, root)


def _net(source: Source, net: str | None, set: Mapping[str, Value] | None, root: StrPath | None) -> Net:
    overrides = {name: _value(name, value) for name, value in (set or {}).items()}
    checked = check(source, net=net, overrides=overrides, root=Path(root) if root is not None else None)
    program = pick(checked, net)
    return Net(program, checked.diagnostics)


def _value(name: str, value: Any) -> Value:
    """A value of Python as the language has it; NumPy's numbers and arrays become plain ones."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_value(name, v) for v in value]
        return tuple(items) if isinstance(value, tuple) else items
    msg = f"set: `{name}` cannot be a {type(value).__name__}, only numbers, texts, truth values, lists and tuples"
    raise UsageError(msg)

"""The nets to compare: `.cnn` files, and models of other frameworks as their readers understand them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnlang.ir import Graph


def split_name(name: str) -> tuple[str, str | None]:
    """A file and the net behind a colon: `resnet.cnn:ResNet50`. A file that is called so wins."""
    file, colon, net = name.rpartition(":")
    if not colon or Path(name).exists() or not net.isidentifier() or not file:
        return name, None
    return file, net


def read_graph(name: str, net: str | None, overrides: Mapping[str, Any], root: Path | None) -> Graph:
    """The inference graph of a net in a file.

    Parameters
    ----------
    name
        The file; `-` is standard input.
    net
        The net to take, for a `.cnn` file of several.
    overrides
        Values for parameters and symbolic sizes.
    root
        The folder that imports may not leave.

    Raises
    ------
    FindingsError
        The file has errors, or says what the language cannot.
    UsageError
        There is no such file or net.
    """
    if name == "-" or Path(name).suffix.lower() in (".cnn", ""):
        from cnnlang.cli.options import checked_file
        from cnnlang.expand import pick

        return pick(checked_file(name, net, dict(overrides), root), net).graph
    from cnnlang.importing import read_model

    return read_model(name, weights=False).foreign.graph

"""What a reader makes of another framework's file: a graph, before it is written in the language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.ir import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """A net that came in.

    Attributes
    ----------
    graph
        Its inference graph, in the language's own operators. A layer's `Weight` nodes have paths `{name}.weight` and so
        on, where `name` is the layer's name in the file where that makes a path (`layer1.0.conv1`), else one that the
        reader made; `Node.name` is what the file calls the step, if anything. No two layers have one name.
    weights
        The arrays by path, float32; empty where the file holds none (a cfg, a prototxt).
    metadata
        By the input's label: what its `{ mean = ..., std = ..., ... }` would hold.
    labels
        The names of the classes; empty where the file has none.
    meta
        What a `meta` section would hold: source, licence, citation.
    keeps_names
        Whether the layers' names are worth keeping as paths; else the language's own automatic ones are used.
    """

    graph: Graph
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    keeps_names: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A net in the language.

    Attributes
    ----------
    text
        The `.cnn` file, formatted; it checks, and its graph is the foreign one's.
    paths
        The path of each weight in the text, by its path in the foreign graph.
    """

    text: str
    paths: Mapping[str, str]

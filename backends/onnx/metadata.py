"""What goes with a model beside its graph: labels, what pictures must become, the `meta` section."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cnnlang.preprocess import Preprocess
from cnnlang.program import InputInfo, Program

LABELS, INPUTS, META, NORMALIZED = "cnnlang.labels", "cnnlang.inputs", "cnnlang.meta", "cnnlang.normalized"


def properties(program: Program, normalized: Sequence[str]) -> dict[str, str]:
    """The model's `metadata_props`, each a JSON value in ASCII; what is not there is left out."""
    found: dict[str, Any] = {
        LABELS: list(program.labels),
        INPUTS: {info.name: described for info in program.inputs if (described := describe(info))},
        META: dict(program.meta),
        NORMALIZED: list(normalized),
    }
    return {key: json.dumps(value) for key, value in found.items() if value}


def preprocess(info: InputInfo) -> Preprocess:
    """How pictures become an input."""
    return Preprocess.make(info.metadata, info.node.type.channels)


def describe(info: InputInfo) -> dict[str, Any]:
    """An input's metadata with the defaults written out; empty for features of which the file says nothing."""
    if info.node.type.rank == 2 and not info.metadata:
        return {}
    how = preprocess(info)
    described = {
        "scale": how.scale,
        "mean": list(how.mean),
        "std": list(how.std),
        "color": how.order(info.node.type.channels) if info.node.type.rank == 4 else None,
        "resize": how.resize,
        "crop": how.crop,
        "invert": how.invert or None,
    }
    return {key: value for key, value in described.items() if value is not None}

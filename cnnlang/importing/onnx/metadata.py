"""What an exported model says besides the graph: labels, what pictures must become, where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cnnlang.importing.onnx.model import Model
from cnnlang.ir import Graph
from cnnlang.ops.base import Input
from cnnlang.signature import is_number

MAX_LABELS = 100_000
PREPROCESS = ("scale", "mean", "std", "color", "resize", "crop", "invert")


def properties_of(model: Model, graph: Graph) -> tuple[tuple[str, ...], dict[str, str], dict[str, Mapping[str, Any]]]:
    """Labels, `meta` and inputs' metadata; what is not as cnnlang writes it is left out."""
    labels = _json(model, "cnnlang.labels")
    if not isinstance(labels, list) or not all(isinstance(x, str) for x in labels) or len(labels) > MAX_LABELS:
        labels = []
    if not any(len(labels) == n.type.channels for n in graph.outputs):
        labels = []
    meta = _json(model, "cnnlang.meta")
    if not isinstance(meta, dict):
        meta = {}
    inputs = _json(model, "cnnlang.inputs")
    if not isinstance(inputs, dict):
        inputs = {}
    known = {n.op.label for n in graph.inputs if isinstance(n.op, Input)}
    metadata: dict[str, Mapping[str, Any]] = {
        label: {k: v for k, v in entries.items() if k in PREPROCESS and _is_plain(v)}
        for label, entries in inputs.items()
        if label in known and isinstance(entries, dict)
    }
    return tuple(labels), {k: v for k, v in meta.items() if isinstance(v, str)}, metadata


def _json(model: Model, key: str) -> Any:
    text = model.properties.get(key, "")
    if len(text) > 2**24:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_plain(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return len(numbers) <= 1024 and all(is_number(v) or isinstance(v, bool | str) for v in numbers)

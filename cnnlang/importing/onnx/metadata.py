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
    normalized = _json(model, "cnnlang.normalized")
    done = set(normalized) if isinstance(normalized, list) and all(isinstance(n, str) for n in normalized) else set()
    metadata: dict[str, Mapping[str, Any]] = {
        label: _written({k: v for k, v in entries.items() if k in PREPROCESS and _is_plain(v)}, label in done)
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


def _written(entries: dict[str, Any], is_done: bool) -> dict[str, Any]:
    """What a file would say: without what is so anyway, and without what the graph does itself."""
    usual = {"scale": 1 / 255, "mean": 0, "std": 1, "invert": False}
    found: dict[str, Any] = {"scale": 1} if is_done else {}
    for key, value in entries.items():
        numbers = value if isinstance(value, list) else [value]
        if key in usual and (is_done or all(n == usual[key] for n in numbers)):
            continue
        alike = isinstance(value, list) and len(set(value)) == 1
        is_pair = isinstance(value, list) and key in ("crop", "resize")
        found[key] = value[0] if alike and key != "resize" else tuple(numbers) if is_pair else value
    return {k: v for k, v in found.items() if (k, v) not in (("color", "rgb"), ("color", "gray"))}

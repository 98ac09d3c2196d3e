"""What a net answered, as text and as JSON."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.render.display import display_width, printable
from cnnlang.render.jsontext import json_text

if TYPE_CHECKING:
    from cnnlang.ir import Node
    from cnnlang.program import Program

Array = NDArray[np.float32]

MAX_SIDE = 16  # a map of more rows or columns is not printed
MAX_MAPS = 16  # nor are more maps than this
MAX_VALUES = 4096  # in JSON
PASSES = {"flatten", "dropout"}  # operators that leave the numbers as they are


@dataclass(frozen=True, slots=True)
class Result:
    """One sample: what it is called, and the net's outputs for it, without the axis of samples."""

    name: str
    outputs: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """How an output's numbers become probabilities: by `softmax`, `exp`, `sigmoid`, or as they are (`none`)."""

    how: str

    def probabilities(self, values: Array) -> NDArray[np.float64]:
        x = values.astype(np.float64)
        match self.how:
            case "softmax":
                x = np.exp(x - x.max())
                x /= x.sum()
            case "exp":
                x = np.exp(x)
            case "sigmoid":
                x = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
        return x

    @property
    def words(self) -> str:
        return {
            "softmax": "probabilities are the softmax of the net's output",
            "exp": "probabilities are the exponential of the net's output",
            "sigmoid": "probabilities are the sigmoid of the net's output, each class for itself",
        }.get(self.how, "")


def scores_of(program: Program, number: int) -> Scores | None:
    """How to read an output as classes; None for what is none: a map, one number, or what a loss of numbers trains."""
    node = program.graph.outputs[number]
    if node.type.channels < 2 or any(d != 1 for d in node.type.shape[2:]):
        return None
    last = _last(node)
    if last in ("softmax", "log_softmax", "sigmoid", "hardsigmoid"):
        return Scores({"log_softmax": "exp"}.get(last, "none"))
    losses = program.train.get("loss", {}).get(program.graph.output_names[number], ())
    if losses and all(term.loss.least_channels == 1 for term in losses):  # not of classes that exclude each other
        absorbed = {name for term in losses for name in term.loss.absorbs}
        return Scores("sigmoid") if "sigmoid" in absorbed else None
    return Scores("softmax")


def _last(node: Node) -> str:
    while node.op.name in PASSES:
        node = node.values[0]
    return node.op.name


def results_text(results: Sequence[Result], program: Program, top: int) -> str:
    """The results for people: classes with probabilities, small outputs as numbers, larger ones by their range."""
    names = program.graph.output_names
    scores = [scores_of(program, i) for i in range(len(names))]
    blocks = []
    for result in results:
        shown = [
            _classes(values.ravel(), score, program, top) if score else _numbers(values)
            for values, score in zip(result.outputs, scores, strict=True)
        ]
        title = printable(result.name)
        if len(shown) == 1:
            blocks.append(f"{title}: {shown[0]}")
        else:
            parts = [textwrap.indent(f"{name}: {text}", "  ") for name, text in zip(names, shown, strict=True)]
            blocks.append("\n".join([title, *parts]))
    words = dict.fromkeys(s.words for s in scores if s and s.words)
    between = "\n\n" if any("\n" in block for block in blocks) else "\n"
    return between.join([*blocks, *(f"({w})" for w in words)])


def results_json(results: Sequence[Result], program: Program, top: int) -> str:
    """The results for programs; numbers that are no numbers (nan, inf) are texts, as JSON has none."""
    scores = [scores_of(program, i) for i in range(len(program.graph.outputs))]
    made = []
    for result in results:
        outputs = {}
        for i, (name, values) in enumerate(zip(program.graph.output_names, result.outputs, strict=True)):
            data: dict[str, Any] = {"shape": list(values.shape)}
            score = scores[i]
            if score:
                data["top"] = [
                    {"class": c, "label": label, "probability": _plain(p), "value": _plain(v)}
                    for c, label, p, v in _ranked(values.ravel(), score, program, top)
                ]
            if values.size:
                data |= {"min": _plain(values.min()), "max": _plain(values.max()), "mean": _plain(values.mean())}
            if values.size <= MAX_VALUES:
                data["values"] = _nested(values)
            outputs[name] = data
        made.append({"input": result.name, "outputs": outputs})
    readings = {name: s.how for name, s in zip(program.graph.output_names, scores, strict=True) if s}
    data = {"format_version": 1, "net": program.name, "probabilities": readings, "results": made}
    return json_text(data)


def _ranked(values: Array, score: Scores, program: Program, top: int) -> list[tuple[int, str | None, float, float]]:
    """Class, label, probability and value of the best classes."""
    probabilities = score.probabilities(values)
    labels = program.labels if len(program.labels) == len(values) else ()
    best = np.argsort(-values, kind="stable")[:top]
    return [(int(c), labels[c] if labels else None, float(probabilities[c]), float(values[c])) for c in best]


def _classes(values: Array, score: Scores, program: Program, top: int) -> str:
    """The best class, and below it the best ones with their probabilities; one line where one is asked for."""
    ranked = _ranked(values, score, program, top)
    names = [printable(label) if label is not None else f"class {c}" for c, label, _, _ in ranked]
    if top == 1:
        return f"{names[0]} ({ranked[0][2]:.2%})"
    width = max(map(display_width, names))
    lines = [
        f"  {name}{' ' * (width - display_width(name))}  {p:8.2%}" + ("" if score.how == "none" else f"  {v:10.4g}")
        for name, (_, _, p, v) in zip(names, ranked, strict=True)
    ]
    return "\n".join([names[0], *lines])


def _numbers(values: Array) -> str:
    """An output that is no classes: whole where it is small."""
    shape = "x".join(map(str, values.shape))
    if not values.size:
        return f"{shape}, no numbers"
    values = values + np.float32(0)  # -0 is printed as 0
    head = f"{shape}, from {values.min():.6g} to {values.max():.6g}, mean {values.mean():.6g}"
    if values.ndim == 1:
        rows = [values[i : i + MAX_SIDE] for i in range(0, len(values), MAX_SIDE)]
        return "\n".join([head, _aligned(rows)]) if len(rows) <= MAX_SIDE else head
    count, height, width = values.shape
    if height > MAX_SIDE or width > MAX_SIDE:
        return head
    blocks = [_aligned(list(each)) for each in values[:MAX_MAPS]]
    if count > MAX_MAPS:
        blocks.append(f"  ... and {count - MAX_MAPS} more channels")
    return "\n".join([head, "\n\n".join(blocks)])


def _aligned(rows: Sequence[Array]) -> str:
    """Rows of numbers, columns to the right; the last row may be shorter."""
    cells = [[f"{v:.6g}" for v in row] for row in rows]
    widths = [max(map(len, column)) for column in itertools.zip_longest(*cells, fillvalue="")]
    return "\n".join("  " + "  ".join(map(str.rjust, row, widths)) for row in cells)


def _plain(value: Any) -> float | str:
    return float(value) if np.isfinite(value) else str(float(value))


def _nested(values: Array) -> Any:
    return [_nested(v) for v in values] if values.ndim else _plain(values)

"""Names in the generated module: whatever a file calls its values, they are plain identifiers here, and free."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from cnnlang.ir import Graph, Node
from cnnlang.ops.base import Input
from cnnlang.ops.dense import Dropout
from cnnlang.passes.walk import rewrite

SHORT = ("x", "y", "z", "u", "v", "s", "t", "q", "r")  # for values without a name of their own


def identifier(name: str, taken: Container[str]) -> str:
    """A name as an identifier that is not taken: `layer1.0.conv` is `layer1_0_conv`, a second one `layer1_0_conv_2`."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "value"
    plain = plain if plain[0].isalpha() else f"v{plain}"
    if keyword.iskeyword(plain) or keyword.issoftkeyword(plain) or hasattr(builtins, plain):
        plain += "_"
    return numbered(plain, taken)


def numbered(name: str, taken: Container[str]) -> str:
    """The name, or with the first number from 2 with which it is not taken."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def comment(text: str) -> str:
    """A text that cannot end the comment or the docstring it stands in."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown.replace("\\", "/").replace('"', "'")


def label(node: Node) -> str | None:
    """What the file calls a value; None where it calls it nothing, or by a number (`conv1`, `layer1.0`)."""
    last = node.name.rsplit(".", 1)[-1]
    automatic = re.fullmatch(rf"{node.op.name}\d+", last) if node.weights else None
    return None if node.name in ("", node.op.name) or last.isdigit() or automatic else last


def named(graph: Graph, names: Mapping[Node, str]) -> Graph:
    """The graph with labels on values; those with weights have their paths, which stay.

    A dropout's label goes to what it drops from, for the dropout itself is not computed.
    """
    labels: dict[Node, str] = {}
    for node, name in names.items():
        while isinstance(node.op, Dropout):
            (node,) = node.inputs
        if not isinstance(node.op, Input) and not node.weights and label(node) is None:
            labels.setdefault(node, name)
    return rewrite(graph, lambda old, new: replace(new, name=labels[old]) if old in labels else None)


def name_values(
    steps: Sequence[Node], graph: Graph, parameters: Mapping[Node, str], reserved: Iterable[str]
) -> dict[Node, str]:
    """A variable for each value, used again as soon as nobody needs what it held.

    Parameters
    ----------
    steps
        The nodes that are computed, in order.
    graph
        Where they stand: its results are kept to the end, under their own names.
    parameters
        The variables of the net's inputs.
    reserved
        Names that mean something else in the module.
    """
    last_use: dict[Node, int] = {}
    for position, node in enumerate(steps):
        last_use[node] = position
        for value in node.values:
            last_use[value] = position
    last_use.update(dict.fromkeys(graph.outputs, len(steps)))
    outputs = dict(zip(graph.outputs, graph.output_names, strict=True)) if len(graph.outputs) > 1 else {}
    fixed = {*reserved, *parameters.values()}
    names, live = dict(parameters), dict.fromkeys(parameters, len(steps))
    for position, node in enumerate(steps):
        ending = [v for v in live if v not in parameters and last_use[v] <= position]
        # a name that ends here goes on, as in `x = conv(x, ...)`
        preferred = sorted({names[v] for v in node.values if v in ending} & set(SHORT), key=SHORT.index)
        for value in ending:
            del live[value]
        taken = {*fixed, *(names[v] for v in live)}
        wish = label(node) or outputs.get(node)
        if wish is not None:
            names[node] = identifier(wish, taken)
        else:
            names[node] = next((n for n in (*preferred, *SHORT) if n not in taken), None) or numbered("x", taken)
        live[node] = position
    return names

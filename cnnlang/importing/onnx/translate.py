"""Node after node through the rules, and what cannot be said collected: every such node, not the first alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnlang.errors import OperatorError
from cnnlang.importing.building import LayerError, unsayable
from cnnlang.importing.onnx import (
    folding,
    rules_elementwise,
    rules_layer,
    rules_norm,
    rules_pool,
    rules_resize,
    rules_shape,
)
from cnnlang.importing.onnx.arrange import Failed, canonical, seen, settle
from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.constants import Constant
from cnnlang.importing.onnx.guess import guessed
from cnnlang.importing.onnx.hinted import groups_of, said
from cnnlang.importing.onnx.model import DOMAINS
from cnnlang.importing.onnx.reader import RULES, UNKNOWN, Reader, Unknown, Value, operator_error
from cnnlang.importing.onnx.scalars import Expr
from cnnlang.importing.onnx.views import View, full, laid_out, view_of
from cnnlang.ir import Node
from cnnlang.ops.base import Input
from cnnlang.weight_files import printable

__all__ = ["RULE_MODULES", "Finding", "results", "translate"]

RULE_MODULES = (
    folding,
    rules_elementwise,
    rules_layer,
    rules_norm,
    rules_pool,
    rules_resize,
    rules_shape,
)
# what NumPy and Python say of numbers that fit nowhere
MALFORMED = (ValueError, TypeError, IndexError, OverflowError, MemoryError)

Finding = tuple[Item | None, LayerError]


def translate(r: Reader) -> list[Finding]:
    """Make a value of each tensor of the file.

    Returns
    -------
    What cannot be said: the nodes, each with the reason.

    Raises
    ------
    LayerError
        E0601: a node does not hold together; E0603: it is beyond a limit. Its text names the node.
    """
    found: dict[int, Finding] = {}
    groups = groups_of(r)
    for item in r.model.items:
        group = groups.get(item.number)
        if group is None:
            _one(r, item, found)
        elif item is group.items[-1]:
            r.item = item
            made = said(r, group)
            if made is not None:
                r.note(group.op.name, *group.items)
                _enter(r, item, [made])
            else:
                for part in group.items:
                    _one(r, part, found)
    r.item = None
    return list(found.values())


def _one(r: Reader, item: Item, found: dict[int, Finding]) -> None:
    """Make the values of one node."""
    r.item = item
    inputs = [r.values.get(name) if name else None for name in item.proto.input]
    try:
        made = _made(r, item, inputs)
    except Failed as error:
        culprit = error.item or item
        found.setdefault(culprit.number, (culprit, error))
        made = guessed(r, item, inputs)
    except (LayerError, OperatorError, *MALFORMED) as error:
        made = _refused(r, item, inputs, error, found)
    _enter(r, item, made)


def _reason(error: Exception) -> LayerError:
    if isinstance(error, LayerError):
        return error
    if isinstance(error, OperatorError):
        return operator_error(error)
    return LayerError("E0601", "its inputs and attributes do not fit each other")


def _refused(
    r: Reader,
    item: Item,
    inputs: Sequence[Value | None],
    error: Exception,
    found: dict[int, Finding],
) -> list[Value]:
    reason = _reason(error)
    if any(isinstance(v, Unknown) for v in inputs) and item.op_type in RULES:
        return guessed(r, item, inputs)  # it is for what it reads that it cannot be said
    if reason.code != "E0602":
        raise LayerError(reason.code, f"the `{item.kind}` node {item.title}: {reason.why}") from None
    found.setdefault(item.number, (item, reason))
    for value in inputs:  # what it would have read is looked at too
        if isinstance(value, Expr):
            try:
                settle(r, value)
            except Failed as failure:
                culprit = failure.item or item
                found.setdefault(culprit.number, (culprit, failure))
            except (LayerError, OperatorError, *MALFORMED):
                continue
    return guessed(r, item, inputs)


def _made(r: Reader, item: Item, inputs: list[Value | None]) -> list[Value]:
    if item.proto.domain not in DOMAINS:
        raise unsayable("it is no operator of ONNX's own, and nobody can know what it does")
    if item.has_graphs or item.op_type in ("If", "Loop", "Scan"):
        raise unsayable("it holds graphs of its own, and a net has one path for every input")
    if inputs and all(isinstance(v, Constant) for v in inputs if v is not None):
        folded = folding.folded(r, item, inputs)
        if folded is not None:
            r.note("a constant")
            return list(folded)
    if item.op_type not in RULES:
        raise unsayable("the language has no operator that does this")
    made = RULES[item.op_type](r, item, inputs)
    return list(made) if isinstance(made, Sequence) else [made]


def _enter(r: Reader, item: Item, made: Sequence[Value]) -> None:
    for name, value in zip(item.proto.output, made, strict=False):
        r.values[name] = value
        if isinstance(value, View) and r.uses[name] > 1:
            r.kept.add(value.node)
    for name in item.proto.output[len(made) :]:
        if name:
            r.values[name] = UNKNOWN


def results(r: Reader, channels_last: bool) -> tuple[list[Node], list[Finding]]:
    """The values that the file gives out.

    Parameters
    ----------
    channels_last
        Whether its pictures are N, H, W, C; then a map that comes out may be too.
    """
    nodes: list[Node] = []
    found: list[Finding] = []
    for name in r.model.outputs:
        value = r.values.get(name)
        if isinstance(value, Unknown):
            continue
        if isinstance(value, View) and value.node in r.guessed:
            continue
        try:
            nodes.append(_result(r, value, channels_last))
        except Failed as error:
            found.append((error.item, error))
        except (LayerError, OperatorError, *MALFORMED) as error:
            reason = _reason(error)
            if reason.code != "E0602":
                raise LayerError(reason.code, f"the output {printable(name)}: {reason.why}") from None
            found.append((None, LayerError(reason.code, f"the output {printable(name)}: {reason.why}")))
    return nodes, found


def _result(r: Reader, value: Value | None, channels_last: bool) -> Node:
    if isinstance(value, Constant):
        raise unsayable("it is a constant, whatever comes in")
    view = canonical(r, seen(r, value))
    node = view.node
    if isinstance(node.op, Input) and node not in r.guessed:
        raise unsayable("it is what comes in, unchanged")
    if view.axes == view_of(node).axes:
        return node
    if channels_last and node.type.rank == 4 and view.axes == laid_out(node, (0, 2, 3, 1)).axes:
        return node
    if node.type.rank == 2 and [a for a in view.axes if a] == [full(node, axis) for axis in (0, 1) if full(node, axis)]:
        return node
    if _is_flat_map(view, node):
        return node
    raise unsayable("its axes are in an order that the language cannot say; N, C, H, W or N, C is due")


def _is_flat_map(view: View, node: Node) -> bool:
    """Whether it is a map of 1x1 of which the file has dropped an axis."""
    whole: list[Any] = [full(node, axis) for axis in range(node.type.rank)]
    return node.type.shape[2:] == (1, 1) and [a for a in view.axes if a] == [a for a in whole if a]

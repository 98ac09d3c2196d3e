"""What each operator is in ONNX: one rule for an operator or family, by its class."""

from __future__ import annotations

from functools import singledispatch

from cnnlang.backends.onnx.build import Step
from cnnlang.ops.base import Op


@singledispatch
def lower(op: Op, step: Step) -> None:
    """Add the nodes of a step; none where it changes nothing.

    Raises
    ------
    NotImplementedError
        There is no rule for the operator.
    """
    raise NotImplementedError(op.name)


def can_lower(op: Op) -> bool:
    """Whether there is a rule for an operator."""
    return lower.dispatch(type(op)) is not lower.dispatch(Op)

"""What each operator is in PyTorch: a module, a function, or both.

A rule gets the operator's place of use and answers the pieces that stand there one after the other: mostly one, and a
padding of its own where PyTorch has none for it. The rules stand by family in `rules_*`; an operator without one is its
own `torch` line, in `forward`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

from cnnlang.backends.python_source.code import Code, Items, Local, Unknown
from cnnlang.backends.python_source.rules import NoRule
from cnnlang.backends.python_source.steps import Module
from cnnlang.backends.python_source.template import parsed
from cnnlang.backends.python_source.use import Use
from cnnlang.ops import Op


@dataclass(eq=False)
class Piece:
    """One thing applied to the value that flows.

    Attributes
    ----------
    modules
        What it is in an `nn.Sequential`; empty where it cannot stand there.
    function
        What it is in `forward`; None where it must be a module.
    weighted
        Whether its one module owns the layer's weights.
    wraps, trails
        See `Apply`.
    """

    modules: tuple[Module, ...] = ()
    function: Callable[[Code], Code] | None = None
    weighted: bool = False
    wraps: bool = False
    trails: bool = False
    activation: None = None


def layer(kind: str, made: Code, *, weighted: bool = True, wraps: bool = False) -> Piece:
    return Piece((Module(kind, made),), None, weighted, wraps)


def plain(
    kind: str, made: Code, function: Callable[[Code], Code], *, wraps: bool = False, trails: bool = False
) -> Piece:
    return Piece((Module(kind, made),), function, wraps=wraps, trails=trails)


@singledispatch
def pieces(op: Op, use: Use[Op]) -> list[Piece]:
    """The pieces of an operator at a place; raises NoRule where PyTorch cannot say it."""
    if op.torch is None:
        raise NoRule
    fields = {f.name: use.argument(f.name) for f in op.fields()}
    try:
        parsed(op.torch, {**fields, "x": Local("x")})
    except Unknown:
        raise NoRule from None
    return [Piece((), lambda x: parsed(op.torch or "", {**fields, "x": x}))]


@singledispatch
def merged(op: Op, ranks: list[int]) -> Callable[[list[Code]], Code]:
    """The expression of a merge, from those of its branches; raises NoRule where PyTorch cannot say it."""
    line = op.torch
    if line is None or op.fields():
        raise NoRule
    return lambda xs: parsed(line, {"xs": Items("", tuple(xs))})

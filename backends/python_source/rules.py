"""What a target's rules answer for an operator, and what is the same in every target: the channels of a result.

A rule gets the operator's place of use (`use.Use`) and answers the pieces that stand there one after the other: mostly
one, and a padding of its own where the target has none for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, Protocol

from cnnlang.backends.python_source.build import binary, total
from cnnlang.backends.python_source.code import Binary, Code, Lit
from cnnlang.backends.python_source.steps import Module
from cnnlang.backends.python_source.use import Use
from cnnlang.ops import Op
from cnnlang.ops.conv import Conv, Deconv, Depthwise
from cnnlang.ops.dense import Dense
from cnnlang.ops.shape import Channels, Flatten, PadChannels, PixelShuffle


class NoRule(Exception):
    """The target cannot say an operator."""


class Piece(Protocol):
    """One thing applied to the value that flows.

    Attributes
    ----------
    modules
        What it is as a module or layer; empty where it is none.
    function
        What it is as an expression; None where it must be a module.
    weighted
        Whether its one module owns the layer's weights.
    wraps, trails, activation
        See `Apply`.
    """

    @property
    def modules(self) -> tuple[Module, ...]: ...
    @property
    def function(self) -> Callable[[Code], Code] | None: ...
    @property
    def weighted(self) -> bool: ...
    @property
    def wraps(self) -> bool: ...
    @property
    def trails(self) -> bool: ...
    @property
    def activation(self) -> str | None: ...


def unless(made: Code, default: object) -> Code | None:
    """An argument, left out where it is the default."""
    return None if isinstance(made, Lit) and made.value == default and type(made.value) is type(default) else made


@singledispatch
def channels(op: Op, use: Use[Any]) -> Code | None:
    """The channels of the result, in the definition's terms; what enters, unless a rule says otherwise."""
    return use.channels


@channels.register
def _(op: Conv, use: Use[Conv]) -> Code | None:
    return use.argument("channels")


@channels.register
def _(op: Depthwise, use: Use[Depthwise]) -> Code | None:
    return binary("*", use.channels, use.argument("multiplier"))


@channels.register
def _(op: Deconv, use: Use[Deconv]) -> Code | None:
    return use.argument("channels")


@channels.register
def _(op: Dense, use: Use[Dense]) -> Code | None:
    return use.argument("units")


@channels.register
def _(op: Flatten, use: Use[Flatten]) -> Code | None:
    if use.rank == 2:
        return use.channels
    product = use.channels
    for size in (use.size("height"), use.size("width")):
        if not (isinstance(size, Lit) and size.value == 1):
            product = Binary("*", product, size)
    return product


@channels.register
def _(op: PixelShuffle, use: Use[PixelShuffle]) -> Code | None:
    return binary("//", use.channels, binary("**", use.argument("r"), Lit(2)))


@channels.register
def _(op: Channels, use: Use[Channels]) -> Code | None:
    return binary("-", use.argument("stop"), use.argument("start"))


@channels.register
def _(op: PadChannels, use: Use[PadChannels]) -> Code | None:
    return total([use.argument("before"), use.channels, use.argument("after")])

"""Merges.

Keras' merging layers put axes after the batch of an operand that has fewer, so that features [N, C] stand over maps
[N, H, W, C] as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from cnnlang.backends.keras_source.rules import merged
from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Code, Items
from cnnlang.ops.merge import Add, Concat, Max, Mean, Mul


@merged.register
def _(op: Add, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return _merging("layers.Add")


@merged.register
def _(op: Mul, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return _merging("layers.Multiply")


@merged.register
def _(op: Mean, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return _merging("layers.Average")


@merged.register
def _(op: Max, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return _merging("layers.Maximum")


@merged.register
def _(op: Concat, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return _merging("layers.Concatenate")


def _merging(layer: str) -> Callable[[list[Code]], Code]:
    return lambda xs: call(call(layer), Items("[", tuple(xs)))

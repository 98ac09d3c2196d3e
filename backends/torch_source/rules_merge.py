"""Merges."""

from __future__ import annotations

from collections.abc import Callable

from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Attribute, Binary, Code, Items, Lit, Slice, Subscript
from cnnlang.backends.torch_source.rules import merged
from cnnlang.ops.merge import Add, Concat, Max, Mean, Mul


@merged.register
def _(op: Add, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: _chained("+", _over_maps(xs, ranks))


@merged.register
def _(op: Mul, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: _chained("*", _over_maps(xs, ranks))


@merged.register
def _(op: Mean, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: Binary("/", _chained("+", xs), Lit(len(xs)))


@merged.register
def _(op: Max, ranks: list[int]) -> Callable[[list[Code]], Code]:
    def largest(xs: list[Code]) -> Code:
        if len(xs) == 2:
            return call("torch.maximum", *xs)
        return call(Attribute(call("torch.stack", Items("[", tuple(xs))), "amax"), dim=0)

    return largest


@merged.register
def _(op: Concat, ranks: list[int]) -> Callable[[list[Code]], Code]:
    return lambda xs: call("torch.cat", Items("[", tuple(xs)), dim=1)


def _chained(op: str, xs: list[Code]) -> Code:
    made = xs[0]
    for x in xs[1:]:
        made = Binary(op, made, x)
    return made


def _over_maps(xs: list[Code], ranks: list[int]) -> list[Code]:
    """Features among maps, in a shape that broadcasts over them."""
    if len(set(ranks)) == 1:
        return xs
    whole = Slice(None, None)
    at = (whole, whole, Lit(None), Lit(None))
    return [x if rank == 4 else Subscript(x, at) for x, rank in zip(xs, ranks, strict=True)]

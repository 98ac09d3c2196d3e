"""Activations, normalisation and dropout."""

from __future__ import annotations

from cnnlang.backends.keras_source.rules import Piece, pieces
from cnnlang.backends.python_source.build import binary, call
from cnnlang.backends.python_source.code import Binary, Code, Items, Lit
from cnnlang.backends.python_source.rules import NoRule
from cnnlang.backends.python_source.use import Use, simple
from cnnlang.ops.dense import Dropout
from cnnlang.ops.elementwise import (
    Activation,
    Elu,
    Gelu,
    Hardsigmoid,
    Hardswish,
    LeakyRelu,
    LogSoftmax,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)
from cnnlang.ops.norm import BatchNorm, GroupNorm, LocalResponseNorm, Normalize

# Keras' names of activations, by operator
NAMES: dict[type[Activation], str] = {
    Relu: "relu",
    Relu6: "relu6",
    Elu: "elu",
    Selu: "selu",
    Gelu: "gelu",
    Silu: "silu",
    Hardswish: "hard_swish",
    Hardsigmoid: "hard_sigmoid",
    Mish: "mish",
    Softplus: "softplus",
    Sigmoid: "sigmoid",
    Tanh: "tanh",
    LogSoftmax: "log_softmax",
}

# Those that have a layer of their own; the others stand in `layers.Activation`
LAYERS: dict[type[Activation], Code] = {
    Relu: call("layers.ReLU"),
    Relu6: call("layers.ReLU", 6),
}


@pieces.register
def _(op: Activation, use: Use[Activation]) -> list[Piece]:
    name = NAMES.get(type(op))
    if name is None:
        raise NoRule
    return [Piece(LAYERS.get(type(op), call("layers.Activation", Lit(name))), activation=name)]


@pieces.register
def _(op: Softmax, use: Use[Softmax]) -> list[Piece]:
    if any(x.channels == 1 for _, x in use.all()):  # Keras warns of a softmax of one number,
        return [Piece(call("layers.Activation", Lit(name))) for name in ("log_softmax", "exponential")]
    return [Piece(call("layers.Softmax"), activation="softmax")]


@pieces.register
def _(op: LeakyRelu, use: Use[LeakyRelu]) -> list[Piece]:
    slope = use.argument("slope")
    if use.uniform(lambda op, x: op.slope < 0, "slope"):  # the layer refuses it
        return [Piece(None, lambda x: call("ops.leaky_relu", x, negative_slope=slope))]
    return [Piece(call("layers.LeakyReLU", negative_slope=slope))]


@pieces.register
def _(op: Prelu, use: Use[Prelu]) -> list[Piece]:
    axes = Lit([1, 2]) if use.rank == 4 else None
    return [Piece(call("layers.PReLU", shared_axes=axes), weighted=True)]


@pieces.register
def _(op: BatchNorm, use: Use[BatchNorm]) -> list[Piece]:
    kept = binary("-", Lit(1), use.argument("momentum"))
    if isinstance(kept, Lit):
        kept = Lit(round(kept.value, 12))  # 0.9, for 1 - 0.1 is
    return [Piece(call("layers.BatchNormalization", momentum=kept, epsilon=use.argument("eps")), weighted=True)]


@pieces.register
def _(op: GroupNorm, use: Use[GroupNorm]) -> list[Piece]:
    use.helpers.add("GroupNorm")
    return [Piece(call("GroupNorm", use.argument("groups"), epsilon=use.argument("eps")), weighted=True)]


@pieces.register
def _(op: LocalResponseNorm, use: Use[LocalResponseNorm]) -> list[Piece]:
    use.helpers.add("LocalResponseNorm")
    named = {name: use.optional(name) for name in ("alpha", "beta", "k")}
    return [Piece(call("LocalResponseNorm", use.argument("size"), **named))]


LEAST_STD, MOST_STD = 1e-6, 1e18  # Keras raises a deviation to 1e-7; the square of a larger one is infinite in float32


@pieces.register
def _(op: Normalize, use: Use[Normalize]) -> list[Piece]:
    mean = use.uniform(lambda op, x: op.mean, "mean")
    std = use.uniform(lambda op, x: op.std, "std")
    count = max(len(mean), len(std))
    mean, std = (numbers * (count if len(numbers) == 1 else 1) for numbers in (mean, std))
    if min(std) < LEAST_STD or max(std) > MOST_STD:
        scale, offset = [1 / s for s in std], [-m / s for m, s in zip(mean, std, strict=True)]
        if count == 1:
            return [Piece(call("layers.Rescaling", scale[0], offset=offset[0]))]
        return [Piece(call("layers.Rescaling", Lit(scale), offset=Lit(offset)))]
    squares = [_square(s) for s in std]
    if count == 1:
        return [Piece(call("layers.Normalization", axis=Lit(None), mean=Lit(mean[0]), variance=squares[0]))]
    variance = Items("[", tuple(squares))
    return [Piece(call("layers.Normalization", mean=Lit(list(mean)), variance=variance))]


def _square(number: float) -> Code:
    made = simple(Lit(number))
    return made if number == 1 else Binary("**", made, Lit(2))


@pieces.register
def _(op: Dropout, use: Use[Dropout]) -> list[Piece]:
    return [Piece(call("layers.Dropout", use.argument("rate")))]

"""Functions of one number that a model writes in several nodes: collected, then known by what they compute.

Exporters write an activation in many ways (`x*sigmoid(x)`, `x*clip(x + 3, 0, 6)/6`, `0.5*x*(1 + erf(x/sqrt(2)))`, in
any order). So nodes that compute number by number make an `Expr`, and where a layer reads it, it is compared with each
activation of the language at many points: which nodes it was written in does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.importing.onnx.attributes import Item
from cnnlang.importing.onnx.views import View
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op

Numbers = NDArray[np.float64]

MAX_EXPRESSION = 24  # nodes; the longest that a decomposed activation takes is about ten
TOLERANCE = 2e-6  # the tanh form of gelu is off by 5e-4, constants in float32 by 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Expr:
    """A number computed from a value's number.

    Attributes
    ----------
    function
        What it does with `args`; None for the value itself, `view`.
    args
        What it is computed from: expressions and numbers.
    view
        The value at the bottom, the same for all parts.
    item
        The node of the file that says it.
    direct
        The operator that it is of its only expression, where it is one.
    """

    function: str
    args: tuple[Expr | float, ...]
    view: View
    item: Item | None = None
    direct: Op | None = None
    count: int = field(default=1)

    @property
    def inner(self) -> tuple[Expr, ...]:
        return tuple(a for a in self.args if isinstance(a, Expr))

    @property
    def is_leaf(self) -> bool:
        return not self.inner


def _erf(x: Numbers) -> Numbers:
    return np.vectorize(math.erf, otypes=[np.float64])(x)  # type: ignore[no-any-return]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "Div": np.divide,
    "Erf": _erf,
    "Exp": np.exp,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": np.maximum,
    "Mean": lambda x, y: (x + y) / 2,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)),
    "Softplus": lambda x: np.logaddexp(0, x),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
    "Where": lambda test, x, y: np.where(test != 0, x, y),
}
CANDIDATES = (
    "relu", "relu6", "hardswish", "hardsigmoid", "silu", "mish", "gelu", "softplus", "sigmoid", "tanh", "elu", "selu",
)  # fmt: skip
POINTS = np.concatenate([np.linspace(-8.3, 8.9, 87), [-40.0, -20.0, 20.0, 40.0]])


def parts_of(expr: Expr) -> Iterator[Expr]:
    """The expressions inside, nearest first, each once."""
    seen = {id(expr)}
    queue = list(expr.inner)
    while queue:
        part = queue.pop(0)
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            queue.extend(part.inner)


def bases_of(expr: Expr) -> list[Expr]:
    """The expressions of which this one is a function, nearest first; the value itself is the last."""
    return [part for part in parts_of(expr) if _hangs_on(expr, part)]


def _hangs_on(expr: Expr, base: Expr) -> bool:
    stack, seen = [expr], {id(base)}
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if part.is_leaf:
            return False
        stack.extend(part.inner)
    return True


def between(expr: Expr, base: Expr) -> list[Expr]:
    """The expressions that lie above a base, this one among them."""
    stack, seen, found = [expr], {id(base)}, []
    while stack:
        part = stack.pop()
        if id(part) not in seen:
            seen.add(id(part))
            found.append(part)
            stack.extend(part.inner)
    return found


def evaluate(expr: Expr, base: Expr, x: Numbers) -> Numbers:
    """Its values where the base has these."""
    known: dict[int, Numbers] = {id(base): x}
    stack = [expr]
    with np.errstate(all="ignore"):
        while stack:
            part = stack[-1]
            waiting = [a for a in part.inner if id(a) not in known]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            args = [known[id(a)] if isinstance(a, Expr) else np.float64(a) for a in part.args]
            known.setdefault(id(part), np.broadcast_to(FUNCTIONS[part.function](*args), x.shape))
    return known[id(expr)]


@cache
def _targets() -> dict[str, Numbers]:
    return {name: OPERATORS[name].make({}).reference(POINTS) for name in CANDIDATES}


def activation_of(expr: Expr, base: Expr) -> Op | None:
    """The activation that an expression of a base is, if it is one."""
    found = evaluate(expr, base, POINTS)
    for name, target in _targets().items():
        if _equal(found, target):
            return OPERATORS[name].make({})
    slope = -float(found[POINTS == -20.0][0]) / 20
    if math.isfinite(slope) and _equal(found, np.where(POINTS > 0, POINTS, -slope * -POINTS)) and slope != 1:
        return OPERATORS["leaky_relu"].make({"slope": float(f"{slope:.7g}")})
    return None


def _equal(found: Numbers, target: Numbers) -> bool:
    return bool(np.all(np.abs(found - target) <= TOLERANCE * (1 + np.abs(target))))


def line_of(expr: Expr, base: Expr) -> tuple[float, float] | None:
    """a and b where an expression is a*x + b of a base, else None."""
    found = evaluate(expr, base, POINTS)
    if not np.isfinite(found).all():
        return None
    zero, one = evaluate(expr, base, np.array([0.0, 1.0]))
    a, b = float(one - zero), float(zero)
    scale = abs(a) + abs(b)
    if not math.isfinite(scale):
        return None
    if np.all(np.abs(found - (a * POINTS + b)) <= 1e-9 * scale * (1 + np.abs(POINTS))):
        return a, b
    return None

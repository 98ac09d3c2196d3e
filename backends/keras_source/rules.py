"""What each operator is in Keras 3: a layer, an expression, or both.

A rule gets the operator's place of use and answers the pieces that stand there one after the other: mostly one, and a
padding of its own where Keras has none for it. The rules stand by family in `rules_*`.

Tensors are channels-last: `[N, H, W, C]` or `[N, C]`. The emitted file imports `keras`, `from keras import layers` and
`from keras import ops` where the text says so; `helpers` are functions and layer classes of `templates/NAME.py.jinja`,
which a rule asks for with `use.helpers.add(name)` and calls by that name.

Weights. A layer with weights is called by its path, which the emitter adds (`name=`). The emitted `load_weights` reads
each of its variables by the variable's own name from `{path}.{leaf}`:

=====================  ================  ==============================================================
variable               leaf              how the file's array becomes the variable's
=====================  ================  ==============================================================
kernel (4 axes)        weight            (2, 3, 1, 0), so OIHW is HWIO and a transposed [in, out, h, w] is HWOI;
                                         of a DepthwiseConv2D [C*m, 1, h, w] becomes (h, w, C, m)
kernel (2 axes)        weight            transposed (rows in the order of H, W, C behind a plain Flatten)
gamma, alpha           weight            reshaped to the variable's shape (alpha of PReLU is (1, 1, C) or (C,))
bias, beta             bias              as it is
moving_mean            running_mean      as it is
moving_variance        running_var       as it is
weight                 weight            as it is: for helper layers, which may keep the file's own layout
=====================  ================  ==============================================================

A variable of any other name (a fixed kernel's) is not read and is not saved under a path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from cnnlang.backends.python_source.code import Code
from cnnlang.backends.python_source.rules import NoRule
from cnnlang.backends.python_source.steps import Module
from cnnlang.backends.python_source.use import Use
from cnnlang.ops import Op


@dataclass(eq=False)
class Piece:
    """One thing applied to the value that flows.

    Attributes
    ----------
    made
        The constructor call of a layer, without a name: `layers.Conv2D(64, 3, padding="same")`. It can stand in a
        `keras.Sequential`. None only where no layer can say it.
    function
        What it is on a tensor, where an expression of the functional style reads better than a layer or there is none:
        `x[..., 0:16]`. None where the layer is applied.
    weighted
        Whether the layer owns the operator's weights.
    activation
        Keras' name of an activation, where the piece is that and nothing more, so that the layer before it can take it
        over as its `activation=`: `relu`, `tanh`, `softmax`.
    """

    made: Code | None = None
    function: Callable[[Code], Code] | None = None
    weighted: bool = False
    activation: str | None = None

    @property
    def modules(self) -> tuple[Module, ...]:
        return () if self.made is None else (Module("", self.made),)

    @property
    def wraps(self) -> bool:
        return False

    @property
    def trails(self) -> bool:
        return False


@singledispatch
def pieces(op: Op, use: Use[Any]) -> list[Piece]:
    """The pieces of an operator at a place; raises NoRule where Keras cannot say it.

    Beside what `Use` tells, `use.permutes` is true for a `flatten` that must put the channels first
    (`layers.Permute((3, 1, 2))`) before `layers.Flatten()`, and false where the rows of the dense kernels behind it are
    put in order when the weights are loaded.
    """
    raise NoRule


@singledispatch
def merged(op: Op, ranks: list[int]) -> Callable[[list[Code]], Code]:
    """The expression of a merge, from those of its branches; raises NoRule where Keras cannot say it.

    `ranks` are the branches', 2 or 4: [N, C] beside [N, H, W, C] must be made to broadcast.
    """
    raise NoRule

"""What an operator is. Each is declared once; everything else about it follows from its class."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.signature import Declared, Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Init = tuple[str, float]


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """A weight that a layer owns.

    Attributes
    ----------
    name
        The last part of its path: `weight`, `bias`, `running_mean`, `running_var`.
    shape
        Its sizes.
    trained
        Whether training changes it by gradients (running statistics are not trained, and are not parameters).
    init
        PyTorch's initial values for that layer: `("uniform", bound)`, from -bound to bound, or `("constant", value)`.
    fan_in, fan_out
        Inputs and outputs of one unit, for the initialisers; 0 where an initialiser does not apply (biases, bn).
    values
        Fixed values, nested as `shape` says; then it has no path, is not trained, and is no parameter.
    """

    name: str
    shape: tuple[int, ...]
    trained: bool = True
    init: Init = ("constant", 0.0)
    fan_in: int = 0
    fan_out: int = 0
    values: Any = None


class Op(Declared):
    """An operator with its arguments: fields are arguments, the docstring is its manual page.

    Class attributes
    ----------------
    arity
        How many values it reads; None for any number from two (a merge).
    fan
        `concat`, `add`: whether it is a merge, written `name { | ... }`.
    torch
        One PyTorch expression in Python's format syntax with `{x}` (or `{xs}`, joined by ", ") and the fields' names,
        where one line serves; a source backend's own rule takes precedence.
    """

    arity: ClassVar[int | None] = 1
    is_weight: ClassVar[bool] = False
    is_merge: ClassVar[bool] = False
    counts_depth: ClassVar[bool] = False  # convolutions and dense layers make a net deeper
    keeps_zero: ClassVar[bool] = False
    torch: ClassVar[str | None] = None

    @abstractmethod
    def result(self, *inputs: TensorType) -> TensorType:
        """The result's shape from the inputs' (values, then weights).

        Raises
        ------
        OperatorError
            E02xx where the shapes break the operator's rule.
        """

    def weights(self, *values: TensorType) -> tuple[WeightSpec, ...]:
        """The weights it owns, for values of these shapes, in the order in which they follow the values as inputs."""
        return ()

    def macs(self, *inputs: TensorType) -> Dim:
        """Multiply-accumulates for one sample."""
        return 0

    @abstractmethod
    def reference(self, *inputs: Array) -> Array:
        """What it means: the result in float64 from values and weights in float64."""


OPERATORS: Registry[Op] = Registry("operator")
op = OPERATORS


@dataclass(frozen=True, eq=False, repr=False)
class Leaf(Op):
    """A node without inputs, whose shape is given; not written by users as a call."""

    arity = 0
    shape: tuple[Dim, ...]

    def result(self, *inputs: TensorType) -> TensorType:
        return TensorType(self.shape)

    def reference(self, *inputs: Array) -> Array:
        msg = f"{self.name} has no value of its own"
        raise TypeError(msg)


@dataclass(frozen=True, eq=False, repr=False)
class Input(Leaf):
    """A value that the caller gives."""

    label: str

    name = "input"

    def __str__(self) -> str:
        return f"input({self.label})"


@dataclass(frozen=True, eq=False, repr=False)
class Weight(Leaf):
    """A weight by its path; `spec` says whether it is trained and how it begins."""

    path: str
    spec: WeightSpec

    name = "weight"
    is_weight = True

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, eq=False, repr=False)
class Fixed(Leaf):
    """Values written in the file (`weight=[[1, 0, -1], ...]`), nested as `shape` says."""

    values: Any

    name = "fixed"
    is_weight = True

    def __str__(self) -> str:
        return f"fixed{list(self.shape)}"

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.asarray(self.values, dtype=np.float64).reshape([int(str(d)) for d in self.shape])


def need_map(op: Op, x: TensorType) -> None:
    """Raise E0201 unless a value is a `[N, C, H, W]` map."""
    if x.rank != 4:
        message = f"`{op.name}` needs a map [N, C, H, W], and was given {x}"
        raise OperatorError("E0201", message, help=f"put `{op.name}` before `flatten` or the global pooling")

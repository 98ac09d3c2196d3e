"""How weights begin: `init = he_normal` in a `train` section; without one, PyTorch's defaults for each layer.

Each draws numbers for one weight from its fans: the inputs and the outputs of one unit.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from cnnlang.signature import Declared, Positive, Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Initializer(Declared):
    """Where the weights of convolutions and dense layers begin; biases and bn keep their layer's default."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        """Numbers of a shape for units with `fan_in` inputs and `fan_out` outputs, both at least 1."""


INITIALIZERS: Registry[Initializer] = Registry("initialiser")


@INITIALIZERS("he_uniform", "kaiming_uniform", "kaiming_uniform_")
class HeUniform(Initializer):
    """Uniform within sqrt(6 / fan_in) of 0, for relu (He et al. 2015)."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return rng.uniform(-1, 1, shape) * math.sqrt(6 / fan_in)


@INITIALIZERS("he_normal", "kaiming_normal", "kaiming_normal_")
class HeNormal(Initializer):
    """Normal with standard deviation sqrt(2 / fan_in), for relu (He et al. 2015); not truncated."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return rng.standard_normal(shape) * math.sqrt(2 / fan_in)


@INITIALIZERS("glorot_uniform", "xavier_uniform", "xavier_uniform_", "xavier")
class GlorotUniform(Initializer):
    """Uniform within sqrt(6 / (fan_in + fan_out)) of 0, for tanh (Glorot and Bengio 2010)."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return rng.uniform(-1, 1, shape) * math.sqrt(6 / (fan_in + fan_out))


@INITIALIZERS("lecun_normal")
class LecunNormal(Initializer):
    """Normal with standard deviation sqrt(1 / fan_in), for selu (LeCun et al. 1998); not truncated."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return rng.standard_normal(shape) * math.sqrt(1 / fan_in)


@INITIALIZERS("normal", "random_normal", "normal_", "gaussian")
class Normal(Initializer):
    """Normal with standard deviation `std`."""

    std: Positive

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        return rng.standard_normal(shape) * self.std

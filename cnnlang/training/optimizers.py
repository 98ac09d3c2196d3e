"""Optimizers: how a gradient changes a weight.

`w` is a trained weight, `g` its gradient (averaged over the batch), `lr` the learning rate that the schedule gives at
this moment. Every state (`v`, `m`, `s`) begins at 0 and belongs to one weight. Weight decay applies to every trained
weight, biases and bn among them, as it does in PyTorch.
"""

from __future__ import annotations

from cnnlang.errors import OperatorError
from cnnlang.signature import Declared, Flag, Fraction, NotNegative, Positive, Registry, synonyms

ALIASES = synonyms(
    lr="learning_rate base_lr",
    beta1="beta_1 b1",
    beta2="beta_2 b2",
    eps="epsilon",
    alpha="rho",
    nesterov="use_nesterov",
    weight_decay="wd l2",
)


class Optimizer(Declared):
    """A rule of change; `lr` is its first learning rate."""

    lr: float
    argument_aliases = ALIASES


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer")
optimizer = OPTIMIZERS


@optimizer("sgd", "SGD", "GradientDescent", "gradient_descent", "momentum", "MomentumOptimizer")
class SGD(Optimizer):
    """Stochastic gradient descent: g += weight_decay w; v = momentum v + g; w -= lr v.

    With `nesterov`: w -= lr (g + momentum v). The first v is g itself.

    Examples
    --------
    optimizer = sgd(0.1, momentum=0.9, weight_decay=1e-4)

    Source: torch.optim.SGD (no dampening); Sutskever et al. 2013.
    """

    lr: Positive
    momentum: Fraction = 0.0
    nesterov: Flag = False
    weight_decay: NotNegative = 0.0

    def validate(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise OperatorError(
                "E0305", "`nesterov` of `sgd` needs a `momentum` above 0", argument="momentum", replacement="0.9"
            )


@optimizer("adam", "Adam", "AdamOptimizer")
class Adam(Optimizer):
    """m = beta1 m + (1 - beta1) g; s = beta2 s + (1 - beta2) g^2; w -= lr M / (sqrt(S) + eps).

    M = m / (1 - beta1^k) and S = s / (1 - beta2^k) after k steps. `weight_decay` is added to the gradient,
    g += weight_decay w, before all else; `adamw` keeps it apart.

    Examples
    --------
    optimizer = adam
    optimizer = adam(lr=3e-4)

    Source: Kingma and Ba 2015; torch.optim.Adam. Keras's eps is 1e-7.
    """

    lr: Positive = 1e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.0


@optimizer("adamw", "AdamW", "AdamWOptimizer")
class AdamW(Optimizer):
    """`adam` with the decay apart from the gradient: w -= lr weight_decay w, then the step of `adam`.

    Examples
    --------
    optimizer = adamw(lr=1e-3, weight_decay=0.05)

    Source: Loshchilov and Hutter 2019; torch.optim.AdamW.
    """

    lr: Positive = 1e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.01


@optimizer("rmsprop", "RMSprop", "RMSProp", "RMSPropOptimizer")
class RMSprop(Optimizer):
    """s = alpha s + (1 - alpha) g^2; v = momentum v + g / (sqrt(s) + eps); w -= lr v.

    `weight_decay` is added to the gradient, g += weight_decay w, before all else.

    Examples
    --------
    optimizer = rmsprop(1e-3, momentum=0.9)

    Source: Tieleman and Hinton 2012; torch.optim.RMSprop (not centred). Keras's alpha is 0.9.
    """

    lr: Positive
    alpha: Fraction = 0.99
    eps: Positive = 1e-8
    momentum: Fraction = 0.0
    weight_decay: NotNegative = 0.0


@optimizer("adagrad", "Adagrad", "AdaGrad", "AdagradOptimizer")
class Adagrad(Optimizer):
    """s += g^2; w -= lr g / (sqrt(s) + eps): weights that rarely have a gradient move further.

    `weight_decay` is added to the gradient, g += weight_decay w, before all else.

    Examples
    --------
    optimizer = adagrad(0.01)

    Source: Duchi et al. 2011; torch.optim.Adagrad (no decay of the rate).
    """

    lr: Positive = 0.01
    eps: Positive = 1e-10
    weight_decay: NotNegative = 0.0

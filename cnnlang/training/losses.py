"""Losses: what training makes small.

`x` is an output of the net, `t` its target. In `[N, C, H, W]` every place counts as a sample of its own, and a map of
1x1 counts as `[N, C]`. A target is a class number for each sample (or place), or numbers of the output's shape; where a
loss needs numbers and is given class numbers, they become one-hot (an output of one channel takes the number itself).
A loss is one number: the average over the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnnlang.signature import Declared, Fraction, Positive, Registry, show_number, synonyms

SQUASHING = ("hardsigmoid", "relu", "relu6", "tanh")  # what cuts the range of logits, whatever the loss


class Loss(Declared):
    """A number for each batch, 0 or more, that is the smaller the better the outputs fit the targets.

    Class attributes
    ----------------
    absorbs
        The last operators of an output that the loss takes over: for the loss alone they are removed, and what they
        were given are the logits.
    spoiled_by
        The last operators after which what the loss is given are no logits (W0507).
    least_channels
        With fewer channels it is the same for every output.
    """

    absorbs: ClassVar[tuple[str, ...]] = ()
    spoiled_by: ClassVar[tuple[str, ...]] = ()
    least_channels: ClassVar[int] = 1


LOSSES: Registry[Loss] = Registry("loss")
loss = LOSSES


@loss(
    "cross_entropy", "CrossEntropyLoss", "categorical_crossentropy", "sparse_categorical_crossentropy",
    "CategoricalCrossentropy", "SparseCategoricalCrossentropy", "softmax_cross_entropy", "SoftmaxWithLoss",
    "softmax_loss", "NLLLoss", "nll", "ce", "xent",
)  # fmt: skip
class CrossEntropy(Loss):
    """-log softmax(x)[t], for one class of several.

    A last `softmax` or `log_softmax` is removed for the loss alone: the loss works on logits, and nothing is applied
    twice. `smoothing` moves that share of the target evenly to all C classes: 1 - smoothing + smoothing/C for the right
    one, smoothing/C for each other.

    Shapes: [N, C] or [N, C, H, W] with C at least 2. Target: class numbers from 0, or C shares that
    add up to 1.

    Examples
    --------
    loss = cross_entropy
    loss = cross_entropy(smoothing=0.1)

    Source: torch.nn.CrossEntropyLoss; Szegedy et al. 2016 (label smoothing).
    """

    smoothing: Fraction = 0.0

    argument_aliases = synonyms(smoothing="label_smoothing")
    absorbs = ("softmax", "log_softmax")
    spoiled_by = ("sigmoid", *SQUASHING)
    least_channels = 2


@loss(
    "bce", "BCELoss", "BCEWithLogitsLoss", "binary_crossentropy", "BinaryCrossentropy", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "sigmoid_cross_entropy", "SigmoidCrossEntropyLoss", "logistic_loss", "log_loss",
)  # fmt: skip
class BinaryCrossEntropy(Loss):
    """-(t log s + (1 - t) log(1 - s)) with s = sigmoid(x), for one yes or no each number.

    A last `sigmoid` is removed for the loss alone: the loss works on logits, as log(1 + exp(x)) - t x, which cannot
    overflow.

    Shapes: any; averaged over all numbers. Target: numbers from 0 to 1 of the output's shape.

    Examples
    --------
    loss = bce

    Source: torch.nn.BCEWithLogitsLoss.
    """

    absorbs = ("sigmoid",)
    spoiled_by = ("softmax", "log_softmax", *SQUASHING)


@loss("mse", "MSELoss", "mean_squared_error", "MeanSquaredError", "EuclideanLoss", "l2", "l2_loss", "squared_error")
class MeanSquaredError(Loss):
    """(x - t)^2.

    Shapes: any; averaged over all numbers. Target: numbers of the output's shape.

    Examples
    --------
    loss = mse

    Source: torch.nn.MSELoss.
    """


@loss("mae", "L1Loss", "mean_absolute_error", "MeanAbsoluteError", "l1", "l1_loss", "absolute_error")
class MeanAbsoluteError(Loss):
    """|x - t|.

    Shapes: any; averaged over all numbers. Target: numbers of the output's shape.

    Examples
    --------
    loss = mse + 0.1 * mae

    Source: torch.nn.L1Loss.
    """


@loss("huber", "HuberLoss", "huber_loss", "SmoothL1Loss", "smooth_l1", "smooth_l1_loss")
class Huber(Loss):
    """d^2/2 for d = |x - t| up to delta, and delta (d - delta/2) beyond: outliers pull no harder than `delta`.

    Shapes: any; averaged over all numbers. Target: numbers of the output's shape.

    Examples
    --------
    loss = huber(delta=0.5)

    Source: Huber 1964; torch.nn.HuberLoss. torch.nn.SmoothL1Loss is huber / delta.
    """

    delta: Positive = 1.0


@loss("hinge", "MultiMarginLoss", "CategoricalHinge", "hinge_loss", "HingeLoss", "svm")
class Hinge(Loss):
    """The sum over the wrong classes j of max(0, margin - x[t] + x[j]), divided by C: a support vector machine.

    Shapes: [N, C] or [N, C, H, W] with C at least 2. Target: class numbers from 0 to C - 1.

    Examples
    --------
    loss = hinge(margin=1)

    Source: Crammer and Singer 2001; torch.nn.MultiMarginLoss.
    """

    margin: Positive = 1.0

    least_channels = 2


@dataclass(frozen=True, slots=True)
class WeightedLoss:
    """One term of an output's loss, `0.5 * mse`.

    Attributes
    ----------
    weight
        Above 0; 1 where the file writes none.
    loss
        The loss.
    """

    weight: float
    loss: Loss

    def __str__(self) -> str:
        return str(self.loss) if self.weight == 1 else f"{show_number(self.weight)} * {self.loss}"

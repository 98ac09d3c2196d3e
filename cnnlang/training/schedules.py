"""Schedules: the learning rate over the training.

`lr` is the optimizer's, `k` counts batches and `e` epochs from 0, both from where the schedule begins (after a
`warmup`), and `K` is the number of batches from there to the end of the training. The rate is set before every batch.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from cnnlang.errors import OperatorError
from cnnlang.signature import Count, Declared, Kind, NotNegative, Registry, Value, is_int, number, show_value, synonyms

Decay = Annotated[float, number("a number above 0, at most 1", lambda v: 0 < v <= 1)]


def _epochs(value: Value) -> tuple[int, ...]:
    epochs = value if isinstance(value, list | tuple) else [value]
    if not epochs or not all(is_int(e) and e > 0 for e in epochs):
        raise ValueError
    return tuple(epochs)


Epochs = Annotated[tuple[int, ...], Kind("a list of epochs such as [30, 60]", _epochs, lambda v: show_value(list(v)))]


class Schedule(Declared):
    """The learning rate at every batch.

    Class attributes
    ----------------
    leads
        Whether it lasts for some epochs and another schedule may follow with `->`.
    """

    leads: ClassVar[bool] = False


SCHEDULES: Registry[Schedule] = Registry("schedule")
schedule = SCHEDULES


@schedule("warmup", "LinearWarmup", "WarmupLR", "linear_warmup", "warm_up", "LRWarmup")
class Warmup(Schedule):
    """Up to the full rate, batch by batch: lr (k + 1) / W for the W batches of the first `epochs` epochs.

    It stands before another schedule, which begins where it ends; alone, the rate stays at `lr`.

    Examples
    --------
    schedule = warmup(5) -> cosine

    Source: Goyal et al. 2017.
    """

    epochs: Count

    leads = True
    argument_aliases = synonyms(epochs="warmup_epochs total_iters")


@schedule("constant", "ConstantLR", "fixed")
class Constant(Schedule):
    """The rate stays at `lr`, as it does without a schedule.

    Examples
    --------
    schedule = warmup(1) -> constant
    """


@schedule("cosine", "CosineAnnealingLR", "CosineDecay", "CosineAnnealing", "cos", "cosine_lr", "CosineLRScheduler")
class Cosine(Schedule):
    """Half a cosine from `lr` down to `min`: min + (lr - min) (1 + cos(pi k / K)) / 2.

    Examples
    --------
    schedule = cosine
    schedule = warmup(5) -> cosine(min=1e-5)

    Source: Loshchilov and Hutter 2017; torch.optim.lr_scheduler.CosineAnnealingLR stepped after every batch.
    """

    min: NotNegative = 0.0

    argument_aliases = synonyms(min="eta_min min_lr end")


@schedule("step", "StepLR", "StepDecay", "step_decay", "staircase")
class Step(Schedule):
    """Times `gamma` after every `every` epochs: lr gamma^floor(e / every).

    Examples
    --------
    schedule = step(30)

    Source: torch.optim.lr_scheduler.StepLR.
    """

    every: Count
    gamma: Decay = 0.1

    argument_aliases = synonyms(every="step_size epochs drop_every", gamma="factor")


@schedule("multistep", "MultiStepLR", "PiecewiseConstantDecay", "multi_step", "milestones", "steps")
class MultiStep(Schedule):
    """Times `gamma` at each epoch of the list `at`: lr gamma^n, with n the epochs in `at` that are not above e.

    Examples
    --------
    schedule = multistep([30, 60, 90])

    Source: He et al. 2015; torch.optim.lr_scheduler.MultiStepLR.
    """

    at: Epochs
    gamma: Decay = 0.1

    argument_aliases = synonyms(at="milestones boundaries epochs", gamma="factor")

    def validate(self) -> None:
        if list(self.at) != sorted(set(self.at)):
            raise OperatorError(
                "E0305", f"the epochs of `multistep` must rise, not {show_value(list(self.at))}", argument="at",
                replacement=show_value(sorted(set(self.at))),
            )  # fmt: skip


@schedule("exponential", "ExponentialLR", "ExponentialDecay", "exp")
class Exponential(Schedule):
    """Times `gamma` after every epoch: lr gamma^e.

    Examples
    --------
    schedule = exponential(0.95)

    Source: torch.optim.lr_scheduler.ExponentialLR.
    """

    gamma: Decay

    argument_aliases = synonyms(gamma="decay_rate rate factor")


@schedule("linear", "LinearDecay", "linear_decay", "PolynomialLR", "PolynomialDecay")
class Linear(Schedule):
    """A straight line from `lr` down to `end`: lr + (end - lr) k / K.

    Examples
    --------
    schedule = warmup(5) -> linear
    """

    end: NotNegative = 0.0

    argument_aliases = synonyms(end="end_learning_rate min min_lr")

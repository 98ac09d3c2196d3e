"""What `train` and `predict` sections say: losses, optimizers, schedules, augmentations, views and initialisers.

Each is declared once: its fields are its arguments, its docstring is its manual page.
"""

from __future__ import annotations

from cnnlang.initializers import INITIALIZERS, Initializer
from cnnlang.training.augment import AUGMENTATIONS, Augmentation
from cnnlang.training.losses import LOSSES, Loss, WeightedLoss
from cnnlang.training.optimizers import OPTIMIZERS, Optimizer
from cnnlang.training.schedules import SCHEDULES, Schedule
from cnnlang.training.views import VIEWS, TestTime, View

REGISTRIES = (LOSSES, OPTIMIZERS, SCHEDULES, AUGMENTATIONS, VIEWS, INITIALIZERS)

__all__ = [
    "AUGMENTATIONS",
    "INITIALIZERS",
    "LOSSES",
    "OPTIMIZERS",
    "REGISTRIES",
    "SCHEDULES",
    "VIEWS",
    "Augmentation",
    "Initializer",
    "Loss",
    "Optimizer",
    "Schedule",
    "TestTime",
    "View",
    "WeightedLoss",
]

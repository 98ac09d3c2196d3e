"""Holding targets to the reference: a net through each of them on the same weights and inputs.

>>> from cnnlang.verify import verify
>>> verify(cnnlang.load("net.cnn").program, targets=["cpu", "torch"]).is_wrong    # doctest: +SKIP
False
"""

from __future__ import annotations

from cnnlang.verify.comparison import TOLERANCE, Difference, compare, is_steady
from cnnlang.verify.departure import Departure
from cnnlang.verify.runners import WAYS, Runner, TargetFailed, Way
from cnnlang.verify.samples import calibrated_weights, prepared_inputs, random_inputs, random_weights, usable_sizes
from cnnlang.verify.verification import Verdict, Verification, verify

__all__ = [
    "TOLERANCE",
    "WAYS",
    "Departure",
    "Difference",
    "Runner",
    "TargetFailed",
    "Verdict",
    "Verification",
    "Way",
    "calibrated_weights",
    "compare",
    "is_steady",
    "prepared_inputs",
    "random_inputs",
    "random_weights",
    "usable_sizes",
    "verify",
]

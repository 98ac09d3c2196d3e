"""Running what `--target torch` emits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from cnnlang.program import Program
from cnnlang.verify.run_torch import make


def torch_module(program: Program, weights: Mapping[str, NDArray[Any]]) -> torch.nn.Module:
    """The emitted module with weights, for evaluation; its names and shapes are the graph's, no more and no less."""
    return make(program, weights).module


def run_torch(program: Program, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any]) -> tuple[Any, ...]:
    """The outputs of the emitted module, as arrays."""
    torch.set_num_threads(1)
    return make(program, weights)(*inputs)

"""Running what `--target torch` emits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from cnnlang.backends.torch_source import emit
from cnnlang.program import Program


def torch_module(program: Program, weights: Mapping[str, NDArray[Any]]) -> torch.nn.Module:
    """The emitted module with weights, for evaluation; its names and shapes are the graph's, no more and no less."""
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emit(program), "<torch source>", "exec"), space)
    module: torch.nn.Module = space[program.name]()
    state = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    expected = {path: node.type.shape for path, node in program.training_graph.weights.items()}
    assert {k: tuple(v.shape) for k, v in state.items()} == expected
    module.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    return module.eval()


def run_torch(program: Program, weights: Mapping[str, NDArray[Any]], *inputs: NDArray[Any]) -> tuple[Any, ...]:
    """The outputs of the emitted module, as arrays."""
    torch.set_num_threads(1)
    with torch.no_grad():
        result = torch_module(program, weights)(*map(torch.from_numpy, inputs))
    results = result if isinstance(result, tuple) else (result,)
    return tuple(r.numpy() for r in results)

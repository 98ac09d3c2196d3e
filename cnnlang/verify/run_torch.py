"""The emitted PyTorch module, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from cnnlang.backends.torch_source import emit
from cnnlang.errors import WeightsError
from cnnlang.ir import Node
from cnnlang.program import Program
from cnnlang.verify.layers import Layers
from cnnlang.verify.module import executed, last_defined
from cnnlang.verify.runners import Array, TargetFailed, Weights

COUNTER = "num_batches_tracked"


def version() -> str:
    return f"PyTorch {torch.__version__}"


def make(program: Program, weights: Weights) -> TorchRunner:
    return TorchRunner(program, weights)


class TorchRunner:
    """The module for evaluation; hooks show what enters and leaves its layers."""

    def __init__(self, program: Program, weights: Weights) -> None:
        self._program = program
        self.module: torch.nn.Module = last_defined(executed(emit(program), "torch source"))()
        self._load(weights)
        self.module.eval()

    def _load(self, weights: Weights) -> None:
        """Put the weights in; the module's names and shapes must be the graph's, no more and no fewer."""
        state = {k: tuple(v.shape) for k, v in self.module.state_dict().items() if not k.endswith(COUNTER)}
        expected = {path: node.type.shape for path, node in self._program.training_graph.weights.items()}
        if state != expected:
            other = sorted(str(k) for k, _ in state.items() ^ expected.items())
            msg = f"the emitted module's weights are not the net's: {', '.join(other[:5])}"
            raise WeightsError(msg)
        tensors = {k: torch.from_numpy(v.copy()) for k, v in weights.items()}
        self.module.load_state_dict(tensors, strict=False)  # a head that only trains keeps what it began with

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        try:
            with torch.no_grad():
                result = self.module(*(torch.from_numpy(x) for x in inputs))
        except (RuntimeError, TypeError, ValueError, LookupError, AttributeError, NameError) as error:
            raise TargetFailed(f"{type(error).__name__}: {error}") from error
        results = result if isinstance(result, tuple) else (result,)
        return tuple(r.numpy() for r in results)

    def values(self, *inputs: Array) -> Mapping[Node, Array]:
        layers = Layers(self._program.graph)
        handles = []
        for path, module in self.module.named_modules():
            if path in layers.by_path:
                handles.append(module.register_forward_hook(_keeping(layers, path)))
        try:
            outputs = self(*inputs)
        finally:
            for handle in handles:
                handle.remove()
        return layers.values(outputs)


def _keeping(layers: Layers, path: str) -> Any:
    def keep(module: torch.nn.Module, given: tuple[torch.Tensor, ...], result: torch.Tensor) -> None:
        layers.keep(path, given[0].numpy().copy(), result.numpy().copy())  # what comes next may work in place

    return keep

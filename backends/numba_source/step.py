"""What a rule makes of an operator: the call in `forward`, the call in `prepare`, and the templates they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cnnlang.ir import Node
from cnnlang.passes import FoldedBias, FoldedKernel


@dataclass(frozen=True, slots=True)
class Kernel:
    """Functions of the module, from one template; `name` tells members of a family apart (`maxpool`, `minpool`)."""

    template: str
    name: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """How `prepare` packs the weights of a step: `function(weights..., bn=..., arguments...)`.

    `bn` are the weight, bias, running mean and variance that are folded in, with `eps`.
    """

    function: str
    weights: tuple[Node, ...]
    bn: tuple[Node, ...] = ()
    eps: float = 0.0
    arguments: tuple[str, ...] = ()

    @property
    def all_weights(self) -> tuple[Node, ...]:
        return (*self.weights, *self.bn)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """How `forward` calls the functions of a step: `function(values..., layer, arguments...)`.

    Attributes
    ----------
    kernels
        The templates it needs; what these need themselves follows from `NEEDS`.
    takes_act
        Whether the function has an `act` of its own; else an activation goes around the call.
    numbers
        Lists of numbers that the file fixes, by argument; too long to stand in a line.
    """

    function: str
    kernels: tuple[Kernel, ...]
    layer: Layer | None = None
    arguments: tuple[str, ...] = ()
    takes_act: bool = False
    numbers: tuple[tuple[str, tuple[float, ...]], ...] = ()


NEEDS: dict[str, tuple[str, ...]] = {
    "activated": ("activate",),
    "adaptive_avgpool": ("sizes",),
    "bn": ("activate", "scale_and_shift"),
    "conv": ("activate", "sizes", "windows", "padded"),
    "crop": ("sizes",),
    "deconv": ("activate", "sizes"),
    "group_norm": ("by_channel",),
    "merge": ("activate",),
    "normalize": ("by_channel",),
    "pad": ("sizes",),
    "padded": ("sizes",),
    "pool": ("sizes", "windows", "padded"),
    "prelu": ("by_channel",),
    "upsample_bilinear": ("sizes",),
    "upsample_nearest": ("sizes",),
}


def closure(kernels: Iterable[Kernel]) -> Iterator[Kernel]:
    """The kernels and all that they need, what is needed first, each once."""
    seen: set[Kernel] = set()
    for kernel in kernels:
        for needed in (*(Kernel(name) for name in NEEDS.get(kernel.template, ())), kernel):
            if needed not in seen:
                seen.add(needed)
                yield needed


def packed(function: str, node: Node, *arguments: str) -> Layer:
    """The layer of a node that owns a weight and perhaps a bias, with the bn that is folded into them."""
    kernel, *bias = node.weights
    if not isinstance(kernel.op, FoldedKernel):
        return Layer(function, node.weights, arguments=arguments)
    (folded,) = bias
    assert isinstance(folded.op, FoldedBias)
    *own, scale, shift, mean, variance = folded.inputs
    return Layer(function, (kernel.inputs[0], *own), (scale, shift, mean, variance), kernel.op.eps, arguments)

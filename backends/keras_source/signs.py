"""Values that are never negative, around which zeros change no maximum."""

from __future__ import annotations

from functools import lru_cache

from cnnlang.backends.python_source.compiler import applied_in
from cnnlang.ir import Node
from cnnlang.ops import Op
from cnnlang.ops.dense import Dropout
from cnnlang.ops.elementwise import Hardsigmoid, Relu, Relu6, Sigmoid, Softmax, Softplus
from cnnlang.ops.merge import Add, Concat, Max, Mean, Mul
from cnnlang.ops.norm import LocalResponseNorm
from cnnlang.ops.pool import AdaptiveAvgPool, AvgPool, GlobalPool, MaxPool
from cnnlang.ops.shape import Channels, ChannelShuffle, Crop, Flatten, PadChannels, PixelShuffle, Upsample
from cnnlang.program import Program

POSITIVE = (Relu, Relu6, Sigmoid, Hardsigmoid, Softplus, Softmax)
KEEPING = (
    *(MaxPool, AvgPool, AdaptiveAvgPool, GlobalPool, Dropout, Add, Concat, Max, Mean, Mul),
    *(Flatten, Crop, Upsample, PixelShuffle, ChannelShuffle, Channels, PadChannels),
)  # never negative where no input is; a maximum of padded windows too, each of which has a real cell
STEPS = 1000  # how far back it is worth to look


def _keeps(op: Op) -> bool:
    return isinstance(op, KEEPING) or (isinstance(op, LocalResponseNorm) and op.alpha >= 0 and op.k > 0)


@lru_cache(maxsize=1)
def entering(program: Program) -> frozenset[Node]:
    """The values that enter blocks. Inside a block nothing is known of them: it may be applied to others elsewhere."""
    found: set[Node] = set()
    stack = [program.root.body]
    while stack:
        for applied in applied_in(stack.pop()):
            found |= {applied.input, *applied.tensors.values()}
            stack.append(applied.body)
    return frozenset(found)


def is_never_negative(node: Node, unknown: frozenset[Node]) -> bool:
    """Whether no cell of a value is below 0, as far as the operators before it tell, back to what is unknown."""
    seen: set[Node] = set()
    stack = [node]
    while stack:
        node = stack.pop()
        if node in unknown:
            return False
        if node in seen or isinstance(node.op, POSITIVE):
            continue
        if not _keeps(node.op) or len(seen) > STEPS:
            return False
        seen.add(node)
        stack += node.values
    return True

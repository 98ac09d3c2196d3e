"""Where ONNX Runtime computes something else than ONNX says, a form that it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cnnlang.backends.onnx.build import SHARED, Model, OnnxNode

POOLS = ("MaxPool", "AveragePool")
# what may be taken out of the model before pads and pools are looked at, because it changes nothing
PASSING = ("Add", "Concat", "Div", "Identity", "Mul", "Pad", "Reshape", "Resize", "Slice", "Sub", "Sum", "Transpose")

MINUS_ZERO = SHARED + "-0.0"


def keep_pads(model: Model) -> None:
    """Let zeros that are padded with before a pool be zeros.

    ONNX Runtime (1.31, at all levels of optimisation but none) makes `Pad` with 0 a part of the pool behind it, where
    padding is no number: the largest of negative numbers and a 0 comes out negative, and a pad of the kernel's size or
    more is an error. It does so for 0.0 and not for -0.0, which is the same number.
    """
    zero = SHARED + "0.0"
    users: dict[str, list[OnnxNode]] = {}
    for node in model.nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    for place, node in enumerate(model.nodes):
        if node.op_type == "Pad" and node.inputs[2:] == (zero,) and _reaches_pool(node, users):
            model.nodes[place] = replace(node, inputs=(*node.inputs[:2], MINUS_ZERO))
            model.constants[MINUS_ZERO] = np.array(-0.0, np.float32)
    if not any(zero in node.inputs for node in model.nodes):
        model.constants.pop(zero, None)


def _reaches_pool(pad: OnnxNode, users: dict[str, list[OnnxNode]]) -> bool:
    stack, seen = [pad.output], {pad.output}
    while stack:
        for node in users.get(stack.pop(), ()):
            if node.op_type in POOLS:
                return True
            if node.op_type in PASSING and node.output not in seen:
                seen.add(node.output)
                stack.append(node.output)
    return False

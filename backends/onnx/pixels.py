"""Preprocessing inside the graph: the model's input is then pixels from 0 to 255."""

from __future__ import annotations

import numpy as np

from cnnlang.backends.onnx.build import Step
from cnnlang.backends.onnx.metadata import preprocess
from cnnlang.backends.onnx.rules_norm import channelwise
from cnnlang.program import InputInfo


def takes_pixels(info: InputInfo) -> bool:
    """Whether an input is pixels: every map is, and features of which the file says how they are prepared."""
    return info.node.type.rank == 4 or bool(info.metadata)


def prepare(info: InputInfo, step: Step) -> None:
    """Add the nodes for (pixel * scale - mean) / std, of pixels inverted first if the input asks for it.

    Channels come in the order of the input's `color`; resizing and cropping are the caller's.
    """
    how, x = preprocess(info), step.x
    rank = info.node.type.rank
    if how.invert:
        x = step.then("Sub", step.number(255), x)
    x = step.then("Mul", x, step.constant("scale", np.array(how.scale, np.float32)))
    if any(how.mean):
        x = step.then("Sub", x, step.constant("mean", channelwise(how.mean, rank)))
    if set(how.std) != {1.0}:
        step.then("Div", x, step.constant("std", channelwise(how.std, rank)))

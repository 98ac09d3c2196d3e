"""Keras 3 source: one function for each block, and one for the net, which makes a `keras.Model` or `keras.Sequential`.

Tensors are channels-last. A layer with weights is called by its path with `-` for `.` (`layer1-0-conv1`): Keras on
PyTorch refuses a dot in a layer's name, and no path has a `-`, so that each can be told from the other.
"""

from __future__ import annotations

from cnnlang.backends.keras_source.emit import emit, refusals
from cnnlang.backends.keras_source.refusals import LIMITS

__all__ = ["LIMITS", "emit", "refusals"]

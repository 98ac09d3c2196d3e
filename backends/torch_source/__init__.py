"""PyTorch source: one `nn.Module` class for each block, and one for the net, as a person would have written them.

`state_dict()` has the paths and shapes of the program's weights (with those of its auxiliary heads, and without
batch normalisation's `num_batches_tracked`); nothing in the text depends on cnnlang.
"""

from __future__ import annotations

from cnnlang.backends.torch_source.emit import emit
from cnnlang.backends.torch_source.refusals import LIMITS, refusals

__all__ = ["LIMITS", "emit", "refusals"]

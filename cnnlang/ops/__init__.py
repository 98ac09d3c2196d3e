"""The operators, one family a file. Importing this package fills `OPERATORS`."""

from cnnlang.ops import conv, dense, elementwise, merge, norm, pool, shape
from cnnlang.ops.base import OPERATORS, Op

__all__ = ["OPERATORS", "Op", "conv", "dense", "elementwise", "merge", "norm", "pool", "shape"]

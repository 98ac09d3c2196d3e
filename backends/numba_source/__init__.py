"""A self-contained Python module of NumPy and Numba for one network."""

from __future__ import annotations

from cnnlang.backends.numba_source.emit import emit, emit_graph
from cnnlang.backends.numba_source.refusing import LIMITS, refusals

__all__ = ["LIMITS", "emit", "emit_graph", "refusals"]

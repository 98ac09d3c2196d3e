"""What differs between two nets: equal up to names, bn folding, dropout and ways of saying, or the smallest part."""

from __future__ import annotations

from cnnlang.differing.changes import Argument, Comparison, Hunk, Row, compare_graphs
from cnnlang.differing.steps import Step, Steps, steps_of

__all__ = ["Argument", "Comparison", "Hunk", "Row", "Step", "Steps", "compare_graphs", "steps_of"]

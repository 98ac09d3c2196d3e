"""A model in the making: nodes, constants and values with names of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.ir import TensorType

Attribute = int | float | str | Sequence[int]

SHARED = "/constant/"  # no step is called so: `/constant_1` would be one of an operator `constant`


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """A node: its `op_type`, what it reads and makes, its name, its hint and its attributes."""

    op_type: str
    inputs: tuple[str, ...]
    output: str
    name: str = ""
    hint: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Model:
    """The nodes so far, in order, the constants by name, and the types of the steps' results."""

    nodes: list[OnnxNode] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    types: dict[str, TensorType] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Step:
    """One operator of the language, being said in ONNX.

    Attributes
    ----------
    model
        Where its nodes go.
    name
        What it is called.
    result
        What its value is called.
    hint
        The operator as text, for a reader.
    values, weights
        The names of what it reads.
    types
        The types of the values that it reads.
    type
        The type of its result.
    """

    model: Model
    name: str
    result: str
    hint: str
    values: tuple[str, ...]
    weights: tuple[str, ...]
    types: tuple[TensorType, ...]
    type: TensorType
    _nodes: list[OnnxNode] = field(default_factory=list)
    _count: Counter[str] = field(default_factory=Counter)

    @property
    def x(self) -> str:
        """The first value that it reads."""
        return self.values[0]

    def then(self, op_type: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node; its one output's name, which is the step's result for the last node."""
        self._count[op_type] += 1
        number = self._count[op_type]
        output = f"{self.name}/{op_type}" + (f"_{number}" if number > 1 else "")
        self._nodes.append(OnnxNode(op_type, inputs, output, output, self.hint, attributes))
        return output

    def number(self, value: float) -> str:
        """A float32 number that all steps share."""
        return self._shared(repr(float(value)), np.array(value, np.float32))

    def integers(self, *values: int) -> str:
        """A vector of int64 that all steps share."""
        return self._shared(f"[{','.join(map(str, values))}]", np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """An int64 number that all steps share."""
        return self._shared(str(value), np.array(value, np.int64))

    def _shared(self, text: str, array: NDArray[Any]) -> str:
        self.model.constants.setdefault(SHARED + text, array)
        return SHARED + text

    def constant(self, role: str, array: NDArray[Any]) -> str:
        """A constant of this step alone."""
        name = f"{self.name}/{role}"
        self.model.constants[name] = array
        return name

    def close(self) -> str | None:
        """Put the nodes into the model; the name of the step's value, None where it has no nodes."""
        if not self._nodes:
            return None
        if len(self._nodes) == 1:
            self._nodes[0] = replace(self._nodes[0], name=self.name)
        self._nodes[-1] = replace(self._nodes[-1], output=self.result)
        self.model.nodes += self._nodes
        self.model.types[self.result] = self.type
        return self.result

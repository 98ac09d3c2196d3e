"""A node of the file: its attributes by name, each of the type that it must have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlang.importing.building import broken
from cnnlang.weight_files import printable

if TYPE_CHECKING:
    from onnx import NodeProto

FLOAT, INT, STRING, TENSOR, FLOATS, INTS = 1, 2, 3, 4, 6, 7
GRAPHS = (5, 10)
MAX_INTS = 10_000


@dataclass(slots=True, eq=False)
class Item:
    """One node.

    Attributes
    ----------
    proto
        As the file has it.
    number
        Its place in the file.
    version
        The opset that the file counts on.
    """

    proto: NodeProto
    number: int
    version: int
    _attributes: dict[str, Any] | None = None

    @property
    def op_type(self) -> str:
        return str(self.proto.op_type)

    @property
    def kind(self) -> str:
        """The type of operator, with its domain where that is not ONNX's own."""
        domain = self.proto.domain
        name = self.op_type if domain in ("", "ai.onnx") else f"{domain}.{self.op_type}"
        return printable(name)

    @property
    def title(self) -> str:
        """What messages call it: its name, or that of its first result."""
        return printable(self.proto.name or next(iter(self.proto.output), ""))

    @property
    def has_graphs(self) -> bool:
        return any(a.type in GRAPHS for a in self.proto.attribute)

    def _get(self, name: str, kind: int, words: str) -> Any:
        if self._attributes is None:
            self._attributes = {a.name: a for a in self.proto.attribute}
        found = self._attributes.get(name)
        if found is None:
            return None
        if found.type != kind or found.ref_attr_name:
            raise broken(f"its {printable(name)} must be {words}")
        return found

    def has(self, name: str) -> bool:
        return any(a.name == name for a in self.proto.attribute)

    def whole(self, name: str, default: int) -> int:
        found = self._get(name, INT, "a whole number")
        return default if found is None else int(found.i)

    def flag(self, name: str, default: bool = False) -> bool:
        return self.whole(name, int(default)) != 0

    def number_of(self, name: str, default: float) -> float:
        found = self._get(name, FLOAT, "a number")
        return default if found is None else float(found.f)

    def text(self, name: str, default: str) -> str:
        found = self._get(name, STRING, "a text")
        return default if found is None else bytes(found.s).decode("utf-8", errors="replace")

    def ints(self, name: str, length: int | None = None) -> tuple[int, ...] | None:
        """Whole numbers, as many as `length` says; None where there are none."""
        found = self._get(name, INTS, "whole numbers")
        if found is None:
            return None
        if len(found.ints) > MAX_INTS or (length is not None and len(found.ints) != length):
            raise broken(f"its {name} has {len(found.ints)} numbers" + (f", not {length}" if length else ""))
        return tuple(map(int, found.ints))

    def floats(self, name: str) -> Sequence[float] | None:
        found = self._get(name, FLOATS, "numbers")
        return None if found is None else [float(f) for f in found.floats]

    def tensor(self, name: str) -> Any:
        found = self._get(name, TENSOR, "a tensor")
        return None if found is None else found.t


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front.

    Raises
    ------
    LayerError
        E0601: there is none such.
    """
    if not -rank <= axis < rank:
        raise broken(f"its axis {axis} is none of {rank}")
    return axis % rank

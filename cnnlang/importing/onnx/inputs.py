"""What a model takes in: shapes with symbolic sizes, and whether a picture's channels come last."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnlang.dims import Dim, Term, variables
from cnnlang.importing.building import MAX_ELEMENTS, LayerError, unsayable
from cnnlang.importing.onnx.model import Model
from cnnlang.importing.onnx.names import label_of
from cnnlang.importing.onnx.reader import Reader
from cnnlang.importing.onnx.views import laid_out
from cnnlang.ir import Node
from cnnlang.ops.base import Input
from cnnlang.weight_files import printable

if TYPE_CHECKING:
    from onnx import ValueInfoProto

FLOATS = (1, 10, 11, 16)
PIXELS = 2  # uint8: the net computes on them as floats
MULTIPLE = re.compile(r"(?:([1-9]\d{0,6})\*)?([A-Za-z_][A-Za-z0-9_]*)(?: ?\+ ?(\d{1,6}))?")
NCHW, NHWC = (0, 1, 2, 3), (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)
# nodes that a picture may go through before its layout shows
LAYOUT_FREE = frozenset(
    ["Add", "Sub", "Mul", "Div", "Cast", "Identity", "Clip", "Relu", "Neg", "Dropout", "Pad", "Sum", "Min", "Max"]
)


@dataclass(slots=True)
class Sizes:
    """The symbolic sizes of a file by what it calls them, in multiples of `factor`."""

    factor: int = 1
    ours: bool = False
    known: dict[str, Dim] = field(default_factory=dict)

    def of(self, param: str, axis: int) -> Dim:
        """The size that an axis has; a name that no file gives is of that axis alone."""
        if param and param in self.known:
            return self.known[param]
        match = MULTIPLE.fullmatch(param) if self.ours else None
        if match:
            times, name, more = match.groups()
            size: Dim = int(times or 1) * Term.variable(name) + int(more or 0)
        else:
            letter = "H" if axis == 2 else "W"
            taken = {v for d in self.known.values() for v in variables(d)}
            number = 2
            name = letter
            while name in taken:
                name, number = f"{letter}{number}", number + 1
            size = self.factor * Term.variable(name)
        self.known[param or f" {len(self.known)}"] = size
        return size


def take_inputs(r: Reader, sizes: Sizes) -> tuple[tuple[Node, ...], bool]:
    """The inputs as nodes; whether the channels of one come last in the file.

    Raises
    ------
    LayerError
        E0602: one is no map and no features, or its channels are not known.
    """
    nodes: list[Node] = []
    last = False
    labels: set[str] = set()
    for info in r.model.inputs:
        if not r.uses[info.name]:
            continue
        dims = _dims(info)
        order = _order(r.model, info.name, dims) if len(dims) == 4 else (0, 1)
        last = last or order == NHWC
        by_axis = {ours: dims[i] for i, ours in enumerate(order)}
        if not isinstance(by_axis[1], int):
            raise unsayable(f"its input {printable(info.name)} has no fixed number of channels")
        if isinstance(by_axis[0], int):
            r.batch = by_axis[0] if r.batch in (None, by_axis[0]) else -1
        shape: list[Dim] = [Term.variable("N"), by_axis[1]]
        for axis in range(2, len(order)):
            size = by_axis[axis]
            shape.append(size if isinstance(size, int) else sizes.of(size, axis))
        total = 1
        for d in shape:
            total *= d if isinstance(d, int) else 1
        if total > MAX_ELEMENTS:
            raise LayerError("E0603", f"its input {printable(info.name)} is larger than any tensor may be")
        label = label_of(info.name, shape, labels, r.model.ours)
        labels.add(label)
        node = Node.of(Input(tuple(shape), label), name=label)
        nodes.append(node)
        r.values[info.name] = laid_out(node, order)
    if not nodes:
        raise unsayable("nothing of what it takes in reaches an output")
    return tuple(nodes), last


def _dims(info: ValueInfoProto) -> list[int | str]:
    """Its sizes: numbers, or names ("" where there is none)."""
    shown = printable(info.name)
    if not info.type.HasField("tensor_type"):
        raise unsayable(f"its input {shown} is no tensor")
    type: Any = info.type.tensor_type
    if type.elem_type not in (*FLOATS, PIXELS):
        raise unsayable(f"its input {shown} is of whole numbers or texts, and a net's values are floats")
    if not type.HasField("shape"):
        raise unsayable(f"its input {shown} has no shape")
    dims: list[int | str] = [d.dim_value if d.dim_value > 0 else str(d.dim_param) for d in type.shape.dim]
    if len(dims) not in (2, 4):
        raise unsayable(f"its input {shown} has {len(dims)} axes, and a value is [N, C, H, W] or [N, C]")
    return dims


def _order(model: Model, name: str, dims: list[int | str]) -> tuple[int, ...]:
    """Whether a picture comes as N, C, H, W or, as its first layers tell, N, H, W, C."""
    if model.ours:
        return NCHW
    readers: dict[str, list[Any]] = {}
    for item in model.items:
        for read in item.proto.input:
            readers.setdefault(read, []).append(item)
    stack, seen, found = [name], {name}, set()
    while stack and len(seen) < 100:
        for item in readers.get(stack.pop(), ()):
            if item.op_type in LAYOUT_FREE:
                fresh = [o for o in item.proto.output if o not in seen]
                seen.update(fresh)
                stack.extend(fresh)
            elif item.op_type == "Transpose":
                found.add(item.ints("perm") == TO_NCHW)
            else:
                found.add(item.op_type == "Reshape" and dims[3] == 1 and dims[1] != 1)
    return NHWC if found == {True} else NCHW

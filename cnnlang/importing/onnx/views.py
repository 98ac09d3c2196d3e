"""How an ONNX tensor lies over a value of the language: which of its axes are which, or which parts of which.

Exporters say in Reshape, Transpose, Squeeze and Unsqueeze what the language says in no step at all (another layout) or
in one (`flatten`, `channel_shuffle`, `pixel_shuffle`). So none of these becomes a step by itself: each changes only the
`View` through which the value is seen, and what the view amounts to is decided where a layer reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnlang.dims import Dim, Term
from cnnlang.importing.building import unsayable
from cnnlang.ir import Node

NO_SHAPE = "it cuts the tensor at places that are no borders of its axes"


@dataclass(frozen=True, slots=True)
class Atom:
    """A digit of an index: along `axis` of the node, `size` places that lie `stride` apart."""

    axis: int
    stride: Dim
    size: Dim


Axis = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class View:
    """An ONNX tensor: each of its axes runs over these parts of the node's axes, the last the fastest.

    An axis of size 1 has no parts.
    """

    node: Node
    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[Dim, ...]:
        return tuple(size_of(axis) for axis in self.axes)

    @property
    def rank(self) -> int:
        return len(self.axes)

    def over(self, node: Node) -> View:
        """The same view of another node of the same shape."""
        return View(node, self.axes)


def view_of(node: Node) -> View:
    """A value as it is."""
    return View(node, tuple(full(node, axis) for axis in range(node.type.rank)))


def full(node: Node, axis: int) -> Axis:
    """The whole of an axis of a node."""
    size = node.type.shape[axis]
    return () if size == 1 else (Atom(axis, 1, size),)


def size_of(axis: Axis) -> Dim:
    size: Dim = 1
    for atom in axis:
        size = size * atom.size
    return size


def product(dims: Sequence[Dim]) -> Dim:
    total: Dim = 1
    for dim in dims:
        total = total * dim
    return total


def joined(atoms: Sequence[Atom]) -> Axis:
    """Parts in a row, those that continue each other as one."""
    found: list[Atom] = []
    for atom in atoms:
        if atom.size == 1:
            continue
        if found and found[-1].axis == atom.axis and found[-1].stride == atom.stride * atom.size:
            last = found.pop()
            atom = Atom(atom.axis, atom.stride, last.size * atom.size)
        found.append(atom)
    return tuple(found)


def ratio(whole: Dim, part: Dim) -> Dim | None:
    """whole / part where that is a size, else None."""
    if whole == part:
        return 1
    if part == 1:
        return whole
    if isinstance(part, int):
        if part < 1:
            return None
        quotient = whole // part
        return quotient if quotient * part == whole else None
    if isinstance(whole, Term):
        if len(whole.parts) == len(part.parts) and whole.parts[0][0] == part.parts[0][0]:
            quotient = whole.parts[0][1] // part.parts[0][1]
            return quotient if quotient > 0 and part * quotient == whole else None
        if len(part.parts) == 1:
            return _by_product(whole, part)
    return None


def _by_product(whole: Term, part: Term) -> Dim | None:
    """A sum divided by one product, `6*H*W` by `2*H`."""
    ((atoms, k),) = part.parts
    total: Dim = 0
    for product_, count in whole.parts:
        rest = list(product_)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if count % k:
            return None
        total = total + (Term(((tuple(rest), count // k),)) if rest else count // k)
    return total


def reshaped(view: View, dims: Sequence[Dim]) -> View:
    """The same numbers in the same order, with axes of these sizes; at most one may be -1.

    Raises
    ------
    LayerError
        E0602: an axis would have to end inside a part.
    """
    atoms = [atom for axis in view.axes for atom in axis]
    free = [i for i, d in enumerate(dims) if d == -1]
    if len(free) > 1:
        raise unsayable("it has two sizes that are to be found out")
    stop = free[0] if free else len(dims)
    front = [_take_front(atoms, dim) for dim in dims[:stop]]
    back = [_take_back(atoms, dim) for dim in reversed(dims[stop + 1 :])]
    middle = [joined(atoms)] if free else []
    if atoms and not free:
        raise unsayable(NO_SHAPE)
    return View(view.node, (*front, *middle, *reversed(back)))


def _take_front(atoms: list[Atom], dim: Dim) -> Axis:
    taken: list[Atom] = []
    size: Dim = 1
    while size != dim:
        if not atoms:
            raise unsayable(NO_SHAPE)
        atom = atoms.pop(0)
        if _fits(size * atom.size, dim):
            taken.append(atom)
            size = size * atom.size
            continue
        want = ratio(dim, size)
        inner = ratio(atom.size, want) if want is not None else None
        if want is None or inner is None:
            raise unsayable(NO_SHAPE)
        taken.append(Atom(atom.axis, atom.stride * inner, want))
        atoms.insert(0, Atom(atom.axis, atom.stride, inner))
        size = dim
    return joined(taken)


def _take_back(atoms: list[Atom], dim: Dim) -> Axis:
    taken: list[Atom] = []
    size: Dim = 1
    while size != dim:
        if not atoms:
            raise unsayable(NO_SHAPE)
        atom = atoms.pop()
        if _fits(size * atom.size, dim):
            taken.append(atom)
            size = size * atom.size
            continue
        want = ratio(dim, size)
        outer = ratio(atom.size, want) if want is not None else None
        if want is None or outer is None:
            raise unsayable(NO_SHAPE)
        taken.append(Atom(atom.axis, atom.stride, want))
        atoms.append(Atom(atom.axis, atom.stride * want, outer))
        size = dim
    return joined(list(reversed(taken)))


def _fits(size: Dim, dim: Dim) -> bool:
    """Whether parts of `size` together may still become `dim`."""
    return size == dim or ratio(dim, size) is not None


def transposed(view: View, order: Sequence[int]) -> View:
    """Axis i is what axis order[i] was."""
    return View(view.node, tuple(view.axes[i] for i in order))


def without(view: View, axes: Sequence[int]) -> View:
    """Without these axes, all of size 1.

    Raises
    ------
    LayerError
        E0602: one is not.
    """
    for axis in axes:
        if view.axes[axis]:
            what = "of the samples" if axis == 0 else f"of size {view.shape[axis]}"
            raise unsayable(f"it drops the axis {what}")
    return View(view.node, tuple(a for i, a in enumerate(view.axes) if i not in axes))


ORDERS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((0, 1),),
    3: ((0, 1, 2), (0, 1, 3), (0, 2, 1), (0, 3, 1), (0, 2, 3)),
    4: ((0, 1, 2, 3), (0, 2, 3, 1), (0, 1, 3, 2), (0, 3, 2, 1)),
}


def order_of(views: Sequence[View]) -> tuple[int, ...]:
    """Which of the node's axes each axis of the tensors is, the same for all of them; [N, C] counts as 0, 1.

    Raises
    ------
    LayerError
        E0602: an axis is none as a whole, or the tensors differ.
    """
    rank = max(view.rank for view in views)
    for order in ORDERS.get(rank, ()):
        if all(_agrees(view, order) for view in views):
            return order
    raise unsayable("its tensors have no layout that the language knows: neither N, C, H, W nor N, H, W, C")


def _agrees(view: View, order: tuple[int, ...]) -> bool:
    shape = view.node.type.shape
    if view.rank != len(order):
        return False
    for axis, ours in zip(view.axes, order, strict=True):
        if axis and (ours >= len(shape) or axis != (Atom(ours, 1, shape[ours]),)):
            return False
    seen = {order[i] for i, axis in enumerate(view.axes) if axis}
    return all(size == 1 or ours in seen for ours, size in enumerate(shape))


def laid_out(node: Node, order: tuple[int, ...]) -> View:
    """A node seen in an order of axes; features [N, C] have no height and width."""
    return View(node, tuple(full(node, ours) if ours < node.type.rank else () for ours in order))

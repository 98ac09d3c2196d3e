"""Nodes that read constants alone, computed with NumPy: shapes, exported arithmetic on weights, repeated constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnlang.dims import Term
from cnnlang.importing.building import broken, unsayable
from cnnlang.importing.onnx.attributes import Item, axis_of
from cnnlang.importing.onnx.constants import Array, Constant, computed, constant
from cnnlang.importing.onnx.reader import Reader, Value, ints_of, need_constant, rule
from cnnlang.importing.onnx.tensors import TYPES, constant_of
from cnnlang.importing.onnx.views import ratio

Fold = Callable[[Reader, Item, list[Constant]], Constant | list[Constant]]

FOLDS: dict[str, Fold] = {}


def fold(*op_types: str) -> Callable[[Fold], Fold]:
    """Enter how operators of ONNX compute on constants."""

    def enter(function: Fold) -> Fold:
        FOLDS.update(dict.fromkeys(op_types, function))
        return function

    return enter


def _whole(x: Array) -> Array:
    """What is computed with symbolic sizes: whole numbers stay whole, and are Python's own."""
    if x.dtype == object:
        return x
    if np.issubdtype(x.dtype, np.floating) and (not np.isfinite(x).all() or (x != np.round(x)).any()):
        raise unsayable("it computes sizes with fractions")
    with np.errstate(all="ignore"):
        return x.astype(np.int64).astype(object)


def _divided(a: Any, b: Any) -> Any:
    if isinstance(a, Term) or isinstance(b, Term):
        found = ratio(a, b)
        if found is None and isinstance(b, int) and b > 0:
            found = a // b
        if found is None:
            raise unsayable("it divides sizes that do not divide")
        return found
    if b == 0:
        raise broken("it divides by 0")
    return a // b


BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Max": np.maximum,
    "Min": np.minimum,
    "Equal": np.equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Greater": np.greater,
    "Less": np.less,
    "GreaterOrEqual": np.greater_equal,
    "LessOrEqual": np.less_equal,
    "Pow": np.power,
    "Mod": np.mod,
}
TESTS = ("Equal", "And", "Or", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
MAX_NOW = 4096  # numbers that are computed at once; more wait until they are needed
SIZES_TOO = ("Add", "Sub", "Mul", "Equal")  # what can be done with symbolic sizes
UNARY: dict[str, Callable[[Array], Array]] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Exp": np.exp,
    "Floor": np.floor,
    "Log": np.log,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Reciprocal": np.reciprocal,
    "Sqrt": np.sqrt,
}


@fold(*BINARY, "Div")
def binary(r: Reader, item: Item, values: list[Constant]) -> Constant:
    if len(values) != 2:
        raise broken(f"it has {len(values)} inputs, not 2")
    shape = np.broadcast_shapes(*(v.shape for v in values))
    count = math.prod(shape)
    if object in (values[0].dtype, values[1].dtype):
        r.budget.hold(count)
        return _with_sizes(item, _whole(values[0].array()), _whole(values[1].array()), shape)
    is_test = item.op_type in TESTS
    dtype = np.dtype(bool) if is_test else values[0].dtype

    def compute() -> Array:
        left, right = (v.array() for v in values)
        with np.errstate(all="ignore"):
            if item.op_type != "Div":
                found = BINARY[item.op_type](left, right)
            elif np.issubdtype(left.dtype, np.floating):
                found = np.divide(left, right)
            elif (right == 0).any():
                raise broken("it divides by 0")
            else:
                found = np.sign(left) * np.sign(right) * (np.abs(left) // np.abs(right))
            made: Array = np.asarray(found).astype(dtype)
        return made

    if count <= MAX_NOW:
        r.budget.hold(count)
        return constant(compute())
    r.budget.take(count)
    return computed(shape, dtype, compute, *values)


def _with_sizes(item: Item, left: Array, right: Array, shape: tuple[int, ...]) -> Constant:
    """Whole numbers of which some are symbolic sizes."""
    if item.op_type == "Div":
        pairs = zip(*(np.broadcast_to(x, shape).reshape(-1) for x in (left, right)), strict=True)
        return _sizes([_divided(a, b) for a, b in pairs], shape)
    if item.op_type not in SIZES_TOO:
        raise unsayable("it computes with sizes that are not known")
    return _sizes(list(np.asarray(BINARY[item.op_type](left, right)).reshape(-1)), shape)


def _sizes(values: list[Any], shape: tuple[int, ...]) -> Constant:
    """Whole numbers, of which some may be symbolic."""
    if not any(isinstance(v, Term) for v in values):
        kind = bool if values and all(isinstance(v, bool | np.bool_) for v in values) else np.int64
        return constant(np.array(values, dtype=kind).reshape(shape))
    array: Array = np.empty(len(values), dtype=object)
    array[:] = values
    return constant(array.reshape(shape))


@fold(*UNARY)
def unary(r: Reader, item: Item, values: list[Constant]) -> Constant:
    value = values[0]
    if value.dtype == object:
        if item.op_type in ("Floor", "Ceil"):
            return value
        raise unsayable("it computes with sizes that are not known")
    dtype = np.dtype(bool) if item.op_type == "Not" else value.dtype

    def compute() -> Array:
        with np.errstate(all="ignore"):
            made: Array = np.asarray(UNARY[item.op_type](value.array())).astype(dtype)
        return made

    if value.size <= MAX_NOW:
        r.budget.hold(value.size)
        return constant(compute())
    r.budget.take(value.size)
    return computed(value.shape, dtype, compute, value)


@fold("Identity")
def identity(r: Reader, item: Item, values: list[Constant]) -> Constant:
    name = item.proto.output[0]
    return values[0].called(name) if "." in name else values[0]


@fold("Cast", "CastLike")
def cast(r: Reader, item: Item, values: list[Constant]) -> Constant:
    value = values[0]
    if value.dtype == object:
        return value
    if item.op_type == "CastLike":
        target = values[1].dtype
    else:
        kind = item.whole("to", 1)
        if kind not in TYPES:
            raise unsayable("it makes numbers of a type that the language has not")
        target = np.dtype(TYPES[kind][0])
    if target in (np.dtype(object), value.dtype):
        return value

    def change() -> Array:
        with np.errstate(all="ignore"):
            return value.array().astype(target)

    return computed(value.shape, target, change, value, name=value.name)


@fold("Dropout")
def dropout(r: Reader, item: Item, values: list[Constant]) -> Constant:
    return values[0]


# --- shapes -----------------------------------------------------------------------------------------------------------


@fold("Shape")
def shape(r: Reader, item: Item, values: list[Constant]) -> Constant:
    dims = values[0].shape
    rank = len(dims)
    start, end = (
        min(max(p + rank if p < 0 else p, 0), rank) for p in (item.whole("start", 0), item.whole("end", rank))
    )
    return constant(np.array(dims[start:end], dtype=np.int64))


@fold("Size")
def size(r: Reader, item: Item, values: list[Constant]) -> Constant:
    return constant(np.array(values[0].size, dtype=np.int64))


@fold("Reshape")
def reshape(r: Reader, item: Item, values: list[Constant]) -> Constant:
    wanted = ints_of(values[1], "shape") if len(values) > 1 else list(item.ints("shape") or ())
    dims = [
        values[0].shape[i] if d == 0 and not item.flag("allowzero") and i < len(values[0].shape) else d
        for i, d in enumerate(wanted)
    ]
    if dims.count(-1) == 1:
        rest = -math.prod(dims)
        dims[dims.index(-1)] = values[0].size // rest if rest > 0 else 0
    if any(d < 0 for d in dims) or math.prod(dims) != values[0].size:
        raise broken(f"{list(values[0].shape)} cannot have the shape {wanted}")
    return values[0].reshaped(*dims)


def _axes(item: Item, values: list[Constant]) -> list[int] | None:
    if len(values) > 1:
        return ints_of(values[1], "axes")
    stated = item.ints("axes")
    return None if stated is None else list(stated)


@fold("Squeeze")
def squeeze(r: Reader, item: Item, values: list[Constant]) -> Constant:
    dims = values[0].shape
    axes = _axes(item, values)
    places = {i for i, d in enumerate(dims) if d == 1} if axes is None else {axis_of(a, len(dims)) for a in axes}
    if any(dims[p] != 1 for p in places):
        raise broken(f"it drops axes of {list(dims)} that are not of size 1")
    return values[0].reshaped(*(d for i, d in enumerate(dims) if i not in places))


@fold("Unsqueeze")
def unsqueeze(r: Reader, item: Item, values: list[Constant]) -> Constant:
    axes = _axes(item, values) or []
    rank = len(values[0].shape) + len(axes)
    places = {axis_of(a, rank) for a in axes}
    if len(places) != len(axes) or rank > 16:
        raise broken(f"its axes are {axes}")
    rest = iter(values[0].shape)
    return values[0].reshaped(*(1 if i in places else next(rest) for i in range(rank)))


@fold("Flatten")
def flatten(r: Reader, item: Item, values: list[Constant]) -> Constant:
    dims, axis = values[0].shape, item.whole("axis", 1)
    if not -len(dims) <= axis <= len(dims):
        raise broken(f"its axis {axis} is none of {len(dims)}")
    return values[0].reshaped(math.prod(dims[:axis]), math.prod(dims[axis:]))


@fold("Transpose")
def transpose(r: Reader, item: Item, values: list[Constant]) -> Constant:
    dims = values[0].shape
    order = item.ints("perm") or tuple(reversed(range(len(dims))))
    if sorted(order) != list(range(len(dims))):
        raise broken(f"its perm {list(order)} is no order of {len(dims)} axes")
    return values[0].then(tuple(dims[i] for i in order), lambda a: a.transpose(order), values[0].name)


@fold("Concat")
def concat(r: Reader, item: Item, values: list[Constant]) -> Constant:
    axis = axis_of(item.whole("axis", 0), len(values[0].shape))
    r.budget.hold(sum(v.size for v in values))
    arrays = [v.array() for v in values]
    if any(a.dtype == object for a in arrays):
        arrays = [a.astype(object) for a in arrays]
    found = np.concatenate(arrays, axis)
    return _sizes(list(found.reshape(-1)), found.shape) if found.dtype == object else constant(found)


@fold("Gather")
def gather(r: Reader, item: Item, values: list[Constant]) -> Constant:
    axis = axis_of(item.whole("axis", 0), len(values[0].shape))
    if values[1].dtype == object or values[1].is_float:
        raise broken("its indices are no whole numbers")
    r.budget.hold(values[0].size * max(values[1].size, 1))
    return _again(np.take(values[0].array(), values[1].array().astype(np.int64), axis))


def _again(found: Any) -> Constant:
    """An array that may be of sizes, of which perhaps none is symbolic any more."""
    array = np.asarray(found)
    if array.dtype == object or isinstance(found, Term):
        return _sizes([found] if isinstance(found, Term) else list(array.reshape(-1)), array.shape)
    return constant(array)


@fold("Slice")
def cut(r: Reader, item: Item, values: list[Constant]) -> Constant:
    dims = values[0].shape
    if len(values) > 1:
        starts, ends, *more = (ints_of(v, "bounds") for v in values[1:])
    else:
        starts, ends = list(item.ints("starts") or ()), list(item.ints("ends") or ())
        more = [list(a)] if (a := item.ints("axes")) is not None else []
    axes = more[0] if more else list(range(len(starts)))
    steps = more[1] if len(more) > 1 else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise broken("its starts, ends, axes and steps do not fit each other")
    r.budget.hold(values[0].size)
    cuts = [slice(None)] * len(dims)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        bound = None if step < 0 and end < -(2**30) else end
        cuts[axis_of(axis, len(dims))] = slice(start, bound, step)
    return _again(values[0].array()[tuple(cuts)])


@fold("Split")
def split(r: Reader, item: Item, values: list[Constant]) -> list[Constant]:
    axis = axis_of(item.whole("axis", 0), len(values[0].shape))
    whole, count = values[0].shape[axis], len(item.proto.output)
    stated = list(item.ints("split") or ()) if len(values) < 2 else ints_of(values[1], "split")
    if not stated:
        each = -(-whole // count)
        stated = [max(min(each, whole - each * i), 0) for i in range(count)]
    if sum(stated) != whole or min(stated) < 0 or len(stated) != count:
        raise broken(f"its parts {stated} do not add up to {whole}")
    r.budget.hold(values[0].size)
    array = values[0].array()
    return [_again(part) for part in np.split(array, np.cumsum(stated)[:-1], axis)]


# --- made from nothing ------------------------------------------------------------------------------------------------


@fold("ConstantOfShape")
def constant_of_shape(r: Reader, item: Item, values: list[Constant]) -> Constant:
    dims = tuple(ints_of(values[0], "shape"))
    tensor = item.tensor("value")
    value = constant_of(tensor, r.model.folder, "value") if tensor is not None else constant(np.zeros(1, np.float32))
    if value.size != 1 or any(d < 0 for d in dims):
        raise broken("it repeats one number in a shape")
    r.budget.take(math.prod(dims))
    array = value.array().reshape(())
    return Constant(dims, value.dtype, lambda: np.broadcast_to(array, dims), item.proto.output[0])


@fold("Expand")
def expand(r: Reader, item: Item, values: list[Constant]) -> Constant:
    dims = np.broadcast_shapes(values[0].shape, tuple(ints_of(values[1], "shape")))
    r.budget.take(math.prod(dims))
    return values[0].then(dims, lambda a: np.broadcast_to(a, dims))


@fold("Tile")
def tile(r: Reader, item: Item, values: list[Constant]) -> Constant:
    times = ints_of(values[1], "repeats")
    if len(times) != len(values[0].shape) or any(t < 0 for t in times):
        raise broken(f"its repeats are {times}")
    r.budget.hold(values[0].size * math.prod(times))
    return _again(np.tile(values[0].array(), times))


@fold("Range")
def ranged(r: Reader, item: Item, values: list[Constant]) -> Constant:
    start, limit, delta = (v.number() if v.is_float else int(v.number()) for v in values)
    if delta == 0 or not all(map(math.isfinite, (start, limit, delta))):
        raise broken("it never ends")
    r.budget.hold(max(math.ceil((limit - start) / delta), 0))
    return constant(np.arange(start, limit, delta).astype(values[0].dtype))


@fold("Where")
def where(r: Reader, item: Item, values: list[Constant]) -> Constant:
    r.budget.hold(math.prod(np.broadcast_shapes(*(v.shape for v in values))))
    return _again(np.where(*(v.array() for v in values)))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceL2": lambda x, **how: np.sqrt(np.sum(np.square(x), **how)),
    "ReduceMax": np.max,
    "ReduceMean": np.mean,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
}


@fold(*REDUCTIONS)
def reduce(r: Reader, item: Item, values: list[Constant]) -> Constant:
    value, rank = values[0], len(values[0].shape)
    if value.dtype == object and item.op_type not in ("ReduceProd", "ReduceSum"):
        raise unsayable("it computes with sizes that are not known")
    places = tuple(sorted({axis_of(a, rank) for a in _axes(item, values) or range(rank)}))
    keeps = item.flag("keepdims", True)
    shape = tuple(1 if i in places else d for i, d in enumerate(value.shape) if keeps or i not in places)

    def compute() -> Array:
        with np.errstate(all="ignore"):
            made: Array = np.asarray(REDUCTIONS[item.op_type](value.array(), axis=places, keepdims=keeps))
        return made.astype(value.dtype)

    if value.size <= MAX_NOW:
        r.budget.hold(value.size)
        return _again(compute())
    r.budget.take(value.size)
    return computed(shape, value.dtype, compute, value)


@rule("Constant")
def stated(r: Reader, item: Item, inputs: list[Value | None]) -> Value:
    tensor = item.tensor("value") if item.has("value") else None
    if tensor is not None:
        return constant_of(tensor, r.model.folder, item.proto.output[0])
    for name, kind in (("value_float", np.float32), ("value_int", np.int64)):
        if item.has(name):
            return constant(
                np.array(item.number_of(name, 0) if kind is np.float32 else item.whole(name, 0), dtype=kind)
            )
    if item.has("value_floats"):
        return constant(np.array(item.floats("value_floats"), dtype=np.float32))
    if item.has("value_ints"):
        return constant(np.array(item.ints("value_ints"), dtype=np.int64))
    raise unsayable("it holds no numbers")


def folded(r: Reader, item: Item, inputs: list[Value | None]) -> list[Constant] | None:
    """What a node of constants computes; None where its operator is not one that is folded."""
    if item.op_type not in FOLDS:
        return None
    found = FOLDS[item.op_type](r, item, [need_constant(v, "input") for v in inputs if v is not None])
    return found if isinstance(found, list) else [found]

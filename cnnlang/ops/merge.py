"""Merges: one value of several branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnlang.dims import Dim, Term, substitute, variables
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, op
from cnnlang.ops.conv import Conv
from cnnlang.ops.shape import Crop

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

AXES = ("batches", "channels", "heights", "widths")


class Merge(Op):
    """One value of two or more: `add { | ... | ... }`."""

    arity = None
    is_merge = True

    def unequal(self, inputs: tuple[TensorType, ...], branch: int, axis: int, need: str) -> OperatorError:
        """The error for a branch that differs from the first along an axis: E0203, or E0205 where nobody can know."""
        left, right = inputs[0].shape[axis], inputs[branch].shape[axis]
        if not isinstance(left - right, int):
            message = f"`{self.name}` needs {need}, and {right} cannot be proved equal to {left}"
            return OperatorError("E0205", message, help=multiple(inputs[0], inputs[branch]), branch=branch)
        message = f"`{self.name}` needs {need}"
        for fault, target in ((branch, inputs[0]), (0, inputs[branch])):
            # where the branch cannot come down to the first, the first may come down to the branch
            step = self.cure(inputs[fault], target)
            if step and all(self.cure(x, target) == "" for i, x in enumerate(inputs) if i != fault):
                cure = f"the {ordinal(fault)} branch fits with one step more:  -> {step}"
                return OperatorError("E0203", message, help=cure, after=step, branch=fault)
        cure = f"the {AXES[axis]} differ"
        if axis > 1:
            cure += "; a padding, stride or upsampling in one branch sets it right"
        return OperatorError("E0203", message, help=cure, branch=branch)

    def cure(self, x: TensorType, target: TensorType) -> str | None:
        """The step after which a branch fits another; empty where it does, None where there is none."""
        if x == target:
            return ""
        if (x.rank, target.rank) == (2, 2) and x.batch == target.batch:
            return f"dense({target.channels})"
        return projection(x, target) or cropping(x, target)


def projection(x: TensorType, target: TensorType) -> str | None:
    """The `conv` with a 1x1 kernel that brings a map to another's shape, where a stride can."""
    if (x.rank, target.rank) != (4, 4) or x.batch != target.batch:
        return None
    strides = []
    for size, wanted in zip(x.shape[2:], target.shape[2:], strict=True):
        if isinstance(size, int) and isinstance(wanted, int):
            strides.append(-(-size // wanted))
        elif size == wanted:
            strides.append(1)
        else:
            return None
    conv = Conv.make({"channels": target.channels, "kernel": 1, "stride": tuple(strides)})
    return str(conv) if conv.result(x) == target else None


def cropping(x: TensorType, target: TensorType) -> str | None:
    """The `crop` that brings a map to another's height and width, where it is larger by a known number."""
    if (x.rank, target.rank) != (4, 4) or x.shape[:2] != target.shape[:2]:
        return None
    sides: list[int] = []
    for size, wanted in zip(x.shape[2:], target.shape[2:], strict=True):
        extra = size - wanted
        if not isinstance(extra, int) or extra < 0:
            return None
        sides += [extra // 2, extra - extra // 2]
    return str(Crop.make({"amount": tuple(sides)}))


def multiple(left: TensorType, right: TensorType) -> str:
    """How an input may be declared so that two maps are of equal sizes, if a multiple makes them so."""
    sizes_of = list(zip(left.shape[2:], right.shape[2:], strict=True))
    names = {name for a, b in sizes_of if a != b for name in variables(a) | variables(b)}
    for factor in (2, 3, 4, 6, 8, 12, 16, 32, 64, 128):
        scaled: dict[str, Dim] = {name: factor * Term.variable(name) for name in names}
        if all(substitute(a, scaled) == substitute(b, scaled) for a, b in sizes_of):
            sizes = " and ".join(f"{factor}*{name}" for name in sorted(names))
            return f"declare the input's size as {sizes}"
    return "declare the input's size as numbers, or change the paddings so that both come out alike"


def ordinal(branch: int) -> str:
    """`second` for 1."""
    names = ("first", "second", "third", "fourth", "fifth")
    return names[branch] if branch < len(names) else f"{branch + 1}th"


class SameShape(Merge):
    """A merge of equal shapes, number by number.

    Class attributes
    ----------------
    step
        The number so far, `acc`, with the next branch's, `x`, as a Python expression; the first branch is the start.
    finish
        The result from the last `acc`, where it is another: `acc / count`, `count` branches.
    over
        The NumPy function that does the same over an axis.
    """

    step: ClassVar[str]
    finish: ClassVar[str] = "acc"
    over: ClassVar[str]

    def result(self, *inputs: TensorType) -> TensorType:
        first = inputs[0]
        for branch, x in enumerate(inputs[1:], 1):
            if x != first:
                raise self._mismatch(inputs, branch)
        return first

    def _mismatch(self, inputs: tuple[TensorType, ...], branch: int) -> OperatorError:
        first, x = inputs[0], inputs[branch]
        need = "equal shapes"
        if x.rank != first.rank:
            flat = branch if x.rank == 2 else 0
            cure = f"the {ordinal(flat)} branch is no map; leave its `flatten` or global pooling out"
            return OperatorError("E0203", f"`{self.name}` needs {need}", help=cure, branch=branch)
        axis = next(a for a, (d, e) in enumerate(zip(first.shape, x.shape, strict=True)) if d != e)
        return self.unequal(inputs, branch, axis, need)

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        y: Array = getattr(np, self.over)(np.stack(inputs), axis=0)
        return y


class Broadcasting(SameShape):
    """A merge that also takes features `[N, C]`, one number a channel, over maps `[N, C, H, W]`."""

    def result(self, *inputs: TensorType) -> TensorType:
        maps = [x for x in inputs if x.rank == 4]
        if not maps or len(maps) == len(inputs):
            return super().result(*inputs)
        super().result(*maps)
        features = TensorType(maps[0].shape[:2])
        for branch, x in enumerate(inputs):
            if x.rank == 2 and x != features:
                need = f"`{self.name}` needs equal shapes, or features [N, C] over maps [N, C, H, W]"
                cure = f"the features of the {ordinal(branch)} branch must be {features}:  -> dense({maps[0].channels})"
                raise OperatorError("E0203", need, help=cure, after=f"dense({maps[0].channels})", branch=branch)
        return maps[0]

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        rank = max(x.ndim for x in inputs)
        return super().reference(*np.broadcast_arrays(*(x.reshape(*x.shape, *(1,) * (rank - x.ndim)) for x in inputs)))


@op("add", "Eltwise", "shortcut", "Sum", "elementwise_add", "residual")
class Add(Broadcasting):
    """The sum of the branches, number by number.

    Shapes: all equal; features `[N, C]` count for every place of maps `[N, C, H, W]`.

    Examples
    --------
    add { | conv(64, 3, pad=1) -> bn | in }

    Source: He et al. 2015, ResNet; ONNX Add.
    """

    step, over = "acc + x", "sum"


@op("mul", "multiply", "scale", "prod", "elementwise_mul")
class Mul(Broadcasting):
    """The product of the branches, number by number.

    Shapes: all equal; features `[N, C]` count for every place of maps `[N, C, H, W]` (squeeze-and-excitation).

    Examples
    --------
    mul { | in | global_avgpool -> dense(in.channels) -> sigmoid }

    Source: Hu et al. 2017, Squeeze-and-Excitation; ONNX Mul.
    """

    step, over = "acc * x", "prod"


@op("max", "maximum", "elementwise_max", "maxout")
class Max(SameShape):
    """The largest of the branches, number by number.

    Shapes: all equal.

    Examples
    --------
    max { | conv(32, 3, pad=1) | conv(32, 5, pad=2) }

    Source: Goodfellow et al. 2013, Maxout; ONNX Max.
    """

    step, over = "max(acc, x)", "max"
    torch = "torch.stack([{xs}]).amax(0)"


@op("mean", "average")
class Mean(SameShape):
    """The average of the branches, number by number.

    Shapes: all equal.

    Examples
    --------
    mean { | conv(32, 3, pad=1) | conv(32, 5, pad=2) }

    Source: keras.layers.Average, ONNX Mean.
    """

    step, finish, over = "acc + x", "acc / count", "mean"
    torch = "torch.stack([{xs}]).mean(0)"


@op("concat", "cat", "Concatenate", "route", "DepthConcat", "merge", "stack")
class Concat(Merge):
    """The channels of the branches one after the other, in their order.

    Shapes: `[N, C1, H, W]`, `[N, C2, H, W]`, ... to `[N, C1 + C2 + ..., H, W]`, equal in height and width; or
    all `[N, C]`.

    Examples
    --------
    concat { | conv(64, 1) | conv(64, 3, pad=1) }

    Source: torch.cat(xs, 1), ONNX Concat with axis 1.
    """

    torch = "torch.cat([{xs}], 1)"

    def cure(self, x: TensorType, target: TensorType) -> str | None:
        if x.rank != target.rank:
            return None
        return super().cure(x, TensorType((target.batch, x.channels, *target.shape[2:])))

    def result(self, *inputs: TensorType) -> TensorType:
        first = inputs[0]
        need = "equal heights and widths"
        for branch, x in enumerate(inputs[1:], 1):
            if x.rank != first.rank:
                cure = "make maps of all branches, or features of all, with `flatten` or `global_avgpool`"
                raise OperatorError("E0203", f"`concat` needs {need}", help=cure, branch=branch)
            for axis in (0, *range(2, first.rank)):
                if x.shape[axis] != first.shape[axis]:
                    raise self.unequal(inputs, branch, axis, need)
        channels: Dim = sum(x.channels for x in inputs)
        return TensorType((first.batch, channels, *first.shape[2:]))

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.concatenate(inputs, axis=1)

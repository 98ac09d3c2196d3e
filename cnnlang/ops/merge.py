"""Merges: one value of several branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnlang.dims import Dim
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops.base import Op, op
from cnnlang.ops.conv import Conv

if TYPE_CHECKING:
    from cnnlang.ops.base import Array

AXES = ("batch", "channels", "height", "width")


class Merge(Op):
    """One value of two or more: `add { | ... | ... }`."""

    arity = None
    is_merge = True

    def unequal(self, inputs: tuple[TensorType, ...], branch: int, axis: int, need: str) -> OperatorError:
        """The error for a branch that differs from the first along an axis: E0203, or E0205 where nobody can know."""
        left, right = inputs[0].shape[axis], inputs[branch].shape[axis]
        if not isinstance(left - right, int):
            message = f"`{self.name}` needs {need}, and {right} cannot be proved equal to {left}"
            cure = "declare the input's size as a multiple of the net's total stride, such as [N, 3, 32*H, 32*W]"
            return OperatorError("E0205", message, help=cure, branch=branch)
        return OperatorError("E0203", f"`{self.name}` needs {need}", branch=branch)


def projection(x: TensorType, target: TensorType) -> str | None:
    """The `conv` with a 1x1 kernel that brings a map to another's shape, where a stride can."""
    if x.rank != 4 or target.rank != 4 or x.batch != target.batch:
        return None
    sizes = (x.height, x.width, target.height, target.width)
    strides = [1, 1]
    for axis, (size, wanted) in enumerate(((sizes[0], sizes[2]), (sizes[1], sizes[3]))):
        if size != wanted:
            if not (isinstance(size, int) and isinstance(wanted, int) and size > wanted):
                return None
            strides[axis] = -(-size // wanted)
    conv = Conv.make({"channels": target.channels, "kernel": 1, "stride": (strides[0], strides[1])})
    return str(conv) if conv.result(x) == target else None


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
        error = self.unequal(inputs, branch, axis, need)
        if error.code == "E0205":
            return error
        # where the branch cannot come down to the first, the first may come down to the branch
        for fault, target in ((branch, first), (0, x)):
            step = projection(inputs[fault], target)
            if step and all(t == target for i, t in enumerate(inputs) if i != fault):
                text = f"project the {ordinal(fault)} branch:  -> {step}"
                return OperatorError("E0203", error.message, help=text, after=step, branch=fault)
        return OperatorError("E0203", error.message, help=f"the {AXES[axis]} differs", branch=branch)

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

    def result(self, *inputs: TensorType) -> TensorType:
        first = inputs[0]
        need = "equal heights and widths"
        for branch, x in enumerate(inputs[1:], 1):
            if x.rank != first.rank:
                cure = "make maps of all branches, or features of all, with `flatten` or `global_avgpool`"
                raise OperatorError("E0203", f"`concat` needs {need}", help=cure, branch=branch)
            for axis in (0, *range(2, first.rank)):
                if x.shape[axis] != first.shape[axis]:
                    error = self.unequal(inputs, branch, axis, need)
                    if error.code == "E0205":
                        raise error
                    cure = f"the {AXES[axis]} differs; a padding, stride or upsampling in one branch sets it right"
                    raise OperatorError("E0203", error.message, help=cure, branch=branch)
        channels: Dim = sum(x.channels for x in inputs)
        return TensorType((first.batch, channels, *first.shape[2:]))

    def reference(self, *inputs: Array) -> Array:
        import numpy as np

        return np.concatenate(inputs, axis=1)

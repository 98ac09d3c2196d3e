"""Activations, normalisation and dropout."""

from __future__ import annotations

from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import Lit, Local
from cnnlang.backends.python_source.rules import NoRule
from cnnlang.backends.python_source.steps import Module
from cnnlang.backends.python_source.template import parsed
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.torch_source.rules import Piece, layer, pieces, plain
from cnnlang.ir import TensorType
from cnnlang.ops.dense import Dropout
from cnnlang.ops.elementwise import Activation, Prelu
from cnnlang.ops.norm import BatchNorm, GroupNorm, LocalResponseNorm, Normalize

SELF_TRAINING = Local("self.training")


# modules of activations by operator; their functions are the operators' own lines
ACTIVATIONS = {
    "relu": "nn.ReLU()",
    "relu6": "nn.ReLU6()",
    "leaky_relu": "nn.LeakyReLU({slope})",
    "elu": "nn.ELU()",
    "selu": "nn.SELU()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "hardswish": "nn.Hardswish()",
    "hardsigmoid": "nn.Hardsigmoid()",
    "mish": "nn.Mish()",
    "softplus": "nn.Softplus()",
    "sigmoid": "nn.Sigmoid()",
    "tanh": "nn.Tanh()",
    "softmax": "nn.Softmax(dim=1)",
    "log_softmax": "nn.LogSoftmax(dim=1)",
}


FUNCTIONS = {"softmax": "F.softmax({x}, dim=1)", "log_softmax": "F.log_softmax({x}, dim=1)"}


@pieces.register
def _(op: Activation, use: Use[Activation]) -> list[Piece]:
    line = FUNCTIONS.get(op.name, op.torch)
    if line is None:
        raise NoRule
    fields = {f.name: use.argument(f.name) for f in op.fields()}
    module = ACTIVATIONS.get(op.name)
    modules = (Module(op.name, parsed(module, fields)),) if module else ()
    return [Piece(modules, lambda x: parsed(line, {**fields, "x": x}), wraps=True, trails=True)]


@pieces.register
def _(op: Prelu, use: Use[Prelu]) -> list[Piece]:
    return [layer("prelu", call("nn.PReLU", use.channels), wraps=True)]


@pieces.register
def _(op: BatchNorm, use: Use[BatchNorm]) -> list[Piece]:
    module = "nn.BatchNorm2d" if use.rank == 4 else "nn.BatchNorm1d"
    made = call(module, use.channels, eps=use.optional("eps"), momentum=use.optional("momentum"))
    return [layer("bn", made, wraps=True)]


@pieces.register
def _(op: GroupNorm, use: Use[GroupNorm]) -> list[Piece]:
    module = "nn.GroupNorm"
    if any(x.channels == op.groups and (x.rank == 2 or not _is_larger(x)) for op, x in use.all()):
        use.helpers.add("GroupNorm")
        module = "GroupNorm"
    made = call(module, use.argument("groups"), use.channels, eps=use.optional("eps"))
    return [layer("group_norm", made, wraps=True)]


@pieces.register
def _(op: LocalResponseNorm, use: Use[LocalResponseNorm]) -> list[Piece]:
    size = use.argument("size")
    named = {name: use.optional(name) for name in ("alpha", "beta", "k")}
    made = call("nn.LocalResponseNorm", size, **named)
    return [plain("lrn", made, lambda x: call("F.local_response_norm", x, size, **named), trails=True)]


@pieces.register
def _(op: Normalize, use: Use[Normalize]) -> list[Piece]:
    use.helpers.add("Normalize")
    shape = Lit((-1,)) if use.rank == 2 else None
    made = call("Normalize", use.argument("mean"), use.argument("std"), shape=shape)
    return [layer("normalize", made, weighted=False)]


@pieces.register
def _(op: Dropout, use: Use[Dropout]) -> list[Piece]:
    rate = use.argument("rate")
    function = lambda x: call("F.dropout", x, rate, SELF_TRAINING)  # noqa: E731
    return [plain("dropout", call("nn.Dropout", rate), function, wraps=True, trails=True)]


def _is_larger(x: TensorType) -> bool:
    """Whether a map is surely of more than one cell."""
    return any(isinstance(size, int) and size > 1 for size in x.shape[2:])

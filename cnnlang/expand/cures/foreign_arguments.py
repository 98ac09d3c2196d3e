"""An argument that a call does not have: what other frameworks mean by it, and how that is said here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.removal import at, remove_argument
from cnnlang.expand.cures.suggest import nearest
from cnnlang.ops import OPERATORS
from cnnlang.source import Span
from cnnlang.syntax import tree

# Arguments that other frameworks need and this language derives by itself.
DERIVED = frozenset({
    "in_channels", "in_features", "num_features", "input_shape", "input_dim", "input_size", "batch_input_shape",
    "num_channels", "in_planes", "normalized_shape", "c1", "ch_in",
})  # fmt: skip

# Arguments that say what is not the net's business here: layout, machine, training.
ELSEWHERE = frozenset({
    "inplace", "data_format", "data_layout", "layout", "device", "dtype", "trainable", "axis", "dim", "start_dim",
    "track_running_stats", "affine", "center", "scale_fn", "kernel_initializer", "bias_initializer",
    "kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "gamma_initializer",
    "beta_initializer", "weight_filler", "bias_filler", "weight_init", "return_indices", "align_corners", "training",
    "recompute_scale_factor", "seed", "keepdim", "keepdims", "end_dim", "noise_shape",
    "weights_initializer", "kernel_init",
})  # fmt: skip

# Arguments that stand for a step of their own after this one.
STEPS = {
    "batch_norm": "bn", "batch_normalize": "bn", "batch_normalization": "bn", "bn": "bn", "use_bn": "bn",
    "norm": "bn", "normalization": "bn", "flatten": "flatten", "relu": "relu",
}  # fmt: skip

NAMED = frozenset({"name", "label", "id"})
ACTIVATED = frozenset({"activation", "act", "nonlinearity", "activation_fn", "act_layer", "non_linearity"})


@dataclass(frozen=True, slots=True)
class Rest:
    """What a call may still be given.

    Attributes
    ----------
    free
        The arguments that it does not have yet.
    only
        The one of them that must be meant, if there is one: alone required, or alone of a block's.
    aliases
        What others call the call's arguments.
    signature
        How the call reads.
    """

    free: Sequence[str]
    only: str | None
    aliases: Mapping[str, str]
    signature: str


def unknown_argument(
    arguments: Sequence[tree.Argument], argument: tree.Argument, rest: Rest, call: Span
) -> tuple[Help, ...]:
    """The cure for an argument, which has a name, that a call does not have.

    Parameters
    ----------
    arguments
        All arguments of the call.
    argument
        The one that is unknown.
    rest
        What the call may still be given.
    call
        Where the call stands.
    """
    assert argument.name is not None
    key, value = argument.name.name, argument.value
    drop = remove_argument(arguments, argument)
    alias = rest.aliases.get(key) or rest.aliases.get(key.lower())
    if alias in rest.free:
        words = f"`{key}` is called `{alias}` here"
        return (Help(words, (Edit(argument.name.span, str(alias)), *_other_value(arguments, argument))),)
    if key in ACTIVATED:
        return _activation(value, drop, call)
    if key in STEPS:
        step = STEPS[key]
        if isinstance(value, tree.Constant) and not value.value:
            return (Help(f"without `{step}` there is nothing to write: take it away", (drop,)),)
        return (Help(f"that is a step of its own: write `-> {step}`", (drop, _after(call, f" -> {step}"))),)
    if key in NAMED and isinstance(value, tree.Constant):
        return _name(str(value.value), drop, call)
    if alias:
        return (Help(f"it is `{alias}`, which is given too: take one away", (drop,)),)
    if key in DERIVED:
        return (Help(f"`{key}` is found out by itself: take it away", (drop,)),)
    if key in ELSEWHERE:
        return (Help(f"`{key}` is not said here: take it away", (drop,)),)
    near = nearest(key, rest.free)
    if near:
        return (Help(f"did you mean `{near}`?", (Edit(argument.name.span, near),)),)
    if rest.only:
        return (Help(f"the argument that is left is called `{rest.only}`", (Edit(argument.name.span, rest.only),)),)
    return (Help(f"take it away; its arguments are `{rest.signature}`", (drop,)),)


def _after(call: Span, text: str) -> Edit:
    return Edit(at(call, call.end), text)


def _after_bn(call: Span, text: str) -> Edit:
    """What stands behind the normalisation, if that follows."""
    found = re.match(r"[ \t]*->[ \t]*bn\b(?:\([^()]*\))?", call.source.text[call.end :])
    return Edit(at(call, call.end + (found.end() if found else 0)), text)


def _other_value(arguments: Sequence[tree.Argument], argument: tree.Argument) -> tuple[Edit, ...]:
    """Where not the name alone is another: Keras's padding beside a stride, and the running mean's other half."""
    assert argument.name is not None
    key, value = argument.name.name, argument.value
    if not isinstance(value, tree.Constant):
        return ()
    strided = any(a.name and a.name.name in ("strides", "stride") for a in arguments)
    if key == "padding" and str(value.value).lower() == "same" and strided:
        return (Edit(value.span, '"same_upper"'),)
    if key == "decay" and isinstance(value.value, float) and 0.5 < value.value < 1:
        return (Edit(value.span, f"{1 - value.value:.6g}"),)
    return ()


def _activation(value: tree.Expr, drop: Edit, call: Span) -> tuple[Help, ...]:
    match value:
        case tree.Constant(value=word) | tree.Name(name=word) | tree.Call(name=tree.Name(name=word)):
            word = str(word)
        case tree.Attribute(name=tree.Name(name=word)):
            word = str(word)
        case _:
            word = ""
    if word.lower() in ("linear", "none", "identity", "null"):
        return (Help("without an activation there is nothing to write: take it away", (drop,)),)
    found = word if word in OPERATORS else OPERATORS.foreign(word) if word else None
    if found:
        words = f"an activation is a step of its own: write `-> {found}`"
        return (Help(words, (drop, _after_bn(call, f" -> {found}"))),)
    near = nearest(word, [n for n, o in OPERATORS.items() if not o.is_merge]) if word else None
    cure = (drop, _after_bn(call, f" -> {near}")) if near else ()
    return (Help(f"an activation is a step of its own: write `-> {near or 'relu'}`", cure),)


def _name(name: str, drop: Edit, call: Span) -> tuple[Help, ...]:
    rest = call.source.text[call.end :].lstrip(" ")
    if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and not re.match(r"\*|as\b", rest):
        return (Help(f"a name is given by `as {name}`", (drop, _after(call, f" as {name}"))),)
    return (Help("a name is given by `as`: take it away", (drop,)),)

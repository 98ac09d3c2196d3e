"""Which argument of a call is which: names, order, and what is missing or too much, for operators and blocks alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.suggest import nearest
from cnnlang.ops import OPERATORS
from cnnlang.signature import Declared
from cnnlang.source import Span
from cnnlang.syntax import tree

# What to write, as an example, where a required argument is missing.
EXAMPLES = {
    "kernel": "3", "channels": "64", "units": "10", "size": "5", "rate": "0.5", "amount": "1", "scale": "2",
    "lr": "0.01", "epochs": "5", "every": "10", "at": "[30, 60]", "gamma": "0.95", "pixels": "2", "degrees": "10",
    "low": "0.9", "high": "1.1", "std": "0.02", "down": "1", "right": "1",
}  # fmt: skip

# Arguments that other frameworks need and this language derives by itself.
DERIVED = (
    "in_channels", "in_features", "num_features", "input_shape", "input_dim", "batch_input_shape", "num_channels",
    "inplace", "data_format", "device", "dtype", "trainable", "axis", "dim", "track_running_stats", "affine",
    "kernel_initializer", "bias_initializer", "kernel_regularizer", "weight_filler", "bias_filler", "return_indices",
)  # fmt: skip

# How many leading arguments of a foreign call count the inputs, which this language counts by itself.
LEADING = {
    "Conv1d": 1, "Conv2d": 1, "ConvTranspose2d": 1, "Linear": 1, "LazyLinear": 0, "BatchNorm2d": 1, "BatchNorm1d": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter that a call may bind."""

    name: str
    required: bool
    tensor: bool = False


@dataclass(frozen=True, slots=True)
class Callee:
    """What is called: its name, its parameters, and how it reads in messages."""

    name: str
    slots: tuple[Slot, ...]
    signature: str
    aliases: Mapping[str, str]

    @classmethod
    @cache
    def of_declared(cls, declared: type[Declared]) -> Callee:
        slots = tuple(Slot(f.name, f.required) for f in declared.fields())
        return cls(declared.name, slots, declared.signature(), declared.argument_aliases)


def match_arguments(
    arguments: Sequence[tree.Argument], callee: Callee, span: Span, findings: Findings
) -> dict[str, tree.Argument]:
    """The argument of each slot that the call binds.

    Raises
    ------
    Abandon
        E0302, E0303 or E0304 has been reported, each of them where it stands.
    """
    bound: dict[str, tree.Argument] = {}
    names = [slot.name for slot in callee.slots]
    wrong = False
    named = False
    for i, argument in enumerate(arguments):
        if argument.name is None:
            if named:
                findings.report(
                    "E0304",
                    "an argument without a name stands after one with a name",
                    argument.span,
                    help=(Help("put it first, or name it"),),
                )
                wrong = True
            elif i >= len(names):
                findings.report(
                    "E0304",
                    _too_many(callee, len(arguments)),
                    argument.span,
                    help=(Help(f"take it away: {callee.signature}", (without(arguments, argument),)),),
                )
                wrong = True
            else:
                bound[names[i]] = argument
            continue
        named = True
        key = argument.name.name
        if key not in names:
            findings.report(
                "E0302",
                f"`{callee.name}` has no argument `{key}`",
                argument.name.span,
                help=_unknown_argument(arguments, argument, callee, span),
            )
            wrong = True
        elif key in bound:
            findings.report(
                "E0304",
                f"`{key}` of `{callee.name}` is given twice",
                argument.span,
                help=(Help("take one away", (without(arguments, argument),)),),
            )
            wrong = True
        else:
            bound[key] = argument
    missing = [slot.name for slot in callee.slots if slot.required and slot.name not in bound]
    if missing and not wrong:
        findings.report(
            "E0303",
            f"`{callee.name}` needs {_listed(missing)}",
            span,
            help=(_missing(arguments, missing, callee, span),),
        )
        wrong = True
    if wrong:
        raise Abandon
    return bound


def _too_many(callee: Callee, given: int) -> str:
    count = len(callee.slots)
    takes = "no arguments" if count == 0 else f"at most {count} argument{'s' if count > 1 else ''}"
    return f"`{callee.name}` takes {takes}, and was given {given}"


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{n}`" for n in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _missing(arguments: Sequence[tree.Argument], missing: Sequence[str], callee: Callee, span: Span) -> Help:
    words = ", ".join(f"{name}={EXAMPLES[name]}" if name in EXAMPLES else f"{name}=..." for name in missing)
    text = f"write for example `{words}`: {callee.signature}"
    if not all(name in EXAMPLES for name in missing):
        return Help(f"its arguments: {callee.signature}")
    if arguments:
        end = arguments[-1].span.end
        return Help(text, (Edit(Span(span.source, end, end), f", {words}"),))
    if span.text.endswith(")"):
        return Help(text, (Edit(Span(span.source, span.end - 1, span.end - 1), words),))
    return Help(text, (Edit(Span(span.source, span.end, span.end), f"({words})"),))


def _unknown_argument(
    arguments: Sequence[tree.Argument], argument: tree.Argument, callee: Callee, span: Span
) -> tuple[Help, ...]:
    assert argument.name is not None
    key, value = argument.name.name, argument.value
    free = {a.name.name for a in arguments if a.name}
    alias = callee.aliases.get(key)
    if alias and alias not in free:
        return (Help(f"`{key}` is called `{alias}` here", (Edit(argument.name.span, alias),)),)
    drop = without(arguments, argument)
    after = Span(span.source, span.end, span.end)
    if key in ("activation", "act"):
        word = value.value if isinstance(value, tree.Constant) else value.name if isinstance(value, tree.Name) else ""
        activation = OPERATORS.foreign(str(word)) or (word if word in OPERATORS else None)
        if activation:
            return (
                Help(
                    f"an activation is a step of its own: write `-> {activation}`",
                    (drop, Edit(after, f" -> {activation}")),
                ),
            )
        return (Help("an activation is a step of its own: write `-> relu`"),)
    if key == "name" and isinstance(value, tree.Constant) and str(value.value).isidentifier():
        return (Help(f"a name is given by `as {value.value}`", (drop, Edit(after, f" as {value.value}"))),)
    if key in DERIVED or alias:
        return (Help(f"`{key}` is found out by itself: take it away", (drop,)),)
    near = nearest(key, [s.name for s in callee.slots if s.name not in free])
    if near:
        return (Help(f"did you mean `{near}`?", (Edit(argument.name.span, near),)),)
    return (Help(f"its arguments: {callee.signature}", (drop,)),)


def without(arguments: Iterable[tree.Argument], argument: tree.Argument) -> Edit:
    """The edit that takes an argument away, with its comma."""
    listed = list(arguments)
    i = next(k for k, a in enumerate(listed) if a is argument)
    source = argument.span.source
    if i > 0:
        return Edit(Span(source, listed[i - 1].span.end, argument.span.end), "")
    if len(listed) > 1:
        return Edit(Span(source, argument.span.start, listed[1].span.start), "")
    return Edit(argument.span, "")


def evaluated(bound: Mapping[str, tree.Argument], evaluate: Any) -> dict[str, Any]:
    """The values of bound arguments, every error among them reported before the first is raised."""
    values: dict[str, Any] = {}
    failed = False
    for name, argument in bound.items():
        try:
            values[name] = evaluate(argument.value)
        except Abandon:
            failed = True
    if failed:
        raise Abandon
    return values

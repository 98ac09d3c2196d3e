"""Which argument of a call is which: names, order, and what is missing or too much, for operators and blocks alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.foreign_arguments import Rest, unknown_argument
from cnnlang.expand.cures.removal import at, remove_argument
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.signature import Declared
from cnnlang.source import Span
from cnnlang.syntax import tree

# What to write, as an example, where a required argument is missing.
EXAMPLES = {
    "kernel": "3", "channels": "64", "units": "10", "size": "5", "rate": "0.5", "amount": "1", "scale": "2",
    "groups": "1", "r": "2", "start": "0", "stop": "1", "before": "0", "after": "0", "mean": "0.5",
    "normalize.std": "0.5", "lr": "0.01", "epochs": "5", "every": "10", "at": "[30, 60]", "gamma": "0.95",
    "pixels": "2", "degrees": "10", "low": "0.9", "high": "1.1", "std": "0.02", "down": "1", "right": "1",
    "brightness.amount": "0.2", "contrast.amount": "0.2", "saturation.amount": "0.2",
}  # fmt: skip

# The same for the parameters of blocks, by what they are mostly called.
USUAL = {
    "classes": "10", "num_classes": "10", "width": "64", "c": "64", "filters": "64", "out": "64", "k": "3",
    "depths": "[3, 4, 6, 3]", "ratio": "4",
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

    @staticmethod
    def of_declared(declared: type[Declared]) -> Callee:
        """How an operator is called."""
        return _of_declared(declared)  # type: ignore[arg-type]  # mypy takes the class's __hash__ for its instances'


@cache
def _of_declared(declared: type[Declared]) -> Callee:
    slots = tuple(Slot(f.name, f.required) for f in declared.fields())
    return Callee(declared.name, slots, declared.signature(), declared.argument_aliases)


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
    given = {a.name.name for a in arguments if a.name is not None}
    wrong = False
    named = False
    for i, argument in enumerate(arguments):
        if argument.name is None:
            if named:
                findings.report(
                    "E0304",
                    "an argument without a name stands after one with a name",
                    argument.span,
                    help=(_name_it(argument, i, [n for n in names if n not in bound and n not in given], names),),
                )
                wrong = True
            elif i >= len(names):
                findings.report(
                    "E0304",
                    _too_many(callee, len(arguments)),
                    argument.span,
                    help=(Help(_take_away(callee), (remove_argument(arguments, argument),)),),
                )
                wrong = True
            else:
                bound[names[i]] = argument
            continue
        named = True
        key = argument.name.name
        if key not in names:
            free = [s for s in callee.slots if s.name not in given and s.name not in bound]
            findings.report(
                "E0302",
                f"`{callee.name}` has no argument `{key}`",
                argument.name.span,
                help=unknown_argument(arguments, argument, _rest(free, callee), span),
            )
            wrong = True
        elif key in bound:
            findings.report(
                "E0304",
                f"`{key}` of `{callee.name}` is given twice",
                argument.span,
                help=(Help("take one away", (remove_argument(arguments, argument),)),),
            )
            wrong = True
        else:
            bound[key] = argument
    missing = [slot for slot in callee.slots if slot.required and slot.name not in bound]
    if missing and not wrong:
        findings.report(
            "E0303",
            f"`{callee.name}` needs {_listed([slot.name for slot in missing])}",
            span,
            help=(_missing(arguments, missing, callee, span),),
        )
        wrong = True
    if wrong:
        raise Abandon
    return bound


def _rest(free: Sequence[Slot], callee: Callee) -> Rest:
    """What a call may still be given."""
    names = [s.name for s in free]
    likely = [s.name for s in free if s.required] or ([] if callee.aliases else names)
    return Rest(names, likely[0] if len(likely) == 1 else None, callee.aliases, callee.signature)


def _too_many(callee: Callee, given: int) -> str:
    count = len(callee.slots)
    takes = "no arguments" if count == 0 else f"at most {count} argument{'s' if count > 1 else ''}"
    return f"`{callee.name}` takes {takes}, and was given {given}"


def _take_away(callee: Callee) -> str:
    return f"take it away: `{callee.signature}`" if callee.slots else "take it away"


def _name_it(argument: tree.Argument, place: int, free: Sequence[str], names: Sequence[str]) -> Help:
    """The cure for a position after a name: the name of its place in the order, if that is free."""
    if not free:
        return Help("take it away, or put it first")
    name = names[place] if place < len(names) and names[place] in free else free[0]
    return Help(f"name it: `{name}={argument.span.text}`", (Edit(at(argument.span, argument.span.start), f"{name}="),))


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{n}`" for n in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _missing(arguments: Sequence[tree.Argument], missing: Sequence[Slot], callee: Callee, span: Span) -> Help:
    signature = f"its arguments are `{callee.signature}`"
    if any(slot.tensor for slot in missing):
        return Help(f"name a value with `as`, and give its name: {signature}")
    words = ", ".join(f"{s.name}={_example(callee.name, s.name)}" for s in missing)
    text = f"write for example `{words}`; {signature}"
    if arguments:
        return Help(text, (Edit(at(span, arguments[-1].span.end), f", {words}"),))
    if span.text.endswith(")"):
        return Help(text, (Edit(at(span, span.end - 1), words),))
    return Help(text, (Edit(at(span, span.end), f"({words})"),))


def _example(callee: str, name: str) -> str:
    return EXAMPLES.get(f"{callee}.{name}") or EXAMPLES.get(name) or USUAL.get(name) or "1"


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

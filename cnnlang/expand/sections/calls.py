"""What a section may hold: expressions, and calls and chains of what a registry declares; and the cures of mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cnnlang.diagnostics import Edit, Help
from cnnlang.errors import OperatorError
from cnnlang.expand.arguments import Callee, evaluated, match_arguments
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.evaluate import FUNCTIONS, Evaluator
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.frames import SIZES
from cnnlang.ops import OPERATORS
from cnnlang.signature import Declared, Kind, Registry, Value, show_value
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk
from cnnlang.training import REGISTRIES

D = TypeVar("D", bound=Declared)

MAX_MISTAKES = 100  # five times what is shown
PYTHON_WORDS = {"True": "true", "False": "false", "None": "none"}

# What other frameworks give a call that this language finds out by itself or does in one way only.
DERIVED = (
    "T_max", "last_epoch", "verbose", "from_logits", "reduction", "size_average", "fill", "fill_mode", "expand",
    "center", "interpolation", "decay_steps", "total_epochs", "name", "foreach", "fused",
)  # fmt: skip

# What stands first in a foreign call and is left out here: an optimizer, the net's weights.
LEADING = ("optimizer", "optim", "opt", "params", "parameters", "model", "net")

# Foreign names that have no single counterpart: what to write, as a cure where it stands in place of the call.
HABITS = {
    "ColorJitter": ("", "brightness(0.2) -> contrast(0.2)"),
    "RandomAffine": ("", "rotate(10) -> shift(2) -> scale(0.9, 1.1)"),
    "SequentialLR": ("", "warmup(5) -> cosine"),
    "ChainedScheduler": ("", "warmup(5) -> cosine"),
    "Compose": ("write a chain: `shift(2) -> rotate(10)`", ""),
    "Sequential": ("write a chain: `shift(2) -> rotate(10)`", ""),
    "ToTensor": ("pictures become numbers by themselves: take it away", ""),
    "Normalize": ("`mean` and `std` stand beside the input: `input image: [N, 3, 32, 32] { mean = ... }`", ""),
    "Resize": ("`resize` stands beside the input: `input image: [N, 3, 224, 224] { resize = 256 }`", ""),
    "CenterCrop": ("`crop` stands beside the input: `input image: [N, 3, 224, 224] { crop = 224 }`", ""),
}


def shown(value: Value) -> str:
    """A value as the language writes it, cut where it is long."""
    text = show_value(value)
    return text if len(text) <= 60 else text[:57] + "..."


def a(noun: str) -> str:
    """A noun with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def meant(value: Value, kind: Kind, span: Span) -> tuple[Help, ...]:
    """The cure for `12.0` or `"12"` where `12` is due."""
    try:
        number = float(value) if isinstance(value, float | str) else math.nan
        whole = int(number) if number.is_integer() else number
        kind.convert(whole)
    except (ValueError, OverflowError):
        return ()
    return (Help(f"write `{whole}`", (Edit(span, str(whole)),)),)


@dataclass(frozen=True, slots=True)
class Placed(Generic[D]):
    """What a call made, where it stands, and where the value of each argument that it gives stands."""

    made: D
    span: Span
    arguments: Mapping[str, Span]


class Enough(Exception):
    """A section has so many mistakes that its rest is not read."""


@dataclass(slots=True)
class Reader:
    """Reads the values of one section; every mistake is reported where it stands, and raised as Abandon.

    Attributes
    ----------
    evaluator
        With the names that the net's body has bound.
    findings
        Where mistakes go.
    numbers
        The names that have a value.
    errors
        How many mistakes were found.
    """

    evaluator: Evaluator
    findings: Findings
    numbers: Mapping[str, None] = field(init=False)
    errors: int = 0

    def __post_init__(self) -> None:
        self.numbers = dict.fromkeys(self.evaluator.names.numbers())

    def error(self, message: str, span: Span, *help: Help, code: str = "E0315") -> Abandon:
        """Report a mistake; the answer may be raised by a caller that cannot go on.

        Raises
        ------
        Enough
            There are so many that no more are shown.
        """
        abandon = self.findings.report(code, message, span, help=help)
        self.errors += 1
        if self.errors > MAX_MISTAKES:
            raise Enough
        return abandon

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, expr: tree.Expr) -> Value:
        """The value of an expression, whose names nobody has looked at before."""
        reports = [*self._unknown_names(expr), *self._unknown_sizes(expr), *self._unknown_functions(expr)]
        if reports:
            raise reports[0]
        return self.evaluator.evaluate(expr)

    def _unknown_names(self, expr: tree.Expr) -> Iterator[Abandon]:
        for name in free_names(expr):
            if name.name in PYTHON_WORDS:
                word = PYTHON_WORDS[name.name]
                cure = Help(f"write `{word}`", (Edit(name.span, word),))
                yield self.error(f"nothing is called `{name.name}`", name.span, cure, code="E0301")
            elif name.name not in self.numbers:
                cures = did_you_mean(name.name, self.numbers, name.span)
                yield self.error(f"no number is called `{name.name}`", name.span, *cures, code="E0301")

    def _unknown_sizes(self, expr: tree.Expr) -> Iterator[Abandon]:
        for part in walk(expr):
            if not isinstance(part, tree.Attribute):
                continue
            size, owner = part.name, part.value.span.text
            if size.name not in SIZES:
                cures = did_you_mean(size.name, SIZES, size.span)
                message = f"a value has no `{size.name}`; it has `channels`, `height` and `width`"
                yield self.error(message, size.span, *cures, code="E0301")
            elif owner in self.numbers:
                yield self.error(f"`{owner}` is a number, and has no sizes", part.span, code="E0317")

    def _unknown_functions(self, expr: tree.Expr) -> Iterator[Abandon]:
        for call in walk(expr):
            if not isinstance(call, tree.Call):
                continue
            name = call.name
            if name.name not in FUNCTIONS:
                what = self._what_it_is(name.name)
                if what:
                    yield self.error(f"`{name.name}` is {what}, not a number", name.span, code="E0317")
                else:
                    cures = did_you_mean(name.name, FUNCTIONS, name.span)
                    yield self.error(f"no function is called `{name.name}`", name.span, *cures, code="E0301")
            for argument in call.arguments:
                if argument.name is not None:
                    cure = Help("give it by position", (Edit(argument.span, argument.value.span.text),))
                    message = f"`{name.name}` takes no named arguments"
                    yield self.error(message, argument.name.span, cure, code="E0302")

    def _what_it_is(self, name: str, but: Registry[Any] | None = None) -> str:
        """In words, what a name of the language stands for outside a registry; "" where nothing has it."""
        nouns = [r.noun for r in REGISTRIES if name in r and r is not but]
        return a(nouns[0]) if nouns else "an operator" if name in OPERATORS else ""

    def of_kind(self, kind: Kind, key: str, expr: tree.Expr, hint: tuple[Help, ...] = ()) -> Any:
        """The value of an entry in its form; `hint` is the cure where it has another."""
        if isinstance(expr, tree.Pipeline | tree.DictExpr):
            what = "a chain" if isinstance(expr, tree.Pipeline) else "a group of entries"
            raise self.error(f"`{key}` must be {kind.words}, not {what}", expr.span)
        value = self.value(expr)
        try:
            return kind.convert(value)
        except (ValueError, TypeError, OverflowError):
            message = f"`{key}` must be {kind.words}, not {shown(value)}"
            raise self.error(message, expr.span, *(meant(value, kind, expr.span) or hint)) from None

    # --- what a registry declares -------------------------------------------------------------------------------------

    def declared(self, registry: Registry[D], key: str, expr: tree.Expr) -> Placed[D]:
        """One of what a registry declares: a bare name, a call, or a choice of two by `if`."""
        match expr:
            case tree.Name():
                return self._make(registry, tree.Call(expr.span, expr))
            case tree.Call():
                return self._make(registry, expr)
            case tree.Conditional(then=then, test=test, otherwise=otherwise):
                chosen = then if self.truth(test) else otherwise
                return self.declared(registry, key, chosen)
            case tree.Attribute(name=name):  # nn.CrossEntropyLoss
                raise self._unknown(registry, tree.Call(expr.span, tree.Name(expr.span, name.name)))
            case tree.Constant(value=str(text)):
                found = text if text in registry else registry.foreign(text)
                cures = (Help(f"write `{found}`, without quotes", (Edit(expr.span, found),)),) if found else ()
                raise self.error(f"`{key}` must be {a(registry.noun)}, not a string", expr.span, *cures)
            case tree.Pipeline():
                raise self.error(f"`{key}` must be {a(registry.noun)}, not a chain", expr.span)
            case tree.DictExpr():
                raise self.error(f"`{key}` must be {a(registry.noun)}, not a group of entries", expr.span)
        value = self.value(expr)
        raise self.error(f"`{key}` must be {a(registry.noun)}, not {shown(value)}", expr.span, _all_of(registry))

    def truth(self, expr: tree.Expr) -> bool:
        self.value(expr)  # reports its unknown names
        return self.evaluator.truth(expr)

    def chain(self, registry: Registry[D], key: str, expr: tree.Expr) -> list[Placed[D]]:
        """One or several of what a registry declares, joined by `->`.

        Every wrong step is reported before Abandon is raised.
        """
        if isinstance(expr, tree.ListExpr | tree.TupleExpr) and expr.items:
            text = " -> ".join(item.span.text for item in expr.items)
            cure = Help(f"write `{text}`", (Edit(expr.span, text),))
            raise self.error(f"`{key}` is a chain, not a list", expr.span, cure)
        if isinstance(expr, tree.Conditional):
            return self.chain(registry, key, expr.then if self.truth(expr.test) else expr.otherwise)
        if not isinstance(expr, tree.Pipeline):
            return [self.declared(registry, key, expr)]
        made: list[Placed[D]] = []
        failed = False
        for step in expr.chain.steps:
            try:
                made.append(self.step(registry, key, step))
            except Abandon:
                failed = True
        if failed:
            raise Abandon
        return made

    def step(self, registry: Registry[D], key: str, step: tree.Step) -> Placed[D]:
        """One step of a chain."""
        self.bare(step, key)
        match step.action:
            case tree.Call() as call:
                return self._make(registry, call)
            case tree.In():
                words = "`in` begins a branch of `mean { | ... }`; it cannot stand here"
                raise self.error(words, step.action.span, code="E0317")
        raise self.error(f"a step of `{key}` must be {a(registry.noun)}", step.action.span, _all_of(registry))

    def bare(self, step: tree.Step, key: str) -> None:
        """Report a step with `* n`, `as name` or a shape."""
        if step.times is None and step.label is None and step.shape is None:
            return
        extra = Span(step.span.source, step.action.span.end, step.span.end)
        cure = Help(f"take `{extra.text.strip()}` away", (Edit(extra, ""),))
        raise self.error(f"a step of `{key}` has no repetition, name or shape", step.span, cure)

    def _make(self, registry: Registry[D], call: tree.Call) -> Placed[D]:
        name = call.name.name
        if name not in registry:
            raise self._unknown(registry, call)
        found = registry[name]
        self._paired(found, call)
        bound = match_arguments(call.arguments, Callee.of_declared(found), call.span, self.findings)
        values = evaluated(bound, self.value)
        wrong = [n for n in values if not _fits(found, n, values[n])]
        for each in wrong:
            self._reject(found, {each: values[each]}, bound, call)
        if wrong:
            raise Abandon
        made = self._reject(found, values, bound, call)
        if made is None:
            raise Abandon
        return Placed(made, call.span, {n: bound[n].value.span for n in bound})

    def _reject(
        self, declared: type[D], values: Mapping[str, Value], bound: Mapping[str, tree.Argument], call: tree.Call
    ) -> D | None:
        """Make an instance, or report why it cannot be."""
        try:
            return declared.make(values)
        except OperatorError as error:
            argument = bound.get(error.argument or "")
            place = argument.value.span if argument else call.span
            help: tuple[Help, ...] = ()
            if argument and error.replacement:
                help = (Help(f"write `{error.replacement}`", (Edit(place, error.replacement),)),)
            elif error.replacement and call.arguments:  # what contradicts them is given
                text = f"{error.argument}={error.replacement}"
                end = call.arguments[-1].span.end
                help = (Help(f"write `{text}` too", (Edit(Span(call.span.source, end, end), f", {text}"),)),)
            elif error.help:
                help = (Help(error.help),)
            elif argument and error.argument:
                help = meant(values[error.argument], _kind(declared, error.argument), place)
            self.findings.report(error.code, error.message, place, help=help)
            return None

    def _paired(self, declared: type[Declared], call: tree.Call) -> None:
        """Report `betas=(0.9, 0.999)`, which is two arguments here."""
        for argument in call.arguments:
            text = _apart(declared, argument)
            if text and argument.name:
                cure = Help(f"write `{text}`", (Edit(argument.span, text),))
                message = f"`{declared.name}` has no argument `{argument.name.name}`"
                raise self.error(message, argument.name.span, cure, code="E0302")

    def _unknown(self, registry: Registry[D], call: tree.Call) -> Abandon:
        name, span = call.name.name, call.name.span
        foreign = registry.foreign(name)
        message = f"no {registry.noun} is called `{name}`"
        if foreign:
            edits = (Edit(span, foreign), *_renamed(registry[foreign], call))
            return self.error(message, span, Help(f"`{name}` is called `{foreign}` here", edits), code="E0301")
        if name in HABITS:
            words, text = HABITS[name]
            edits = (Edit(call.span, text),) if text else ()
            return self.error(message, span, Help(words or f"write for example `{text}`", edits), code="E0301")
        what = self._what_it_is(name, registry)
        if what:
            message = f"`{name}` is {what}, not {a(registry.noun)}"
            return self.error(message, span, _all_of(registry), code="E0317")
        cures = did_you_mean(name, registry, span) or (_all_of(registry),)
        return self.error(message, span, *cures, code="E0301")


def free_names(expr: tree.Expr) -> list[tree.Name]:
    """The names in an expression that stand for values: no function's, argument's or attribute's."""
    bound: set[int] = set()
    for part in walk(expr):
        match part:
            case tree.Call(name=name):
                bound.add(id(name))
            case tree.Argument(name=tree.Name() as name):
                bound.add(id(name))
            case tree.Attribute(value=value, name=name):
                bound |= {id(value), id(name)}
            case _:
                pass
    return [p for p in walk(expr) if isinstance(p, tree.Name) and id(p) not in bound]


def _kind(declared: type[Declared], argument: str) -> Kind:
    return next(f.kind for f in declared.fields() if f.name == argument)


def _fits(declared: type[Declared], argument: str, value: Value) -> bool:
    try:
        _kind(declared, argument).convert(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _all_of(registry: Registry[Any]) -> Help:
    names = [f"`{n}`" for n in registry]
    return Help(f"there are {', '.join(names[:-1])} and {names[-1]}")


def _apart(declared: type[Declared], argument: tree.Argument) -> str:
    """`betas=(0.9, 0.999)` as `beta1=0.9, beta2=0.999`, where these are arguments; else ""."""
    if argument.name is None or not isinstance(argument.value, tree.TupleExpr | tree.ListExpr):
        return ""
    names = [f.name for f in declared.fields()]
    stem, items = argument.name.name.removesuffix("s"), argument.value.items
    ours = [f"{stem}{i + 1}" for i in range(len(items))]
    if argument.name.name in names or not all(n in names for n in ours):
        return ""
    return ", ".join(f"{n}={item.span.text}" for n, item in zip(ours, items, strict=True))


def _renamed(declared: type[Declared], call: tree.Call) -> Iterator[Edit]:
    """The edits that turn the arguments of a foreign call into ours."""
    names = [f.name for f in declared.fields()]
    kept: list[str] = []
    for i, argument in enumerate(call.arguments):
        text = argument.value.span.text
        if argument.name is None:
            is_leading = i == 0 and isinstance(argument.value, tree.Name) and text in LEADING
            kept += [] if is_leading else [text]
            continue
        key = argument.name.name
        if apart := _apart(declared, argument):
            kept.append(apart)
        elif key in names or (key not in DERIVED and key not in LEADING):
            kept.append(f"{declared.argument_aliases.get(key, key)}={text}")
    text = f"({', '.join(kept)})" if kept else ""
    after = Span(call.span.source, call.name.span.end, call.span.end)
    if text != after.text:
        yield Edit(after, text)

"""Signatures: a class declares its arguments as fields, and reading, checking, printing and documenting them follow.

Operators, losses, optimizers, schedules and augmentations are all declared this way, each in a registry of its own.
A field's type is `Annotated[python type, Kind]`; the kind says in words what may stand there and turns the value of
the language (int, float, bool, str, list, tuple, None) into the field's form.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform, get_type_hints

from cnnlang.errors import OperatorError

Value = Any  # int | float | bool | str | None | list[Value] | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """What may stand in an argument.

    Attributes
    ----------
    words
        In words, after "must be": `a positive integer`.
    convert
        From a value of the language to the field's form; raises ValueError for what may not stand there. The form
        itself converts to itself.
    show
        From the field's form to the text of the language.
    """

    words: str
    convert: Callable[[Value], Any]
    show: Callable[[Any], str] = lambda value: show_value(value)


def show_value(value: Value) -> str:
    """A value as the language writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "none"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case (int() as h, int() as w) if isinstance(value, tuple) and not isinstance(h, bool) and h >= 0 and w >= 0:
            return f"{h}x{w}"
        case tuple():
            return f"({', '.join(map(show_value, value))}{',' if len(value) == 1 else ''})"
        case list():
            return f"[{', '.join(map(show_value, value))}]"
    return str(value)


def show_short(value: Value, most: int = 60) -> str:
    """A value as the language writes it, cut where it is long; no more of it is written out than is shown."""
    text = show_value(_cut(value, most)[0])
    return text if len(text) <= most else text[: most - 3] + "..."


def _cut(value: Value, most: int) -> tuple[Value, int]:
    """The first parts of a value, about `most` of them, and how many more there may be."""
    if isinstance(value, str):
        return value[: max(most, 4)], most - len(value)
    if not isinstance(value, list | tuple):
        return value, most - 1
    kept = []
    for item in value:
        if most < 0:
            break
        part, most = _cut(item, most - 1)
        kept.append(part)
    return type(value)(kept), most


def is_int(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Value) -> bool:
    return is_int(value) or (isinstance(value, float) and math.isfinite(value))


def integer(words: str, low: int | None = None, high: int | None = None) -> Kind:
    def convert(value: Value) -> int:
        if not is_int(value) or (low is not None and value < low) or (high is not None and value > high):
            raise ValueError
        return int(value)

    return Kind(words, convert)


def show_number(value: float) -> str:
    """A number as a person writes it: `2`, not `2.0`, and `1e-5`, not `1e-05`."""
    whole = value == int(value) and abs(value) < 1e6
    return repr(int(value)) if whole else repr(value).replace("e-0", "e-").replace("e+", "e")


def number(words: str, test: Callable[[float], bool] = lambda _: True) -> Kind:
    def convert(value: Value) -> float:
        if not is_number(value) or not test(value):
            raise ValueError
        return float(value)

    return Kind(words, convert, show_number)


def per_channel(words: str, test: Callable[[float], bool] = lambda _: True) -> Kind:
    """A number, or a list of numbers with one a channel; its form is a tuple, of length 1 for a single number."""

    def convert(value: Value) -> tuple[float, ...]:
        numbers = value if isinstance(value, list | tuple) else [value]
        if not numbers or not all(is_number(v) and test(v) for v in numbers):
            raise ValueError
        return tuple(float(v) for v in numbers)

    def show(value: tuple[float, ...]) -> str:
        return show_number(value[0]) if len(value) == 1 else f"[{', '.join(map(show_number, value))}]"

    return Kind(words, convert, show)


def flag() -> Kind:
    def convert(value: Value) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Kind("true or false", convert)


def choice(*names: str) -> Kind:
    def convert(value: Value) -> str:
        if value not in names or not isinstance(value, str):
            raise ValueError
        return value

    return Kind(" or ".join(f'"{n}"' for n in names), convert)


def pair(words: str, low: int) -> Kind:
    def convert(value: Value) -> tuple[int, int]:
        h, w = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
        if not (is_int(h) and is_int(w) and h >= low and w >= low):
            raise ValueError
        return (h, w)

    return Kind(words, convert, lambda v: str(v[0]) if v[0] == v[1] else f"{v[0]}x{v[1]}")


Count = Annotated[int, integer("a positive integer", 1)]
Natural = Annotated[int, integer("an integer from 0", 0)]
Number = Annotated[float, number("a number")]
Positive = Annotated[float, number("a number above 0", lambda v: v > 0)]
NotNegative = Annotated[float, number("a number from 0", lambda v: v >= 0)]
Unit = Annotated[float, number("a number from 0 to 1", lambda v: 0 <= v <= 1)]
Fraction = Annotated[float, number("a number from 0 up to, not including, 1", lambda v: 0 <= v < 1)]
Flag = Annotated[bool, flag()]
Size = Annotated[tuple[int, int], pair("a positive integer or a pair such as 5x3", 1)]
Amount = Annotated[tuple[int, int], pair("an integer from 0 or a pair such as 1x0", 0)]


def synonyms(**names: str) -> Mapping[str, str]:
    """What other frameworks call arguments, written `synonyms(kernel="kernel_size kernel_shape")`, by their name."""
    return MappingProxyType({theirs: ours for ours, words in names.items() for theirs in words.split()})


class SameAs:
    """A default that is another argument's value: `stride: Size = same_as("kernel")`."""

    def __init__(self, other: str) -> None:
        self.other = other


def same_as(other: str) -> Any:
    return field(default_factory=lambda: SameAs(other), metadata={"same_as": other})


@dataclass(frozen=True, slots=True)
class Field:
    """One argument of a signature; `default` is in the field's form, `required` says that there is none."""

    name: str
    kind: Kind
    required: bool
    default: Any = None
    same_as: str | None = None

    def __str__(self) -> str:
        if self.required:
            return self.name
        return f"{self.name}={self.same_as or self.kind.show(self.default)}"


class Declared:
    """The base of every class that is declared with a signature."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()  # what other frameworks call it; for messages only
    argument_aliases: ClassVar[Mapping[str, str]] = {}  # what they call its arguments: {"filters": "channels"}

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """The arguments in order."""
        return _fields(cls)  # type: ignore[arg-type]  # mypy takes the class's __hash__ for its instances'

    @classmethod
    def signature(cls) -> str:
        """`conv(channels, kernel, stride=1, ...)`, or the bare name where there are no arguments."""
        inside = ", ".join(map(str, cls.fields()))
        return f"{cls.name}({inside})" if inside else cls.name

    @classmethod
    def make(cls: type[D], values: Mapping[str, Value]) -> D:
        """An instance from values of the language, by argument name.

        Raises
        ------
        OperatorError
            E0305, with the argument's name, for a value that may not stand there.
        """
        forms: dict[str, Any] = {}
        for f in cls.fields():
            if f.name not in values:
                forms[f.name] = forms[f.same_as] if f.same_as else f.default
                continue
            forms[f.name] = cls.form(f, values[f.name])
        made = cls(**forms)
        made.validate()
        return made

    @classmethod
    def form(cls, field: Field, value: Value) -> Any:
        """A value of the language in the form of one argument.

        Raises
        ------
        OperatorError
            E0305, with the argument's name, for a value that may not stand there.
        """
        try:
            return field.kind.convert(value)
        except (ValueError, TypeError, OverflowError):
            message = f"`{field.name}` of `{cls.name}` must be {field.kind.words}, not {show_short(value)}"
            raise OperatorError("E0305", message, argument=field.name) from None

    def validate(self) -> None:
        """Raise `OperatorError` where arguments contradict each other."""

    def __str__(self) -> str:
        """The call as the language writes it, without arguments that are at their default."""
        parts = []
        for f in self.fields():
            value = getattr(self, f.name)
            if f.required:
                parts.append(f.kind.show(value))
            elif value != (getattr(self, f.same_as) if f.same_as else f.default):
                parts.append(f"{f.name}={f.kind.show(value)}")
        return f"{self.name}({', '.join(parts)})" if parts else self.name


D = TypeVar("D", bound=Declared)


@cache
def _fields(cls: type[Declared]) -> tuple[Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]  # every declared class is a dataclass
        kind = next(m for m in hints[f.name].__metadata__ if isinstance(m, Kind))
        other = f.metadata.get("same_as")
        required = f.default is dataclasses.MISSING and other is None
        default = None if required or other else kind.convert(f.default)
        found.append(Field(f.name, kind, required, default, other))
    return tuple(found)


class Registry(dict[str, type[D]]):
    """Declared classes by the name that the language gives them, with what others call them."""

    def __init__(self, noun: str) -> None:
        super().__init__()
        self.noun = noun

    @dataclass_transform(frozen_default=True, eq_default=False)
    def __call__(self, name: str, *aliases: str) -> Callable[[type[D]], type[D]]:
        """A decorator that makes a class a frozen dataclass and enters it; applied last."""

        def enter(cls: type[D]) -> type[D]:
            made = dataclass(frozen=True, eq=False, repr=False)(cls)
            made.name, made.aliases = name, aliases
            # of a family's synonyms, those for arguments that this member has
            own = {f.name for f in dataclasses.fields(made)}  # type: ignore[arg-type]  # made a dataclass just above
            theirs = {alias: ours for alias, ours in made.argument_aliases.items() if ours in own and alias not in own}
            made.argument_aliases = MappingProxyType(theirs)
            if name in self:
                msg = f"{self.noun} {name} is declared twice"
                raise TypeError(msg)
            self[name] = made
            return made

        return enter

    def foreign(self, name: str) -> str | None:
        """The name here of what another framework calls `name` (compared without case, `_` and a leading module)."""
        return self._foreign().get(_plain(name))

    def _foreign(self) -> dict[str, str]:
        return {_plain(a): cls.name for cls in self.values() for a in cls.aliases}


def _plain(name: str) -> str:
    return name.rsplit(".", 1)[-1].replace("_", "").lower()

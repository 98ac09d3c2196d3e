"""Maps: which array of a file is which weight of a net, where their names differ.

A text, one `theirs ours` a line; `#` begins a comment, and a name with spaces stands in quotes as JSON has them:

    conv1/kernel      stem.weight                 # the array conv1/kernel is the weight stem.weight
    fc/W              dense1.weight   transposed  # it lies [in, out] in the file
    c2/W              conv2.weight    keras       # it lies as Keras lays it out
    ema/step          -                           # nobody wants it
    =1                bn1.weight                  # the file has none: all ones (or =0, all zeros)

or a JSON object, `{"conv1/kernel": "stem.weight", "fc/W": "dense1.weight transposed", "ema/step": "-"}`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.errors import WeightsError
from cnnlang.weight_files.keras_layout import Owner, as_here
from cnnlang.weight_files.stored import Stored, printable

MAX_MAP = 2**24  # bytes
NOBODY = "-"
CONSTANTS = {"=0": 0.0, "=1": 1.0}
LAYOUTS = ("keras", "transposed")

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")(?=\s|$)|(#.*)|([^\s"#]\S*))')


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the array `theirs` is the weight `ours`, laid out as `layout` says; `place` is where it stands."""

    theirs: str
    ours: str
    layout: str = ""
    place: str = ""

    @property
    def is_constant(self) -> bool:
        """Whether the file has no such array, and `theirs` says what stands in for it."""
        return self.theirs in CONSTANTS

    @property
    def text(self) -> str:
        """The line as a map has it."""
        theirs = self.theirs if self.is_constant else quoted(self.theirs)
        return " ".join([theirs, NOBODY if self.ours == NOBODY else quoted(self.ours), self.layout]).rstrip()


def read_map(path: Path) -> list[Line]:
    """Read a map.

    Raises
    ------
    WeightsError
        It cannot be read, or a line says something else.
    """
    try:
        data = path.read_bytes()[: MAX_MAP + 1]
        text = data.decode("utf-8-sig")
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise WeightsError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path} is no text in UTF-8"
        raise WeightsError(msg) from None
    if len(data) > MAX_MAP:
        msg = f"{path} is too large for a map"
        raise WeightsError(msg)
    lines = list(_of_json(path, text) if text.lstrip().startswith("{") else _of_text(path, text))
    _refuse_twice(lines)
    return lines


def _of_text(path: Path, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{path}:{number}"
        words = list(_words(place, line))
        if words:
            yield _line(place, words)


def _words(place: str, line: str) -> Iterator[str]:
    end, last = 0, len(line.rstrip())
    while end < last:
        found = _TOKEN.match(line, end)
        if found is None:
            msg = f"{place}: a quote that is not closed, or stands inside a name"
            raise WeightsError(msg)
        quoted, comment, plain = found.groups()
        if comment is not None:
            return
        yield _unquoted(place, quoted) if quoted else plain
        end = found.end()


def _unquoted(place: str, text: str) -> str:
    try:
        name: str = json.loads(text)
    except ValueError:
        msg = f"{place}: {printable(text)} is not a text as JSON writes it"
        raise WeightsError(msg) from None
    return name


def _line(place: str, words: list[str]) -> Line:
    layout = words[2] if len(words) == 3 else ""
    if len(words) not in (2, 3) or (layout and layout not in LAYOUTS):
        msg = f"{place}: a line is `theirs ours`, and behind them perhaps {' or '.join(LAYOUTS)}"
        raise WeightsError(msg)
    return Line(words[0], words[1], layout, place)


def _of_json(path: Path, text: str) -> Iterator[Line]:
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        msg = f"{path} begins as a JSON object and is none"
        raise WeightsError(msg) from None
    for theirs, values in found:
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str):
                msg = f"{path}: {printable(theirs)} must be a text, the name of a weight"
                raise WeightsError(msg)
            yield _line(f"{path}: {printable(theirs)}", [theirs, *_words(str(path), value)])


def _refuse_twice(lines: list[Line]) -> None:
    seen: dict[str, Line] = {}
    for line in lines:
        if line.ours != NOBODY and line.ours in seen:
            msg = f"{line.place}: `{printable(line.ours)}` has got its numbers before, at {seen[line.ours].place}"
            raise WeightsError(msg)
        seen[line.ours] = line


def quoted(name: str) -> str:
    """A name as it stands in a map."""
    plain = re.fullmatch(r'[^\s"#={-][^\s"]*', name) and name.isprintable()
    return name if plain else json.dumps(name)


def apply_map(
    where: str, lines: Sequence[Line], stored: Mapping[str, Stored], owners: Mapping[str, Owner] | None
) -> dict[str, Stored]:
    """The arrays by the names that a map gives them; those that it does not name keep theirs.

    Parameters
    ----------
    where
        What messages call the file.
    owners
        The net's weights; None where there is no net, and any name will do.

    Raises
    ------
    WeightsError
        A line names what the file or the net has not, or needs the net.
    """
    given = {line.theirs for line in lines}
    problems = [problem for line in lines for problem in _problems(where, line, stored, owners, given)]
    if problems:
        more = [f"and {len(problems) - 10:,} more"] if len(problems) > 10 else []
        raise WeightsError("\n  ".join(["the map does not fit:", *problems[:10], *more]))
    result = {name: entry for name, entry in stored.items() if name not in given}
    for line in lines:
        if line.ours != NOBODY:
            result[line.ours] = _mapped(line, stored, owners)
    return result


def _problems(
    where: str, line: Line, stored: Mapping[str, Stored], owners: Mapping[str, Owner] | None, given: set[str]
) -> Iterator[str]:
    if not line.is_constant and line.theirs not in stored:
        yield f"{line.place}: {where} has no `{printable(line.theirs)}`{_near(line.theirs, stored)}"
    if owners is not None and line.ours not in owners and line.ours != NOBODY:
        yield f"{line.place}: the net has no weight `{printable(line.ours)}`{_near(line.ours, owners)}"
    if line.ours in stored and line.ours not in given:
        yield f"{line.place}: {where} has a `{printable(line.ours)}` too; say what that is (or `-`, for nothing)"
    if owners is None and (line.is_constant or line.layout == "keras"):
        yield f"{line.place}: only with the net is it known what this is: --for FILE.cnn"


def _near(name: str, names: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name[:200], list(names)[:2_000], 1, 0.6)
    return f" - did you mean `{printable(close[0])}`?" if close else ""


def _mapped(line: Line, stored: Mapping[str, Stored], owners: Mapping[str, Owner] | None) -> Stored:
    if line.is_constant:
        assert owners is not None
        shape = owners[line.ours].shape
        return Stored("float32", shape, lambda: np.full(shape, CONSTANTS[line.theirs], np.float32))
    entry = stored[line.theirs]
    if owners is not None and (entry.keras or line.layout == "keras"):
        return as_here(entry, owners[line.ours])
    if line.layout == "transposed":
        return replace(entry, shape=entry.shape[::-1], read=lambda: entry.read().T)
    if owners is not None and squeezed(entry.shape) == squeezed(owners[line.ours].shape):
        return reshaped(entry, owners[line.ours].shape)
    return entry


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its axes of one."""
    return tuple(size for size in shape if size != 1)


def reshaped(entry: Stored, shape: tuple[int, ...]) -> Stored:
    """An array in another shape, with as many numbers in the same order."""

    def read() -> NDArray[Any]:
        return entry.read().reshape(shape)

    return replace(entry, shape=shape, read=read)

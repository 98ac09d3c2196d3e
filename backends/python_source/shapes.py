"""Shapes as comments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.steps import Define, Lowered, Row, Val, every, origin
from cnnlang.dims import Dim


class Shapes:
    """Says the shapes of a class's values: numbers where all instances agree, else in terms of what enters."""

    def __init__(self, lowered: Lowered, *, is_root: bool, channels_last: bool = False) -> None:
        self.entry = lowered.entries[0] if lowered.entries else None
        self.rows = lowered.rows
        self.is_root = is_root
        self.channels_last = channels_last
        self.parameters = [p.name for p in lowered.parameters if p.source == "parameter"]
        self.known = {p.name for p in lowered.parameters}
        self.defined = {s.name for s in every(lowered.steps) if isinstance(s, Define)}

    def __call__(self, val: Val, *, outside: bool = False) -> str:
        """A shape as a comment; `outside` the class only its parameters have a meaning."""
        rows = list(val.nodes.own)
        if rows and not all(self.entry is not None and self.entry.nodes.has(r) for r in rows):
            rows = self.rows if all(val.nodes.has(r) for r in self.rows) else []
        if not rows:
            return ""
        types = [val.type(row) for row in rows]
        if all(t == types[0] for t in types) and {origin(r) for r in rows} == set(self.rows):
            return self._listed(map(str, types[0].shape))
        if val.channels is None or self.entry is None or " if " in str(val.channels):
            return ""
        if not names(val.channels) <= (self.known if outside else self.known | self.defined):
            return ""
        sizes = [str(types[0].batch), str(val.channels)]
        for position in range(2, types[0].rank):
            if self.entry.rank != 4:
                return ""
            size = self._relative([t.shape[position] for t in types], position, rows)
            if size is None:
                return ""
            sizes.append(size)
        return self._listed(sizes)

    def _listed(self, sizes: Iterable[str]) -> str:
        return listed(sizes, channels_last=self.channels_last)

    def _relative(self, actual: list[Dim], position: int, rows: Sequence[Row]) -> str | None:
        assert self.entry is not None
        letter = "HW"[position - 2]
        if self.is_root:
            return str(actual[0]) if all(a == actual[0] for a in actual) else None
        entering = [self.entry.type(row).shape[position] for row in rows]
        if actual == entering:
            return letter
        if all(a == actual[0] for a in actual):
            return str(actual[0])
        for factor in (2, 3, 4, 8, 16, 32):
            if all(e * factor == a for a, e in zip(actual, entering, strict=True)):
                return f"{factor} * {letter}"
            if all(a * factor == e for a, e in zip(actual, entering, strict=True)):
                return f"{letter} / {factor}"
        if not all(
            isinstance(a, int) and isinstance(e, int) and a and e for a, e in zip(actual, entering, strict=True)
        ):
            return None
        pairs = [(int(str(a)), int(str(e))) for a, e in zip(actual, entering, strict=True)]
        for factor in {-(-e // a) for a, e in pairs[:1]}:
            if factor > 1 and all(-(-e // factor) == a for a, e in pairs):
                return f"{letter} / {factor}"
        for factor in {a // e for a, e in pairs[:1]}:
            if factor > 1 and all(e * factor == a for a, e in pairs):
                return f"{factor} * {letter}"
        for name in self.parameters:
            found = [row[name] for row in rows]
            if all(isinstance(f, int) and f > 0 and -(-e // f) == a for f, (a, e) in zip(found, pairs, strict=True)):
                return f"{letter} / {name}"
        return None


def listed(sizes: Iterable[str], *, channels_last: bool = False) -> str:
    """The sizes of a shape, batch and channels first, as a text: `[N, C, H, W]` or `[N, H, W, C]`."""
    batch, channels, *sides = sizes
    return f"[{', '.join((batch, *sides, channels) if channels_last else (batch, channels, *sides))}]"

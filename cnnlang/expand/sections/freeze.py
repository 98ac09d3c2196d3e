"""`freeze` of a `train` section: patterns of weights' paths, each of which some weight matches."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.suggest import nearest
from cnnlang.expand.findings import Abandon
from cnnlang.expand.sections.calls import Reader, shown
from cnnlang.source import Span
from cnnlang.syntax import tree

PATTERN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.*?")
MAX_PATTERNS = 100
MAX_PATTERN = 1000  # characters
MAX_CANDIDATES = 2000  # names that are looked through for "did you mean"


@dataclass(frozen=True, slots=True)
class FreezeReader:
    """Reads `freeze = "layer1.*"` for a net with these weights."""

    reader: Reader
    weight_paths: Collection[str]

    def read(self, entry: tree.Entry) -> tuple[str, ...]:
        """The patterns, each of which some weight matches.

        Raises
        ------
        Abandon
            Something is wrong, and reported.
        """
        items = entry.value.items if isinstance(entry.value, tree.ListExpr | tree.TupleExpr) else (entry.value,)
        patterns: list[str] = []
        failed = not items
        if failed:
            self.reader.error("`freeze` names no weights", entry.value.span, Help("take the entry away"))
        self._bounded(len(items), entry.value.span)
        for item in items:
            try:
                patterns += self._patterns(item)
            except Abandon:
                failed = True
        if failed:
            raise Abandon
        if all(any(fnmatchcase(path, p) for p in patterns) for path in self.weight_paths):
            message = "every weight is frozen, so that nothing can be trained"
            raise self.reader.error(message, entry.value.span, Help("leave some out"))
        return tuple(patterns)

    def _bounded(self, count: int, span: Span) -> None:
        if count > MAX_PATTERNS:
            raise self.reader.error(f"`freeze` has at most {MAX_PATTERNS} patterns, and these are {count:_}", span)

    def _patterns(self, expr: tree.Expr) -> list[str]:
        """The pattern or patterns that an expression gives."""
        if isinstance(expr, tree.Pipeline | tree.DictExpr):
            raise self.reader.error("`freeze` must be a string or a list of strings", expr.span)
        if isinstance(expr, tree.Name | tree.Attribute) and _looks_like_path(expr, self.reader):
            text = f'"{expr.span.text}.*"' if _is_scope(expr.span.text, self.weight_paths) else f'"{expr.span.text}"'
            cure = Help(f"write `{text}`", (Edit(expr.span, text),))
            raise self.reader.error("`freeze` must be a string or a list of strings", expr.span, cure)
        value = self.reader.value(expr)
        patterns = value if isinstance(value, list | tuple) else [value]
        self._bounded(len(patterns), expr.span)
        for pattern in patterns:
            if not isinstance(pattern, str):
                message = f"`freeze` must be a string or a list of strings, not {shown(value)}"
                raise self.reader.error(message, expr.span)
            self._matches(pattern, expr.span)
        return list(patterns)

    def _matches(self, pattern: str, span: Span) -> None:
        if not pattern or not set(pattern) <= PATTERN_CHARACTERS or len(pattern) > MAX_PATTERN:
            message = f"a pattern of weights holds names, dots, `*` and `?`, not {shown(pattern)}"
            raise self.reader.error(message, span)
        if pattern in self.weight_paths or any(fnmatchcase(path, pattern) for path in self.weight_paths):
            return
        help: tuple[Help, ...] = ()
        if _is_scope(pattern, self.weight_paths):
            text = f'"{pattern}.*"'
            edits = (Edit(span, text),) if span.text == f'"{pattern}"' else ()
            help = (Help(f"all in it are `{text}`", edits),)
        elif near := nearest(pattern, _candidates(self.weight_paths)):
            edits = (Edit(span, f'"{near}"'),) if span.text == f'"{pattern}"' else ()
            help = (Help(f"did you mean `{near}`?", edits),)
        what = "matches" if set(pattern) & set("*?") else "is called"
        raise self.reader.error(f"no weight {what} `{pattern}`", span, *help)


def _looks_like_path(expr: tree.Name | tree.Attribute, reader: Reader) -> bool:
    """Whether a name in place of a pattern is meant for a weight: `freeze = layer1`."""
    if isinstance(expr, tree.Name):
        return expr.name not in reader.numbers
    return expr.name.name not in ("channels", "height", "width")


def _is_scope(name: str, paths: Collection[str]) -> bool:
    return any(path.startswith(f"{name}.") for path in paths)


def _candidates(paths: Collection[str]) -> list[str]:
    """Patterns that someone may have meant: every scope with all in it, outermost first, then every weight."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split(".")
        for i in range(1, len(parts)):
            found[".".join(parts[:i]) + ".*"] = None
    ordered = sorted(found, key=lambda p: p.count("."))
    return [*ordered, *paths][:MAX_CANDIDATES]

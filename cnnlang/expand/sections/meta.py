"""The entries of a `meta` section: plain values, within bounds, that travel with the net into every target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.evaluate import type_name
from cnnlang.expand.sections.calls import Reader, shown
from cnnlang.signature import Value, is_number
from cnnlang.syntax import tree

MAX_ENTRIES = 100
MAX_ITEMS = 1000
MAX_TEXT = 65_536  # characters in all strings of the section together


@dataclass(frozen=True, slots=True)
class MetaReader:
    """Reads the entries of `meta`."""

    reader: Reader

    def known(self, entry: tree.Entry) -> Value:
        """The value of an entry that the language knows: a string or a list of strings."""
        value = self.value(entry)
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(t, str) for t in texts):
            message = f"`{entry.key.name}` must be a string or a list of strings, not {shown(value)}"
            raise self.reader.error(message, entry.value.span)
        return value

    def value(self, entry: tree.Entry) -> Value:
        """The value of any entry; raises Abandon where it is none of what `meta` holds."""
        key, expr = entry.key.name, entry.value
        words = "a string, a number, true, false, or a list of them"
        if isinstance(expr, tree.Pipeline | tree.DictExpr):
            what = "a chain" if isinstance(expr, tree.Pipeline) else "a group of entries"
            raise self.reader.error(f"`{key}` must be {words}, not {what}", expr.span)
        if isinstance(expr, tree.Name) and expr.name not in self.reader.numbers:
            cure = Help(f'a text stands in quotes: write `"{expr.name}"`', (Edit(expr.span, f'"{expr.name}"'),))
            raise self.reader.error(f"no number is called `{expr.name}`", expr.span, cure, code="E0301")
        value = self.reader.value(expr)
        value = list(value) if isinstance(value, tuple) else value
        items = value if isinstance(value, list) else [value]
        if len(items) > MAX_ITEMS:
            message = f"a list in `meta` has at most {MAX_ITEMS:_} items, and this one has {len(items):_}"
            raise self.reader.error(message, expr.span)
        for item in items:
            if not (isinstance(item, str | bool) or is_number(item)):
                what = shown(item) if item is None else type_name(item)
                raise self.reader.error(f"`{key}` must be {words}, not {what}", expr.span)
        return value

    def hold(self, section: tree.Section, values: Mapping[str, Any]) -> None:
        """Report a section that is too large as a whole."""
        if len(values) > MAX_ENTRIES:
            place = list(section.entries)[MAX_ENTRIES].key.span
            self.reader.error(f"`meta` has at most {MAX_ENTRIES} entries, and this one has {len(values)}", place)
        texts = (t for v in values.values() for t in (v if isinstance(v, list) else [v]) if isinstance(t, str))
        length = sum(map(len, texts))
        if length > MAX_TEXT:
            message = f"the texts of `meta` have at most {MAX_TEXT:_} characters, and these have {length:_}"
            self.reader.error(message, section.entries[0].key.span)

"""The names in sight while a body is lowered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cnnlang.backends.torch_source.code import Code
from cnnlang.backends.torch_source.steps import Val
from cnnlang.syntax import tree


@dataclass(eq=False)
class SharedName:
    statement: tree.Shared
    scope: Scope


@dataclass(eq=False)
class Scope:
    """The names in sight: values, compile-time values and shared ones; `entry` is what `in` means."""

    entry: Val | None = None
    values: dict[str, Val] = field(default_factory=dict)
    symbols: dict[str, Code] = field(default_factory=dict)
    shared: dict[str, SharedName] = field(default_factory=dict)

    def copy(self, **changes: object) -> Scope:
        made = replace(self, values=dict(self.values), symbols=dict(self.symbols), shared=dict(self.shared))
        return replace(made, **changes)  # type: ignore[arg-type]

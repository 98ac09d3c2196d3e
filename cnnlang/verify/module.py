"""Emitted source as a module: it is the program's own text, and runs because the user asks for it."""

from __future__ import annotations

from types import ModuleType


def executed(text: str, name: str) -> ModuleType:
    """A module of a text, in a namespace of its own.

    Parameters
    ----------
    text
        What a target's `emit` gave.
    name
        What tracebacks call it.
    """
    module = ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), vars(module))
    return module

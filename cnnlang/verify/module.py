"""Emitted source as a module: it is the program's own text, and runs because the user asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any


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


def last_defined(module: ModuleType, helpers: Collection[str] = ()) -> Callable[..., Any]:
    """The last class or function that the text of a module defines, but for helpers: the net's own.

    Its name is the net's, unless the framework or Python keeps that for itself.
    """
    own = [v for k, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__ and k not in helpers]
    net: Callable[..., Any] = own[-1]
    return net

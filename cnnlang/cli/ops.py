"""`cnnlang ops`: the operators, and what else is declared with a signature."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from cnnlang.cli.output import put
from cnnlang.errors import UsageError

if TYPE_CHECKING:
    from cnnlang.signature import Declared, Registry

FAMILIES = {
    "conv": "convolution",
    "dense": "dense layers",
    "elementwise": "activation",
    "merge": "merging branches",
    "norm": "normalisation",
    "pool": "pooling",
    "shape": "shape",
}


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return sorted({n for registry in _registries() for n in registry if n.startswith(incomplete)})


@click.command(short_help="List the operators, or describe one.")
@click.argument("name", required=False, shell_complete=_complete)
def command(name: str | None) -> int:
    """List all operators by family, and what `train` and `predict` sections know; or describe NAME."""
    put(_all() if name is None else _one(name))
    return 0


def _registries() -> list[Registry[Any]]:
    from cnnlang.ops import OPERATORS
    from cnnlang.training import REGISTRIES

    return [OPERATORS, *REGISTRIES]


def _family(registry: Registry[Any], cls: type[Declared]) -> str:
    if registry.noun != "operator":
        return registry.noun
    module = cls.__module__.rsplit(".", 1)[-1]
    return FAMILIES.get(module, module)


def _signature(cls: type[Declared]) -> str:
    text = cls.signature()
    return f"{text} {{ | ... | ... }}" if getattr(cls, "is_merge", False) else text


def _first_line(cls: type[Declared]) -> str:
    return (inspect.getdoc(cls) or "").split("\n", 1)[0]


def _all() -> str:
    groups: dict[str, list[type[Declared]]] = {}
    for registry in _registries():
        for cls in registry.values():
            groups.setdefault(_family(registry, cls), []).append(cls)
    blocks = []
    for family, members in groups.items():
        lines = [line for cls in members for line in (f"  {_signature(cls)}", f"      {_first_line(cls)}")]
        blocks.append("\n".join([family, *lines]))
    return "\n\n".join(blocks)


def _one(name: str) -> str:
    registries = _registries()
    found = [(registry, registry[name]) for registry in registries if name in registry]
    if found:
        return "\n\n".join(_page(registry, cls) for registry, cls in found)
    foreign = next((f for registry in registries if (f := registry.foreign(name))), None)
    if foreign:
        msg = f"`{name}` is called `{foreign}` here: cnnlang ops {foreign}"
        raise UsageError(msg)
    from cnnlang.expand.cures.suggest import nearest

    near = nearest(name, [n for registry in registries for n in registry])
    hint = f"; did you mean `{near}`?" if near else ""
    msg = f"there is no operator `{name}`{hint} (`cnnlang ops` lists them all)"
    raise UsageError(msg)


def _page(registry: Registry[Any], cls: type[Declared]) -> str:
    family = _family(registry, cls)
    noun = registry.noun if family == registry.noun else f"{registry.noun} ({family})"
    # `::` announces code in reStructuredText, and nothing to a reader
    manual = re.sub(r"^::\n\n|(?<=:):$", "", inspect.getdoc(cls) or "", flags=re.MULTILINE)
    parts = [_signature(cls), noun, "", manual]
    fields = cls.fields()
    if fields:
        width = max(len(str(f)) for f in fields)
        parts += ["", "Arguments", "---------", *(f"{f!s:{width}}  {f.kind.words}" for f in fields)]
    if cls.aliases:
        parts += ["", _wrapped(f"Elsewhere it is called {', '.join(cls.aliases)}.")]
    elsewhere = list(_arguments_elsewhere(cls))
    if elsewhere:
        parts += ["", "Elsewhere its arguments are called:", *elsewhere]
    return "\n".join(parts)


def _arguments_elsewhere(cls: type[Declared]) -> Iterator[str]:
    for field in cls.fields():
        names = [alias for alias, name in cls.argument_aliases.items() if name == field.name]
        if names:
            yield _wrapped(f"  {field.name}: {', '.join(names)}")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, subsequent_indent="    ")

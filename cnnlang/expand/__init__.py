"""From a text to checked programs: read, resolve names, expand, and hold against the file's own `check` sections."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError, UsageError
from cnnlang.expand.assemble import assemble
from cnnlang.expand.cures.suggest import nearest
from cnnlang.expand.findings import Findings
from cnnlang.expand.instances import base_of
from cnnlang.expand.modules import Definition, Loader, Module
from cnnlang.expand.reached import Reached
from cnnlang.expand.recursion import report_recursion
from cnnlang.expand.resolve import Resolver
from cnnlang.program import Program
from cnnlang.signature import Value
from cnnlang.source import Source
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

RECURSION_LIMIT = 20_000  # bodies nest 100 deep and expressions 100 more; each level takes several calls


@dataclass(frozen=True)
class Checked:
    """What checking a file found.

    Attributes
    ----------
    diagnostics
        Errors and lints in the order of the text.
    file
        The syntax tree; None after a syntax error.
    nets
        The names of the file's own nets, in order.
    programs
        The nets that could be expanded without an error, by name.
    """

    diagnostics: tuple[Diagnostic, ...]
    file: tree.File | None = None
    nets: tuple[str, ...] = ()
    programs: Mapping[str, Program] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        return any(d.is_error for d in self.diagnostics)


def check(
    source: Source,
    *,
    net: str | None = None,
    overrides: Mapping[str, Value] | None = None,
    root: Path | None = None,
) -> Checked:
    """Check a file: every net whose parameters are all bound, or one.

    Parameters
    ----------
    source
        The text.
    net
        The one net to expand; all of them where it is None.
    overrides
        Values for the nets' parameters and symbolic sizes, by name (`{"classes": 10, "H": 256}`).
    root
        The folder that imports may not leave; the file's own where it is None.

    Raises
    ------
    UsageError
        `net` or a name in `overrides` does not exist.
    """
    findings = Findings()
    folder = root or (source.path.parent if source.path else Path.cwd())
    loader = Loader(folder, findings)
    module: Module | None = None
    programs: dict[str, Program] = {}
    with _deep_recursion(), _collector_paused(), findings.bounded():
        module = loader.load(source)
        if module is not None:
            _resolve(module, loader, findings)
            if net is not None:
                _require(net, "net", [d.name for d in _nets(module)], source)
            if not findings.has_errors:
                programs = _expand(module, net, overrides or {}, findings, loader.root)
    modules = [m for m in (module, *loader.modules.values()) if m is not None]
    return Checked(
        findings.result(loader.allowed, lambda: Reached(modules, programs.values())),
        module.file if module else None,
        tuple(d.name for d in _nets(module)) if module else (),
        {} if findings.has_errors else programs,
    )


def pick(checked: Checked, net: str | None = None) -> Program:
    """The one program that a command works on.

    Raises
    ------
    FindingsError
        The file has errors.
    UsageError
        The file has no net with all parameters bound, or several and none is named.
    """
    if checked.has_errors:
        raise FindingsError(checked.diagnostics)
    if net is not None and net in checked.programs:
        return checked.programs[net]
    if len(checked.programs) == 1:
        return next(iter(checked.programs.values()))
    if checked.programs:
        msg = f"the file has several nets; choose one with --net: {', '.join(checked.programs)}"
        raise UsageError(msg)
    if checked.nets:
        msg = f"no net of the file has all its parameters bound: {', '.join(checked.nets)}; give them with --set"
        raise UsageError(msg)
    msg = "the file has no net"
    raise UsageError(msg)


def _nets(module: Module) -> list[Definition]:
    return [d for d in module.own if not isinstance(d.syntax, tree.Block)]


def _require(name: str, noun: str, known: list[str], source: Source) -> None:
    if name not in known:
        near = nearest(name, known)
        hint = (
            f"; did you mean {near}?"
            if near
            else f"; there {'is' if len(known) == 1 else 'are'}: {', '.join(known)}"
            if known
            else ""
        )
        msg = f"{source.name} has no {noun} {name}{hint}"
        raise UsageError(msg)


def _resolve(module: Module, loader: Loader, findings: Findings) -> None:
    """Look at every definition, of the file and of what it imports."""
    modules = [module, *(m for m in loader.modules.values() if m is not None)]
    circular = [report_recursion(m, findings) for m in modules]
    if any(circular):
        return
    for each in modules:
        Resolver(each, findings).resolve(is_imported=each is not module)


def _expand(
    module: Module, net: str | None, overrides: Mapping[str, Value], findings: Findings, root: Path
) -> dict[str, Program]:
    programs = {}
    wanted = [d for d in _nets(module) if net in (None, d.name)]
    known = {p.name.name for d in wanted for p in d.parameters} | {s for d in wanted for s in _sizes(d)}
    for name in overrides:
        _require(name, "parameter", sorted(known), module.source)
    for definition in wanted:
        unbound = [p.name.name for p in definition.parameters if p.default is None and p.name.name not in overrides]
        if unbound:
            if net is not None:
                msg = f"net {net} needs {', '.join(unbound)}: give {'it' if len(unbound) == 1 else 'them'} with --set"
                raise UsageError(msg)
            continue
        program = assemble(definition, overrides, findings, root)
        if program is not None:
            programs[definition.name] = program
    return programs


def _sizes(definition: Definition) -> Iterator[str]:
    """The symbolic sizes of a net's inputs."""
    for statement in base_of(definition).syntax.body:  # type: ignore[union-attr]  # a base is never a variant
        if isinstance(statement, tree.Input):
            yield from (p.name for d in statement.shape for p in walk(d) if isinstance(p, tree.Name) and p.name != "N")


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Expanding makes many objects and hardly a cycle; looking for cycles would take a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)

"""Files and what they define; imports, within one root."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from cnnlang.diagnostics import Help
from cnnlang.errors import FindingsError
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.suggest import did_you_mean
from cnnlang.ops import OPERATORS
from cnnlang.source import Source, Span
from cnnlang.syntax import allowed, parse, read_source, tree


@dataclass(frozen=True, eq=False)
class Definition:
    """A block, net or variant, and the file whose names it sees."""

    syntax: tree.Block | tree.Net | tree.Variant
    module: Module

    @property
    def name(self) -> str:
        return self.syntax.name.name

    @property
    def noun(self) -> str:
        return "block" if isinstance(self.syntax, tree.Block) else "net"


@dataclass(eq=False)
class Module:
    """One file: its tree, and by name what it defines and imports."""

    source: Source
    file: tree.File
    definitions: dict[str, Definition] = field(default_factory=dict)
    imported: dict[str, tree.ImportName] = field(default_factory=dict)

    @property
    def own(self) -> list[Definition]:
        """What is defined here, in the order of the text."""
        return [d for d in self.definitions.values() if d.module is self]


class Loader:
    """Reads files and what they import, each once."""

    def __init__(self, root: Path, findings: Findings) -> None:
        self.root = root.resolve()
        self.findings = findings
        self.modules: dict[Path, Module | None] = {}
        self.reading: list[Path] = []
        self.allowed: dict[Source, dict[int, set[str]]] = {}

    def load(self, source: Source) -> Module | None:
        """The module of a source; None where it has syntax errors, which are reported."""
        if source.path is not None and source.path not in self.reading:  # the file given, which nothing imported
            self.reading.append(source.path)
        file, errors = parse(source)
        for error in errors:
            self.findings.add(error)
        self.allowed[source] = allowed(source)
        if file is None or errors:
            return None
        module = Module(source, file)
        for item in file.items:
            if isinstance(item, tree.Import):
                self._import(item, module)
            else:
                self._define(item, module)
        return module

    def _define(self, item: tree.Block | tree.Net | tree.Variant, module: Module) -> None:
        if self._is_free(item.name, module):
            module.definitions[item.name.name] = Definition(item, module)

    def _is_free(self, name: tree.Name, module: Module) -> bool:
        taken = module.definitions.get(name.name)
        if taken is not None:
            place = taken.syntax.name.span if taken.module is module else module.imported[name.name].span
            self.findings.report(
                "E0306",
                f"`{name.name}` is defined twice",
                name.span,
                notes=(f"the first is at {place}",),
                help=(Help("give one of them another name"),),
            )
            return False
        if name.name in OPERATORS:
            self.findings.report(
                "E0306",
                f"`{name.name}` is an operator; a definition cannot hide it",
                name.span,
                help=(Help("choose another name"),),
            )
            return False
        return True

    def _import(self, item: tree.Import, module: Module) -> None:
        try:
            other = self._find(item, module)
        except Abandon:
            other = None
        for imported in item.names:
            name = imported.alias or imported.name
            if other is None:  # its names are taken to exist, so that one error is not followed by many
                module.imported[name.name] = imported
                continue
            found = other.definitions.get(imported.name.name)
            if found is None:
                self.findings.report(
                    "E0301",
                    f"`{other.source.name}` has no block or net `{imported.name.name}`",
                    imported.name.span,
                    help=did_you_mean(imported.name.name, other.definitions, imported.name.span),
                )
            elif self._is_free(name, module):
                module.definitions[name.name] = found
                module.imported[name.name] = imported

    def _find(self, item: tree.Import, module: Module) -> Module | None:
        if isinstance(item.origin, tree.Name):
            return self._find_shipped(item.origin)
        span, text = item.origin.span, str(item.origin.value)
        if "\0" in text or not text:
            raise self.findings.report("E0308", "an import needs the name of a file", span)
        folder = module.source.path.parent if module.source.path else self.root
        if module.source.name.startswith("std/"):
            raise self.findings.report("E0310", "what ships with cnnlang imports from `std` only", span)
        try:
            path = (folder / text).resolve()
        except (OSError, RuntimeError):
            raise self.findings.report("E0308", f"no file {text}", span) from None
        if Path(text).is_absolute() or not path.is_relative_to(self.root):
            raise self.findings.report(
                "E0310",
                f"{text} lies outside the root folder",
                span,
                notes=("the root is the folder of the file that is checked; links are followed first",),
                help=(Help("move the file into the root, or name a wider root with --root"),),
            )
        if not path.is_file():
            raise self.findings.report("E0308", f"no file {text}", span, help=_did_you_mean_file(text, path, span))
        if path in self.reading:
            circle = [p.name for p in (*self.reading[self.reading.index(path) :], path)]
            raise self.findings.report(
                "E0309",
                f"{text} imports itself" if len(circle) == 2 else "these files import each other in a circle",
                span,
                notes=(f"the circle: {' -> '.join(circle)}",),
                help=(Help("move what both need into a third file"),),
            )
        name = (Path(module.source.name).parent / text).as_posix()
        return self._read(path, name, span)

    def _find_shipped(self, origin: tree.Name) -> Module | None:
        first, _, rest = origin.name.partition(".")
        folder = files("cnnlang.std")
        shipped = sorted(f.name.removesuffix(".cnn") for f in folder.iterdir() if f.name.endswith(".cnn"))
        if first != "std" or rest not in shipped:
            raise self.findings.report(
                "E0308",
                f"nothing called {origin.name} ships with cnnlang",
                origin.span,
                help=did_you_mean(origin.name, [f"std.{s}" for s in shipped], origin.span),
            )
        path = Path(str(folder / f"{rest}.cnn"))
        return self._read(path, f"std/{rest}.cnn", origin.span)

    def _read(self, path: Path, name: str, span: Span) -> Module | None:
        if path in self.modules:
            return self.modules[path]
        self.reading.append(path)
        try:
            self.modules[path] = self.load(read_source(path, name))
        except FindingsError as error:
            for diagnostic in error.diagnostics:
                self.findings.add(diagnostic)
            self.modules[path] = None
        finally:
            self.reading.pop()
        return self.modules[path]


def _did_you_mean_file(text: str, path: Path, span: Span) -> tuple[Help, ...]:
    """The nearest file of the same folder, in quotes as an import needs it."""
    there = [p.name for p in sorted(path.parent.glob("*.cnn"))] if path.parent.is_dir() else []
    before = text[: len(text) - len(path.name)]
    return tuple(
        replace(h, edits=tuple(replace(e, text=f'"{before}{e.text}"') for e in h.edits))
        for h in did_you_mean(path.name, there, span)
    )

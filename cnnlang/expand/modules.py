"""Files and what they define; imports, within one root."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.errors import FindingsError
from cnnlang.expand.arguments import Callee, Slot
from cnnlang.expand.cures.flow import named
from cnnlang.expand.cures.removal import at, remove_statement
from cnnlang.expand.cures.suggest import did_you_mean, nearest
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.names import bindings
from cnnlang.ops import OPERATORS
from cnnlang.source import Source, Span
from cnnlang.syntax import allowed, parse, read_source, tree
from cnnlang.syntax.walk import walk

MAX_FILES = 1000
MAX_NESTING = 100


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

    @cached_property
    def parameters(self) -> tuple[tree.Parameter, ...]:
        """The parameters; a variant has its base's, those that it binds no longer required."""
        if not isinstance(self.syntax, tree.Variant):
            return self.syntax.parameters
        call = self.syntax.base
        base = self.module.definitions.get(call.name.name)
        if base is None or base is self:
            return ()
        bound = {p.name.name: a.value for p, a in zip(base.parameters, call.arguments, strict=False) if a.name is None}
        bound |= {a.name.name: a.value for a in call.arguments if a.name is not None}
        return tuple(
            tree.Parameter(p.span, p.name, bound.get(p.name.name, p.default), p.tensor) for p in base.parameters
        )

    @cached_property
    def callee(self) -> Callee:
        """How it is called."""
        slots = tuple(Slot(p.name.name, p.default is None, p.tensor) for p in self.parameters)
        return Callee(self.name, slots, f"{self.name}({', '.join(map(_shown, self.parameters))})", {})


def _shown(parameter: tree.Parameter) -> str:
    if parameter.tensor:
        return f"{parameter.name.name}: tensor"
    if parameter.default is None:
        return parameter.name.name
    return f"{parameter.name.name}={parameter.default.span.text}"


@dataclass(eq=False)
class Module:
    """One file: its tree, and by name what it defines and imports."""

    source: Source
    file: tree.File
    definitions: dict[str, Definition] = field(default_factory=dict)
    imported: dict[str, tree.ImportName] = field(default_factory=dict)  # also what could not be read
    hidden: set[str] = field(default_factory=set)  # operators whose names are taken by a definition

    @property
    def own(self) -> list[Definition]:
        """What is defined here, in the order of the text."""
        return [d for d in self.definitions.values() if d.module is self]

    # What follows is asked for when something is wrong.

    @cached_property
    def bound(self) -> dict[str, Span]:
        """Where each name that a definition binds is bound first."""
        return {name.name: name.span for name in reversed(list(bindings(self.file)))}

    @cached_property
    def sides(self) -> dict[str, tree.If]:
        """The `if` that names a value on one of its sides, by the name."""
        tests = [part for part in walk(self.file) if isinstance(part, tree.If)]
        return {name: test for test in tests for side in (test.then, test.otherwise or ()) for name in named(side)}

    @cached_property
    def inputs(self) -> list[tree.Input]:
        """Every input that the file declares."""
        return [part for part in walk(self.file) if isinstance(part, tree.Input)]


def outside_the_root(text: str, span: Span, findings: Findings) -> Abandon:
    """Report E0310 for a file that an import or `labels` names."""
    return findings.report(
        "E0310",
        f"{text} lies outside the root folder",
        span,
        notes=("the root is the folder of the file that is checked; links are followed first",),
        help=(Help("move the file into the root, or name a wider root with --root"),),
    )


def shown_circle(names: list[str]) -> list[str]:
    """The names of a circle, those in the middle left out where there are many."""
    return names if len(names) <= 8 else [*names[:4], "...", *names[-3:]]


def what_is(path: Path) -> str:
    """`file`, `folder`, or empty where neither can be there."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else ""
    except OSError:  # a name that is too long
        return ""


def beside(path: Path, pattern: str) -> list[str]:
    """The names of the files in a path's folder, for "did you mean"."""
    if what_is(path.parent) != "folder":
        return []
    return [p.name for p in sorted(path.parent.glob(pattern))[:MAX_FILES]]


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
        for item in file.items:
            if not isinstance(item, tree.Import):
                self._define(item, module)
        return module

    def _define(self, item: tree.Block | tree.Net | tree.Variant, module: Module) -> None:
        name = item.name.name
        if name in OPERATORS:
            module.hidden.add(name)
            self.findings.report(
                "E0306",
                f"`{name}` is an operator; a definition cannot hide it",
                item.name.span,
                help=(_rename_all(item, module, f"{name}_block" if isinstance(item, tree.Block) else f"{name}_net"),),
            )
        elif name in module.definitions:
            self._defined_twice(item.name, module, imported=None)
        else:
            module.definitions[name] = Definition(item, module)

    def _defined_twice(self, name: tree.Name, module: Module, imported: tree.ImportName | None) -> None:
        """Report a name that a definition or (`imported`) an import takes a second time."""
        text = name.name
        taken = {i.name.name for i in module.file.items if not isinstance(i, tree.Import)} | set(module.imported)
        fresh = next(f for n in count(2) if (f := f"{text}_{n}") not in taken)
        other = module.imported.get(text)
        if imported is not None:
            edit = _import_as(imported, fresh)
        elif other is not None:  # the file's own definition keeps its name
            edit = _import_as(other, fresh)
        else:
            edit = Edit(name.span, fresh)
        self.findings.report(
            "E0306",
            f"`{text}` is defined twice",
            name.span,
            labels=(Label(other.span if other else module.definitions[text].syntax.name.span, "the other"),),
            help=(Help(f"give one of them another name, as `{fresh}`", (edit,)),),
        )

    def _import(self, item: tree.Import, module: Module) -> None:
        try:
            other = self._find(item, module)
        except Abandon:
            other = None
        for imported in item.names:
            name = imported.alias or imported.name
            if name.name in module.imported:
                self._defined_twice(name, module, imported)
                continue
            # a name that is not there is taken to exist, so that one error is not followed by many
            module.imported[name.name] = imported
            if other is None:
                continue
            found = other.definitions.get(imported.name.name)
            if found is not None:
                if name.name in OPERATORS:
                    self._hides_an_operator(name, imported, module)
                else:
                    module.definitions[name.name] = found
            elif imported.name.name not in other.imported and imported.name.name not in other.hidden:
                self._no_such_name(imported, other, module)

    def _hides_an_operator(self, name: tree.Name, imported: tree.ImportName, module: Module) -> None:
        module.hidden.add(name.name)
        fresh = f"{name.name}_block"
        self.findings.report(
            "E0306",
            f"`{name.name}` is an operator; an import cannot hide it",
            name.span,
            help=(Help(f"give it another name: `{imported.name.name} as {fresh}`", (_import_as(imported, fresh),)),),
        )

    def _no_such_name(self, imported: tree.ImportName, other: Module, module: Module) -> None:
        name = imported.name
        near = nearest(name.name, other.definitions)
        edits = [Edit(name.span, near)] if near else []
        if near and imported.alias is None:
            calls = (p for p in walk(module.file) if isinstance(p, tree.Call))
            edits += [Edit(c.name.span, near) for c in calls if c.name.name == name.name]
        help = Help(f"did you mean `{near}`?", tuple(edits)) if near else Help(_all_of(other))
        self.findings.report(
            "E0301", f"`{other.source.name}` has no block or net `{name.name}`", name.span, help=(help,)
        )

    def _find(self, item: tree.Import, module: Module) -> Module | None:
        if isinstance(item.origin, tree.Name):
            return self._find_shipped(item.origin)
        span, text = item.origin.span, str(item.origin.value)
        if "\0" in text or not text:
            raise self.findings.report(
                "E0308", "an import needs the name of a file", span, help=(Help('write for example `"blocks.cnn"`'),)
            )
        folder = module.source.path.parent if module.source.path else self.root
        if module.source.name.startswith("std/"):
            raise self.findings.report("E0310", "what ships with cnnlang imports from `std` only", span)
        try:
            path = (folder / text).resolve()
        except (OSError, RuntimeError):
            raise self.findings.report("E0308", f"there is no file {text}", span) from None
        if Path(text).is_absolute() or not path.is_relative_to(self.root):
            raise outside_the_root(text, span, self.findings)
        if what_is(path) == "folder":
            raise self.findings.report(
                "E0308", f"{text} is a folder", span, help=(Help("name a file in it, as `blocks/resnet.cnn`"),)
            )
        if what_is(path) != "file":
            raise self.findings.report(
                "E0308", f"there is no file {text}", span,
                notes=("it is looked for beside the file that imports it",),
                help=_did_you_mean_file(text, path, span),
            )  # fmt: skip
        if path in self.reading:
            circle = shown_circle([p.name for p in (*self.reading[self.reading.index(path) :], path)])
            if len(circle) == 2:
                cure = Help("take it away: a file sees what it defines", (remove_statement(item.span),))
                raise self.findings.report("E0309", f"{text} imports itself", span, help=(cure,))
            raise self.findings.report(
                "E0309",
                "these files import each other in a circle",
                span,
                notes=(f"the circle: {' -> '.join(circle)}",),
                help=(Help("move what both need into a third file"),),
            )
        name = (Path(module.source.name).parent / text).as_posix()
        return self._read(path, name, span)

    def _find_shipped(self, origin: tree.Name) -> Module | None:
        first, _, rest = origin.name.partition(".")
        from importlib.resources import files  # it takes long to import, and few files name the library

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
        if len(self.modules) >= MAX_FILES or len(self.reading) >= MAX_NESTING:
            message = f"imports may lead to {MAX_FILES:_} files, and {MAX_NESTING} deep"
            raise self.findings.report("E0311", message, span, help=(Help("put blocks together in fewer files"),))
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


def _import_as(imported: tree.ImportName, fresh: str) -> Edit:
    """The edit that gives an import another name in this file."""
    if imported.alias is not None:
        return Edit(imported.alias.span, fresh)
    return Edit(at(imported.name.span, imported.name.span.end), f" as {fresh}")


def _rename_all(item: tree.Block | tree.Net | tree.Variant, module: Module, fresh: str) -> Help:
    """The cure for a definition that hides an operator: another name, also where it is applied outside itself."""
    edits = [Edit(item.name.span, fresh)]
    for other in module.file.items:
        if other is not item and not isinstance(other, tree.Import):
            calls = (p for p in walk(other) if isinstance(p, tree.Call))
            edits += [Edit(c.name.span, fresh) for c in calls if c.name.name == item.name.name]
    return Help(f"choose another name, as `{fresh}`", tuple(edits))


def _all_of(module: Module) -> str:
    names = [f"`{d.name}`" for d in module.own][:10]
    return f"it has {', '.join(names)}" if names else "it defines nothing"


def _did_you_mean_file(text: str, path: Path, span: Span) -> tuple[Help, ...]:
    """The nearest file of the same folder, in quotes as an import needs it."""
    there = beside(path, "*.cnn")
    before = text[: len(text) - len(path.name)]
    return tuple(
        replace(h, edits=tuple(replace(e, text=f'"{before}{e.text}"') for e in h.edits))
        for h in did_you_mean(path.name, there, span)
    )

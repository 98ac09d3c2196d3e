"""Lints on names that nobody uses, each with the edits that take it away."""

from __future__ import annotations

from functools import cached_property

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.removal import remove_argument, remove_item, remove_label, remove_statement
from cnnlang.expand.findings import Findings
from cnnlang.expand.modules import Module
from cnnlang.expand.names import Known, Mentions, referenced
from cnnlang.source import Span
from cnnlang.syntax import tree


class Unused:
    """Finds what a file declares and never uses."""

    def __init__(self, module: Module, findings: Findings) -> None:
        self.module = module
        self.findings = findings
        self._calls: dict[str, list[tree.Call]] | None = None

    def names(self, definition: tree.Block | tree.Net, declared: list[tuple[str, Known]]) -> None:
        """Lint the names that one definition binds."""
        used = set(referenced(definition, {known.span.start for _, known in declared}))
        taken = {name for name, _ in declared}
        for name, known in declared:
            if name in used or known.counts_as_used or name.startswith("_"):
                continue
            is_parameter = isinstance(known.by, tree.Parameter)
            words, edits = self._cure(name, known, definition, taken)
            self.findings.report(
                "W0508" if is_parameter else "W0501",
                f"{known.noun} `{name}` is never used",
                known.span,
                help=(Help(words, edits),),
            )

    def _cure(
        self, name: str, known: Known, definition: tree.Block | tree.Net, taken: set[str]
    ) -> tuple[str, tuple[Edit, ...]]:
        match known.by:
            case tree.Step() as step:
                return "take the name away, or use it", (remove_label(step),)
            case tree.Let() | tree.Shared() as statement:
                return "take it away, or use it", (remove_statement(statement.span),)
            case tree.Parameter() as parameter:
                return "take it away, or use it", self._without_parameter(definition, parameter)
            case tree.For():
                fresh = f"_{name}"
                while fresh in taken:
                    fresh = f"_{fresh}"
                return f"`{fresh}` says that it is not used", (Edit(known.span, fresh),)
        return "use it, or take it away", ()

    def _without_parameter(self, definition: tree.Block | tree.Net, parameter: tree.Parameter) -> tuple[Edit, ...]:
        """The edits that take a parameter away, and the argument for it in each call of this file."""
        parameters = definition.parameters
        place = next(i for i, p in enumerate(parameters) if p is parameter)
        edits = [_remove_parameter(definition, parameter)]
        for call in self.calls.get(definition.name.name, ()):
            for i, argument in enumerate(call.arguments):
                if (argument.name.name == parameter.name.name) if argument.name else i == place:
                    edits.append(remove_argument(call.arguments, argument))
        return tuple(edits)

    @property
    def calls(self) -> dict[str, list[tree.Call]]:
        """Every call of the file by what it calls."""
        if self._calls is None:
            self._calls = Mentions(self.module.file).calls
        return self._calls

    def imports(self) -> None:
        """Lint what the file imports."""
        items = {id(n): i for i in self.module.file.items if isinstance(i, tree.Import) for n in i.names}
        for name, imported in self.module.imported.items():
            if name not in self.used and name in self.module.definitions:
                self.findings.report(
                    "W0508",
                    f"`{name}` is imported and never used",
                    imported.span,
                    help=(Help("take it away", (_without_import(items[id(imported)], imported),)),),
                )

    def definitions(self) -> None:
        """Lint the blocks that the file defines; one without a net is there to be imported from."""
        if all(isinstance(d.syntax, tree.Block) for d in self.module.own):
            return
        for definition in self.module.own:
            if isinstance(definition.syntax, tree.Block) and definition.name not in self.used:
                self.findings.report(
                    "W0508",
                    f"block `{definition.name}` is never used",
                    definition.syntax.name.span,
                    help=(Help("take it away, or apply it in a net", (remove_statement(definition.syntax.span),)),),
                )

    @cached_property
    def used(self) -> set[str]:
        """The names that the file uses."""
        items = [item for item in self.module.file.items if not isinstance(item, tree.Import)]
        return {name for item in items for name in referenced(item, {item.name.span.start})}


def _without_import(item: tree.Import, imported: tree.ImportName) -> Edit:
    return remove_item(item.names, imported) if len(item.names) > 1 else remove_statement(item.span)


def _remove_parameter(definition: tree.Block | tree.Net, parameter: tree.Parameter) -> Edit:
    if len(definition.parameters) > 1:
        return remove_item(definition.parameters, parameter)
    text = definition.span.source.text
    closed = text.index(")", parameter.span.end)
    return Edit(Span(definition.span.source, definition.name.span.end, closed + 1), "")

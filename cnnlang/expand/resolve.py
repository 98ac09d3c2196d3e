"""The first look at a file: every name, argument and statement is held against what there is.

Nothing is evaluated here, so a branch that is never taken and a block that nobody uses are checked too. What passes can
be expanded without a question about names.
"""

from __future__ import annotations

from contextlib import suppress

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.expand.arguments import Callee
from cnnlang.expand.cures.foreign_steps import foreign_step
from cnnlang.expand.cures.removal import at, end_of, remove_item, remove_statement, top_of
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.evaluate import FUNCTIONS
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.modules import Definition, Module
from cnnlang.expand.names import Known, Mentions, Names
from cnnlang.expand.resolve_steps import ChainResolver
from cnnlang.expand.unused import Unused
from cnnlang.ops import OPERATORS
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

NET_ONLY = {
    tree.Input: "input",
    tree.Labels: "labels",
    tree.Output: "output",
    tree.Aux: "aux",
    tree.Section: "section",
    tree.Check: "check",
}
MAX_VARIANTS = 100
EXAMPLE_INPUT = "input image: [N, 3, 224, 224]"


class Resolver(ChainResolver):
    """Checks the definitions of one file."""

    def __init__(self, module: Module, findings: Findings) -> None:
        super().__init__(module, findings)
        self.rebindable: frozenset[str] = frozenset()
        self.ends = 0  # where the body at hand ends, and with it the names that it binds

    def resolve(self, *, is_imported: bool = False) -> None:
        """Check every definition; then, where nothing is wrong, look for what nobody uses.

        What an imported file defines, the file that imports it need not use.
        """
        declared: list[tuple[tree.Block | tree.Net, list[tuple[str, Known]]]] = []
        for definition in self.module.own:
            self._definition(definition)
            if not isinstance(definition.syntax, tree.Variant):
                declared.append((definition.syntax, self.declared))
        if self.findings.has_errors:  # a name that an error hides is not unused
            return
        unused = Unused(self.module, self.findings)
        for syntax, names in declared:
            unused.names(syntax, names)
        unused.imports()
        if not is_imported:
            unused.definitions()

    # --- definitions --------------------------------------------------------------------------------------------------

    def _definition(self, definition: Definition) -> None:
        syntax = definition.syntax
        self.begin(syntax)
        names = Names()
        self.ends = syntax.span.end
        if isinstance(syntax, tree.Variant):
            with suppress(Abandon):
                self._variant(syntax, names)
            return
        for parameter in syntax.parameters:
            if parameter.default is not None:
                self.expression(parameter.default, names)
            if (first := names.own.get(parameter.name.name)) is not None:
                self._twice(parameter, first, syntax)
                continue
            self.bind(parameter.name, "tensor" if parameter.tensor else "number", parameter, names)
        is_net = isinstance(syntax, tree.Net)
        self.body(syntax.body, names, is_net=is_net)
        if is_net:
            self._last_name_is_used(syntax.body)
        elif not any(isinstance(s, tree.Chain | tree.For | tree.If | tree.Group) for s in syntax.body):
            self.findings.report(
                "E0316",
                f"block `{definition.name}` does nothing",
                syntax.name.span,
                help=(Help("write its steps, for example `relu`", (end_of(syntax, "relu"),)),),
            )

    def _twice(self, parameter: tree.Parameter, first: Known, syntax: tree.Block | tree.Net) -> None:
        self.findings.report(
            "E0306",
            f"parameter `{parameter.name.name}` is named twice",
            parameter.name.span,
            labels=(Label(first.span, "first here"),),
            help=(Help("take one away", (remove_item(syntax.parameters, parameter),)),),
        )

    def _last_name_is_used(self, body: tuple[tree.Statement, ...]) -> None:
        """The name of a net's result is the name of its output."""
        chains = [s for s in body if isinstance(s, tree.Chain)]
        if chains and isinstance(label := chains[-1].steps[-1].label, tree.Name):
            for name, known in self.declared:
                if name == label.name:
                    known.counts_as_used = True

    def _variant(self, syntax: tree.Variant, names: Names) -> None:
        try:
            base = self._definition_called(syntax.base)
        except Abandon:
            return
        if isinstance(base.syntax, tree.Block):
            cure = f"{{\n  {EXAMPLE_INPUT}\n  {syntax.base.span.text}\n}}"
            equals = syntax.span.source.text.index("=", syntax.name.span.end)
            edits = (Edit(Span(syntax.span.source, equals, syntax.base.span.end), cure),)
            self.findings.report(
                "E0317",
                f"`{base.name}` is a block; a variant needs a net",
                syntax.base.name.span,
                help=(Help("define a net that applies the block", () if syntax.sections else edits),),
            )
            return
        if self._too_long(base):
            message = f"variants build on variants at most {MAX_VARIANTS} deep"
            help = (Help("build it on the net at the bottom"),)
            raise self.findings.report("E0311", message, syntax.base.name.span, help=help)
        self.call_arguments(syntax.base, base.callee, names)
        self._sections_once(syntax.sections)

    @staticmethod
    def _too_long(definition: Definition) -> bool:
        """Whether more variants than may be lie between a definition and its net."""
        for _ in range(MAX_VARIANTS):
            if not isinstance(definition.syntax, tree.Variant):
                return False
            below = definition.module.definitions.get(definition.syntax.base.name.name)
            if below is None:
                return False
            definition = below
        return True

    def _definition_called(self, call: tree.Call) -> Definition:
        """The block or net that a variant or `shared` names."""
        name = call.name.name
        found = self.module.definitions.get(name)
        if found is None:
            if name in self.module.imported or name in self.module.hidden:  # which is reported
                raise Abandon
            help = did_you_mean(name, self.module.definitions, call.name.span)
            raise self.findings.report("E0301", f"no net or block is called `{name}`", call.name.span, help=help)
        return found

    # --- names --------------------------------------------------------------------------------------------------------

    def bind(self, name: tree.Name, kind: str, by: tree.Tree, names: Names, *, counts_as_used: bool = False) -> None:
        text = name.name
        taken = names.find(text)
        if taken is not None and text not in self.rebindable:
            self._taken(name, kind, f"`{text}` is bound already", names, by, first=taken.span)
        elif text in self.module.definitions or text in self.module.imported:
            found = self.module.definitions.get(text)
            self._taken(name, kind, f"`{text}` is the name of a {found.noun if found else 'block'}", names, by)
        elif text in OPERATORS:
            self._taken(name, kind, f"`{text}` is the name of an operator", names, by)
        elif text in FUNCTIONS:
            self._taken(name, kind, f"`{text}` is the name of a function", names, by)
        known = Known(kind, name.span, by, counts_as_used)
        names.own[text] = known
        self.declared.append((text, known))

    def _taken(
        self, name: tree.Name, kind: str, why: str, names: Names, by: tree.Tree, *, first: Span | None = None
    ) -> None:
        """Report a name that is taken; the cure renames it here and wherever it then means this one."""
        number = 1
        while self._is_taken(fresh := f"{name.name}_{number}", names):
            number += 1
        steps = first is not None and kind in ("tensor", "shared")
        places = [name.span, *self.mentions.uses(name.name, name.span.end, self.ends, steps=steps)]
        if isinstance(by, tree.Parameter):
            calls = Mentions(self.module.file).calls.get(self.definition.name.name, ())
            given = [a.name for call in calls for a in call.arguments if a.name is not None]
            places += [key.span for key in given if key.name == name.name]
        self.findings.report(
            "E0306",
            f"{why}; a name cannot be bound again or hidden",
            name.span,
            labels=(Label(first, "bound here"),) if first is not None else (),
            help=(Help(f"choose another name, as `{fresh}`", tuple(Edit(place, fresh) for place in places)),),
        )

    def _is_taken(self, name: str, names: Names) -> bool:
        return (
            names.find(name) is not None
            or name in self.mentions.bound
            or name in self.module.definitions
            or name in OPERATORS
        )

    # --- bodies -------------------------------------------------------------------------------------------------------

    def body(self, body: tuple[tree.Statement, ...], names: Names, *, is_net: bool = False) -> None:
        ends, self.ends = self.ends, body[-1].span.end if body else self.ends
        before: tree.Statement | None = None
        for statement in body:
            if not is_net and type(statement) in NET_ONLY:
                self._misplaced(statement)
                continue
            with suppress(Abandon):
                self._statement(statement, names, before)
            before = statement
        if is_net:
            self._sections_once(body)
        self.ends = ends

    def _misplaced(self, statement: tree.Statement) -> None:
        """Report what belongs to a net's own body; the cure moves it there."""
        word = statement.kind if isinstance(statement, tree.Section) else NET_ONLY[type(statement)]
        removed = remove_statement(statement.span)
        text = statement.span.text
        if isinstance(self.definition, tree.Block):
            edits = [removed]
            words = "take it away, and write it in the net"
            if isinstance(statement, tree.Input):
                words = "take it away: a block takes what it is applied to"
                name = statement.name.name
                uses = self.mentions.uses(name, self.definition.span.start, self.definition.span.end, steps=True)
                edits += [Edit(s, "in") for s in uses if not statement.span.start <= s.start < statement.span.end]
            cure = Help(words, tuple(edits))
        else:
            assert isinstance(self.definition, tree.Net)
            moved = top_of(self.definition, text) if word == "input" else end_of(self.definition, text)
            cure = Help("move it out of the braces, to the net", (removed, moved))
        self.findings.report(
            "E0316", f"`{word}` may stand in a net's own body only", _head(statement.span), help=(cure,)
        )

    def _sections_once(self, body: tuple[tree.Statement, ...]) -> None:
        """A net has one section of a kind; a second would silently take the place of the first."""
        first: dict[str, tree.Statement] = {}
        for statement in body:
            if not isinstance(statement, tree.Section | tree.Check | tree.Labels):
                continue
            kind = statement.kind if isinstance(statement, tree.Section) else NET_ONLY[type(statement)]
            if kind not in first:
                first[kind] = statement
                continue
            self.findings.report(
                "E0315",
                f"`{kind}` stands twice",
                _head(statement.span),
                labels=(Label(_head(first[kind].span), "first here"),),
                help=(Help("write all of it in one, or take one away", (remove_statement(statement.span),)),),
            )

    def _statement(self, statement: tree.Statement, names: Names, before: tree.Statement | None) -> None:
        match statement:
            case tree.Chain():
                self.chain(statement, names)
            case tree.Input():
                self._input(statement, names)
            case tree.Output():
                self._output(statement, names)
            case tree.Aux():
                self._aux(statement, names, before)
            case tree.Let(name=name, value=value):
                self.expression(value, names)
                self.bind(name, "number", statement, names)
            case tree.Group(label=label, body=body):
                self.label_expressions(label, names)
                self.body(body, names)
            case tree.Shared(name=name, call=call):
                try:
                    self._shared(call, names)
                finally:
                    self.bind(name, "shared", statement, names)
            case tree.For(targets=targets, iterable=iterable, body=body):
                self.expression(iterable, names)
                inner = Names(names)
                ends, self.ends = self.ends, statement.span.end
                for target in targets:
                    self._target(target, statement, inner)
                self.body(body, inner)
                self.ends = ends
            case tree.If():
                self._if(statement, names)
            case tree.Labels(value=value):
                self.expression(value, names)
            case _:
                pass  # sections have names of their own, and are looked at when the net is expanded

    def _output(self, statement: tree.Output, names: Names) -> None:
        seen: dict[str, Span] = {}
        for item in statement.items:
            name = item.name.name
            if name in seen:
                self.findings.report(
                    "E0306",
                    f"output `{name}` is named twice",
                    item.span,
                    labels=(Label(seen[name], "first here"),),
                    help=(Help("take one away", (remove_item(statement.items, item),)),),
                )
                continue
            seen[name] = item.span
            if item.chain is not None:
                self.chain(item.chain, names)
                self.bind(item.name, "tensor", item, names, counts_as_used=True)
                continue
            known = names.find(name)
            if known is None:
                self.unknown(item.name, f"no value is called `{name}`", names.all("tensor"))
            elif known.kind != "tensor":
                help = (
                    (Help("take it away", (remove_item(statement.items, item),)),) if len(statement.items) > 1 else ()
                )
                self.findings.report("E0317", f"`{name}` is a {known.noun}, not a value", item.span, help=help)

    def _aux(self, statement: tree.Aux, names: Names, before: tree.Statement | None) -> None:
        chain = statement.chain
        first = chain.steps[0].action
        known = names.find(first.name.name) if isinstance(first, tree.Call) else None
        is_unknown = isinstance(first, tree.Call) and known is None and not self._is_step(first.name.name)
        if not isinstance(first, tree.In) and not (known and known.kind == "tensor") and not is_unknown:
            self.findings.report(
                "E0316",
                "an `aux` head starts from a named value",
                chain.steps[0].span,
                help=(self._named_before(statement, names, before),),
            )
        self.chain(chain, Names(names))
        self.bind(statement.name, "tensor", statement, names, counts_as_used=True)

    def _is_step(self, name: str) -> bool:
        return name in OPERATORS or name in self.module.definitions or OPERATORS.foreign(name) is not None

    def _named_before(self, statement: tree.Aux, names: Names, before: tree.Statement | None) -> Help:
        """The cure for a head that starts from nothing: what the line before it gives."""
        words = "name the value it starts from with `as`, and begin with that name"
        last = before.steps[-1] if isinstance(before, tree.Chain) else None
        start = at(statement.chain.span, statement.chain.span.start)
        if last is None or last.shape is not None:
            return Help(words)
        if isinstance(last.label, tree.Name):
            return Help(words, (Edit(start, f"{last.label.name} -> "),))
        name, number = "middle", 1
        while self._is_taken(name, names):
            name, number = f"middle_{number}", number + 1
        if last.label is not None:
            return Help(words)
        return Help(words, (Edit(at(last.span, last.span.end), f" as {name}"), Edit(start, f"{name} -> ")))

    def _if(self, statement: tree.If, names: Names) -> None:
        self.expression(statement.test, names)
        before = set(names.own)
        self.body(statement.then, names)
        if statement.otherwise is not None:
            kept = self.rebindable
            self.rebindable = kept | (names.own.keys() - before)  # either side may make the same name
            self.body(statement.otherwise, names)
            self.rebindable = kept

    def _target(self, target: tree.Target, statement: tree.For, names: Names) -> None:
        if isinstance(target, tree.TupleTarget):
            for item in target.items:
                self._target(item, statement, names)
        else:
            self.bind(target, "number", statement, names)

    def _shared(self, call: tree.Call, names: Names) -> None:
        name = call.name.name
        if name in OPERATORS and not OPERATORS[name].is_merge:
            self.call_arguments(call, Callee.of_declared(OPERATORS[name]), names)
            return
        if name in self.module.definitions or name in self.module.imported or name in self.module.hidden:
            self.call_arguments(call, self._definition_called(call).callee, names)
            return
        if name in OPERATORS:
            message = f"`{name}` is a merge, which has no weights to share"
            raise self.findings.report("E0317", message, call.span, help=(Help("share the steps in its branches"),))
        help = foreign_step(call, self.module.definitions)
        raise self.findings.report("E0301", f"no operator or block is called `{name}`", call.name.span, help=help)

    def _input(self, statement: tree.Input, names: Names) -> None:
        for i, dim in enumerate(statement.shape):
            for part in walk(dim):
                if (
                    isinstance(part, tree.Name)
                    and names.find(part.name) is None
                    and part.name not in OPERATORS
                    and part.name not in FUNCTIONS
                ):
                    if i == 1 and len(statement.shape) in (2, 4):
                        help = did_you_mean(part.name, names.all("number"), part.span)
                        self.findings.report(
                            "E0301",
                            f"nothing is called `{part.name}`, and channels are a number",
                            part.span,
                            help=help or (Help("write for example `3`", (Edit(part.span, "3"),)),),
                        )
                    names.own[part.name] = Known("size", part.span, statement)
            self.expression(dim, names)
        for entry in statement.metadata:
            self.expression(entry.value, names)
        # one that reaches no output is a lost value, which is another lint
        self.bind(statement.name, "tensor", statement, names, counts_as_used=True)


def _head(span: Span) -> Span:
    """The first line of a statement, for a caret that is not longer."""
    end = span.source.text.find("\n", span.start, span.end)
    return Span(span.source, span.start, span.end if end < 0 else end)

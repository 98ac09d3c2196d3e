"""The first look at chains: every step of them is held against what there is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.arguments import Callee
from cnnlang.expand.cures.foreign_steps import foreign_step, merged
from cnnlang.expand.cures.removal import at, remove_step
from cnnlang.expand.cures.suggest import nearest
from cnnlang.expand.expressions import Expressions
from cnnlang.expand.findings import Abandon
from cnnlang.expand.names import Known, Names
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk


class ChainResolver(Expressions, ABC):
    """Checks chains and what stands in them."""

    @abstractmethod
    def body(self, body: tuple[tree.Statement, ...], names: Names, *, is_net: bool = False) -> None:
        """Check the statements of a body."""

    @abstractmethod
    def bind(self, name: tree.Name, kind: str, by: tree.Tree, names: Names, *, counts_as_used: bool = False) -> None:
        """Enter a name that a statement or step makes."""

    def chain(self, chain: tree.Chain, names: Names) -> None:
        """Check every step of a chain."""
        for i, step in enumerate(chain.steps):
            try:
                self._step(step, names, is_first=i == 0)
            except Abandon:
                continue

    def _step(self, step: tree.Step, names: Names, *, is_first: bool) -> None:
        if step.times is not None:
            self.expression(step.times, names)
        try:
            has_weights = self._action(step, names, is_first=is_first)
        except Abandon:
            has_weights = True
        for dim in step.shape or ():
            self.expression(dim, names, sizes=True)
        if isinstance(step.label, tree.Name):
            self.bind(step.label, "tensor", step, names, counts_as_used=has_weights)
        elif step.label is not None:
            self.label_expressions(step.label, names)

    def label_expressions(self, label: tree.Label, names: Names) -> None:
        """Check the expressions in a label such as `"layer{i+1}"`."""
        if isinstance(label, tree.Template):
            for part in label.parts:
                if not isinstance(part, str):
                    self.expression(part, names)

    def _action(self, step: tree.Step, names: Names, *, is_first: bool) -> bool:
        """Check the action; the answer is whether it may own weights."""
        action = step.action
        match action:
            case tree.In():
                if not is_first:
                    raise self.findings.report(
                        "E0317",
                        "`in` begins a line or a branch; it cannot stand after `->`",
                        action.span,
                        help=(Help("take it away: a step takes what the one before gives", (remove_step(step.span),)),),
                    )
                return False
            case tree.Braces(body=body):
                self.body(body, Names(names) if step.times is not None else names)
                return step.times is not None
            case tree.Merge():
                self._merge(action, step, names)
                return False
        return self._call(action, step, names, is_first=is_first)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, call: tree.Call, step: tree.Step, names: Names, *, is_first: bool) -> bool:
        name = call.name.name
        known = names.find(name)
        if known is not None:
            return self._known_step(known, call, step, is_first=is_first)
        if name in self.module.hidden:  # a definition hides an operator, which is reported
            raise Abandon
        if name in self.module.definitions:
            definition = self.module.definitions[name]
            self.call_arguments(call, definition.callee, names)
            return True
        if name in self.module.imported:  # its file could not be read, which is reported
            raise Abandon
        if name in OPERATORS:
            operator = OPERATORS[name]
            if operator.is_merge:
                raise self._merge_as_call(call, name)
            self.call_arguments(call, Callee.of_declared(operator), names)
            return operator.weights is not Op.weights
        raise self._unknown_step(call, names)

    def _known_step(self, known: Known, call: tree.Call, step: tree.Step, *, is_first: bool) -> bool:
        name = call.name.name
        if known.kind in ("number", "size"):
            raise self.findings.report(
                "E0317",
                f"`{name}` is a number, not a step",
                call.span,
                help=(
                    Help(
                        "take it away; a step is an operator, a block, a `shared` name or a named value",
                        (remove_step(step.span),),
                    ),
                ),
            )
        if call.parens:
            cure = Edit(Span(call.span.source, call.name.span.end, call.span.end), "")
            raise self.findings.report(
                "E0317",
                f"`{name}` is a {known.noun}, which takes no arguments",
                call.span,
                help=(Help(f"write `{name}`", (cure,)),),
            )
        if known.kind == "tensor":
            if not is_first:
                text = f"add {{ | in | {name} }}"
                raise self.findings.report(
                    "E0317",
                    f"`{name}` is a value, and cannot stand after `->`: what flows into it would be lost",
                    call.span,
                    help=(Help(f"begin a line with `{name}`, or merge the two: `{text}`", (Edit(call.span, text),)),),
                )
            if step.times is not None:
                cure = Edit(Span(step.span.source, step.action.span.end, step.times.span.end), "")
                raise self.findings.report(
                    "E0317",
                    f"`{name}` is a value, and cannot be repeated",
                    step.span,
                    help=(Help("take the repetition away", (cure,)),),
                )
            return False
        return True

    def _unknown_step(self, call: tree.Call, names: Names) -> Abandon:
        name = call.name.name
        message = f"no operator, block or value is called `{name}`"
        if any(s.start != call.name.span.start for s in self.mentions.bound.get(name, ())):
            return self.unknown(call.name, message, ())
        known = [*self.module.definitions, *names.all("tensor", "shared")]
        return self.findings.report("E0301", message, call.name.span, help=foreign_step(call, known))

    # --- merges -------------------------------------------------------------------------------------------------------

    def _merge_as_call(self, call: tree.Call, name: str) -> Abandon:
        words = f"`{name}` takes branches, not arguments" if call.arguments else f"`{name}` needs branches"
        return self.findings.report("E0316", words, call.span, help=(merged(call, name),))

    def _merge(self, merge: tree.Merge, step: tree.Step, names: Names) -> None:
        name = merge.name.name
        operator = OPERATORS.get(name)
        if operator is None or not operator.is_merge:
            self._no_merge(merge, names)
        else:
            call = tree.Call(merge.name.span, merge.name, merge.arguments)
            self.call_arguments(call, Callee.of_declared(operator), names)
        for branch in merge.branches:
            match branch.body:
                case (tree.If(otherwise=None) as test,) if name != "add":
                    cure = Edit(at(test.span, test.span.end), " else { in }")
                    self.findings.report(
                        "E0316",
                        f"an `if` that is a whole branch of `{name}` needs an `else`",
                        Span(test.span.source, test.span.start, test.span.start + 2),
                        help=(Help("say what the branch is otherwise: `else { in }`", (cure,)),),
                    )
            self.body(branch.body, Names(names))
        if len(merge.branches) == 1 and operator is not None:
            self.findings.report(
                "W0506",
                f"`{name}` of one branch merges nothing",
                merge.name.span,
                help=(_unwrapped(merge, step),),
            )

    def _no_merge(self, merge: tree.Merge, names: Names) -> None:
        name = merge.name.name
        merges = [n for n, o in OPERATORS.items() if o.is_merge]
        known = f"the merges are {', '.join(f'`{m}`' for m in merges)}"
        if name in OPERATORS or name in self.module.definitions or names.find(name):
            edits = (Edit(merge.name.span, "add"), Edit(at(merge.span, merge.span.end), f" -> {name}"))
            words = f"merge first: `add {{ ... }} -> {name}`; {known}"
            is_step = name in OPERATORS and not merge.arguments
            self.findings.report(
                "E0317",
                f"`{name}` takes no branches",
                merge.name.span,
                help=(Help(words, edits) if is_step else Help(known),),
            )
            return
        foreign = OPERATORS.foreign(name)
        near = foreign if foreign in merges else nearest(name, merges)
        words = f"`{name}` is called `{near}` here" if foreign in merges else f"did you mean `{near}`?"
        help = Help(words, (Edit(merge.name.span, near),)) if near else Help(known)
        self.findings.report("E0301", f"no merge is called `{name}`", merge.name.span, help=(help,))


def _unwrapped(merge: tree.Merge, step: tree.Step) -> Help:
    """The cure for a merge of one branch: its steps alone."""
    words = "write its steps without the merge, or add a branch with `|`"
    body = merge.branches[0].body
    if any(isinstance(part, tree.In) for s in body for part in walk(s)):
        return Help(words)  # `in` would mean another value outside
    text = body[0].span.to(body[-1].span).text
    last = body[-1].steps[-1] if isinstance(body[-1], tree.Chain) else None
    plain = len(body) == 1 and last is not None and (last.times, last.label, last.shape) == (None, None, None)
    if not plain or step.times is not None:
        text = f"{{ {text} }}"
    return Help(words, (Edit(merge.span, text),))

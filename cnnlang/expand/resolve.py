"""The first look at a definition: every name, argument and statement is held against what there is.

Nothing is evaluated here, so a branch that is never taken and a block that nobody uses are checked too. What passes can
be expanded without a question about names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.arguments import LEADING, Callee, Slot, match_arguments
from cnnlang.expand.evaluate import FUNCTIONS
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.frames import SIZES
from cnnlang.expand.modules import Definition, Module
from cnnlang.expand.suggest import did_you_mean, nearest
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

FIGURES = ("params", "params_train", "macs", "depth")
NET_ONLY = {
    tree.Input: "input",
    tree.Labels: "labels",
    tree.Output: "output",
    tree.Aux: "aux",
    tree.Section: "section",
    tree.Check: "check",
}


@dataclass(slots=True)
class Known:
    """A name of a body: a `number`, a `tensor`, a `shared` value or a symbolic `size`."""

    kind: str
    span: Span
    counts_as_used: bool = False
    is_parameter: bool = False


@dataclass(slots=True)
class Names:
    """The names that a body sees."""

    outer: Names | None = None
    own: dict[str, Known] = field(default_factory=dict)

    def find(self, name: str) -> Known | None:
        names: Names | None = self
        while names is not None:
            if name in names.own:
                return names.own[name]
            names = names.outer
        return None

    def all(self) -> Iterator[str]:
        names: Names | None = self
        while names is not None:
            yield from names.own
            names = names.outer


def parameters_of(definition: Definition) -> tuple[tree.Parameter, ...]:
    """The parameters of a block or net; a variant has its base's, those that it binds no longer required."""
    syntax = definition.syntax
    if not isinstance(syntax, tree.Variant):
        return syntax.parameters
    base = definition.module.definitions.get(syntax.base.name.name)
    if base is None or base is definition:
        return ()
    parameters = parameters_of(base)
    bound = {p.name.name: a.value for p, a in zip(parameters, syntax.base.arguments, strict=False) if a.name is None}
    bound |= {a.name.name: a.value for a in syntax.base.arguments if a.name is not None}
    return tuple(tree.Parameter(p.span, p.name, bound.get(p.name.name, p.default), p.tensor) for p in parameters)


def callee_of(definition: Definition) -> Callee:
    slots = tuple(Slot(p.name.name, p.default is None, p.tensor) for p in parameters_of(definition))
    inside = ", ".join(
        f"{p.name.name}: tensor"
        if p.tensor
        else p.name.name
        if p.default is None
        else f"{p.name.name}={p.default.span.text}"
        for p in parameters_of(definition)
    )
    return Callee(definition.name, slots, f"{definition.name}({inside})", {})


class Resolver:
    """Checks the definitions of one file."""

    def __init__(self, module: Module, findings: Findings) -> None:
        self.module = module
        self.findings = findings
        self.declared: list[tuple[str, Known]] = []
        self.definition: tree.Tree | None = None
        self.rebindable: frozenset[str] = frozenset()

    def resolve(self) -> None:
        for definition in self.module.own:
            self._definition(definition)
        self._lint_unused_definitions()

    def _definition(self, definition: Definition) -> None:
        self.declared = []
        self.definition = syntax = definition.syntax
        names = Names()
        if isinstance(syntax, tree.Variant):
            self._variant(syntax, names)
            return
        for parameter in syntax.parameters:
            if parameter.default is not None:
                self._expression(parameter.default, names)
            self._bind(parameter.name, "tensor" if parameter.tensor else "number", names, is_parameter=True)
        is_net = isinstance(syntax, tree.Net)
        self._body(syntax.body, names, is_net=is_net)
        if is_net:
            self._last_name_is_used(syntax.body)
        else:
            if not any(isinstance(s, tree.Chain | tree.For | tree.If | tree.Group) for s in syntax.body):
                self.findings.report(
                    "E0316",
                    f"block `{definition.name}` does nothing",
                    syntax.name.span,
                    help=(Help("a block needs at least one step"),),
                )
        self._lint_unused(syntax)

    def _variant(self, syntax: tree.Variant, names: Names) -> None:
        try:
            base = self._definition_called(syntax.base, names)
        except Abandon:
            return
        if not isinstance(base.syntax, tree.Net | tree.Variant):
            self.findings.report(
                "E0317",
                f"`{base.name}` is a block; a variant needs a net",
                syntax.base.name.span,
                help=(Help("define a net whose body applies the block"),),
            )
            return
        self._call_arguments(syntax.base, callee_of(base), names)
        for section in syntax.sections:
            if not isinstance(section, tree.Section | tree.Check | tree.Labels):
                self.findings.report(
                    "E0316",
                    "a variant holds sections only",
                    section.span,
                    help=(Help("write steps in the net that it varies"),),
                )

    def _definition_called(self, call: tree.Call, names: Names) -> Definition:
        found = self.module.definitions.get(call.name.name)
        if found is None:
            if call.name.name in self.module.imported:  # its file could not be read, which is reported
                raise Abandon
            raise self.findings.report(
                "E0301",
                f"no net or block is called `{call.name.name}`",
                call.name.span,
                help=did_you_mean(call.name.name, self.module.definitions, call.name.span),
            )
        return found

    # --- names --------------------------------------------------------------------------------------------------------

    def _bind(
        self, name: tree.Name, kind: str, names: Names, *, counts_as_used: bool = False, is_parameter: bool = False
    ) -> None:
        text = name.name
        taken = names.find(text)
        if taken is not None and text not in self.rebindable:
            self._taken(name, f"`{text}` is bound already, at {taken.span}")
        elif text in self.module.definitions or text in self.module.imported:
            found = self.module.definitions.get(text)
            self._taken(name, f"`{text}` is the name of a {found.noun if found else 'block'}", self._mentions(text))
        elif text in OPERATORS:
            self._taken(name, f"`{text}` is the name of an operator", self._mentions(text))
        elif text in FUNCTIONS:
            self._taken(name, f"`{text}` is the name of a function", self._mentions(text))
        known = Known(kind, name.span, counts_as_used, is_parameter)
        names.own[text] = known
        self.declared.append((text, known))

    def _taken(self, name: tree.Name, why: str, mentions: tuple[Span, ...] = ()) -> None:
        fresh = f"{name.name}_1"
        places = sorted({name.span.start: name.span, **{m.start: m for m in mentions}}.items())
        self.findings.report(
            "E0306",
            f"{why}; a name cannot be bound again or hidden",
            name.span,
            help=(Help(f"choose another name, as `{fresh}`", tuple(Edit(place, fresh) for _, place in places)),),
        )

    def _mentions(self, name: str) -> tuple[Span, ...]:
        """Where the definition at hand uses a name as a value: not as a step, and not as an argument's name."""
        assert self.definition is not None
        steps = {id(p.name) for p in walk(self.definition) if isinstance(p, tree.Call | tree.Argument | tree.Attribute)}
        return tuple(
            p.span for p in walk(self.definition) if isinstance(p, tree.Name) and p.name == name and id(p) not in steps
        )

    def _unknown(self, name: tree.Name, names: Names, what: str, known: list[str]) -> Abandon:
        return self.findings.report(
            "E0301", f"no {what} is called `{name.name}`", name.span, help=did_you_mean(name.name, known, name.span)
        )

    # --- bodies -------------------------------------------------------------------------------------------------------

    def _body(self, body: tuple[tree.Statement, ...], names: Names, *, is_net: bool = False) -> None:
        for statement in body:
            if not is_net and type(statement) in NET_ONLY:
                self.findings.report(
                    "E0316",
                    f"`{NET_ONLY[type(statement)]}` may stand in a net's own body only",
                    statement.span,
                    help=(Help("move it out of the braces, to the net"),),
                )
                continue
            try:
                self._statement(statement, names)
            except Abandon:
                continue

    def _statement(self, statement: tree.Statement, names: Names) -> None:
        match statement:
            case tree.Chain():
                self._chain(statement, names)
            case tree.Input():
                self._input(statement, names)
            case tree.Output(items=items):
                for item in items:
                    if item.chain is not None:
                        self._chain(item.chain, names)
                        self._bind(item.name, "tensor", names, counts_as_used=True)
                    else:
                        known = names.find(item.name.name)
                        if known is None or known.kind != "tensor":
                            raise self._unknown(item.name, names, "value", self._tensors(names))
            case tree.Aux(chain=chain):
                first = chain.steps[0].action
                if not isinstance(first, tree.In) and not (
                    isinstance(first, tree.Call) and (k := names.find(first.name.name)) and k.kind == "tensor"
                ):
                    self.findings.report(
                        "E0316",
                        "an `aux` head starts from a named value",
                        chain.steps[0].span,
                        help=(Help("name the value it starts from with `as`, and begin with that name"),),
                    )
                self._chain(chain, Names(names))
                self._bind(statement.name, "tensor", names, counts_as_used=True)
            case tree.Let(name=name, value=value):
                self._expression(value, names)
                self._bind(name, "number", names)
            case tree.Group(label=label, body=body):
                self._label_expressions(label, names)
                self._body(body, names)
            case tree.Shared(name=name, call=call):
                self._shared(call, names)
                self._bind(name, "shared", names)
            case tree.For(targets=targets, iterable=iterable, body=body):
                self._expression(iterable, names)
                inner = Names(names)
                for target in targets:
                    self._target(target, inner)
                self._body(body, inner)
            case tree.If():
                self._if(statement, names)
            case _:
                pass  # labels and sections have names of their own, and are looked at when the net is expanded

    def _if(self, statement: tree.If, names: Names) -> None:
        self._expression(statement.test, names)
        before = set(names.own)
        self._body(statement.then, names)
        if statement.otherwise is not None:
            kept = self.rebindable
            self.rebindable = kept | (names.own.keys() - before)  # either side may make the same name
            self._body(statement.otherwise, names)
            self.rebindable = kept

    def _target(self, target: tree.Target, names: Names) -> None:
        if isinstance(target, tree.TupleTarget):
            for item in target.items:
                self._target(item, names)
        else:
            self._bind(target, "number", names)

    def _shared(self, call: tree.Call, names: Names) -> None:
        name = call.name.name
        if name in OPERATORS and not OPERATORS[name].is_merge:
            self._call_arguments(call, Callee.of_declared(OPERATORS[name]), names)
        else:
            self._call_arguments(call, callee_of(self._definition_called(call, names)), names)

    def _input(self, statement: tree.Input, names: Names) -> None:
        for i, dim in enumerate(statement.shape):
            for part in walk(dim):
                if (
                    isinstance(part, tree.Name)
                    and names.find(part.name) is None
                    and part.name not in OPERATORS
                    and part.name not in FUNCTIONS
                ):
                    if i == 1:
                        self.findings.report(
                            "E0301",
                            f"nothing is called `{part.name}`; channels are a number",
                            part.span,
                            help=did_you_mean(part.name, names.all(), part.span),
                        )
                    names.own[part.name] = Known("size", part.span)
            self._expression(dim, names)
        self._bind(statement.name, "tensor", names, counts_as_used=True)  # one that reaches no output is a lost value

    # --- chains -------------------------------------------------------------------------------------------------------

    def _chain(self, chain: tree.Chain, names: Names) -> None:
        for i, step in enumerate(chain.steps):
            try:
                self._step(step, names, is_first=i == 0, chain=chain)
            except Abandon:
                continue

    def _step(self, step: tree.Step, names: Names, *, is_first: bool, chain: tree.Chain) -> None:
        if step.times is not None:
            self._expression(step.times, names)
        try:
            has_weights = self._action(step, names, is_first=is_first, chain=chain)
        except Abandon:
            has_weights = True
        for dim in step.shape or ():
            self._expression(dim, names, sizes=True)
        if isinstance(step.label, tree.Name):
            self._bind(step.label, "tensor", names, counts_as_used=has_weights)
        elif step.label is not None:
            self._label_expressions(step.label, names)

    def _action(self, step: tree.Step, names: Names, *, is_first: bool, chain: tree.Chain) -> bool:
        """Check the action; the answer is whether it may own weights."""
        action = step.action
        match action:
            case tree.In():
                if not is_first:
                    raise self.findings.report(
                        "E0317",
                        "`in` begins a line or a branch; it cannot stand after `->`",
                        action.span,
                        help=(Help("write it at the start of a line or after `|`"),),
                    )
                return False
            case tree.Braces(body=body):
                self._body(body, Names(names) if step.times is not None else names)
                return step.times is not None
            case tree.Merge():
                self._merge(action, names)
                return False
        return self._call(action, step, names, is_first=is_first, chain=chain)

    def _call(self, call: tree.Call, step: tree.Step, names: Names, *, is_first: bool, chain: tree.Chain) -> bool:
        name = call.name.name
        known = names.find(name)
        if known is not None:
            return self._known_step(known, call, step, is_first=is_first, chain=chain)
        if name in self.module.definitions:
            definition = self.module.definitions[name]
            self._call_arguments(call, callee_of(definition), names)
            return True
        if name in self.module.imported:
            raise Abandon
        if name in OPERATORS:
            operator = OPERATORS[name]
            if operator.is_merge:
                raise self._merge_as_call(call, name)
            self._call_arguments(call, Callee.of_declared(operator), names)
            return operator.weights is not Op.weights
        raise self._unknown_step(call, names)

    def _known_step(self, known: Known, call: tree.Call, step: tree.Step, *, is_first: bool, chain: tree.Chain) -> bool:
        name = call.name.name
        if known.kind in ("number", "size"):
            raise self.findings.report(
                "E0317",
                f"`{name}` is a number, not a step",
                call.span,
                help=(Help("a step is an operator, a block, a `shared` name or a named value"),),
            )
        if call.parens:
            cure = Edit(Span(call.span.source, call.name.span.end, call.span.end), "")
            raise self.findings.report(
                "E0317",
                f"`{name}` is a value, which takes no arguments",
                call.span,
                help=(Help(f"write `{name}`", (cure,)),),
            )
        if known.kind == "tensor":
            if not is_first:
                arrow = Span(call.span.source, chain.steps[chain.steps.index(step) - 1].span.end, call.span.start)
                raise self.findings.report(
                    "E0317",
                    f"`{name}` is a value, and cannot stand after `->`: what flows into it would be lost",
                    call.span,
                    help=(
                        Help(
                            f"begin a line with `{name}`, or merge the two: `add {{ | in | {name} }}`",
                            (Edit(Span(call.span.source, arrow.start, call.span.end), f" -> add {{ | in | {name} }}"),),
                        ),
                    ),
                )
            return False
        return True

    def _unknown_step(self, call: tree.Call, names: Names) -> Abandon:
        name = call.name.name
        foreign = OPERATORS.foreign(name)
        if foreign:
            edits = [Edit(call.name.span, foreign)]
            drop = LEADING.get(name, 0)
            positional = [a for a in call.arguments if a.name is None]
            if drop and len(positional) > drop:
                start, end = call.arguments[0].span.start, call.arguments[drop].span.start
                edits.append(Edit(Span(call.span.source, start, end), ""))
            elif drop and len(call.arguments) == drop == len(positional):
                edits.append(Edit(Span(call.span.source, call.name.span.end, call.span.end), ""))
            words = f"`{name}` is called `{foreign}` here"
            if len(edits) > 1:
                words += ", and what comes in is counted by itself"
            if OPERATORS[foreign].is_merge:
                return self.findings.report(
                    "E0301",
                    f"no operator or block is called `{name}`",
                    call.name.span,
                    help=(Help(f"write `{foreign} {{ | first | second }}`"),),
                )
            return self.findings.report(
                "E0301", f"no operator or block is called `{name}`", call.name.span, help=(Help(words, tuple(edits)),)
            )
        known = [
            *OPERATORS,
            *self.module.definitions,
            *(n for n in names.all() if (k := names.find(n)) and k.kind != "number"),
        ]
        return self._unknown(call.name, names, "operator, block or value", known)

    def _merge_as_call(self, call: tree.Call, name: str) -> Abandon:
        branches = " ".join(f"| {a.value.span.text}" for a in call.arguments if a.name is None)
        if branches.count("|") >= 2:
            text = f"{name} {{ {branches} }}"
            return self.findings.report(
                "E0316",
                f"`{name}` takes branches, not arguments",
                call.span,
                help=(Help(f"write `{text}`", (Edit(call.span, text),)),),
            )
        return self.findings.report(
            "E0316", f"`{name}` needs branches", call.span, help=(Help(f"write `{name} {{ | first | second }}`"),)
        )

    def _merge(self, merge: tree.Merge, names: Names) -> None:
        name = merge.name.name
        operator = OPERATORS.get(name)
        if operator is None or not operator.is_merge:
            merges = [n for n, o in OPERATORS.items() if o.is_merge]
            foreign = OPERATORS.foreign(name)
            near = foreign if foreign in merges else nearest(name, merges)
            if operator is not None or name in self.module.definitions or names.find(name):
                self.findings.report(
                    "E0317",
                    f"`{name}` takes no branches",
                    merge.name.span,
                    help=(Help(f"the merges are {', '.join(f'`{m}`' for m in merges)}"),),
                )
            else:
                help = (Help(f"did you mean `{near}`?", (Edit(merge.name.span, near),)),) if near else ()
                self.findings.report(
                    "E0301",
                    f"no merge is called `{name}`",
                    merge.name.span,
                    help=help or (Help(f"the merges are {', '.join(f'`{m}`' for m in merges)}"),),
                )
        else:
            self._call_arguments(
                tree.Call(merge.name.span, merge.name, merge.arguments), Callee.of_declared(operator), names
            )
        for branch in merge.branches:
            if not branch.body:
                self.findings.report(
                    "E0316",
                    f"a branch of `{name}` is empty",
                    branch.bar,
                    help=(
                        Help(
                            "write `| in` for the value that enters, or take the branch away",
                            (Edit(Span(branch.bar.source, branch.bar.end, branch.bar.end), " in"),),
                        ),
                    ),
                )
            match branch.body:
                case (tree.If(otherwise=None) as test,) if name != "add":
                    self.findings.report(
                        "E0316",
                        f"an `if` that is a whole branch of `{name}` needs an `else`",
                        Span(test.span.source, test.span.start, test.span.start + 2),
                        help=(
                            Help(
                                "say what the branch is otherwise: `else { in }`",
                                (Edit(Span(test.span.source, test.span.end, test.span.end), " else { in }"),),
                            ),
                        ),
                    )
            self._body(branch.body, Names(names))
        if len(merge.branches) == 1 and operator is not None:
            self.findings.report(
                "W0506",
                f"`{name}` of one branch merges nothing",
                merge.name.span,
                help=(Help("add a branch with `|`, or write its steps without the merge"),),
            )

    # --- arguments and expressions --------------------------------------------------------------------------------------

    def _call_arguments(self, call: tree.Call, callee: Callee, names: Names) -> None:
        bound: dict[str, tree.Argument] = {}
        try:
            bound = match_arguments(call.arguments, callee, call.span, self.findings)
        except Abandon:
            return
        tensors = {slot.name for slot in callee.slots if slot.tensor}
        for name, argument in bound.items():
            if name in tensors:
                self._tensor_argument(argument.value, name, names)
            else:
                self._expression(argument.value, names)

    def _tensor_argument(self, value: tree.Expr, parameter: str, names: Names) -> None:
        if isinstance(value, tree.In):
            return
        if isinstance(value, tree.Name):
            known = names.find(value.name)
            if known is not None and known.kind == "tensor":
                return
            if known is None:
                self._unknown(value, names, "value", self._tensors(names))
                return
        self.findings.report(
            "E0317",
            f"`{parameter}` is a tensor: it must be the name of a value",
            value.span,
            help=(Help("name the value with `as`, and give that name"),),
        )

    def _tensors(self, names: Names) -> list[str]:
        return [n for n in names.all() if (k := names.find(n)) and k.kind == "tensor"]

    def _label_expressions(self, label: tree.Label, names: Names) -> None:
        if isinstance(label, tree.Template):
            for part in label.parts:
                if not isinstance(part, str):
                    self._expression(part, names)

    def _expression(self, expr: tree.Expr, names: Names, *, sizes: bool = False) -> None:
        match expr:
            case tree.Name():
                self._name_in_expression(expr, names, sizes=sizes)
            case tree.Attribute(value=value, name=name):
                if name.name not in SIZES:
                    self.findings.report(
                        "E0301",
                        f"a value has no `{name.name}`; it has `channels`, `height` and `width`",
                        name.span,
                        help=did_you_mean(name.name, SIZES, name.span),
                    )
                elif isinstance(value, tree.Name):
                    known = names.find(value.name)
                    if known is None:
                        self._unknown(value, names, "value", self._tensors(names))
                    elif known.kind != "tensor":
                        self.findings.report("E0317", f"`{value.name}` is a number, and has no sizes", expr.span)
            case tree.Call(name=name, arguments=arguments):
                if name.name not in FUNCTIONS:
                    what = (
                        "is a step, not a value"
                        if name.name in OPERATORS or name.name in self.module.definitions
                        else ""
                    )
                    if what:
                        self.findings.report("E0317", f"`{name.name}` {what}", name.span)
                    else:
                        self._unknown(name, names, "function", list(FUNCTIONS))
                for argument in arguments:
                    if argument.name is not None:
                        self.findings.report(
                            "E0302",
                            f"`{name.name}` takes no named arguments",
                            argument.name.span,
                            help=(
                                Help(
                                    "give it by position",
                                    (Edit(argument.name.span.to(argument.value.span), argument.value.span.text),),
                                ),
                            ),
                        )
                    self._expression(argument.value, names, sizes=sizes)
            case _:
                for part in _children(expr):
                    self._expression(part, names, sizes=sizes)

    def _name_in_expression(self, expr: tree.Name, names: Names, *, sizes: bool) -> None:
        name = expr.name
        known = names.find(name)
        if known is None:
            if name == "N" and sizes:
                return
            if name in self.module.definitions or name in OPERATORS:
                self.findings.report("E0317", f"`{name}` is a step, not a number", expr.span)
            elif name in FUNCTIONS:
                self.findings.report("E0317", f"`{name}` is a function: it needs arguments", expr.span)
            elif name not in self.module.imported:
                words = {"True": "true", "False": "false", "None": "none"}
                known_names = [n for n in names.all() if (k := names.find(n)) and k.kind != "shared"]
                if name in words:
                    self.findings.report(
                        "E0301",
                        f"nothing is called `{name}`",
                        expr.span,
                        help=(Help(f"write `{words[name]}`", (Edit(expr.span, words[name]),)),),
                    )
                else:
                    help = did_you_mean(name, known_names, expr.span)
                    self.findings.report("E0301", f"nothing is called `{name}`", expr.span, help=help)
        elif known.kind == "tensor":
            self.findings.report(
                "E0317",
                f"`{name}` is a tensor, not a number",
                expr.span,
                help=(Help(f"its sizes are `{name}.channels`, `{name}.height`, `{name}.width`"),),
            )
        elif known.kind == "shared":
            self.findings.report("E0317", f"`{name}` is a shared layer, not a number", expr.span)

    # --- lints --------------------------------------------------------------------------------------------------------

    def _last_name_is_used(self, body: tuple[tree.Statement, ...]) -> None:
        chains = [s for s in body if isinstance(s, tree.Chain)]
        if chains and isinstance(label := chains[-1].steps[-1].label, tree.Name):
            for name, known in self.declared:
                if name == label.name:
                    known.counts_as_used = True

    def _lint_unused(self, syntax: tree.Block | tree.Net) -> None:
        used = set(_referenced(syntax, {known.span.start for _, known in self.declared}))
        for name, known in self.declared:
            if name in used or known.counts_as_used or name.startswith("_"):
                continue
            noun = (
                "parameter"
                if known.is_parameter
                else {"tensor": "value", "shared": "shared layer"}.get(known.kind, "name")
            )
            self.findings.report(
                "W0508" if known.is_parameter else "W0501",
                f"{noun} `{name}` is never used",
                known.span,
                help=(Help("take it away, or use it"),),
            )

    def _lint_unused_definitions(self) -> None:
        items = [item for item in self.module.file.items if not isinstance(item, tree.Import)]
        used = {name for item in items for name in _referenced(item, {item.name.span.start})}
        for name, imported in self.module.imported.items():
            if name not in used:
                self.findings.report(
                    "W0508", f"`{name}` is imported and never used", imported.span, help=(Help("take it away"),)
                )
        if any(not isinstance(d.syntax, tree.Block) for d in self.module.own):
            for definition in self.module.own:
                if isinstance(definition.syntax, tree.Block) and definition.name not in used:
                    self.findings.report(
                        "W0508",
                        f"block `{definition.name}` is never used",
                        definition.syntax.name.span,
                        help=(Help("take it away, or apply it in a net"),),
                    )


def _referenced(root: tree.Tree, bindings: set[int]) -> Iterator[str]:
    """The names that a tree uses, without those that it binds and the names of arguments and keys."""
    keys: set[int] = set()
    for part in walk(root):
        match part:
            case tree.Argument(name=tree.Name() as key) | tree.Entry(key=key) | tree.Attribute(name=key):
                keys.add(id(key))
            case tree.Name(name=name) if id(part) not in keys and part.span.start not in bindings:
                yield name
            case _:
                pass


def _children(expr: tree.Expr) -> Iterator[tree.Expr]:
    """The expressions directly inside one."""
    match expr:
        case tree.ListExpr(items=items) | tree.TupleExpr(items=items):
            yield from items
        case tree.Unary(operand=operand):
            yield operand
        case tree.Power(base=base, exponent=exponent):
            yield from (base, exponent)
        case tree.Arithmetic(first=first, rest=rest) | tree.Compare(first=first, rest=rest):
            yield first
            yield from (operand for _, operand in rest)
        case tree.Logic(operands=operands):
            yield from operands
        case tree.Conditional(then=then, test=test, otherwise=otherwise):
            yield from (then, test, otherwise)
        case tree.Index(value=value, index=index):
            yield from (value, index)
        case _:
            return

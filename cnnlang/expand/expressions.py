"""The first look at expressions: every name in them is held against what there is. Nothing is evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.expand.arguments import Callee, match_arguments
from cnnlang.expand.cures.removal import at
from cnnlang.expand.cures.suggest import did_you_mean, nearest
from cnnlang.expand.evaluate import FUNCTIONS
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.frames import SIZES
from cnnlang.expand.modules import Module
from cnnlang.expand.names import Known, Mentions, Names
from cnnlang.ops import OPERATORS
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

PYTHON_WORDS = {"True": "true", "False": "false", "None": "none", "TRUE": "true", "FALSE": "false", "null": "none"}

# What others call the three sizes of a value.
SIZE_WORDS = {
    "c": "channels", "C": "channels", "ch": "channels", "channel": "channels", "num_channels": "channels",
    "features": "channels", "out_channels": "channels", "in_channels": "channels", "units": "channels",
    "filters": "channels", "h": "height", "H": "height", "rows": "height", "w": "width", "W": "width",
    "cols": "width", "columns": "width",
}  # fmt: skip

# The sizes by their place in PyTorch's `x.shape`.
SHAPE = {1: "channels", 2: "height", 3: "width", -1: "width", -2: "height", -3: "channels"}


class Expressions:
    """Checks the expressions of one definition after another.

    Attributes
    ----------
    definition
        The one at hand.
    declared
        Every name that it has bound so far.
    """

    definition: tree.Block | tree.Net | tree.Variant

    def __init__(self, module: Module, findings: Findings) -> None:
        self.module = module
        self.findings = findings
        self.declared: list[tuple[str, Known]] = []
        self._mentions: Mentions | None = None

    def begin(self, definition: tree.Block | tree.Net | tree.Variant) -> None:
        self.definition, self.declared, self._mentions = definition, [], None

    @property
    def mentions(self) -> Mentions:
        """Where the definition at hand uses names; looked for when something is wrong with one."""
        if self._mentions is None:
            self._mentions = Mentions(self.definition)
        return self._mentions

    # --- names that are not there -------------------------------------------------------------------------------------

    def unknown(self, name: tree.Name, message: str, known: Sequence[str]) -> Abandon:
        """Report a name that nothing has: where it is made instead, or what is spelt nearly so."""
        label, help = self._made_elsewhere(name)
        if label is None:
            help = did_you_mean(name.name, known, name.span)
        labels = (label,) if label is not None else ()
        return self.findings.report("E0301", message, name.span, labels=labels, help=help)

    def _made_elsewhere(self, name: tree.Name) -> tuple[Label | None, tuple[Help, ...]]:
        """Where a name is made that cannot be seen from here, and the cure where there is one."""
        places = [s for s in self.mentions.bound.get(name.name, ()) if s.start != name.span.start]
        if places and places[0].start > name.span.start:
            return Label(places[0], "made here, after it is used"), (Help("use it after it is made"),)
        if places:
            words = "what is made in a branch, a loop or a repetition is not seen outside: make it where both see it"
            return Label(places[-1], "made here"), (Help(words),)
        if not isinstance(self.definition, tree.Block):
            return None, ()
        for other in self.module.own:
            if isinstance(other.syntax, tree.Net) and (parameter := _parameter(other.syntax, name.name)):
                label = Label(parameter.name.span, f"a parameter of net `{other.name}`; a block sees only its own")
                return label, self._pass_on(self.definition, parameter)
        return None, ()

    def _pass_on(self, block: tree.Block, parameter: tree.Parameter) -> tuple[Help, ...]:
        """The cure for a block that uses a parameter of its net: to give it one of its own."""
        name = parameter.name.name
        text = f"give the block a parameter `{name}`, and the call `{name}={name}`"
        edits = [_insert(block.name.span, block.parameters, name)]
        for item in self.module.file.items:
            for part in walk(item):
                if isinstance(part, tree.Call) and part.name.name == block.name.name:
                    if not (isinstance(item, tree.Net) and _parameter(item, name)):
                        return (Help(text),)
                    edits.append(_insert(part.name.span, part.arguments, f"{name}={name}"))
        return (Help(text, tuple(edits)),)

    # --- arguments ----------------------------------------------------------------------------------------------------

    def call_arguments(self, call: tree.Call, callee: Callee, names: Names) -> None:
        """Check a call's arguments: which they are, and the names in them."""
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
                self.expression(argument.value, names)

    def _tensor_argument(self, value: tree.Expr, parameter: str, names: Names) -> None:
        if isinstance(value, tree.In):
            return
        if isinstance(value, tree.Name):
            known = names.find(value.name)
            if known is not None and known.kind == "tensor":
                return
            if known is None:
                self.unknown(value, f"no value is called `{value.name}`", names.all("tensor"))
                return
        self.findings.report(
            "E0317",
            f"`{parameter}` is a tensor: it must be the name of a value",
            value.span,
            help=(Help("name the value with `as`, and give that name"),),
        )

    # --- expressions --------------------------------------------------------------------------------------------------

    def expression(self, expr: tree.Expr, names: Names, *, sizes: bool = False) -> None:
        """Check every name in an expression; `sizes` says that `N` may stand there."""
        match expr:
            case tree.Name():
                self._name(expr, names, sizes=sizes)
            case tree.In():
                self._tensor_as_number(expr.span, "in")
            case tree.Attribute(value=value, name=name):
                self._attribute(value, name, expr.span, names)
            case tree.Index(value=tree.Attribute(value=value, name=name), index=index) if name.name == "shape":
                self._shape_item(value, name, index, expr.span)
            case tree.Call():
                self._function(expr, names, sizes=sizes)
            case _:
                for part in _children(expr):
                    self.expression(part, names, sizes=sizes)

    def _name(self, expr: tree.Name, names: Names, *, sizes: bool) -> None:
        name = expr.name
        known = names.find(name)
        if known is None:
            if name == "N" and sizes:
                return
            if name in self.module.definitions or name in OPERATORS:
                help = (Help(f"steps are joined by `->`: `... -> {name}`"),)
                self.findings.report("E0317", f"`{name}` is a step, not a number", expr.span, help=help)
            elif name in FUNCTIONS:
                self.findings.report("E0317", f"`{name}` is a function: it needs arguments", expr.span)
            elif name in PYTHON_WORDS:
                word = PYTHON_WORDS[name]
                cure = (Help(f"write `{word}`", (Edit(expr.span, word),)),)
                self.findings.report("E0301", f"nothing is called `{name}`", expr.span, help=cure)
            elif name not in self.module.imported:
                self.unknown(expr, f"nothing is called `{name}`", names.all("number", "size", "tensor"))
        elif known.kind == "tensor":
            self._tensor_as_number(expr.span, name)
        elif known.kind == "shared":
            self.findings.report("E0317", f"`{name}` is a shared layer, not a number", expr.span)

    def _tensor_as_number(self, span: Span, name: str) -> None:
        self.findings.report(
            "E0317",
            f"`{name}` is a tensor, not a number",
            span,
            help=(
                Help(
                    f"its sizes are `{name}.channels`, `{name}.height`, `{name}.width`",
                    (Edit(at(span, span.end), ".channels"),),
                ),
            ),
        )

    def _attribute(self, value: tree.Expr, name: tree.Name, span: Span, names: Names) -> None:
        if isinstance(value, tree.Name):
            known = names.find(value.name)
            if known is None:
                self.unknown(value, f"no value is called `{value.name}`", names.all("tensor"))
                return
            if known.kind != "tensor":
                cure = Help(f"write `{value.name}`", (Edit(span, value.name),))
                self.findings.report("E0317", f"`{value.name}` is a number, and has no sizes", span, help=(cure,))
                return
        if name.name in SIZES:
            return
        word = SIZE_WORDS.get(name.name) or nearest(name.name, SIZES)
        help: tuple[Help, ...] = ()
        if name.name == "shape":
            help = (Help(f"write the size that is meant: `{value.span.text}.channels`"),)
        elif word:
            help = (Help(f"write `{value.span.text}.{word}`", (Edit(name.span, word),)),)
        message = f"a value has no `{name.name}`; it has `channels`, `height` and `width`"
        self.findings.report("E0301", message, name.span, help=help)

    def _shape_item(self, value: tree.Expr, name: tree.Name, index: tree.Expr, span: Span) -> None:
        """`x.shape[1]`, as PyTorch has it."""
        place = _integer(index)
        word = SHAPE.get(place) if place is not None else None
        message = "a value has no `shape`; it has `channels`, `height` and `width`"
        help: tuple[Help, ...] = ()
        if word:
            text = f"{value.span.text}.{word}"
            help = (Help(f"write `{text}`", (Edit(span, text),)),)
        self.findings.report("E0301", message, name.span, help=help)

    def _function(self, call: tree.Call, names: Names, *, sizes: bool) -> None:
        name = call.name.name
        if name not in FUNCTIONS:
            self._no_function(call, names)
        for argument in call.arguments:
            if argument.name is not None:
                cure = Edit(argument.name.span.to(argument.value.span), argument.value.span.text)
                self.findings.report(
                    "E0302",
                    f"`{name}` takes no named arguments",
                    argument.name.span,
                    help=(Help("give it by position", (cure,)),),
                )
            if name == "len" and isinstance(argument.value, tree.Name | tree.In):
                text = argument.value.span.text
                known = names.find(text)
                if text == "in" or (known and known.kind == "tensor"):
                    cures = (Help(f"write `{text}.channels`", (Edit(call.span, f"{text}.channels"),)),)
                    self.findings.report("E0317", f"`{text}` is a tensor, not a list", argument.span, help=cures)
                    continue
            self.expression(argument.value, names, sizes=sizes)

    def _no_function(self, call: tree.Call, names: Names) -> None:
        name = call.name.name
        if name in OPERATORS or name in self.module.definitions:
            self.findings.report("E0317", f"`{name}` is a step, not a value", call.name.span)
            return
        known = names.find(name)
        if known is not None and known.kind == "number":
            cure = Help(f"write `{name}`", (Edit(call.span, name),))
            self.findings.report("E0317", f"`{name}` is a number, not a function", call.span, help=(cure,))
            return
        message = f"no function is called `{name}`"
        help: tuple[Help, ...]
        if name == "int" and len(call.arguments) == 1:
            text = _floored(call.arguments[0].value)
            help = (Help(f"write `{text}`", (Edit(call.span, text),)),)
        else:
            help = did_you_mean(name, FUNCTIONS, call.name.span)
            help = help or (Help(f"the functions are {', '.join(f'`{f}`' for f in FUNCTIONS)}"),)
        self.findings.report("E0301", message, call.name.span, help=help)


def _parameter(definition: tree.Net | tree.Block, name: str) -> tree.Parameter | None:
    return next((p for p in definition.parameters if p.name.name == name), None)


def _insert(name: Span, items: Sequence[tree.Tree], text: str) -> Edit:
    """The edit that adds one to the parameters or arguments after a name."""
    if items:
        return Edit(at(name, items[-1].span.end), f", {text}")
    after = name.source.text[name.end :]
    if after.lstrip().startswith("("):
        return Edit(at(name, name.end + after.index("(") + 1), text)
    return Edit(at(name, name.end), f"({text})")


def _integer(expr: tree.Expr) -> int | None:
    match expr:
        case tree.Constant(value=int(value)):
            return value
        case tree.Unary(op="-", operand=tree.Constant(value=int(value))):
            return -value
    return None


def _floored(expr: tree.Expr) -> str:
    """`int(a / b)` as `a // b`; of anything else, the text itself."""
    match expr:
        case tree.Arithmetic(first=first, rest=[*_, ("/", last)] as rest):
            before = rest[-2][1] if len(rest) > 1 else first
            text = expr.span.source.text
            sign = text.index("/", before.span.end)
            return f"{text[expr.span.start : sign]}//{text[sign + 1 : last.span.end]}"
    return expr.span.text


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

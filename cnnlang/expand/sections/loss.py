"""The loss of a `train` section: weighted sums of losses, one for each output, held against what the outputs are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.expand.cures.operator import remove_step
from cnnlang.expand.cures.removal import at, remove_entry
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.evaluate import FUNCTIONS
from cnnlang.expand.findings import Abandon
from cnnlang.expand.sections.calls import Reader, shown
from cnnlang.ir import Node
from cnnlang.signature import is_number
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk
from cnnlang.training.losses import LOSSES, Loss, WeightedLoss

# What leaves probabilities what they are: a softmax before them is as good as last.
KEEPING = ("flatten", "dropout", "crop", "channels", "channel_shuffle", "pixel_shuffle", "upsample")


UNNAMED = "output"  # what an output is called that the file does not name; no name of a file's can be this word


@dataclass(frozen=True, slots=True)
class Term:
    """One loss of a sum, with its place."""

    weight: float
    loss: Loss
    expr: tree.Expr


@dataclass(frozen=True, slots=True)
class LossReader:
    """Reads `loss = ...` for a net with these outputs and training-only heads."""

    reader: Reader
    outputs: Mapping[str, Node]
    aux: Mapping[str, Node]

    def read(self, entry: tree.Entry) -> dict[str, tuple[WeightedLoss, ...]]:
        """The terms of each output and each `aux` head, by name.

        Raises
        ------
        Abandon
            Something is wrong, and reported.
        """
        if isinstance(entry.value, tree.DictExpr):
            terms = self._by_name(entry.value)
        else:
            if len(self.outputs) > 1:
                raise self._one_for_several(entry.value)
            only = self.terms(entry.value)
            terms = dict.fromkeys((*self.outputs, *self.aux), only)
        nodes = {**self.outputs, **self.aux}
        seen: set[Span] = set()  # one loss for several heads is reported once
        failed = False
        for name, each in terms.items():
            for term in each:
                if term.expr.span in seen:
                    continue
                if self._is_impossible(term, name, nodes[name]):
                    failed = True
                elif not self._is_spoiled(term, nodes[name]):
                    continue
                seen.add(term.expr.span)
        if failed:
            raise Abandon
        return {name: tuple(WeightedLoss(t.weight, t.loss) for t in each) for name, each in terms.items()}

    def _one_for_several(self, expr: tree.Expr) -> Abandon:
        names = [*self.outputs, *self.aux]
        text = "{ " + ", ".join(f"{n} = {expr.span.text}" for n in names) + " }"
        edits = (Edit(expr.span, text),) if "\n" not in expr.span.text else ()
        message = f"the net has {len(self.outputs)} outputs, and each needs a loss of its own"
        return self.reader.error(message, expr.span, Help(f"write `{text}`" if edits else "name each", edits))

    def _by_name(self, entries: tree.DictExpr) -> dict[str, list[Term]]:
        if UNNAMED in self.outputs:
            raise self._unnamed(entries)
        terms: dict[str, list[Term]] = {}
        known = (*self.outputs, *self.aux)
        failed = False
        for entry in entries.entries:
            name = entry.key.name
            if name not in known:
                free = [n for n in known if n not in {e.key.name for e in entries.entries}]
                away = Help(f"there are {_listed(known)}", (remove_entry(entries.entries, entry),))
                cures = did_you_mean(name, free, entry.key.span) or (away,)
                self.reader.error(f"the net has no output `{name}`", entry.key.span, *cures)
                failed = True
                continue
            if name in terms:
                away = Help("take one away", (remove_entry(entries.entries, entry),))
                self.reader.error(f"the loss of `{name}` is given twice", entry.key.span, away)
                failed = True
                continue
            terms[name] = []
            try:
                terms[name] = self.terms(entry.value)
            except Abandon:
                failed = True
        if failed:
            raise Abandon
        needed = known if len(self.outputs) > 1 else tuple(self.outputs)
        missing = [n for n in needed if n not in terms]
        if missing:
            raise self._missing(missing, entries)
        only = terms[next(iter(self.outputs))]
        return {name: terms.get(name, only) for name in known}  # a head without a loss has that of the only output

    def _unnamed(self, entries: tree.DictExpr) -> Abandon:
        """Report losses by name where the only output has none."""
        given = [e for e in entries.entries if e.key.name not in self.aux]
        help: tuple[Help, ...] = ()
        if len(given) == 1 == len(entries.entries):
            text = given[0].value.span.text
            help = (Help(f"write `{text}`", (Edit(entries.span, text),)),)
        message = "the net's only output has no name, so its loss stands alone"
        return self.reader.error(message, entries.span, *help, Help("a name is given by `output scores = ...`"))

    def _missing(self, missing: list[str], entries: tree.DictExpr) -> Abandon:
        words = f"output{'s' if len(missing) > 1 else ''} {_listed(missing)} of the net"
        message = f"{words} {'have' if len(missing) > 1 else 'has'} no loss"
        given = entries.entries[-1] if entries.entries else None
        text = ", ".join(f"{name} = {given.value.span.text if given else 'mse'}" for name in missing)
        if given is None:
            cure = Edit(entries.span, f"{{ {text} }}")
        else:
            cure = Edit(at(given.span, given.span.end), f", {text}")
        return self.reader.error(message, entries.span, Help(f"write for example `{text}` too", (cure,)))

    # --- sums ---------------------------------------------------------------------------------------------------------

    def terms(self, expr: tree.Expr, weight: float = 1.0) -> list[Term]:
        """The losses of a weighted sum; each mistake in it is reported before Abandon is raised."""
        match expr:
            case tree.Arithmetic(first=first, rest=rest) if rest[0][0] in "+-":
                return self._sum(first, rest, weight)
            case tree.Arithmetic(first=first, rest=rest):
                return self._product(expr, first, rest, weight)
            case tree.Conditional(then=then, test=test, otherwise=otherwise):
                return self.terms(then if self.reader.truth(test) else otherwise, weight)
            case tree.Unary(op="-", operand=operand):
                raise self._negative(expr.span, Edit(expr.span, operand.span.text))
            case tree.Pipeline():
                text = " + ".join(_branches(expr))
                edits = (Edit(expr.span, text),) if text else ()
                message = "losses are added with `+`, not joined in a chain or a merge"
                raise self.reader.error(message, expr.span, Help(f"write `{text or 'mse + 0.1 * mae'}`", edits))
        return [Term(weight, self.reader.declared(LOSSES, "loss", expr).made, expr)]

    def _sum(self, first: tree.Expr, rest: tuple[tuple[str, tree.Expr], ...], weight: float) -> list[Term]:
        terms: list[Term] = []
        failed = False
        before = first
        for sign, operand in (("+", first), *rest):
            try:
                if sign == "-":
                    gap = Span(operand.span.source, before.span.end, operand.span.start)
                    raise self._negative(operand.span, Edit(gap, gap.text.replace("-", "+", 1)))
                terms += self.terms(operand, weight)
            except Abandon:
                failed = True
            before = operand
        if failed:
            raise Abandon
        return terms

    def _negative(self, span: Span, edit: Edit) -> Abandon:
        cure = Help("training makes each of them small: add it", (edit,))
        return self.reader.error("losses are added, never subtracted", span, cure)

    def _product(
        self, expr: tree.Arithmetic, first: tree.Expr, rest: tuple[tuple[str, tree.Expr], ...], weight: float
    ) -> list[Term]:
        factors = [("*", first), *rest]
        at_loss = self._loss_among([operand for _, operand in factors])
        if at_loss is None:
            value = self.reader.value(expr)
            raise self.reader.error(f"`loss` must be a loss, not {shown(value)}", expr.span, Help("write `0.5 * mse`"))
        for i, (sign, operand) in enumerate(factors):
            if i != at_loss and self._names_loss(operand):
                raise self._multiplied(factors, expr.span)
            if sign not in "*/" or (sign == "/" and i == at_loss):
                raise self.reader.error(
                    "a loss is multiplied by a number, or divided by one", expr.span, Help("write `0.5 * mse`")
                )
        for i, (sign, operand) in enumerate(factors):
            if i != at_loss:
                value = self.reader.value(operand)
                if not is_number(value) or value <= 0:
                    message = f"the weight of a loss must be a number above 0, not {shown(value)}"
                    raise self.reader.error(message, operand.span)
                weight = weight * value if sign == "*" else weight / value
        if not 0 < weight < float("inf"):
            raise self.reader.error("the weight of this loss is out of range", expr.span)
        return self.terms(factors[at_loss][1], weight)

    def _multiplied(self, factors: list[tuple[str, tree.Expr]], span: Span) -> Abandon:
        text = " + ".join(operand.span.text for _, operand in factors)
        edits = (Edit(span, text),) if all(self._names_loss(operand) for _, operand in factors) else ()
        return self.reader.error("losses are added, not multiplied", span, Help("write `+` between them", edits))

    def _loss_among(self, factors: list[tree.Expr]) -> int | None:
        """Which factor is the loss: one that names a loss, else one whose name may be meant for a loss."""
        for i, factor in enumerate(factors):
            if self._names_loss(factor):
                return i
        for i, factor in enumerate(factors):
            name = factor if isinstance(factor, tree.Name) else factor.name if isinstance(factor, tree.Call) else None
            if name is not None and name.name not in self.reader.numbers and name.name not in FUNCTIONS:
                return i
        return None

    def _names_loss(self, expr: tree.Expr) -> bool:
        known = self.reader.numbers
        return any(
            isinstance(p, tree.Name) and (p.name in LOSSES or (LOSSES.foreign(p.name) and p.name not in known))
            for p in walk(expr)
        )

    # --- what the outputs are -----------------------------------------------------------------------------------------

    def _is_impossible(self, term: Term, name: str, node: Node) -> bool:
        """Whether a loss cannot work on an output, which is then reported."""
        loss, span = term.loss, term.expr.span
        channels = node.type.channels
        if channels >= loss.least_channels:
            return False
        self.reader.error(
            f"`{loss.name}` needs {loss.least_channels} classes or more, and output `{name}` has {channels}",
            span,
            Help("for one yes or no use `bce`", (Edit(span, "bce"),)),
        )
        return True

    def _is_spoiled(self, term: Term, node: Node) -> bool:
        """Whether a loss works badly after an output's last activation, of which a lint then warns."""
        last, is_kept = _last_activation(node)
        activation = last.op.name
        if activation in term.loss.absorbs:
            if not is_kept or activation == "log_softmax":  # log_softmax of log_softmax changes nothing
                return False
            self._not_last(term.loss, last, node, term.expr.span)
            return True
        if activation in term.loss.spoiled_by:
            self._spoiled(term.loss, last, term.expr.span)
            return True
        return False

    def _not_last(self, loss: Loss, last: Node, output: Node, span: Span) -> None:
        activation = last.op.name
        self._warn(
            f"`{loss.name}` takes over a last `{activation}`, and this one is not last: it would be applied twice",
            last,
            span,
            Help(f"move `{activation}` to the end", tuple(_moved_last(last, output))),
        )

    def _spoiled(self, loss: Loss, last: Node, span: Span) -> None:
        activation = last.op.name
        takes = f"logits or a last {' or '.join(f'`{name}`' for name in loss.absorbs)}"
        partner = next((n for n, other in LOSSES.items() if activation in other.absorbs), None)
        replaced = Edit(last.span, loss.absorbs[0]) if last.span and last.span.text == activation else None
        cures = []
        if partner and LOSSES[partner].least_channels <= last.type.channels:
            cures.append(Help(f"`{partner}` goes with `{activation}`", (Edit(span, partner),)))
        if partner and replaced:
            cures.append(Help(f"`{loss.absorbs[0]}` goes with `{loss.name}`", (replaced,)))
        if not partner:
            text = f"take `{activation}` away: logits are any numbers"
            cures.append(Help(text, _removal(last)))
        self._warn(f"`{loss.name}` takes {takes}, and this output ends in `{activation}`", last, span, *cures)

    def _warn(self, message: str, activation: Node, span: Span, *help: Help) -> None:
        labels = (Label(activation.span, str(activation.type)),) if activation.span else ()
        self.reader.findings.report("W0507", message, span, labels=labels, help=help)


def _last_activation(node: Node) -> tuple[Node, bool]:
    """The last operator of an output that changes its values, and whether others stand after it."""
    is_kept = False
    while node.op.name in KEEPING and node.values:
        node, is_kept = node.values[0], True
    return node, is_kept


def _removal(node: Node) -> tuple[Edit, ...]:
    """The edit that takes a bare step away with its arrow."""
    span = node.span
    if span is None or span.text != node.op.name:
        return ()
    return remove_step(tree.Call(span, tree.Name(span, node.op.name)))


def _moved_last(activation: Node, output: Node) -> Iterator[Edit]:
    """The edits that move a bare step behind the last one, where both stand in one text."""
    removal = _removal(activation)
    last = output.span
    if removal and last is not None and last.source is removal[0].span.source and last.start > removal[0].span.end:
        yield from (*removal, Edit(at(last, last.end), f" -> {activation.op.name}"))


def _branches(pipeline: tree.Pipeline) -> Iterator[str]:
    """The text of each loss in a chain or merge, where that is all it holds."""
    for step in pipeline.chain.steps:
        if isinstance(step.action, tree.Call):
            yield step.action.span.text
        elif isinstance(step.action, tree.Merge):
            for branch in step.action.branches:
                if len(branch.body) == 1:
                    yield branch.body[0].span.text


def _listed(names: tuple[str, ...] | list[str]) -> str:
    quoted = [f"`{n}`" for n in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"

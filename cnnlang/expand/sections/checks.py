"""The section `check`: what a file says of its own figures, held against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cnnlang import analysis
from cnnlang.diagnostics import Edit, Help
from cnnlang.dims import Term
from cnnlang.expand.cures.removal import at
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.evaluate import Evaluator, Names
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.frames import Frame, FrameNames
from cnnlang.program import Program
from cnnlang.signature import Value, is_int, show_short
from cnnlang.syntax import tree

FIGURES: dict[str, Callable[[Program], Value]] = {
    "params": lambda program: analysis.params(program.graph),
    "params_train": analysis.params_train,
    "macs": lambda program: analysis.macs(program.graph),
    "depth": lambda program: analysis.depth(program.graph),
}


@dataclass(frozen=True)
class CheckNames:
    """The names of a `check` section: the net's figures, and whatever its body can name."""

    program: Program
    body: Names
    known: tuple[str, ...]
    findings: Findings

    def value_of(self, name: tree.Name) -> Value:
        if name.name in FIGURES:
            return FIGURES[name.name](self.program)
        if name.name not in self.known:
            raise self._unknown(name, f"a check knows no `{name.name}`", (*FIGURES, *self.known))
        return self.body.value_of(name)

    def attribute_of(self, attribute: tree.Attribute) -> Value:
        value = attribute.value
        if isinstance(value, tree.Name) and value.name not in self.known:
            raise self._unknown(value, f"no value is called `{value.name}`", self.known)
        return self.body.attribute_of(attribute)

    def _unknown(self, name: tree.Name, message: str, known: tuple[str, ...]) -> Abandon:
        return self.findings.report("E0301", message, name.span, help=did_you_mean(name.name, known, name.span))

    def numbers(self) -> list[str]:
        return [*FIGURES, *self.body.numbers()]

    def sized(self, size: Term) -> tuple[Help, ...]:
        return self.body.sized(size)


def hold_checks(checks: tree.Check, program: Program, frame: Frame, findings: Findings, *, is_note: bool) -> None:
    """Report each condition that does not hold.

    Parameters
    ----------
    frame
        The net's own, whose names the conditions may use.
    is_note
        Whether a parameter was overridden, so that a figure of the file as it stands need not hold.
    """
    for name, node in zip(program.graph.output_names, program.graph.outputs, strict=True):
        frame.env.own.setdefault(name, node)
    names = CheckNames(program, FrameNames(frame, findings), tuple(frame.env.own), findings)
    evaluator = Evaluator(names, findings)
    for condition in checks.conditions:
        try:
            if not isinstance(condition, tree.Compare):
                _compares_nothing(condition, evaluator)
            elif not evaluator.truth(condition):
                _report_failed(condition, evaluator, program, is_note=is_note)
        except Abandon:
            continue


def _figure(value: Value) -> str:
    return f"{value:_}" if is_int(value) else show_short(value)


def _compares_nothing(condition: tree.Expr, evaluator: Evaluator) -> None:
    cure: tuple[Edit, ...] = ()
    if isinstance(condition, tree.Name | tree.Attribute):
        text = f" == {_figure(evaluator.evaluate(condition))}"
        cure = (Edit(at(condition.span, condition.span.end), text),)
    evaluator.error("a check compares: `params == 61_706`", condition.span, "E0315", Help("compare it", cure))


def _report_failed(condition: tree.Compare, evaluator: Evaluator, program: Program, *, is_note: bool) -> None:
    actual = _figure(evaluator.evaluate(condition.first))
    words = f"if the net is right, write {actual}"
    (op, right), *more = condition.rest
    if more:
        help = Help("the net and the check disagree: mend the one that is wrong")
    elif op == "==":
        help = Help(words, (Edit(right.span, actual),))
    else:
        text = f"{condition.first.span.text} == {actual}"
        help = Help(f"if the net is right, write `{text}`, or another bound", (Edit(condition.span, text),))
    evaluator.findings.report(
        "E0314",
        f"the check `{condition.span.text}` of {program.name} fails: `{condition.first.span.text}` is {actual}",
        condition.span,
        help=(help,),
        is_note=is_note,
        notes=("a parameter was overridden, so this is no error",) if is_note else (),
    )

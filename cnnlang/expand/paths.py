"""The names of weights: what is counted, what a label says, and that no two are equal."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.expand.cures.removal import at, remove_label
from cnnlang.expand.findings import Findings
from cnnlang.expand.frames import Frame
from cnnlang.expand.modules import Module
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk

SEGMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")
REPEAT = "repeat"
MAX_PATH = 1000


@dataclass(slots=True)
class Paths:
    """Every path that is taken, by what."""

    findings: Findings
    taken: dict[str, tuple[str, Span, tree.Tree]] = field(default_factory=dict)

    def claim(self, path: str, kind: str, span: Span, by: tree.Tree, parent: str = "") -> None:
        """Take a path for a `layer` or a `scope`, and open the containers that a dotted label names.

        Parameters
        ----------
        path
            The whole path.
        kind
            `layer` or `scope`.
        span
            Where it is taken.
        by
            The step, group or head that takes it.
        parent
            The part of the path that is open already.

        Raises
        ------
        Abandon
            E0313: it is taken already; E0311: it is too long.
        """
        if len(path) > MAX_PATH:
            message = f"the path of a weight has at most {MAX_PATH:_} characters"
            raise self.findings.report("E0311", message, span, help=(Help("use shorter names"),))
        segments = path[len(parent) + 1 if parent else 0 :].split(".")
        for i in range(1, len(segments) + 1):
            part = ".".join(([parent] if parent else []) + segments[:i])
            wanted = kind if i == len(segments) else "container"
            if part not in self.taken:
                self.taken[part] = (wanted, span, by)
                continue
            there, first, other = self.taken[part]
            if wanted == there == "container":
                continue
            words = (
                f"two things are called `{part}`" if wanted == there else f"`{part}` is both a {there} and a {wanted}"
            )
            raise self.findings.report(
                "E0313",
                words,
                span,
                labels=(Label(first, f"the {there}"),) if first.source is span.source and first != span else (),
                notes=("weights are kept by path, so each path may be taken once",),
                help=(_another_path(by, other, segments[-1]),),
            )


def _another_path(by: tree.Tree, other: tree.Tree, name: str) -> Help:
    """The cure for a path that is taken: without its label, a step is named by its kind and number."""
    if by is other and isinstance(by, tree.Step) and by.label is not None:
        words = 'in a loop a label has a number in it, as `"stem{i}"`; without a label the path is counted'
        return Help(words, (remove_label(by),))
    if by is other:
        return Help('in a loop a label has a number in it, as `group "layer{i+1}"`')
    for each in (by, other):
        if isinstance(each, tree.Step) and each.label is not None:
            return Help("give one of them another name, or none", (remove_label(each),))
    if isinstance(by, tree.Group):
        text = f"{name}_2" if isinstance(by.label, tree.Name) else by.label.span.text[:-1] + '_2"'
        return Help(f"give one of them another name, as `{name}_2`", (Edit(by.label.span, text),))
    return Help("give one of them another name")


def label_path(label: tree.Label, frame: Frame, findings: Findings) -> str:
    """The part of a path that a label says.

    Raises
    ------
    Abandon
        E0313: it is not made of names and numbers joined by dots.
    """
    if isinstance(label, tree.Name):
        path = label.name
    else:
        evaluator = frame.evaluator(findings)
        path = "".join(
            part if isinstance(part, str) else str(evaluator.integer(part, "a part of a label")) for part in label.parts
        )
    if not path.isascii() or not all(SEGMENT.fullmatch(s) for s in path.split(".")):
        raise findings.report(
            "E0313",
            f'a path is made of names and numbers joined by dots, not "{path}"',
            frame.place(label.span),
            help=(_mended_path(label),),
        )
    return path


def _mended_path(label: tree.Label) -> Help:
    """The cure for a path with other letters: `_` in their place, dots only between names."""
    words = "use the letters a to z, digits and `_`, with a dot between two names"
    if isinstance(label, tree.Name):
        text = label.span.source.text[: label.span.start].rstrip()
        if text.endswith("as"):
            edit = Edit(Span(label.span.source, len(text[:-2].rstrip()), label.span.end), "")
            return Help(f"{words}; without a name the path is its kind and number", (edit,))
        return Help(words)
    text = re.sub(r"\.+", ".", re.sub(r"[^A-Za-z0-9_.{}]+(?![^{]*\})", "_", label.span.text[1:-1])).strip(".")
    text = re.sub(r"(^|\.)([0-9]+)(?=[A-Za-z_])", r"\1_\2", text)
    return Help(words, (Edit(label.span, f'"{text or "_"}"'),))


def automatic(kind: str, frame: Frame, step: tree.Step, findings: Findings) -> str:
    """The name of the next layer, instance or repetition of a kind; a labelled one is counted all the same."""
    naming = frame.naming
    naming.counts[kind] += 1
    name = f"{kind}{naming.counts[kind]}"
    # An `if` around the step itself is one before it in the earlier turns of a loop: they all have the step, or none.
    deciding = (
        test for test, is_fixed in naming.conditional.get(kind, {}).items() if not (is_fixed and _holds(test, step))
    )
    if step.label is None and not frame.replay and (test := next(deciding, None)) is not None:
        findings.report(
            "W0504",
            f"the name `{name}` depends on an `if` before it",
            frame.place(step.action.span),
            notes=(f"the `if` at {test} makes a `{kind}` or does not",),
            help=(_own_name(step, kind, name, frame.module),),
        )
    return name


def _holds(outer: Span, step: tree.Step) -> bool:
    return outer.source is step.span.source and outer.start <= step.span.start and step.span.end <= outer.end


def _own_name(step: tree.Step, kind: str, name: str, module: Module) -> Help:
    """The cure for an automatic name: a label, which in a loop needs the loop's variable."""
    text = step.span.source.text
    last = step.times.span if step.times is not None else step.action.span
    end = step.span.end if step.shape is None else text.rindex(":", last.end, step.shape[0].span.start)
    words = "give it a name of its own with `as`, so that its weights keep their path"
    match [part for part in walk(module.file) if isinstance(part, tree.For) and _holds(part.span, step)]:
        case []:
            label = name
        case [tree.For(targets=[tree.Name(name=target)], iterable=tree.Call(name=tree.Name(name="range")))]:
            label = f"{kind}_{{{target}}}"
        case _:
            return Help(f"{words}, with the loops' variables in it")
    return Help(words, (Edit(at(step.span, len(text[:end].rstrip())), f' as "{label}"'),))


def counted(
    body: tuple[tree.Statement, ...] | None, module: Module, in_loop: bool = False
) -> Counter[tuple[str, bool]]:
    """The kinds that a body adds to the counts of the scope around it, by name and whether a loop makes them."""
    found: Counter[tuple[str, bool]] = Counter()
    for statement in body or ():
        match statement:
            case tree.Chain(steps=steps):
                for step in steps:
                    found += _counted_step(step, module, in_loop)
            case tree.For(body=inner):
                found += counted(inner, module, True)
            case tree.If(then=then, otherwise=otherwise):
                sides = counted(then, module, in_loop), counted(otherwise, module, in_loop)
                found += sides[0] | sides[1]
            case _:
                pass
    return found


def _counted_step(step: tree.Step, module: Module, in_loop: bool) -> Counter[tuple[str, bool]]:
    match step.action:
        case tree.Call(name=name) if name.name in module.definitions:
            return Counter({(name.name, in_loop): 1})
        case tree.Call(name=name) if name.name in OPERATORS and OPERATORS[name.name].weights is not Op.weights:
            return Counter({(name.name, in_loop): 1})
        case tree.Braces(body=body):
            return Counter({(REPEAT, in_loop): 1}) if step.times is not None else counted(body, module, in_loop)
        case tree.Merge(branches=branches):
            found: Counter[tuple[str, bool]] = Counter()
            for branch in branches:
                found += counted(branch.body, module, in_loop)
            return found
    return Counter()

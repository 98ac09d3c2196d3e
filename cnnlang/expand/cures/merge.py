"""The cures of branches that do not fit each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.expand.cures.as_written import as_written
from cnnlang.expand.cures.operator import argument_edit, multiple_sizes, trail
from cnnlang.expand.cures.removal import at, remove_step
from cnnlang.ops.pool import GlobalPool
from cnnlang.ops.shape import Flatten
from cnnlang.program import Layer
from cnnlang.source import Span
from cnnlang.syntax import tree

if TYPE_CHECKING:
    from cnnlang.errors import OperatorError
    from cnnlang.expand.cures.operator import Inputs
    from cnnlang.expand.findings import Abandon, Findings
    from cnnlang.expand.frames import Frame
    from cnnlang.ir import Node
    from cnnlang.ops.base import Op
    from cnnlang.program import Trace

    Branches = tuple[tuple[tree.Branch, tuple[Trace, ...], Node], ...]

MAX_SHOWN = 8
ORDINALS = ("first", "second", "third", "fourth", "fifth")


def merge_mismatch(
    error: OperatorError,
    op: Op,
    merge: tree.Merge,
    branches: Branches,
    frame: Frame,
    inputs: Inputs,
    findings: Findings,
) -> Abandon:
    """Report a merge of unequal shapes: each branch's beside it, and the cure where a step makes them equal."""
    found = (_padding(branches), _step_more(error, branches, frame), _same_rank(branches))
    help = tuple(h for h in found if h is not None)
    if error.help and not help:
        edits = multiple_sizes(op, [n.type for _, _, n in branches], inputs) if error.code == "E0205" else ()
        help = (Help(error.help, edits),)
    return findings.report(
        error.code,
        error.message,
        frame.place(merge.name.span),
        labels=tuple(Label(_branch_span(branch), str(node.type)) for branch, _, node in _telling(branches)),
        notes=tuple(note for _, _, node in branches[:2] for note in trail(node)) if error.code == "E0205" else (),
        help=help,
    )


def _telling(branches: Branches) -> Branches:
    """The branches whose shapes say what is wrong: of very many, some of each shape."""
    if len(branches) <= MAX_SHOWN:
        return branches
    seen: Counter[str] = Counter()
    kept: list[tuple[tree.Branch, tuple[Trace, ...], Node]] = []
    for branch in branches:
        shape = str(branch[2].type)
        seen[shape] += 1
        if seen[shape] <= 2 and len(kept) < MAX_SHOWN:
            kept.append(branch)
    return tuple(kept)


def _branch_span(branch: tree.Branch) -> Span:
    return branch.body[0].span.to(branch.body[-1].span)


def _which(branch: int) -> str:
    return ORDINALS[branch] if branch < len(ORDINALS) else f"{branch + 1}th"


def _appended(branch: tree.Branch, step: str) -> tuple[str, Edit]:
    """A branch with a step more at its end: how it then reads, and the edit."""
    span = _branch_span(branch)
    if span.text == "in":
        return step, Edit(span, step)
    text = f"{span.text} -> {step}" if "\n" not in span.text else f"... -> {step}"
    return text, Edit(at(span, span.end), f" -> {step}")


def _step_more(error: OperatorError, branches: Branches, frame: Frame) -> Help | None:
    if error.after is None or error.branch is None:
        return None
    target = branches[1 if error.branch == 0 else 0]
    text, edit = _appended(branches[error.branch][0], as_written(error.after, target[1], target[2], frame))
    verb = "project" if error.after.startswith("conv") else "fit"
    return Help(f"{verb} the {_which(error.branch)} branch:  | {text}", (edit,))


def _same_rank(branches: Branches) -> Help | None:
    """Where some branches are maps and some are features: all of them as maps, or all as features."""
    flat = [i for i, (_, _, node) in enumerate(branches) if node.type.rank == 2]
    maps = [i for i, (_, _, node) in enumerate(branches) if node.type.rank == 4]
    if not flat or not maps:
        return None
    for i in flat:
        branch, _, node = branches[i]
        last = branch.body[-1].steps[-1] if isinstance(branch.body[-1], tree.Chain) else None
        long = isinstance(branch.body[-1], tree.Chain) and len(branch.body[-1].steps) > 1
        if last is not None and long and isinstance(node.op, Flatten | GlobalPool):
            words = f"the {_which(i)} branch is no map: take its `{node.op.name}` away"
            return Help(words, (remove_step(last.span),))
    _, edit = _appended(branches[maps[0]][0], "global_avgpool")
    edits = [edit, *(_appended(branches[i][0], "global_avgpool")[1] for i in maps[1:])]
    which = " and ".join(_which(i) for i in maps)
    return Help(f"make features of the {which} branch too:  -> global_avgpool", tuple(edits))


def _padding(branches: Branches) -> Help | None:
    """Where one convolution or pool without padding makes a branch smaller, the padding that keeps its size."""
    types = [node.type for _, _, node in branches]
    if any(t.rank != 4 for t in types):
        return None
    sizes = [t.shape[2:] for t in types]
    largest = max(sizes, key=lambda s: [d if isinstance(d, int) else 0 for d in s])
    for (_, traces, _), size in zip(branches, sizes, strict=True):
        if size == largest:
            continue
        for trace in traces:
            if isinstance(trace, Layer) and isinstance(trace.step.action, tree.Call):
                op: Op = trace.node.op
                kernel, pad = getattr(op, "kernel", None), getattr(op, "pad", None)
                if kernel is None or pad != (0, 0, 0, 0) or getattr(op, "stride", None) != (1, 1):
                    continue
                lost = tuple(a - b for a, b in zip(largest, size, strict=True))
                if lost == (kernel[0] - 1, kernel[1] - 1) and kernel[0] % 2 and kernel[1] % 2:
                    edit = argument_edit(trace.step.action, "pad", '"same"')
                    return Help(f'keep the size of the map in `{op.name}` with pad="same"', (edit,))
    return None

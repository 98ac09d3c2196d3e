"""Lifting: a graph of operators becomes a text that a person could have written."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.expand import check
from cnnlang.importing.foreign import Foreign, Written
from cnnlang.importing.lift.blocks import Key
from cnnlang.importing.lift.compare import same_graph
from cnnlang.importing.lift.limits import refuse
from cnnlang.importing.lift.net import Draft, Plan
from cnnlang.importing.lift.normal import normal
from cnnlang.ir import Graph
from cnnlang.source import MAX_FILE_BYTES, Source
from cnnlang.syntax import format_source

__all__ = ["normal", "write"]


KEEPING = (Plan(), Plan(loops=False), Plan(blocks=False, loops=False))
AUTOMATIC = (
    Plan(),
    Plan(units=True),
    Plan(sequences=True),
    Plan(units=True, sequences=True),
    Plan(blocks=False, loops=False),
)
OF_THE_NET = frozenset({"W0505", "W0507", "W0511"})  # rows that no window sees, softmax twice, an order that looks odd
LARGE = 8000  # nodes, from which on a text is not looked for in several ways
ROUNDS = 8  # attempts, each without the blocks that the one before made for nothing


def write(foreign: Foreign, name: str) -> Written:
    """The text of a net that came in.

    Parameters
    ----------
    foreign
        The net, with what is known about its inputs and classes.
    name
        What to call it, if that can be a name.

    Raises
    ------
    FindingsError
        E0602: the language cannot say it; E0603: its text would be too long.
    """
    refuse(foreign.graph, name)
    graph = normal(foreign.graph)
    plans: tuple[Plan, ...] = KEEPING if foreign.keeps_names else AUTOMATIC
    if len(graph.nodes) > LARGE:
        plans = (plans[0], plans[-1])
    texts = [_structured(foreign, graph, name, plan) for plan in plans]
    refused: FindingsError | None = None
    for raw, net in sorted(texts, key=lambda found: (found[0].count("\n"), len(found[0]))):
        text = format_source(Source(f"{name}.cnn", raw)) if len(raw) <= MAX_FILE_BYTES else raw
        if len(text.encode()) > MAX_FILE_BYTES:
            message = f"the text of the net would be longer than {MAX_FILE_BYTES // 1024} KiB"
            refused = FindingsError([Diagnostic("E0603", message, file=name)])
            break
        source = Source(f"{name}.cnn", text)
        checked = check(source)
        if checked.has_errors:
            refused = refused or FindingsError(checked.diagnostics)
            continue
        paths = same_graph(graph, checked.programs[net].graph)
        if paths is not None:
            return Written(allowed(text, checked.diagnostics), paths)
    assert refused is not None
    raise refused


def allowed(text: str, lints: Sequence[Diagnostic]) -> str:
    """A text with the lints on the net itself allowed where they are: it is written down as it came in."""
    lines = text.split("\n")
    places: dict[int, set[str]] = {}
    for lint in lints:
        if lint.code in OF_THE_NET and lint.span is not None:
            places.setdefault(lint.span.line, set()).add(lint.code)
    for number, codes in places.items():
        lines[number - 1] += f"  # allow {' '.join(sorted(codes))}"
    return format_source(Source("allowed.cnn", "\n".join(lines))) if places else text


def _structured(foreign: Foreign, graph: Graph, name: str, plan: Plan) -> tuple[str, str]:
    """The text by a plan, and the net's name in it."""
    banned: set[Key] = set()
    for _ in range(ROUNDS):
        draft = Draft(foreign, graph, name, banned, plan)
        draft.find_blocks()
        needless = draft.needless()
        if not needless:
            break
        banned |= needless
    return draft.text(), draft.name

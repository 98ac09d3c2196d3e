"""Lifting: a graph of operators becomes a text that a person could have written."""

from __future__ import annotations

from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.expand import check
from cnnlang.importing.foreign import Foreign, Written
from cnnlang.importing.lift.compare import same_graph
from cnnlang.importing.lift.concats import nest_concats
from cnnlang.importing.lift.blocks import Key
from cnnlang.importing.lift.net import Draft
from cnnlang.source import MAX_FILE_BYTES, Source
from cnnlang.syntax import format_source

__all__ = ["nest_concats", "write"]


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
    graph = nest_concats(foreign.graph)
    banned: set[Key] = set()
    for _ in range(ROUNDS):
        draft = Draft(foreign, graph, name, banned)
        draft.find_blocks()
        needless = draft.needless()
        if not needless:
            break
        banned |= needless
    text = draft.text()
    if len(text.encode()) > MAX_FILE_BYTES:
        message = f"the text of the net would be longer than {MAX_FILE_BYTES // 1024} KiB"
        raise FindingsError([Diagnostic("E0603", message, file=name)])
    text = format_source(Source(f"{name}.cnn", text))
    checked = check(Source(f"{name}.cnn", text))
    if checked.has_errors:
        raise FindingsError(checked.diagnostics)
    paths = same_graph(graph, checked.programs[draft.name].graph)
    assert paths is not None
    return Written(text, paths)

"""`--print-after`: what the passes of the optimizer make of a graph, and the engine's plan of what they leave."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cnnlang.cli.output import wants_color
from cnnlang.errors import UsageError

if TYPE_CHECKING:
    from cnnlang.ir import Graph
    from cnnlang.program import Program

F = TypeVar("F", bound=Callable[..., Any])
ALL, PLAN = "all", "plan"
INDENT = " " * 6  # of what is left of a line
SHAPE, STUCK = re.compile(r": \[.*?\]|\[[^\]]*\]"), "\0"  # what stays together, and what holds it


def print_after_option(command: F) -> F:
    """`--print-after`, whose value is the names in the order of the passes."""
    option = click.option(
        "--print-after",
        "after",
        multiple=True,
        metavar="PASS",
        callback=_read_names,
        help="Show the graph after a pass of the optimizer, such as fuse-activation; `all` passes; or `plan`, the "
        "engine's stages. Repeatable; a name that is none lists them.",
    )
    return option(command)


def _read_names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        return ()
    from cnnlang.passes import PASSES, unknown

    known = {step.name: step.title.rstrip(".") for step in PASSES}
    known |= {PLAN: "The engine's stages: kernels, memory, meetings of threads", ALL: "Every pass that runs"}
    for name in values:
        if name not in known:
            wide = max(map(len, known))
            there = "\n".join(f"  {n:{wide}}  {title}" for n, title in known.items())
            msg = f"{unknown(name, (PLAN, ALL))}\n{there}"
            raise UsageError(msg)
    return tuple(name for name in known if name in values)


def graphs_text(
    program: Program,
    names: Sequence[str],
    threads: int | None = None,
    shapes: Sequence[tuple[int, ...]] | None = None,
    width: int | None = None,
) -> str:
    """The graph after each of some passes.

    Parameters
    ----------
    names
        Of passes; `all` is those that run, and `plan` the engine's stages.
    threads
        How many would run the plan; None for as many as there are processors.
    shapes
        Those of the inputs, for the plan; None where the net says all sizes but the batch's, which is 1.
    width
        The columns of a terminal, into which lines are folded; None where there is none.

    Raises
    ------
    UsageError
        The plan needs sizes.
    """
    text = "\n".join(_blocks(program.graph, names)).rstrip("\n")
    parts = [text if width is None else _folded(text, width)] if text else []
    if PLAN in names:
        parts.append(_plan_text(program.graph, threads, shapes, width))
    return "\n\n".join(parts)


def _blocks(graph: Graph, names: Sequence[str]) -> Iterator[str]:
    """A heading for each pass, and the graph below it, with an empty line behind."""
    from cnnlang.passes import PASSES, running

    is_all = ALL in names
    off = [step.name for step in PASSES if not step.is_on and step.name in names]
    if is_all:
        yield f"# as the file says it: {_count(graph)}\n{graph}\n"
    for step in running(off):
        before, graph = graph, step(graph)
        if not is_all and step.name not in names:
            continue
        note = "" if step.is_on else ", off unless it is asked for"
        if str(graph) != str(before):
            yield f"# after {step.name}{note}: {_count(graph)}, before it {_number(before)}\n{graph}\n"
        elif step.name in names:
            yield f"# after {step.name}{note}: {_count(graph)}, nothing changed\n{graph}\n"
        else:
            yield f"# after {step.name}: nothing changed"


def _number(graph: Graph) -> int:
    return sum(not node.op.is_weight and node.op.arity != 0 for node in graph.nodes)


def _count(graph: Graph) -> str:
    number = _number(graph)
    return "1 step" if number == 1 else f"{number} steps"


def _folded(text: str, width: int) -> str:
    """Lines no wider than a terminal, what is left of each below it."""
    found = []
    for line in text.split("\n"):
        whole = SHAPE.sub(lambda m: m[0].replace(" ", STUCK), line)
        parts = textwrap.wrap(whole, width, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)
        found += [part.replace(STUCK, " ") for part in parts or [""]]
    return "\n".join(found)


def _plan_text(graph: Graph, threads: int | None, shapes: Sequence[tuple[int, ...]] | None, width: int | None) -> str:
    from cnnlang.backends.numba_cpu.listing import listing
    from cnnlang.interpret import bind_sizes
    from cnnlang.ir import bind_graph
    from cnnlang.passes import optimize
    from cnnlang.summary.grid import Grid
    from cnnlang.system import processors

    threads = threads or processors()
    sizes = bind_sizes(graph, list(shapes or _shapes(graph)))
    graph = bind_graph(optimize(graph), dict(sizes))
    found = listing(graph, threads)
    cells = [
        [row.name, row.kernel, f"{row.items:,}", *(_bytes(row.writes)), "meet" if row.meets else ""]
        for row in found.rows
    ]
    grid = Grid(
        ["stage", "kernel", "items", "offset", "bytes", "threads"],
        cells,
        [False, False, True, True, True, False],
        {0: 12, 1: 12},
    )
    inputs = ", ".join(str(node.type) for node in graph.inputs)
    head = (
        f"# plan: {len(found.rows)} stages for {inputs} on {threads} thread{'s' if threads > 1 else ''}, "
        f"{found.arena:,} bytes for values"
    )
    return f"{head}\n{grid.text(width, wants_color(sys.stdout))}"


def _bytes(writes: tuple[int, int] | None) -> tuple[str, str]:
    return (f"{writes[0]:,}", f"{writes[1]:,}") if writes else ("output", "")


def _shapes(graph: Graph) -> list[tuple[int, ...]]:
    """The inputs' shapes, for a batch of one.

    Raises
    ------
    UsageError
        Other sizes are symbolic too.
    """
    from cnnlang.dims import variables

    shapes = []
    for node in graph.inputs:
        unknown = {name for dim in node.type.shape[1:] for name in variables(dim)}
        if unknown:
            sizes = " ".join(f"--set {name}=..." for name in sorted(unknown))
            msg = f"a plan is made for inputs of one size, and {graph.name} takes {node.type}: give {sizes}"
            raise UsageError(msg)
        batch = node.type.batch if isinstance(node.type.batch, int) else 1
        shapes.append((batch, *(int(str(dim)) for dim in node.type.shape[1:])))
    return shapes

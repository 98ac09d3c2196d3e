"""The lines of `forward`: one call a step, under the file's names, with shapes beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from cnnlang.backends.numba_source.layout import call, quoted
from cnnlang.backends.numba_source.names import comment, label
from cnnlang.backends.numba_source.plan import Plan
from cnnlang.backends.numba_source.prepare import Prepare
from cnnlang.backends.numba_source.step import Step
from cnnlang.ir import Node
from cnnlang.source import Expansion


def check_inputs(inputs: Mapping[Node, str]) -> Iterator[str]:
    """A line for each input that checks it and takes a copy."""
    for node, name in inputs.items():
        sizes = ", ".join(str(d) if isinstance(d, int) else "None" for d in node.type.shape)
        yield from call(f"{name} = ", "as_input", (quoted(name), name, f"({sizes})"))


def step_lines(plan: Plan, results: Sequence[Node], names: Mapping[Node, str], prepare: Prepare) -> Iterator[str]:
    """The calls, in sections that are headed by the block of the file that they come from, and the `return`."""
    nodes = [node for node, _, _ in plan.steps]
    sections = _sections(nodes)
    returned = nodes and list(results) == nodes[-1:]
    for position, (node, step, act) in enumerate(plan.steps):
        if position in sections:
            yield ""
            if sections[position]:
                yield f"    # {textwrap.shorten(comment(sections[position]), 100, placeholder=' ...')}"
        function, arguments = _call(node, step, act, names, prepare)
        name, shape = label(node), comment(str(node.type))
        if returned and node is nodes[-1]:
            yield from call("return ", function, arguments, f"{comment(name)}: {shape}" if name else shape)
        else:
            yield from call(f"{names[node]} = ", function, arguments, shape)
    if not returned:
        yield f"    return {', '.join(names[n] for n in results)}"


def _call(
    node: Node, step: Step, act: str | None, names: Mapping[Node, str], prepare: Prepare
) -> tuple[str, tuple[str, ...]]:
    layer = (prepare.layer(node, step.layer),) if step.layer else ()
    numbers = tuple(f"{name}={prepare.numbers(node, name, values)}" for name, values in step.numbers)
    arguments = (*(names[v] for v in node.values), *layer, *step.arguments, *numbers)
    if act and step.takes_act:
        return step.function, (*arguments, f"act={act}")
    if act:
        return "activated", (f"{step.function}({', '.join(arguments)})", act)
    return step.function, arguments


def _sections(nodes: list[Node]) -> dict[int, str]:
    """Where a section begins, and its heading: the outermost block that not every step is in, and its path."""
    stacks = [_stack(node) for node in nodes]
    shared = _shared(stacks)
    heads = [stack[shared] if len(stack) > shared else None for stack in stacks]
    starts = [i for i, head in enumerate(heads) if head is not (heads[i - 1] if i else None)]
    found = {}
    for start, stop in pairwise([*starts, len(nodes)]):
        head = heads[start]
        found[start] = f"{_path(nodes[start:stop])}{head.text}" if head else ""
    return found


def _stack(node: Node) -> list[Expansion]:
    """The expansions around a node, the outermost first."""
    found: list[Expansion] = []
    within = node.span.within if node.span else None
    while within:
        found.append(within)
        within = within.call.within
    return found[::-1]


def _shared(stacks: Sequence[Sequence[object]]) -> int:
    """How many first elements all the sequences have in common."""
    count = 0
    for level in zip(*stacks, strict=False):
        if any(element is not level[0] and element != level[0] for element in level):
            break
        count += 1
    return count


def _path(nodes: list[Node]) -> str:
    """`layer1.0: ` where all weights of a section lie under that path."""
    layers = [n.name.split(".")[:-1] for n in nodes if n.weights]
    path = ".".join(layers[0][: _shared(layers)]) if layers else ""
    return f"{path}: " if path else ""

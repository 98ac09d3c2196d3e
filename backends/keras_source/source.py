"""The source of one function: a list of layers where a net is a chain, else statements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cnnlang.backends.keras_source.body import Assigned, BodyWriter, one_or_list, settled
from cnnlang.backends.keras_source.names import layer_name
from cnnlang.backends.python_source.build import call
from cnnlang.backends.python_source.code import (
    Argument,
    Attribute,
    Bare,
    Call,
    Code,
    Items,
    Lit,
    Local,
    Subscript,
    Value,
)
from cnnlang.backends.python_source.layout import Block, If, Line
from cnnlang.backends.python_source.liveness import pruned, settle_loops
from cnnlang.backends.python_source.steps import (
    Apply,
    Branch,
    Define,
    Differs,
    Head,
    Loop,
    Lowered,
    Merge,
    Module,
    Step,
    Val,
    count_uses,
    every,
)
from cnnlang.ir import Node
from cnnlang.program import InputInfo, Program

# Layers that take an activation over.
ACTIVATED = frozenset({"layers.Conv2D", "layers.DepthwiseConv2D", "layers.Conv2DTranspose", "layers.Dense"})
AXES = {"channels": -1, "height": 1, "width": 2}
WITH_AUX = "with_aux"  # the parameter of a net that has auxiliary heads


@dataclass(eq=False)
class FunctionSource:
    """What a function is made of."""

    entries: list[str] = field(default_factory=list)
    block: Block = field(default_factory=list)
    used: set[str] = field(default_factory=set)  # names of its parameters that it reads
    options: list[str] = field(default_factory=list)  # further parameters, with their defaults
    name: str = ""
    docstring: str = ""


def sequence(lowered: Lowered, program: Program, describe: Callable[[Val], str]) -> FunctionSource:
    """`return keras.Sequential([...])`; raises Differs where something is no layer."""
    _reduce(lowered)
    steps = [s for s in lowered.steps if not isinstance(s, Define)]
    (info,) = program.inputs
    items: list[Code] = [Argument(_input(info, program))]
    before = ""
    for step in steps:
        if not isinstance(step, Apply) or not step.modules or step.share is not None:
            raise Differs
        shape = describe(step.output)
        items += [Argument(m.made) for m in step.modules[:-1]]
        items.append(Argument(step.modules[-1].made, comment=shape if shape != before else ""))
        before = shape or before
    made = call("keras.Sequential", Items("[", tuple(items)), name=_title(program))
    lines: Block = [Assigned(f"{s.name} = ", s.value, name=s.name) for s in lowered.steps if isinstance(s, Define)]
    block, used = settled([*lines, Line("return ", made)])
    return FunctionSource(block=block, used=used)


def written(
    lowered: Lowered, describe: Callable[[Val], str], taken: frozenset[str], program: Program | None
) -> FunctionSource:
    """Write a function; that of the net if there is a program.

    Raises
    ------
    Differs
        The instances cannot share it.
    """
    uses = _reduce(lowered)
    settle_loops(lowered.steps, uses)
    noted = describe if program is not None else _nothing
    writer = BodyWriter(lowered, noted, taken | _own_names(lowered), defers=program is not None)
    writer.run(lowered.steps)
    own = [writer.own_names[e] for e in lowered.entries]
    made = FunctionSource()
    lines: Block = []
    if program is not None:
        lines += [Line(f"{n} = ", _input(info, program)) for n, info in zip(own, program.inputs, strict=True)]
    lines += _sizes(lowered, own)
    lines += writer.lines
    training = writer.deferred()
    outputs, heads = ([writer.place[v] for v in vals] for vals in (lowered.outputs, lowered.heads))
    if program is None:
        _return(lines, [*outputs, *heads])
    else:
        inputs = one_or_list([Local(n) for n in own])
        model = call("keras.Model", inputs, one_or_list(outputs), name=_title(program))
        if heads:
            made.options.append(f"{WITH_AUX}=False")
            whole = call("keras.Model", inputs, one_or_list([*outputs, *heads]), name=_title(program))
            lines.append(If(Local(WITH_AUX), [*training, Line("return ", whole)], []))
        lines.append(Line("return ", model))
    made.block, made.used = settled(lines)
    sized = {p.of for p in lowered.parameters if p.source in AXES and p.name in made.used}
    called = ["", *(e.name for e in lowered.entries[1:])]
    lowered.reads = tuple(
        uses[e] > 0 or program is not None or of in sized for e, of in zip(lowered.entries, called, strict=True)
    )
    lowered.computed = tuple(uses[e] > 0 for e in lowered.entries)
    if program is None:
        made.entries = [n for n, is_read in zip(own, lowered.reads, strict=True) if is_read]
    return made


def _nothing(val: Val) -> str:
    return ""


def _reduce(lowered: Lowered) -> Counter[Val]:
    """Leave out what comes to nothing, put activations into layers, and count how often each value is read."""
    results = [*lowered.outputs, *lowered.heads]
    lowered.steps = pruned(lowered.steps, set(results))
    lowered.steps = _with_activations(lowered.steps, count_uses(lowered.steps, results))
    return count_uses(lowered.steps, results)


def _with_activations(steps: Sequence[Step], uses: Counter[Val]) -> list[Step]:
    """Steps in which an activation right behind a layer is the layer's own."""
    kept: list[Step] = []
    for step in steps:
        before = kept[-1] if kept else None
        if isinstance(step, Apply) and isinstance(before, Apply) and _takes_over(before, step, uses):
            (module,) = before.modules
            assert isinstance(module.made, Call)
            *arguments, name = module.made.arguments
            arguments += [Argument(Lit(step.activation), "activation"), name]
            before.modules = (Module(module.kind, Call(module.made.function, tuple(arguments))),)
            before.output = step.output
            continue
        match step:
            case Merge(branches=branches):
                step.branches = [(_with_activations(inner, uses), end) for inner, end in branches]
            case Branch(sides=(then, otherwise)):
                step.sides = (_with_activations(then, uses), _with_activations(otherwise, uses))
            case Loop(body=body) | Head(body=body):
                step.body = _with_activations(body, uses)
            case _:
                pass
        kept.append(step)
    return kept


def _takes_over(layer: Apply, activation: Apply, uses: Counter[Val]) -> bool:
    if activation.activation is None or activation.inputs != (layer.output,) or uses[layer.output] != 1:
        return False
    if layer.paths is None or not layer.modules or (layer.output.name and layer.output.recalled):
        return False
    made = layer.modules[0].made
    return (
        isinstance(made, Call)
        and str(made.function) in ACTIVATED
        and all(a.name != "activation" for a in made.arguments)
    )


def _own_names(lowered: Lowered) -> frozenset[str]:
    """The names of parameters, loops and `let`s."""
    found = {p.name for p in lowered.parameters}
    for step in every(lowered.steps):
        if isinstance(step, Define):
            found.add(step.name)
        if isinstance(step, Loop):
            found |= {*step.targets, step.index, *(step.carry[:1] if step.carry else ())}
    return frozenset(found)


def _sizes(lowered: Lowered, own: Sequence[str]) -> Block:
    """`in_channels = x.shape[-1]`, for those that are read."""
    entering = {"": own[0] if own else ""}
    entering |= {e.name: n for e, n in zip(lowered.entries[1:], own[1:], strict=True)}
    lines: Block = []
    for parameter in lowered.parameters:
        if parameter.source in AXES:
            shape = Attribute(Local(entering[parameter.of]), "shape")
            made = Subscript(shape, (Lit(AXES[parameter.source]),))
            lines.append(Assigned(f"{parameter.name} = ", made, name=parameter.name))
    return lines


def _return(lines: Block, results: Sequence[Code]) -> None:
    """The last line is returned, or the variables are."""
    last = lines[-1] if lines else None
    is_named = isinstance(last, Line) and not isinstance(last, Assigned) and not last.comment
    if isinstance(last, Line) and is_named and len(results) == 1 and last.head == f"{results[0]} = ":
        last.head = "return "
        return
    lines.append(Line("return ", results[0] if len(results) == 1 else Bare(tuple(results))))


def _title(program: Program) -> Code | None:
    """The model's name; none where TensorFlow would refuse it as that of a scope."""
    return Lit(program.name) if re.fullmatch(r"[A-Za-z0-9]\w*", program.name, re.ASCII) else None


def _input(info: InputInfo, program: Program) -> Code:
    """`keras.Input((224, 224, 3), name="image")`."""
    names = {layer_name(path.rpartition(".")[0]) for path in program.training_graph.weights}
    return call("keras.Input", Lit(input_shape(info.node)), name=None if info.name in names else Lit(info.name))


def input_shape(node: Node) -> Value:
    """The shape of an input without its batch, channels last, with None for what is symbolic."""
    channels, *sides = (size if isinstance(size, int) else None for size in node.type.shape[1:])
    return (*sides, channels)

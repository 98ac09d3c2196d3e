"""The source of one class: an `nn.Sequential` where its steps are a chain, else a module with a `forward`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cnnlang.backends.python_source.code import Argument, Call, Local
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.layout import Block, Line
from cnnlang.backends.python_source.liveness import construct_once, pruned, require_alike, settle_loops
from cnnlang.backends.python_source.looping import used_by
from cnnlang.backends.python_source.steps import Apply, Branch, Define, Loop, Lowered, Step, Val, count_uses, every
from cnnlang.backends.torch_source.attributes import Attributes, static_path
from cnnlang.backends.torch_source.chain import Folder, census
from cnnlang.backends.torch_source.choices import as_branches, as_modules
from cnnlang.backends.torch_source.forward import ForwardWriter
from cnnlang.backends.torch_source.init import InitWriter
from cnnlang.backends.torch_source.listing import ListWriter
from cnnlang.backends.torch_source.names import is_reserved
from cnnlang.backends.torch_source.sequences import entry_names, ordered, positions_agree, sequence

SUPER = Local("super().__init__")


@dataclass(eq=False)
class ClassSource:
    """What a class is made of, for the template."""

    name: str
    base: str
    docstring: str
    init: Block
    forward_parameters: list[str]
    forward: Block
    used: set[str]  # names of the constructor that it reads


def written(
    lowered: Lowered, name: str, parameters: Iterable[str], describe: Callable[[Val], str], *, is_root: bool
) -> ClassSource:
    """Write a class.

    Parameters
    ----------
    lowered
        Its steps, which are changed.
    parameters
        The names that its constructor may have as parameters.
    describe
        A value's shape as a comment.

    Raises
    ------
    Differs
        The instances cannot share it.
    """
    results = [*lowered.outputs, *lowered.heads]
    lowered.steps = pruned(lowered.steps, set(results))
    require_alike(lowered, results)
    lowered.steps = as_modules(lowered.steps)
    uses = count_uses(lowered.steps, results)
    lowered.reads = tuple(is_root or uses[e] > 0 for e in lowered.entries)
    construct_once(lowered.steps)
    settle_loops(lowered.steps, uses)
    noted = (lambda step: describe(step.output)) if is_root else None
    folder = Folder(uses, census(lowered.steps), noted, lowered.repeats)
    lowered.steps = folder.fold(lowered.steps)
    if _is_sequence(lowered, uses):
        return _sequence_class(lowered, name, describe, is_root=is_root)
    lowered.steps = as_branches(lowered.steps)
    return _module_class(lowered, name, parameters, describe, is_root=is_root)


def _is_sequence(lowered: Lowered, uses: Counter[Val]) -> bool:
    if len(lowered.entries) != 1 or len(lowered.outputs) != 1 or lowered.heads:
        return False
    return lowered.reads[0] and is_chained(lowered.steps, lowered.entries[0], lowered.outputs[0], uses)


def is_chained(steps: Sequence[Step], flow: Val, end: Val, uses: Counter[Val]) -> bool:
    """Whether each step reads the one before it, and nothing else is read."""
    for step in steps:
        match step:
            case Define():
                continue
            case Apply(inputs=(x,), output=output, modules=modules, again=False, extra=()):
                path = static_path(step)
                deep = step.paths is not None and any(len(step.paths[r]) != 1 for r in step.rows)
                if x is not flow or not modules or deep or (path is not None and is_reserved(path[0])):
                    return False
                flow = output
            case Branch(entry=entry, sides=sides, outputs=[(out, then, otherwise)]):
                if then is None or otherwise is None:
                    return False
                if not (is_chained(sides[0], flow, then, uses) and is_chained(sides[1], flow, otherwise, uses)):
                    return False
                flow = out
            case Loop(entry=entry, inner=inner, exit=exit, body=body, output=output):
                if entry is not flow or not is_chained(body, inner, exit, uses):
                    return False
                flow = output
            case _:
                return False
    return flow is end and not _read_twice(steps, uses)


def _read_twice(steps: Sequence[Step], uses: Counter[Val]) -> bool:
    """Whether a value on the way is read by more than what follows it (both sides of an `if` follow it)."""
    for i, step in enumerate(steps):
        follower = steps[i + 1] if i + 1 < len(steps) else None
        if isinstance(step, Apply | Loop) and not isinstance(follower, Branch) and uses[step.output] > 1:
            return True
    return False


def _sequence_class(lowered: Lowered, name: str, describe: Callable[[Val], str], *, is_root: bool) -> ClassSource:
    rows = lowered.rows
    steps = [s for s in lowered.steps if not isinstance(s, Define)]
    made = ClassSource(name, "nn.Sequential", "", [], [], [], set())
    applied = [s for s in every(steps) if isinstance(s, Apply)]
    if all(isinstance(s, Apply) for s in steps):
        arguments = _plain_arguments(applied, describe if is_root else None)
        made.used = {n for a in arguments for n in names(a)}
        made.init = [*_defines(lowered.steps, made.used), Line("", Call(SUPER, tuple(arguments)))]
        return made
    if positions_agree(steps, rows, 0):
        lister = ListWriter(is_begun=False)
        lister.run(lowered.steps)
        made.used = used_by(lister.reads)
        made.init = [*lister.block, Line("", Call(SUPER, (Argument(Local("layers"), star=True),)))]
        return made
    attributes = Attributes(lowered.steps, [p.name for p in lowered.parameters])
    attributes.call([s for s in applied if s.paths is None])
    init = InitWriter(attributes, describe if is_root else None, with_identity=False)
    init.run(lowered.steps)
    made.used = used_by(init.reads)
    made.init = [Line("", Call(SUPER, ())), *init.block]
    return made


def _plain_arguments(steps: Sequence[Apply], describe: Callable[[Val], str] | None) -> list[Argument]:
    noted = (lambda step: describe(step.output)) if describe else None
    if not steps:
        return []
    if positions_agree(steps, steps[0].rows, 0):
        whole = sequence(steps, 0, noted)
        assert isinstance(whole, Call)
        return list(whole.arguments)
    called = entry_names(steps)
    return [Argument(ordered(called, [m.made for s in steps for m in s.modules], steps, noted))]


def _defines(steps: Sequence[Step], used: set[str]) -> Block:
    """The `let`s that are read, as statements; what they read is added to `used`."""
    kept: list[Define] = []
    for step in reversed(list(steps)):
        if isinstance(step, Define) and step.name in used:
            used |= names(step.value)
            kept.insert(0, step)
    return [Line(f"{d.name} = ", d.value) for d in kept]


def _module_class(
    lowered: Lowered, name: str, parameters: Iterable[str], describe: Callable[[Val], str], *, is_root: bool
) -> ClassSource:
    defined = [s.name for s in lowered.steps if isinstance(s, Define)]
    attributes = Attributes(lowered.steps, [*parameters, *defined])
    forward = ForwardWriter(lowered, attributes, describe, is_root=is_root)
    forward_parameters, forward_block = forward.write()
    init = InitWriter(attributes, None, with_identity=True)
    init.run(lowered.steps)
    kept: Block = [Line(f"self.{own} = ", Local(n)) for n, own in attributes.needed.items() if n not in defined]
    made = ClassSource(name, "nn.Module", "", [Line("", Call(SUPER, ())), *kept, *init.block], [], [], set())
    made.used = used_by(init.reads) | set(attributes.needed)
    made.forward_parameters = forward_parameters
    made.forward = forward_block
    return made

"""The source of one class, from its steps: an `nn.Sequential` where they are a chain, else a module with a `forward`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cnnlang.backends.torch_source.attributes import (
    Attributes,
    modules_in,
    name_in_loop,
    only_optional,
    static_path,
)
from cnnlang.backends.torch_source.chain import (
    Folder,
    census,
    compressed,
    count_uses,
    entry_names,
    ordered,
    positions_agree,
    sequence,
)
from cnnlang.backends.torch_source.code import (
    Argument,
    Call,
    Code,
    Items,
    Lit,
    Local,
    Unary,
    Unknown,
    Var,
    binary,
    call,
    evaluate,
    names,
    total,
    unary,
)
from cnnlang.backends.torch_source.forward import ForwardWriter
from cnnlang.backends.torch_source.layout import STEP, commented, statement
from cnnlang.backends.torch_source.names import is_reserved
from cnnlang.backends.torch_source.steps import (
    Apply,
    Branch,
    Define,
    Differs,
    Head,
    Loop,
    Lowered,
    Merge,
    Path,
    Step,
    Val,
    child_steps,
    every,
)

BODY = STEP * 2


@dataclass(eq=False)
class ClassSource:
    """What a class is made of, for the template."""

    name: str
    base: str
    docstring: str
    before: list[str]  # statements of __init__ before super().__init__
    super_arguments: list[str]  # the lines of that call
    after: list[str]
    forward_parameters: list[str]
    forward: list[str]
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
    uses = count_uses(lowered.steps, results)
    noted = (lambda step: describe(step.output)) if is_root else None
    folder = Folder(uses, census(lowered.steps), noted)
    lowered.steps = folder.fold(lowered.steps)
    if _is_sequence(lowered, uses):
        return _sequence_class(lowered, name, describe, is_root=is_root)
    return _module_class(lowered, name, parameters, describe, is_root=is_root)


def pruned(steps: Sequence[Step], live: set[Val]) -> list[Step]:
    """The steps on which a result depends."""
    kept: list[Step] = []
    for step in reversed(steps):
        match step:
            case Apply(inputs=inputs, output=output, extra=extra):
                if output not in live and not any(v in live for v in extra):
                    continue
                live.update(inputs)
            case Merge(branches=branches, output=output):
                if output not in live:
                    continue
                live.update(end for _, end in branches)
                step.branches = [(inner, end) for inner, end in reversed(branches)]
                step.branches = [(pruned(inner, live), end) for inner, end in step.branches][::-1]
            case Branch(outputs=outputs, sides=sides):
                step.outputs = [triple for triple in outputs if triple[0] in live]
                live.update(v for _, *ends in step.outputs for v in ends if v is not None)
                step.sides = (pruned(sides[0], live), pruned(sides[1], live))
                if not step.outputs and not any(step.sides):
                    continue
            case Loop(output=output, entry=entry, exit=exit, body=body):
                if output not in live:
                    continue
                live.update((entry, exit))
                step.body = pruned(body, live)
            case Head(body=body, output=output):
                live.add(output)
                step.body = pruned(body, live)
            case _:
                pass
        kept.insert(0, step)
    return kept


# --- sequences ----------------------------------------------------------------------------------------------------------


def _is_sequence(lowered: Lowered, uses: Counter[Val]) -> bool:
    if len(lowered.entries) != 1 or len(lowered.outputs) != 1 or lowered.heads:
        return False
    return _is_chain(lowered.steps, lowered.entries[0], lowered.outputs[0], uses)


def _is_chain(steps: Sequence[Step], flow: Val, end: Val, uses: Counter[Val]) -> bool:
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
                if not (_is_chain(sides[0], flow, then, uses) and _is_chain(sides[1], flow, otherwise, uses)):
                    return False
                flow = out
            case Loop(entry=entry, inner=inner, exit=exit, body=body, output=output):
                if entry is not flow or not _is_chain(body, inner, exit, uses):
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
    made = ClassSource(name, "nn.Sequential", "", [], [], [], [], [], set())
    is_plain = all(isinstance(s, Apply) for s in steps)
    applied = [s for s in every(steps) if isinstance(s, Apply)]
    if is_plain and all(s.modules for s in applied):
        arguments = _plain_arguments(applied, describe if is_root else None)
        made.used = _defines(lowered.steps, {n for a in arguments for n in names(a)}, made.before)
        whole = Call(Local("super().__init__"), tuple(arguments))
        made.super_arguments = statement("", whole, "", BODY)
        return made
    if positions_agree(steps, rows, 0):
        writer = ListWriter(is_begun=False)
        writer.run(lowered.steps, BODY)
        made.used = _used_by(writer.reads)
        made.before = writer.lines
        made.super_arguments = [f"{BODY}super().__init__(*layers)"]
        return made
    attributes = Attributes(lowered.steps, [p.name for p in lowered.parameters])
    attributes.call([s for s in applied if s.paths is None])
    init = InitWriter(attributes, describe if is_root else None, with_identity=False)
    init.run(lowered.steps, BODY)
    made.used = _used_by(init.reads)
    made.super_arguments = [f"{BODY}super().__init__()"]
    made.after = init.lines
    return made


def _plain_arguments(
    steps: Sequence[Apply], describe: Callable[[Val], str] | None
) -> list[Argument]:
    noted = (lambda step: describe(step.output)) if describe else None
    if not steps:
        return []
    if positions_agree(steps, steps[0].rows, 0):
        whole = sequence(steps, 0, noted)
        assert isinstance(whole, Call)
        return list(whole.arguments)
    called = entry_names(steps)
    return [Argument(ordered(called, [m.made for s in steps for m in s.modules], steps, noted))]


def _used_by(reads: Iterable[Code]) -> set[str]:
    return {n for made in reads for n in names(made)}


def _defines(steps: Sequence[Step], used: set[str], lines: list[str]) -> set[str]:
    """The `let`s that are read, as statements; the answer is all that is read then."""
    kept: list[Define] = []
    for step in reversed(list(steps)):
        if isinstance(step, Define) and step.name in used:
            used |= names(step.value)
            kept.insert(0, step)
    for define in kept:
        lines += statement(f"{define.name} = ", define.value, "", BODY)
    return used


class ListWriter:
    """`layers.append(...)` under the file's own conditions and loops, where positions are the names."""

    def __init__(self, *, is_begun: bool) -> None:
        self.is_begun = is_begun  # the list is there
        self.lines: list[str] = []
        self.reads: list[Code] = []

    def run(self, steps: Sequence[Step], indent: str) -> None:
        rest = list(steps)
        needed = _needed_defines(steps)
        while rest:
            applied: list[Apply] = []
            while rest and isinstance(rest[0], Apply):
                applied.append(rest.pop(0))  # type: ignore[arg-type]
            if applied:
                self._append(applied, indent)
            if not rest:
                break
            step = rest.pop(0)
            match step:
                case Define(name=name, value=value) if name in needed:
                    self.reads.append(value)
                    self.lines += statement(f"{name} = ", value, "", indent)
                case Branch(test=test, sides=sides):
                    self._begin(indent)
                    self._branch(test, sides, indent)
                case Loop():
                    self._begin(indent)
                    self._loop(step, indent)
                case _:
                    pass

    def _begin(self, indent: str) -> None:
        if not self.is_begun:
            self.lines.append(f"{indent}layers = []")
            self.is_begun = True

    def _append(self, applied: Sequence[Apply], indent: str) -> None:
        made = [m.made for s in applied for m in s.modules]
        self.reads += made
        if len(made) == 1 and self.is_begun:
            self.lines += statement("", call("layers.append", made[0]), "", indent)
            return
        head = "layers += " if self.is_begun else "layers = "
        self.is_begun = True
        self.lines += statement(head, Items("[", tuple(compressed(made))), "", indent)

    def _branch(self, test: Code, sides: tuple[list[Step], list[Step]], indent: str) -> None:
        self.reads.append(test)
        then, otherwise = sides
        if not any(isinstance(s, Apply | Branch | Loop) for s in then):
            test, then, otherwise = unary("not", test), otherwise, []
        self.lines += statement("if ", test, ":", indent)
        self.run(then, indent + STEP)
        if any(isinstance(s, Apply | Branch | Loop) for s in otherwise):
            self.lines.append(f"{indent}else:")
            self.run(otherwise, indent + STEP)

    def _loop(self, step: Loop, indent: str) -> None:
        inner = ListWriter(is_begun=True)
        inner.run(step.body, indent + STEP)
        self.lines += loop_lines(step, inner.lines, inner.reads, indent)
        self.reads += [*inner.reads, *loop_reads(step)]


def _needed_defines(steps: Sequence[Step]) -> set[str]:
    """Names of `let`s that something in a body reads."""
    found: set[str] = set()
    for step in every(steps):
        match step:
            case Apply(modules=modules):
                found |= {n for m in modules for n in names(m.made)}
            case Branch(test=test):
                found |= names(test)
            case Loop():
                found |= _used_by(loop_reads(step))
            case _:
                pass
    for step in reversed(list(every(steps))):
        if isinstance(step, Define) and step.name in found:
            found |= names(step.value)
    return found


def loop_reads(step: Loop) -> list[Code]:
    return [step.iterable, *(step.carry[1:] if step.carry else ())]


def loop_lines(step: Loop, body: list[str], reads: Sequence[Code], indent: str) -> list[str]:
    """A `for` of the constructor around the lines of its body, with the channels carried from turn to turn."""
    if not body:
        return []
    inner = indent + STEP
    lines: list[str] = []
    used = _used_by(reads)
    body = list(body)
    if step.carry is not None:
        name, start, after = step.carry
        used |= names(after)
        lines += statement(f"{name} = ", start, "", indent)
        growth = total([after, unary("-", Var(name))])
        if name not in names(growth):
            body += statement(f"{name} += ", growth, "", inner)
        else:
            body += statement(f"{name} = ", after, "", inner)
    target, iterable = step.target, step.iterable
    if step.own_index and step.index in used:
        if not _targets_of(step) & used and _is_range(iterable):
            target = step.index
        else:
            target, iterable = f"{step.index}, {_grouped(target)}", call("enumerate", iterable)
    elif not _targets_of(step) & used and _is_range(iterable):
        target = "_"
    lines += statement(f"for {target} in ", iterable, ":", indent)
    return [*lines, *body]


def _targets_of(step: Loop) -> set[str]:
    return {part.strip(" (),") for part in step.target.split(",")} - {""}


def _grouped(target: str) -> str:
    return f"({target})" if "," in target and not (target.startswith("(") and target.count("(") == 1 and target.endswith(")")) else target


def _is_range(made: Code) -> bool:
    match made:
        case Call(function=Local(name="range"), arguments=(_,)):
            return True
    return False


# --- modules with a forward -----------------------------------------------------------------------------------------------


def _module_class(
    lowered: Lowered, name: str, parameters: Iterable[str], describe: Callable[[Val], str], *, is_root: bool
) -> ClassSource:
    defined = [s.name for s in lowered.steps if isinstance(s, Define)]
    attributes = Attributes(lowered.steps, [*parameters, *defined])
    forward = ForwardWriter(lowered, attributes, describe, is_root=is_root)
    forward_parameters, forward_lines = forward.write()
    init = InitWriter(attributes, None, with_identity=True)
    init.run(lowered.steps, BODY)
    made = ClassSource(name, "nn.Module", "", [], [f"{BODY}super().__init__()"], [], [], [], set())
    kept = [f"{BODY}self.{own} = {n}" for n, own in attributes.needed.items() if n not in defined]
    made.after = [*kept, *init.lines]
    made.used = _used_by(init.reads) | set(attributes.needed)
    made.forward_parameters = forward_parameters
    made.forward = forward_lines
    return made


class InitWriter:
    """The statements of a constructor."""

    def __init__(
        self, attributes: Attributes, describe: Callable[[Val], str] | None, *, with_identity: bool
    ) -> None:
        self.attributes = attributes
        self.describe = describe
        self.with_identity = with_identity  # an optional module that is left out is nn.Identity
        self.lines: list[str] = []
        self.reads: list[Code] = []
        self.opened: set[Path] = set()
        self.shape = ""

    def run(self, steps: Sequence[Step], indent: str, *, is_top: bool = True, skip: set[Path] | None = None) -> None:
        needed = _needed_defines(steps) | set(self.attributes.needed)
        for step in steps:
            if is_top:
                self._open(step, indent)
            match step:
                case Define(name=name, value=value) if name in needed:
                    self.reads.append(value)
                    self.lines += statement(f"{name} = ", value, "", indent)
                    if name in self.attributes.needed:
                        self.lines.append(f"{indent}self.{self.attributes.needed[name]} = {name}")
                case Apply():
                    self._module(step, indent, skip or set())
                case Branch():
                    self._branch(step, indent)
                case Loop():
                    self._loop(step, indent)
                case _:
                    for inner in child_steps(step):
                        self.run(inner, indent, is_top=False, skip=skip)

    def _open(self, step: Step, indent: str) -> None:
        """Make the containers that a statement's modules stand in."""
        for module in modules_in([step]):
            path = static_path(module)
            if path is None:
                continue
            for depth in range(1, len(path)):
                if path[:depth] not in self.opened:
                    self.opened.add(path[:depth])
                    self._assign(path[:depth], call(self.attributes.kind(path[:depth])), indent, "")

    def _module(self, step: Apply, indent: str, skip: set[Path]) -> None:
        if step.again or (step.paths is None and not step.attribute):
            return
        made = step.modules[0].made
        comment = self.describe(step.output) if self.describe else ""
        comment, self.shape = (comment if comment != self.shape else ""), comment or self.shape
        if step in self.attributes.loops:
            name = name_in_loop(step, self.attributes.loops[step])
            self.reads += [name, made]
            self.lines += commented(statement("", call("self.add_module", name, made), "", indent), comment, indent)
            return
        path = static_path(step)
        assert path is not None
        if path in skip:
            return
        self.reads.append(made)
        self._assign(path, made, indent, comment)

    def _assign(self, path: Path, made: Code, indent: str, comment: str) -> None:
        holder: Code = Local("self")
        for depth, part in enumerate(path[:-1]):
            holder = self.attributes._child(holder, path[:depth], part)
        last = path[-1]
        kind = self.attributes.kind(path[:-1])
        match kind:
            case "nn.ModuleList":
                lines = statement("", call(f"{holder}.append", made), "", indent)
            case "nn.ModuleDict":
                lines = statement(f"{holder}[{Lit(last)}] = ", made, "", indent)
            case _ if last.isdigit():
                lines = statement("", call(f"{holder}.add_module", Lit(last), made), "", indent)
            case _:
                lines = statement(f"{holder}.{last} = ", made, "", indent)
        self.lines += commented(lines, comment, indent)

    def _branch(self, step: Branch, indent: str) -> None:
        optional = only_optional(step) if self.with_identity else None
        then, otherwise = ([*modules_in(side)] for side in step.sides)
        common = self._common(then, otherwise, indent)
        test = step.test
        if step.flag:
            self.reads.append(test)
            self.lines += statement(f"self.{step.flag} = ", test, "", indent)
            test = Local(f"self.{step.flag}")
        sides = [step.sides[0], step.sides[1]]
        kept = [any(self._is_written(m, common) for m in side) for side in (then, otherwise)]
        if not any(kept):
            return
        if not kept[0]:
            test, sides, kept = unary("not", test) if not isinstance(test, Local) else Unary("not", test), sides[::-1], kept[::-1]
        self.reads.append(test)
        self.lines += statement("if ", test, ":", indent)
        self.run(sides[0], indent + STEP, is_top=False, skip=common)
        if kept[1]:
            self.lines.append(f"{indent}else:")
            self.run(sides[1], indent + STEP, is_top=False, skip=common)
        elif optional is not None:
            path = static_path(optional)
            assert path is not None
            self.lines.append(f"{indent}else:")
            self._assign(path, call("nn.Identity"), indent + STEP, "")

    def _is_written(self, module: Apply, common: set[Path]) -> bool:
        path = static_path(module)
        return path is None or path not in common

    def _common(self, then: Sequence[Apply], otherwise: Sequence[Apply], indent: str) -> set[Path]:
        """Modules that both sides make alike stand before the `if`."""
        others = {static_path(m): str(m.modules[0].made) for m in otherwise}
        found: set[Path] = set()
        for module in then:
            path = static_path(module)
            if path is not None and others.get(path) == str(module.modules[0].made):
                self._module(module, indent, set())
                found.add(path)
        return found

    def _loop(self, step: Loop, indent: str) -> None:
        inner = InitWriter(self.attributes, self.describe, with_identity=self.with_identity)
        inner.opened = self.opened
        inner.run(step.body, indent + STEP, is_top=False)
        self.lines += loop_lines(step, inner.lines, inner.reads, indent)
        self.reads += [*inner.reads, *(loop_reads(step) if inner.lines else ())]


# --- shapes as comments ---------------------------------------------------------------------------------------------------


class Shapes:
    """Says the shapes of a class's values: numbers where all instances agree, else in terms of what enters."""

    def __init__(self, lowered: Lowered) -> None:
        self.entry = lowered.entries[0] if lowered.entries else None
        self.parameters = [p.name for p in lowered.parameters if p.source == "parameter"]

    def __call__(self, val: Val) -> str:
        rows = list(val.nodes.own)
        if not rows:
            return ""
        types = [val.type(row) for row in rows]
        if all(t == types[0] for t in types):
            return str(types[0])
        if val.channels is None or self.entry is None:
            return ""
        sizes = [str(types[0].batch), str(val.channels)]
        for position in range(2, types[0].rank):
            if self.entry.rank != 4:
                return ""
            size = self._relative([t.shape[position] for t in types], position, rows)
            if size is None:
                return ""
            sizes.append(size)
        return f"[{', '.join(sizes)}]"

    def _relative(self, actual: list[object], position: int, rows: Sequence[object]) -> str | None:
        assert self.entry is not None
        letter = "HW"[position - 2]
        entering = [self.entry.type(row).shape[position] for row in rows]  # type: ignore[arg-type]
        if actual == entering:
            return letter
        if all(a == actual[0] for a in actual):
            return str(actual[0])
        for factor in (2, 3, 4, 8, 16, 32):
            if all(e * factor == a for a, e in zip(actual, entering, strict=True)):
                return f"{factor} * {letter}"
            if all(a * factor == e for a, e in zip(actual, entering, strict=True)):
                return f"{letter} / {factor}"
        if not all(isinstance(a, int) and isinstance(e, int) and a and e for a, e in zip(actual, entering, strict=True)):
            return None
        pairs = [(int(str(a)), int(str(e))) for a, e in zip(actual, entering, strict=True)]
        for factor in {-(-e // a) for a, e in pairs[:1]}:
            if factor > 1 and all(-(-e // factor) == a for a, e in pairs):
                return f"{letter} / {factor}"
        for factor in {a // e for a, e in pairs[:1]}:
            if factor > 1 and all(e * factor == a for a, e in pairs):
                return f"{factor} * {letter}"
        for name in self.parameters:
            found = [row[name] for row in rows]  # type: ignore[index]
            if all(isinstance(f, int) and f > 0 and -(-e // f) == a for f, (a, e) in zip(found, pairs, strict=True)):
                return f"{letter} / {name}"
        return None


__all__ = ["ClassSource", "Shapes", "Unknown", "Val", "binary", "evaluate", "written"]

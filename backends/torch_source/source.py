"""The source of one class, from its steps: an `nn.Sequential` where they are a chain, else a module with a `forward`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cnnlang.backends.torch_source.attributes import (
    Attributes,
    grouped,
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
    origin,
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
    Var,
    call,
    names,
    total,
    unary,
)
from cnnlang.backends.torch_source.forward import ForwardWriter
from cnnlang.backends.torch_source.layout import Block, For, If, Line
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
    Row,
    Step,
    Val,
    child_steps,
    every,
)


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
    _require_alike(lowered, results)
    uses = count_uses(lowered.steps, results)
    lowered.reads = tuple(is_root or uses[e] > 0 for e in lowered.entries)
    _construct_once(lowered.steps)
    _settle_loops(lowered.steps, uses)
    noted = (lambda step: describe(step.output)) if is_root else None
    folder = Folder(uses, census(lowered.steps), noted, lowered.repeats)
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


def _require_alike(lowered: Lowered, results: Sequence[Val]) -> None:
    """Raise Differs where a module is for nothing in some of the instances: there the file's net does not have it."""
    if not any(isinstance(s, Branch) for s in every(lowered.steps)):
        return
    for row in lowered.rows:
        needed: set[Apply] = set()
        _needed_in(lowered.steps, row, set(results), needed)
        for step in every(lowered.steps):
            if isinstance(step, Apply) and step.paths is not None and step not in needed and step.paths.has(row):
                if row in step.rows:
                    raise Differs


def _needed_in(steps: Sequence[Step], row: Row, live: set[Val], needed: set[Apply]) -> None:
    """The steps that one instance needs, each `if` decided as it does."""
    for step in reversed(steps):
        match step:
            case Apply(output=output, extra=extra, inputs=inputs):
                if output in live or any(v in live for v in extra):
                    needed.add(step)
                    live.update(inputs)
            case Merge(branches=branches, output=output):
                if output in live:
                    live.update(end for _, end in branches)
                    for inner, _ in reversed(branches):
                        _needed_in(inner, row, live, needed)
            case Branch(outputs=outputs, sides=sides, rows=parts):
                side = 0 if row in parts[0] else 1
                live.update(v for out, *ends in outputs if out in live and (v := ends[side]) is not None)
                _needed_in(sides[side], row, live, needed)
            case Loop(output=output, entry=entry, exit=exit, body=body):
                if output in live:
                    live.update((entry, exit))
                    _needed_in(body, row, live, needed)
            case Head(body=body, output=output):
                live.add(output)
                _needed_in(body, row, live, needed)
            case _:
                pass


def _settle_loops(steps: Sequence[Step], uses: Counter[Val]) -> None:
    """Note which loops must carry their channels; raise Differs where turns do not build on each other."""
    loops = [s for s in every(steps) if isinstance(s, Loop)]
    if any(uses[loop.inner] == 0 for loop in loops):
        raise Differs
    for loop in loops:
        others = [c for other in loops for c in (other.iterable, *(other.carry[1:] if other.carry else ())) if other is not loop]
        read = _needed_defines(steps, others) if loop.carry else set()
        loop.carries = loop.carry is not None and loop.carry[0] in read


def _construct_once(steps: Sequence[Step]) -> None:
    """A shared module whose first use came to nothing is constructed by the next."""
    seen: set[tuple[Row, Path]] = set()
    for step in every(steps):
        if isinstance(step, Apply) and step.paths is not None:
            places = [(origin(row), step.paths[row]) for row in step.rows]
            step.again = step.again and all(p in seen for p in places)
            seen.update(places)


# --- sequences ----------------------------------------------------------------------------------------------------------


def _is_sequence(lowered: Lowered, uses: Counter[Val]) -> bool:
    if len(lowered.entries) != 1 or len(lowered.outputs) != 1 or lowered.heads:
        return False
    return lowered.reads[0] and _is_chain(lowered.steps, lowered.entries[0], lowered.outputs[0], uses)


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
        made.used = _used_by(lister.reads)
        made.init = [*lister.block, Line("", Call(SUPER, (Argument(Local("layers"), star=True),)))]
        return made
    attributes = Attributes(lowered.steps, [p.name for p in lowered.parameters])
    attributes.call([s for s in applied if s.paths is None])
    init = InitWriter(attributes, describe if is_root else None, with_identity=False)
    init.run(lowered.steps)
    made.used = _used_by(init.reads)
    made.init = [Line("", Call(SUPER, ())), *init.block]
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


def _defines(steps: Sequence[Step], used: set[str]) -> Block:
    """The `let`s that are read, as statements; what they read is added to `used`."""
    kept: list[Define] = []
    for step in reversed(list(steps)):
        if isinstance(step, Define) and step.name in used:
            used |= names(step.value)
            kept.insert(0, step)
    return [Line(f"{d.name} = ", d.value) for d in kept]


class ListWriter:
    """`layers.append(...)` under the file's own conditions and loops, where positions are the names."""

    def __init__(self, *, is_begun: bool) -> None:
        self.is_begun = is_begun  # the list is there
        self.block: Block = []
        self.reads: list[Code] = []

    def run(self, steps: Sequence[Step]) -> None:
        rest = list(steps)
        needed = _needed_defines(steps)
        while rest:
            applied: list[Apply] = []
            while rest and isinstance(rest[0], Apply):
                applied.append(rest.pop(0))  # type: ignore[arg-type]
            if applied:
                self._append(applied)
            if not rest:
                break
            step = rest.pop(0)
            match step:
                case Define(name=name, value=value) if name in needed:
                    self.reads.append(value)
                    self.block.append(Line(f"{name} = ", value))
                case Branch():
                    self._begin()
                    self._branch(step)
                case Loop():
                    self._begin()
                    body = self._inside(step.body)
                    self.block += loop_statements(step, body, self.reads)
                    self.reads += loop_reads(step)
                case _:
                    pass

    def _begin(self) -> None:
        if not self.is_begun:
            self.block.append(Line("layers = ", Items("[", ())))
            self.is_begun = True

    def _append(self, applied: Sequence[Apply]) -> None:
        made = [m.made for s in applied for m in s.modules]
        self.reads += made
        if len(made) == 1 and self.is_begun:
            self.block.append(Line("", call("layers.append", made[0])))
            return
        head = "layers += " if self.is_begun else "layers = "
        self.is_begun = True
        self.block.append(Line(head, Items("[", tuple(compressed(made)))))

    def _inside(self, steps: Sequence[Step]) -> Block:
        inner = ListWriter(is_begun=True)
        inner.run(steps)
        self.reads += inner.reads
        return inner.block

    def _branch(self, step: Branch) -> None:
        self.reads.append(step.test)
        then, otherwise = (self._inside(side) for side in step.sides)
        if then:
            self.block.append(If(step.test, then, otherwise))
        elif otherwise:
            self.block.append(If(unary("not", step.test), otherwise, []))


def _needed_defines(steps: Sequence[Step], loops: Sequence[Code] | None = None) -> set[str]:
    """Names of the constructor that something in a body reads; of its loops, what is given or all of them."""
    found = _used_by(loops or ())
    for step in every(steps):
        match step:
            case Apply(modules=modules):
                found |= {n for m in modules for n in names(m.made)}
            case Branch(test=test):
                found |= names(test)
            case Loop() if loops is None:
                found |= _used_by(loop_reads(step))
            case _:
                pass
    for step in reversed(list(every(steps))):
        if isinstance(step, Define) and step.name in found:
            found |= names(step.value)
    return found


def loop_reads(step: Loop) -> list[Code]:
    return [step.iterable, *(step.carry[1:] if step.carry else ())]


def loop_statements(step: Loop, body: Block, reads: Sequence[Code]) -> Block:
    """A `for` of the constructor around its body, with the channels carried from turn to turn."""
    if not body:
        return []
    before: Block = []
    after: Block = []
    used = _used_by(reads)
    if step.carry is not None and step.carries:
        name, start, then = step.carry
        used |= names(then)
        before.append(Line(f"{name} = ", start))
        growth = total([then, unary("-", Var(name))])
        is_growth = name in names(then) and name not in names(growth)
        after.append(Line(f"{name} += ", growth) if is_growth else Line(f"{name} = ", then))
    target, iterable = step.target, step.iterable
    is_idle = not set(step.targets) & used and _is_range(iterable)
    if step.own_index and step.index in used:
        if is_idle:
            target = step.index
        else:
            target, iterable = f"{step.index}, {grouped(target)}", call("enumerate", iterable)
    elif is_idle:
        target = "_"
    return [*before, For(target, iterable, [*body, *after])]


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
    forward_parameters, forward_block = forward.write()
    init = InitWriter(attributes, None, with_identity=True)
    init.run(lowered.steps)
    kept: Block = [Line(f"self.{own} = ", Local(n)) for n, own in attributes.needed.items() if n not in defined]
    made = ClassSource(name, "nn.Module", "", [Line("", Call(SUPER, ())), *kept, *init.block], [], [], set())
    made.used = _used_by(init.reads) | set(attributes.needed)
    made.forward_parameters = forward_parameters
    made.forward = forward_block
    return made


class InitWriter:
    """The statements of a constructor."""

    def __init__(
        self, attributes: Attributes, describe: Callable[[Val], str] | None, *, with_identity: bool
    ) -> None:
        self.attributes = attributes
        self.describe = describe
        self.with_identity = with_identity  # an optional module that is left out is nn.Identity
        self.block: Block = []
        self.reads: list[Code] = []
        self.opened: set[Path] = set()
        self.shape = ""

    def run(self, steps: Sequence[Step], *, is_top: bool = True, skip: frozenset[Path] = frozenset()) -> None:
        needed = _needed_defines(steps) | set(self.attributes.needed)
        for step in steps:
            if is_top:
                self._open(step)
            match step:
                case Define(name=name, value=value) if name in needed:
                    self.reads.append(value)
                    self.block.append(Line(f"{name} = ", value))
                    if name in self.attributes.needed:
                        self.block.append(Line(f"self.{self.attributes.needed[name]} = ", Local(name)))
                case Apply():
                    self._module(step, skip)
                case Branch():
                    self._branch(step)
                case Loop():
                    body = self._inside(step.body, frozenset())
                    self.block += loop_statements(step, body, self.reads)
                    self.reads += loop_reads(step) if body else []
                case _:
                    for inner in child_steps(step):
                        self.run(inner, is_top=False, skip=skip)

    def _inside(self, steps: Sequence[Step], skip: frozenset[Path]) -> Block:
        around, self.block = self.block, []
        self.run(steps, is_top=False, skip=skip)
        inner, self.block = self.block, around
        return inner

    def _open(self, step: Step) -> None:
        """Make the containers that a statement's modules stand in."""
        for module in modules_in([step]):
            path = static_path(module)
            if path is None:
                continue
            for depth in range(1, len(path)):
                if path[:depth] not in self.opened:
                    self.opened.add(path[:depth])
                    self._assign(path[:depth], call(self.attributes.kind(path[:depth])), "")

    def _module(self, step: Apply, skip: frozenset[Path]) -> None:
        if step.again or (step.paths is None and not step.attribute):
            return
        made = step.modules[0].made
        comment = self.describe(step.output) if self.describe else ""
        comment, self.shape = (comment if comment != self.shape else ""), comment or self.shape
        if step in self.attributes.loops:
            name = name_in_loop(step, self.attributes.loops[step])
            self.reads += [name, made]
            self.block.append(Line("", call("self.add_module", name, made), "", comment))
            return
        path = static_path(step)
        assert path is not None
        if path in skip:
            return
        self.reads.append(made)
        self._assign(path, made, comment)

    def _assign(self, path: Path, made: Code, comment: str) -> None:
        holder: Code = Local("self")
        for depth, part in enumerate(path[:-1]):
            holder = self.attributes.child(holder, path[:depth], part)
        last = path[-1]
        match self.attributes.kind(path[:-1]):
            case "nn.ModuleList":
                line = Line("", call(f"{holder}.append", made))
            case "nn.ModuleDict":
                line = Line(f"{holder}[{Lit(last)}] = ", made)
            case _ if last.isdigit():
                line = Line("", call(f"{holder}.add_module", Lit(last), made))
            case _:
                line = Line(f"{holder}.{last} = ", made)
        line.comment = comment
        self.block.append(line)

    def _branch(self, step: Branch) -> None:
        optional = only_optional(step) if self.with_identity else None
        common = self._common(*([*modules_in(side)] for side in step.sides))
        test = step.test
        if step.flag:
            self.reads.append(test)
            self.block.append(Line(f"self.{step.flag} = ", test))
            test = Local(f"self.{step.flag}")
        then, otherwise = (self._inside(side, common) for side in step.sides)
        if not then and not otherwise:
            return
        self.reads.append(test)
        if not then:
            test, then, otherwise = unary("not", test), otherwise, []
        if optional is not None:
            path = static_path(optional)
            assert path is not None
            around, self.block = self.block, []
            self._assign(path, call("nn.Identity"), "")
            otherwise, self.block = self.block, around
        self.block.append(If(test, then, otherwise))

    def _common(self, then: Sequence[Apply], otherwise: Sequence[Apply]) -> frozenset[Path]:
        """Modules that both sides make alike stand before the `if`."""
        others = {static_path(m): str(m.modules[0].made) for m in otherwise}
        found: set[Path] = set()
        for module in then:
            path = static_path(module)
            if path is not None and others.get(path) == str(module.modules[0].made):
                self._module(module, frozenset())
                found.add(path)
        return frozenset(found)


# --- shapes as comments ---------------------------------------------------------------------------------------------------


class Shapes:
    """Says the shapes of a class's values: numbers where all instances agree, else in terms of what enters."""

    def __init__(self, lowered: Lowered, *, is_root: bool) -> None:
        self.entry = lowered.entries[0] if lowered.entries else None
        self.rows = lowered.rows
        self.is_root = is_root
        self.parameters = [p.name for p in lowered.parameters if p.source == "parameter"]
        self.known = {p.name for p in lowered.parameters}
        self.defined = {s.name for s in every(lowered.steps) if isinstance(s, Define)}

    def __call__(self, val: Val, *, outside: bool = False) -> str:
        """A shape as a comment; `outside` the class only its parameters have a meaning."""
        rows = list(val.nodes.own)
        if rows and not all(self.entry is not None and self.entry.nodes.has(r) for r in rows):
            rows = self.rows if all(val.nodes.has(r) for r in self.rows) else []
        if not rows:
            return ""
        types = [val.type(row) for row in rows]
        if all(t == types[0] for t in types) and {origin(r) for r in rows} == set(self.rows):
            return str(types[0])
        if val.channels is None or self.entry is None or " if " in str(val.channels):
            return ""
        if not names(val.channels) <= (self.known if outside else self.known | self.defined):
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
        if self.is_root:
            return str(actual[0]) if all(a == actual[0] for a in actual) else None
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


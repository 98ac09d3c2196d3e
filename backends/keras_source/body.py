"""The body of a function: one statement for each layer, under the file's own conditions and loops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnnlang.backends.keras_source.names import MODULE_NAMES
from cnnlang.backends.python_source.build import call, opposite, total, unary
from cnnlang.backends.python_source.code import Argument, Call, Code, Items, Local, Var
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.layout import Block, For, If, Line
from cnnlang.backends.python_source.looping import grouped, is_range
from cnnlang.backends.python_source.names import free
from cnnlang.backends.python_source.places import FLOWING, Places, all_values
from cnnlang.backends.python_source.steps import (
    Apply,
    Branch,
    Define,
    Head,
    Loop,
    Lowered,
    Merge,
    Share,
    Step,
    Val,
    count_uses,
    every,
)


@dataclass(eq=False)
class Assigned(Line):
    """A statement that gives a name of the constructor a value, for those who read it."""

    name: str = ""


class BodyWriter(Places):
    """Writes the statements that make and apply a body's layers; with `defers`, those of its heads at the end."""

    reserved = MODULE_NAMES

    def __init__(
        self, lowered: Lowered, describe: Callable[[Val], str], fixed: frozenset[str], *, defers: bool
    ) -> None:
        super().__init__(lowered, describe, fixed)
        self.defers = defers
        self.wanted: dict[Val, str] = {}  # variables that are taken over
        self.heads: list[Head] = []
        self.live = {s.share for s in every(lowered.steps) if isinstance(s, Apply) and s.share is not None}
        for entry in lowered.entries:
            self.place[entry] = Local(self.own_names[entry])
            self.left[entry] += defers  # a net's inputs are named once more, at the end

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Define(name=name, value=value):
                    self.lines.append(Assigned(f"{name} = ", value, name=name))
                case Share():
                    self._share(step)
                case Apply():
                    self._apply(step)
                case Merge():
                    self._merge(step)
                case Branch():
                    self._branch(step)
                case Loop():
                    self._loop(step)
                case Head():
                    self._head(step)

    def _head(self, step: Head) -> None:
        """A head that nothing else reads is written where it is returned."""
        inside = set(all_values(step.body))
        outside = Counter(self.uses)
        outside.subtract(count_uses(step.body, [step.output]))
        if not self.defers or any(outside[v] > 0 for v in inside):
            self.run(step.body)
        else:
            self.own_names.setdefault(step.output, self._variable(step.name))
            self.heads.append(step)

    def deferred(self) -> Block:
        """The statements of the heads that are still to be written."""
        around, self.lines = self.lines, []
        for head in self.heads:
            self.run(head.body)
        made, self.lines = self.lines, around
        return made

    # --- layers -------------------------------------------------------------------------------------------------------

    def _share(self, step: Share) -> None:
        """Make a layer, or a model of a block, that is applied several times."""
        if step not in self.live:
            return
        step.variable = self._variable(step.name)
        if step.made is not None:
            self.lines.append(Line(f"{step.variable} = ", step.made))
            return
        assert step.function is not None
        assert step.title is not None
        inputs: list[Code] = []
        for i, shape in enumerate(step.shapes):
            name = self._variable(f"{step.name}_input{i + 1 if len(step.shapes) > 1 else ''}")
            self.lines.append(Line(f"{name} = ", call("keras.Input", shape)))
            inputs.append(Local(name))
        entering = [x for x, is_computed in zip(inputs, step.computed, strict=True) if is_computed]
        made = call("keras.Model", one_or_list(entering), step.function(inputs), name=step.title)
        self.lines.append(Line(f"{step.variable} = ", made))

    def _variable(self, wanted: str) -> str:
        """A name that stays what it is."""
        name = free(wanted, {*self.busy(), *self.own_names.values(), *FLOWING, *self.reserved})
        self.fixed |= {name}
        return name

    def _apply(self, step: Apply) -> None:
        made = self._expression(step)
        for val in step.inputs:
            self.take(val)
        if step.extra:
            self.unpack(step, made)
        else:
            self.give(step.output, made)

    def _expression(self, step: Apply) -> Code:
        inputs = [self.place[v] for v in step.inputs]
        if step.share is not None:
            return call(step.share.variable, one_or_list(inputs))
        if step.function is not None:
            return step.function(inputs)
        (module,) = step.modules
        return Call(module.made, tuple(map(Argument, inputs)))

    def give(self, val: Val, made: Code) -> None:
        """Give a value a variable."""
        self.place[val] = made
        self.assign(self.own_names.get(val) or self.wanted.get(val) or self.free_name(val), val)

    def _merge(self, step: Merge) -> None:
        count = len(step.branches)
        for i, (inner, _) in enumerate(step.branches):
            with self.preferring((f"branch{i + 1}",) if count > 2 else FLOWING[1:]):
                self.run(inner)
        ends = [end for _, end in step.branches]
        made = step.function([self.place[e] for e in ends])
        for end in ends:
            self.take(end)
        self.give(step.output, made)

    # --- conditions and loops -----------------------------------------------------------------------------------------

    def _branch(self, step: Branch) -> None:
        if len(step.outputs) == 1:
            self._keep_name(step)
        reads = [count_uses(inner, _ends(step, i)) for i, inner in enumerate(step.sides)]
        before = Counter(self.left)
        shape = self.last_shape
        bodies: list[Block] = []
        made: list[dict[Val, Code]] = []
        for i in (0, 1):
            self.left = Counter(before)
            self.left.subtract(reads[1 - i])  # only one side runs
            self.last_shape = shape
            around, self.lines = self.lines, []
            place = dict(self.place)
            with self.preferring(FLOWING):
                self.run(step.sides[i])
            made.append({v: self.place[v] for v in _ends(step, i)})
            lines, self.lines = self.lines, around
            bodies.append(lines)
            self.place = {**{v: p for v, p in self.place.items() if v in self.own_names}, **place}
        self.left = before
        self.left.subtract(reads[0] + reads[1])
        for out, then, otherwise in step.outputs:
            assert then is not None
            assert otherwise is not None
            self._join(out, (made[0][then], made[1][otherwise]), bodies)
        if bodies[0]:
            self.lines.append(If(step.test, bodies[0], bodies[1]))
        elif bodies[1]:
            self.lines.append(If(opposite(step.test), bodies[1], []))

    def _keep_name(self, step: Branch) -> None:
        """Where nothing else reads what enters, what leaves takes over its variable."""
        ((out, *ends),) = step.outputs
        entry = step.entry
        if out in self.own_names:
            return
        for end in ends:  # one side passes a value, or changes what enters
            passed, place = end, self.place.get(end) if end is not None else None
            if place is None and entry is not None:
                passed, place = entry, self.place.get(entry)
            if passed is None or not isinstance(place, Local):
                continue
            inside = sum((count_uses(inner, _ends(step, i))[passed] for i, inner in enumerate(step.sides)), 0)
            if self.left[passed] > inside or str(place) not in FLOWING:
                continue
            for each, inner in zip(ends, step.sides, strict=True):
                last = inner[-1] if inner else None
                if each is not None and isinstance(last, Apply | Merge) and each is last.output:
                    self.wanted.setdefault(each, place.name)
            return

    def _join(self, out: Val, sides: tuple[Code, Code], bodies: list[Block]) -> None:
        """Both sides' results in one variable."""
        busy = self.busy()
        named = [str(made) for made in sides]
        own = self.own_names.get(out)
        name = own or next((n for n in named if named[0] == named[1] or n not in busy), None) or self.free_name()
        for body, made in zip(bodies, sides, strict=True):
            if str(made) != name:
                body.append(Line(f"{name} = ", made, "", self.describe(out)))
        self.place[out] = Local(name)

    def _loop(self, step: Loop) -> None:
        entry = step.entry
        place = self.take(entry)
        name = self.free_name()
        if str(place) != name:
            self.emit(f"{name} = ", place)
        outer = count_uses(step.body, [step.exit])
        for val in (step.inner, *all_values(step.body)):
            del outer[val]
        self.left.update(outer)  # what the body reads is read again in the next turn
        self.place[step.inner] = Local(name)
        last = step.body[-1] if step.body else None
        if step.exit is getattr(last, "output", None) and not self._is_read_inside(step.inner, last):
            self.wanted.setdefault(step.exit, name)
        around, self.lines = self.lines, []
        with self.preferring(FLOWING):
            self.run(step.body)
        self.assign(name, step.exit)
        self.left[step.exit] -= 1
        body, self.lines = self.lines, around
        self.left.subtract(outer)
        if step.carry is not None:
            carried, start, then = step.carry
            growth = total([then, unary("-", Var(carried))])
            is_growth = carried in names(then) and carried not in names(growth)
            self.lines.append(Assigned(f"{carried} = ", start, name=carried))
            head, made = (f"{carried} += ", growth) if is_growth else (f"{carried} = ", then)
            body.append(Assigned(head, made, name=carried))
        self.lines.append(Turning(step.target, step.iterable, body, step))
        self.place[step.output] = Local(name)
        if step.output not in self.own_names:
            return
        self.give(step.output, Local(name))

    def _is_read_inside(self, val: Val, step: Step | None) -> bool:
        """Whether a step of several statements reads a value after it has begun to make its own."""
        return not isinstance(step, Apply | Merge) and step is not None and val in count_uses([step], [])


@dataclass(eq=False)
class Turning(For):
    """A `for` whose counter is still to be said, once it is known whether it is read."""

    step: Loop | None = None

    def settle(self, used: set[str]) -> None:
        assert self.step is not None
        step = self.step
        is_idle = not set(step.targets) & used and is_range(step.iterable)
        if step.own_index and step.index in used:
            if is_idle:
                self.target = step.index
            else:
                self.target, self.iterable = f"{step.index}, {grouped(step.target)}", call("enumerate", step.iterable)
        elif is_idle:
            self.target = "_"


def _ends(step: Branch, side: int) -> list[Val]:
    return [v for _, *ends in step.outputs if (v := ends[side]) is not None]


def one_or_list(parts: Sequence[Code]) -> Code:
    """`x`, or `[x, y]`."""
    return parts[0] if len(parts) == 1 else Items("[", tuple(parts))


def settled(block: Block) -> tuple[Block, set[str]]:
    """A body without the names that nothing reads, its loops' counters said; and the names that it reads."""
    used: set[str] = set()
    while True:
        found = _read(block, used)
        if found == used:
            break
        used = found
    return _kept(block, used), used


def _read(block: Block, used: set[str]) -> set[str]:
    found: set[str] = set()
    for each in block:
        match each:
            case Assigned(name=name, made=made):
                found |= names(made) - {name} if name in used else set()
            case Line(made=made):
                found |= names(made)
            case If(test=test, then=then, otherwise=otherwise):
                found |= names(test) | _read(then, used) | _read(otherwise, used)
            case For(iterable=iterable, body=body):
                found |= names(iterable) | _read(body, used)
    return found


def _kept(block: Block, used: set[str]) -> Block:
    kept: Block = []
    for each in block:
        match each:
            case Assigned(name=name) if name not in used:
                continue
            case If(test=test, then=then, otherwise=otherwise):
                then, otherwise = _kept(then, used), _kept(otherwise, used)
                if not then and not otherwise:
                    continue
                each.test, each.then, each.otherwise = (
                    (test, then, otherwise) if then else (opposite(test), otherwise, [])
                )
            case Turning(body=body):
                each.body = _kept(body, used)
                if not each.body:
                    continue
                each.settle(_read(each.body, used))
            case _:
                pass
        kept.append(each)
    return kept

"""Where each value of a `forward` is: in a variable, or an expression still to be put somewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from cnnlang.backends.python_source.code import Code, Local
from cnnlang.backends.python_source.layout import Block, Line
from cnnlang.backends.python_source.names import free, variable
from cnnlang.backends.python_source.steps import Apply, Branch, Loop, Lowered, Merge, Step, Val, count_uses, every

FLOWING = ("x", "y", "z", "u", "v", "w")


class Places:
    """The variables of one `forward`, and the statements that fill them.

    Parameters
    ----------
    lowered
        The steps.
    describe
        A value's shape, as a comment.
    fixed
        Other names in sight, which no variable takes.
    """

    reserved: ClassVar[frozenset[str]] = frozenset()  # names that the emitted file uses for itself

    def __init__(self, lowered: Lowered, describe: Callable[[Val], str], fixed: frozenset[str] = frozenset()) -> None:
        self.lowered = lowered
        self.describe = describe
        self.fixed = fixed
        self.lines: Block = []
        self.depth = 2
        self.place: dict[Val, Code] = {}
        self.left = count_uses(lowered.steps, [*lowered.outputs, *lowered.heads])
        self.uses = Counter(self.left)
        self.pending: set[Val] = set()
        self.preferred: list[tuple[str, ...]] = [FLOWING]
        self.own_names: dict[Val, str] = {}
        self.last_shape = ""
        self.indices: dict[str, str] = {}  # a loop's index in the constructor, and in forward
        self._name_values()

    def _name_values(self) -> None:
        """Names that the file gives, each for one variable (two sides of an `if` share one)."""
        by_name: dict[str, str] = {}
        taken: set[str] = set(self.fixed)
        for entry in self.lowered.entries:
            name = variable(entry.name or "x", taken, self.reserved)
            by_name[entry.name or "x"] = name
            taken.add(name)
            self.own_names[entry] = name
        for val in all_values(self.lowered.steps):
            if val in self.own_names or not (val.name and val.recalled):
                continue
            if val.name not in by_name:
                by_name[val.name] = variable(val.name, taken, self.reserved)
                taken.add(by_name[val.name])
            self.own_names[val] = by_name[val.name]
        for step in every(self.lowered.steps):
            if isinstance(step, Branch):
                inside = [set(all_values(side)) for side in step.sides]
                for out, *ends in step.outputs:
                    for end, own in zip(ends, inside, strict=True):
                        if out in self.own_names and end in own and end is not None:
                            self.own_names.setdefault(end, self.own_names[out])

    def take(self, val: Val) -> Code:
        """A value's expression, read once more."""
        self.left[val] -= 1
        if val in self.pending:
            self.pending.discard(val)
        return self.place[val]

    def put(self, val: Val, made: Code) -> None:
        self.place[val] = made
        self.pending.add(val)
        if self.uses[val] != 1 or val in self.own_names:
            self.settle(val)

    def settle(self, val: Val) -> None:
        """Give a value a variable."""
        if val not in self.pending:
            return
        self.pending.discard(val)
        self.assign(self.own_names.get(val) or self.free_name(val), val)

    def assign(self, name: str, val: Val) -> None:
        made = self.place[val]
        if not (isinstance(made, Local) and made.name == name):
            self.emit(f"{name} = ", made, val)
        self.place[val] = Local(name)

    def unpack(self, step: Apply, made: Code) -> None:
        """`x, aux = block(x)`."""
        listed: list[str] = []
        for val in (step.output, *step.extra):
            if self.uses[val] == 0:
                listed.append("_")
                continue
            busy = self.busy() | set(self.own_names.values()) | set(listed)
            name = self.own_names.get(val) or (self.free_name() if val is step.output else free(val.name, busy))
            self.place[val] = Local(name)
            listed.append(name)
        self.emit(f"{', '.join(listed)} = ", made, step.output)

    def emit(self, head: str, made: Code, val: Val | None = None) -> None:
        shape = self.describe(val) if val is not None else ""
        comment = shape if shape != self.last_shape else ""
        self.last_shape = shape or self.last_shape
        self.lines.append(Line(head, made, "", comment))

    def busy(self, but: Val | None = None) -> set[str]:
        """The variables that something still reads (other than a value that is about to get one)."""
        found: set[str] = {*self.fixed, *self.indices.values()}
        for val, made in self.place.items():
            if val is not but and (val in self.pending or self.left[val] > 0):
                found |= locals_of(made)
        return found

    def free_name(self, val: Val | None = None) -> str:
        busy = self.busy(val)
        taken = busy | set(self.own_names.values())
        own_entries = {self.own_names[e] for e in self.lowered.entries} - busy
        flowing = own_entries & set(FLOWING)  # the entry's own variable may be used again
        for name in self.preferred[-1]:
            if name not in taken or name in flowing:
                return name
        for name in FLOWING:
            if name not in taken or name in flowing:
                return name
        return free("x", taken)

    @contextmanager
    def preferring(self, wanted: tuple[str, ...]) -> Iterator[None]:
        self.preferred.append(wanted)
        yield
        self.preferred.pop()


def locals_of(made: Code) -> set[str]:
    """The variables in an expression of `forward`."""
    found: set[str] = set()
    stack = [made]
    while stack:
        part = stack.pop()
        if isinstance(part, Local) and "." not in part.name:
            found.add(part.name)
        stack.extend(part.parts)
    return found


def all_values(steps: Sequence[Step]) -> Iterator[Val]:
    """The values that steps make."""
    for step in every(steps):
        match step:
            case Apply(output=output, extra=extra):
                yield from (output, *extra)
            case Merge(output=output) | Loop(output=output):
                yield output
            case Branch(outputs=outputs):
                yield from (out for out, _, _ in outputs)
            case _:
                pass

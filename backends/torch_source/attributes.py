"""What stands on `self`: modules by their paths, flags, and the parameters that `forward` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeGuard

from cnnlang.backends.python_source.build import binary, substituted, text
from cnnlang.backends.python_source.code import Argument, Call, Code, Lit, Local, Subscript, Var
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.names import free, variable
from cnnlang.backends.python_source.steps import Apply, Branch, Differs, Loop, Path, Step, child_steps, every
from cnnlang.backends.torch_source.names import CONTAINER_ATTRIBUTES, MODULE_ATTRIBUTES, MODULE_NAMES

SELF = Local("self")


def static_path(step: Apply) -> Path | None:
    """Where a step's module stands, if that is the same in every instance and turn."""
    if step.paths is None:
        return (step.attribute,) if step.attribute else None
    found = {step.paths[row] for row in step.rows}
    return found.pop() if len(found) == 1 else None


def name_in_loop(step: Apply, loop: Loop) -> Code:
    """The name of a module in a loop, counted by the loop's index: `f"conv{i + 1}"`.

    Raises
    ------
    Differs
        It does not grow evenly with the turns.
    """
    if step.naming is not None:
        return step.naming
    if step.paths is None:
        stem = step.attribute or step.modules[0].kind
        return text((Lit(stem), binary("+", Var(loop.index), Lit(1))))
    found = [(row[loop.index], step.paths[row]) for row in step.rows]
    if any(len(path) != 1 for _, path in found):
        raise Differs
    stem = found[0][1][0].rstrip("0123456789")
    numbers: list[tuple[int, int]] = []
    for turn, (name,) in found:
        digits = name[len(stem) :]
        if not name.startswith(stem) or not digits.isdigit() or str(int(digits)) != digits:
            raise Differs
        numbers.append((turn, int(digits)))
    first = next((n for t, n in numbers if t == 0), None)
    if first is None:
        raise Differs
    slope = next((n - first for t, n in numbers if t == 1), 1)
    if any(n != slope * t + first for t, n in numbers):
        raise Differs
    counted = binary("+", binary("*", Lit(slope), Var(loop.index)), Lit(first))
    return text((Lit(stem), counted))


class Attributes:
    """The names on `self` of one class."""

    def __init__(self, steps: Sequence[Step], parameters: Iterable[str]) -> None:
        self.parameters = set(parameters)
        self.taken: set[str] = set(MODULE_ATTRIBUTES) | CONTAINER_ATTRIBUTES
        self.children: dict[Path, list[str]] = {}
        self.needed: dict[str, str] = {}  # names of the constructor that forward reads, and what they are on self
        self.stems: set[str] = set()  # names that a loop numbers
        self.loops: dict[Apply, Loop] = {}
        self._enter(steps, None)
        self._call_the_nameless(steps)

    def _enter(self, steps: Sequence[Step], loop: Loop | None) -> None:
        for step in steps:
            if isinstance(step, Apply) and step.paths is None and loop is not None:
                self.loops[step] = loop
            if isinstance(step, Apply) and step.paths is not None:
                path = static_path(step)
                if path is None:
                    if loop is not None:
                        self.loops[step] = loop
                    if self.name_of(step) is None:
                        raise Differs
                    self.taken |= {step.paths[row][0] for row in step.rows}
                    continue
                if loop is not None and not step.again:
                    raise Differs  # only one of the turns has it
                self.taken.add(path[0])
                for depth in range(1, len(path)):
                    listed = self.children.setdefault(path[:depth], [])
                    if path[depth] not in listed:
                        listed.append(path[depth])
            for inner in child_steps(step):
                self._enter(inner, step if isinstance(step, Loop) else loop)

    def _call_the_nameless(self, steps: Sequence[Step]) -> None:
        """Modules without weights need an attribute too: the file's name for them, or what they are."""
        nameless = [
            s
            for s in every(steps)
            if isinstance(s, Apply) and s.paths is None and s.function is None and not s.attribute
        ]
        self.call(nameless)

    def call(self, nameless: Sequence[Apply]) -> None:
        """Give steps without weights names: the file's own, else what they are, numbered where there are several."""
        kinds = Counter(s.modules[0].kind for s in nameless if not s.label and s not in self.loops)
        numbers: Counter[str] = Counter()
        for step in sorted(nameless, key=lambda s: s not in self.loops):
            kind = step.modules[0].kind
            if step in self.loops:
                step.attribute = self._stem(kind)
            elif step.label:
                step.attribute = self.claim(variable(step.label, reserved=MODULE_NAMES))
            else:
                numbers[kind] += 1
                step.attribute = self.claim(f"{kind}{numbers[kind]}" if kinds[kind] > 1 else kind)

    def _stem(self, kind: str) -> str:
        """A name that a loop may number: nothing else is called that with a number."""
        stem = kind
        while stem in self.stems or any(t.startswith(stem) and t[len(stem) :].isdigit() for t in self.taken):
            stem += "_"
        self.stems.add(stem)
        return stem

    def claim(self, wanted: str) -> str:
        numbered = wanted.rstrip("0123456789")
        name = free(f"{wanted}_" if numbered in self.stems and numbered != wanted else wanted, self.taken)
        self.taken.add(name)
        return name

    def name_of(self, step: Apply) -> Code | None:
        """The name of a module that is not the same in every instance and turn; None for one that is."""
        if step in self.loops:
            return name_in_loop(step, self.loops[step])
        return step.naming if static_path(step) is None else None

    # --- references ---------------------------------------------------------------------------------------------------

    def reference(self, step: Apply, indices: Mapping[str, str]) -> Code:
        """The module of a step, in `forward`, where loops have these indices."""
        computed = self.name_of(step)
        if computed is not None:
            name = in_forward(computed, self, indices)
            return Call(Local("getattr"), (Argument(SELF), Argument(name)))
        path = static_path(step)
        assert path is not None
        made: Code = SELF
        for depth, part in enumerate(path):
            made = self.child(made, path[:depth], part)
        return made

    def child(self, made: Code, parent: Path, part: str) -> Code:
        match self.kind(parent):
            case "nn.ModuleList":
                return Subscript(made, (Lit(int(part)),))
            case "nn.ModuleDict":
                return Subscript(made, (Lit(part),))
        if part.isdigit():
            return Call(Local("getattr"), (Argument(made), Argument(Lit(part))))
        return Local(f"{made}.{part}")

    def kind(self, path: Path) -> str:
        """What holds the children of a path that no sequence holds."""
        parts = self.children.get(path, [])
        if not path or not any(p.isdigit() for p in parts):
            return "nn.Module"
        if parts == [str(i) for i in range(len(parts))]:
            return "nn.ModuleList"
        return "nn.Module" if any(p in CONTAINER_ATTRIBUTES for p in parts) else "nn.ModuleDict"

    def stored(self, name: str) -> Code:
        """A name of the constructor, read in `forward`.

        Raises
        ------
        Differs
            It is one that a loop or condition of the constructor binds.
        """
        if name not in self.needed:
            if name not in self.parameters:
                raise Differs
            self.needed[name] = self.claim(name)
        return Local(f"self.{self.needed[name]}")


def in_forward(made: Code, attributes: Attributes, indices: Mapping[str, str]) -> Code:
    """An expression of the constructor as `forward` says it, where loops have these indices."""
    changed = {n: Local(indices[n]) if n in indices else attributes.stored(n) for n in sorted(names(made))}
    return substituted(made, changed) if changed else made


def only_optional(branch: Branch) -> Apply | None:
    """The one module that an `if` applies or leaves out, if that is all it does."""
    match branch:
        case (
            Branch(sides=([Apply() as step], []), outputs=[(_, then, otherwise)])
            | Branch(sides=([], [Apply() as step]), outputs=[(_, otherwise, then)])
        ):
            is_plain = step.function is None and not step.again and not step.extra and len(step.inputs) == 1
            if is_plain and then is step.output and otherwise is step.inputs[0] and static_path(step) is not None:
                return step
    return None


def modules_in(steps: Sequence[Step]) -> Iterator[Apply]:
    """The steps whose modules a constructor makes, in order."""
    return filter(_makes_a_module, every(steps))


def modules_always_in(steps: Sequence[Step]) -> Iterator[Apply]:
    """Those of them that depend on no further condition, and that no loop makes."""
    for step in steps:
        if _makes_a_module(step):
            yield step
        elif not isinstance(step, Branch | Loop):
            for inner in child_steps(step):
                yield from modules_always_in(inner)


def _makes_a_module(step: Step) -> TypeGuard[Apply]:
    return isinstance(step, Apply) and not step.again and (step.paths is not None or bool(step.attribute))

"""A constructor that sets attributes, each module at its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnnlang.backends.python_source.build import call, opposite
from cnnlang.backends.python_source.code import Code, Lit, Local
from cnnlang.backends.python_source.layout import Block, If, Line
from cnnlang.backends.python_source.looping import loop_reads, loop_statements, needed_names
from cnnlang.backends.python_source.steps import Apply, Branch, Define, Loop, Path, Step, Val, child_steps, every
from cnnlang.backends.torch_source.attributes import (
    Attributes,
    modules_always_in,
    modules_in,
    only_optional,
    static_path,
)


class InitWriter:
    """The statements of a constructor."""

    def __init__(self, attributes: Attributes, describe: Callable[[Val], str] | None, *, with_identity: bool) -> None:
        self.attributes = attributes
        self.describe = describe
        self.with_identity = with_identity  # an optional module that is left out is nn.Identity
        self.block: Block = []
        self.reads: list[Code] = []
        self.opened: set[Path] = set()
        self.shape = ""

    def run(self, steps: Sequence[Step], *, is_top: bool = True, skip: frozenset[Path] = frozenset()) -> None:
        computed = [self.attributes.name_of(s) for s in every(steps) if isinstance(s, Apply)]
        needed = needed_names(steps, more=[n for n in computed if n is not None]) | set(self.attributes.needed)
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
        name = self.attributes.name_of(step)
        if name is not None:
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
        common = self._common(*([*modules_always_in(side)] for side in step.sides))
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
            test, then, otherwise = opposite(test), otherwise, []
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

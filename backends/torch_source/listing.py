"""A constructor that fills a list of layers, under the conditions and loops of the file."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlang.backends.python_source.build import call, opposite
from cnnlang.backends.python_source.code import Code, Items
from cnnlang.backends.python_source.layout import Block, If, Line
from cnnlang.backends.python_source.looping import loop_reads, loop_statements, needed_names
from cnnlang.backends.python_source.steps import Apply, Branch, Define, Loop, Step
from cnnlang.backends.torch_source.runs import compressed


class ListWriter:
    """`layers.append(...)` under the file's own conditions and loops, where positions are the names."""

    def __init__(self, *, is_begun: bool) -> None:
        self.is_begun = is_begun  # the list is there
        self.block: Block = []
        self.reads: list[Code] = []

    def run(self, steps: Sequence[Step]) -> None:
        rest = list(steps)
        needed = needed_names(steps)
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
            self.block.append(If(opposite(step.test), otherwise, []))

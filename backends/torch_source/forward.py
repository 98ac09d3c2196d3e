"""`forward`: the steps as statements, one for each layer with what is wrapped around it, and each value named once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from cnnlang.backends.python_source.build import call, opposite, ternary
from cnnlang.backends.python_source.code import Argument, Bare, Call, Code, Lit, Local, Ternary
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.layout import STEP, WIDTH, Block, For, If, Line, columns
from cnnlang.backends.python_source.looping import grouped
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
    Step,
    Val,
    count_uses,
    every,
)
from cnnlang.backends.torch_source.attributes import Attributes, in_forward, only_optional
from cnnlang.backends.torch_source.names import MODULE_NAMES

LIGHT = 45  # a branch of at most so many columns may stand inside its merge
TRAINING = Local("self.training")


class ForwardWriter(Places):
    """Writes the body of one `forward`.

    Parameters
    ----------
    lowered, describe
        As for `Places`.
    attributes
        What stands on `self`.
    is_root
        Whether it is the net's: then auxiliary heads are returned in training only; a block returns them always (None
        where they are not computed), for the net to pass on.
    """

    reserved = MODULE_NAMES

    def __init__(
        self, lowered: Lowered, attributes: Attributes, describe: Callable[[Val], str], *, is_root: bool
    ) -> None:
        super().__init__(lowered, describe)
        self.attributes = attributes
        self.is_root = is_root
        self.heads: list[Head] = []

    def write(self) -> tuple[list[str], Block]:
        """The parameters of `forward` and the statements of its body."""
        read = zip(self.lowered.entries, self.lowered.reads, strict=True)
        parameters = [self.own_names[e] for e, is_read in read if is_read]
        for entry in self.lowered.entries:
            self.place[entry] = Local(self.own_names[entry])
        self.run(self.lowered.steps)
        self._return()
        return parameters, self.lines

    # --- steps --------------------------------------------------------------------------------------------------------

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
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
                case Define():
                    pass

    def _apply(self, step: Apply) -> None:
        for i, val in enumerate(step.inputs):
            if val in self.pending and not (i == 0 and (step.wraps or self._is_light_padding(val))):
                self.settle(val)
        made = self._expression(step)
        if step.inputs[0] in self.pending and self._is_long(made):
            self.settle(step.inputs[0])
            made = self._expression(step)
        for val in step.inputs:
            self.take(val)
        if step.extra:
            self.unpack(step, made)
        else:
            self.put(step.output, made)

    def _is_light_padding(self, val: Val) -> bool:
        made = self.place[val]
        return isinstance(made, Call) and str(made.function) == "F.pad" and len(str(made)) <= LIGHT

    def _expression(self, step: Apply) -> Code:
        inputs = [self.place[v] for v in step.inputs]
        if step.function is not None:
            return self._said(step.function(inputs))
        return Call(self.attributes.reference(step, self.indices), tuple(Argument(i) for i in inputs))

    def _said(self, made: Code) -> Code:
        return in_forward(made, self.attributes, self.indices)

    def _is_long(self, made: Code) -> bool:
        return columns(f"{STEP * self.depth}branch1 = {made}") > WIDTH

    def _merge(self, step: Merge) -> None:
        count = len(step.branches)
        for i, (inner, end) in enumerate(step.branches):
            with self.preferring((f"branch{i + 1}",) if count > 2 else FLOWING[1:]):
                self.run(inner)
                if end in self.pending and (count > 2 or not self._is_light(end)):
                    self.settle(end)
        ends = [end for _, end in step.branches]
        made = self._said(step.function([self.place[e] for e in ends]))
        if self._is_long(made):
            for i, end in enumerate(ends):
                with self.preferring((f"branch{i + 1}",) if count > 2 else FLOWING[1:]):
                    self.settle(end)
            made = self._said(step.function([self.place[e] for e in ends]))
        for end in ends:
            self.take(end)
        self.put(step.output, made)

    def _is_light(self, val: Val) -> bool:
        """Whether a branch is one short call."""
        made = self.place[val]
        calls = 0
        stack: list[Code] = [made]
        while stack:
            part = stack.pop()
            calls += isinstance(part, Call)
            stack.extend(part.parts)
        return calls <= 1 and len(str(made)) <= LIGHT and not isinstance(made, Ternary)

    # --- conditions and loops -----------------------------------------------------------------------------------------

    def _branch(self, step: Branch) -> None:
        optional = only_optional(step)
        if optional is not None:
            entry = optional.inputs[0]
            self.settle(entry)
            made = Call(self.attributes.reference(optional, self.indices), (Argument(self.place[entry]),))
            self.take(entry)
            self.take(entry)  # once as what passes
            self.take_end(optional.output)
            self.put(step.outputs[0][0], made)
            return
        if not step.outputs:
            return
        sides = [self._side(step, i) for i in (0, 1)]
        reads = [_reads(inner, ends) for inner, ends in zip(step.sides, _ends(step), strict=True)]
        before = Counter(self.left)
        done: list[tuple[Block, dict[Val, Code]]] = []
        shape = self.last_shape
        for i in (0, 1):
            self.left = Counter(before)
            self.left.subtract(reads[1 - i])  # only one side runs
            self.last_shape = shape
            done.append(sides[i]())
        self.left = before
        self.left.subtract(reads[0] + reads[1])
        self._join(step, done)

    def take_end(self, val: Val) -> None:
        self.left[val] -= 1

    def _side(self, step: Branch, i: int) -> Callable[[], tuple[Block, dict[Val, Code]]]:
        def written() -> tuple[Block, dict[Val, Code]]:
            around, self.lines = self.lines, []
            kept_place, kept_pending = dict(self.place), set(self.pending)
            self.depth += 1
            self.run(step.sides[i])
            self.depth -= 1
            made = {v: self.place[v] for v in _ends(step)[i] if v in self.place}
            lines, self.lines = self.lines, around
            named = {v: p for v, p in self.place.items() if v in self.own_names}
            self.place, self.pending = {**named, **kept_place}, kept_pending
            return lines, made

        return written

    def _join(self, step: Branch, done: list[tuple[Block, dict[Val, Code]]]) -> None:
        """Statements or one conditional expression for what the sides have made."""
        flag = self._flag(step)
        (then_lines, then_made), (other_lines, other_made) = done
        pairs = [
            (out, then_made[then], other_made[otherwise])
            for out, then, otherwise in step.outputs
            if then is not None and otherwise is not None and self.uses[out]
        ]
        if not then_lines and not other_lines and len(pairs) == 1:
            out, left, right = pairs[0]
            made = ternary(left, flag, right)
            if not self._is_long(made):
                self.put(out, made)
                return
        named: list[tuple[str, Val, Code, Code]] = []
        for out, left, right in pairs:
            name = self.own_names.get(out) or self.free_name()
            self.place[out] = Local(name)
            named.append((name, out, left, right))
        bodies: list[Block] = [list(then_lines), list(other_lines)]
        for name, out, left, right in named:
            for body, made in zip(bodies, (left, right), strict=True):
                if str(made) != name:
                    body.append(Line(f"{name} = ", made, "", self.describe(out)))
        if bodies[0]:
            self.lines.append(If(flag, bodies[0], bodies[1]))
        elif bodies[1]:
            self.lines.append(If(opposite(flag), bodies[1], []))

    def _flag(self, step: Branch) -> Code:
        """The condition, kept on `self` by the constructor."""
        if len(names(step.test)) == 1:
            return self._said(step.test)
        if not step.flag:
            first = next((s for side in step.sides for s in every(side) if isinstance(s, Merge | Apply)), None)
            what = first.name if isinstance(first, Merge) else _module_name(first)
            step.flag = self.attributes.claim(f"use_{what}")
        return Local(f"self.{step.flag}")

    def _loop(self, step: Loop) -> None:
        entry = step.entry
        self.settle(entry)
        place = self.take(entry)
        name = self.free_name()
        if str(place) != name:
            self.emit(f"{name} = ", place)
        header = self._header(step, name)
        outer = _reads(step.body, [step.exit])
        self.left.update(outer)  # what the body reads is read again in the next turn
        self.place[step.inner] = Local(name)
        kept = dict(self.indices)
        self.indices |= header[2]
        around, self.lines = self.lines, []
        self.depth += 1
        self.run(step.body)
        self.pending.discard(step.exit)
        self.assign(name, step.exit)
        self.left[step.exit] -= 1
        self.depth -= 1
        body, self.lines = self.lines, around
        self.indices = kept
        self.left.subtract(outer)
        if body:
            self.lines.append(For(header[0], header[1], body))
        self.place[step.output] = Local(name)

    def _header(self, step: Loop, flowing: str) -> tuple[str, Code, dict[str, str]]:
        """A loop's target, what it goes through, and what the names that its modules need are called here."""
        read = {
            n
            for s in every(step.body)
            if isinstance(s, Apply) and s.function is None and s in self.attributes.loops
            if (computed := self.attributes.name_of(s)) is not None
            for n in names(computed) & {step.index, *step.targets}
        }
        taken = self.busy() | set(self.own_names.values()) | {flowing, *FLOWING}
        called = {n: free(n, taken) for n in sorted(read)}
        if read <= {step.index}:
            return called.get(step.index, "_"), call("range", self._said(step.count)), called
        target = step.target
        for name in step.targets:
            target = re.sub(rf"\b{name}\b", called.get(name, "_"), target)
        iterable = self._said(step.iterable)
        if step.own_index and step.index in read:
            return f"{called[step.index]}, {grouped(target)}", call("enumerate", iterable), called
        return target, iterable, called

    # --- heads and the end --------------------------------------------------------------------------------------------

    def _head(self, step: Head) -> None:
        inside = set(all_values(step.body))
        outside = Counter(self.uses)
        outside.subtract(_reads(step.body, [step.output]))
        if any(outside[v] > 0 for v in inside):
            self.run(step.body)
            self.settle(step.output)
        else:
            self.heads.append(step)

    def _return(self) -> None:
        lowered = self.lowered
        if not lowered.heads:
            self._return_outputs()
            return
        for val in lowered.outputs:
            self.settle(val)
        outputs = [self.place[v] for v in lowered.outputs]
        around, self.lines = self.lines, []
        self.depth += 1
        for head in self.heads:
            self.run(head.body)
            self.pending.discard(head.output)
        self.depth -= 1
        made = {v: self.place[v] for v in lowered.heads}
        if self.is_root:
            self.emit("return ", Bare((*outputs, *made.values())))
            around.append(If(TRAINING, self.lines, []))
            self.lines = around
            self.emit("return ", _tuple(outputs))
            return
        own = {h.output for h in self.heads}
        named: list[Code] = []
        for i, (val, expression) in enumerate(made.items()):
            if val in own:  # None where it is not computed
                name = free(val.name or f"aux{i + 1}", self.busy())
                around.append(Line(f"{name} = ", Lit(None)))
                self.emit(f"{name} = ", expression)
                expression = Local(name)
            named.append(expression)
        if self.lines:
            around.append(If(TRAINING, self.lines, []))
        self.lines = around
        self.emit("return ", Bare((*outputs, *named)))

    def _return_outputs(self) -> None:
        outputs = self.lowered.outputs
        if len(outputs) > 1:
            self.emit("return ", Bare(tuple(self.take(v) for v in outputs)))
            return
        (val,) = outputs
        made = self.take(val)
        if isinstance(made, Ternary):
            self.lines.append(If(made.test, [Line("return ", made.then)], []))
            self.emit("return ", made.otherwise, val)
            return
        is_long = columns(f"{STEP * self.depth}return {made}") > WIDTH
        if is_long and not isinstance(made, Call):
            self.pending.discard(val)
            self.assign(self.free_name(val), val)
            made = self.place[val]
        if not self._returned_early(made):
            self.emit("return ", made, None if isinstance(made, Local) else val)

    def _returned_early(self, made: Code) -> bool:
        """Where a last `if` gives both sides' results one name, each side returns its own."""
        last = self.lines[-1] if self.lines else None
        if not isinstance(last, If) or not last.otherwise:
            return False
        ends = (last.then[-1], last.otherwise[-1])
        if not all(isinstance(end, Line) and end.head == f"{made} = " for end in ends):
            return False
        for end in ends:
            assert isinstance(end, Line)
            end.head = "return "
        self.lines[-1:] = [If(last.test, last.then, []), *last.otherwise]
        return True


def _tuple(parts: Sequence[Code]) -> Code:
    """`a`, or `a, b`."""
    return parts[0] if len(parts) == 1 else Bare(tuple(parts))


def _module_name(step: Step | None) -> str:
    if isinstance(step, Apply):
        if step.paths is not None:
            return step.paths[step.rows[0]][0]
        if step.modules:
            return step.modules[0].kind
    return "step"


def _reads(steps: Sequence[Step], ends: Iterable[Val]) -> Counter[Val]:
    return count_uses(steps, list(ends))


def _ends(step: Branch) -> tuple[list[Val], list[Val]]:
    return (
        [a for _, a, b in step.outputs if a is not None and b is not None],
        [b for _, a, b in step.outputs if a is not None and b is not None],
    )

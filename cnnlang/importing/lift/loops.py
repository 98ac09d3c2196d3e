"""Runs and loops: equal items one after the other, and rows of items that differ in numbers only."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from cnnlang.importing.lift.items import Call, Item, Loop, Merge, Parameter, Run, Step, Template
from cnnlang.importing.lift.names import Namespace
from cnnlang.importing.lift.printing import call_text, step_text
from cnnlang.importing.lift.shapes import NUMBER, Shapes, all_steps
from cnnlang.importing.lift.unify import Column, Solver, tabulate

MAX_PERIOD = 24
MAX_VARIABLES = 6


@dataclass(slots=True)
class Entry:
    """What has a path in one row: the numbers in it at the first turn, and by how much each grows with the turns."""

    holder: Step | Call
    numbers: list[int]
    slopes: list[int] | None
    is_there: bool = True

    def template(self, prefix: int) -> Template:
        texts = NUMBER.split((self.holder.path or "")[prefix:])[::2]
        return Template(texts, list(self.numbers), [0] * len(self.numbers))


class Folder:
    """Folds the items of one body after another."""

    def __init__(self, names: Namespace, keeps: bool) -> None:
        self.names = names
        self.keeps = keeps
        self.known: dict[Hashable, int] = {}

    def fold(self, items: list[Item], prefix: int = 0, rows: bool = True, is_named: bool = False) -> list[Item]:
        """The items with runs and loops in place of what repeats; `prefix` characters of paths are the scope's."""
        self.prefix = prefix
        if is_named and items and (self.keeps or rows):  # a `for` cannot name what it ends with
            last = self._runs(items)[-1]
            if isinstance(last, Run) and (not self.keeps or self._is_counted(last)):
                if self.keeps:
                    self._label(last)
                return [*self.fold(items[: -len(last.turns) * len(last.items)], prefix, rows), last]
            return [*self.fold(items[:-1], prefix, rows), items[-1]]
        items = self._runs(items)
        items = self._stages(items)
        if rows:
            items = self._single_turns(items)
            items = self._loops(items)
            items = [part for item in items for part in self._dissolved(item)]
            items = self._runs(items, nested=True)
        found = [part for item in items for part in self._dissolved(item)]
        if self.keeps:
            for item in found:
                if isinstance(item, Run):
                    self._label(item)
        return found

    # --- equal items --------------------------------------------------------------------------------------------------

    def _exact(self, item: Item) -> int:
        """A number that equal items share, whatever the numbers in their paths. Recurses as merges nest."""
        key: Hashable
        match item:
            case Step():
                key = ("step", step_text(item), self._skeleton(item.path), item.shared)
            case Call():
                key = ("call", call_text(item), self._skeleton(item.path))
            case Merge():
                chains = tuple((tuple(map(self._exact, c.items)), c.test, item.base(c)) for c in item.branches)
                key = ("merge", str(item.node.op), chains)
            case Run():
                turns = [*([item.first] if item.first else []), *item.turns[:1]]
                key = ("run", tuple(tuple(map(self._exact, turn)) for turn in turns), len(item.turns))
            case Loop():
                key = ("loop", id(item))
        return self.known.setdefault(key, len(self.known))

    def _skeleton(self, path: str | None) -> str | None:
        if path is None or not self.keeps:
            return None
        return NUMBER.sub("#", path[self.prefix :])

    def _runs(self, items: list[Item], nested: bool = False) -> list[Item]:
        """Runs of one item first, then of two, and so on; runs of what holds runs only where `nested`."""
        keys = [self._exact(item) for item in items]
        for period in range(1, MAX_PERIOD + 1):
            if 2 * period > len(items):
                break
            if not any(a == b for a, b in zip(keys, keys[period:], strict=False)):
                continue
            found: list[Item] = []
            i = 0
            while i < len(items):
                turns = 1
                while keys[i + turns * period : i + (turns + 1) * period] == keys[i : i + period]:
                    turns += 1
                part = items[i : i + turns * period]
                is_flat = nested or not any(isinstance(item, Run) for item in part[:period])
                run = self._run(part, period) if turns > 1 and is_flat else None
                found.append(items[i] if run is None else run)
                i += 1 if run is None else len(run.turns) * period
            if len(found) < len(items):
                items = found
                keys = [self._exact(item) for item in items]
        return items

    def _run(self, items: list[Item], period: int) -> Run | None:
        """A run of as many turns as are counted evenly; None where they are not, or nothing in it has weights."""
        turns = [items[i : i + period] for i in range(0, len(items), period)]
        if not any(s.path is not None for s in all_steps(turns[0])):
            return None
        if self.keeps:
            count = self._even(turns)
            if count < 2:
                return None
            turns = turns[:count]
        return Run(turns, [], turns[-1][-1].node)

    def _even(self, turns: list[list[Item]]) -> int:
        """How many turns have labels that count evenly."""
        holders = [labelled(turn) for turn in turns]
        count = len(turns)
        for column in zip(*holders, strict=True):
            numbers = [numbers_of(h.path or "", self.prefix) for h in column]
            for values in zip(*numbers, strict=True):
                steps = values[1] - values[0]
                even = 2
                while even < len(values) and values[even] - values[even - 1] == steps:
                    even += 1
                count = min(count, even)
            if all(n == numbers[0] for n in numbers):
                return 0  # the same path twice
        return count

    # --- a first turn that differs ------------------------------------------------------------------------------------

    def _stages(self, items: list[Item]) -> list[Item]:
        """Calls of one block in stages: the first may differ from the others, which are equal."""
        found: list[Item] = []
        i = 0
        while i < len(items):
            item = items[i]
            calls = turns_of(item)
            if not calls:
                found.append(item)
                i += 1
                continue
            following = turns_of(items[i + 1]) if i + 1 < len(items) else []
            if len(calls) == 1 and following and self._goes_on(calls[0], following):
                found.append(self._stage([*calls, *following]))
                i += 2
            else:
                found.append(self._stage(calls))
                i += 1
        return found

    def _goes_on(self, first: Call, rest: list[Call]) -> bool:
        other = rest[0]
        if first.block is not other.block or first.written or other.written:
            return False
        required = [p.name for p in first.block.parameters if p.default is None]
        if any(first.arguments[n] != other.arguments[n] for n in required):
            return False
        if not self.keeps:
            return True
        calls = [first, *rest]
        return self._skeleton(first.path) == self._skeleton(other.path) and self._even([[c] for c in calls]) == len(
            calls
        )

    def _stage(self, calls: list[Call]) -> Run:
        return Run([[c] for c in calls[1:]], [calls[0]], calls[-1].node)

    def _single_turns(self, items: list[Item]) -> list[Item]:
        """Items alone that are elsewhere a run: a run of one turn."""
        shapes = Shapes(self.keeps, False, self.known, skeleton=True)
        bodies = {}
        for item in items:
            if isinstance(item, Run) and not item.first:
                bodies[shapes.of_items(item.items, self.prefix)] = len(item.items)
        found: list[Item] = []
        i = 0
        while i < len(items):
            for shape, length in bodies.items():
                part = items[i : i + length]
                if not any(isinstance(p, Run) for p in part) and shapes.of_items(part, self.prefix) == shape:
                    found.append(Run([part], [], part[-1].node))
                    i += length
                    break
            else:
                found.append(items[i])
                i += 1
        return found

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _loops(self, items: list[Item]) -> list[Item]:
        shapes = Shapes(self.keeps, False, self.known, skeleton=True)
        keys = [shapes.of(item, self.prefix) for item in items]
        found: list[Item] = []
        i = 0
        while i < len(items):
            best: tuple[int, list[list[Item]]] | None = None
            for period in range(1, min(MAX_PERIOD, (len(items) - i) // 2) + 1):
                if keys[i] != keys[i + period]:
                    continue
                turns = 1
                while keys[i + turns * period : i + (turns + 1) * period] == keys[i : i + period]:
                    turns += 1
                if turns > 1 and (best is None or turns * period > best[0]):
                    rows = [items[i + t * period : i + (t + 1) * period] for t in range(turns)]
                    if self._loop(rows, is_trial=True) is not None:
                        best = turns * period, rows
            loop = self._loop(best[1]) if best else None
            if best is None or loop is None:
                found.append(items[i])
                i += 1
            else:
                found.append(loop)
                i += best[0]
        return found

    def _loop(self, rows: list[list[Item]], is_trial: bool = False) -> Loop | None:
        rows = _unstaged(rows)
        lines = sum(2 if isinstance(item, Run) and item.first else 1 for item in rows[0] if _is_head(item)) or 1
        heads = sum(_is_head(item) for item in rows[0])
        if len(rows) < 3 and heads < 3 and not any(isinstance(i, Run) for i in rows[0]):
            return None
        sizes = [sum(len(i.turns) for i in row if isinstance(i, Run)) for row in rows]
        template = sizes.index(max(sizes))
        for run, *others in zip(rows[template], *rows, strict=True):
            if isinstance(run, Run) and not run.turns and any(isinstance(o, Run) and o.turns for o in others):
                return None
        table = tabulate(rows, [None] * len(rows), template)
        before = [(c.holder, dict(c.holder.written)) for c in table.columns]
        columns = self._label_columns(rows, template) if self.keeps else []
        if table.choices or columns is None:
            return None
        table.columns = [*columns, *table.columns]
        solver = Solver(self.names, with_in=False, with_multiples=len(rows) > 2)
        solver.solve(table)
        variables = [Parameter(p.name, p.values) for p in solver.parameters]
        row = sum(len(str(v)) + 2 for p in variables for v in p.values)
        cost = 2 + row // 100 + lines
        is_table = all(_is_call(i) for i in rows[0]) and (len(variables) > 3 or len(rows) < 4)
        is_poor = (
            len(variables) > (MAX_VARIABLES if len(rows) > 2 else 3)
            or cost >= lines * len(rows)
            or not variables
            or is_table
        )
        if is_poor or is_trial:
            for holder, written in before:
                holder.written = written
            for holder in labelled(rows[template]):
                holder.label = None
        return None if is_poor else Loop(variables, rows[template], rows, rows[-1][-1].node)

    def _label_columns(self, rows: list[list[Item]], template: int) -> list[Column] | None:
        """For each number in each label of the template: its values in all rows; None where rows count otherwise."""
        columns = []
        labels: list[tuple[Step | Call, Template]] = []
        found = [self._entries(row) for row in rows]
        if len(set(map(len, found))) > 1:
            return None
        for entries in zip(*found, strict=True):
            model = entries[template]
            if not model.is_there:
                continue
            if any(len(e.numbers) != len(model.numbers) for e in entries):
                return None
            made = model.template(self.prefix)
            for k in range(len(model.numbers)):
                slopes = {e.slopes[k] for e in entries if e.slopes is not None}
                if len(slopes) > 1:
                    return None
                made.slopes[k] = slopes.pop() if slopes else 0
                values = [e.numbers[k] for e in entries]
                columns.append(Column(made, f"#{k}", values, [None] * len(rows), hint="i"))
            labels.append((model.holder, made))
        for holder, made in labels:
            holder.label = made
        return columns

    def _entries(self, items: Sequence[Item]) -> list[Entry]:
        """What has a path in the items of a row."""
        found: list[Entry] = []
        for item in items:
            if not isinstance(item, Run):
                found += [self._entry(h) for h in labelled([item])]
                continue
            firsts = [self._entry(h) for h in labelled(item.first)]
            found += firsts
            turns = [[self._entry(h) for h in labelled(turn)] for turn in item.turns[:2]]
            if item.first and not turns:
                found += [Entry(e.holder, e.numbers, None, False) for e in firsts]
                continue
            for i, entry in enumerate(turns[0]):
                before, after = (firsts[i], entry) if firsts else (entry, turns[1][i] if len(turns) > 1 else None)
                if after is None:
                    found.append(Entry(entry.holder, entry.numbers, None))
                else:
                    slopes = [b - a for a, b in zip(before.numbers, after.numbers, strict=True)]
                    found.append(Entry(entry.holder, before.numbers, slopes))
        return found

    def _entry(self, holder: Step | Call) -> Entry:
        numbers = numbers_of(holder.path or "", self.prefix)
        return Entry(holder, numbers, [0] * len(numbers))

    def _is_counted(self, run: Run) -> bool:
        """Whether the paths of a run of one call are those that `* n` gives: the same with .0, .1, ... behind it."""
        (entry, *others) = self._entries([run])
        made = entry.template(self.prefix)
        made.slopes = list(entry.slopes or made.slopes)
        return not others and len(run.items) == 1 and made.counted() is not None

    def _label(self, run: Run) -> None:
        """Give what is in a run that stands alone its labels."""
        for entry in self._entries([run]):
            made = entry.template(self.prefix)
            made.slopes = list(entry.slopes or made.slopes)
            if any(made.slopes):
                entry.holder.label = made

    def _dissolved(self, item: Item) -> list[Item]:
        """A run that is not worth a line of its own, as its items."""
        if not isinstance(item, Run) or (len(item.turns) > 1 and not (self.keeps and len(item.turns) == 2)):
            return [item]
        if self.keeps and len(item.turns) == 2 and not item.first and self._is_counted(item):
            return [item]
        if self.keeps and len(item.turns) == 2 and not item.first and len(item.turns[0]) > 4:
            return [item]
        return [*item.first, *(i for turn in item.turns for i in turn)]


def _unstaged(rows: list[list[Item]]) -> list[list[Item]]:
    """Rows of stages as rows of calls, where most stages are one call."""
    calls: list[list[Item]] = []
    for row in rows:
        if len(row) != 1 or not isinstance(row[0], Run) or not row[0].first:
            return rows
        calls += [row[0].first, *row[0].turns]
    return calls if 2 * len(calls) <= 3 * len(rows) else rows


def _is_call(item: Item) -> bool:
    """Whether an item is one call."""
    return isinstance(item, Call) or (isinstance(item, Run) and bool(item.first) and not item.turns)


def _is_head(item: Item) -> bool:
    return not isinstance(item, Step) or item.node.op.counts_depth


def _flat(items: Sequence[Item]) -> list[Item]:
    """Items with the first turns of runs in place of the runs."""
    found: list[Item] = []
    for item in items:
        found += [*item.first, *(item.turns[0] if item.turns else [])] if isinstance(item, Run) else [item]
    return found


def turns_of(item: Item) -> list[Call]:
    """The calls that an item is; empty where it is none, or not of calls alone."""
    if isinstance(item, Call):
        return [item]
    if isinstance(item, Run) and len(item.items) == 1 and not item.first:
        return [turn[0] for turn in item.turns if isinstance(turn[0], Call)]
    return []


def labelled(items: Sequence[Item]) -> list[Step | Call]:
    """What has a path in items, in order; what is in a block is the block's."""
    found: list[Step | Call] = []
    stack = list(reversed(items))
    while stack:
        item = stack.pop()
        match item:
            case Step() | Call():
                if item.path is not None:
                    found.append(item)
            case Merge():
                stack.extend(i for chain in reversed(item.branches) for i in reversed(chain.items))
            case Run():
                stack.extend(reversed(item.items if item.turns else []))
                stack.extend(reversed(item.first))
            case Loop():
                stack.extend(reversed(item.body))
    return found


def numbers_of(path: str, prefix: int) -> list[int]:
    """The numbers in a path."""
    return [int(n) for n in NUMBER.findall(path[prefix:])]

"""Steps that follow each other as sequences of modules: containers, `nn.Sequential`, and runs of equals in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cnnlang.backends.torch_source.code import (
    Argument,
    Binary,
    Call,
    Code,
    Generator,
    Items,
    Lit,
    Local,
    Var,
    binary,
    call,
    names,
    text,
)
from cnnlang.backends.torch_source.layout import has_comments
from cnnlang.backends.torch_source.names import CONTAINER_ATTRIBUTES, MODULE_ATTRIBUTES, free
from cnnlang.backends.torch_source.steps import (
    Apply,
    Branch,
    Differs,
    Head,
    Loop,
    Merge,
    Module,
    Path,
    PerRow,
    Row,
    Step,
    Val,
    every,
)

Describe = Callable[[Apply], str]  # the comment beside a step; empty for none

MIN_PROGRESSION = 3
MIN_NAMED_PROGRESSION = 4


# --- what uses what -----------------------------------------------------------------------------------------------------


def count_uses(steps: Sequence[Step], results: Sequence[Val]) -> Counter[Val]:
    """How often each value is read."""
    uses: Counter[Val] = Counter(results)
    for step in every(steps):
        match step:
            case Apply(inputs=inputs):
                uses.update(inputs)
            case Merge(branches=branches):
                uses.update(end for _, end in branches)
            case Branch(outputs=outputs):
                uses.update(v for _, *ends in outputs for v in ends if v is not None)
            case Loop(entry=entry, exit=exit):
                uses.update((entry, exit))
            case _:
                pass
    return uses


def origin(row: Row) -> Row:
    """The instance that a loop's turn belongs to."""
    while row.parent is not None and row.parent.base == row.base:
        row = row.parent
    return row


def census(steps: Sequence[Step]) -> Counter[tuple[Row, Path]]:
    """How many modules stand at or under each path of each instance; a shared one that is used again is one too many."""
    found: Counter[tuple[Row, Path]] = Counter()
    for step in every(steps):
        if isinstance(step, Apply) and step.paths is not None:
            for row in step.rows:
                path = step.paths[row]
                for depth in range(1, len(path) + 1):
                    found[origin(row), path[:depth]] += 1
    return found


# --- containers ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Folder:
    """Puts steps that share a part of their path, one after the other, into an `nn.Sequential` of that name."""

    uses: Counter[Val]
    there: Counter[tuple[Row, Path]]
    describe: Describe | None = None
    repeats: set[Path] = field(default_factory=set)

    def fold(self, steps: Sequence[Step], depth: int = 0) -> list[Step]:
        """The steps, with every container that is a plain chain folded; inner lists too."""
        done: list[Step] = []
        rest = list(steps)
        while rest:
            run = self._run(rest, depth)
            first = rest[0]
            if run:
                lead = self._leading(done, run, depth)
                del done[len(done) - len(lead) :]
                done.append(self._container([*lead, *run], depth))
                del rest[: len(run)]
                continue
            del rest[0]
            match first:
                case Merge(branches=branches):
                    first.branches = [(self.fold(inner, depth), end) for inner, end in branches]
                case Branch(sides=(then, otherwise)):
                    first.sides = (self.fold(then, depth), self.fold(otherwise, depth))
                case Loop(body=body) | Head(body=body):
                    first.body = self.fold(body, depth)
                case _:
                    pass
            done.append(first)
        return done

    def _run(self, steps: Sequence[Step], depth: int) -> list[Apply]:
        """The steps at the front that make up one whole container; none where they do not."""
        first = steps[0]
        if not isinstance(first, Apply) or first.paths is None or len(first.paths[first.rows[0]]) <= depth + 1:
            return []
        prefix = {row: first.paths[row][: depth + 1] for row in first.rows}
        run: list[Apply] = []
        complete = 0
        for step in steps:
            if not isinstance(step, Apply) or not self._follows(step, run):
                break
            if step.paths is not None:
                if any(step.paths[row][: depth + 1] != prefix.get(row) for row in step.rows):
                    break
                complete = len(run) + 1
            run.append(step)
        tail = run[complete:]
        run = run[:complete]
        weighted = [s for s in run if s.paths is not None]
        if any(self.there[origin(row), prefix[row]] != len(weighted) for row in first.rows):
            return []
        parts = [s.paths[row][depth + 1] for s in weighted if s.paths for row in s.rows if len(s.paths[row]) > depth + 1]
        if len(parts) != sum(len(s.rows) for s in weighted) or any(
            p in CONTAINER_ATTRIBUTES or p in MODULE_ATTRIBUTES for p in parts
        ):
            return []
        own = next(iter(prefix.values())) if len(set(prefix.values())) == 1 else None
        numbered = all(p.isdigit() for p in parts) and own not in self.repeats
        for step in tail:
            if step.scope[: depth + 1] == own or (numbered and step.trails and len(step.scope) <= depth):
                run.append(step)
            else:
                break
        return run

    def _follows(self, step: Apply, run: Sequence[Apply]) -> bool:
        """Whether a step may stand in a sequence, after the steps before it there."""
        if not step.modules or step.again or step.extra or len(step.inputs) != 1:
            return False
        return not run or (step.inputs[0] is run[-1].output and self.uses[run[-1].output] == 1)

    def _leading(self, done: Sequence[Step], run: Sequence[Apply], depth: int) -> list[Apply]:
        """Steps without weights before a container that belong to it: its group's, or those that its numbers count."""
        first = run[0]
        assert first.paths is not None
        path = first.paths[first.rows[0]]
        is_numbered = path[depth + 1].isdigit() and path[: depth + 1] not in self.repeats
        missing = int(path[depth + 1]) if is_numbered else 0
        lead: list[Apply] = []
        following = first
        counted = 0
        for step in reversed(done):
            if not isinstance(step, Apply) or step.paths is not None or not step.modules:
                break
            if following.inputs[0] is not step.output or self.uses[step.output] != 1:
                break
            belongs = step.scope[: depth + 1] == path[: depth + 1]
            if not belongs and not (step.trails and counted + len(step.modules) <= missing):
                break
            lead.insert(0, step)
            counted += len(step.modules)
            following = step
        owned = [s for s in lead if s.scope[: depth + 1] == path[: depth + 1]]
        return lead if counted == missing or len(owned) == len(lead) else owned

    def _container(self, run: Sequence[Apply], depth: int) -> Apply:
        inner = [s for s in self.fold(run, depth + 1) if isinstance(s, Apply)]
        weighted = next(s for s in run if s.paths is not None)
        assert weighted.paths is not None
        paths = PerRow({row: weighted.paths[row][: depth + 1] for row in weighted.rows})
        describe = self.describe if len(inner) > 4 else None
        made = sequence(inner, depth + 1, describe)
        return Apply(run[0].inputs, run[-1].output, weighted.rows, paths, (Module("container", made),), scope=run[0].scope[:depth])


def turn(steps: Sequence[Step], entry: Val, depth: int, index: str, count: Code) -> Apply:
    """A repetition whose turns are these steps, as one container: `nn.Sequential(*(... for i in range(n)))`."""
    whole = [s for s in steps if isinstance(s, Apply)]
    if len(whole) < len(steps) or not whole or whole[0].inputs != (entry,):
        raise Differs
    folder = Folder(count_uses(steps, [whole[-1].output]), census(steps))
    for i, step in enumerate(whole):
        if not folder._follows(step, whole[:i]):
            raise Differs
    inner = [s for s in folder.fold(whole, depth) if isinstance(s, Apply)]
    weighted = next((s for s in inner if s.paths is not None), None)
    if weighted is None or weighted.paths is None:
        raise Differs
    if len(weighted.paths[weighted.rows[0]]) == depth:  # each turn is one module
        if len(inner) > 1:
            raise Differs
        made = weighted.modules[0].made
        paths = weighted.paths
    else:
        made = sequence(inner, depth)
        paths = PerRow({row: weighted.paths[row][:depth] for row in weighted.rows})
    target = index if index in names(made) else "_"
    repeated = Argument(Generator(made, target, call("range", count)), star=True)
    output = whole[-1].output
    return Apply(whole[0].inputs, output, whole[0].rows, paths, (Module("repeat", Call(Local("nn.Sequential"), (repeated,))),))


# --- sequences ----------------------------------------------------------------------------------------------------------


def positions_agree(steps: Sequence[Step], rows: Sequence[Row], depth: int) -> bool:
    """Whether the names at a depth are what `nn.Sequential` would count, in every instance."""
    return all(_count(steps, row, depth, 0) is not None for row in rows)


def _count(steps: Sequence[Step], row: Row, depth: int, position: int) -> int | None:
    here: int | None = position
    for step in steps:
        if here is None:
            return None
        match step:
            case Apply(paths=None, modules=modules):
                here += len(modules)
            case Apply(paths=paths) if paths is not None:
                path = paths[row]
                here = here + 1 if path[depth:] == (str(here),) else None
            case Branch(sides=sides, rows=parts):
                side = 0 if any(r is row for r in parts[0]) else 1
                here = _count(sides[side], row, depth, here)
            case Loop(body=body, turns=turns):
                for each in turns[row]:
                    here = None if here is None else _count(body, each, depth, here)
            case _:
                pass
    return here


def sequence(steps: Sequence[Apply], depth: int, describe: Describe | None = None) -> Code:
    """`nn.Sequential` of steps whose names stand at a depth of their paths."""
    rows = steps[0].rows
    if positions_agree(steps, rows, depth):
        made = [m.made for s in steps for m in s.modules]
        packed = compressed(made)
        if describe is None or len(packed) < len(made):
            return Call(Local("nn.Sequential"), tuple(packed))
        return Call(Local("nn.Sequential"), tuple(_commented(steps, [Argument(c) for c in made], describe)))
    called = entry_names(steps, depth)
    made = [m.made for s in steps for m in s.modules]
    progression = _named_progression(called, made)
    if progression is not None:
        return call("nn.Sequential", Call(Local("OrderedDict"), (Argument(progression),)))
    return call("nn.Sequential", ordered(called, made, steps, describe))


def ordered(called: Sequence[str], made: Sequence[Code], steps: Sequence[Apply], describe: Describe | None) -> Code:
    """An OrderedDict of named modules."""
    if all(name.isidentifier() for name in called):
        arguments = [Argument(c, name) for name, c in zip(called, made, strict=True)]
    else:
        pairs = [Items("(", (Lit(name), c)) for name, c in zip(called, made, strict=True)]
        return Call(Local("OrderedDict"), (Argument(Items("[", tuple(pairs))),))
    if describe is not None:
        arguments = _commented(steps, arguments, describe)
    return Call(Local("OrderedDict"), tuple(arguments))


def _commented(steps: Sequence[Apply], arguments: list[Argument], describe: Describe) -> list[Argument]:
    """A comment beside the last module of each step, where the shape changes."""
    done: list[Argument] = []
    before = ""
    for step in steps:
        for i in range(len(step.modules)):
            comment = describe(step) if i == len(step.modules) - 1 else ""
            argument = arguments[len(done)]
            is_said = comment == before or has_comments(argument.value)
            done.append(argument if is_said else replace(argument, comment=comment))
            before = comment or before
    return done


def entry_names(steps: Sequence[Apply], depth: int = 0, taken: Sequence[str] = ()) -> list[str]:
    """The name of each module: its weights' own, and for one without weights what it is, numbered where need be."""
    own: set[str] = set(taken)
    for step in steps:
        if step.paths is not None:
            found = {step.paths[row][depth:] for row in step.rows}
            if len(found) > 1 or len(next(iter(found))) != 1:
                raise Differs
            own.add(next(iter(found))[0])
    kinds = Counter(m.kind for s in steps if s.paths is None for m in s.modules)
    numbers: Counter[str] = Counter()
    called: list[str] = []
    used = set(own) | MODULE_ATTRIBUTES | CONTAINER_ATTRIBUTES
    for step in steps:
        for module in step.modules:
            if step.paths is not None:
                called.append(step.paths[step.rows[0]][depth])
                continue
            numbers[module.kind] += 1
            wanted = f"{module.kind}{numbers[module.kind]}" if kinds[module.kind] > 1 else module.kind
            name = free(wanted, used)
            used.add(name)
            called.append(name)
    return called


# --- runs of equals -----------------------------------------------------------------------------------------------------


def compressed(made: Sequence[Code]) -> list[Argument]:
    """The same modules, with equal or evenly progressing neighbours as a generator: `*(A(64 + 32 * i) for i in ...)`."""
    done: list[Argument] = []
    i = 0
    while i < len(made):
        run, element = _longest_run(made, i)
        if element is None:
            done.append(Argument(made[i]))
            i += 1
            continue
        target = "i" if "i" in names(element) else "_"
        done.append(Argument(Generator(element, target, call("range", run)), star=True))
        i += run
    return done


def _longest_run(made: Sequence[Code], start: int) -> tuple[int, Code | None]:
    first = str(made[start])
    end = start + 1
    while end < len(made) and str(made[end]) == first:
        end += 1
    if end - start >= (2 if len(first) > 12 else 3):
        return end - start, made[start]
    steps: list[int] | None = None
    leaves = _numbers(made[start])
    shape = _skeleton(made[start])
    if "i" in names(made[start]) or not shape.startswith(("nn.", "("))  and not shape[:1].isupper():
        return 1, None
    before = leaves
    end = start + 1
    while end < len(made) and _skeleton(made[end]) == shape:
        here = _numbers(made[end])
        differences = [b - a for a, b in zip(before, here, strict=True)]
        if steps is not None and differences != steps:
            break
        steps, before = differences, here
        end += 1
    if steps is None or end - start < MIN_PROGRESSION or not any(steps):
        return 1, None
    remaining = list(zip(leaves, steps, strict=True))
    return end - start, _progressing(made[start], remaining)


def _is_number(made: Code) -> bool:
    return isinstance(made, Lit) and isinstance(made.value, int) and not isinstance(made.value, bool)


def _numbers(made: Code) -> list[int]:
    """The integers that stand in an expression, from left to right."""
    if _is_number(made):
        return [made.value]  # type: ignore[attr-defined]
    return [n for part in made.parts for n in _numbers(part)]


def _skeleton(made: Code) -> str:
    return str(_mapped(made, lambda n: Local("#")))


def _progressing(made: Code, remaining: list[tuple[int, int]]) -> Code:
    def progress(_: Code) -> Code:
        start, step = remaining.pop(0)
        if not step:
            return Lit(start)
        scaled = binary("*", Lit(abs(step)), Var("i"))
        return binary("+" if step > 0 else "-", Lit(start), scaled) if start or step < 0 else scaled

    return _mapped(made, progress)


def _mapped(made: Code, change: Callable[[Code], Code]) -> Code:
    """An expression with its integers changed, from left to right."""
    if _is_number(made):
        return change(made)
    match made:
        case Call(function=function, arguments=arguments):
            return Call(function, tuple(replace(a, value=_mapped(a.value, change)) for a in arguments))
        case Items(open=open, items=parts):
            return Items(open, tuple(_mapped(p, change) for p in parts))
        case Binary(op=op, left=left, right=right):
            return Binary(op, _mapped(left, change), _mapped(right, change))
        case Generator(element=element, target=target, iterable=iterable):
            return Generator(_mapped(element, change), target, _mapped(iterable, change))
        case Argument(value=value):
            return replace(made, value=_mapped(value, change))
    return made


def _named_progression(called: Sequence[str], made: Sequence[Code]) -> Code | None:
    """`(f"denselayer{i + 1}", DenseLayer(64 + 32 * i, 32)) for i in range(6)` where that is all there is."""
    if len(called) < MIN_NAMED_PROGRESSION:
        return None
    stem = called[0].rstrip("0123456789")
    numbers = [name[len(stem) :] if name.startswith(stem) else "" for name in called]
    if not all(n.isdigit() and str(int(n)) == n for n in numbers):
        return None
    first = int(numbers[0])
    if [int(n) for n in numbers] != list(range(first, first + len(numbers))):
        return None
    run, element = _longest_run(made, 0)
    if run != len(made) or element is None:
        return None
    name = text((Lit(stem), binary("+", Var("i"), Lit(first))))
    return Generator(Items("(", (name, element)), "i", call("range", run))


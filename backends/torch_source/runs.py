"""Runs of equal or evenly progressing modules, as generators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cnnlang.backends.python_source.build import binary, call, text
from cnnlang.backends.python_source.code import Argument, Binary, Call, Code, Generator, Items, Lit, Local, Var
from cnnlang.backends.python_source.evaluate import names

MIN_PROGRESSION = 3


MIN_NAMED_PROGRESSION = 4


def compressed(made: Sequence[Code]) -> list[Argument]:
    """Equal or evenly progressing neighbours as a generator: `*(A(64 + 32 * i, 32) for i in range(6))`."""
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
    if "i" in names(made[start]) or (not shape.startswith(("nn.", "(")) and not shape[:1].isupper()):
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


def named_progression(called: Sequence[str], made: Sequence[Code]) -> Code | None:
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

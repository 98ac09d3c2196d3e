"""How large a compile-time value may be, and how much work computing values may take."""

from __future__ import annotations

from cnnlang.dims import Floor, Term
from cnnlang.signature import Value

MAX_LIST = 100_000
MAX_TEXT = 10_000
MAX_NUMBERS = 1_000_000  # in one value, each list counted wherever it stands
MAX_DEPTH = 100  # lists in lists
MAX_WORK = 10_000_000  # items handled; a step of evaluation counts for ten
MAX_PARTS = 1000  # of a symbolic size

INTEGER = range(-(2**63), 2**63)


def extent(value: Value, seen: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many numbers a value holds, and how deep its lists are nested.

    A list that stands in several places is counted in each and visited once. Values are bounded as they are made, so
    that this is never deeper than `MAX_DEPTH`.
    """
    if isinstance(value, str):
        return 1 + len(value) // 10, 0
    if not isinstance(value, list | tuple):
        return 1, 0
    if id(value) not in seen:
        numbers, depth = 1, 0
        for item in value:
            more, deep = extent(item, seen)
            numbers, depth = numbers + more, max(depth, deep)
        seen[id(value)] = (numbers, depth + 1)
    return seen[id(value)]


def too_large(value: Value) -> str:
    """What is too large about a value, as a message; empty where nothing is."""
    if isinstance(value, int) and not isinstance(value, bool) and value not in INTEGER:
        return "an integer has 64 bits, and this one needs more"
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"a string has at most {MAX_TEXT:_} characters, and this one has {len(value):_}"
    if isinstance(value, list | tuple):
        if len(value) > MAX_LIST:
            return f"a list has at most {MAX_LIST:_} items, and this one has {len(value):_}"
        if any(isinstance(item, list | tuple | str) for item in value):
            numbers, depth = extent(value, {})
            if depth > MAX_DEPTH:
                return f"lists are nested at most {MAX_DEPTH} deep"
            if numbers > MAX_NUMBERS:
                return f"a list holds at most {MAX_NUMBERS:_} numbers in all, and this one {numbers:_}"
    if isinstance(value, Term) and not all(isinstance(k, int) for _, k in value.parts):
        return "a symbolic size goes with integers only"
    if isinstance(value, Term) and too_long(value):
        return f"a symbolic size has at most {MAX_PARTS:_} parts"
    return ""


def too_long(size: Term) -> bool:
    """Whether a symbolic size has more than `MAX_PARTS` parts, what stands in its divisions counted each time."""
    count = 0
    terms = [size]
    while terms and count <= MAX_PARTS:
        term = terms.pop()
        for product, _ in term.parts:
            count += 1 + len(product)
            terms += [atom.term for atom in product if isinstance(atom, Floor)]
    return count > MAX_PARTS


def work_of(value: Value) -> int:
    """The items that handling a value takes."""
    if not isinstance(value, list | tuple):
        return 1
    if any(isinstance(item, list | tuple) for item in value):
        return extent(value, {})[0]
    return len(value)

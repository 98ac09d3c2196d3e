"""Chains, merges, blocks and loops as text: lines that the formatter then sets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cnnlang.importing.lift.items import Call, Chain, Item, Loop, Merge, Run, Step, Template, entry_of, shown_fields
from cnnlang.importing.lift.names import Namespace, is_name
from cnnlang.ir import Node
from cnnlang.signature import show_value

WIDE = 100  # a line is broken between layers beyond this
SHORT = 72  # dense layers share a line up to this


@dataclass(slots=True)
class Scope:
    """Where text is written: the names in it, and the layers that it has so far.

    Attributes
    ----------
    prefix
        The path of the scope, with a dot behind it; empty for the net.
    values
        What values are called.
    keeps
        Whether layers have paths that must be kept.
    flow
        The value that flows; None where none does.
    """

    names: Namespace
    values: dict[Node, str]
    keeps: bool
    prefix: str = ""
    flow: Node | None = None
    in_loop: bool = False
    turn: str = "j"  # the variable of a run
    counts: Counter[str] = field(default_factory=Counter)
    unsure: set[str] = field(default_factory=set)  # kinds whose count depends on a loop or an `if`
    avoid: frozenset[str] = frozenset()  # names that a label must not take
    used: set[Node] = field(default_factory=set)  # the values that were called by name

    def called(self, value: Node) -> str:
        """The name of a value, which the text then uses."""
        self.used.add(value)
        return self.values[value]


@dataclass(slots=True)
class Piece:
    """One step as text; `heads` says that a line may begin with it, `alone` that it is a statement of its own."""

    text: str
    heads: bool = False
    alone: bool = False
    dense: bool = False


def statement(chain: Chain, scope: Scope, name: str | None, last: bool = False) -> list[Piece]:
    """A chain of a body, with the value that it ends in named; `last` says that its end is the net's output."""
    pieces = []
    if chain.base is not None and chain.base is not scope.flow:
        pieces.append(Piece(scope.called(chain.base), heads=True))
        scope.flow = chain.base
    return pieces + chain_pieces(chain.items, scope, name, last)


def chain_pieces(items: list[Item], scope: Scope, name: str | None = None, last: bool = False) -> list[Piece]:
    pieces = []
    for i, item in enumerate(items):
        at_end = i == len(items) - 1
        pieces += item_pieces(item, scope, name if at_end else None, last and at_end)
        scope.flow = item.node
    return pieces


def item_pieces(item: Item, scope: Scope, name: str | None, last: bool) -> list[Piece]:
    """One item as text. Recurses as merges nest."""
    match item:
        case Step():
            return [_step(item, scope, name, last)]
        case Merge() if item.test is not None:
            return [_optional(item, item.test, scope)]
        case Merge():
            text = _merge(item, scope)
            return [Piece(f"{text} as {name}" if name else text, heads=True)]
        case Call():
            return [_call(item, scope, name, last)]
        case Run():
            return _run(item, scope, name)
        case Loop():
            return _loop(item, scope, name)


def _step(item: Step, scope: Scope, name: str | None, last: bool) -> Piece:
    op = item.node.op
    heads = op.counts_depth or op.name in ("flatten", "global_avgpool", "global_maxpool", "adaptive_avgpool")
    dense = heads and item.node.type.rank == 2
    if item.shared is not None:
        return Piece(f"{item.shared} as {name}" if name else item.shared, heads)
    text = step_text(item)
    if item.path is None:
        return Piece(f"{text} as {name}" if name else text, heads, dense=dense)
    scope.counts[op.name] += 1
    return Piece(_labelled(text, op.name, item.path, item.label, scope, name, last), heads, dense=dense)


def step_text(item: Step) -> str:
    """`conv(64, 3, stride=stride)`."""
    op, parts = item.node.op, []
    shown = {f.name for f in shown_fields(item.node)}
    alone = op.name in ("dropout", "leaky_relu")
    for f in op.fields():
        if f.name in shown or f.name in item.written:
            text = grouped(item.written.get(f.name) or f.kind.show(getattr(op, f.name)))
            parts.append(text if f.required or alone else f"{f.name}={text}")
    return f"{op.name}({', '.join(map(grouped, parts))})" if parts else op.name


def grouped(text: str) -> str:
    """A number from 10,000 with `_`."""
    return f"{int(text):_}" if text.isdigit() and len(text) > 4 else text


def _labelled(
    text: str, kind: str, path: str, label: Template | None, scope: Scope, name: str | None, last: bool
) -> str:
    """A step with weights, with the label that gives it its path, and `name` for its value."""
    if not scope.keeps:
        return named(text, name, scope)
    wanted = label.text(scope.turn) if label is not None else path[len(scope.prefix) :]
    sure = not scope.in_loop and kind not in scope.unsure
    if sure and label is None and wanted == f"{kind}{scope.counts[kind]}":
        return f"{{ {text} }} as {name}" if name else text
    if name == wanted:
        return f"{text} as {name}"
    free = is_name(wanted) and wanted not in scope.names.taken and wanted not in scope.avoid
    if free and name is None and not last and not scope.in_loop:
        return f"{text} as {wanted}"
    text = f'{text} as "{wanted}"'
    return f"{{ {text} }} as {name}" if name else text


def named(text: str, name: str | None, scope: Scope) -> str:
    """A step with weights whose value has a name, which is its path too unless another is counted so: `conv2`."""
    if name is None:
        return text
    is_counted = name[-1].isdigit() and name.rstrip("0123456789") in scope.names.taken
    return f"{{ {text} }} as {name}" if is_counted else f"{text} as {name}"


def _call(item: Call, scope: Scope, name: str | None, last: bool) -> Piece:
    scope.counts[item.block.name] += 1
    text = call_text(item)
    if item.path is not None:
        text = _labelled(text, item.block.name, item.path, item.label, scope, name, last)
    else:
        text = named(text, name, scope)
    return Piece(text, heads=True)


def call_text(item: Call) -> str:
    """`bottleneck(64, stride=2)`: arguments by position up to the first that is left out."""
    parts, by_name = [], False
    for p in item.block.parameters:
        value = item.arguments[p.name]
        text = item.written.get(p.name) or grouped(show_argument(value))
        if p.default is not None and p.name not in item.written and value == p.default:
            by_name = True
        else:
            is_plain = p.default is None or text == p.name
            parts.append(text if is_plain and not by_name and not isinstance(value, bool) else f"{p.name}={text}")
    return f"{item.block.name}({', '.join(parts)})" if parts or item.block.parameters else f"{item.block.name}()"


def show_argument(value: object) -> str:
    """A value of a column as the language writes it."""
    from cnnlang.signature import show_number

    if isinstance(value, float):
        return show_number(value)
    if isinstance(value, tuple) and any(isinstance(v, float) for v in value):
        return f"[{', '.join(show_number(v) for v in value)}]"
    return show_value(value)


def _merge(item: Merge, scope: Scope) -> str:
    entry = scope.flow
    branches = []
    for chain in item.branches:
        scope.flow = entry
        if not chain.items:
            branches.append(["in" if chain.base is entry or chain.base is None else scope.called(chain.base)])
            continue
        lines = laid_out(statement(chain, scope, None), in_branch=True)
        if chain.test is not None:
            kinds = {i.node.op.name for i in chain.items if isinstance(i, Step)}
            kinds |= {i.block.name for i in chain.items if isinstance(i, Call)}
            scope.unsure |= kinds
            inside = "\n".join(lines)
            lines = [f"if {chain.test} {{ {inside} }}" if len(inside) < 60 else f"if {chain.test} {{\n{inside}\n}}"]
        branches.append(lines)
    scope.flow = item.node
    flat = f"{item.node.op.name} {{ {' '.join(f'| {b[0]}' for b in branches)} }}"
    if all(len(b) == 1 and "\n" not in b[0] for b in branches) and len(flat) <= WIDE - 20:
        return flat
    body = "\n".join("| " + "\n".join(b) for b in branches)
    return f"{item.node.op.name} {{\n{body}\n}}"


def _optional(item: Merge, test: str, scope: Scope) -> Piece:
    """A merge that is there on a condition, else its branch alone."""
    entry, counts = scope.flow, Counter(scope.counts)
    text = _merge(item, scope)
    scope.flow, scope.counts = entry, counts
    (branch,) = [chain for chain in item.branches if chain.items]
    alone = laid_out(chain_pieces(branch.items, scope))
    otherwise = opposite(test)
    return Piece(f"if {otherwise} {{\n{text}\n}} else {{\n{chr(10).join(alone)}\n}}", heads=True, alone=True)


def opposite(test: str) -> str:
    """`stride == 1 and in.channels == width` of `stride != 1 or in.channels != width`."""
    parts = test.split(" or ")
    if all(" != " in part for part in parts):
        return " and ".join(part.replace(" != ", " == ") for part in parts)
    return f"not {test}"


def _run(item: Run, scope: Scope, name: str | None) -> list[Piece]:
    """`bottleneck(64) * 3`, or a `for` where labels are counted; what differs in the first turn stands before."""
    total = item.written.get("n", str(len(item.turns) + bool(item.first)))
    kinds = kinds_in([*item.first, *(item.turns[0] if item.turns else [])])
    pieces: list[Piece] = []
    labelled = scope.keeps and bool(item.turns) and any(h.label is not None for h in holders(item.items))
    same = bool(item.first and item.turns) and _call_text(item.first) == _call_text(item.items)
    if item.first and not same:
        pieces += chain_pieces(item.first, scope)
    if not item.turns:
        scope.unsure |= kinds
        return pieces
    start = 1 if item.first and not same else 0
    if start and total == "2":
        kept, scope.turn = scope.turn, "1"
        was_in_loop, scope.in_loop = scope.in_loop, True
        pieces += chain_pieces(item.items, scope, name)
        scope.turn, scope.in_loop = kept, was_in_loop
        scope.unsure |= kinds
        return pieces
    holder = item.items[0]
    if labelled and not start and len(item.items) == 1 and isinstance(holder, Call | Step) and holder.label is not None:
        counted = holder.label.counted()
        if counted is not None:
            kind = holder.block.name if isinstance(holder, Call) else holder.node.op.name
            text = f"{call_text(holder) if isinstance(holder, Call) else step_text(holder)} * {times(total)}"
            scope.counts[kind] += 1
            return [Piece(_labelled(text, kind, scope.prefix + counted, None, scope, name, False), heads=True)]
    was_in_loop, scope.in_loop = scope.in_loop, True
    scope.flow = entry_of(item.items[0])
    inside = laid_out(chain_pieces(item.items, scope), in_branch=True)
    scope.in_loop = was_in_loop
    if labelled:
        span = total if not start else f"{start}, {total}"
        head = f"for {scope.turn} in range({span})"
        flat = f"{head} {{ {inside[0]} }}"
        text = flat if len(inside) == 1 and "\n" not in flat and len(flat) <= WIDE else _braced(head, inside)
        pieces.append(Piece(text if not name else f"{text}\n{{ {name} }}", heads=True, alone=True))
    else:
        count = times(total) if not start else str(int(total) - 1) if total.isdigit() else f"({total} - 1)"
        single = len(item.items) == 1 and isinstance(item.items[0], Call | Step)
        text = (
            inside[0]
            if single
            else _braced("", inside)
            if "\n" in inside[0] or len(inside) > 1
            else (f"{{ {inside[0]} }}")
        )
        pieces.append(Piece(named(f"{text} * {count}", name, scope), heads=True))
        if not single:
            kinds = {"repeat"}
    scope.unsure |= kinds
    return pieces


def times(count: str) -> str:
    """A number of repetitions, as it stands behind `*`."""
    return count if count.isidentifier() or count.isdigit() else f"({count})"


def is_statement(text: str) -> bool:
    """Whether a line is a statement of its own, which `->` cannot join."""
    return text.startswith(("for ", "if "))


def _loop(item: Loop, scope: Scope, name: str | None) -> list[Piece]:
    """`for width, n in [...] { ... }`."""
    names = [p.name for p in item.variables]
    was_in_loop, scope.in_loop = scope.in_loop, True
    scope.flow = entry_of(item.body[0])
    inside = laid_out(chain_pieces(item.body, scope))
    scope.in_loop = was_in_loop
    scope.unsure |= kinds_in(item.body)
    text = _braced(f"for {', '.join(names)} in {rows_text(item)}", inside)
    return [Piece(text, heads=True, alone=True)]


def rows_text(item: Loop) -> str:
    """What a loop goes through: a range, a list, lists in a `zip`, or rows."""
    columns = [column_text(p.values) for p in item.variables]
    if len(columns) == 1:
        return columns[0]
    zipped = f"zip({', '.join(columns)})"
    if len(columns) <= 4 and len(zipped) <= WIDE - 20:
        return zipped
    rows = zip(*(p.values for p in item.variables), strict=True)
    shown = [", ".join(map(show_argument, row)) for row in rows]
    return f"[\n{', '.join(f'({row})' for row in shown)}\n]"


def column_text(values: list[Any]) -> str:
    """`range(1, 5)` or `[64, 128]`."""
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values) and len(values) > 2:
        first = values[0]
        if values == list(range(first, first + len(values))):
            return f"range({first}, {first + len(values)})" if first else f"range({len(values)})"
    return f"[{', '.join(grouped(show_argument(v)) for v in values)}]"


def _call_text(items: list[Item]) -> str:
    return call_text(items[0]) if isinstance(items[0], Call) else ""


def _braced(head: str, lines: list[str]) -> str:
    return f"{head} {{\n{chr(10).join(lines)}\n}}".strip()


def kinds_in(items: list[Item]) -> set[str]:
    """The kinds of layers and blocks that a scope counts in items."""
    found: set[str] = set()
    stack = list(items)
    while stack:
        item = stack.pop()
        match item:
            case Step():
                found |= {item.node.op.name} if item.path is not None else set()
            case Call():
                found.add(item.block.name)
            case Merge():
                stack.extend(i for chain in item.branches for i in chain.items)
            case Run():
                stack.extend([*item.first, *(item.turns[0] if item.turns else [])])
            case Loop():
                stack.extend(item.body)
    return found


def holders(items: list[Item]) -> list[Step | Call]:
    """The steps and calls in items that have a label of their own."""
    found: list[Step | Call] = []
    stack = list(items)
    while stack:
        item = stack.pop()
        match item:
            case Step() | Call():
                found.append(item)
            case Merge():
                stack.extend(i for chain in item.branches for i in chain.items)
            case _:
                pass
    return found


def laid_out(pieces: list[Piece], in_branch: bool = False) -> list[str]:
    """Steps in lines: one for each layer with what follows it; in a branch on one line where that fits."""
    units: list[tuple[str, bool, bool]] = []  # text, whether it is a statement of its own, whether it is dense
    joins = False
    for piece in pieces:
        if piece.alone:
            units.append((piece.text, True, False))
            joins = False
            continue
        if units and joins and not (piece.heads and (not piece.dense or not units[-1][2])):
            text, _, dense = units[-1]
            joined = f"{text} -> {piece.text}"
            if not piece.heads or len(joined) <= SHORT:
                units[-1] = (joined, False, dense or piece.dense)
                continue
        if units and joins and piece.heads and _is_recall(units[-1][0]):
            units[-1] = (f"{units[-1][0]} -> {piece.text}", False, piece.dense)
            continue
        units.append((piece.text, False, piece.dense))
        joins = True
    if in_branch and not any(alone for _, alone, _ in units):
        flat = " -> ".join(text for text, _, _ in units)
        if len(flat) <= WIDE or len(units) == 1:
            return [flat]
        return ["\n-> ".join(text for text, _, _ in units)]
    return [text for text, _, _ in units]


def _is_recall(text: str) -> bool:
    return text.isidentifier()

"""The grammar of the language, and the tables that Lark makes of it.

`cnn.lark` is the grammar. Lark turns it into LALR(1) tables once, when `python -m cnnlang.grammar` is run; they are
kept in `cnn.table` as JSON (no pickle) and read in a few milliseconds, without Lark. A table that was made from another
grammar is not used: then Lark makes it anew, in memory.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).with_name("cnn.lark")
TABLE = Path(__file__).with_name("cnn.table")
STARTS = ("file", "expr")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one reduction takes from the stack, and what it leaves there.

    Parameters
    ----------
    origin
        The rule's name as the states have it, `rule chain`.
    kind
        The name of the tree node, `chain`: the alias, or else the rule's name.
    size
        How many symbols it takes.
    plan
        Which of them are children, in order: an index, `~index` for the children of a list, None for `[x]` left out.
    role
        `node`; `list`, for a rule that is only part of another; `pass`, which leaves a single child as it is.
    """

    origin: str
    kind: str
    size: int
    plan: tuple[int | None, ...]
    role: str


@dataclass(frozen=True, slots=True)
class Table:
    """The tables of the lexer and of the parser.

    Parameters
    ----------
    patterns
        Name and regular expression of each terminal that is not a fixed text, in the order in which they are tried.
    texts
        The fixed texts (`->`, `net`), longest first; each is its own kind of token.
    states
        For each state what a kind of token or a reduced rule (`rule chain`) does: n >= 0 goes to state n, n < 0 reduces
        rule ~n.
    starts
        The first and the last state of each start rule.
    """

    patterns: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]
    rules: tuple[Rule, ...]
    states: tuple[dict[str, int], ...]
    starts: dict[str, tuple[int, int]]


@cache
def load() -> Table:
    """The tables of the shipped grammar."""
    grammar = GRAMMAR.read_text(encoding="utf-8")
    data = stored()
    if data.get("grammar") != digest(grammar):
        data = generate(grammar)
    symbols = data["symbols"]
    return Table(
        patterns=tuple((name, pattern) for name, pattern in data["patterns"]),
        texts=tuple(data["texts"]),
        rules=tuple(Rule(origin, kind, size, tuple(plan), role) for origin, kind, size, plan, role in data["rules"]),
        states=tuple({symbols[s]: to for s, to in zip(row[::2], row[1::2], strict=True)} for row in data["states"]),
        starts={name: (first, last) for name, (first, last) in data["starts"].items()},
    )


def stored() -> dict[str, Any]:
    """What `cnn.table` holds; nothing where it is missing or cut short."""
    try:
        data = json.loads(TABLE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def digest(grammar: str) -> str:
    """What ties a table to the grammar that it was made from."""
    return f"{zlib.crc32(grammar.encode()):08x}"


def generate(grammar: str, *, strict: bool = False) -> dict[str, Any]:
    """Make the tables with Lark; about half a second.

    Parameters
    ----------
    strict
        Refuse every conflict of the grammar and every overlap of two terminals (this needs `interegular`).
    """
    import lark
    from lark.parsers.lalr_analysis import Shift

    made = lark.Lark(grammar, parser="lalr", lexer="basic", start=list(STARTS), strict=strict)
    parser: Any = made.parser.parser
    table = parser._parse_table
    fixed = {t.name: t.pattern.value for t in made.terminals if isinstance(t.pattern, lark.lexer.PatternStr)}
    # A rule and a word may be called the same.
    names = {str(rule.origin.name): f"rule {rule.origin.name}" for rule in made.rules}
    names |= {t.name: fixed.get(t.name, t.name) for t in made.terminals} | {"$END": "$END"}
    patterns = [t for t in made.terminals if t.name not in fixed]
    patterns.sort(key=lambda t: (-t.priority, -t.pattern.max_width, t.name))

    # Lark numbers states and rules by the order of sets; numbered in the order of a walk, the same grammar always
    # makes the same table.
    order = list(dict.fromkeys(table.start_states[name] for name in STARTS))
    rules: dict[Any, int] = {}
    rows = []
    for state in order:
        row = {}
        for symbol, (action, to) in sorted(table.states[state].items()):
            if action is Shift:
                if to not in order:
                    order.append(to)
                row[names[symbol]] = order.index(to)
            else:
                row[names[symbol]] = ~rules.setdefault(to, len(rules))
        rows.append(row)
    symbols = sorted({symbol for row in rows for symbol in row})
    number = {symbol: i for i, symbol in enumerate(symbols)}
    ends = table.end_states
    return {
        "grammar": digest(grammar),
        "lark": lark.__version__,
        "patterns": [[t.name, t.pattern.to_regexp()] for t in patterns],
        "texts": sorted(fixed.values(), key=lambda text: (-len(text), text)),
        "symbols": symbols,
        "rules": [_describe(rule) for rule in rules],
        "states": [[n for symbol, to in row.items() for n in (number[symbol], to)] for row in rows],
        "starts": {name: [order.index(table.start_states[name]), order.index(ends[name])] for name in STARTS},
    }


def _describe(rule: Any) -> list[Any]:
    """Lark's rule as the fields of a `Rule`."""
    plan: list[int | None] = []
    empty = list(rule.options.empty_indices)
    position = 0
    for index, symbol in enumerate(rule.expansion):
        while position < len(empty) and empty[position]:
            plan.append(None)
            position += 1
        position += 1
        if not (symbol.is_term and symbol.filter_out):
            plan.append(~index if symbol.name.startswith("_") and not symbol.is_term else index)
    plan.extend(None for missing in empty[position:] if missing)
    name = str(rule.origin.name)
    single = rule.options.expand1 and not rule.alias and len(plan) == 1
    if not rule.expansion or (single and (plan[0] is None or plan[0] < 0)):
        raise ValueError(f"the machine knows no empty rules, and passes no lists on: {rule}")
    role = "list" if name.startswith("_") else "pass" if single else "node"
    return [f"rule {name}", str(rule.alias or name), len(rule.expansion), plan, role]


def write(path: Path = TABLE) -> None:
    """Make the tables and keep them."""
    data = generate(GRAMMAR.read_text(encoding="utf-8"), strict=True)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in data.items())
    beside = path.with_suffix(".new")
    beside.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")
    beside.replace(path)

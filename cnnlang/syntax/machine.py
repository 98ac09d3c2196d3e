"""The LALR(1) machine: tokens in, syntax tree out."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

from cnnlang import grammar
from cnnlang.diagnostics import Diagnostic, Help
from cnnlang.errors import FindingsError
from cnnlang.source import Source, Span
from cnnlang.syntax.build import NODES
from cnnlang.syntax.tokens import END, Token
from cnnlang.syntax.tree import Name

MAX_DEPTH = 100
# The most errors that are told at once.
MAX_ERRORS = 20

# Rules that make their node deeper than its children, and those within which counting begins anew.
_DEEPER = frozenset(
    {"conditional", "logic_or", "logic_and", "unary", "compare", "arithmetic", "power", "index", "attribute"}
    | {"call", "tuple_expr", "list_expr", "tuple_target", "dict_expr", "if"}
)
_ANEW = frozenset({"body", "branch", "chain", "entry"})


# Rules that are looked into where no tree is made.
_LOOKED_INTO = frozenset({"template", "tensor_parameter"})

# What `Machine._pass` found, by its arguments.
_PASSES: dict[tuple[int, int, str], int] = {}


class Machine:
    """The stacks of a parse.

    Parameters
    ----------
    source
        What the spans of the tree refer to.
    start
        The rule to parse: `file` or `expr`.
    building
        Whether it makes the tree. A text with an error is read on without one.

    Attributes
    ----------
    findings
        What the grammar allows and cannot be: a number that is too large, a tree that is too deep, a label's errors.
    """

    def __init__(self, source: Source, start: str, building: bool = True) -> None:
        self.source = source
        self.building = building
        self.findings: list[Diagnostic] = []
        table = grammar.load()
        first, self.last = table.starts[start]
        self.table = table
        self.states = [first]
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.depths: list[int] = []

    def feed(self, tokens: Sequence[Token], at: int = 0) -> int:
        """Take tokens from `tokens[at:]`; the number of the first that cannot stand where it stands, or their count."""
        states, values, starts, ends, depths = self.states, self.values, self.starts, self.ends, self.depths
        actions, rules = self.table.states, self.table.rules
        source, last = self.source, self.last
        passes = _PASSES
        for i in range(at, len(tokens)):
            token = tokens[i]
            kind = token.kind
            while True:
                to = actions[states[-1]].get(kind)
                if to is None:
                    if kind == END and states[-1] == last:
                        return len(tokens)
                    return i
                if to >= 0:
                    states.append(to)
                    value: Any = token
                    if kind == "NAME":
                        value = Name(Span(source, token.start, token.end), source.text[token.start : token.end])
                    values.append(value)
                    starts.append(token.start)
                    ends.append(token.end)
                    depths.append(0)
                    break
                rule = rules[~to]
                size = rule.size
                if size == 1 and rule.role == "pass":
                    # `sum: product`, `product: negation`, ...: a number goes through a dozen of these.
                    key = states[-2], states[-1], kind
                    top = passes.get(key)
                    if top is None:
                        top = passes[key] = self._pass(*key)
                    states[-1] = top
                    continue
                children: list[Any] = []
                for index in rule.plan:
                    if index is None:
                        children.append(None)
                    elif index >= 0:
                        children.append(values[index - size])
                    elif children:
                        children.extend(values[~index - size])
                    else:
                        # The list so far of a rule such as `_statements`, extended in place: a copy would be quadratic.
                        children = values[~index - size]
                depth = max(depths[-size:])
                span = Span(source, starts[-size], ends[-1])
                if rule.role == "list":
                    node: Any = children
                elif rule.role == "pass":
                    node = children[0]
                else:
                    if rule.kind in _DEEPER:
                        depth += 1
                        if depth == MAX_DEPTH + 1:
                            self.findings.append(too_deep(span))
                    elif rule.kind in _ANEW:
                        depth = 0
                    node = self.node(rule.kind, span, children)
                del states[-size:], values[-size:], starts[-size:], ends[-size:], depths[-size:]
                states.append(actions[states[-1]][rule.origin])
                values.append(node)
                starts.append(span.start)
                ends.append(span.end)
                depths.append(depth)
        return len(tokens)

    def _pass(self, below: int, top: int, kind: str) -> int:
        """The state on top of `below` after all rules that only pass their one child on."""
        actions, rules = self.table.states, self.table.rules
        while True:
            to = actions[top].get(kind, 0)
            if to >= 0 or rules[~to].size != 1 or rules[~to].role != "pass":
                return top
            top = actions[below][rules[~to].origin]

    def node(self, kind: str, span: Span, children: list[Any]) -> Any:
        """The node of a rule; None where no tree is made."""
        if self.findings:
            self.building = False
        if not self.building and kind not in _LOOKED_INTO:
            return None
        try:
            return NODES[kind](span, *children)
        except FindingsError as error:
            self.findings.extend(error.diagnostics)
            return None

    def fork(self) -> Machine:
        """A machine in the same state, to try what comes of some tokens; it makes no tree."""
        fork = copy(self)
        fork.building, fork.findings = False, []
        fork.states, fork.values, fork.starts = list(self.states), list(self.values), list(self.starts)
        fork.ends, fork.depths = list(self.ends), list(self.depths)
        return fork

    def rewind(self, offset: int) -> None:
        """Forget what begins in the text before `offset` and ends after it, and all that follows."""
        kept = len(self.ends)
        while kept and self.ends[kept - 1] > offset:
            kept -= 1
        del self.states[kept + 1 :], self.values[kept:], self.starts[kept:], self.ends[kept:], self.depths[kept:]

    @property
    def result(self) -> Any:
        return self.values[-1]

    def expected(self) -> set[str]:
        """The kinds of tokens that can stand next."""
        actions = self.table.states[self.states[-1]]
        return {kind for kind in actions if not kind.startswith("rule ") and self._takes(kind)}

    def _takes(self, kind: str) -> bool:
        """Whether a token of this kind is shifted in the end; the look-ahead of LALR(1) may promise too much."""
        states = list(self.states)
        actions, rules = self.table.states, self.table.rules
        while True:
            to = actions[states[-1]].get(kind)
            if to is None:
                return kind == END and states[-1] == self.last
            if to >= 0:
                return True
            rule = rules[~to]
            del states[-rule.size :]
            states.append(actions[states[-1]][rule.origin])


def too_deep(span: Span) -> Diagnostic:
    """E0106 at a bracket or an expression."""
    return Diagnostic(
        "E0106",
        f"nested deeper than {MAX_DEPTH} levels",
        Span(span.source, span.start, min(span.end, span.start + 1)),
        help=(Help("name a part of it with `let` or make it a `block`"),),
    )

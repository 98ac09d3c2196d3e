"""Which tokens stand apart: `4*width` and `n - 1`, `stride=1` and `epochs = 12`, `-x` and `a - x`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from cnnlang.syntax import tree
from cnnlang.syntax.tokens import Token
from cnnlang.syntax.walk import walk

_ENDS_OPERAND = frozenset({"NAME", "INT", "FLOAT", "PAIR", "STRING", ")", "]", "true", "false", "none"})


class Spacing:
    """The spaces of one text.

    Parameters
    ----------
    file
        Its tree, which tells signs from operators.
    tokens
        Its tokens, without comments and line ends.
    """

    def __init__(self, file: tree.File, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.starts = [token.start for token in tokens]
        # The offsets of operators without spaces, of signs, of the colons of shape assertions, of the commas that make
        # a tuple of one, and of the braces around entries.
        self.tight: set[int] = set()
        self.signs: set[int] = set()
        self.assertions: set[int] = set()
        self.tuple_commas: set[int] = set()
        self.entry_braces: set[int] = set()
        for node in walk(file):
            self.visit(node)

    def in_label(self, node: tree.Tree) -> bool:
        """Whether a node is an expression in a string: its operators are no tokens."""
        token = self.tokens[bisect_right(self.starts, node.span.start) - 1]
        return token.kind == "STRING" and token.start < node.span.start

    def visit(self, node: tree.Tree) -> None:
        match node:
            case tree.Unary() | tree.Arithmetic() | tree.Power() | tree.TupleExpr() if self.in_label(node):
                pass
            case tree.Unary(op="-" | "+"):
                self.signs.add(node.span.start)
            case tree.Arithmetic() if node.rest[0][0] in "*//%":
                operands = [node.first, *(operand for _, operand in node.rest)]
                if all(map(_is_simple, operands)):
                    for (op, _), left in zip(node.rest, operands, strict=False):
                        self.tight.add(self.after(left.span.end, op))
            case tree.Power() if _is_simple(node.base) and _is_simple(node.exponent):
                self.tight.add(self.after(node.base.span.end, "**"))
            case tree.TupleExpr(items=(item,)):
                self.tuple_commas.add(self.after(item.span.end, ","))
            case tree.Step(shape=tuple(shape)):
                self.assertions.add(self.before(shape[0].span.start, ":"))
            case tree.Section() | tree.Check():
                self.entry_braces.add(self.after(node.span.start, "{"))
            case tree.Input(metadata=(first, *_)):
                self.entry_braces.add(self.before(first.span.start, "{"))
            case tree.DictExpr():
                self.entry_braces.add(node.span.start)
            case _:
                pass

    def after(self, offset: int, kind: str) -> int:
        """The offset of the first token of a kind from an offset on; `before` is the other way."""
        index = bisect_left(self.starts, offset)
        while self.tokens[index].kind != kind:
            index += 1
        return self.starts[index]

    def before(self, offset: int, kind: str) -> int:
        index = bisect_left(self.starts, offset)
        while self.tokens[index].kind != kind:
            index -= 1
        return self.starts[index]

    def apart(self, left: Token, right: Token, inside: str) -> bool:
        """Whether a space stands between two tokens on a line; `inside` is the bracket around the second."""
        a, b = left.kind, right.kind
        if b in (",", ")", "]", ".") or a in ("(", "[", "."):
            return False
        if left.start in self.signs:
            return False
        if left.start in self.tight or right.start in self.tight:
            return False
        if "=" in (a, b):
            return inside != "("
        if b == ":":
            return right.start in self.assertions
        if b == "(":
            return a != "NAME"
        if b == "[":
            return a not in _ENDS_OPERAND
        return True


def _is_simple(node: tree.Tree) -> bool:
    """Whether an operand may stand close to `*`: a name, a number, one in parentheses or with an index."""
    match node:
        case tree.Name() | tree.Constant() | tree.Pair() | tree.Index():
            return True
        case tree.Unary():
            return _is_simple(node.operand)
        case tree.Arithmetic():
            return True  # in parentheses, or it would not be an operand
        case _:
            return False

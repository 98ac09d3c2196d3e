"""Lines of Python as Black and ruff would write them: at most 88 columns, brackets broken from the outside in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from wcwidth import wcswidth

from cnnlang.backends.python_source.build import binary
from cnnlang.backends.python_source.code import (
    AND,
    OR,
    PRODUCT,
    SUM,
    Argument,
    Binary,
    Call,
    Code,
    Generator,
    Group,
    Items,
    Lit,
    Local,
    Ternary,
    closing,
)

WIDTH = 88
STEP = "    "
SHORT = 40  # columns


def columns(text: str) -> int:
    """The columns that a text takes on a screen; a Hangul syllable takes two."""
    width = wcswidth(text)
    return width if width >= 0 else len(text)


def fits(text: str) -> bool:
    return columns(text) <= WIDTH


def has_comments(made: Code) -> bool:
    stack = [made]
    while stack:
        part = stack.pop()
        if isinstance(part, Argument) and part.comment:
            return True
        stack.extend(part.parts)
    return False


@dataclass(eq=False)
class Line:
    """A statement `head expression tail` with a comment; `self.bn = nn.BatchNorm2d(64)`."""

    head: str
    made: Code
    tail: str = ""
    comment: str = ""


@dataclass(eq=False)
class If:
    test: Code
    then: Block
    otherwise: Block


@dataclass(eq=False)
class For:
    target: str
    iterable: Code
    body: Block


Statement: TypeAlias = Line | If | For
Block: TypeAlias = list[Statement]


def rendered(block: Block, indent: str) -> list[str]:
    """The lines of statements, conditions put together where they can be."""
    lines: list[str] = []
    for each in block:
        match each:
            case Line(head=head, made=made, tail=tail, comment=comment):
                lines += statement(head, made, tail, indent, comment)
            case For(target=target, iterable=iterable, body=body):
                lines += statement(f"for {target} in ", iterable, ":", indent)
                lines += rendered(body, indent + STEP)
            case If():
                lines += _condition(each, "if", indent)
    return lines


def _condition(each: If, word: str, indent: str) -> list[str]:
    test, then, otherwise = each.test, each.then, each.otherwise
    inner = indent + STEP
    while not otherwise and len(then) == 1 and isinstance(sole := then[0], If) and not sole.otherwise:
        test, then = binary("and", test, sole.test), sole.then  # `if a: if b:` is `if a and b:`
    body = rendered(then, inner)
    while len(otherwise) == 1 and isinstance(sole := otherwise[0], If) and rendered(sole.then, inner) == body:
        test, otherwise = binary("or", test, sole.test), sole.otherwise
    lines = [*statement(f"{word} ", test, ":", indent), *body]
    if len(otherwise) == 1 and isinstance(sole := otherwise[0], If):
        return [*lines, *_condition(sole, "elif", indent)]
    rest = rendered(otherwise, inner)
    if rest == body and word == "if":
        return rendered(then, indent)
    return [*lines, f"{indent}else:", *rest] if rest else lines


def statement(head: str, made: Code, tail: str, indent: str, comment: str = "") -> list[str]:
    """The lines of `head expression tail`, with a comment beside it, or above it where there is no room."""
    lines = _laid(indent + head, made, tail, indent, bracketed=False)
    return commented(lines, comment, indent)


def commented(lines: list[str], comment: str, indent: str) -> list[str]:
    if not comment:
        return lines
    last = f"{lines[-1]}  # {comment}"
    return [*lines[:-1], last] if fits(last) else [f"{indent}# {comment}", *lines]


def _laid(head: str, made: Code, tail: str, indent: str, *, bracketed: bool) -> list[str]:
    flat = f"{head}{made}{tail}"
    if fits(flat) and not has_comments(made):
        return [flat]
    match made:
        case Lit(value=[_, *_] as value):
            open = "[" if isinstance(value, list) else "("
            return _laid(head, Items(open, tuple(map(Lit, value))), tail, indent, bracketed=bracketed)
        case Argument():
            return _argument(made, tail, indent)
        case Call(function=Call(function=function, arguments=[_, *_] as arguments), arguments=applied) if all(
            map(_is_short, applied)
        ) and not fits(f"{head}{made.function}("):
            # a layer is broken in its construction, not in what it is applied to
            end = f"){made.applied}{tail}"
            return [f"{head}{function.within(9)}(", *_arguments(arguments, indent + STEP), f"{indent}{end}"]
        case Call(function=function, arguments=arguments) if arguments:
            open = f"{head}{function.within(9)}("
            return [open, *_arguments(arguments, indent + STEP), f"{indent}){tail}"]
        case Items(open=open, items=items) if items:
            inner = indent + STEP
            comma = "," if len(items) > 1 or open == "(" else ""
            lines = []
            for item in items:
                comment = item.comment if isinstance(item, Argument) else ""
                lines += commented(_laid(inner, item, comma, inner, bracketed=True), comment, inner)
            return [head + open, *lines, f"{indent}{closing(open)}{tail}"]
        case Group(inner=inside):
            return _in_parentheses(head, inside, tail, indent)
    if bracketed:
        return _split(head, made, tail, indent)
    return _in_parentheses(head, made, tail, indent)


def _is_short(argument: Argument) -> bool:
    """A name, or a list of some."""
    made = argument.value
    return isinstance(made, Local) or (isinstance(made, Items) and len(str(made)) < SHORT)


def _in_parentheses(head: str, made: Code, tail: str, indent: str) -> list[str]:
    inner = indent + STEP  # an expression that is too long stands in parentheses
    whole = f"{inner}{made}"
    body = [whole] if fits(whole) else _split(inner, made, "", inner)
    return [f"{head}(", *body, f"{indent}){tail}"]


def _arguments(arguments: tuple[Argument, ...], indent: str) -> list[str]:
    """Arguments between parentheses that are broken: all on one line where they fit, else one a line."""
    row = indent + ", ".join(map(str, arguments))
    if fits(row) and not any(map(has_comments, arguments)):
        return [row]
    comma = "," if len(arguments) > 1 else ""  # one alone gets none
    lines: list[str] = []
    for argument in arguments:
        laid = _argument(argument, comma, indent)
        lines += commented(laid, argument.comment, indent)
    return lines


def _argument(argument: Argument, comma: str, indent: str) -> list[str]:
    flat = f"{indent}{argument}{comma}"
    if fits(flat) and not has_comments(argument.value):
        return [flat]
    if isinstance(argument.value, Generator):
        if not argument.star:
            return _split(indent, argument.value, comma, indent)
        inner = indent + STEP
        whole = f"{inner}{argument.value}"
        body = [whole] if fits(whole) and not has_comments(argument.value) else _split(inner, argument.value, "", inner)
        return [f"{indent}*(", *body, f"{indent}){comma}"]
    return _laid(indent + argument.head, argument.value, comma, indent, bracketed=True)


def _split(head: str, made: Code, tail: str, indent: str) -> list[str]:
    """An expression inside brackets, broken before its operators."""
    match made:
        case Binary() if made.level in (OR, AND, SUM, PRODUCT):
            first, rest = _operands(made)
            lines = _laid(head, _operand(first, made.level), "", indent, bracketed=True)
            for i, (op, operand) in enumerate(rest):
                end = tail if i == len(rest) - 1 else ""
                lines += _laid(f"{indent}{op} ", _operand(operand, made.level + 1), end, indent, bracketed=True)
            return lines
        case Ternary(then=then, test=test, otherwise=otherwise):
            return [
                *_laid(head, _operand(then, OR), "", indent, bracketed=True),
                *_laid(f"{indent}if ", _operand(test, OR), "", indent, bracketed=True),
                *(
                    _split(f"{indent}else ", otherwise, tail, indent)  # `else b if ... else c` is one chain
                    if isinstance(otherwise, Ternary)
                    else _laid(f"{indent}else ", otherwise, tail, indent, bracketed=True)
                ),
            ]
        case Generator(element=element, target=target, iterable=iterable):
            return [
                *_laid(head, element, "", indent, bracketed=True),
                *_laid(f"{indent}for {target} in ", iterable, tail, indent, bracketed=True),
            ]
    return [f"{head}{made}{tail}"]


def _operand(made: Code, level: int) -> Code:
    return made if made.level >= level else Group(made)


def _operands(made: Binary) -> tuple[Code, list[tuple[str, Code]]]:
    """The operands of one level of precedence, from left to right."""
    rest: list[tuple[str, Code]] = []
    left: Code = made
    while isinstance(left, Binary) and left.level == made.level:
        rest.insert(0, (left.op, left.right))
        left = left.left
    return left, rest

"""An operator's own line, `F.relu({x})`, as an expression."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from cnnlang.backends.python_source.code import (
    Argument,
    Attribute,
    Binary,
    Call,
    Code,
    Items,
    Lit,
    Local,
    Slice,
    Subscript,
    Unary,
    Unknown,
)


def parsed(template: str, parts: Mapping[str, Code]) -> Code:
    """An operator's `torch` line, `F.relu({x})`, with expressions in its braces.

    Raises
    ------
    Unknown
        It names something that is not among the parts.
    """
    holes = {name: f"_{i}_hole" for i, name in enumerate(parts)}
    try:
        filled = template.format_map(holes)
    except KeyError:
        raise Unknown from None
    fill = {holes[name]: part for name, part in parts.items()}
    return _from_ast(ast.parse(filled, mode="eval").body, fill)


def _from_ast(node: ast.expr, fill: Mapping[str, Code]) -> Code:
    def new(part: ast.expr) -> Code:
        return _from_ast(part, fill)

    match node:
        case ast.Name(id=name):
            return fill.get(name, Local(name))
        case ast.Constant(value=str(value)) if value in fill:
            return fill[value]  # {mode} within quotes
        case ast.Constant(value=value):
            return Lit(value)
        case ast.Attribute(value=value, attr=name):
            return Attribute(new(value), name)
        case ast.Call(func=target, args=arguments, keywords=keywords):
            made = [_argument(a, fill) for a in arguments]
            made += [Argument(new(k.value), k.arg or "") for k in keywords]
            return Call(new(target), tuple(made))
        case ast.UnaryOp(op=op, operand=operand):
            return Unary({ast.USub: "-", ast.UAdd: "+", ast.Not: "not"}[type(op)], new(operand))
        case ast.BinOp(left=left, op=op, right=right):
            return Binary(_SIGNS[type(op)], new(left), new(right))
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return Items("(" if isinstance(node, ast.Tuple) else "[", tuple(p for e in parts for p in _spread(e, fill)))
        case ast.Subscript(value=value, slice=ast.Tuple(elts=parts)):
            return Subscript(new(value), tuple(map(new, parts)))
        case ast.Subscript(value=value, slice=at):
            return Subscript(new(value), (new(at),))
        case ast.Slice(lower=lower, upper=upper):
            return Slice(new(lower) if lower else None, new(upper) if upper else None)
    raise Unknown


_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}


def _argument(node: ast.expr, fill: Mapping[str, Code]) -> Argument:
    return Argument(_from_ast(node, fill))


def _spread(node: ast.expr, fill: Mapping[str, Code]) -> tuple[Code, ...]:
    """The items that one stands for: `{xs}` in a list is all branches."""
    made = _from_ast(node, fill)
    return made.items if isinstance(made, Items) and made.open == "" else (made,)

"""A reduced grammar rule to its node of the syntax tree.

`NODES` says for each kind of rule what is made of its children: nodes, tuples of nodes, tokens that the grammar keeps,
and None for what was left out. Most are a dataclass that takes them as they come.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from cnnlang.diagnostics import Diagnostic, Edit, Help
from cnnlang.errors import FindingsError
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.syntax.numbers import check_number, number, pair
from cnnlang.syntax.tokens import Token

MakeNode: TypeAlias = Callable[..., Any]

_WORDS = {"true": True, "false": False, "none": None}
_ESCAPE = re.compile(r'\\(["\\])')


def text_of(span: Span, token: Token) -> str:
    return span.source.text[token.start : token.end]


def _constant(span: Span, token: Token) -> tree.Constant:
    text = text_of(span, token)
    if token.kind == "STRING":
        return tree.Constant(span, _ESCAPE.sub(r"\1", text[1:-1]), text)
    if token.kind in _WORDS:
        return tree.Constant(span, _WORDS[token.kind], text)
    _check(text, span)
    return tree.Constant(span, number(text), text)


def _pair(span: Span, token: Token) -> tree.Pair:
    text = text_of(span, token)
    _check(text, span)
    return tree.Pair(span, *pair(text))


def _check(text: str, span: Span) -> None:
    problem = check_number(text, span)
    if problem:
        raise FindingsError([problem])


_STRING = re.compile(r'"(?:[^"\\\n]|\\["\\])*"')
_PART = re.compile(r'\{(?P<expr>[^{}]*)\}|(?P<text>(?:\\["\\]|[^{}\\])+)')


def _template(span: Span, token: Token) -> tree.Template:
    from cnnlang.syntax.parser import parse_range

    parts: list[str | tree.Expr] = []
    if not _STRING.fullmatch(text_of(span, token)):
        return tree.Template(span, ())  # a string with an error of its own, which stands here as it was meant
    at, end = token.start + 1, token.end - 1
    while at < end:
        found = _PART.match(span.source.text, at, end)
        if not found:
            brace = Span(span.source, at, at + 1)
            opens = brace.text == "{"
            words = "is never closed" if opens else "closes nothing"
            edit = Edit(Span(span.source, end, end), "}") if opens else Edit(brace, "")
            cure = Help("close it with `}`" if opens else "leave the `}` out", (edit,))
            raise FindingsError([Diagnostic("E0102", f"`{brace.text}` {words} in this label", brace, help=(cure,))])
        if found["expr"] is None:
            parts.append(_ESCAPE.sub(r"\1", found["text"]))
        else:
            parts.append(parse_range(span.source, *found.span("expr")))
        at = found.end()
    return tree.Template(span, tuple(parts))


def _items(span: Span, *children: Any) -> tuple[Any, ...]:
    return children


def _rest(span: Span, first: Any, *children: Any) -> tuple[Any, tuple[tuple[str, Any], ...]]:
    """`first op operand op operand ...` as the first and the pairs after it."""
    signs = (c if isinstance(c, str) else c.kind for c in children[::2])
    return first, tuple(zip(signs, children[1::2], strict=True))


def _if(span: Span, test: tree.Expr, then: Any, otherwise: Any) -> tree.If:
    return tree.If(span, test, then, (otherwise,) if isinstance(otherwise, tree.If) else otherwise)


def _tensor_parameter(span: Span, name: tree.Name, kind: tree.Name) -> tree.Parameter:
    if kind.name != "tensor":
        message = f"a parameter has no type but `tensor`, found `{kind.name}`"
        edit = Edit(Span(span.source, name.span.end, kind.span.end), "")
        raise FindingsError([Diagnostic("E0107", message, kind.span, help=(Help("leave the type out", (edit,)),))])
    return tree.Parameter(span, name, None, True)


def _value_step(span: Span, action: tree.Action) -> tree.Step:
    return tree.Step(span, action)


def _pipeline(span: Span, *steps: tree.Step) -> tree.Pipeline:
    return tree.Pipeline(span, tree.Chain(span, steps))


NODES: dict[str, MakeNode] = {
    # files
    "file": lambda span, version, *items: tree.File(span, int(text_of(span, version)), items),
    "import": lambda span, origin, *names: tree.Import(span, origin, names),
    "import_name": tree.ImportName,
    "dotted": lambda span, *names: tree.Name(span, ".".join(n.name for n in names)),
    "block": lambda span, name, parameters, body: tree.Block(span, name, parameters or (), body),
    "net": lambda span, name, parameters, body: tree.Net(span, name, parameters or (), body),
    "variant": lambda span, name, base, sections: tree.Variant(span, name, base, sections or ()),
    "parameters": _items,
    "parameter": tree.Parameter,
    "tensor_parameter": _tensor_parameter,
    "sections": _items,
    # statements
    "body": _items,
    "input": lambda span, name, shape, entries: tree.Input(span, name, shape, entries or ()),
    "labels": tree.Labels,
    "output": lambda span, *items: tree.Output(span, items),
    "output_item": tree.OutputItem,
    "aux": lambda span, name, arguments, chain: tree.Aux(span, name, arguments or (), chain),
    "section": lambda span, kind, entries: tree.Section(span, kind.kind, entries),
    "check": tree.Check,
    "let": tree.Let,
    "group": tree.Group,
    "shared": tree.Shared,
    "for": tree.For,
    "if": _if,
    "targets": _items,
    "tuple_target": lambda span, *items: tree.TupleTarget(span, items),
    "entries": _items,
    "entry": tree.Entry,
    "conditions": _items,
    # steps
    "chain": lambda span, *steps: tree.Chain(span, steps),
    "step": tree.Step,
    "braces": tree.Braces,
    "call": lambda span, name, arguments: tree.Call(span, name, arguments, True),
    "bare": tree.Call,
    "merge": lambda span, name, arguments, branches: tree.Merge(span, name, arguments or (), branches),
    "arguments": _items,
    "argument": tree.Argument,
    "branches": _items,
    "branch": lambda span, *body: tree.Branch(span, Span(span.source, span.start, span.start + 1), body),
    "template": _template,
    "shape": _items,
    "value_step": _value_step,
    "pipeline": _pipeline,
    "merge_value": lambda span, merge: _pipeline(span, tree.Step(span, merge)),
    "dict_expr": tree.DictExpr,
    # expressions
    "conditional": tree.Conditional,
    "logic_or": lambda span, *operands: tree.Logic(span, "or", operands),
    "logic_and": lambda span, *operands: tree.Logic(span, "and", operands),
    "unary": lambda span, sign, operand: tree.Unary(span, sign.kind, operand),
    "compare": lambda span, *children: tree.Compare(span, *_rest(span, *children)),
    "comparator": lambda span, *signs: " ".join(sign.kind for sign in signs),
    "arithmetic": lambda span, *children: tree.Arithmetic(span, *_rest(span, *children)),
    "power": tree.Power,
    "index": tree.Index,
    "attribute": tree.Attribute,
    "pair": _pair,
    "constant": _constant,
    "tuple_expr": lambda span, *items: tree.TupleExpr(span, items),
    "list_expr": lambda span, *items: tree.ListExpr(span, items),
    "in": tree.In,
}

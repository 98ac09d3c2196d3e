"""What a node's `doc_string` says of the step that it belongs to: the operator as the language writes it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from cnnlang.errors import OperatorError
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op
from cnnlang.ops.conv import Convolution
from cnnlang.signature import Value

LONGEST = 2_000  # characters; a hint that is longer is none

_CALL = re.compile(r"([a-z_0-9]+)(?:\((.*)\))?", re.ASCII)
_ARGUMENT = re.compile(r'(?:([a-z_]+)=)?("[a-z_]*"|\([^()\[\]]*\)|\[[^()\[\]]*\]|[^,()\[\]"=\s]+)(?:, |$)', re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_WORDS: dict[str, Value] = {"true": True, "false": False, "none": None}


def write(op: Op) -> str:
    """The text of an operator; a fixed kernel's numbers stand in an initializer, and are left out."""
    text = str(without_kernel(op))
    return text if len(text) <= LONGEST else ""


def without_kernel(op: Op) -> Op:
    """A convolution with a fixed kernel as one that learns, with a bias if it has one."""
    if isinstance(op, Convolution) and op.weight is not None:
        plain: Any = op
        learning: Op = replace(plain, weight=None, bias=op.has_bias)
        return learning
    return op


def read(text: str) -> Op | None:
    """The operator of a hint; None for any other text. The text is untrusted, and so is what it says."""
    call = _CALL.fullmatch(text) if len(text) <= LONGEST else None
    if call is None or call[1] not in OPERATORS:
        return None
    operator = OPERATORS[call[1]]
    fields = [f.name for f in operator.fields()]
    values: dict[str, Value] = {}
    rest, place = call[2] or "", 0
    while place < len(rest):
        argument = _ARGUMENT.match(rest, place)
        if argument is None:
            return None
        name = argument[1] or (fields[len(values)] if len(values) < len(fields) else "")
        if name not in fields or name in values:
            return None
        try:
            values[name] = _value(argument[2])
        except ValueError:
            return None
        place = argument.end()
    if any(f.required and f.name not in values for f in operator.fields()):
        return None
    try:
        return operator.make(values)
    except OperatorError:
        return None


def _value(text: str) -> Value:
    """A value of the language; ValueError for what is none."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == '"':
        return text[1:-1]
    if text[0] in "([":
        items = [_number(part) for part in text[1:-1].split(", ")]
        return tuple(items) if text[0] == "(" else items
    if "x" in text:
        height, _, width = text.partition("x")
        return (_number(height), _number(width))
    return _number(text)


def _number(text: str) -> int | float:
    """An integer of 64 bits or a finite number."""
    if _INTEGER.fullmatch(text):
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value

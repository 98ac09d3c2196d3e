"""Cures of what a block was given: they belong to the call that gave it, since other calls share the block."""

from __future__ import annotations

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.removal import at
from cnnlang.expand.frames import Frame
from cnnlang.source import Expansion, Span
from cnnlang.syntax import tree
from cnnlang.syntax.walk import walk


def in_the_call(help: tuple[Help, ...], frame: Frame) -> tuple[Help, ...]:
    """Cures whose edits replace a block's parameter, with edits of the argument in the block's call instead.

    One without edits is left where the call is in another file, or passes on a parameter of its own.
    """
    return help if frame.within is None else tuple(_moved(each, frame, frame.within) for each in help)


def _moved(help: Help, frame: Frame, within: Expansion) -> Help:
    edits = []
    for edit in help.edits:
        name = edit.span.text
        if not frame.env.is_outermost(name) or name not in frame.env.numbers():
            edits.append(edit)
            continue
        moved = _edit(name, edit.text, frame, within.call)
        if moved is None:
            return Help(help.text)
        edits.append(moved)
    return Help(help.text, tuple(edits))


def _edit(name: str, text: str, frame: Frame, place: Span) -> Edit | None:
    for call in walk(frame.module.file):
        if not isinstance(call, tree.Call) or (call.span.source, call.span.start) != (place.source, place.start):
            continue
        definition = frame.module.definitions.get(call.name.name)
        order = [p.name.name for p in definition.parameters] if definition is not None else []
        for i, argument in enumerate(call.arguments):
            if name == (argument.name.name if argument.name is not None else order[i]):
                is_plain = isinstance(argument.value, tree.Constant)
                return Edit(argument.value.span, text) if is_plain else None
        if name in order and call.parens:
            end = call.arguments[-1].span.end if call.arguments else call.span.end - 1
            return Edit(at(call.span, end), f"{', ' if call.arguments else ''}{name}={text}")
    return None

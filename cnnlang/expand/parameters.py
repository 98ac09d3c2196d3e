"""What blocks and nets can be given: the parameters of a definition, and how it is called."""

from __future__ import annotations

from cnnlang.expand.arguments import Callee, Slot
from cnnlang.expand.modules import Definition
from cnnlang.syntax import tree


def parameters_of(definition: Definition) -> tuple[tree.Parameter, ...]:
    """The parameters of a block or net; a variant has its base's, those that it binds no longer required."""
    syntax = definition.syntax
    if not isinstance(syntax, tree.Variant):
        return syntax.parameters
    base = definition.module.definitions.get(syntax.base.name.name)
    if base is None or base is definition:
        return ()
    parameters = parameters_of(base)
    bound = {p.name.name: a.value for p, a in zip(parameters, syntax.base.arguments, strict=False) if a.name is None}
    bound |= {a.name.name: a.value for a in syntax.base.arguments if a.name is not None}
    return tuple(tree.Parameter(p.span, p.name, bound.get(p.name.name, p.default), p.tensor) for p in parameters)


def callee_of(definition: Definition) -> Callee:
    """How a definition is called."""
    parameters = parameters_of(definition)
    slots = tuple(Slot(p.name.name, p.default is None, p.tensor) for p in parameters)
    inside = ", ".join(
        f"{p.name.name}: tensor"
        if p.tensor
        else p.name.name
        if p.default is None
        else f"{p.name.name}={p.default.span.text}"
        for p in parameters
    )
    return Callee(definition.name, slots, f"{definition.name}({inside})", {})

"""Classes for everything that a net applies: which instances share one, in what order they stand, and the net's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnnlang.backends.python_source.build import substituted
from cnnlang.backends.python_source.code import Code
from cnnlang.backends.python_source.compiler import Compiler, docstring
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.names import CONSTANTS, free
from cnnlang.backends.python_source.shapes import Shapes
from cnnlang.backends.python_source.steps import (
    Apply,
    Define,
    Definition,
    Differs,
    Lowered,
    Merge,
    Parameter,
    Row,
    Val,
    every,
)
from cnnlang.backends.python_source.use import Use
from cnnlang.backends.torch_source import rules_conv, rules_merge, rules_norm, rules_pool, rules_shape
from cnnlang.backends.torch_source.names import MODULE_NAMES, class_name, net_name
from cnnlang.backends.torch_source.repeating import TorchLowering
from cnnlang.backends.torch_source.rules import Piece, merged, pieces
from cnnlang.backends.torch_source.source import ClassSource, written
from cnnlang.ops import Op
from cnnlang.program import Program

TARGET = "torch"
FAMILIES = (rules_conv, rules_merge, rules_norm, rules_pool, rules_shape)  # importing them registers their rules
HELPERS = frozenset({"fixed_kernel", "real_avg_pool2d", "uneven_avg_pool2d", "GroupNorm", "Normalize", "SamePad"})


@dataclass(eq=False)
class Made:
    """A class with its source and its constructor's parameters, as text."""

    source: ClassSource
    parameters: list[str]


class TorchCompiler(Compiler[Made]):
    """Compiles a program to classes."""

    target = TARGET
    reserved = MODULE_NAMES

    def __init__(self, program: Program) -> None:
        super().__init__(program, MODULE_NAMES | HELPERS | CONSTANTS)

    def net_name(self) -> str:
        return net_name(self.program.name, self.taken)

    def called(self, block: str) -> str:
        return class_name(block)

    def lowering(self, rows: list[Row], *, is_root: bool = False, unrolled: bool = False) -> TorchLowering:
        return TorchLowering(self, rows, is_root=is_root, unrolled=unrolled)

    def pieces(self, op: Op, use: Use[Any]) -> Sequence[Piece]:
        return pieces(op, use)

    def merged(self, op: Op, ranks: list[int]) -> Callable[[list[Code]], Code]:
        return merged(op, ranks)

    def finished(self, lowered: Lowered, name: str, tensors: tuple[str, ...], *, is_root: bool = False) -> Definition:
        describe = Shapes(lowered, is_root=is_root)
        sentence = "" if is_root else docstring(lowered, describe)
        source = written(lowered, name, [p.name for p in lowered.parameters], describe, is_root=is_root)
        source.docstring = sentence
        for parameter in lowered.parameters:
            parameter.kept = parameter.name in source.used
        shown = [p for p in lowered.parameters if p.kept]
        for i, parameter in enumerate(shown):  # a default may not stand before a parameter without one
            if parameter.default is not None and any(p.default is None for p in shown[i + 1 :]):
                parameter.default, parameter.computed = None, parameter.default
        self.taken.add(name)
        self.made.append(Made(source, [p.name if p.default is None else f"{p.name}={p.default}" for p in shown]))
        channels = None if is_root else lowered.outputs[0].channels
        defines = {s.name: s.value for s in every(lowered.steps) if isinstance(s, Define)}
        while channels is not None and names(channels) & defines.keys():
            channels = substituted(channels, defines)
        return Definition(name, tuple(lowered.parameters), tensors, channels, len(lowered.heads), lowered.reads)

    def turn_class(self, name: str, lowered: Lowered) -> Definition:
        """The class of the turns of `{ ... } * n`; what it reads of the body around it are parameters too."""
        own = {p.name for p in lowered.parameters} | {s.name for s in every(lowered.steps) if isinstance(s, Define)}
        made_inside = {v for s in every(lowered.steps) for v in _made(s)} | set(lowered.entries)
        captured: list[Val] = []
        for step in every(lowered.steps):
            for val in _read(step):
                if val not in made_inside and val not in captured:
                    captured.append(val)
        kept = self.snapshot()
        try:
            lowered.entries += captured
            outer = {n for row in lowered.rows for n in _visible(row)} - own
            lowered.parameters += [Parameter(n, "captured", n) for n in sorted(outer)]
            info = self.finished(lowered, free(class_name(name), self.taken), ())
        except Differs:
            self.restore(kept)
            raise
        return replace(info, captured=tuple(captured))


def _made(step: object) -> Iterator[Val]:
    output = getattr(step, "output", None)
    if isinstance(output, Val):
        yield output
    yield from getattr(step, "extra", ())
    inner = getattr(step, "inner", None)
    if isinstance(inner, Val):
        yield inner
    yield from (out for out, _, _ in getattr(step, "outputs", ()))


def _read(step: object) -> Iterator[Val]:
    match step:
        case Apply(inputs=inputs):
            yield from inputs
        case Merge(branches=branches):
            yield from (end for _, end in branches)
        case _:
            yield from (v for v in (getattr(step, "entry", None), getattr(step, "exit", None)) if isinstance(v, Val))
            for _, *ends in getattr(step, "outputs", ()):
                yield from (v for v in ends if v is not None)


def _visible(row: Row) -> Iterator[str]:
    """The names of the rows around a row."""
    outer = row.parent
    while outer is not None:
        yield from outer.values
        outer = outer.parent


def expressible(op: Op) -> bool:
    """Whether PyTorch has something for an operator."""
    rule = merged if op.is_merge else pieces
    return op.torch is not None or rule.dispatch(type(op)) is not rule.dispatch(Op)

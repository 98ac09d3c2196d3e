"""Functions for everything that a net applies, and the net's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlang.backends.keras_source import (
    rules_conv,
    rules_merge,
    rules_norm,
    rules_pool,
    rules_shape,
)
from cnnlang.backends.keras_source.flattening import flattening
from cnnlang.backends.keras_source.lowering import KerasLowering
from cnnlang.backends.keras_source.names import MODULE_NAMES, PREFIX, function_name, net_name
from cnnlang.backends.keras_source.rules import Piece, merged, pieces
from cnnlang.backends.keras_source.source import FunctionSource, sequence, written
from cnnlang.backends.python_source.build import substituted
from cnnlang.backends.python_source.code import Code, Lit
from cnnlang.backends.python_source.compiler import Compiler, applied_in, docstring
from cnnlang.backends.python_source.evaluate import names
from cnnlang.backends.python_source.names import CONSTANTS
from cnnlang.backends.python_source.records import body_nodes
from cnnlang.backends.python_source.shapes import Shapes
from cnnlang.backends.python_source.steps import Define, Definition, Lowered, Parameter, Row, every
from cnnlang.backends.python_source.use import Use
from cnnlang.ir import TensorType
from cnnlang.ops import Op
from cnnlang.ops.base import Weight
from cnnlang.program import Applied, Program

TARGET = "keras"
FAMILIES = (rules_conv, rules_merge, rules_norm, rules_pool, rules_shape)  # importing them registers their rules
MAX_SEQUENCE = 60  # layers


@dataclass(eq=False)
class Made:
    """A function with its parameters, as text."""

    source: FunctionSource
    parameters: list[str]


class KerasCompiler(Compiler[Made]):
    """Compiles a program to functions.

    Attributes
    ----------
    uses
        The types that enter, each time that something is applied, by the path of what is applied.
    flattening
        How maps are flattened.
    """

    target = TARGET
    reserved = MODULE_NAMES

    def __init__(self, program: Program) -> None:
        super().__init__(program, MODULE_NAMES | CONSTANTS | helper_names())
        self.flattening = flattening(program)
        self.permuted = self.flattening.permuted
        self.uses = _uses(program)
        self.as_sequence = False

    def net_name(self) -> str:
        return net_name(self.program.name, self.taken)

    def called(self, block: str) -> str:
        return function_name(block)

    def lowering(self, rows: list[Row], *, is_root: bool = False, unrolled: bool = False) -> KerasLowering:
        return KerasLowering(self, rows, is_root=is_root, unrolled=unrolled)

    def pieces(self, op: Op, use: Use[Any]) -> Sequence[Piece]:
        return pieces(op, use)

    def merged(self, op: Op, ranks: list[int]) -> Callable[[list[Code]], Code]:
        return merged(op, ranks)

    def has_several_sizes(self, path: str) -> bool:
        """Whether maps of several sizes enter what stands at a path."""
        return len({tuple(t.shape[2:] for t in types) for types in self.uses.get(path, ())}) > 1

    def orders(self) -> Iterator[bool]:
        if _is_chain(self.program):
            self.as_sequence = True
            yield True
            self.as_sequence = False
        yield from super().orders()

    def _lowered_block(self, traces: list[Applied], *, unrolled: bool) -> Lowered:
        lowered = super()._lowered_block(traces, unrolled=unrolled)
        definition = traces[0].scope.definition
        assert definition is not None
        lowered.parameters.append(Parameter(PREFIX, "name", default=Lit(function_name(definition.name.name))))
        return lowered

    def finished(self, lowered: Lowered, name: str, tensors: tuple[str, ...], *, is_root: bool = False) -> Definition:
        describe = Shapes(lowered, is_root=is_root, channels_last=True)
        sentence = "" if is_root else docstring(lowered, describe)
        if is_root and self.as_sequence:
            source = sequence(lowered, self.program, describe)
        else:
            source = written(lowered, describe, frozenset(self.taken), self.program if is_root else None)
        source.name = name
        source.docstring = sentence
        for parameter in lowered.parameters:
            parameter.kept = parameter.name in source.used
        shown = [p for p in lowered.parameters if p.kept and p.source in ("parameter", "name")]
        for i, parameter in enumerate(shown):  # a default may not stand before a parameter without one
            if parameter.default is not None and any(p.default is None for p in shown[i + 1 :]):
                parameter.default, parameter.computed = None, parameter.default
        self.taken.add(name)
        defaults = [p.name if p.default is None else f"{p.name}={p.default}" for p in shown]
        self.made.append(Made(source, [*source.entries, *defaults, *source.options]))
        channels = None if is_root else lowered.outputs[0].channels
        defines = {s.name: s.value for s in every(lowered.steps) if isinstance(s, Define)}
        while channels is not None and names(channels) & defines.keys():
            channels = substituted(channels, defines)
        return Definition(
            name, tuple(lowered.parameters), tensors, channels, len(lowered.heads), lowered.reads, (), lowered.computed
        )


def _uses(program: Program) -> dict[str, list[tuple[TensorType, ...]]]:
    """The types that enter each layer and block with weights, each time it is applied, by path."""
    found: dict[str, list[tuple[TensorType, ...]]] = {}
    for node in program.training_graph.nodes:
        path = next((n.op.path for n in node.inputs if isinstance(n.op, Weight)), "")
        if path:
            found.setdefault(path.rpartition(".")[0], []).append(tuple(v.type for v in node.values))
    stack = [program.root.body]
    while stack:
        for applied in applied_in(stack.pop()):
            if any(isinstance(n.op, Weight) for n in body_nodes(applied.body)):
                types = (applied.input.type, *(n.type for n in applied.tensors.values()))
                found.setdefault(applied.scope.path, []).append(types)
            stack.append(applied.body)
    return found


def _is_chain(program: Program) -> bool:
    """Whether a net is one layer behind the other, so that a list of them says it."""
    graph = program.training_graph
    steps = [n for n in graph.nodes if not n.op.is_weight]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or program.aux or not 1 < len(steps) <= MAX_SEQUENCE:
        return False
    if any(True for _ in applied_in(program.root.body)):
        return False
    paths = [path for path, types in _uses(program).items() if len(types) > 1]
    before = steps[0]
    for node in steps[1:]:
        if node.values != (before,):
            return False
        before = node
    return before is graph.outputs[0] and not paths


def expressible(op: Op) -> bool:
    """Whether Keras has something for an operator."""
    rule = merged if op.is_merge else pieces
    return rule.dispatch(type(op)) is not rule.dispatch(Op)


def helper_names() -> frozenset[str]:
    """The names of the helper functions and layers, which stand in templates."""
    from importlib.resources import files

    folder = files("cnnlang.backends.keras_source").joinpath("templates")
    return frozenset(p.name.split(".")[0] for p in folder.iterdir() if p.name.endswith(".py.jinja"))

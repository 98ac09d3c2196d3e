"""Random networks: texts of valid programs, and the mutations that break them.

A network is written line by line while its shapes are followed with the operators' own shape rules, so that what is
drawn is valid by construction; the text is then checked like a user's. Every operator in the registry is drawn, with
arguments of the kinds that it declares: a new operator is tested by existing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from cnnlang.dims import Dim, Term, substitute
from cnnlang.errors import OperatorError
from cnnlang.ir import TensorType
from cnnlang.ops import OPERATORS
from cnnlang.signature import show_value
from tests.operator_cases import accepted

N = Term.variable("N")
SIZES: dict[str, Dim] = {"H": 2, "W": 3}  # what symbolic sizes are when a network runs
MAX_ELEMENTS = 6_000

LAYERS = sorted(n for n, o in OPERATORS.items() if not o.is_merge)
MERGES = sorted(n for n, o in OPERATORS.items() if o.is_merge)


def concrete(type: TensorType) -> TensorType:
    return TensorType(tuple(substitute(d, SIZES) for d in type.shape))


def fits(type: TensorType) -> bool:
    """Whether a value is small enough to test and no side is empty when the network runs."""
    sizes = concrete(type).shape[1:]
    count = 1
    for size in sizes:
        if not isinstance(size, int) or size < 1:
            return False
        count *= size
    return count <= MAX_ELEMENTS


def applied(name: str, values: dict[str, Any], *types: TensorType) -> TensorType | None:
    """The shape after an operator, symbolic and as it runs; None where it takes no such arguments or values."""
    try:
        op = OPERATORS[name].make(values)
        result = op.result(*types)
        op.weights(*types)
        ran = op.result(*map(concrete, types))
    except OperatorError:
        return None
    return result if concrete(result) == ran and fits(result) else None


def call(name: str, values: dict[str, Any]) -> str:
    inside = ", ".join(f"{k}={show_value(v)}" for k, v in values.items())
    return f"{name}({inside})" if inside else name


@dataclass
class Writer:
    """A network being written: its lines, and what may be named."""

    draw: st.DrawFn
    must: str | None
    lines: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    named: dict[str, TensorType] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    count: int = 0

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count}"

    def arguments(self, name: str) -> dict[str, Any]:
        drawn: dict[str, Any] = {}
        for f in OPERATORS[name].fields():
            if f.required or self.draw(st.integers(0, 2)) == 0:
                drawn[f.name] = self.draw(st.sampled_from(accepted(f.kind)))
        return drawn

    def layer(self, type: TensorType, name: str | None = None) -> tuple[str, TensorType] | None:
        """One operator's call with random arguments, and the shape after it."""
        name = name or self.draw(st.sampled_from(LAYERS))
        for _ in range(6):
            values = self.arguments(name)
            result = applied(name, values, type)
            if result is not None:
                return call(name, values), result
        return None

    def keeping(self, type: TensorType) -> str:
        """A step or two with weights that keep the shape."""
        if type.rank == 2:
            return self.draw(st.sampled_from([f"dense({type.channels})", f"dense({type.channels}) -> relu", "tanh"]))
        c = type.channels
        return self.draw(
            st.sampled_from(
                [
                    f'conv({c}, 3, pad="same")',
                    f"conv({c}, 1, bias=false) -> bn",
                    f"depthwise(3, pad=1) -> bn -> relu -> conv({c}, 1)",
                    f"conv({c}, 1x3, pad=0x1) -> prelu",
                    "maxpool(3, stride=1, pad=1)",
                    "bn -> relu",
                ]
            )
        )

    def step(self, type: TensorType) -> tuple[str, TensorType]:
        """One line of a body, and the shape after it."""
        kinds = ["residual", "concat", "merge", "repeat", "loop", "if", "group", "block", "shared", "recall"]
        kinds += ["layer"] * 5
        match self.draw(st.sampled_from(kinds)):
            case "residual":
                return f"add {{ | {self.keeping(type)} | in }}", type
            case "concat":
                branches = [self.keeping(type) for _ in range(self.draw(st.integers(1, 2)))]
                result = applied("concat", {}, *[type] * (len(branches) + 1))
                if result is not None:
                    return f"concat {{ | in | {' | '.join(branches)} }}", result
            case "merge":
                name = self.draw(st.sampled_from(MERGES))
                result = applied(name, {}, type, type)
                if result is not None:
                    return f"{name} {{\n    | {self.keeping(type)}\n    | {self.keeping(type)} -> relu\n  }}", result
            case "repeat":
                times = self.draw(st.integers(0, 3))
                return f"{{ {self.keeping(type)} -> sigmoid }} * {times}", type
            case "loop":
                steps = self.keeping(type)
                return f"for _ in range({self.draw(st.integers(1, 2))}) {{ {steps} }}", type
            case "if":
                tests = ["in.channels > 2", "1 == 1 and not false", f"in.channels == {type.channels}"]
                test = self.draw(st.sampled_from(tests))
                return f"if {test} {{ {self.keeping(type)} }} else {{ relu }}", type
            case "group":
                return f"group {self.fresh('part')} {{ {self.keeping(type)} -> relu }}", type
            case "block":
                return self.block(type)
            case "shared" if type.rank == 4:
                name = self.fresh("twice")
                made = f'conv({type.channels}, 3, pad="same")'
                return f"shared {name} = {made}\n  {name} -> relu -> {name}", type
            case "recall" if self.named:
                name = self.draw(st.sampled_from(sorted(self.named)))
                if self.named[name] == type:
                    self.used.add(name)
                    return f"add {{ | in | {name} }}", type
        drawn = self.layer(type)
        return drawn or ("tanh", type)

    def block(self, type: TensorType) -> tuple[str, TensorType]:
        """A call of a block of this network's own, with parameters."""
        name = self.fresh("block")
        if type.rank == 2:
            self.blocks.append(f"block {name}(units, k=2) {{ dense(max(units // k, 1)) -> relu -> dense(units) }}")
            return f"{name}({type.channels})", type
        kind = self.draw(st.sampled_from(["residual", "bottleneck", "gate", "skip"]))
        c = type.channels
        match kind:
            case "residual":
                self.blocks.append(
                    f"block {name}(width, kernel=3) {{\n  add {{\n"
                    f'    | conv(width, kernel, pad="same", bias=false) -> bn -> relu -> conv(width, 1)\n'
                    f"    | if in.channels != width {{ conv(width, 1) }}\n  }}\n  relu\n}}"
                )
                width = self.draw(st.integers(1, 5))
                result = TensorType((type.batch, width, *type.shape[2:]))
                return f"{name}({width}) * {self.draw(st.integers(1, 2))}", result
            case "bottleneck":
                self.blocks.append(
                    f"block {name}(width) {{\n  {{ conv(2*width, 1) -> relu6 }} * 2\n"
                    f"  for k in [1, 3] {{ conv(width, k, pad=k//2) -> elu }}\n}}"
                )
                width = self.draw(st.integers(1, 4))
                return f"{name}(width={width})", TensorType((type.batch, width, *type.shape[2:]))
            case "gate":
                self.blocks.append(
                    f"block {name}(ratio=2) {{ mul {{ | in | global_avgpool -> dense(max(in.channels // ratio, 1)) "
                    f"-> relu -> dense(in.channels) -> sigmoid }} }}"
                )
                return f"{name}" if self.draw(st.booleans()) else f"{name}(ratio=1)", type
        self.blocks.append(
            f"block {name}(c, skip: tensor) {{ concat {{ | skip | conv(c, 1) }} -> conv(c, 3, pad=1) -> relu }}"
        )
        value = self.fresh("value")
        return f"relu as {value}\n  conv({c}, 1)\n  {name}({c}, {value})", type


@st.composite
def networks(draw: st.DrawFn, must: str | None = None) -> str:
    """The text of a valid network; `must` is an operator that it contains."""
    writer = Writer(draw, must)
    symbolic = draw(st.integers(0, 4)) == 0
    channels = draw(st.integers(1, 5))
    height: Dim = 4 * Term.variable("H") if symbolic else draw(st.integers(5, 11))
    width: Dim = 4 * Term.variable("W") if symbolic else draw(st.integers(5, 11))
    type = TensorType((N, channels, height, width))
    body = [f"input image: {type}"]
    steps = draw(st.integers(2, 6))
    place = draw(st.integers(0, steps - 1))
    placed = must is None
    for i in range(steps + 4):
        if i >= steps and placed:
            break
        if not placed and i >= place:
            text = None
            if must in MERGES:
                result = applied(str(must), {}, type, type)
                if result is not None:
                    text = f"{must} {{ | {writer.keeping(type)} | {writer.keeping(type)} -> relu }}", result
            else:
                text = writer.layer(type, must)
            if text is None and must == "dense" and type.rank == 4:
                text = "global_avgpool", TensorType(type.shape[:2])
            elif text is not None:
                placed = True
            line, type = text or writer.step(type)
        else:
            line, type = writer.step(type)
        if draw(st.integers(0, 3)) == 0 and "\n" not in line and not line.startswith(("for", "if", "group")):
            name = writer.fresh("value")
            writer.named[name] = type
            line = f"{line} as {name}"
        body.append(line)
    if draw(st.booleans()):
        if type.rank == 4:
            body.append(draw(st.sampled_from(["global_avgpool", "global_maxpool"])))
        body.append(f"dense({draw(st.integers(2, 6))})" + draw(st.sampled_from(["", " -> softmax", " -> log_softmax"])))
    if all("} * 0" in line for line in body[1:]):  # a net has a step
        body.append("relu")
    lines = "\n".join(f"  {line}" for line in body)
    blocks = "\n\n".join(writer.blocks)
    return f"cnn 1\n\n{blocks}\n\nnet Random {{\n{lines}\n}}\n"

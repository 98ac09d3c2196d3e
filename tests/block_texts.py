"""Random texts of nets made of blocks: parameters of every kind, loops, conditions, repetitions, groups, shared values.

Many are not valid nets (shapes are not followed); those that check are good for holding a source backend to the module
tree, because their instances differ in ways that nobody thought of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

ACTIVATIONS = ("relu", "tanh", "sigmoid", "relu6", "leaky_relu(0.1)", "silu", "gelu", "softmax", "elu", "dropout(0.3)")
NORMALISATIONS = ("bn", "bn", "prelu", "group_norm(1)")
OTHERS = (
    "maxpool(3, stride=1, pad=1)", "avgpool(3, stride=1, pad=1)", "avgpool(3, stride=1, pad=1, count_pad=false)",
    "minpool(3, stride=1, pad=1)", 'maxpool(2, stride=1, pad="same_upper")', "lrn(3)", "depthwise(3, pad=1)",
    "pad(1) -> crop(1)", "pad_channels(1, 0)", "channels(0, 1)", 'conv(2, 2, pad="same_upper")',
    "conv(2, 3, weight=[[0, 1, 0], [1, 2, 1], [0, 1, 0]], pad=1)", "normalize(0.1, 2)", "deconv(2, 3, pad=1)",
)  # fmt: skip
KINDS = ("number", "number", "count", "kernel", "flag", "list", "tensor")
DEFAULTS = {"number": "3", "count": "2", "kernel": "3", "flag": "true"}


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: str
    default: str = ""

    def __str__(self) -> str:
        return (
            f"{self.name}: tensor"
            if self.kind == "tensor"
            else self.name + (f"={self.default}" if self.default else "")
        )


@dataclass
class Sight:
    """The names in sight: compile-time ones by kind, and values."""

    numbers: list[tuple[str, str]] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def of(self, *kinds: str) -> list[str]:
        return [name for name, kind in self.numbers if kind in kinds]

    def inner(self) -> Sight:
        return Sight(list(self.numbers), list(self.values))


class BlockTexts:
    """Writes one program after the other."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0
        self.blocks: list[tuple[str, list[Parameter]]] = []

    def program(self) -> str:
        self.blocks = []
        blocks = [self.block() for _ in range(self.random.randint(1, 3))]
        sight = Sight([("width", "number"), ("times", "count")] if self.happens(0.5) else [], ["image"])
        parameters = "(width=3, times=2)" if sight.numbers else ""
        lines = self.body(sight, 2)
        if self.happens(0.2) and len(sight.values) > 1:
            lines += f"\naux head = {self.pick(*sight.values)} -> global_avgpool -> dense(2)"
        if self.happens(0.2) and len(sight.values) > 1:
            first, second = self.pick(*sight.values), self.pick(*sight.values)
            lines += f"\noutput o1 = {first} -> relu, o2 = {second} -> global_avgpool"
        return "\n".join(["cnn 1", *blocks, f"net Net{parameters} {{\ninput image: [N, 3, 6, 6]\n{lines}\n}}", ""])

    def block(self) -> str:
        sight = Sight()
        parameters = []
        for _ in range(self.random.randint(0, 3)):
            kind = self.pick(*KINDS)
            default = DEFAULTS.get(kind, "") if self.happens(0.4) else ""
            parameters.append(Parameter(self.fresh("p"), kind, default))
            if kind == "tensor":
                sight.values.append(parameters[-1].name)
            else:
                sight.numbers.append((parameters[-1].name, kind))
        parameters.sort(key=lambda p: p.default != "")
        name = self.fresh("block_")
        text = f"block {name}({', '.join(map(str, parameters))}) {{\n{self.body(sight, 2)}\n}}"
        self.blocks.append((name, parameters))
        return text

    # --- small choices ------------------------------------------------------------------------------------------------

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def happens(self, probability: float) -> bool:
        return self.random.random() < probability

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def number(self, sight: Sight) -> str:
        names = sight.of("number")
        if names and self.happens(0.55):
            name, some = self.pick(*names), self.random.randint(1, 4)
            computed = (f"2*{name}", f"{name} + {some}", f"max({name}, {some})", f"{name}*{name}", f"{name} // 2 + 1")
            return self.pick(name, name, *computed, f"({name} if {name} > 2 else 3)")
        return "in.channels" if self.happens(0.1) else str(self.random.randint(1, 5))

    def count_of(self, sight: Sight) -> str:
        names = sight.of("count")
        return self.pick(*names) if names and self.happens(0.6) else str(self.random.randint(1, 3))

    def condition(self, sight: Sight) -> str:
        flags, numbers = sight.of("flag"), sight.of("number", "count", "kernel")
        if flags and self.happens(0.5):
            return self.pick("", "not ") + self.pick(*flags)
        if not numbers:
            return "in.channels > 3"
        name = self.pick(*numbers)
        return self.pick(
            f"{name} > 2", f"{name} != 1", f"{name} == 2", f"in.channels != {name}", f"1 < {name} and {name} < 4"
        )

    # --- steps --------------------------------------------------------------------------------------------------------

    def chain(self, sight: Sight, depth: int) -> str:
        return " -> ".join(self.step(sight, depth) for _ in range(self.random.randint(1, 3)))

    def step(self, sight: Sight, depth: int) -> str:
        choice = self.random.random()
        if choice < 0.25:
            kernels = sight.of("kernel")
            kernel = self.pick(*kernels) if kernels else self.pick("1", "3")
            bias = self.pick("", "", ", bias=false")
            return f'conv({self.number(sight)}, {kernel}, pad="same"{bias}){self.times(sight, 0.15)}' + self.label()
        if choice < 0.3:
            return self.pick(*NORMALISATIONS) + self.label()
        if choice < 0.4:
            return self.pick(*OTHERS)
        if choice < 0.55 and depth > 0:
            return self.merge(sight, depth - 1)
        if choice < 0.75 and self.blocks:
            return self.call(sight) + self.times(sight, 0.15) + self.label()
        if choice < 0.82 and depth > 0:
            return f"{{\n{self.body(sight.inner(), depth - 1)}\n}}{self.times(sight, 0.7)}"
        return self.pick(*ACTIVATIONS)

    def times(self, sight: Sight, probability: float) -> str:
        return f" * {self.count_of(sight)}" if self.happens(probability) else ""

    def label(self) -> str:
        return f" as {self.fresh('w')}" if self.happens(0.15) else ""

    def merge(self, sight: Sight, depth: int) -> str:
        kind = self.pick("concat", "concat", "add", "mul", "max", "mean")
        channels = self.number(sight)
        branches = []
        for _ in range(self.random.randint(2, 3)):
            if kind == "add" and depth > 0 and self.happens(0.15):
                branches.append(self.condition_statement(sight, depth))
                continue
            recalled = ["in", *sight.values]
            branch = self.pick(*recalled) if self.happens(0.3) else self.chain(sight, depth)
            branches.append(branch if kind == "concat" else f"{branch} -> conv({channels}, 1)")
        return f"{kind} {{\n" + "\n".join(f"| {b}" for b in branches) + "\n}"

    def call(self, sight: Sight) -> str:
        name, parameters = self.blocks[self.random.randrange(len(self.blocks))]
        arguments: list[str] = []
        by_name = False
        for parameter in parameters:
            if parameter.default and self.happens(0.5):
                by_name = True
                continue
            by_name = by_name or self.happens(0.15)
            arguments.append((f"{parameter.name}=" if by_name else "") + self.argument(parameter.kind, sight))
        return f"{name}({', '.join(arguments)})"

    def argument(self, kind: str, sight: Sight) -> str:
        named = sight.of(kind)
        match kind:
            case "tensor":
                return self.pick("in", *sight.values)
            case "number":
                return self.number(sight)
            case "count":
                return self.pick(*named) if named and self.happens(0.5) else self.pick("0", "1", "2", "3")
            case "kernel":
                return self.pick(*named) if named and self.happens(0.5) else self.pick("1", "3", "5")
            case "flag":
                return self.pick("", "not ") + self.pick(*named) if named else self.pick("true", "false")
        return f"[{', '.join(str(self.random.randint(1, 4)) for _ in range(self.random.randint(1, 3)))}]"

    # --- statements ---------------------------------------------------------------------------------------------------

    def body(self, sight: Sight, depth: int) -> str:
        lines: list[str] = []
        for _ in range(self.random.randint(1, 2 + depth)):
            lines += self.statement(sight, depth)
        if all(line.startswith("let ") for line in lines):
            lines.append("relu")
        return "\n".join(lines)

    def statement(self, sight: Sight, depth: int) -> list[str]:
        choice = self.random.random()
        if choice < 0.12 and depth > 0:
            return [self.condition_statement(sight, depth - 1)]
        if choice < 0.25 and depth > 0:
            return [self.loop(sight, depth - 1)]
        if choice < 0.31 and depth > 0:
            return [f"group {self.fresh('g')} {{\n{self.body(sight, depth - 1)}\n}}"]
        if choice < 0.37:
            name = self.fresh("m")
            value = self.number(sight).replace("in.channels", "3")
            sight.numbers.append((name, "number"))
            return [f"let {name} = {value}"]
        if choice < 0.41 and self.blocks:
            name = self.fresh("s")
            again = [f"conv(3, 1) -> {name}"] if self.happens(0.5) else []
            return [f"shared {name} = {self.call(sight)}", f"{name} -> relu", *again]
        line = self.chain(sight, depth)
        if sight.values and self.happens(0.2):
            line = f"{self.pick(*sight.values)} -> {line}"
        elif self.happens(0.06):
            line = f"in -> {line}"
        if self.happens(0.3) and "\n" not in line and not {" as ", " * "} & {line[i : i + 4] for i in range(len(line))}:
            sight.values.append(self.fresh("v"))
            line += f" as {sight.values[-1]}"
        return [line]

    def condition_statement(self, sight: Sight, depth: int) -> str:
        text = f"if {self.condition(sight)} {{\n{self.body(sight.inner(), max(depth - 1, 0))}\n}}"
        if self.happens(0.4):
            return f"{text} else {{\n{self.body(sight.inner(), max(depth - 1, 0))}\n}}"
        return f"{text} else {self.condition_statement(sight, depth - 1)}" if depth > 0 and self.happens(0.2) else text

    def loop(self, sight: Sight, depth: int) -> str:
        lists, counts = sight.of("list"), sight.of("count")
        target, inner = self.fresh("i"), sight.inner()
        choice = self.random.random()
        if lists and choice < 0.4:
            iterable = self.pick(*lists)
            inner.numbers.append((target, "number"))
        elif lists and choice < 0.5:
            inner.numbers.append((target, "number"))
            target, iterable = f"{self.fresh('i')}, {target}", f"enumerate({self.pick(*lists)})"
        elif counts and choice < 0.8:
            iterable = f"range({self.pick(*counts)})"
        else:
            iterable = self.pick("range(2)", "[1, 3]", "range(3)", "[2, 2]")
        return f"for {target} in {iterable} {{\n{self.body(inner, depth)}\n}}"

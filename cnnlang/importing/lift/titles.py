"""What a block is called, by what it does, and what its parameters are."""

from __future__ import annotations

from cnnlang.importing.lift.items import Call, Item, Merge, Run, Step
from cnnlang.importing.lift.shapes import all_steps
from cnnlang.importing.lift.unify import Column

ACTIVATIONS = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "hardswish", "hardsigmoid", "mish",
    "softplus", "sigmoid", "tanh",
})  # fmt: skip
NORMS = frozenset({"bn", "group_norm", "lrn"})
POOLS = frozenset({"maxpool", "avgpool", "minpool"})


# What the one width of a block is called, where it is not that of its result.
WIDTHS = {"fire": "squeeze", "dense_layer": "growth", "se": "squeeze"}


def title_of(items: list[Item]) -> str:
    """The name of a block."""
    merge = next((i for i in items if isinstance(i, Merge)), None)
    if merge is None:
        return _plain_title([s.node.op.name for s in all_steps(items)])
    steps = [s.node for b in merge.branches for s in all_steps(b.items)]
    names = {n.op.name for n in steps}
    before = layers(items[: items.index(merge)])
    match merge.node.op.name:
        case "mul" if len(items) > 1 and layers(items[: items.index(merge)]):
            return "mbconv" if any(s.node.op.name == "depthwise" for s in layers(items)) else "block1"
        case "mul":
            return "se" if names & {"global_avgpool", "global_maxpool"} else "gate"
        case "add":
            main = max(merge.branches, key=lambda b: len(list(all_steps(b.items))))
            inner = layers(main.items)
            if "depthwise" in [s.node.op.name for s in inner]:
                return "inverted_residual"
            sides = [kernel_of(s) for s in inner]
            return "bottleneck" if sides == [1, 3, 1] else "basic" if sides == [3, 3] else "residual"
        case "concat" if len(before) == 1 and len(merge.branches) == 2:
            return "fire"
        case "concat" if any(not b.items for b in merge.branches) and len(merge.branches) == 2:
            return "dense_layer"
        case "concat" if len(merge.branches) >= 3:
            return "inception"
    return "block1"


def layers(items: list[Item]) -> list[Step]:
    """The convolutions and dense layers in items."""
    return [s for s in all_steps(items) if s.node.op.counts_depth]


def kernel_of(step: Step) -> int:
    """The height of a layer's kernel; 0 for what has none."""
    return int(getattr(step.node.op, "kernel", (0, 0))[0])


def _plain_title(names: list[str]) -> str:
    kinds = ["act" if n in ACTIVATIONS else "norm" if n in NORMS else "pool" if n in POOLS else n for n in names]
    match kinds:
        case ["conv" | "depthwise" | "deconv" | "dense", "norm" | "act"]:
            return "_".join(names)
        case ["conv" | "depthwise" | "deconv" | "dense", "norm", "act"] | ["norm", "act", "conv"]:
            return "_".join(names)
        case ["norm", "act", "conv", "pool"] | ["norm", "conv", "pool"]:
            return "transition"
        case ["depthwise", *rest] if rest.count("conv") == 1:
            return "separable"
        case ["conv", "norm", "act", "conv", "norm", "act"] | ["conv", "act", "conv", "act"]:
            return "double_conv"
        case ["pool", *rest] if "conv" in rest:
            return "down"
        case ["deconv" | "upsample", *_]:
            return "up"
        case ["dense", *_]:
            return "head"
    return "mbconv" if "depthwise" in kinds else "block1"


def hint_widths(title: str, items: list[Item], columns: list[Column]) -> None:
    """Better names than `width2`, `width3` for several widths: each says what it is the width of."""
    if title == "fire" and len(columns) == 2:
        names = ["squeeze", "expand"]
    elif title == "bottleneck" and len(columns) == 2:
        names = ["inner", "width"]
    elif title == "inverted_residual" and len(columns) == 2:
        names = ["wide", "width"]
    else:
        names = _by_branch(items, columns) or [f"c{i}" for i in range(1, len(columns) + 1)]
    for column, name in zip(columns, names, strict=True):
        column.hint = name


def _by_branch(items: list[Item], columns: list[Column]) -> list[str] | None:
    """`b1`, `r3`, `b3`, `proj` of the branches of an inception; None where two would be called alike."""
    merge = next((i for i in items if isinstance(i, Merge)), None)
    if merge is None:
        return None
    names: dict[int, str] = {}
    for chain in merge.branches:
        holders = [i for i in chain.items if isinstance(i, Call) or (isinstance(i, Step) and i.node.op.counts_depth)]
        sides = [kernel_of(layers([h])[0]) if layers([h]) else 0 for h in holders]
        pooled = bool(chain.items) and chain.items[0] not in holders
        for i, holder in enumerate(holders):
            if pooled and len(holders) == 1:
                names[id(holder)] = "proj"
            elif i + 1 < len(holders):
                names[id(holder)] = f"r{sides[-1]}" if i == 0 else f"m{sides[-1]}"
            else:
                names[id(holder)] = f"b{sides[i]}"
    found = [names.get(id(c.holder), "") if not isinstance(c.holder, Run) else "" for c in columns]
    return found if all(found) and len(set(found)) == len(found) else None

"""The text of a whole net: its header, the statements of its body, its sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnlang import analysis
from cnnlang.dims import variables
from cnnlang.errors import OperatorError
from cnnlang.importing.foreign import Foreign
from cnnlang.importing.lift.blocks import Blocks, Key
from cnnlang.importing.lift.items import Block, Call, Chain, Loop, Merge, Run, Step, is_input, layer_path
from cnnlang.importing.lift.loops import Folder
from cnnlang.importing.lift.names import Namespace, is_name, safe, sayable
from cnnlang.importing.lift.printing import (
    WIDE,
    Scope,
    chain_pieces,
    is_statement,
    laid_out,
    show_argument,
    statement,
    step_text,
)
from cnnlang.importing.lift.regions import find_modules
from cnnlang.importing.lift.repeats import find_merges, find_sequences, find_units, find_wrapped
from cnnlang.importing.lift.shapes import chains_in
from cnnlang.importing.lift.structure import Structure, ordered, recalled
from cnnlang.importing.lift.unify import pieces_of
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops.base import Input
from cnnlang.preprocess import Preprocess
from cnnlang.signature import show_value

SOMETHING = Node(Input((), ""), (), TensorType(()))  # a value that has no name
MAX_META = 2000  # characters of an entry of `meta`


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked for."""

    blocks: bool = True
    loops: bool = True
    units: bool = False
    sequences: bool = False


class Draft:
    """A net on its way to a text: its chains, which passes make shorter, and what its values are called."""

    def __init__(self, foreign: Foreign, graph: Graph, name: str, banned: set[Key], plan: Plan) -> None:
        self.banned = banned
        self.plan = plan
        self.foreign = foreign
        self.graph = graph
        self.keeps = foreign.keeps_names
        layers: dict[Node, str] = {}
        users: dict[str, list[Node]] = {}
        for node in graph.nodes:
            path = layer_path(node)
            if path is not None:
                layers[node] = path
                users.setdefault(path, []).append(node)
        good = sayable(users)
        self.paths = {node: good[path] for node, path in layers.items()}
        self.several = {good[path]: nodes for path, nodes in users.items() if len(nodes) > 1}
        sizes = {v for node in graph.inputs for dim in node.type.shape for v in variables(dim)}
        self.names = Namespace(sizes - {"N"})
        self.name = self.names.take(safe(name, "Net"))
        self.values: dict[Node, str] = {}
        for node in graph.inputs:
            label = str(getattr(node.op, "label", ""))
            self.values[node] = self.names.take(label if is_name(label) else safe(label, "image"))
        self.outputs = self._output_names()
        self.structure = Structure(graph, self.paths)
        self.chains: dict[Node, Chain] = {root: self.structure.chain(root) for root in self.structure.roots}
        for root in graph.outputs:
            if is_input(root):
                self.chains[root] = Chain(root, [], root)
        self.blocks: list[Block] = []
        self.turn = "j"
        self.shared = self._name_shared()

    def _output_names(self) -> list[str | None]:
        """What each output is called; None for a single one that has no name of its own."""
        if len(self.graph.outputs) == 1 and not is_input(self.graph.outputs[0]):
            (label,) = self.graph.output_names
            return [self.names.take(label) if is_name(label) and label not in self.names.taken else None]
        return [
            self.names.take(label if is_name(label) else safe(label, "result")) for label in self.graph.output_names
        ]

    def _name_shared(self) -> dict[str, tuple[str, Step]]:
        """Of each path that several steps use: the name of the shared layer, and one of the steps."""
        found: dict[str, tuple[str, Step]] = {}
        for chain in self.chains.values():
            for step in steps_of(chain):
                if step.path in self.several:
                    if step.path not in found:
                        wanted = step.path.rpartition(".")[2] if self._is_group(step.path) else step.path
                        name = self.names.take(wanted if is_name(wanted) else safe(wanted, "shared"))
                        found[step.path] = name, Step(step.node, None)
                    step.shared = found[step.path][0]
                    step.path = None
        return found

    def _is_group(self, path: str) -> bool:
        """Whether a `group` can hold the shared layer of a path: all layers in it are shared, and in no group in it."""
        scope, _, name = path.rpartition(".")
        inside = [p for p in set(self.paths.values()) if p.startswith(f"{scope}.")]
        alone = all(p in self.several and p.rpartition(".")[0] == scope for p in inside)
        outer = any(scope.startswith(f"{p.rpartition('.')[0]}.") for p in self.several if "." in p)
        return bool(self.keeps and scope and is_name(name) and name not in self.names.taken and alone and not outer)

    def _shared_lines(self) -> list[str]:
        """The `shared` statements, those of one scope in a `group`."""
        groups: dict[str, list[str]] = {}
        lines = []
        for path, (name, step) in self.shared.items():
            text = f"shared {name} = {step_text(step)}"
            if self.keeps and path.endswith(f".{name}"):
                groups.setdefault(path[: -len(name) - 1], []).append(text)
            else:
                lines.append(text)
        for scope, inside in groups.items():
            label = scope if is_name(scope) and scope not in self.names.taken else f'"{scope}"'
            lines += [f"group {label} {{", *inside, "}"]
        return lines

    def find_blocks(self) -> None:
        """Make blocks of what repeats."""
        blocks = Blocks(self.names, self.keeps, self.banned)
        chains = list(self.chains.values())
        if self.keeps and self.plan.blocks:
            find_modules(chains, blocks)
        elif self.plan.blocks:
            if self.plan.units:
                find_units(chains, blocks)
            find_wrapped(chains, blocks)
            find_merges(chains, blocks)
            if self.plan.sequences:
                find_sequences(chains, blocks)
        self.blocks = blocks.made
        if not self.plan.loops:
            return
        folder = Folder(self.names, self.keeps)
        end = self.graph.outputs[0] if self.outputs == [None] else None
        for root, chain in self.chains.items():
            for each in list(chains_in(chain)):
                each.items = folder.fold(each.items, is_named=each is chain and root is not end)
        self.turn = next((name for name in ("j", "k", "t") if name not in self.names.taken), "") or self.names.take(
            "turn"
        )
        loops = [i for chain in chains for c in chains_in(chain) for i in c.items if isinstance(i, Loop)]
        self.names.taken |= {p.name for loop in loops for p in loop.variables} | {self.turn}
        for block in self.blocks:
            own = Namespace(self.names.taken | {p.name for p in block.parameters})
            folder = Folder(own, self.keeps)
            block.body = folder.fold(block.body, len(block.prefix), rows=False)

    def needless(self) -> set[Key]:
        """The blocks that the text would call once, and not in a loop."""
        uses: Counter[Block] = Counter()
        lists = [chain.items for chain in self.chains.values()] + [block.body for block in self.blocks]
        stack = [(items, 1) for items in lists]
        while stack:
            items, times = stack.pop()
            for item in items:
                match item:
                    case Call():
                        uses[item.block] += times
                    case Run():
                        stack += [(item.first, 1), (item.items if item.turns else [], 2)]
                    case _:
                        twice = isinstance(item, Loop) or (isinstance(item, Merge) and item.test is not None)
                        stack += [(part, 2 if twice else times) for part in pieces_of(item)]
        return {block.key for block in self.blocks if uses[block] < 2}

    # --- text ---------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        lines = ["cnn 1", "", *self._about(), *([""] if self.blocks else [])]
        for block in self.blocks:
            lines += [*block_lines(block, self.names, self.keeps), ""]
        lines += [f"net {self.name} {{", *self._inputs()]
        if self.foreign.labels:
            lines.append(f"labels {show_value([plain(label) for label in self.foreign.labels])}")
        lines += ["", *self._body(), "", self._check(), *self._meta(), "}"]
        return "\n".join(lines) + "\n"

    def _about(self) -> list[str]:
        count, depth = analysis.params(self.graph), analysis.depth(self.graph)
        source = plain(self.foreign.meta.get("source", ""))[:60]
        origin = f", from {source}" if source else ""
        return [f"# {self.name}{origin}: {count:,} parameters, {depth} layers deep. Written by `cnnlang import`."]

    def _inputs(self) -> list[str]:
        lines = []
        for node in self.graph.inputs:
            label = str(getattr(node.op, "label", ""))
            entries = metadata_text(self.foreign.metadata.get(label, {}), node)
            lines.append(f"input {self.values[node]}: {node.type}{entries}")
        return lines

    def _body(self) -> list[str]:
        """The statements; written twice, for only then it is known which values are called by name."""
        inputs = self.graph.inputs
        flow = inputs[0] if len(inputs) == 1 else None
        needs = {r: {n for n in recalled(c) if n in self.chains and n is not r} for r, c in self.chains.items()}
        order = ordered({r: c for r, c in self.chains.items() if not is_input(r)}, needs, flow)
        waiting: dict[Node, list[str]] = {}
        for node, label in zip(self.graph.outputs, self.outputs, strict=True):
            waiting.setdefault(node, []).append(label or "")
        self._name_values(order, waiting)
        used: set[Node] = set(order)
        for _ in range(2):
            scope = Scope(self.names, self.values, self.keeps, flow=flow, turn=self.turn)
            lines = self._statements(order, waiting, used, scope)
            used = scope.used
        return [*self._shared_lines(), *lines]

    def _statements(
        self, order: list[Node], waiting: Mapping[Node, list[str]], used: set[Node], scope: Scope
    ) -> list[str]:
        lines = []
        # of each output that is made: what its value is called
        made = {name: self.values[root] for root, names in waiting.items() if is_input(root) for name in names}
        pending = [label or "" for label in self.outputs]
        lines += flushed(pending, made)
        for root in order:
            chain = self.chains[root]
            names = waiting.get(root)
            if names is None:
                lines += laid_out(statement(chain, scope, self.values[root] if root in used else None))
            elif names == [""]:
                lines += laid_out(statement(chain, scope, None, last=True))
                pending = []
            elif len(self.outputs) == 1 and not self._is_labelled(chain, names[0]):
                lines += laid_out(statement(chain, scope, names[0]))
                pending = []
            elif pending[0] == names[0]:
                kept: Node | None = scope.flow
                *before, text = laid_out(statement(chain, scope, None, last=True))
                if before:
                    kept = SOMETHING
                lines += [*before, f"output {names[0]} = {text}"]
                del pending[0]
                made |= dict.fromkeys(names, names[0])
                scope.flow = kept
            else:
                lines += laid_out(statement(chain, scope, names[0]))
                made |= dict.fromkeys(names, names[0])
            lines += flushed(pending, made)
        return lines

    def _is_labelled(self, chain: Chain, name: str) -> bool:
        """Whether the last step of a chain needs a label of its own, another than a name."""
        last = chain.items[-1]
        path = last.path if isinstance(last, Step | Call) else None
        return self.keeps and path is not None and path != name

    def _name_values(self, order: list[Node], outputs: Mapping[Node, list[str]]) -> None:
        for root in order:
            if root in outputs:
                self.values[root] = outputs[root][0] or "output"
                continue
            label = root.name
            path = end_path(self.chains[root])
            if self.keeps and path and is_name(path) and path not in self.names.taken:
                self.values[root] = self.names.take(path)
            elif is_name(label) and len(label) <= 24 and label not in self.names.taken:
                self.values[root] = self.names.take(label)
            else:
                self.values[root] = self.names.numbered("x")

    def _check(self) -> str:
        parts = [f"params == {analysis.params(self.graph):_}"]
        macs = analysis.macs(self.graph)
        if isinstance(macs, int):
            parts.append(f"macs == {macs:_}")
        parts.append(f"depth == {analysis.depth(self.graph)}")
        return f"check {{ {', '.join(parts)} }}"

    def _meta(self) -> list[str]:
        entries = {
            safe(key, "note"): plain(value)[:MAX_META] for key, value in list(self.foreign.meta.items())[:50] if value
        }
        inside = [f"{key} = {show_value(value)}" for key, value in entries.items()]
        return ["meta {", *inside, "}"] if inside else []


def end_path(chain: Chain) -> str | None:
    """The path of what a chain ends with."""
    match chain.items[-1]:
        case Step(path=path) | Call(path=path):
            return path
        case Run(items=[Step() | Call() as turn]) as run if run.turns and turn.label is not None:
            return turn.label.counted()
    return None


def flushed(pending: list[str], made: Mapping[str, str]) -> list[str]:
    """The `output` statements that are due: of outputs whose values are made, in the order of the outputs."""
    lines = []
    while pending and pending[0] in made:
        name = pending.pop(0)
        lines.append(f"output {name}" if made[name] == name else f"output {name} = {made[name]}")
    return lines


def block_lines(block: Block, names: Namespace, keeps: bool) -> list[str]:
    """A block's text."""
    own = Namespace(names.taken | {p.name for p in block.parameters})
    scope = Scope(own, {}, keeps, block.prefix, block.entry)
    body = laid_out(chain_pieces(block.body, scope))
    parameters = [p.name if p.default is None else f"{p.name}={show_argument(p.default)}" for p in block.parameters]
    head = f"block {block.name}({', '.join(parameters)})"
    flat = f"{head} {{ {' -> '.join(body)} }}"
    if "\n" not in flat and len(flat) <= WIDE + 10 and (len(body) == 1 or not any(map(is_statement, body))):
        return [flat]
    return [f"{head} {{", *body, "}"]


def steps_of(chain: Chain) -> list[Step]:
    """The steps of a chain and of the branches in it."""
    found = []
    stack = [chain]
    while stack:
        each = stack.pop()
        for item in each.items:
            match item:
                case Step():
                    found.append(item)
                case Merge(branches=branches):
                    stack.extend(branches)
                case _:
                    pass
    return found


def metadata_text(values: Mapping[str, Any], node: Node) -> str:
    """` { mean = ..., std = ... }`; empty where nothing is given or it cannot stand there."""
    fields = {f.name: f for f in Preprocess.fields()}
    known = {key: value for key, value in values.items() if key in fields and value is not None}
    try:
        made = Preprocess.make(known, node.type.channels, node.type.shape[2:])
    except OperatorError:
        return ""
    entries = [
        f"{key} = {f.kind.show(getattr(made, key))}"
        for key, f in fields.items()
        if key in known and getattr(made, key) is not None
    ]
    return f" {{ {', '.join(entries)} }}" if entries else ""


def plain(text: str) -> str:
    """A text on one line: control characters are spaces."""
    return "".join(c if c.isprintable() else " " for c in str(text))

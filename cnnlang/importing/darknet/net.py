"""A Darknet net while it is built: what each layer has made, and what rules share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cnnlang.importing.building import UNKNOWN, Builder, Value, broken, unsayable
from cnnlang.importing.darknet.cfg import Section
from cnnlang.importing.texts import shown
from cnnlang.ir import Node

EPS = 1e-5
"""What Darknet adds to a variance, under the root: its GPU code and its maintained fork do so.

(The CPU code of the first version divides by sqrt(variance) + 1e-6; nets were trained on the GPU's.)
"""

Steps = tuple[tuple[str, dict[str, Any]], ...]
ACTIVATIONS: dict[str, Steps] = {
    "linear": (),
    "relu": (("relu", {}),),
    "relu6": (("relu6", {}),),
    "leaky": (("leaky_relu", {"slope": 0.1}),),
    "revleaky": (("leaky_relu", {"slope": 0.1}),),
    "relie": (("leaky_relu", {"slope": 0.01}),),
    "elu": (("elu", {}),),
    "logistic": (("sigmoid", {}),),
    "tanh": (("tanh", {}),),
    "swish": (("silu", {}),),
    "mish": (("mish", {}),),
    # 2 / (1 + exp(-x)) - 1 = tanh(x / 2)
    "loggy": (("normalize", {"mean": 0, "std": 2}), ("tanh", {})),
    # from -1 to 1: relu6(3*x + 3) / 3 - 1
    "hardtan": (("normalize", {"mean": -1, "std": 1 / 3}), ("relu6", {}), ("normalize", {"mean": 3, "std": 3})),
}
WITHOUT_EQUAL = {
    "selu": "its constants have four digits, those of `selu` are exact",
    "gelu": "it is the tanh approximation, and `gelu` is exact",
    **dict.fromkeys(("hard_mish", "lhtan", "plse", "stair"), "the language has no such activation"),
    **dict.fromkeys(
        ("normalize_channels", "normalize_channels_softmax", "normalize_channels_softmax_maxval"),
        "it divides by what all channels are together",
    ),
}
# of any layer; they matter in training alone, or to the reader of weights
COMMON = (
    "burnin_update",
    "clip",
    "dont_update",
    "dontload",
    "dontloadscales",
    "dynamic_minibatch",
    "learning_rate",
    "name",
    "onlyforward",
    "stopbackward",
    "train_only_bn",
)


def _near(name: str) -> str:
    """The activation that a misspelt name may mean, for a message."""
    from cnnlang.expand.cures.suggest import nearest

    near = nearest(name, [*ACTIVATIONS, "ramp"])
    return f"; did you mean {near}?" if near else ""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """The weights of one layer as a `.weights` file holds them.

    Attributes
    ----------
    nodes
        Its `Weight` nodes, in their order there.
    kind
        What kind of layer it is: `convolutional`, `connected`, `batchnorm`.
    skipped
        Whether the file has none for it (`dontload`), or not all (`dontloadscales`).
    """

    nodes: tuple[Node, ...]
    kind: str
    skipped: bool = False


@dataclass(slots=True)
class Net:
    """The net so far.

    Attributes
    ----------
    builder
        Applies operators.
    x
        What the layer at hand reads: the value of the one before it.
    values
        What each layer made.
    heads
        The values that go into a head of a detector, by its name; the head itself is no part of the net.
    head_layers
        The layers, by number, that are such heads.
    stored
        The layers with weights.
    notes
        What a user should know.
    """

    builder: Builder
    x: Value
    values: list[Value] = field(default_factory=list)
    heads: dict[str, Value] = field(default_factory=dict)
    head_layers: set[int] = field(default_factory=set)
    stored: list[Stored] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The number of the layer at hand."""
        return len(self.values)

    def path(self, leaf: str = "") -> str:
        """A path for the weights of the layer at hand; a cfg has no names."""
        return f"layer{self.index}{leaf}"

    def note(self, text: str) -> None:
        self.notes[text] = None

    def earlier(self, number: int, section: Section, key: str) -> Value:
        """The value of another layer, counted from the file's start, or backwards from here.

        Raises
        ------
        LayerError
            E0601: there is no such layer before this one; E0602: it is the head of a detector.
        """
        place = number + self.index if number < 0 else number
        if not 0 <= place < self.index:
            why = f"layer {self.index} goes back to layer {place}, and those before it are 0 to {self.index - 1}"
            if not self.index:
                why = "there is no layer before the first"
            raise broken(why, section.place(key))
        if place in self.head_layers:
            raise unsayable(f"it reads the boxes that layer {place} finds", section.place(key))
        return self.values[place]

    def activate(self, value: Value, section: Section, default: str) -> Value:
        """The activation that a section names.

        Raises
        ------
        LayerError
            E0602: the language has none such.
        """
        name = section.text("activation", default)
        if name == "ramp":  # relu(x) + x / 10
            tenth = self.builder.apply("normalize", value, mean=0, std=10)
            return self.builder.apply("add", self.builder.apply("relu", value), tenth)
        if name not in ACTIVATIONS:
            why = WITHOUT_EQUAL.get(name, f"no such activation is known{_near(name)}")
            raise unsayable(f"activation={shown(name)}: {why}", section.place("activation"))
        for op, arguments in ACTIVATIONS[name]:
            value = self.builder.apply(op, value, **arguments)
        return value

    def weigh(self, section: Section, kind: str, *layers: Value, order: tuple[tuple[int, str], ...]) -> None:
        """Take note of how a `.weights` file holds weights: the layer by number, and the weight's name, in turn."""
        nodes: list[Node] = []
        for number, name in order:
            node = layers[number].node
            if node is None:
                return
            nodes += [w for w in node.weights if str(w.op).endswith(f".{name}")]
        skipped = section.flag("dontload") or section.flag("dontloadscales")
        self.stored.append(Stored(tuple(nodes), kind, skipped))

    def features(self, value: Value) -> Value:
        return self.builder.flat(value) if value.node is not None else UNKNOWN

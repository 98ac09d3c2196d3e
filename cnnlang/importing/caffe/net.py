"""The layers of a prototxt as Caffe runs them for testing, and the net while it is built."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cnnlang.importing.building import Builder, LayerError, Value, broken, unsayable
from cnnlang.importing.caffe.text import Message, Scalar
from cnnlang.importing.caffe.weights import Stored
from cnnlang.importing.texts import MAX_LAYERS, shown
from cnnlang.ir import Node
from cnnlang.source import Span

# what an older file calls a kind by a word, and newer ones by a text
OLDER = {
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}
OF_ANY_LAYER = frozenset(
    """
    name type bottom top phase loss_weight param blobs propagate_down include exclude blobs_lr weight_decay
    blob_share_mode transform_param loss_param
    """.split()  # noqa: SIM905  # a list of words
)
State = tuple[str, int]
SHARING = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "ConvolutionDepthwise": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
}
PREFIXES = {"Convolution": "conv", "Deconvolution": "deconv", "InnerProduct": "fc", "BatchNorm": "bn"}
RULE_FIELDS = frozenset(("phase", "min_level", "max_level", "stage", "not_stage"))


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer of the file that runs in testing.

    Attributes
    ----------
    name, kind
        As the file says; a kind is as newer files write it (`InnerProduct`).
    message
        All that the file says of it.
    bottoms, tops
        The blobs that it reads and makes.
    """

    name: str
    kind: str
    message: Message
    bottoms: tuple[Scalar, ...]
    tops: tuple[Scalar, ...]

    @property
    def span(self) -> Span:
        """Where it names its kind."""
        return self.message.place("type")

    @property
    def weight_names(self) -> list[str]:
        """The names that its weights have, by which other layers share them; empty where one has none."""
        found = self.message.fields.get("param", [])
        return [p.text("name") if isinstance(p, Message) else p.text for p in found]

    @property
    def blobs(self) -> int:
        """How many weights it has, where it is of a kind that shares them."""
        return 1 + self.message.message(SHARING[self.kind]).flag("bias_term", True)

    def param(self, name: str, known: str, ignored: str = "") -> Message:
        """Its parameters of a kind; `known` are the fields that the caller reads, `ignored` those that do not matter.

        Raises
        ------
        LayerError
            E0602: there is a field beside them.
        """
        found = self.message.message(name)
        allowed = {*known.split(), *ignored.split()}
        for each in found.fields:
            if each not in allowed:
                raise unsayable(f"what `{each}` means here is not known", found.place(each))
        return found

    def need(self, bottoms: int, tops: int = 1) -> None:
        """Raise E0601 unless it has so many bottoms and tops."""
        for count, wanted, noun in ((len(self.bottoms), bottoms, "bottom"), (len(self.tops), tops, "top")):
            if count != wanted:
                raise broken(f"it must have {wanted} {noun}{'s' * (wanted != 1)}, and has {count}")


def layers_of(net: Message) -> Iterator[Layer]:
    """The layers that run in testing, in their order.

    Raises
    ------
    LayerError
        E0601: one has no kind, or a field is of the wrong form; E0602: the file is of a kind before 2014; E0603: there
        are too many.
    """
    messages = [*net.messages("layer"), *net.messages("layers")]
    if len(messages) > MAX_LAYERS:
        raise LayerError("E0603", f"a net has at most {MAX_LAYERS:,} layers", messages[MAX_LAYERS].span)
    for message in sorted(messages, key=lambda m: m.span.start):
        if message.has("layer"):
            cure = "Caffe's own upgrade_net_proto_text writes it anew"
            raise unsayable("a layer in a layer is the form of 2013", message.span, cure)
        kind = message.scalar("type")
        if kind is None:
            raise broken("a layer has no type", message.span)
        if not in_testing(message):
            continue
        name = message.text("name")
        if any(ord(c) < 32 or ord(c) == 127 for c in name + kind.text):
            raise broken("a name has no line ends and other control characters", message.place("name"))
        older = message.kind == "layers" and kind.kind == "word"
        yield Layer(
            name,
            OLDER.get(kind.text, kind.text) if older else kind.text,
            message,
            tuple(message.scalars("bottom")),
            tuple(message.scalars("top")),
        )


def in_testing(message: Message) -> bool:
    """Whether a layer is there in the phase TEST, at level 0, without stages."""
    included, excluded = message.messages("include"), message.messages("exclude")
    if included:
        return any(map(_matches, included))
    return not any(map(_matches, excluded))


def _matches(rule: Message) -> bool:
    for name in rule.fields:
        if name not in RULE_FIELDS:
            raise broken(f"a rule has no field `{name}`", rule.place(name))
    if rule.has("phase") and rule.choice("phase", "TRAIN", "TEST") != "TEST":
        return False
    if rule.integer("min_level", 0, -(2**31)) > 0 or rule.integer("max_level", 0, -(2**31)) < 0:
        return False
    return not rule.scalars("stage")


def _stored(layer: Layer, path: str) -> Stored:
    """How a file holds the weights of a layer."""
    if layer.kind == "BatchNorm":
        return Stored(layer.name, (f"{path}.running_mean", f"{path}.running_var"), is_scaled=True)
    has_bias = layer.message.message("scale_param").flag("bias_term", False) if layer.kind == "Scale" else False
    if layer.kind in SHARING:
        has_bias = layer.blobs > 1
    leaves = ("weight", "bias") if has_bias else ("weight",)
    is_transposed = layer.message.message("inner_product_param").flag("transpose", False)
    return Stored(layer.name, tuple(f"{path}.{leaf}" for leaf in leaves), is_transposed=is_transposed)


def uses_of(layers: Iterable[Layer]) -> Counter[State]:
    """How often each state of a blob is read."""
    states: Counter[str] = Counter()
    uses: Counter[State] = Counter()
    for layer in layers:
        uses.update((b.text, states[b.text]) for b in layer.bottoms)
        states.update(t.text for t in layer.tops)
    return uses


@dataclass(slots=True)
class Net:
    """The net so far.

    Attributes
    ----------
    builder
        Applies operators.
    blobs
        What each blob holds now, by its name; None for what is known in training alone (the true classes).
    open
        The blobs that nobody has read so far, with their places.
    inputs
        The inputs, by their names.
    metadata
        How the pictures of an input are prepared, by its name.
    uses
        How often each state of a blob is read: by its name and how often it was made before.
    states
        How often each blob was made so far.
    awaiting
        The state of a blob that a batch normalisation made, for a Scale layer that belongs to it.
    paths
        How often a path was asked for.
    owners
        The path, and the number, of each weight that has a name of its own.
    stored
        How a file holds the weights of each layer.
    notes
        What a user should know.
    """

    builder: Builder
    uses: Counter[State]
    input_size: tuple[int, int, int] | None = None
    blobs: dict[str, Value | None] = field(default_factory=dict)
    open: dict[str, Span] = field(default_factory=dict)
    inputs: dict[str, Value] = field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)
    awaiting: dict[Node, State] = field(default_factory=dict)
    paths: dict[str, int] = field(default_factory=dict)
    owners: dict[str, tuple[str, int]] = field(default_factory=dict)
    stored: list[Stored] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, text: str) -> None:
        self.notes[text] = None

    def path(self, layer: Layer) -> str:
        """The path of a layer's weights: its own, or that of the layer that it shares them with.

        Raises
        ------
        LayerError
            E0602: it shares a part of them, or its weights are of a kind that cannot be shared.
        """
        names = layer.weight_names
        owners = {self.owners[name][0] for name in names if name in self.owners}
        if not owners:
            path = self._own_path(layer)
            self.owners.update({name: (path, i) for i, name in enumerate(names) if name})
            self.stored.append(_stored(layer, path))
            return path
        (path, *others) = owners
        if (
            layer.kind not in SHARING
            or others
            or [self.owners.get(n) for n in names] != [(path, 0), (path, 1)][: layer.blobs]
        ):
            raise unsayable("it shares a part of its weights with another layer", layer.message.place("param"))
        return path

    def _own_path(self, layer: Layer) -> str:
        """A layer's name, with dots for slashes, `conv_1x1` for `1x1`."""
        words = re.split(r"[/.]+", re.sub(r"[^A-Za-z0-9_/.]", "_", layer.name))
        prefix = PREFIXES.get(layer.kind, "")
        parts = [f"{prefix}_{w}" if w[0].isdigit() and not w.isdigit() else w for w in words if w]
        wanted = ".".join(parts) or layer.kind
        count = self.paths[wanted] = self.paths.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}_{count}"

    def await_scale(self, value: Value, layer: Layer) -> None:
        """A batch normalisation was made: a Scale layer that alone reads it is a part of it."""
        (top,) = layer.tops
        if value.node is not None:
            self.awaiting[value.node] = (top.text, self.states[top.text] + 1)

    def takes_scale(self, value: Value, layer: Layer) -> bool:
        """Whether a Scale layer is a part of the batch normalisation before it; only one is."""
        (bottom,) = layer.bottoms
        state = (bottom.text, self.states[bottom.text])
        if value.node is None or self.awaiting.get(value.node) != state or self.uses[state] != 1:
            return False
        del self.awaiting[value.node]
        path = str(value.node.weights[0].op).rpartition(".")[0]
        self.stored.append(_stored(layer, path))
        return True

    def read(self, bottom: Scalar) -> Value:
        """The value of a blob.

        Raises
        ------
        LayerError
            E0601: no layer before makes it; E0602: it is known in training alone.
        """
        if bottom.text not in self.blobs:
            from cnnlang.expand.cures.suggest import nearest

            near = nearest(bottom.text, list(self.blobs))
            hint = f"; did you mean {shown(near)}?" if near else ""
            raise broken(f"no layer before it makes {shown(bottom.text)}{hint}", bottom.span)
        value = self.blobs[bottom.text]
        self.open.pop(bottom.text, None)
        if value is None:
            raise unsayable(f"it reads {shown(bottom.text)}, which is known in training alone", bottom.span)
        return value

    def make(self, top: Scalar, value: Value | None, *, in_place: bool = False) -> None:
        """A layer makes a blob.

        Raises
        ------
        LayerError
            E0601: another layer makes it.
        """
        if top.text in self.blobs and not in_place:
            raise broken(f"another layer makes {shown(top.text)} too", top.span)
        self.blobs[top.text] = value
        self.states[top.text] += 1
        if value is not None:
            self.open[top.text] = top.span

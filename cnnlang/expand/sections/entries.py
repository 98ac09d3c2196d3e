"""The sections `train`, `predict` and `meta`: every entry read, held against the net, and its mistakes reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cnnlang.diagnostics import Edit, Help, Label
from cnnlang.expand.cures.removal import at, remove_entry
from cnnlang.expand.cures.suggest import did_you_mean
from cnnlang.expand.evaluate import Evaluator
from cnnlang.expand.findings import Abandon, Findings
from cnnlang.expand.sections.calls import Enough, Placed, Reader
from cnnlang.expand.sections.freeze import FreezeReader
from cnnlang.expand.sections.loss import LossReader
from cnnlang.expand.sections.meta import MetaReader
from cnnlang.expand.sections.views import ViewReader, window_fits
from cnnlang.initializers import INITIALIZERS, Initializer
from cnnlang.ir import Node, topological
from cnnlang.ops.base import Input
from cnnlang.signature import Kind, integer, number
from cnnlang.source import Span
from cnnlang.syntax import tree
from cnnlang.training.augment import AUGMENTATIONS, Augmentation
from cnnlang.training.keys import (
    FOREIGN_META_KEYS,
    FOREIGN_PREDICT_KEYS,
    FOREIGN_TRAIN_KEYS,
    META_KEYS,
    OPTIMIZER_KEYS,
    PREDICT_KEYS,
    TRAIN_KEYS,
)
from cnnlang.training.optimizers import OPTIMIZERS, Optimizer
from cnnlang.training.schedules import SCHEDULES, Cosine, Linear, Schedule, Warmup

KEYS = {"train": TRAIN_KEYS, "predict": PREDICT_KEYS, "meta": META_KEYS}
FOREIGN_KEYS = {"train": FOREIGN_TRAIN_KEYS, "predict": FOREIGN_PREDICT_KEYS, "meta": FOREIGN_META_KEYS}

COUNT = integer("a positive integer", 1)
NUMBERS: dict[str, Kind] = {
    "epochs": COUNT,
    "batch": COUNT,
    "patience": COUNT,
    "seed": integer("an integer from 0", 0),
    "clip": number("a number above 0", lambda v: v > 0),
    "validation": number("a number from 0 up to, not including, 1", lambda v: 0 <= v < 1),
}

PERCENT = (Help("it is a share of the samples: a tenth is `0.1`"),)


def read_section(
    section: tree.Section,
    evaluator: Evaluator,
    outputs: Mapping[str, Node],
    weight_paths: Collection[str],
    aux: Mapping[str, Node],
    findings: Findings,
) -> dict[str, Any]:
    """Read a section and report everything that is wrong in it.

    Parameters
    ----------
    section
        `train`, `predict` or `meta`.
    evaluator
        With the names that the net's body has bound.
    outputs
        The net's outputs, by name, in order.
    weight_paths
        The paths of all weights, those of `aux` heads among them.
    aux
        The results of the `aux` heads, by name.
    findings
        Where mistakes go.

    Returns
    -------
    dict
        The entries without a mistake, by key, in the order of the text. Of `train`: `loss`, for each output and `aux`
        head by name a tuple of `WeightedLoss` (their sum; a head's own weight, `aux head(weight=0.3)`, is not in it);
        `optimizer`, an `Optimizer`; `schedule`, a tuple of `Schedule`: a `Warmup`, another, or both in this order;
        `augment`, a tuple of `Augmentation`, in order; `epochs`, `batch`, `patience`, `seed`, integers; `clip`,
        `validation`, floats; `freeze`, a tuple of patterns (`*` is any characters, dots among them, `?` is one);
        `init`, an `Initializer`. Of `predict`: `tta`, a `TestTime`. Of `meta`: strings, numbers, truth values, and
        lists of them, as written.
    """
    return SectionReader(section, Reader(evaluator, findings), outputs, weight_paths, aux).read()


@dataclass(frozen=True, slots=True)
class SectionReader:
    """Reads the entries of one section."""

    section: tree.Section
    reader: Reader
    outputs: Mapping[str, Node]
    weight_paths: Collection[str]
    aux: Mapping[str, Node]

    def read(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        with suppress(Enough):
            self._read(values)
        return values

    def _read(self, values: dict[str, Any]) -> None:
        readers = self._readers()
        for key, entry in self._entries().items():
            if self.section.kind != "meta" and isinstance(entry.value, tree.Constant) and entry.value.value is None:
                cure = Help("take the entry away", (remove_entry(self.section.entries, entry),))
                self.reader.error(f"`{key}` has no value", entry.value.span, cure)
                continue
            try:
                values[key] = readers.get(key, MetaReader(self.reader).value)(entry)
            except Abandon:
                continue
        if self.section.kind == "train":
            self._hold_together(values)
        if self.section.kind == "meta":
            MetaReader(self.reader).hold(self.section, values)

    def _readers(self) -> dict[str, Callable[[tree.Entry], Any]]:
        if self.section.kind == "meta":
            return dict.fromkeys(META_KEYS, MetaReader(self.reader).known)
        if self.section.kind == "predict":
            return {"tta": ViewReader(self.reader, self._inputs(), tuple(self.outputs.values())).read}
        return {
            **dict.fromkeys(NUMBERS, self._number),
            "loss": LossReader(self.reader, self.outputs, self.aux).read,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
            "augment": self._augment,
            "freeze": FreezeReader(self.reader, self.weight_paths).read,
            "init": self._init,
        }

    def _inputs(self) -> list[Node]:
        return [node for node in topological(self.outputs.values()) if isinstance(node.op, Input)]

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _entries(self) -> dict[str, tree.Entry]:
        """The first entry of each known key; the others are reported."""
        first: dict[str, tree.Entry] = {}
        for entry in self.section.entries:
            key = entry.key.name
            if key in first:
                self.reader.findings.report(
                    "E0315", f"`{key}` is given twice", entry.key.span,
                    labels=(Label(first[key].key.span, "first here"),),
                    help=(Help("take one away", (remove_entry(self.section.entries, entry),)),),
                )  # fmt: skip
            elif self._is_unknown(key):
                self._unknown_key(entry)
            else:
                first[key] = entry
        return first

    def _is_unknown(self, key: str) -> bool:
        kind = self.section.kind
        if key in KEYS[kind]:
            return False
        return kind != "meta" or key in FOREIGN_META_KEYS or key.lower() in {*META_KEYS, *FOREIGN_META_KEYS}

    def _unknown_key(self, entry: tree.Entry) -> None:
        kind, key, span = self.section.kind, entry.key.name, entry.key.span
        written = {e.key.name for e in self.section.entries}
        ours = FOREIGN_KEYS[kind].get(key.lower()) or (key.lower() if key.lower() in KEYS[kind] else None)
        help: tuple[Help, ...]
        if ours:
            if ours in written:
                away = remove_entry(self.section.entries, entry)
                help = (Help(f"it is `{ours}`, which is given too: take this one away", (away,)),)
            else:
                help = (Help(f"`{key}` is called `{ours}` here", (Edit(span, ours),)),)
        elif kind == "train" and key in OPTIMIZER_KEYS:
            help = (self._for_the_optimizer(entry),)
        elif other := next((k for k, keys in KEYS.items() if key in keys), None):
            help = (Help(f"`{key}` stands in `{other} {{ }}`"),)
        else:
            help = did_you_mean(key, [k for k in KEYS[kind] if k not in written], span)
            words = f"its entries are {', '.join(f'`{k}`' for k in KEYS[kind])}"
            help = help or (Help(words, (remove_entry(self.section.entries, entry),)),)
        self.reader.error(f"`{kind}` has no entry `{key}`", span, *help)

    def _for_the_optimizer(self, entry: tree.Entry) -> Help:
        """The cure for `lr = 0.1` as an entry: an argument of the optimizer."""
        name, value = OPTIMIZER_KEYS[entry.key.name], entry.value.span.text
        text = f"{name}={value}"
        optimizer = next((e.value for e in self.section.entries if e.key.name == "optimizer"), None)
        words = f"`{name}` is an argument of the optimizer: "
        if optimizer is None:
            whole = f"optimizer = sgd({text})"
            return Help(f"{words}write for example `{whole}`", (Edit(entry.span, whole),) if name == "lr" else ())
        away = remove_entry(self.section.entries, entry)
        match optimizer:
            case tree.Name():
                edit = Edit(at(optimizer.span, optimizer.span.end), f"({text})")
            case tree.Call(arguments=()):
                edit = Edit(Span(optimizer.span.source, optimizer.name.span.end, optimizer.span.end), f"({text})")
            case tree.Call(arguments=arguments):
                edit = Edit(at(optimizer.span, arguments[-1].span.end), f", {text}")
            case _:
                return Help(f"{words}`adam({text})`")
        return Help(f"{words}give it there", (away, edit))

    # --- the entries of train -----------------------------------------------------------------------------------------

    def _number(self, entry: tree.Entry) -> Any:
        key = entry.key.name
        return self.reader.of_kind(NUMBERS[key], key, entry.value, PERCENT if key == "validation" else ())

    def _optimizer(self, entry: tree.Entry) -> Optimizer:
        return self.reader.declared(OPTIMIZERS, "optimizer", entry.value).made

    def _init(self, entry: tree.Entry) -> Initializer:
        return self.reader.declared(INITIALIZERS, "init", entry.value).made

    def _schedule(self, entry: tree.Entry) -> tuple[Schedule, ...]:
        chain = self.reader.chain(SCHEDULES, "schedule", entry.value)
        for i, stage in enumerate(chain):
            if i == 1 and chain[0].made.leads and not stage.made.leads:
                continue
            if i > 0:
                words = "a schedule is one, or a `warmup` and one after it"
                raise self.reader.error(words, stage.span, _in_order(chain, entry.value.span))
        return tuple(stage.made for stage in chain)

    def _augment(self, entry: tree.Entry) -> tuple[Augmentation, ...]:
        chain = self.reader.chain(AUGMENTATIONS, "augment", entry.value)
        pictures = [node for node in self._inputs() if node.type.rank == 4]
        if not pictures:
            raise self.reader.error("`augment` needs an input that is a picture [N, C, H, W]", entry.value.span)
        if not all([self._fits_pictures(step, pictures) for step in chain]):
            raise Abandon
        return tuple(step.made for step in chain)

    def _fits_pictures(self, step: Placed[Augmentation], pictures: Sequence[Node]) -> bool:
        for node in pictures:
            if step.made.needs_colour and node.type.channels != 3:
                message = f"`{step.made.name}` needs three channels, and input `{node.name}` is {node.type}"
                self.reader.error(message, step.span)
                return False
        return not step.made.crops or window_fits(step, pictures, self.reader)

    # --- entries held against each other ------------------------------------------------------------------------------

    def _hold_together(self, values: Mapping[str, Any]) -> None:
        places = {e.key.name: e.value.span for e in reversed(self.section.entries)}
        if "patience" in places and "validation" not in places:
            entry = next(e for e in self.section.entries if e.key.name == "patience")
            cure = Edit(at(entry.span, entry.span.end), ", validation = 0.1")
            message = "`patience` watches the loss on samples kept apart, and there is no `validation`"
            self.reader.error(message, entry.key.span, Help("keep a tenth: `validation = 0.1`", (cure,)))
        elif values.get("validation") == 0 and "patience" in values:
            message = "`patience` watches the loss on samples kept apart, and `validation` keeps none"
            cure = Edit(places["validation"], "0.1")
            self.reader.error(message, places["validation"], Help("keep a tenth", (cure,)))
        stages = values.get("schedule", ())
        if stages and isinstance(stages[0], Warmup) and stages[0].epochs >= values.get("epochs", math.inf):
            message = f"the warm-up takes {stages[0].epochs} epochs, and the training has {values['epochs']}"
            self.reader.error(message, places["schedule"], Help("make it shorter"))
        rate = values["optimizer"].lr if "optimizer" in values else math.inf
        for stage in stages:
            lowest = stage.min if isinstance(stage, Cosine) else stage.end if isinstance(stage, Linear) else 0.0
            if lowest >= rate:
                message = f"`{stage}` ends at {lowest:g}, which is not below the optimizer's rate of {rate:g}"
                self.reader.error(message, places["schedule"], Help("make it smaller"))


def _in_order(chain: Sequence[Placed[Schedule]], span: Span) -> Help:
    """The cure of `cosine -> warmup(3)`."""
    if len(chain) == 2 and chain[1].made.leads > chain[0].made.leads:
        text = f"{chain[1].span.text} -> {chain[0].span.text}"
        return Help(f"write `{text}`", (Edit(span, text),))
    return Help("write for example `warmup(5) -> cosine`")

"""The sections `train`, `predict` and `meta`: what they give, and each mistake in them with its cure.

The tables in `tests/sections/` hold one entry a row, after the net it stands in where that is not the plain one, then
what is found in it and what its cure makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlang.diagnostics import Diagnostic
from cnnlang.edits import apply_edits, choose_cures, first_cure
from cnnlang.expand import Checked, check
from cnnlang.signature import Declared, Registry
from cnnlang.source import Source
from cnnlang.training import (
    AUGMENTATIONS,
    INITIALIZERS,
    LOSSES,
    OPTIMIZERS,
    REGISTRIES,
    SCHEDULES,
    VIEWS,
    Initializer,
    Optimizer,
    WeightedLoss,
)

TABLES = Path(__file__).parent / "sections"

NETS = {
    "plain": """\
cnn 1
net A(lr=0.1, big=true, alpha=0.5) {
  input x: [N, 3, 32, 32]
  conv(8, 3) as stem -> relu -> global_avgpool -> END
  SECTION
}
""",
    "grey": """\
cnn 1
net A {
  input x: [N, 1, 32, 32]
  conv(8, 3) -> global_avgpool
  SECTION
}
""",
    "vector": """\
cnn 1
net A {
  input x: [N, 32]
  dense(10)
  SECTION
}
""",
    "map": """\
cnn 1
net A {
  input x: [N, 3, H, W]
  conv(2, 3, pad=1)
  SECTION
}
""",
    "heads": """\
cnn 1
net A {
  input x: [N, 3, 32, 32]
  conv(8, 3) -> relu -> global_avgpool as z
  output face = z -> dense(5), box = z -> dense(4)
  SECTION
}
""",
    "aux": """\
cnn 1
net A {
  input x: [N, 3, 32, 32]
  conv(8, 3) -> relu as c
  aux side(weight=0.3) = c -> global_avgpool -> dense(10) -> softmax
  output scores = c -> conv(8, 3) -> global_avgpool -> dense(10) -> softmax
  SECTION
}
""",
}


@dataclass(frozen=True)
class Case:
    """One row of a table: `section`'s entries `row`, perhaps after a net or the end of the plain one."""

    section: str
    row: str

    @property
    def text(self) -> str:
        kind = self.section if self.section != "loss" else "train"
        found = re.fullmatch(r"(?:(?P<net>grey|vector|map|heads|aux|dense\(1.*?): )?(?P<entries>.*)", self.row)
        assert found
        net = found["net"] or "dense(10)"
        text = NETS[net] if net in NETS else NETS["plain"].replace("END", net)
        return text.replace("SECTION", f"{kind} {{ {found['entries']} }}")


def checked(text: str) -> Checked:
    return check(Source("a.cnn", text))


def findings(text: str) -> list[Diagnostic]:
    """What is found, but for names that only a mistaken section would use."""
    return [d for d in checked(text).diagnostics if d.code != "W0508"]


def shown(case: Case) -> str:
    """What is found in a case, and what cures make of the line that they change."""
    lines = []
    for found in findings(case.text):
        assert found.span
        lines.append(f"  {found.code} at {found.span.text}: {found.message}")
        lines += [f"    {help.text}" for help in found.help]
        cure = first_cure(found)
        if cure:
            mended = apply_edits(case.text, cure.edits).splitlines()
            lines += [f"    = {line.strip()}" for line in mended if line not in case.text.splitlines()]
    return "\n".join(lines) + "\n"


def table(name: str) -> Iterator[tuple[Case, str]]:
    for block in re.split(r"\n(?=\S)", (TABLES / f"{name}.txt").read_text(encoding="utf-8")):
        row, _, expected = block.partition("\n")
        yield Case(name, row), expected.rstrip("\n") + "\n"


CASES = [row for path in sorted(TABLES.glob("*.txt")) for row in table(path.stem)]


@pytest.mark.parametrize(("case", "expected"), CASES, ids=[case.row for case, _ in CASES])
def test_a_mistake_is_found_where_it_stands(case: Case, expected: str) -> None:
    assert shown(case) == expected


@pytest.mark.parametrize("case", [case for case, _ in CASES], ids=[case.row for case, _ in CASES])
def test_cures_mend_what_they_can(case: Case) -> None:
    text = case.text
    for _ in range(3):
        source = Source("a.cnn", text)
        found = [d for d in check(source).diagnostics if d.is_error]
        if not found or not all(map(first_cure, found)):
            break
        text = apply_edits(text, [e for _, cure in choose_cures(found, source) for e in cure.edits])
    else:
        pytest.fail(f"three rounds of cures leave\n{text}")


# --- what sections give -----------------------------------------------------------------------------------------------


def section(text: str, net: str = "plain", end: str = "dense(10)") -> dict[str, Any]:
    """The values of a section that has no mistake; of declared things their text."""
    result = checked(NETS[net].replace("END", end).replace("SECTION", dedent(text)))
    assert [d for d in result.diagnostics if d.code != "W0508"] == []
    program = next(iter(result.programs.values()))
    values = {**program.train, **program.predict, **program.meta}
    return {key: plain(value) for key, value in values.items()}


def plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: plain(v) for key, v in value.items()}
        case tuple():
            return tuple(map(plain, value))
        case str() | int() | float() | list():
            return value
    return str(value)


def test_a_whole_train_section() -> None:
    assert section("""
        train {
          loss = cross_entropy(smoothing=0.1) + 0.5 * mse
          optimizer = adam(lr=lr)
          schedule = warmup(2) -> cosine(min=1e-5)
          augment = crop(32, pad=4) -> hflip -> brightness(0.2)
          epochs = 12, batch = 64
          clip = 1
          validation = 0.1
          patience = 3
          freeze = ["stem.*", "dense1.bias"]
          init = normal(0.02)
          seed = 0
        }
    """) == {
        "loss": {"output": ("cross_entropy(smoothing=0.1)", "0.5 * mse")},
        "optimizer": "adam(lr=0.1)",
        "schedule": ("warmup(2)", "cosine(min=1e-5)"),
        "augment": ("crop(32, pad=4)", "hflip", "brightness(0.2)"),
        "epochs": 12,
        "batch": 64,
        "clip": 1.0,
        "validation": 0.1,
        "patience": 3,
        "freeze": ("stem.*", "dense1.bias"),
        "init": "normal(0.02)",
        "seed": 0,
    }


def test_values_are_of_the_documented_types() -> None:
    text = "train { loss = 2 * bce, optimizer = sgd(0.1, momentum=0.9), clip = 1, init = he_normal }"
    train = checked(NETS["plain"].replace("END", "dense(10)").replace("SECTION", text)).programs["A"].train
    (term,) = train["loss"]["output"]
    assert isinstance(term, WeightedLoss)
    assert (term.weight, type(term.loss)) == (2.0, LOSSES["bce"])
    assert isinstance(train["optimizer"], Optimizer)
    assert (train["optimizer"].lr, train["optimizer"].momentum) == (0.1, 0.9)
    assert isinstance(train["init"], Initializer)
    assert isinstance(train["clip"], float)


LOSS_VALUES = [
    ("mse", ("mse",)),
    ("0.5 * mse + mae", ("0.5 * mse", "mae")),
    ("mse * 0.5", ("0.5 * mse",)),
    ("mse / 2", ("0.5 * mse",)),
    ("alpha * (mse + huber(0.5))", ("0.5 * mse", "0.5 * huber(delta=0.5)")),
    ("2 * (0.5 * (mse + 4 * mae))", ("mse", "4 * mae")),
    ("0.5 * (2 - alpha) * mse", ("0.75 * mse",)),
    ("mse if big else mae", ("mse",)),
    ("0.25 * (mse if not big else 2 * mae)", ("0.5 * mae",)),
]


@pytest.mark.parametrize(("written", "expected"), LOSS_VALUES)
def test_a_loss_is_a_weighted_sum(written: str, expected: tuple[str, ...]) -> None:
    assert section(f"train {{ loss = {written} }}") == {"loss": {"output": expected}}


def test_each_output_has_its_loss() -> None:
    text = "train { loss = { box = 0.5 * mse, face = cross_entropy } }"
    assert section(text, "heads") == {"loss": {"face": ("cross_entropy",), "box": ("0.5 * mse",)}}


@pytest.mark.parametrize(
    ("written", "scores", "side"),
    [
        ("cross_entropy", "cross_entropy", "cross_entropy"),
        ("{ scores = cross_entropy }", "cross_entropy", "cross_entropy"),
        ("{ scores = cross_entropy, side = mse }", "cross_entropy", "mse"),
    ],
)
def test_an_aux_head_has_the_only_outputs_loss_unless_it_has_its_own(written: str, scores: str, side: str) -> None:
    assert section(f"train {{ loss = {written} }}", "aux") == {"loss": {"scores": (scores,), "side": (side,)}}


@pytest.mark.parametrize(
    ("end", "loss"),
    [
        ("dense(10) -> softmax", "cross_entropy"),
        ("dense(10) -> log_softmax", "cross_entropy"),
        ("dense(10) -> log_softmax -> dropout", "cross_entropy"),
        ("dense(10) -> leaky_relu", "cross_entropy"),
        ("dense(1) -> sigmoid", "bce"),
        ("dense(10) -> softmax", "mse"),
        ("dense(10) -> tanh", "mse + 0.1 * mae"),
        ("dense(1) -> relu", "huber"),
    ],
)
def test_a_loss_takes_over_its_own_activation_without_a_word(end: str, loss: str) -> None:
    assert list(section(f"train {{ loss = {loss} }}", end=end)) == ["loss"]


@pytest.mark.parametrize("pattern", ["conv1.*", "side.*", "*.bias", "side.dense1.weight", "conv?.weight"])
def test_a_pattern_matches_paths_of_heads_too(pattern: str) -> None:
    assert section(f'train {{ freeze = "{pattern}" }}', "aux") == {"freeze": (pattern,)}


@pytest.mark.parametrize(
    ("net", "written", "expected", "count"),
    [
        ("plain", "mean { | in | hflip | ten_crop(32) }", "mean { | in | hflip | ten_crop(32) }", 12),
        ("plain", "max { | in -> hflip | vflip -> shift(1, -2) }", "max { | hflip | vflip -> shift(1, -2) }", 2),
        ("plain", "mean { | five_crop(32) -> hflip }", "mean { | five_crop(32) -> hflip }", 5),
        ("map", "mean { | in | hflip | vflip -> hflip }", "mean { | in | hflip | vflip -> hflip }", 3),
    ],
)
def test_views_and_their_number(net: str, written: str, expected: str, count: int) -> None:
    text = NETS[net].replace("END", "dense(10)").replace("SECTION", f"predict {{ tta = {written} }}")
    tta = checked(text).programs["A"].predict["tta"]
    assert (str(tta), tta.count) == (expected, count)


def test_meta_holds_plain_values() -> None:
    values = section("""
        meta {
          source = "https://example.org/net"
          licence = "Apache-2.0"
          citation = ["A. Author 2020", "B. Author 2021"]
          year = 1998, top1 = 0.75, is_final = not big, 이름 = "그물", size = 32 * 32, rates = (lr, 2 * lr)
        }
    """)
    assert values == {
        "source": "https://example.org/net",
        "licence": "Apache-2.0",
        "citation": ["A. Author 2020", "B. Author 2021"],
        "year": 1998,
        "top1": 0.75,
        "is_final": False,
        "이름": "그물",
        "size": 1024,
        "rates": [0.1, 0.2],
    }


def test_a_variants_section_takes_its_bases_place_and_sees_its_parameters() -> None:
    text = NETS["plain"].replace("END", "dense(10)").replace("SECTION", "train { epochs = 3, seed = 1 }")
    text += "net B = A(lr=0.5) { train { optimizer = sgd(lr) } }\n"
    programs = checked(text).programs
    assert programs["A"].train == {"epochs": 3, "seed": 1}
    assert plain(dict(programs["B"].train)) == {"optimizer": "sgd(0.5)"}


def test_a_wrong_entry_leaves_the_others() -> None:
    found = findings(Case("train", "epochs = 0, optimizer = adan, loss = huber(0), init = 3, seed = 1.5").text)
    assert [(d.code, d.span.text) for d in found if d.span] == [
        ("E0315", "0"), ("E0301", "adan"), ("E0305", "0"), ("E0315", "3"), ("E0315", "1.5"),
    ]  # fmt: skip


def test_one_loss_for_several_heads_is_reported_once() -> None:
    (found,) = findings(Case("loss", "aux: loss = bce").text)
    assert (found.code, found.notes) == ("W0507", ())


def test_a_section_full_of_mistakes_is_read_in_time() -> None:
    steps = " -> ".join(f"nope{i}" for i in range(10_000))
    found = findings(Case("train", f"augment = {steps}").text)
    assert len(found) == 20
    assert found[0].message == "no augmentation is called `nope0`"


# --- the registries ---------------------------------------------------------------------------------------------------

PLACES: dict[str, tuple[Registry[Any], str]] = {
    "loss": (LOSSES, "train { loss = %s }"),
    "optimizer": (OPTIMIZERS, "train { optimizer = %s }"),
    "schedule": (SCHEDULES, "train { schedule = %s }"),
    "augment": (AUGMENTATIONS, "train { augment = %s }"),
    "init": (INITIALIZERS, "train { init = %s }"),
    "tta": (VIEWS, "predict { tta = mean { | in | %s } }"),
}
FOREIGN = [(key, alias) for key, (registry, _) in PLACES.items() for c in registry.values() for alias in c.aliases]


def test_every_registry_has_its_place() -> None:
    assert {id(registry) for registry, _ in PLACES.values()} == set(map(id, REGISTRIES))


@pytest.mark.parametrize(("key", "alias"), FOREIGN)
def test_a_foreign_name_is_known(key: str, alias: str) -> None:
    registry, place = PLACES[key]
    ours = registry.foreign(alias)
    assert ours
    assert alias not in registry
    (found,) = findings(NETS["plain"].replace("END", "dense(10)").replace("SECTION", place % alias))
    assert found.help[0].text == f"`{alias}` is called `{ours}` here"
    assert [e.text for e in found.help[0].edits] == [ours]


EXAMPLES = [
    (declared, example)
    for registry in REGISTRIES
    if registry is not INITIALIZERS
    for declared in registry.values()
    for example in re.findall(r"^ {4}((?:loss|optimizer|schedule|augment|tta) = .*)$", declared.__doc__ or "", re.M)
]


@pytest.mark.parametrize(("declared", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_the_manuals_examples_check(declared: type[Declared], example: str) -> None:
    assert declared.name in example
    kind = "predict" if example.startswith("tta") else "train"
    # a net for the pictures that the example cuts
    text = NETS["plain"].replace("32", "224") if "224" in example else NETS["plain"]
    assert findings(text.replace("END", "dense(10)").replace("SECTION", f"{kind} {{ {example} }}")) == []


def test_every_manual_page_has_an_example() -> None:
    documented = {declared for declared, _ in EXAMPLES}
    assert [c.name for r in REGISTRIES if r is not INITIALIZERS for c in r.values() if c not in documented] == []


# --- laws -------------------------------------------------------------------------------------------------------------

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "lr": st.floats(1e-9, 1e3),
    "momentum": st.floats(0.001, 0.999),
    "nesterov": st.booleans(),
    "every": st.integers(1, 1000),
    "epochs": st.integers(1, 1000),
    "at": st.lists(st.integers(1, 1000), min_size=1, unique=True).map(sorted),
    "gamma": st.floats(1e-3, 1),
    "min": st.floats(0, 1),
    "end": st.floats(0, 1),
    "pixels": st.tuples(st.integers(0, 9), st.integers(0, 9)),
    "size": st.just((32, 32)),
    "pad": st.tuples(st.integers(0, 9), st.integers(0, 9)),
    "low": st.floats(0.01, 0.5),
    "high": st.floats(0.5, 1),
    "down": st.integers(-9, 9),
    "right": st.integers(-9, 9),
    "degrees": st.floats(0, 89),
    "delta": st.floats(0.1, 9),
    "margin": st.floats(0.1, 9),
    "std": st.floats(0.01, 9),
    "eps": st.floats(1e-12, 0.1),
    "weight_decay": st.floats(0, 0.1),
}
SHARE = st.floats(0, 0.999)
PATIENT = settings(deadline=None)


@st.composite
def declared_calls(draw: st.DrawFn) -> tuple[str, Declared]:
    """A key and something that may stand there, with arguments of its own."""
    key = draw(st.sampled_from(sorted(PLACES)))
    declared = draw(st.sampled_from(list(PLACES[key][0].values())))
    values = {f.name: draw(VALUES.get(f.name, SHARE)) for f in declared.fields()}
    return key, declared.make(values)


@PATIENT
@given(declared_calls())
def test_what_is_declared_reads_back_as_it_is_shown(drawn: tuple[str, Declared]) -> None:
    key, made = drawn
    text = NETS["plain"].replace("END", "dense(10)").replace("SECTION", PLACES[key][1] % made)
    program = checked(text).programs["A"]
    found = plain({**program.train, **program.predict}[key])
    expected = {"loss": {"output": (str(made),)}, "tta": f"mean {{ | in | {made} }}"}
    assert found == expected.get(key, (str(made),) if key in ("schedule", "augment") else str(made))


WORDS = """
    loss optimizer schedule augment epochs batch clip freeze init seed tta source lr foo x big alpha in none
    mse cross_entropy adam sgd cosine warmup hflip crop ten_crop he_normal CrossEntropyLoss mean max add
    = = = -> -> | , + * / - ( ) [ ] { } . 1 0.5 1e-3 32 5x5 "a" "stem.*" true if else
"""


@PATIENT
@given(
    st.sampled_from(["train", "predict", "meta"]),
    st.sampled_from(["plain", "map", "heads", "aux", "vector"]),
    st.lists(st.sampled_from(WORDS.split()), max_size=20),
)
def test_no_section_ends_in_a_traceback(kind: str, net: str, words: list[str]) -> None:
    text = NETS[net].replace("END", "dense(10)").replace("SECTION", f"{kind} {{ {' '.join(words)} }}")
    for diagnostic in checked(text).diagnostics:
        assert diagnostic.message
        assert "\n" not in diagnostic.message


SOUND = {"loss": "mse", "optimizer": "adam", "epochs": "3", "augment": "hflip", "init": "he_normal"}
ENTRIES = {
    key: [c.row for c, _ in CASES if re.fullmatch(rf"{key} = [^,]*", c.row)] + [f"{key} = {sound}"]
    for key, sound in SOUND.items()
}


@PATIENT
@given(st.fixed_dictionaries({}, optional={key: st.sampled_from(rows) for key, rows in ENTRIES.items()}))
def test_a_mistake_hides_no_other(entries: dict[str, str]) -> None:
    alone = [d.message for row in entries.values() for d in findings(Case("train", row).text)]
    together = findings(Case("train", "@").text.replace("@", "\n    ".join(entries.values())))
    assert [d.message for d in together] == alone


SEPARATORS = st.sampled_from([", ", "\n    ", ",\n    ", "  # why\n    ", ", # why\n    "])


@PATIENT
@given(st.permutations(["loss = mse", "epochs = 3", "metrics = 4", "seed = 1"]), st.lists(SEPARATORS, min_size=5))
def test_an_entry_is_taken_away_whole(entries: list[str], separators: list[str]) -> None:
    parts = [x for pair in zip(entries, separators, strict=False) for x in pair][:-1]
    section = "".join(["train {", separators[-1].lstrip(","), *parts, separators[0], "}"])
    text = NETS["plain"].replace("END", "dense(10)").replace("SECTION", section)
    (found,) = findings(text)
    mended = apply_edits(text, found.help[0].edits)
    assert "metrics" not in mended
    assert findings(mended) == []
    assert sorted(checked(mended).programs["A"].train) == ["epochs", "loss", "seed"]

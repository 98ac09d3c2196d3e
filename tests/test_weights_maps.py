"""Maps: what they say, what they refuse, and what is proposed where names differ."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnnlang import Net, load, loads
from cnnlang.errors import WeightsError
from cnnlang.weight_files import opened
from cnnlang.weight_files.conversion import read_weights
from cnnlang.weight_files.keras_layout import owners
from cnnlang.weight_files.mapping import Line, quoted, read_map
from cnnlang.weight_files.proposal import Proposal, propose
from cnnlang.weight_files.stored import Stored
from cnnlang.weight_files.tables import map_text, proposal_table
from cnnlang.weights import save_weights
from tests.helpers import random_weights
from tests.keras_files import keras_layers, write_keras, write_weights_h5

EXAMPLES = Path(__file__).parents[1] / "examples"
NET = loads("cnn 1\nnet A {\n  input x: [N, 2, 4, 4]\n  conv(3, 2) -> bn -> relu -> flatten -> dense(4)\n}\n")
WEIGHTS = random_weights(NET.graph)


def read(tmp_path: Path, arrays: dict[str, NDArray[Any]], text: str, net: Net = NET) -> dict[str, NDArray[Any]]:
    """Weights of a file by a map."""
    np.savez(tmp_path / "a.npz", **arrays)
    (tmp_path / "map.txt").write_text(text, encoding="utf-8")
    return read_weights(tmp_path / "a.npz", net.program, read_map(tmp_path / "map.txt"))


def assert_same(got: dict[str, Any], wanted: dict[str, NDArray[Any]]) -> None:
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


# --- what a map says --------------------------------------------------------------------------------------------------


def test_a_map_renames_turns_fills_and_leaves_out(tmp_path: Path) -> None:
    theirs = {
        "c 1/W": WEIGHTS["conv1.weight"].transpose(2, 3, 1, 0),
        'c"b': WEIGHTS["conv1.bias"].reshape(1, 1, -1),
        "bn1.running_mean": WEIGHTS["bn1.running_mean"],
        "var": WEIGHTS["bn1.running_var"],
        "W": WEIGHTS["dense1.weight"].T,
        "dense1.bias": WEIGHTS["dense1.bias"],
        "step": np.array(7),
    }
    text = """
# their names
"c 1/W"  conv1.weight  keras   # as TensorFlow has it
"c\\"b"   conv1.bias
=1       bn1.weight
=0       bn1.bias
var      bn1.running_var
W        dense1.weight transposed
step     -
"""
    wanted = WEIGHTS | {"bn1.weight": np.ones(3, np.float32), "bn1.bias": np.zeros(3, np.float32)}
    assert_same(read(tmp_path, theirs, text), wanted)
    lines = [line for line in read_map(tmp_path / "map.txt") if line.theirs not in ("=0", "=1")]
    as_json = {line.theirs: f"{line.ours} {line.layout}".strip() for line in lines} | {
        "=1": "bn1.weight",
        "=0": ["bn1.bias"],
    }
    assert_same(read(tmp_path, theirs, json.dumps(as_json)), wanted)


def test_rows_of_keras_behind_a_flattened_map_are_put_in_order(tmp_path: Path) -> None:
    rows = WEIGHTS["dense1.weight"].reshape(4, 3, 3, 3).transpose(0, 2, 3, 1).reshape(4, 27)
    theirs = {n: a for n, a in WEIGHTS.items() if n != "dense1.weight"} | {"k": rows.T}
    assert_same(read(tmp_path, theirs, "k dense1.weight keras"), WEIGHTS)


def test_names_may_be_exchanged(tmp_path: Path) -> None:
    theirs = WEIGHTS | {"bn1.weight": WEIGHTS["bn1.bias"], "bn1.bias": WEIGHTS["bn1.weight"]}
    assert_same(read(tmp_path, theirs, "bn1.weight bn1.bias\nbn1.bias bn1.weight\n"), WEIGHTS)


MISTAKES = {
    "one word": ("conv1.weight\n", r"map\.txt:1: a line is `theirs ours`, and behind them perhaps keras or transposed"),
    "a layout that is none": ("a b hwio\n", r"map\.txt:1: a line is `theirs ours`"),
    "an open quote": ('\n"a b\n', r"map\.txt:2: a quote that is not closed, or stands inside a name"),
    "a quote inside": ('a"b c\n', r"map\.txt:1: a line is|map\.txt:1: .*the file has no|has no `a\"b`"),
    "no JSON": ('{"a": ', r"map\.txt begins as a JSON object and is none"),
    "a number": ('{"a": 3}', r"map\.txt: a must be a text, the name of a weight"),
    "deep JSON": ('{"a":' * 100_000, r"map\.txt begins as a JSON object and is none"),
    "twice": (
        "a conv1.weight\nb conv1.weight\n",
        r"map\.txt:2: `conv1\.weight` has got its numbers before, at .*map\.txt:1",
    ),
    "not in the file": (
        "conv1.wieght conv1.weight\n",
        r"the map does not fit:\n  .*map\.txt:1: .*a\.npz has no `conv1\.wieght` - did you mean `conv1\.weight`\?",
    ),
    "not in the net": (
        "conv1.bias conv1.bais\n",
        r"the net has no weight `conv1\.bais` - did you mean `conv1\.bias`\?",
    ),
    "there already": (
        "spare conv1.bias\n",
        r"a\.npz has a `conv1\.bias` too; say what that is \(or `-`, for nothing\)",
    ),
    "another shape": (
        "spare conv1.bias\nconv1.bias -\n",
        r"does not fit the net:\n  another shape: conv1\.bias is \[7\], the net has \[3\]",
    ),
}


@pytest.mark.parametrize("title", MISTAKES)
def test_a_map_with_a_mistake_is_refused(tmp_path: Path, title: str) -> None:
    text, message = MISTAKES[title]
    with pytest.raises(WeightsError, match=message):
        read(tmp_path, WEIGHTS | {"spare": np.zeros(7, np.float32)}, text)


def test_a_map_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"m\.txt cannot be read: No such file"):
        read_map(tmp_path / "m.txt")
    (tmp_path / "m.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(WeightsError, match=r"m\.txt is no text in UTF-8"):
        read_map(tmp_path / "m.txt")
    (tmp_path / "m.txt").write_bytes(b"#" * (2**24 + 1))
    with pytest.raises(WeightsError, match=r"m\.txt is too large for a map"):
        read_map(tmp_path / "m.txt")


def test_without_a_net_names_are_whatever_the_map_says(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(6.0).reshape(2, 3), b=np.zeros(1))
    lines = [Line("a", "x", "transposed"), Line("b", "-")]
    found = read_weights(tmp_path / "a.npz", None, lines)
    np.testing.assert_array_equal(found["x"], np.arange(6.0).reshape(2, 3).T)
    with pytest.raises(WeightsError, match=r"only with the net is it known what this is: --for FILE\.cnn"):
        read_weights(tmp_path / "a.npz", None, [Line("=1", "x")])


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.text(min_size=1), st.sampled_from(["", "keras", "transposed"])), max_size=5))
def test_any_name_can_stand_in_a_map(tmp_path: Path, names: list[tuple[str, str]]) -> None:
    lines = [Line(name, f"w{i}", layout) for i, (name, layout) in enumerate(names)]
    lines = [line for line in lines if not line.is_constant and line.theirs.isprintable()]
    (tmp_path / "m.txt").write_text("\n".join(line.text for line in lines), encoding="utf-8")
    found = read_map(tmp_path / "m.txt")
    assert [(a.theirs, a.ours, a.layout) for a in found] == [(a.theirs, a.ours, a.layout) for a in lines]
    assert all(quoted(name).isprintable() for name, _ in names)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.text(), st.text('{}[]":,abc \n\\#=-'), st.binary().map(lambda b: b.decode("utf-8", "replace"))))
def test_no_text_is_too_much_for_a_map(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.txt").write_text(text, encoding="utf-8", errors="replace")
    with contextlib.suppress(WeightsError):
        assert all(line.text for line in read_map(tmp_path / "m.txt"))


# --- what is proposed -------------------------------------------------------------------------------------------------


def proposed(net: Net, path: Path) -> Proposal:
    with opened(path) as stored:
        return propose(stored, owners(net.graph))


def by_map(tmp_path: Path, net: Net, path: Path, proposal: Proposal) -> dict[str, NDArray[Any]]:
    (tmp_path / "map.txt").write_text(map_text(proposal, path.name, net.name), encoding="utf-8")
    return read_weights(path, net.program, read_map(tmp_path / "map.txt"))


def stages(path: str) -> str:
    """Torchvision's names of a ResNet as another library has them, counted from 0."""
    path = path.replace("downsample.0", "shortcut.convolution").replace("downsample.1", "shortcut.normalization")
    if not path.startswith("layer"):
        return f"resnet.embedder.{path}".replace("conv1", "convolution").replace("bn1", "normalization")
    stage, block, rest = path[5:].split(".", 2)
    found = re.fullmatch(r"(conv|bn)(\d)\.(\w+)", rest)
    if found:
        kind = {"conv": "convolution", "bn": "normalization"}[found[1]]
        rest = f"layer.{int(found[2]) - 1}.{kind}.{found[3]}"
    return f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.{rest}"


def units(path: str) -> str:
    """As MXNet has them: `stage1_unit1_bn1_gamma`."""
    layer, _, leaf = path.rpartition(".")
    leaves = {"running_mean": "moving_mean", "running_var": "moving_var"}
    if "bn" in layer or layer.endswith("downsample.1"):
        leaves |= {"weight": "gamma", "bias": "beta"}
    layer = layer.replace("downsample.0", "sc").replace("downsample.1", "sc_bn").replace("fc", "fc1")
    layer = re.sub(r"layer(\d)\.(\d)\.", lambda m: f"stage{m[1]}_unit{int(m[2]) + 1}_", layer)
    return f"{layer}_{leaves.get(leaf, leaf)}"


def branches(path: str) -> str:
    """As Caffe's authors had them, with letters: `bn2a_branch2b/gamma`."""
    layer, _, leaf = path.rpartition(".")
    is_bn = "bn" in layer or layer.endswith("downsample.1")
    leaf = {"running_mean": "moving_mean", "running_var": "moving_variance"}.get(leaf, leaf)
    leaf = {"weight": "gamma", "bias": "beta"}.get(leaf, leaf) if is_bn else leaf
    if not layer.startswith("layer"):
        return f"{layer}/{leaf}:0"
    stage, block, rest = layer[5:].split(".", 2)
    branch = "1" if rest.startswith("downsample") else f"2{'abc'[int(rest[-1]) - 1]}"
    return f"{'bn' if is_bn else 'res'}{int(stage) + 1}{'abcdef'[int(block)]}_branch{branch}/{leaf}:0"


def slashes(path: str) -> str:
    layer, _, leaf = path.rpartition(".")
    called = {"weight": "W", "bias": "b", "running_mean": "moving_mean", "running_var": "moving_variance"}
    return f"{layer.replace('conv', 'convolution').replace('bn', 'norm').replace('.', '/')}/{called[leaf]}"


@pytest.mark.parametrize("order", ["of use", "of names", "none"])
@pytest.mark.parametrize(
    ("net", "naming"),
    [
        ("ResNet18", stages),
        ("ResNet18", units),
        ("ResNet18", branches),
        ("ResNet50", stages),
        ("ResNet50", branches),
        ("densenet121", slashes),
        ("mobilenetv2", slashes),
    ],
)
def test_what_is_said_to_be_sure_is_right(tmp_path: Path, net: str, naming: Callable[[str], str], order: str) -> None:
    is_resnet = net.startswith("ResNet")
    made = load(EXAMPLES / ("resnet.cnn" if is_resnet else f"{net}.cnn"), net=net if is_resnet else None)
    shapes = {path: owner.shape for path, owner in owners(made.graph).items()}
    names = {path: naming(path) for path in shapes}
    assert len(set(names.values())) == len(names)
    paths = sorted(names, key=lambda path: names[path]) if order == "of names" else list(names)
    if order == "none":
        np.random.default_rng(0).shuffle(paths)
    stored = {names[p]: Stored("float32", shapes[p], lambda: np.zeros(())) for p in paths}
    proposal = propose(stored, owners(made.graph))
    assert not proposal.missing
    assert not proposal.unused
    sure = {line.ours: line.theirs for row in proposal.rows if row.is_sure for line in row.lines}
    assert {path: theirs for path, theirs in sure.items() if theirs != names[path]} == {}
    if order == "of use":
        assert len(sure) == len(names)


def test_sure_or_not_every_layer_has_its_line(tmp_path: Path) -> None:
    net = small_vgg()
    weights = random_weights(net.graph)
    save_weights(tmp_path / "a.npz", {slashes(path): array for path, array in weights.items()})
    assert_same(by_map(tmp_path, net, tmp_path / "a.npz", proposed(net, tmp_path / "a.npz")), weights)


def small_vgg() -> Net:
    return loads(
        "cnn 1\nnet A {\n  input x: [N, 3, 16, 16]\n  for c, n in [(4, 2), (8, 2), (8, 3)] {\n    for i in range(n) { "
        "conv(c, 3, pad=1) -> relu }\n    maxpool(2)\n  }\n  flatten -> dense(32) -> relu -> dense(32) -> relu -> "
        "dense(5)\n}\n"
    )


@pytest.mark.parametrize("write", [write_weights_h5, write_keras])
def test_layers_of_keras_with_names_of_their_own_are_mapped(tmp_path: Path, write: Any) -> None:
    net = small_vgg()
    weights = random_weights(net.graph)
    layers = [
        (f"block{i}_{kind}", kind, arrays) for i, (_, kind, arrays) in enumerate(keras_layers(net.program, weights))
    ]
    path = tmp_path / ("a.keras" if write is write_keras else "a.weights.h5")
    write(path, layers)
    proposal = proposed(net, path)
    assert all(row.is_sure for row in proposal.rows)
    assert_same(by_map(tmp_path, net, path, proposal), weights)


@pytest.mark.parametrize("layout", ["as here", "keras"])
def test_arrays_that_are_only_numbered_are_mapped_in_order(tmp_path: Path, layout: str) -> None:
    net = small_vgg()
    weights = random_weights(net.graph)
    if layout == "as here":
        np.savez(tmp_path / "a.npz", *weights.values())
    else:
        np.savez(tmp_path / "a.npz", *(a for _, _, arrays in keras_layers(net.program, weights) for a in arrays))
    proposal = proposed(net, tmp_path / "a.npz")
    assert all(row.is_sure for row in proposal.rows)
    assert proposal.layout == ("keras" if layout == "keras" else "")
    assert_same(by_map(tmp_path, net, tmp_path / "a.npz", proposal), weights)


def test_the_shortcut_of_keras_resnet_is_told_by_its_name(tmp_path: Path) -> None:
    """In alphabetical order `0_conv`, the shortcut, is before `3_conv`, which has the same shape."""
    net = loads(
        "cnn 1\nblock b(c) {\n  add {\n    | conv(c, 1) -> conv(c, 3, pad=1) -> conv(4*c, 1)\n    | conv(4*c, 1) as "
        '"downsample.0"\n  }\n}\nnet A {\n  input x: [N, 4, 8, 8]\n  b(4)\n  b(4)\n}\n'
    )
    weights = random_weights(net.graph)
    names = {"conv1": "1_conv", "conv2": "2_conv", "conv3": "3_conv", "downsample.0": "0_conv"}
    theirs = {}
    for path, array in weights.items():
        block, _, rest = path.partition(".")
        layer, _, leaf = rest.rpartition(".")
        theirs[f"conv2_block{block[1:]}_{names[layer]}/{'kernel' if leaf == 'weight' else 'bias'}"] = array
    np.savez(tmp_path / "a.npz", **{name: theirs[name] for name in sorted(theirs)})
    proposal = proposed(net, tmp_path / "a.npz")
    assert_same(by_map(tmp_path, net, tmp_path / "a.npz", proposal), weights)


def test_a_table_says_how_sure_each_row_is(tmp_path: Path) -> None:
    net = loads(
        "cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n  conv(4, 3, bias=false) -> bn -> relu\n  conv(4, 1) -> relu\n"
        "  conv(4, 1) -> relu\n  flatten -> dense(6, bias=false) -> dense(5)\n}\n"
    )
    theirs = {
        "entry/W": np.zeros((4, 3, 3, 3)),
        "entry_bn/beta": np.zeros(4),
        "entry_bn/mean": np.zeros(4),
        "entry_bn/var": np.zeros(4),
        "a/W": np.zeros((4, 4, 1, 1)),
        "a/b": np.zeros(4),
        "b/W": np.zeros((4, 4, 1, 1)),
        "b/b": np.zeros(4),
        "c/W": np.zeros((4, 4, 1, 1)),
        "c/b": np.zeros(4),
        "d/W": np.zeros((144, 6)),
        "ema/decay": np.zeros(()),
    }
    np.savez(tmp_path / "theirs.npz", **theirs)
    proposal = proposed(net, tmp_path / "theirs.npz")
    assert proposal_table(proposal, "theirs.npz", "A") == TABLE
    assert map_text(proposal, "theirs.npz", "A") == MAP
    assert max(map(len, proposal_table(proposal, "theirs.npz", "A", 60).splitlines())) <= 60


TABLE = """\
theirs.npz for A

theirs    ours    shape    why
────────────────────────────────────────────────────────────────────
entry     conv1   4x3x3x3  only one of its shape
entry_bn  bn1     4        ? only one of its shape; no weight: all 1
a         conv2   4x4x1x1  ? 3 of this shape for 2
b         conv3   4x4x1x1  ? 3 of this shape for 2
d         dense1  144x6    only one of its shape

dense kernels are transposed: [in, out]; the map says so, `transposed`

weights of the net for which nothing fits (2):
  dense2.weight
  dense2.bias

arrays of the file that fit nothing (3):
  c/W
  c/b
  ema/decay

2 of 5 layers sure; 3 to look at (marked ?); 2 weights missing; 3 arrays unused"""
MAP = """\
# weights of theirs.npz for A: theirs, ours, and how they lie where that differs

# only one of its shape
entry/W conv1.weight

# ? only one of its shape; no weight: all 1
=1 bn1.weight
entry_bn/beta bn1.bias
entry_bn/mean bn1.running_mean
entry_bn/var bn1.running_var

# ? 3 of this shape for 2
a/W conv2.weight
a/b conv2.bias

# ? 3 of this shape for 2
b/W conv3.weight
b/b conv3.bias

# only one of its shape; transposed
d/W dense1.weight transposed

# nothing fits these weights of the net
# ... dense2.weight
# ... dense2.bias

# nobody wants these arrays of the file; without the `#` they are left out
# c/W -
# c/b -
# ema/decay -
"""


def test_too_many_layers_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{f"l{i}/W": np.zeros(1) for i in range(3_000)})
    many = loads("cnn 1\nnet A {\n  input x: [N, 1, 8, 8]\n  conv(1, 1) * 6_000\n}\n")
    with pytest.raises(
        WeightsError, match="3,000 layers of the file and 6,000 of the net are too many to propose a map"
    ):
        proposed(many, tmp_path / "a.npz")


def test_what_fits_already_needs_no_map(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.npz", WEIGHTS)
    assert proposed(NET, tmp_path / "a.npz") == Proposal((), (), ())
    theirs = dict(WEIGHTS)
    theirs["classifier.weight"] = theirs.pop("dense1.weight")
    theirs["classifier.bias"] = theirs.pop("dense1.bias")
    save_weights(tmp_path / "a.npz", theirs)
    proposal = proposed(NET, tmp_path / "a.npz")
    assert [(row.theirs, row.ours) for row in proposal.rows] == [("classifier", "dense1")]
    assert_same(by_map(tmp_path, NET, tmp_path / "a.npz", proposal), WEIGHTS)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.text("abw._/0", max_size=8), st.lists(st.integers(0, 3), max_size=4)),
        max_size=8,
        unique_by=lambda x: x[0],
    )
)
def test_nothing_in_a_file_upsets_a_proposal(tmp_path: Path, arrays: list[tuple[str, list[int]]]) -> None:
    save_weights(tmp_path / "a.safetensors", {name: np.zeros(shape, np.float32) for name, shape in arrays})
    proposal = proposed(NET, tmp_path / "a.safetensors")
    proposal_table(proposal, "a.safetensors", "A", 80)
    ours = [line.ours for row in proposal.rows for line in row.lines]
    assert len(ours) == len(set(ours))
    assert set(ours) | set(proposal.missing) == set(WEIGHTS)

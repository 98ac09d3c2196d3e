"""What a net costs: the lecture's figures, published ones, receptive fields by experiment, the forms of a summary."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from cnnlang import analysis
from cnnlang.api import Net, load, loads
from cnnlang.dims import Dim
from cnnlang.interpret import interpret
from cnnlang.receptive import receptive_fields
from cnnlang.render.display import display_width
from cnnlang.summary import Row
from cnnlang.summary.data import summary_csv, summary_json
from cnnlang.summary.grid import Grid
from cnnlang.summary.table import amount, compare_markdown, compare_table, summary_markdown, summary_table
from cnnlang.weights import initialise
from tests.strategies import networks

EXAMPLES = Path(__file__).parents[1] / "examples"


def net(body: str, input: str = "[N, 3, 32, 32]") -> Net:
    return loads(f"cnn 1\nnet A {{\n  input x: {input}\n  {body}\n}}\n")


def rows(made: Net, *operators: str) -> list[Row]:
    """The rows of a net whose operators are among some."""
    return [r for r in made.summary().rows if r.operator.split("(")[0] in operators]


# --- the lecture's figures --------------------------------------------------------------------------------------------


def test_a_bottleneck_makes_a_5x5_convolution_twenty_times_cheaper() -> None:
    direct = net('conv(48, 5, pad="same")', "[N, 480, 14, 14]")
    through = net('conv(16, 1) -> conv(48, 5, pad="same")', "[N, 480, 14, 14]")
    assert direct.macs == 5 * 5 * 480 * 48 * 14 * 14 == 112_896_000
    assert through.macs == 480 * 16 * 14 * 14 + 5 * 5 * 16 * 48 * 14 * 14 == 5_268_480


def test_what_full_connection_would_cost() -> None:
    (conv,) = rows(net("conv(6, 5)"), "conv")
    assert conv.fully_connected == 3_072 * 4_704 == 14_450_688
    assert conv.params == 456


def test_the_small_net_of_the_lecture() -> None:
    small = net(
        "conv(6, 5) -> maxpool(2) -> conv(16, 5) -> maxpool(2)\n"
        "  flatten -> dense(120) -> dense(84) -> dense(10) -> softmax"
    )
    kept = rows(small, "input", "conv", "maxpool", "dense")
    assert [r.activation for r in kept] == [3072, 4704, 1176, 1600, 400, 120, 84, 10]
    assert [r.params for r in kept] == [0, 456, 0, 2_416, 0, 48_120, 10_164, 850]
    assert rows(small, "softmax")[0].activation == 10
    assert small.params == 62_006


def test_the_first_keras_exercise() -> None:
    made = net('conv(32, 3, pad="same") -> conv(32, 3)')
    assert [(str(r.type), r.params) for r in rows(made, "conv")] == [
        ("[N, 32, 32, 32]", 896),
        ("[N, 32, 30, 30]", 9_248),
    ]


def test_the_second_keras_exercise() -> None:
    made = net(
        'conv(32, 3, pad="same") -> maxpool(2) -> conv(32, 4) -> maxpool(2)\n'
        "  flatten -> dense(256) -> relu -> dense(5) -> softmax",
        "[N, 3, 150, 150]",
    )
    assert [r.type.height for r in rows(made, "conv", "maxpool")] == [150, 75, 72, 36]
    assert [r.activation for r in rows(made, "flatten", "dense")] == [41_472, 256, 5]
    assert [r.params for r in rows(made, "conv", "dense")] == [896, 16_416, 10_617_088, 1_285]
    assert made.params == 10_635_685


def test_an_even_pool_that_keeps_the_size() -> None:
    assert str(rows(net('maxpool(2, stride=1, pad="same_upper")'), "maxpool")[0].type) == "[N, 3, 32, 32]"


# --- published figures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name", "params", "macs", "depth"),
    [
        ("lenet5", "LeNet5", 61_706, 6 * 25 * 28**2 + 16 * 6 * 25 * 10**2 + 120 * 16 * 25 + 120 * 84 + 84 * 10, 5),
        ("alexnet", "AlexNet", 60_965_224, 724_406_816, 8),
        ("vgg16", "VGG16", 138_357_544, 15_346_630_656 + 123_633_664, 16),
        ("resnet", "ResNet18", 11_689_512, 1_814_073_344, 18),
        ("resnet", "ResNet50", 25_557_032, 4_089_184_256, 50),
        ("resnet", "ResNet152", 60_192_808, 11_513_626_624, 152),
        ("squeezenet", "SqueezeNet1_0", 1_248_424, 861_339_936, 18),
        ("googlenet", "GoogLeNet", 6_998_552, 1_582_671_872, 22),
    ],
)
def test_published_figures(file: str, name: str, params: int, macs: int, depth: int) -> None:
    path = EXAMPLES / f"{file}.cnn"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    made = load(path, net=name)
    assert (made.params, made.macs, made.depth) == (params, macs, depth)


def test_auxiliary_heads_count_in_training_only() -> None:
    made = net("conv(8, 3) as c -> relu\n  aux head = c -> global_avgpool -> dense(10)\n  global_avgpool -> dense(2)")
    assert made.params == 8 * 27 + 8 + 8 * 2 + 2
    assert made.params_train == made.params + 8 * 10 + 10
    assert "params in training, with auxiliary heads: 332" in str(made.summary())


def test_connections_of_lenet() -> None:
    made = net("conv(6, 5) -> avgpool(2) -> global_avgpool -> dense(3)", "[N, 1, 32, 32]")
    assert [r.connections for r in made.summary().rows] == [None, 122_304, 6 * 14 * 14 * 4, 6 * 14 * 14, 3 * 6 + 3]
    adaptive = net("adaptive_avgpool(3)", "[N, 2, 7, 7]")
    assert rows(adaptive, "adaptive_avgpool")[0].connections == 2 * 9 * 9


# --- receptive fields -------------------------------------------------------------------------------------------------


def seen(made: Net, size: int) -> tuple[int, int]:
    """The most rows and columns of the input that change one number of the output, by experiment."""
    graph = made.graph
    weights = {path: np.abs(w) + 0.1 for path, w in initialise(graph, 0).items()}
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 2, (1, 1, size, size))
    (base,) = interpret(graph, weights, x)
    best = [0, 0]
    rows_, columns_ = (np.arange(n) for n in base.shape[2:])
    inside = np.ix_(
        [0], [0], rows_[len(rows_) // 3 : -len(rows_) // 3], columns_[len(columns_) // 3 : -len(columns_) // 3]
    )
    for axis in (2, 3):
        hits = []
        for i in range(size):
            changed = x.copy()
            changed[(slice(None), slice(None), i) if axis == 2 else (..., i)] += 1
            (y,) = interpret(graph, weights, changed)
            hits.append(np.abs(y - base)[inside].max(axis=5 - axis)[0, 0] > 1e-12)
        best[axis - 2] = int(np.array(hits).sum(axis=0).max())
    return best[0], best[1]


@pytest.mark.parametrize(
    "body",
    [
        "conv(1, 3x5) -> avgpool(2) -> conv(1, 3, dilation=2)",
        "conv(1, 3, stride=2) -> deconv(1, 2, stride=2) -> conv(1, 3, pad=1)",
        "deconv(1, 3, stride=2) -> avgpool(3, stride=2)",
        "avgpool(3, stride=3) -> upsample(2) -> conv(1, 3, pad=1)",
        "avgpool(2) -> upsample(2, mode=\"bilinear\") -> avgpool(2)",
        "conv(4, 3, pad=1) -> pixel_shuffle(2) -> conv(1, 3)",
        "add { | conv(1, 5, pad=2) | conv(1, 3, pad=1) | in }",
        "add { | pad((2, 0, 1, 1)) -> conv(1, 3) | conv(1, 3, pad=(0, 2, 1, 1)) | in }",
        "crop(1) -> conv(1, 3) -> relu -> bn -> lrn(3)",
        "deconv(1, 3, stride=2, dilation=2, pad=1) -> avgpool(2, stride=1)",
        "deconv(1, 1, stride=3) -> conv(1, 2)",
        'avgpool(2) -> upsample(3, mode="bilinear") -> conv(1, 2, stride=2)',
        "adaptive_avgpool(15x20) -> conv(1, 3, stride=2)",
    ],
)  # fmt: skip
def test_receptive_fields_are_what_an_experiment_finds(body: str) -> None:
    made = net(body, "[N, 1, 36, 36]")
    (output,) = made.graph.outputs
    assert receptive_fields(made.graph)[output] == seen(made, 36)


def test_receptive_fields_of_resnet_and_vgg() -> None:
    resnet = load(EXAMPLES / "resnet.cnn", net="ResNet50").summary()
    fields = {r.name: r.receptive_field for r in resnet.rows}
    assert fields["conv1"] == (7, 7)
    assert resnet.rows[-3].receptive_field == (427, 427)  # 483 with the stride in the 1x1 convolution
    assert resnet.rows[-1].receptive_field is None
    vgg = load(EXAMPLES / "vgg16.cnn").summary()
    assert [r.receptive_field for r in vgg.rows if r.operator.startswith("maxpool")][-1] == (212, 212)


def test_everything_is_seen_through_a_global_branch() -> None:
    made = net("mul { | in | global_avgpool -> dense(3) -> sigmoid }")
    assert rows(made, "mul")[0].receptive_field is None


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "elements"),
    [
        ("conv(4, 1)", 3 * 4 + 4 * 4),  # input and output together
        ("conv(4, 1) -> relu -> bn", 3 * 4 + 4 * 4),  # written over
        ("conv(4, 1) -> conv(1, 1) -> conv(2, 1)", 3 * 4 + 4 * 4),
        ("relu -> conv(1, 1)", 3 * 4 + 4),
        ("conv(4, 1) as c -> relu\n  add { | in | c }", 4 * 4 * 3),  # c is needed later: relu has room of its own
        ("conv(4, 1) as a -> conv(4, 1) -> conv(4, 1)\n  add { | in | a }", 4 * 4 * 3),
        ("flatten -> dense(2)", 3 * 4 + 2),
    ],
)
def test_peak_memory(body: str, elements: int) -> None:
    text = body.replace("add { | in", "add { | relu") if "as c" in body else body
    made = loads(f"cnn 1\nnet A {{\n  input x: [N, 3, 2, 2]\n  {text}\n}}\n")
    assert analysis.peak_memory(made.graph) == elements * 4


# --- symbolic sizes ---------------------------------------------------------------------------------------------------


def test_a_symbolic_size_gives_question_marks_and_a_hint() -> None:
    text = "cnn 1\nnet A {\n  input x: [N, 3, 16*H, 16*W]\n  conv(8, 3, pad=1)\n}\n"
    summary = loads(text).summary()
    assert str(summary.macs) == "55296*H*W"
    assert summary.symbols == {"H": 16, "W": 16}
    assert summary.peak_memory is None
    lines = str(summary).splitlines()
    assert lines[5].split() == ["conv1", "conv(8,", "3,", "pad=1)", "[N,", "8,", "16*H,", "16*W]", "?", "224", "?"]
    assert lines[-1] == "`?` depends on the size of the input; give it one, for example with --set H=16 --set W=16"
    data = summary.data()
    assert (data["macs"], data["macs_formula"], data["peak_memory_bytes"]) == (None, "55296*H*W", None)
    assert data["layers"][1]["shape"] == ["N", 8, "16*H", "16*W"]
    assert loads(text, set={"H": 16, "W": 8}).macs == 216 * 256 * 128


# --- rows -------------------------------------------------------------------------------------------------------------

BLOCKS = """\
cnn 1
block unit(c) { conv(c, 3, pad=1) -> relu }
block pair(c, n=2) { unit(c) * n }
net A {
  input x: [N, 3, 8, 8]
  pair(4) -> maxpool(2)
  shared same = unit(4)
  same -> same
  group tail { for i in range(2) { conv(4, 1) } }
  { conv(4, 1) -> relu } * 2
  add { | unit(4) | in }
}
"""


def test_every_step_has_a_row_in_the_order_of_the_text() -> None:
    summary = loads(BLOCKS).summary()
    assert [r.name for r in summary.rows] == [
        "x", "pair1.unit1.0.conv1", "relu", "pair1.unit1.1.conv1", "relu", "maxpool",
        "same.conv1", "relu", "same.conv1", "relu",
        "tail.conv1", "tail.conv2", "repeat1.0.conv1", "relu", "repeat1.1.conv1", "relu", "unit1.conv1", "relu", "add",
    ]  # fmt: skip
    assert [r.params for r in summary.rows if r.name == "same.conv1"] == [148, 0]
    assert sum(r.params for r in summary.rows) == summary.params


def test_scopes_are_folded() -> None:
    summary = loads(BLOCKS).summary(depth=1)
    assert [(r.name, r.operator, r.params, r.steps) for r in summary.rows] == [
        ("x", "input", 0, 1),
        ("pair1", "pair(4, 2)", 112 + 148, 4),
        ("maxpool", "maxpool(2)", 0, 1),
        ("same", "unit(4)", 148, 2),
        ("same", "unit(4)", 0, 2),
        ("tail", "group", 40, 2),
        ("repeat1.0", "{ ... }", 20, 2),
        ("repeat1.1", "{ ... }", 20, 2),
        ("unit1", "unit(4)", 148, 2),
        ("add", "add", 0, 1),
    ]
    assert [r.name for r in loads(BLOCKS).summary(depth=2).rows][:4] == [
        "x",
        "pair1.unit1.0",
        "pair1.unit1.1",
        "maxpool",
    ]
    assert str(summary.rows[1].type) == "[N, 4, 8, 8]"


@pytest.mark.parametrize("depth", [None, 1, 2, 3])
def test_folding_changes_no_total(depth: int | None) -> None:
    made = load(EXAMPLES / "googlenet.cnn")
    summary = made.summary(depth)
    assert sum(r.params for r in summary.rows) == made.params
    assert sum(int(str(r.macs)) for r in summary.rows) == made.macs


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(networks())
def test_rows_add_up_to_the_totals_of_any_network(text: str) -> None:
    made = loads(text)
    summary = made.summary()
    nodes = [n for n in made.graph.nodes if not n.op.is_weight]
    assert len(summary.rows) == len(nodes)
    assert sorted(str(r.type) for r in summary.rows) == sorted(str(n.type) for n in nodes)
    for rows_ in (summary.rows, made.summary(1).rows, made.summary(2).rows):
        total: Dim = 0
        for row in rows_:
            total = total + row.macs
        assert (sum(r.params for r in rows_), total) == (made.params, made.macs)
        assert sum(r.steps for r in rows_) == len(nodes)
    assert str(summary).count("\n") == len(nodes) + 9 + (made.params_train != made.params) + bool(summary.symbols)


# --- forms ------------------------------------------------------------------------------------------------------------


def test_the_table() -> None:
    made = loads("cnn 1\nnet A {\n  input x: [N, 1, 4, 4]\n  conv(2, 3) -> relu\n}\n", name="a.cnn")
    assert str(made.summary()).splitlines() == [
        "A (a.cnn)",
        "",
        "name   operator    output        activation  params  MACs",
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 57,
        "x      input       [N, 1, 4, 4]          16       0     0",
        "conv1  conv(2, 3)  [N, 2, 2, 2]           8      20    72",
        "relu   relu        [N, 2, 2, 2]           8       0     0",
        "",
        "params: 20 (80 bytes as float32)",
        "MACs: 72",
        "depth: 1 convolution and dense layers on the longest path",
        "activations: 16 in 2 steps",
        "peak activation memory: 96 bytes for one sample",
    ]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_tables_keep_to_the_width_of_the_terminal(width: int) -> None:
    summary = load(EXAMPLES / "resnet.cnn", net="ResNet50").summary()
    wide = [line for line in summary_table(summary, width=width).splitlines()[2:-7] if display_width(line) > width]
    assert wide == []


def test_narrow_tables_shorten_numbers_and_wide_ones_do_not() -> None:
    summary = load(EXAMPLES / "resnet.cnn", net="ResNet50").summary()
    assert "64x112x112       803 k   9,408   118 M" in summary_table(summary, width=80)
    assert "[N, 64, 112, 112]     802,816      9,408  118,013,952" in summary_table(summary, width=100)


def test_extra_columns() -> None:
    made = net("conv(6, 5) -> relu -> flatten -> dense(2)")
    table = summary_table(made.summary(), ("receptive_field", "connections", "fully_connected")).splitlines()
    assert table[2].split() == ["receptive", "fully"]
    assert table[3].split()[-3:] == ["field", "connections", "connected"]
    assert table[6].split()[-3:] == ["5x5", "357,504", "14,450,688"]
    assert table[7].split()[-1] == "5x5"
    assert table[9].split()[-3:] == ["all", "9,410", "9,408"]


def test_json_has_the_totals_at_its_top() -> None:
    made = net("conv(6, 5)")
    data = json.loads(summary_json([made.summary()], ("receptive_field",)))
    assert {k: data[k] for k in ("format_version", "net", "params", "params_train", "macs", "depth")} == {
        "format_version": 1, "net": "A", "params": 456, "params_train": 456, "macs": 352_800, "depth": 1,
    }  # fmt: skip
    assert data["layers"][1] == {
        "name": "conv1", "operator": "conv(6, 5)", "shape": ["N", 6, 28, 28], "activation": 4704, "params": 456,
        "macs": 352_800, "receptive_field": [5, 5],
    }  # fmt: skip
    several = json.loads(summary_json([made.summary(), made.summary()]))
    assert [n["params"] for n in several["nets"]] == [456, 456]


def test_csv_is_one_line_a_row() -> None:
    made = net("conv(6, 5) -> flatten -> dense(2)")
    lines = list(csv.reader(io.StringIO(summary_csv([made.summary()], ("receptive_field",)))))
    assert lines[0] == ["name", "operator", "shape", "activation", "params", "macs", "receptive_field"]
    assert lines[2] == ["conv1", "conv(6, 5)", "[N, 6, 28, 28]", "4704", "456", "352800", "5x5"]
    assert lines[-1][-1] == "all"
    both = list(csv.reader(io.StringIO(summary_csv([made.summary(), made.summary()]))))
    assert [line[0] for line in both] == ["net"] + ["A"] * 8


def test_markdown() -> None:
    made = net("conv(6, 5)")
    assert summary_markdown(made.summary()).splitlines()[:6] == [
        "### A",
        "",
        "| name  | operator   | output         | activation | params |    MACs |",
        "| ----- | ---------- | -------------- | ---------: | -----: | ------: |",
        "| x     | input      | [N, 3, 32, 32] |      3,072 |      0 |       0 |",
        "| conv1 | conv(6, 5) | [N, 6, 28, 28] |      4,704 |    456 | 352,800 |",
    ]


def test_several_nets_stand_side_by_side_with_ratios() -> None:
    small, large = net("conv(6, 5)").summary(), net("conv(12, 5) -> conv(12, 1)").summary()
    assert compare_table([small, large]).splitlines() == [
        "                          A                A",
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 44,
        "params                  456    1,068 (x2.34)",
        "MACs                352,800  818,496 (x2.32)",
        "depth                     1           2 (x2)",
        "steps                     1           2 (x2)",
        "activations           4,704      18,816 (x4)",
        "peak memory, bytes   31,104   75,264 (x2.42)",
    ]
    assert "| params             |     456 |   1,068 (x2.34) |" in compare_markdown([small, large])
    narrow = compare_table([small, large, large, large], width=50)
    assert max(map(display_width, narrow.splitlines())) <= 50
    assert narrow.count("params") == 3


def test_a_grid_folds_the_columns_that_it_may() -> None:
    grid = Grid(["name", "text"], [["a.long.name", "한글 라벨"]], [False, True], {0: 7})
    rule = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
    assert grid.text().splitlines() == ["name              text", rule * 22, "a.long.name  한글 라벨"]
    assert grid.text(18).splitlines() == ["name          text", rule * 18, "a.long.  한글 라벨", "name"]
    assert not grid.fits(17)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (102_228_128, "97.5 MiB"), (2**50, "1,024.0 TiB")],
)
def test_amounts(count: int, text: str) -> None:
    assert amount(count) == text

"""What programs mean: which value flows where, and what each weight is called."""

from __future__ import annotations

import pytest

from cnnlang import analysis
from cnnlang.expand import check
from cnnlang.program import Program
from cnnlang.render import render_full
from cnnlang.source import Source

HEAD = "cnn 1\n"


def program(text: str, net: str = "A", **overrides: object) -> Program:
    checked = check(Source("test.cnn", HEAD + text), overrides=overrides)
    assert not checked.has_errors, "\n".join(render_full(d) for d in checked.diagnostics)
    return checked.programs[net]


def net(body: str, before: str = "", shape: str = "[N, 3, 16, 16]") -> Program:
    return program(f"{before}\nnet A {{\n  input image: {shape}\n{body}\n}}\n")


def paths(p: Program) -> list[str]:
    """The paths of the layers, without their leaves."""
    return list(dict.fromkeys(path.rpartition(".")[0] for path in p.graph.weights))


def steps(p: Program) -> list[str]:
    """The lines of the graph's text, without its head and its weights."""
    return [line.split("=", 1)[1].split("#")[0].strip() for line in str(p.graph).split("\n")[2:-2]]


def output(p: Program) -> str:
    return str(p.graph.outputs[0].type)


# --- flow -------------------------------------------------------------------------------------------------------------


def test_a_line_goes_on_from_the_line_before() -> None:
    assert steps(net("  relu\n  tanh -> sigmoid")) == [
        "relu %0 : [N, 3, 16, 16]",
        "tanh %1 : [N, 3, 16, 16]",
        "sigmoid %2 : [N, 3, 16, 16]",
    ]


def test_a_name_begins_a_line() -> None:
    p = net("  relu as a\n  maxpool(2) as b\n  a -> avgpool(2) -> add { | in | b }")
    assert [s.split(" : ")[0] for s in steps(p)] == ["relu %0", "avgpool(2) %1", "maxpool(2) %1", "add %2 %3"]


def test_every_branch_starts_from_what_enters_the_merge() -> None:
    p = net("  conv(4, 1) -> concat { | relu | tanh -> sigmoid | in }")
    assert [s.split(" : ")[0] for s in steps(p)][1:] == ["relu %1", "tanh %1", "sigmoid %3", "concat %2 %4 %1"]


def test_in_is_what_entered_the_innermost_merge() -> None:
    p = net("  conv(4, 1) -> add { | relu -> mul { | in | sigmoid } | in }")
    assert [s.split(" : ")[0] for s in steps(p)][1:] == ["relu %1", "sigmoid %2", "mul %2 %3", "add %4 %1"]


@pytest.mark.parametrize(
    "around", ["group g {{ {} }}", "if 1 < 2 {{ {} }}", "for _ in [1] {{ {} }}", "{{ {} }}", "{{ {} }} * 1"]
)
def test_in_is_not_rebound_by(around: str) -> None:
    p = net("  relu\n  " + around.format("tanh\n in -> sigmoid\n"))
    assert steps(p)[-1].startswith("sigmoid %0")


def test_in_in_a_block_is_its_input() -> None:
    p = net("  relu -> b", "block b { tanh -> sigmoid as s\n in -> add { | in | s } }")
    assert steps(p)[-1].startswith("add %1 %3")


def test_a_false_if_changes_nothing() -> None:
    assert steps(net("  relu\n  if in.channels == 4 { tanh }")) == ["relu %0 : [N, 3, 16, 16]"]


def test_a_false_if_as_a_whole_branch_of_add_is_in() -> None:
    assert steps(net("  add { | relu | if false { conv(3, 1) } }"))[-1].startswith("add %1 %0")


def test_else_if() -> None:
    body = "  if in.channels == 1 { relu } else if in.channels == 3 { tanh } else { sigmoid }"
    assert steps(net(body)) == ["tanh %0 : [N, 3, 16, 16]"]


def test_names_made_in_an_if_are_seen_after_it() -> None:
    p = net("  if true { relu as a } else { tanh as a }\n  sigmoid\n  add { | in | a }")
    assert steps(p)[-1].startswith("add %2 %1")


def test_times_zero_is_the_identity() -> None:
    assert steps(net("  relu\n  { conv(8, 3) -> relu } * 0")) == ["relu %0 : [N, 3, 16, 16]"]


def test_a_shared_layer_has_one_set_of_weights() -> None:
    p = net(
        "  shared e = enc(4)\n  relu as a\n  a -> e as left\n  a -> tanh -> e\n  add { | in | left }",
        "block enc(c) { conv(c, 1) -> bn -> conv(3, 1) }",
    )
    assert paths(p) == ["e.conv1", "e.bn1", "e.conv2"]
    assert analysis.params(p.graph) == 3 * 4 + 4 + 8 + 4 * 3 + 3
    assert analysis.macs(p.graph) == 2 * (12 + 12) * 256


def test_a_net_is_applied_as_a_block() -> None:
    text = """net Inner(k=2) { input x: [N, 3, 4*H, 4*W] { scale = 1 }
  conv(k*in.channels, 1) -> upsample(2) : [N, 3*k, 8*H, 8*W] }
net A { input image: [N, 3, 16, 8]
  Inner -> conv(3, 1) -> Inner(k=1) }"""
    p = program(text)
    assert paths(p) == ["Inner1.conv1", "conv1", "Inner2.conv1"]
    assert output(p) == "[N, 3, 64, 32]"


def test_tensor_parameters() -> None:
    p = net(
        "  relu as a\n  maxpool(2) -> up(5, a)",
        "block up(c, skip: tensor) { concat { | skip | deconv(c, 2, stride=2) } }",
    )
    assert output(p) == "[N, 8, 16, 16]"


def test_several_inputs_and_outputs() -> None:
    p = program("""net A {
  input left: [N, 3, 8, 8]
  input right: [N, 2, 8, 8]
  concat { | left | right } -> conv(4, 1) -> global_avgpool as features
  output logits = dense(10), features
}""")
    assert p.graph.output_names == ("logits", "features")
    assert [str(n.type) for n in p.graph.outputs] == ["[N, 10]", "[N, 4]"]
    assert [i.name for i in p.inputs] == ["left", "right"]


def test_aux_leaves_the_value_and_the_counts_alone() -> None:
    p = net("  relu as a\n  aux head(weight=0.3) = a -> global_avgpool -> dense(7)\n  global_avgpool -> dense(2)")
    assert paths(p) == ["dense1"]
    assert [(h.name, h.weight, str(h.node.type)) for h in p.aux] == [("head", 0.3, "[N, 7]")]
    assert (analysis.params(p.graph), analysis.params_train(p)) == (8, 8 + 28)


def test_an_output_is_called_by_its_name() -> None:
    assert net("  relu as features").graph.output_names == ("features",)
    assert net("  relu").graph.output_names == ("output",)


# --- names of weights -------------------------------------------------------------------------------------------------


NAMES = {
    "numbers count by operator": ("conv(3, 1) -> bn -> conv(3, 1) -> bn", "", ["conv1", "bn1", "conv2", "bn2"]),
    "a label keeps its place in the count": (
        "conv(3, 1) -> conv(3, 1) as stem -> conv(3, 1)",
        "",
        ["conv1", "stem", "conv3"],
    ),
    "a label in quotes is a path": ('conv(3, 1) as "a.0" -> bn as "a.1"', "", ["a.0", "a.1"]),
    "templates": ('for i in range(2) { conv(3, 1) as "s{i+1}.{i}" }', "", ["s1.0", "s2.1"]),
    "groups open a scope": ("conv(3, 1)\n group g { conv(3, 1) }\n conv(3, 1)", "", ["conv1", "g.conv1", "conv2"]),
    "groups with dots": ('group "g.1" { conv(3, 1) }', "", ["g.1.conv1"]),
    "an instance": ("b -> b", "block b { conv(3, 1) }", ["b1.conv1", "b2.conv1"]),
    "a labelled instance": ("b as first -> b", "block b { conv(3, 1) }", ["first.conv1", "b2.conv1"]),
    "a repeated instance": ("b * 2 -> b", "block b { conv(3, 1) }", ["b1.0.conv1", "b1.1.conv1", "b2.conv1"]),
    "a repeated layer": ("conv(3, 1) * 2 -> conv(3, 1)", "", ["conv1.0", "conv1.1", "conv2"]),
    "repeated braces": (
        "{ conv(3, 1) -> bn } * 2",
        "",
        ["repeat1.0.conv1", "repeat1.0.bn1", "repeat1.1.conv1", "repeat1.1.bn1"],
    ),
    "labelled braces": ("{ conv(3, 1) } * 2 as stage", "", ["stage.0.conv1", "stage.1.conv1"]),
    "plain braces are no scope": ("{ conv(3, 1) } -> { conv(3, 1) }", "", ["conv1", "conv2"]),
    "branches are no scope": ("add { | conv(3, 1) | conv(3, 1) } -> conv(3, 1)", "", ["conv1", "conv2", "conv3"]),
    "for and if are no scope": ("for _ in [1, 2] { if true { conv(3, 1) } }", "", ["conv1", "conv2"]),
    "a repetition of none counts": ("conv(3, 1) * 0 -> conv(3, 1)", "", ["conv2"]),
    "fixed kernels have no path": ("conv(3, 3, weight=[[0, 0, 0], [0, 1, 0], [0, 0, 0]]) -> conv(3, 1)", "", ["conv1"]),
    "weightless operators are not counted": ("relu -> maxpool(2) -> relu -> conv(3, 1)", "", ["conv1"]),
    "an aux head is a scope": ("conv(3, 1) as a\n aux h = a -> conv(3, 1)\n conv(3, 1)", "", ["a", "conv2"]),
    "a shared layer": ("shared s = conv(3, 1)\n s -> s -> conv(3, 1)", "", ["s", "conv1"]),
    "blocks in blocks": (
        "o",
        "block i { conv(3, 1) }\nblock o { i -> i * 2 }",
        ["o1.i1.conv1", "o1.i2.0.conv1", "o1.i2.1.conv1"],
    ),
}


@pytest.mark.parametrize(("body", "before", "expected"), NAMES.values(), ids=NAMES.keys())
def test_paths(body: str, before: str, expected: list[str]) -> None:
    assert paths(net(f"  {body}", before)) == expected


def test_a_label_renames_no_other_layer() -> None:
    plain = paths(net("  conv(3, 1) -> conv(3, 1) -> conv(3, 1)"))
    for i in range(3):
        calls = [f"conv(3, 1){' as x' if k == i else ''}" for k in range(3)]
        assert paths(net("  " + " -> ".join(calls))) == [p if k != i else "x" for k, p in enumerate(plain)]


# --- compile-time values ----------------------------------------------------------------------------------------------


VALUES = {
    "7 // 2 * 2": "6",
    "-7 // 2 + 8": "4",
    "-7 % 3 + 1": "3",
    "2 ** 3 ** 0": "2",
    "1 if 2 > 3 else 4": "4",
    "[4, 5, 6][-1]": "6",
    "max(2, min(9, 5))": "5",
    "sum([1, 2, 3])": "6",
    "len(range(2, 10, 3))": "3",
    "enumerate([7, 8])[1][0] + 1": "2",
    "zip([1, 2], [5, 6])[1][1]": "6",
    "3 if 1 < 2 < 3 else 9": "3",
    "3 if 2 in [1, 2] and 4 not in [1] else 9": "3",
    "3 or 4": "3",
    "0 or 4": "4",
    "5K // 1000": "5",
    "1_2": "12",
    "in.channels + in.height": "19",
    "4 if not false else 1": "4",
}


@pytest.mark.parametrize(("expression", "value"), VALUES.items(), ids=VALUES.keys())
def test_values_mean_what_they_mean_in_python(expression: str, value: str) -> None:
    assert output(net(f"  conv({expression}, 1)")) == f"[N, {value}, 16, 16]"


def test_a_later_default_may_use_an_earlier_parameter() -> None:
    p = net("  b(4)", "block b(c, k=3, p=k//2) { conv(c, k, pad=p) }")
    assert output(p) == "[N, 4, 16, 16]"


def test_overrides_reach_a_variants_base() -> None:
    text = "net B(k, c=2) { input x: [N, 1, 8, H]\n conv(c, k) }\nnet A = B(3)"
    assert output(program(text)) == "[N, 2, 6, H - 2]"
    assert output(program(text, c=5, H=10)) == "[N, 5, 6, 8]"
    assert output(program(text, k=1)) == "[N, 2, 8, H]"


def test_a_variants_sections_take_the_place_of_its_bases() -> None:
    base = 'net B(c) { input x: [N, 1, 8, 8]\n conv(c, 1)\n meta { source = "b" } }'
    text = base + '\nnet A = B(3) { meta { source = "a" } }'
    assert program(text).meta == {"source": "a"}


@pytest.mark.parametrize(
    ("size", "expected"), [("H", "[N, 1, (H + 1)//2, (W + 1)//2]"), ("8*H", "[N, 1, 4*H, (W + 1)//2]")]
)
def test_symbolic_sizes(size: str, expected: str) -> None:
    assert output(net("  conv(1, 3, stride=2, pad=1)", shape=f"[N, 3, {size}, W]")) == expected


def test_a_u_net_is_provable() -> None:
    body = "  relu as a\n  maxpool(2) -> maxpool(2) -> upsample(4) -> concat { | in | a }"
    assert output(net(body, shape="[N, 3, 4*H, 4*W]")) == "[N, 6, 4*H, 4*W]"
    checked = check(Source("x.cnn", f"cnn 1\nnet A {{ input x: [N, 3, H, W]\n{body}\n}}"))
    assert [d.code for d in checked.diagnostics] == ["E0205"]

"""What passes do with graphs that no file says, with heads that only training has, and with a policy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnlang
from cnnlang.backends.numba_cpu import Engine
from cnnlang.dims import Term
from cnnlang.errors import UsageError
from cnnlang.interpret import interpret
from cnnlang.ir import Graph, Node
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Fixed, Input, Weight, WeightSpec
from cnnlang.passes import PASSES, fold_constants, merge_siblings, optimize, share_common, unknown
from tests.helpers import apply, assert_close, random_inputs, random_weights

N = Term.variable("N")


def same(before: Graph, after: Graph) -> None:
    """Both graphs give the same numbers, and so does the engine that is given either."""
    weights, inputs = random_weights(before), random_inputs(before, {"N": 2})
    expected = interpret(before, weights, *inputs)
    for y, z in zip(expected, interpret(after, weights, *inputs), strict=True):
        np.testing.assert_allclose(z, y, rtol=1e-9, atol=1e-9 * np.abs(y).max())
    for graph in (before, after):
        for y, z in zip(expected, Engine(graph, weights)([x.astype(np.float32) for x in inputs]), strict=True):
            assert_close(z, y)


def test_steps_on_weights_alone_are_weights() -> None:
    """A layer whose weight is the tanh of a weight, as some models hold it."""
    x = Node.of(Input((N, 3), "x"))
    weight = Node.of(Weight((2, 3), "w", WeightSpec("weight", (2, 3))))
    squeezed = Node.of(OPERATORS["tanh"].make({}), Node.of(OPERATORS["relu6"].make({}), weight))
    y = Node.of(OPERATORS["dense"].make({"units": 2, "bias": False}), x, squeezed)
    graph = Graph("Net", (x,), (y,), ("output",))
    folded = fold_constants(graph)
    assert "dense(2, bias=false) %0 tanh(relu6(w)) : [N, 2]" in str(folded)
    same(graph, folded)


def test_a_result_and_a_value_among_values_stay_steps() -> None:
    x = Node.of(Input((2, 3), "x"))
    weight = Node.of(Weight((2, 3), "w", WeightSpec("weight", (2, 3))))
    squeezed = Node.of(OPERATORS["tanh"].make({}), weight)
    for output in (squeezed, Node.of(OPERATORS["add"].make({}), x, squeezed)):
        graph = Graph("Net", (x,), (output,), ("output",))
        assert str(fold_constants(graph)) == str(graph)


def test_arithmetic_on_fixed_numbers_is_done_once() -> None:
    net = cnnlang.loads(
        "cnn 1\nnet A { input x: [N, 1, 4, 4]\n normalize(1, 2) -> conv(1, 2, weight=[[1, 2], [3, 4]]) }"
    )
    (conv,) = optimize(net.graph).outputs
    kernel, bias = conv.weights
    assert isinstance(kernel.op, Fixed)
    assert isinstance(bias.op, Fixed)
    assert kernel.op.values == [[[[0.5, 1.0], [1.5, 2.0]]]]
    assert bias.op.values == [-5.0]


@pytest.mark.parametrize("name", ["add", "mul", "max", "mean", "concat"])
def test_a_merge_of_one_is_that_one(name: str) -> None:
    x = Node.of(Input((N, 3), "x"))
    y = Node.of(OPERATORS[name].make({}), apply(OPERATORS["dense"].make({"units": 2}), x, name="d"))
    graph = optimize(Graph("Net", (x,), (y,), ("output",)))
    assert graph.outputs[0].op.name == "dense"


def test_a_dropout_is_never_shared() -> None:
    """While training, two of them drop different numbers."""
    x = Node.of(Input((N, 3), "x"))
    drops = [Node.of(OPERATORS["dropout"].make({}), x) for _ in range(2)]
    graph = Graph("Net", (x,), (Node.of(OPERATORS["add"].make({}), *drops),), ("output",))
    assert str(share_common(graph)) == str(graph)


def test_equal_arguments_written_otherwise_are_shared_and_others_not() -> None:
    x = Node.of(Input((N, 1, 4, 4), "x"))
    calls: list[dict[str, Any]] = [
        {"kernel": 2},
        {"kernel": (2, 2)},
        {"kernel": 2, "stride": 2},
        {"kernel": 2, "stride": 1, "pad": (0, 1, 0, 1)},
    ]
    pools = [Node.of(OPERATORS["maxpool"].make(call), x) for call in calls]
    pools[3] = Node.of(OPERATORS["crop"].make({"amount": (0, 2, 0, 2)}), pools[3])
    pads = [Node.of(OPERATORS["pad"].make({"amount": 1, "value": value}), x) for value in (0.0, -0.0)]
    cropped = [Node.of(OPERATORS["crop"].make({"amount": 2}), pad) for pad in pads]
    graph = Graph("Net", (x,), (*pools, *cropped), tuple("abcdef"))
    shared = share_common(graph)
    assert len(set(shared.outputs)) == 4
    same(graph, shared)


SHARED = """cnn 1
net A {
  input x: [N, 2]
  shared d = dense(2)
  x -> d -> relu -> softmax as a
  x -> d -> relu -> softmax as b
  x -> d -> tanh as c
  output y = concat { | a | b | c }
}
"""


def test_the_first_of_equal_steps_keeps_its_name_and_place() -> None:
    text = SHARED.replace("tanh as c", "relu -> softmax as c")
    (y,) = optimize(cnnlang.loads(text).graph).outputs
    a, b, c = y.inputs
    assert a is b is c
    assert (a.name, a.span and a.span.line) == ("a", 5)
    (y,) = optimize(cnnlang.loads(SHARED).graph).outputs
    a, b, c = y.inputs
    assert a is b is not c


TRAINED = """cnn 1
block branch(c) {
  concat {
    | conv(c, 1) -> relu
    | conv(c, 1) -> bn -> relu
    | maxpool(1) -> conv(2*c, 1) -> dropout -> relu
  }
}
net A {
  input x: [N, 3, 8, 8]
  normalize(0.5, 0.25)
  branch(2) as c1
  conv(4, 3, pad=1) -> maxpool(2) -> relu as c2
  branch(3) -> global_avgpool -> dense(5)
  aux side(weight=0.3) = c1 -> conv(2, 1) -> bn -> relu -> global_avgpool -> dense(5)
  aux other(weight=0.3) = c2 -> conv(2, 1) -> global_maxpool -> relu -> dense(5)
}
"""


@pytest.mark.parametrize("also", [(), ("merge-siblings",)])
def test_heads_that_only_training_has(also: tuple[str, ...]) -> None:
    graph = cnnlang.loads(TRAINED).program.training_graph
    optimized = optimize(graph, also)
    assert optimized.output_names == ("output", "side", "other")
    assert optimized.weights.keys() == graph.weights.keys()
    same(graph, optimized)


INCEPTION = """cnn 1
net A {
  input x: [N, 3, 6, 6]
  concat {
    | conv(4, 1) -> relu
    | conv(2, 1) -> relu -> conv(4, 3, pad=1)
    | conv(3, 1) -> relu -> conv(4, 3, pad=1)
  }
}
"""


def test_a_policy_says_which_siblings_join() -> None:
    graph = optimize(cnnlang.loads(INCEPTION).graph)
    merged = merge_siblings(graph)
    assert "# conv1 + conv2 + conv4" in str(merged)
    reductions = merge_siblings(
        graph, lambda siblings, users: [n for n in siblings if all(u.op.name == "conv" for u in users[n])]
    )
    assert "# conv2 + conv4" in str(reductions)
    assert str(merge_siblings(graph, lambda siblings, users: siblings[:1])) == str(graph)
    for after in (merged, reductions):
        same(graph, after)


def test_siblings_are_left_apart_unless_asked_for() -> None:
    graph = cnnlang.loads(INCEPTION).graph
    assert " + " not in str(optimize(graph))
    assert " + " in str(optimize(graph, ["merge-siblings"]))


def test_a_pass_that_is_not_there() -> None:
    graph = cnnlang.loads(INCEPTION).graph
    with pytest.raises(UsageError, match="there is no pass `merge_sibling`; did you mean `merge-siblings`"):
        optimize(graph, ["merge_sibling"])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fold_batch_norm", "fold-batch-norm"),
        ("fold_bn", "fold-batch-norm"),
        ("batch-norm", "fold-batch-norm"),
        ("Remove-Dropout", "remove-dropout"),
        ("dropout", "remove-dropout"),
        ("CSE", "share-common"),
        ("dead_code", "remove-unread"),
        ("constant-foldin", "fold-constants"),
        ("fuse-activations", "fuse-activation"),
    ],
)
def test_a_name_that_is_nearly_one(typed: str, meant: str) -> None:
    assert unknown(typed) == f"there is no pass `{typed}`; did you mean `{meant}`?"


@pytest.mark.parametrize("typed", ["", "zzz", "konv", "é" * 1000])
def test_a_name_that_is_none(typed: str) -> None:
    assert "did you mean" not in unknown(typed)


def test_the_documentation_tells_every_pass() -> None:
    page = Path(__file__).parent.parent / "docs" / "architecture.md"
    section = page.read_text(encoding="utf-8").split("## The passes")[1].split("## The engine")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE) == [step.name for step in PASSES]


def test_passes_have_names_and_titles() -> None:
    for step in PASSES:
        assert step.name.replace("-", "_") == step.rewrite.__name__
        assert 10 < len(step.title) < 62  # beside the name in 80 columns

"""Passes keep the meaning, and make of each fixture the graph that stands beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cnnlang
from cnnlang.backends.numba_cpu import Engine
from cnnlang.dims import Term
from cnnlang.errors import OperatorError
from cnnlang.interpret import interpret
from cnnlang.ir import Graph, Node, TensorType
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Input
from cnnlang.passes import PASSES, Fused, check, fold_batch_norm, fuse_activation, optimize
from tests.helpers import apply, assert_close, is_steady, random_inputs, random_weights, run_numba
from tests.strategies import SIZES, networks

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
KNOWN = {"N": 2, **{name: int(str(size)) for name, size in SIZES.items()}}
FILE = Path(__file__).parent / "fixtures" / "passes.md"
SECTION = re.compile(
    r"^## (.+)\n(?P<cnn>```cnn\n[^`]*```\n)(?P<more>```cnn more\n[^`]*```\n)?```graph(?P<also>.*)\n([^`]*)```\n", re.M
)


def fixtures() -> list[tuple[str, Graph, list[str], str]]:
    """Title, graph before, passes to run besides the others, text after."""
    found = []
    for match in SECTION.finditer(FILE.read_text(encoding="utf-8")):
        body, more = (re.sub("```.*\n", "", match[part] or "") for part in ("cnn", "more"))
        net = cnnlang.loads(f"cnn 1\n{more}net Net {{\n{body}}}\n", net="Net")
        found.append((match[1], net.graph, match["also"].split(), match[5]))
    return found


FIXTURES = fixtures()


def test_the_file_is_read_whole() -> None:
    assert len(FIXTURES) == FILE.read_text(encoding="utf-8").count("\n## ")


@pytest.mark.parametrize(("title", "before", "also", "after"), FIXTURES, ids=[f[0] for f in FIXTURES])
def test_fixture(title: str, before: Graph, also: list[str], after: str, update_golden: bool) -> None:
    optimized = optimize(before, also)
    if update_golden:
        text = FILE.read_text(encoding="utf-8")
        section = re.compile(rf"(## {re.escape(title)}\n(?:```cnn[^`]*```\n)+```graph.*\n)[^`]*(```\n)")
        FILE.write_text(section.sub(lambda m: f"{m[1]}{optimized}\n{m[2]}", text), encoding="utf-8")
        return
    assert f"{optimized}\n" == after
    assert f"{optimize(optimized, also)}\n" == after
    weights, inputs = random_weights(before), random_inputs(before, KNOWN)
    reference = interpret(before, weights, *inputs)
    for expected, actual in zip(reference, interpret(optimized, weights, *inputs), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)
    for expected, actual in zip(reference, run_numba(before, weights, *inputs), strict=True):
        assert_close(actual, expected)
    arrays = [np.asarray(x, np.float32) for x in inputs]
    for expected, actual in zip(reference, Engine(optimized, weights)(arrays), strict=True):
        assert_close(actual, expected)


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Chains of layers, bns and activations, in which any value may be an output too."""
    x = start = Node.of(Input((Term.variable("N"), 4, 5, 9), "x"))
    outputs = []
    for number in range(draw(st.integers(1, 7))):
        name, arguments = draw(st.sampled_from(LINKS))
        values = [x, x] if name in ("add", "concat") else [x]
        try:
            x = apply(OPERATORS[name].make(arguments), *values, name=f"{name}{number}")
        except OperatorError:  # it takes no value of this shape
            continue
        if draw(st.integers(0, 5)) == 0:
            outputs.append(x)
    outputs = outputs if x in outputs else [*outputs, x]
    return Graph("Net", (start,), tuple(outputs), tuple(f"y{i}" for i in range(len(outputs))))


LINKS: list[tuple[str, dict[str, Any]]] = [
    ("conv", {"channels": 4, "kernel": 3, "pad": 1, "groups": 2}),
    ("conv", {"channels": 4, "kernel": 1, "bias": False, "fill": 0.5, "pad": 1}),
    ("conv", {"channels": 4, "kernel": (1, 2), "weight": [[1, -2]]}),
    ("depthwise", {"kernel": 1}),
    ("deconv", {"channels": 4, "kernel": 2, "groups": 2}),
    ("bn", {}),
    ("bn", {"eps": 0.5}),
    ("relu", {}),
    ("elu", {}),
    ("prelu", {}),
    ("dropout", {}),
    ("add", {}),
    ("concat", {}),
    ("channels", {"start": 0, "stop": 4}),
    ("channels", {"start": 1, "stop": 3}),
    ("pad_channels", {"before": 1, "after": 1}),
    ("maxpool", {"kernel": 2, "stride": 1}),
    ("maxpool", {"kernel": 3, "stride": 1, "pad": 1, "dilation": 2}),
    ("minpool", {"kernel": 2, "stride": 1, "pad": 1}),
    ("normalize", {"mean": 0.25, "std": 2}),
    ("normalize", {"mean": [0.5, -1, 0, 3], "std": [1, 0.5, 2, 1]}),
    ("pad", {"amount": 0}),
]


def every_pass_keeps_the_meaning(graph: Graph, sizes: Mapping[str, int], seed: int = 0) -> None:
    """Each pass alone, and each behind those that stand before it."""
    weights, inputs = random_weights(graph, seed), random_inputs(graph, sizes, seed)
    before = interpret(graph, weights, *inputs)
    assume(all(np.isfinite(values).all() for values in before))
    behind = graph
    for step in PASSES:
        alone, behind = step(graph), step(behind)
        for rewritten in (alone, behind):
            assert rewritten.output_names == graph.output_names
            assert rewritten.weights.items() <= graph.weights.items()
            assert [n.op for n in rewritten.inputs] == [n.op for n in graph.inputs]
            for expected, actual in zip(before, interpret(rewritten, weights, *inputs), strict=True):
                np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


@settings(deadline=None, max_examples=150)
@given(chains(), st.integers(0, 9))
def test_every_pass_keeps_the_meaning_of_a_chain(graph: Graph, seed: int) -> None:
    every_pass_keeps_the_meaning(graph, {"N": 2}, seed)


@settings(deadline=None, max_examples=60, suppress_health_check=SLOW)
@given(networks())
def test_every_pass_keeps_the_meaning_of_a_network(text: str) -> None:
    """Blocks, loops, shared weights, merges; sizes that are not known."""
    graph = cnnlang.loads(text, net="Random").graph
    weights, inputs = random_weights(graph), random_inputs(graph, KNOWN)
    assume(is_steady(graph, weights, inputs, interpret(graph, weights, *inputs)))
    every_pass_keeps_the_meaning(graph, KNOWN)


@settings(deadline=None, max_examples=100)
@given(chains())
def test_optimizing_again_changes_nothing(graph: Graph) -> None:
    once = optimize(graph)
    assert str(optimize(once)) == str(once)


def test_weights_keep_their_paths() -> None:
    for title, before, also, _ in FIXTURES:
        after = optimize(before, also)
        lost = {"conv1.weight", "conv1.bias"} if title == "channels that nobody reads" else set()
        assert after.weights.keys() == before.weights.keys() - lost


def test_a_pass_that_changes_nothing_answers_the_same_graph() -> None:
    for _, before, _, _ in FIXTURES:
        for step in PASSES:
            once = step(before)
            assert step(once) is once


def test_check_finds_a_wrong_type() -> None:
    graph = FIXTURES[0][1]

    def lie(node: Node) -> Node | None:
        if node.op.name != "dense":
            return None
        return Node(node.op, node.inputs, TensorType((*node.type.shape[:1], 5)), node.span, node.name)

    with pytest.raises(AssertionError, match=r"should be \[N, 4\]"):
        check(graph.rewrite(lie))


def test_a_chain_of_thousands_is_no_recursion() -> None:
    x = start = Node.of(Input((Term.variable("N"), 2, 4, 4), "x"))
    for number in range(3000):
        x = apply(OPERATORS["conv"].make({"channels": 2, "kernel": 1}), x, name=f"conv{number}")
        x = apply(OPERATORS["bn"].make({}), x, name=f"bn{number}")
        x = apply(OPERATORS["relu"].make({}), x, name="")
    graph = optimize(Graph("Deep", (start,), (x,), ("output",)))
    assert sum(isinstance(n.op, Fused) for n in graph.nodes) == 3000


def test_order_matters() -> None:
    """Fusing first would part a convolution from the bn behind it."""
    graph = next(before for title, before, _, _ in FIXTURES if title == "bn behind a convolution")
    assert "folded" in str(fold_batch_norm(graph))
    assert "-> relu" in str(fuse_activation(graph))
    assert str(optimize(graph)).count("%") == 4

"""Random networks through every target, held to the float64 reference; broken ones through the checker."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.ops import OPERATORS
from cnnlang.program import Program
from cnnlang.render import render_full
from cnnlang.source import Source
from cnnlang.syntax import format_source, parse
from cnnlang.verify import WAYS
from tests.helpers import assert_close, is_steady, random_inputs, random_weights, run_numba
from tests.strategies import SIZES, networks

torch.set_num_threads(1)

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
PER_OPERATOR = 5 if settings().max_examples <= 100 else settings().max_examples // 20


def checked(text: str) -> Program:
    result = check(Source("random.cnn", text))
    assert not result.has_errors, text + "\n".join(render_full(d) for d in result.diagnostics)
    return result.programs["Random"]


@pytest.mark.parametrize("must", sorted(OPERATORS))
def test_targets_agree_with_the_reference(must: str) -> None:
    """Networks with each operator, batches 1 and 3, through every target, the engine first; the Numba source as plain
    Python, for compiling it takes seconds a network."""
    seen = 0

    @settings(max_examples=PER_OPERATOR, deadline=None, suppress_health_check=SLOW)
    @given(networks(must))
    def agree(text: str) -> None:
        nonlocal seen
        program = checked(text)
        sizes = {"H": SIZES["H"], "W": SIZES["W"]}
        weights = random_weights(program.graph)
        runners = [*(way.make(program, weights) for way in WAYS.values()), partial(run_numba, program, weights)]
        for batch in (1, 3):
            inputs = random_inputs(program.graph, {"N": batch, **sizes})  # type: ignore[arg-type]
            reference = interpret(program.graph, weights, *inputs)
            finite = all(np.isfinite(r).all() for r in reference)
            assume(finite and all(np.ptp(r) > 1e-6 for r in reference))  # a constant tells nothing
            assume(is_steady(program.graph, weights, inputs, reference))
            for run in runners:
                for actual, expected in zip(run(*inputs), reference, strict=True):
                    assert_close(actual, expected)
        seen += any(node.op.name == must for node in program.graph.nodes)

    agree()
    assert seen > 0


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(networks())
def test_expanding_is_deterministic_and_formatting_changes_nothing(text: str) -> None:
    first, again = checked(text), checked(text)
    assert str(first.graph) == str(again.graph)
    source = Source("random.cnn", text)
    formatted = format_source(source)
    assert parse(Source("random.cnn", formatted))[0] == parse(source)[0]
    assert format_source(Source("random.cnn", formatted)) == formatted
    after = checked(formatted)
    assert str(after.graph) == str(first.graph)
    assert list(after.graph.weights) == list(first.graph.weights)


def mutated(text: str, data: st.DataObject) -> str:
    """A text with a token changed: taken away, doubled, swapped, a number changed, a name misspelt."""
    tokens = re.findall(r"\w+|\s+|->|[^\w\s]", text)
    solid = [i for i, t in enumerate(tokens) if not t.isspace()]
    for _ in range(data.draw(st.integers(1, 3))):
        i, j = (data.draw(st.sampled_from(solid)) for _ in range(2))
        match data.draw(st.sampled_from(["drop", "double", "swap", "number", "misspell", "insert"])):
            case "drop":
                tokens[i] = ""
            case "double":
                tokens[i] *= 2
            case "swap":
                tokens[i], tokens[j] = tokens[j], tokens[i]
            case "number":
                tokens[i] = str(data.draw(st.sampled_from([0, -1, 1, 7, 10**9, 2**63, 0.5])))
            case "misspell":
                tokens[i] = tokens[i][1:] + "e"
            case "insert":
                strays = [" ->", " {", "}", "(", ")", " |", ' "', " as x", " * 3", " # ", " in", "\n"]
                tokens[i] += data.draw(st.sampled_from(strays))
    return "".join(tokens)


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(networks(), st.data())
def test_a_broken_network_gets_findings_and_no_traceback(text: str, data: st.DataObject) -> None:
    broken = mutated(text, data)
    result = check(Source("broken.cnn", broken))
    for diagnostic in result.diagnostics:
        assert render_full(diagnostic)
        assert diagnostic.span is None or 0 <= diagnostic.span.start <= diagnostic.span.end <= len(broken)
        for cure in diagnostic.help:
            assert all(0 <= e.span.start <= e.span.end <= len(e.span.source.text) for e in cure.edits)
    assert result.has_errors or result.programs


VIEWS = [
    'upsample(2, mode="bilinear")', "pixel_shuffle(1)", "channel_shuffle(2)", "channels(1, 3)", "crop(1)",
    'pad(1, mode="reflect")', "upsample(2)", "pad_channels(1, 1)", "concat { | in | in }",
]  # fmt: skip
READERS = [
    "relu", "bn", "prelu", "lrn(3)", "group_norm(1)", "conv(3, 3)", "depthwise(3)", "deconv(2, 2)", "maxpool(2)",
    "avgpool(3, count_pad=false)", "add { | in | relu }", "softmax", "normalize(1, 2)", "hardswish",
    "mul { | in | global_avgpool }", "flatten -> dense(3)", "flatten -> tanh", "adaptive_avgpool(2)",
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_operators_read_arrays_of_any_layout(view: str) -> None:
    """What moves cells about may hand on a view whose cells lie in another order."""
    for reader in READERS:
        program = checked(f"cnn 1\nnet Random {{ input x: [N, 4, 5, 6]\n {view}\n {reader}\n}}")
        weights, inputs = random_weights(program.graph), random_inputs(program.graph, {"N": 2})
        (reference,) = interpret(program.graph, weights, *inputs)
        assert_close(run_numba(program, weights, *inputs)[0], reference)


def test_the_comparison_finds_a_wrong_target() -> None:
    program = checked("cnn 1\nnet Random { input x: [N, 2, 6, 6]\n conv(3, 3) -> bn -> relu -> global_avgpool }")
    weights = random_weights(program.graph)
    inputs = random_inputs(program.graph, {"N": 2})
    (reference,) = interpret(program.graph, weights, *inputs)
    for wrong in (np.full_like(reference, -7), reference[:1], reference * 1.001, reference.T, reference + np.nan):
        with pytest.raises(AssertionError):
            assert_close(wrong, reference)

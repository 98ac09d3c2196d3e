"""The Numba source against the float64 reference, and what the module is like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnnlang.errors import OperatorError
from cnnlang.interpret import interpret
from cnnlang.ops import OPERATORS
from tests.helpers import assert_close, graph_of, random_inputs, random_weights, run_numba
from tests.operator_cases import arguments, shapes

patient = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operator(name: str) -> None:
    """Every operator of the registry, with arguments of their kinds, on shapes that it takes."""
    tried = 0

    @patient
    @given(arguments(name), shapes(name), st.integers(0, 99))
    def holds(values: dict[str, object], sizes: list[tuple[int, ...]], seed: int) -> None:
        nonlocal tried
        try:
            graph = graph_of(OPERATORS[name].make(values), *sizes)
        except OperatorError:
            assume(False)
        weights, inputs = random_weights(graph, seed), random_inputs(graph, {}, seed)
        (reference,) = interpret(graph, weights, *inputs)
        (actual,) = run_numba(graph, weights, *inputs)
        assert actual.dtype == np.float32
        assert_close(actual, reference)
        tried += 1

    holds()
    assert tried >= 20

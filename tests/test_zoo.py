"""Networks from the literature: their published figures, and the small ones through every target."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlang import analysis
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.render import render_full
from cnnlang.syntax import format_source, read_source
from tests.helpers import assert_close, random_inputs, random_weights, run_numba
from tests.run_torch import run_torch, torch_module

ZOO = sorted((Path(__file__).parent / "zoo").glob("*.cnn"))
SMALL = 300_000  # multiply-accumulates that plain Python can follow


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_a_file_of_the_zoo(path: Path) -> None:
    """It checks without a finding, its own figures among them, in the one style; what it becomes agrees."""
    source = read_source(path, path.name)
    checked = check(source)
    assert [render_full(d) for d in checked.diagnostics] == []
    assert format_source(source) == source.text
    for program in checked.programs.values():
        weights = random_weights(program.graph)
        cost = analysis.macs(program.graph)
        if not isinstance(cost, int) or cost > SMALL:
            torch_module(program, weights)  # holds its names and shapes to the graph's
            continue
        inputs = random_inputs(program.graph, {"N": 2})
        reference = interpret(program.graph, weights, *inputs)
        for run in (run_numba, run_torch):
            for actual, expected in zip(run(program, weights, *inputs), reference, strict=True):
                assert_close(actual, expected)

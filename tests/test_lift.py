"""Lifting: a graph without its text becomes a text that says the same, and that a person could have written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from cnnlang.expand import check
from cnnlang.importing.foreign import Foreign, Written
from cnnlang.importing.lift import nest_concats, write
from cnnlang.ir import Graph
from cnnlang.program import Program
from cnnlang.render import render_full
from cnnlang.source import Source
from cnnlang.syntax import format_source, read_source
from tests.strategies import networks

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "examples").glob("*.cnn"), *(ROOT / "tests" / "zoo").glob("*.cnn")])
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def programs(text: str) -> dict[str, Program]:
    result = check(Source("lifted.cnn", text))
    assert not result.has_errors, text + "\n".join(render_full(d) for d in result.diagnostics)
    return dict(result.programs)


def unlabelled(graph: Graph, paths: dict[str, str] | None = None) -> str:
    """A graph's text without its name, the steps' labels and the outputs' names, weights renamed."""
    text = re.sub(r"  #.*", "", str(graph))
    text = re.sub(r"^graph .*", "graph", text)
    text = re.sub(r"input\([^)]*\)", "input", text)
    text = re.sub(r"return .*", lambda m: "return " + ", ".join(re.findall(r"=(%\d+)", m[0])), text)
    names = paths or {}
    return re.sub(r"(?<= )[^\s%:]+\.\w+(?= )", lambda m: names.get(m[0], m[0]), text)


def hold(graph: Graph, keeps: bool) -> Written:
    """Lift a graph, and hold the laws: it checks, is formatted, and means the same."""
    written = write(Foreign(graph, keeps_names=keeps), "Lifted")
    (program,) = programs(written.text).values()
    assert format_source(Source("lifted.cnn", written.text)) == written.text
    assert unlabelled(program.graph) == unlabelled(nest_concats(graph), dict(written.paths))
    assert set(written.paths) == set(graph.weights)
    assert sorted(written.paths.values()) == sorted(program.graph.weights)
    assert write(Foreign(graph, keeps_names=keeps), "Lifted").text == written.text
    return written


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
@pytest.mark.parametrize("keeps", [True, False])
def test_a_known_net_means_the_same(path: Path, keeps: bool) -> None:
    for program in check(read_source(path)).programs.values():
        hold(program.graph, keeps)


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(networks())
def test_a_random_net_means_the_same(text: str) -> None:
    (program,) = programs(text).values()
    for keeps in (True, False):
        hold(program.graph, keeps)

"""The engine: every operator, layout and awkward size against the reference; its cache and threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cnnlang
import cnnlang.backends.numba_cpu.program
from cnnlang.backends.numba_cpu import Engine, portions
from cnnlang.backends.numba_cpu.kernels.winograd import Winograd, WinogradInput, WinogradOutput
from cnnlang.backends.numba_cpu.machine import WIDTHS, host
from cnnlang.backends.numba_cpu.plan import winograd
from cnnlang.backends.numba_cpu.plan.places import Halo, new_place
from cnnlang.backends.numba_cpu.plan.stages import At
from cnnlang.backends.numba_cpu.program import Program
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.ir import Graph
from cnnlang.ops import OPERATORS
from cnnlang.ops.conv import Conv as ConvOp
from cnnlang.source import Source
from tests.helpers import assert_close, is_steady, random_inputs, random_weights
from tests.strategies import SIZES, networks

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
PER_OPERATOR = 3 if settings().max_examples <= 100 else settings().max_examples // 20
LANES = sorted({host(width).width for width in (4, 8, 16)})
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="module")
def even_small_nets_are_shared_by_threads() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cnnlang.backends.numba_cpu.program, "SMALL", 1)
        patch.setattr(cnnlang.backends.numba_cpu.program, "GRAIN", 1000)
        yield


def net(body: str) -> Graph:
    return cnnlang.loads(f"cnn 1\nnet Random {{\n{body}\n}}").graph


def poison(program: Program) -> None:
    """NaN wherever nothing may be read that was not written before."""
    arena = program._arena
    begin = -arena.ctypes.data // 4 % 16
    kept = np.zeros(arena.size, bool)
    for stage in program.stages:
        for argument in stage.args.values():
            if isinstance(argument, At) and argument.buffer.is_cleared:
                start = begin + argument.buffer.offset
                kept[start : start + argument.buffer.size] = True
    arena[~kept] = np.nan


def agree(graph: Graph, sizes: dict[str, int], threads: int = 1, lanes: int | None = None) -> bool:
    """The engine's outputs are the reference's, twice in the same memory, which begins as NaN.

    Answers False, and holds nothing, where float32 cannot agree with the reference.
    """
    weights = random_weights(graph)
    inputs = random_inputs(graph, sizes)
    reference = interpret(graph, weights, *inputs)
    if not all(np.isfinite(r).all() for r in reference) or not is_steady(graph, weights, inputs, reference):
        return False
    engine = Engine(graph, weights, threads, lanes)
    program = engine.program(tuple(x.shape for x in inputs))
    poison(program)
    for _ in range(2):
        for actual, expected in zip(engine(inputs), reference, strict=True):
            assert_close(actual, expected)
    return True


@pytest.mark.parametrize("must", sorted(OPERATORS))
def test_random_networks_agree_with_the_reference(must: str) -> None:
    @settings(max_examples=PER_OPERATOR, deadline=None, suppress_health_check=SLOW)
    @given(networks(must), st.sampled_from([1, 2]), st.sampled_from(LANES))
    def holds(text: str, threads: int, lanes: int) -> None:
        graph = check(Source("random.cnn", text)).programs["Random"].graph
        for batch in (1, 3):
            assume(agree(graph, {"N": batch, "H": SIZES["H"], "W": SIZES["W"]}, threads, lanes))

    holds()


CHANNELS = st.sampled_from([1, 2, 3, 5, 16, 17, 33])
FLAG = st.sampled_from(["true", "false"])
BEFORE = ["", "relu ->", "conv(7, 1) ->", "bn ->"]
AFTER = ["", "-> relu", "-> tanh", "-> bn -> relu6", "-> conv(3, 3, pad=1)", "-> global_maxpool"]


@st.composite
def geometries(draw: st.DrawFn) -> str:
    """A net of one convolution or pool of any geometry, between maps of awkward sizes."""
    channels, height, width = draw(CHANNELS), draw(st.integers(1, 19)), draw(st.integers(1, 19))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3)).map(lambda p: f"{p[0]}x{p[1]}")
    sides = st.tuples(*[st.integers(0, 2)] * 4)
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    common = f"{kernel[0]}x{kernel[1]}, stride={draw(pair)}"
    match draw(st.sampled_from(["conv", "conv", "depthwise", "deconv", "maxpool", "avgpool"])):
        case "conv":
            groups = draw(st.sampled_from([g for g in (1, 2, 3, 11, 17) if channels % g == 0]))
            outputs = groups * draw(st.sampled_from([1, 2, 3, 16]))
            rest = f"pad={draw(sides)}, dilation={draw(pair)}, groups={groups}, fill={draw(st.sampled_from([0, 1.5]))}"
            step = f"conv({outputs}, {common}, {rest})"
        case "depthwise":
            step = (
                f"depthwise({common}, pad={draw(sides)}, dilation={draw(pair)}, multiplier={draw(st.integers(1, 2))})"
            )
        case "deconv":
            step = f"deconv({draw(CHANNELS)}, {common}, pad={draw(sides)}, dilation={draw(pair)})"
        case "maxpool":
            pads = tuple(min(p, k // 2) for p, k in zip(draw(sides), (kernel[0], *kernel, kernel[1]), strict=True))
            pads = (pads[0], min(pads[1], kernel[0] // 2), min(pads[2], kernel[1] // 2), pads[3])
            step = f"maxpool({common}, pad={pads}, ceil={draw(FLAG)})"
        case _:
            counts = (
                f"ceil={draw(st.sampled_from(['true', 'false']))}, count_pad={draw(st.sampled_from(['true', 'false']))}"
            )
            step = f"avgpool({common}, {counts})"
    before = draw(st.sampled_from(["", "relu ->", "conv(7, 1) ->", "bn ->"])) if "groups" not in step else ""
    after = draw(
        st.sampled_from(["", "-> relu", "-> tanh", "-> bn -> relu6", "-> conv(3, 3, pad=1)", "-> global_maxpool"])
    )
    return f"input x: [N, {channels}, {height}, {width}]\n{before} {step} {after}"


@settings(max_examples=100 if settings().max_examples <= 100 else 3000, deadline=None, suppress_health_check=SLOW)
@given(geometries(), st.sampled_from([1, 5]), st.sampled_from(LANES))
def test_awkward_geometries_agree_with_the_reference(body: str, batch: int, lanes: int) -> None:
    checked = check(Source("random.cnn", f"cnn 1\nnet Random {{\n{body}\n}}"))
    assume(not checked.has_errors)
    assume(agree(checked.programs["Random"].graph, {"N": batch}, 1, lanes))


@pytest.mark.parametrize(
    ("body", "sizes"),
    [
        ("input x: [N, 3, 8, 8]\nadd { | conv(3, 1) | in | in } -> relu", {"N": 3}),
        ("input x: [N, 3]\ninput y: [N, 3, 4, 4]\noutput a = mul { | y | x }\noutput b = x", {"N": 2}),
        ("input x: [N, 32, 4, 4]\nconcat { | in | relu | in }", {"N": 2}),
        ("input x: [N, 32, 4, 4]\nconcat { | conv(16, 1) | concat { | conv(16, 1) | conv(5, 3, pad=1) } }", {"N": 2}),
        (
            "input x: [N, 20, 5, 5]\nconv(16, 3, pad=1, fill=1) as a\na -> conv(16, 3, pad=1)\nadd { | in | a }",
            {"N": 1},
        ),
        ("input x: [N, 37, 1, 1]\nconv(37, 1, pad=(0, 0, 0, 1))", {"N": 2}),
        ("input x: [N, 3, 6, 5]\nconcat { | conv(4, 3, pad=1, fill=1) | conv(4, 3, pad=1) }", {"N": 2}),
        ("input x: [N, 5, 6, 6]\nsigmoid -> lrn(1, beta=1, k=0) -> conv(5, 3)", {"N": 2}),
        ("input x: [N, 7, 6, 5]\nconcat { | conv(12, 3, pad=1) | conv(20, 1) | in } -> conv(5, 3, pad=1)", {"N": 2}),
        ("input x: [N, 20, 1, 1]\ndeconv(18, 4x3) -> relu -> deconv(3, 3, pad=1)", {"N": 2}),
        ("input x: [N, 3, 1, 1]\ndeconv(20, 5, stride=2, pad=(1, 0, 2, 1), dilation=2) -> conv(2, 3, pad=1)", {"N": 1}),
        ("input x: [N, 5, 3, 4]\nsigmoid -> normalize(100000, 7)", {"N": 1}),
        ("input x: [N, 50, 3, 4]\nconcat { | channels(29, 50) | channels(3, 21) | channels(0, 5) }", {"N": 2}),
        ("input x: [N, 5, 6, 6]\nlrn(1, beta=1, k=-1) -> lrn(3, beta=2, k=-3)", {"N": 2}),
        ("input x: [N, 5, 6, 6]\nbn -> add { | in | in } -> softmax -> conv(5, 3)", {"N": 2}),
        ("input x: [N, 8, 8, 9]\nmax { | conv(16, 3, pad=1) | conv(16, 3, pad=1) | conv(16, 3, pad=1) }", {"N": 4}),
        ("input x: [N, 37, 1, 1]\nconv(37, 3, pad=1) as a\noutput b = a\noutput c = a -> conv(2, 3, pad=1)", {"N": 2}),
        ("input x: [N, 2, 3, 3]\nadd { | conv(2, 3, pad=1) | conv(2, 1) } -> tanh", {"N": 2}),
        ("input x: [N, 2, 3, 3]\nconv(4, 3, pad=1) as a\noutput a, b = a -> relu\noutput c = a", {"N": 2}),
    ],
)
def test_a_net_that_shares_memory(body: str, sizes: dict[str, int]) -> None:
    assert agree(net(body), sizes, 2)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize(("at_once", "kinds"), [(0, {Winograd}), (10**9, {WinogradInput, WinogradOutput})])
@pytest.mark.parametrize(("height", "width"), [(27, 25), (26, 24), (13, 15), (4, 160)])
@pytest.mark.parametrize(
    "body",
    [
        "conv(32, 3, pad=1) -> relu",
        "conv(17, 3, pad=(0, 1, 2, 0), fill=0.5, bias=false) -> bn",
        "add { | conv(in.channels, 3, pad=1) -> bn | in } -> tanh",
        "concat { | conv(16, 3, pad=1) | conv(16, 3) -> pad(1) } -> conv(20, 3)",
        "conv(64, 3, pad=1) -> relu -> conv(96, 3, pad=1, groups=2) -> bn -> relu",
    ],
)
def test_winograd_agrees_with_the_reference(
    body: str, height: int, width: int, at_once: int, kinds: set[type], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "ALL", at_once)
    monkeypatch.setattr(winograd, "size_of", lambda op, x, out, *_: size if min(out.height, out.width) > size else None)
    graph = net(f"input x: [N, 20, {height}, {width}]\nrelu -> {body}")
    stages = Engine(graph, random_weights(graph), 2).program(((1, 20, height, width),)).stages
    assert kinds <= {type(stage.spec) for stage in stages} or height == 4
    assert agree(graph, {"N": 1}, 2)


def test_winograd_is_taken_where_it_pays() -> None:
    def size(inputs: int, outputs: int, side: int, stride: int = 1) -> int | None:
        graph = net(f"input x: [N, {inputs}, {side}, {side}]\nrelu -> conv({outputs}, 3, pad=1, stride={stride})")
        (conv,) = (node for node in graph.nodes if isinstance(node.op, ConvOp))
        x, out = (new_place(1, c, side // s, side // s, 16, Halo()) for c, s in ((inputs, 1), (outputs, stride)))
        return winograd.size_of(conv.op, x, out, 1)

    assert size(64, 64, 56) == 4
    assert size(64, 64, 56, stride=2) is None
    assert size(512, 512, 2) is None


def test_nan_and_infinity_travel() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32).reshape(1, 1, 2, 2)
    for step in ("relu", "maxpool(1)", "minpool(1)", "relu6", "leaky_relu", "max { | in | in }", "tanh", "sigmoid"):
        graph = net(f"input x: [N, 1, 2, 2]\n{step}")
        (actual,) = Engine(graph, {})([x])
        assert_close(actual, interpret(graph, {}, x)[0])
    (pooled,) = Engine(net("input x: [N, 1, 2, 2]\nmaxpool(2)"), {})([x])
    assert np.isnan(pooled).all()


@pytest.mark.parametrize(
    "name",
    ["elu", "gelu", "hardsigmoid", "hardswish", "mish", "selu", "sigmoid", "silu", "softplus", "tanh", "leaky_relu"],
)
def test_activations_are_exact(name: str) -> None:
    """Within 6 units in the last place of the exact value (gelu: 32), whatever the size of the number."""
    rng = np.random.default_rng(0)
    size = np.concatenate([10.0 ** rng.uniform(-30, 2, 4000), rng.uniform(0, 12, 4000)])
    x = (size * rng.choice([-1, 1], size.shape)).astype(np.float32).reshape(1, -1, 1, 1)
    graph = net(f"input x: [N, {x.shape[1]}, 1, 1]\n{name}")
    (actual,) = Engine(graph, {})([x])
    exact = interpret(graph, {}, x)[0]
    unit = np.spacing(np.maximum(np.abs(exact), 1e-30).astype(np.float32)).astype(np.float64)
    # where a function crosses to 0 beside large terms, what counts is the larger term
    unit = np.maximum(unit, np.spacing(np.float32(2e-7)) if name in ("gelu", "mish", "silu", "softplus") else 0)
    np.testing.assert_array_less(np.abs(actual - exact) / unit, 32 if name == "gelu" else 6)


# --- the cache, threads -----------------------------------------------------------------------------------------------

CHILD = """
import sys
import numpy as np
import cnnlang
from cnnlang.backends.numba_cpu import code
made = []
whole = code.object_code
code.object_code = lambda *a: made.append(1) or whole(*a)
text = "cnn 1\\nnet A { input x: [N, 1, 8, 8]\\n conv(2, 3, bias=false) -> bn -> relu -> flatten -> dense(3) }"
y = cnnlang.loads(text).compile()(np.ones((1, 1, 8, 8), np.float32))
print(len(made), int("numba" in sys.modules), y.tobytes().hex())
"""


def in_another_process(folder: Path) -> tuple[int, int, str]:
    """How many kernels were compiled there, whether Numba was imported, and the result."""
    environment = {**os.environ, "CNNLANG_CACHE": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, env=environment)
    made, numba, result = done.stdout.split()
    return int(made), int(numba), result


def test_a_second_process_does_not_compile_again(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    made, numba, result = in_another_process(folder)
    assert made > 0
    assert numba == 0
    assert in_another_process(folder) == (0, 0, result)


def test_damaged_code_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    made, _, result = in_another_process(folder)
    files = sorted(folder.glob("*.kernel"))
    assert len(files) == made
    files[0].write_bytes(files[0].read_bytes()[:-1])
    files[1].write_bytes(b"")
    files[2].write_bytes(files[2].read_bytes().replace(b"\x00", b"\x01", 1))
    assert in_another_process(folder) == (3, 0, result)
    assert in_another_process(folder) == (0, 0, result)


def test_several_models_in_several_threads() -> None:
    graphs = [
        net("input x: [N, 3, 16, 16]\nconv(32, 3, pad=1) -> relu -> conv(16, 3)"),
        net("input x: [N, 40]\ndense(30)"),
    ]
    inputs = [[np.ones((n, 3, 16, 16), np.float32) for n in (1, 2)], [np.ones((n, 40), np.float32) for n in (1, 2)]]
    engines = [Engine(graph, random_weights(graph), 2) for graph in graphs]
    expected = [[engine([x])[0] for x in some] for engine, some in zip(engines, inputs, strict=True)]
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(60):
            i, j = rng.integers(2, size=2)
            if not np.array_equal(engines[i]([inputs[i][j]])[0], expected[i][j]):
                wrong.append((i, j))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("body", "weight", "sizes"),
    [
        ("input x: [N, 3, 9, 9]\nconv(5, 3) -> relu -> conv(4, 1)", 0.1, {1}),
        ("input x: [N, 3, 9, 9]\nconv(5, 3) as a -> flatten -> dense(4) as b\noutput a, b", 2, {2, 3}),
        ("input x: [N, 3]\ninput y: [N, 3, 4, 4]\nadd { | x | y } -> conv(3, 1)", 0.1, {1}),
        ("input x: [N, 3, 9, 9]\nconv(5, 3) -> relu -> flatten -> dense(9)", 100, {5}),
        ("input x: [N, 3, N, 9]\nconv(5, 3, pad=1) -> relu -> conv(4, 1)", 0.1, {5}),
    ],
)
def test_large_batches_are_run_some_samples_at_a_time(
    body: str, weight: float, sizes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "NEAR", 0)
    monkeypatch.setattr(portions, "WEIGHT", weight)
    graph = net(body)
    weights, inputs = random_weights(graph), random_inputs(graph, {"N": 5})
    engine = Engine(graph, weights)
    for actual, expected in zip(engine(inputs), interpret(graph, weights, *inputs), strict=True):
        assert_close(actual, expected)
    assert {shapes[0][0] for shapes in engine._programs} == sizes


def test_few_plans_are_kept() -> None:
    engine = Engine(net("input x: [N, 2]\nrelu"), {})
    for n in range(1, 30):
        engine([np.ones((n, 2), np.float32)])
    assert len(engine._programs) == len(engine._portions) == 8


def test_vectors_are_as_wide_as_the_machine_has_them() -> None:
    assert host().width in (4, *WIDTHS.values())
    assert host(4).width == 4


def test_what_cannot_fit_into_memory_is_refused() -> None:
    graph = net("input x: [N, 64, H, W]\nconv(64, 3, pad=1)")
    engine = Engine(graph, random_weights(graph))
    told = r"^Random with inputs \[1, 64, 200000, 200000\] needs [\d,.]+ GiB of memory"
    with pytest.raises(cnnlang.UsageError, match=told):
        engine.program(((1, 64, 200_000, 200_000),))
    wide = cnnlang.loads("cnn 1\nnet Wide { input x: [N, 500000]\n dense(500000) }")
    with pytest.raises(cnnlang.UsageError, match=r"^Wide with 250,000,500,000 weights needs [\d,.]+ GiB of memory"):
        wide.compile()

"""The engine under many threads at once, and in processes that fork: results are the same bits as of a call alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cnnlang
from cnnlang.system import processors

ROOT = Path(__file__).resolve().parent.parent
CALLERS = 8
CALLS = 25

# sums large enough for two threads: Winograd, strides and a residual; branches and pools; rows of features
NETS = {
    "Residual": """input x: [N, 16, 40, 40]
    conv(32, 3, stride=2, pad=1) -> bn -> relu -> conv(64, 3, pad=1)
    add { | conv(64, 3, pad=1) -> silu -> conv(64, 3, pad=1) | in }
    relu -> conv(96, 3, stride=2, pad=1) -> global_avgpool -> dense(10) -> softmax""",
    "Branches": """input x: [N, 3, 64, 64]
    conv(32, 7, stride=2, pad=3) -> maxpool(3, stride=2, pad=1) -> lrn(5)
    concat { | conv(32, 1) | conv(24, 1) -> relu -> conv(48, 3, pad=1) | maxpool(3, stride=1, pad=1) -> conv(17, 1) }
    depthwise(3, pad=1) -> hardswish -> deconv(64, 4, stride=2, pad=1) -> avgpool(2) -> conv(96, 3, pad=1)""",
    "Rows": """input x: [N, 600]
    dense(1200) -> tanh -> dense(1200) -> gelu -> dense(300) -> sigmoid""",
}
SHAPES = {"Residual": (16, 40, 40), "Branches": (3, 64, 64), "Rows": (600,)}
BATCHES = (1, 3)


def compiled(name: str, threads: int, seed: int = 0) -> cnnlang.Model:
    return cnnlang.loads(f"cnn 1\nnet {name} {{\n{NETS[name]}\n}}").compile(seed=seed, threads=threads)


def inputs(name: str, batch: int) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, *SHAPES[name])).astype(np.float32)


def at_once(*jobs: Callable[[], None]) -> None:
    """Each job in a thread of its own; all begin together."""
    barrier = threading.Barrier(len(jobs))
    failed: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        barrier.wait()
        try:
            job()
        except AssertionError as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def caller(models: list[tuple[str, cnnlang.Model]], expected: dict[tuple[int, int], bytes], seed: int) -> None:
    """Calls of models and batches in an order of its own; `expected` is by the model's place and the batch."""
    rng = np.random.default_rng(seed)
    for _ in range(CALLS):
        i, batch = int(rng.integers(len(models))), int(rng.choice(BATCHES))
        name, model = models[i]
        assert model(inputs(name, batch)).tobytes() == expected[i, batch], (name, batch)


def results(models: list[tuple[str, cnnlang.Model]]) -> dict[tuple[int, int], bytes]:
    return {(i, b): m(inputs(name, b)).tobytes() for i, (name, m) in enumerate(models) for b in BATCHES}


@pytest.mark.parametrize("threads", [1, 2])
def test_models_that_callers_share(threads: int) -> None:
    models = [(name, compiled(name, min(threads, processors()))) for name in NETS]
    expected = results(models)
    at_once(*(lambda seed=seed: caller(models, expected, seed) for seed in range(CALLERS)))


def test_models_of_each_callers_own() -> None:
    """Compiled, and planned for their first call, while the others run theirs."""
    threads = min(2, processors())
    alone = {seed: results([(name, compiled(name, threads, seed)) for name in NETS]) for seed in range(2)}

    def work(seed: int) -> None:
        caller([(name, compiled(name, threads, seed % 2)) for name in NETS], alone[seed % 2], seed)

    at_once(*(lambda seed=seed: work(seed) for seed in range(CALLERS)))


def test_one_thread_and_two_side_by_side() -> None:
    models = [(name, compiled(name, min(threads, processors()))) for name in NETS for threads in (1, 2)]
    expected = results(models)
    at_once(*(lambda seed=seed: caller(models, expected, seed) for seed in range(CALLERS)))


def test_a_call_twice_is_the_same_bits_whatever_ran_between() -> None:
    first, second = compiled("Residual", min(2, processors())), compiled("Branches", min(2, processors()))
    x, y = inputs("Residual", 3), inputs("Branches", 3)
    expected = first(x).tobytes()
    for _ in range(20):
        second(y)
        assert first(x).tobytes() == expected


# --- processes that fork ----------------------------------------------------------------------------------------------

CHILD = f"""
import os, signal, sys, threading, warnings
warnings.simplefilter("ignore")  # from 3.12 on Python warns of forks beside threads, which is what is tested
sys.path.insert(0, {str(ROOT)!r})
from tests.test_stress import compiled, inputs
from cnnlang.system import processors

x = inputs("Residual", 3)
model = compiled("Residual", min(2, processors()))
expected = model(x).tobytes()

def forked(generations):
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a lock that nobody opens is a failure, not a wait
        for _ in range(3):
            if model(x).tobytes() != expected:
                os._exit(1)
        if generations > 1:
            forked(generations - 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        os._exit(2)
"""
QUIET = f"""{CHILD}
forked(2)
assert model(x).tobytes() == expected
"""
BUSY = f"""{CHILD}
going = threading.Event()
going.set()

def work():
    while going.is_set():
        model(x)

workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
for _ in range(10):
    forked(1)
going.clear()
for worker in workers:
    worker.join()
assert model(x).tobytes() == expected
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("script", [QUIET, BUSY], ids=["quiet", "busy"])
def test_a_child_computes_as_its_parent(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")

"""The time for one image beside PyTorch in eager mode, with 1 and 2 threads, interleaved in one run.

PyTorch runs the module that cnnlang emits for it, with the same weights; the outputs are compared first. (Dense layers
of the Numba source are a product of NumPy's, whose own threads are not set here.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cnnlang
from benchmarks.results import cores, median_and_least, write_section

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NETS = [("lenet5.cnn", "LeNet5", 500), ("resnet.cnn", "ResNet50", 30)]  # rounds
THREADS = (1, 2)


def torch_module(net: cnnlang.Net, weights: Any) -> torch.nn.Module:
    """The emitted module with the weights, in evaluation mode."""
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(net.emit("torch"), "<torch source>", "exec"), space)  # our own text
    module: torch.nn.Module = space[net.name]()
    state = {path: torch.from_numpy(np.array(array)) for path, array in weights.items()}
    missing = module.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in missing.missing_keys)
    return module.eval()


def contenders(net: cnnlang.Net, x: np.ndarray) -> tuple[dict[tuple[str, int], Callable[[], Any]], float]:
    """What to time, by name and threads, and how far the outputs are apart: max|a - b| / max|b|."""
    runs: dict[tuple[str, int], Callable[[], Any]] = {}
    first = net.compile(seed=0)
    module = torch_module(net, first.weights)
    tensor = torch.from_numpy(x)

    def eager(threads: int) -> Any:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return module(tensor)

    for threads in (t for t in THREADS if t <= cores()):
        model = net.compile(weights=first.weights, threads=threads)
        runs["cnnlang, Numba source", threads] = lambda model=model: model(x)  # type: ignore[misc]
        runs["PyTorch eager", threads] = lambda threads=threads: eager(threads)  # type: ignore[misc]
    expected = eager(1).numpy()
    apart = max(float(np.abs(np.asarray(run()) - expected).max() / np.abs(expected).max()) for run in runs.values())
    return runs, apart


def main() -> None:
    for file, name, rounds in NETS:
        net = cnnlang.load(EXAMPLES / file, net=name)
        channels, height, width = (int(str(size)) for size in net.graph.inputs[0].type.shape[1:])
        x = np.random.default_rng(0).normal(size=(1, channels, height, width)).astype(np.float32)
        runs, apart = contenders(net, x)
        assert apart < 1e-4, f"{name}: the outputs are {apart:.1e} apart"
        seconds: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
        for _ in range(rounds):
            for key, run in runs.items():
                start = time.perf_counter()
                run()
                seconds[key].append(time.perf_counter() - start)
        lines = [
            f"One image [1, {channels}, {height}, {width}], {rounds} rounds in which each runs once; milliseconds. "
            f"The outputs are at most {apart:.0e} apart (of the largest).",
            "",
            "| | threads | median | least |",
            "| --- | ---: | ---: | ---: |",
        ]
        for (contender, threads), times in seconds.items():
            lines.append(f"| {contender} | {threads} | {' | '.join(median_and_least(times, 1000))} |")
        write_section(f"Latency: {name}", lines)


if __name__ == "__main__":
    main()

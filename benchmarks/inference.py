"""The time of one call beside other frameworks, interleaved in one run on one machine.

    python -m benchmarks.inference --net ResNet18 --batch 1 --threads 2

Each peer runs the same net with the same weights on the same input: PyTorch the module that cnnlang emits (eager, and
with `--compile` through torch.compile), ONNX Runtime and OpenVINO, where they are installed, the exported model. The
outputs are compared first. In each round everybody runs once; a ratio is a peer's time over cnnlang's in one round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import cnnlang
from benchmarks.results import write_section
from cnnlang.backends.onnx import export

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NETS = {
    "LeNet5": "lenet5.cnn",
    "AlexNet": "alexnet.cnn",
    "VGG16": "vgg16.cnn",
    "GoogLeNet": "googlenet.cnn",
    "ResNet18": "resnet.cnn",
    "ResNet50": "resnet.cnn",
    "ResNet152": "resnet.cnn",
    "SqueezeNet1_1": "squeezenet.cnn",
    "MobileNetV2": "mobilenetv2.cnn",
    "DenseNet121": "densenet121.cnn",
    "UNet": "unet.cnn",
}
Run = Callable[[], Any]


def torch_module(net: cnnlang.Net, weights: Any) -> Any:
    """The emitted module with the weights, in evaluation mode."""
    import torch

    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(net.emit("torch"), "<torch source>", "exec"), space)  # our own text
    module: torch.nn.Module = space[net.name]()
    state = {path: torch.from_numpy(np.array(array)) for path, array in weights.items()}
    assert not module.load_state_dict(state, strict=False).unexpected_keys
    return module.eval()


def in_torch(net: cnnlang.Net, weights: Any, x: np.ndarray, threads: int, *, compiled: bool) -> Run:
    import torch

    module = torch_module(net, weights)
    if compiled:
        module = torch.compile(module)
    tensor = torch.from_numpy(x)

    def run() -> Any:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return module(tensor).numpy()

    return run


def in_onnxruntime(model: bytes, x: np.ndarray, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: x})[0]


def in_openvino(model: bytes, x: np.ndarray, threads: int) -> Run:
    import openvino

    core = openvino.Core()
    read = core.read_model(model)
    read.reshape(x.shape)
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(read, "CPU", options).create_infer_request()
    return lambda: request.infer([x], share_inputs=True, share_outputs=True)[0]


def contenders(net: cnnlang.Net, x: np.ndarray, threads: int, *, compiled: bool) -> Iterator[tuple[str, Run]]:
    """cnnlang first, then whoever is installed."""
    model = net.compile(seed=0, threads=threads)
    yield "cnnlang", lambda: model(x)
    yield "PyTorch", in_torch(net, model.weights, x, threads, compiled=False)
    if compiled:
        yield "torch.compile", in_torch(net, model.weights, x, threads, compiled=True)
    exported = export(net.program, model.weights)
    if find_spec("onnxruntime"):
        yield "ONNX Runtime", in_onnxruntime(exported, x, threads)
    if find_spec("openvino"):
        yield "OpenVINO", in_openvino(exported, x, threads)


def measure(name: str, batch: int, threads: int, rounds: int, *, compiled: bool) -> dict[str, list[float]]:
    """Seconds of each round, by contender; the outputs agree."""
    net = cnnlang.load(EXAMPLES / NETS[name], net=name, set={"H": 16, "W": 16} if name == "UNet" else None)
    channels, height, width = (int(str(size)) for size in net.graph.inputs[0].type.shape[1:])
    x = np.random.default_rng(0).normal(size=(batch, channels, height, width)).astype(np.float32)
    runs = dict(contenders(net, x, threads, compiled=compiled))
    ours = np.array(runs["cnnlang"]())
    for peer, run in runs.items():
        theirs = np.asarray(run())
        apart = float(np.abs(theirs - ours).max() / np.abs(ours).max())
        assert apart < 1e-4, f"{name}: {peer}'s output is {apart:.1e} apart"
    seconds: dict[str, list[float]] = {peer: [] for peer in runs}
    for turn in range(-2, rounds):
        for peer, run in runs.items():
            start = time.perf_counter()
            run()
            if turn >= 0:
                seconds[peer].append(time.perf_counter() - start)
    return seconds


def row(name: str, batch: int, threads: int, seconds: dict[str, list[float]]) -> str:
    """A line of the table: our time, each peer's median ratio, the best peer's, and the ratio of the best times."""
    ours = seconds["cnnlang"]
    cells = [name, str(batch), str(threads), f"{statistics.median(ours) * 1000:.3f}", f"{min(ours) * 1000:.3f}"]
    ratios = {}
    for peer in PEERS:
        if peer in seconds:
            ratios[peer] = statistics.median(a / b for a, b in zip(seconds[peer], ours, strict=True))
        cells.append(f"{ratios[peer]:.2f}" if peer in ratios else "")
    best = min(min(times) for peer, times in seconds.items() if peer != "cnnlang")
    return f"| {' | '.join([*cells, f'{best / min(ours):.2f}'])} |"


PEERS = ("PyTorch", "torch.compile", "ONNX Runtime", "OpenVINO")
HEAD = [
    "cnnlang's time in milliseconds; each peer's time over it, the median of the rounds; and the best peer's least",
    "time over cnnlang's least.",
    "",
    f"| net | batch | threads | ms | least | {' | '.join(PEERS)} | least / least |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", choices=NETS, action="append", help="repeatable; all unless given")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, action="append", help="repeatable; 1 and 2 unless given")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="torch.compile too, which takes half a minute a net")
    parser.add_argument("--record", action="store_true", help="write the table into results.md")
    options = parser.parse_args()
    lines = list(HEAD)
    for name in options.net or NETS:
        rounds = options.rounds * 20 if name == "LeNet5" else options.rounds
        for threads in options.threads or (1, 2):
            seconds = measure(name, options.batch, threads, rounds, compiled=options.compile)
            lines.append(row(name, options.batch, threads, seconds))
            print(lines[-1], flush=True)
    if options.record:
        write_section(f"Inference, batch {options.batch}", lines)


if __name__ == "__main__":
    main()

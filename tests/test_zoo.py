"""Networks from the literature: their published figures, and each of them, made small, through every target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlang import analysis
from cnnlang.dims import substitute
from cnnlang.edits import apply_edits, first_cure
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.program import Program
from cnnlang.render import render_full
from cnnlang.source import Source
from cnnlang.syntax import format_source, read_source
from cnnlang.weights import expected_shapes, load_weights, save_weights
from tests.helpers import assert_close, random_inputs, random_weights, run_numba
from tests.run_torch import run_torch

FOLDER = Path(__file__).parent / "zoo"
ZOO = sorted(FOLDER.glob("*.cnn"))
PLAIN = 1_500_000  # multiply-accumulates that the Numba source can follow as plain Python

# Each net of a file with what makes it small enough to run, and the sizes that stay symbolic.
SMALL: list[tuple[str, str, dict[str, Any]]] = [
    ("mobile", "MobileNetV1", {"width": 4, "size": 20, "classes": 3}),
    ("mobile", "MobileNetV3Tiny", {}),
    ("shuffle", "ShuffleNet", {"width": 24, "stem": 6, "size": 20, "classes": 3}),
    ("shuffle", "ShuffleNetV2", {"widths": [4, 8, 16, 24, 12], "repeats": [2, 3, 1], "size": 20, "classes": 3}),
    ("efficient", "EfficientNetTiny", {}),
    ("efficient", "GhostTiny", {}),
    ("inception", "InceptionTiny", {}),
    ("inception", "InceptionResNetTiny", {}),
    ("residual", "ResNeXt50", {"depths": [2, 1], "groups": 2, "base": 2, "stem": 4, "size": 20, "classes": 3}),
    ("residual", "WRN10_1", {"stem": 4, "size": 8}),
    ("residual", "PreActResNet18", {"width": 4, "size": 8}),
    ("residual", "SEResNet50", {"depths": [2, 2], "width": 4, "ratio": 4, "size": 17, "classes": 3}),
    ("residual", "RepVGGTiny", {}),
    ("residual", "Xception", {"width": 64, "n": 1, "size": 40, "classes": 3}),
    ("plain", "NiN", {"d": 16, "classes": 4}),
    ("plain", "ZFNet", {"d": 32, "classes": 3}),
    ("plain", "Cifar10Quick", {}),
    ("plain", "AllCNN", {"d": 16, "classes": 3}),
    ("plain", "VGG11_bn", {"width": 2, "hidden": 6, "size": 32, "classes": 3}),
    ("plain", "VGG13", {"width": 2, "hidden": 6, "size": 32, "classes": 3}),
    ("plain", "Darknet19", {"width": 2, "size": 32, "classes": 3}),
    ("plain", "SqueezeNext", {"rows": [(8, 2, 1), (16, 2, 2)], "stem": 16, "size": 27, "classes": 3}),
    ("dense", "DenseNetTiny", {}),
    ("dense", "DenseNet40", {"growth": 3, "n": 2, "stem": 4, "size": 8}),
    ("detect", "YOLOv3", {"classes": 1, "width": 2, "repeats": [1, 1, 2, 1, 1]}),
    ("detect", "FPN", {"width": 2, "c": 3, "depths": [1, 2, 1, 3]}),
    ("detect", "HRNet", {"w": 2, "stem": 4, "n": 1, "classes": 3}),
    ("segment", "FCN8s", {"width": 2, "wide": 6, "classes": 2}),
    ("segment", "UNet", {"width": 2}),
    ("segment", "BilinearResUNet", {"width": 2}),
    ("segment", "DeepLab", {"classes": 2, "rates": [1, 2, 3], "c": 4, "width": 3}),
    ("generate", "Generator", {"z": 5, "g": 1}),
    ("generate", "Discriminator", {"d": 1}),
    ("generate", "Autoencoder", {"z": 3, "width": 2}),
    ("generate", "VariationalEncoder", {"z": 3, "width": 2}),
    ("generate", "SRCNN", {}),
    ("generate", "ESPCN", {}),
    ("generate", "EDSR", {"c": 4, "n": 2}),
    ("several", "Siamese", {"features": 4}),
    ("several", "Embedding", {"features": 4}),
    ("several", "Fusion", {}),
    ("several", "Face", {"ids": 3, "width": 2}),
    ("several", "CBAM", {}),
    ("several", "Backbone", {}),
    ("several", "ShallowWide", {}),
    ("several", "Whole", {}),
    ("several", "Two", {}),
    ("숫자", "숫자", {"너비": 3}),
]


def small(name: str, net: str, overrides: dict[str, Any]) -> Program:
    checked = check(read_source(FOLDER / f"{name}.cnn"), net=net, overrides=overrides)
    assert not checked.has_errors, "\n".join(map(render_full, checked.diagnostics))
    return checked.programs[net]


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_a_file_of_the_zoo(path: Path) -> None:
    """It checks without a finding, published figures among what it checks, and is written in the one style."""
    source = read_source(path, path.name)
    assert [render_full(d) for d in check(source).diagnostics] == []
    assert format_source(source) == source.text


@pytest.mark.parametrize(("name", "net", "overrides"), SMALL, ids=[net for _, net, _ in SMALL])
def test_targets_agree_with_the_reference(name: str, net: str, overrides: dict[str, Any]) -> None:
    program = small(name, net, overrides)
    sizes = {"N": 2, "H": 8, "W": 7} if net in ("SRCNN", "ESPCN", "EDSR") else {"N": 2, "H": 1, "W": 2}
    weights = random_weights(program.graph)
    inputs = random_inputs(program.graph, sizes)
    reference = interpret(program.graph, weights, *inputs)
    assert all(np.ptp(r) > 1e-6 for r in reference)
    cost = substitute(analysis.macs(program.graph), dict(sizes))
    assert isinstance(cost, int)
    for run in (run_numba, run_torch) if cost <= PLAIN else (run_torch,):
        for actual, expected in zip(run(program, weights, *inputs), reference, strict=True):
            assert_close(actual, expected)


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_weights_of_a_labelled_net_come_back(ending: str, tmp_path: Path) -> None:
    graph = small("mobile", "MobileNetV3Tiny", {}).graph
    weights = random_weights(graph)
    assert "features.2.block.1.0.weight" in weights
    save_weights(tmp_path / f"w.{ending}", weights)
    loaded = load_weights(tmp_path / f"w.{ending}", expected_shapes(graph))
    assert list(loaded) == list(weights)
    for path, array in weights.items():
        np.testing.assert_array_equal(loaded[path], array)


# --- programs that went wrong once ------------------------------------------------------------------------------------

SHAPES_OF_A_BLOCK = """cnn 1
block step(kind, c) {
  if kind == "plain" { conv(c, 3, pad=1) }
  else if kind == "separable" { depthwise(3, pad=1) -> conv(c, 1) }
  else if kind == "pool" { maxpool(3, stride=1, pad=1) }
  else { add { | conv(c, 1) | conv(c, 3, pad=1) -> bn } }
  relu
}
net A {
  input x: [N, 4, 5, 5]
  for kind in ["plain", "separable", "pool", "both", "plain"] { step(kind, 4) }
  step("separable", 6) -> step(kind="pool", c=6)
}
"""
ONE_TURN_HAS_A_LAYER = """cnn 1
block chosen(widths, c=4) {
  group g {
    for width in widths {
      sigmoid
      if width > 2 { conv(2*c, 3, pad=1) as only -> bn as norm }
    }
  }
  add { | in | conv(4, 1) }
}
net A {
  input x: [N, 4, 4, 4]
  chosen([2, 3]) -> chosen([5, 1, 1], 3) -> chosen([4, 2])
}
""".replace("add { | in | conv(4, 1) }", "conv(4, 1)")
WEIGHTLESS_IN_A_LOOP = """cnn 1
block stage(c, n, norm=true) {
  for _i in range(n) {
    conv(c, 3, pad=1)
    if norm { bn }
    relu
  }
  maxpool(2)
}
net A {
  input x: [N, 3, 16, 16]
  stage(4, 1) -> stage(6, 2) -> stage(5, 3, norm=false)
}
"""
NAMES_OF_TARGETS = """cnn 1
block torch(F) { conv(F, 1) -> relu }
block nn(x, in_channels=2) { conv(x, 1) -> conv(in_channels, 1) }
net Module(OrderedDict=4, np=3) {
  input self: [N, 3, 4, 4]
  group weights { torch(OrderedDict) as input_ -> nn(3) as range_ }
  conv(np, 1) as numba -> relu as prange
  add { | self | prange } as math
  max { | math | self } as kernel
  output kernel, self, out = math -> conv(np, 1)
}
"""


@pytest.mark.parametrize("text", [SHAPES_OF_A_BLOCK, ONE_TURN_HAS_A_LAYER, WEIGHTLESS_IN_A_LOOP, NAMES_OF_TARGETS])
def test_a_program_that_went_wrong_once(text: str) -> None:
    (program,) = check(Source("a.cnn", text)).programs.values()
    weights = random_weights(program.graph)
    inputs = random_inputs(program.graph, {"N": 2})
    reference = interpret(program.graph, weights, *inputs)
    for run in (run_numba, run_torch):
        for actual, expected in zip(run(program, weights, *inputs), reference, strict=True):
            assert_close(actual, expected)


# Mistakes of somebody who writes such nets down, and what they are mended to.
MENDED = {
    "a parameter has the name of an operator, and calls give it by name": (
        """block cb(c, k, pad=0) { conv(c, k, pad=pad) -> relu }
net A {
  input x: [N, 3, 8, 8]
  cb(4, 3, pad=1) -> cb(4, 3)
}""",
        """block cb(c, k, pad_1=0) { conv(c, k, pad=pad_1) -> relu }
net A {
  input x: [N, 3, 8, 8]
  cb(4, 3, pad_1=1) -> cb(4, 3)
}""",
    ),
    "one call of several gives a block too large a kernel": (
        """block cb(c, k) { conv(c, k) -> relu }
net A {
  input x: [N, 3, 8, 8]
  cb(4, 3) -> maxpool(2) -> cb(4, 5)
}""",
        """block cb(c, k) { conv(c, k) -> relu }
net A {
  input x: [N, 3, 8, 8]
  cb(4, 3) -> maxpool(2) -> cb(4, 3)
}""",
    ),
    "a default is too large for one call": (
        """block cb(c, k=5) { conv(c, k) -> relu }
net A {
  input x: [N, 3, 8, 8]
  cb(4) -> maxpool(2) -> cb(4)
}""",
        """block cb(c, k=5) { conv(c, k) -> relu }
net A {
  input x: [N, 3, 8, 8]
  cb(4) -> maxpool(2) -> cb(4, k=2)
}""",
    ),
    "a number that an if in a loop decides": (
        """block stage(c, n) {
  for i in range(n) {
    if i > 0 { bn }
    conv(c, 3, pad=1) -> relu
  }
}
net A {
  input x: [N, 3, 8, 8]
  stage(4, 3)
}""",
        """block stage(c, n) {
  for i in range(n) {
    if i > 0 { bn as "bn_{i}" }
    conv(c, 3, pad=1) -> relu
  }
}
net A {
  input x: [N, 3, 8, 8]
  stage(4, 3)
}""",
    ),
    "a vector is to become a picture": (
        "net A {\n  input z: [N, 16]\n  deconv(4, 4) -> relu\n}",
        "net A {\n  input z: [N, 16, 1, 1]\n  deconv(4, 4) -> relu\n}",
    ),
}


@pytest.mark.parametrize(("text", "mended"), MENDED.values(), ids=MENDED.keys())
def test_a_mistake_is_mended_where_it_was_made(text: str, mended: str) -> None:
    source = Source("a.cnn", f"cnn 1\n{text}\n")
    (finding,) = check(source).diagnostics
    cure = first_cure(finding)
    assert cure is not None
    assert apply_edits(source.text, cure.edits) == f"cnn 1\n{mended}\n"
    assert not check(Source("a.cnn", f"cnn 1\n{mended}\n")).diagnostics


ALLOWED = """cnn 1
block shrink(deep) {
  if deep {
    maxpool(2)  # allow W0505
  }
  conv(3, 1)
}
net A {
  input x: [N, 3, 9, 9]
  shrink(true)
}
net B {
  input x: [N, 3, 8, 8]
  shrink(false)
}
"""


@pytest.mark.parametrize("net", [None, "A", "B"])
def test_an_allow_is_idle_only_where_it_was_reached(net: str | None) -> None:
    assert check(Source("a.cnn", ALLOWED), net=net).diagnostics == ()
    (idle,) = check(Source("a.cnn", ALLOWED.replace("9, 9", "8, 8"))).diagnostics
    assert idle.code == "W0509"

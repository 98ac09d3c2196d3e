"""SqueezeNet 1.0 with weights that were trained on ImageNet, and four photos: the whole way from a PNG to a name."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnlang
from cnnlang import Net
from cnnlang.cli import main
from cnnlang.images import load_input
from cnnlang.interpret import interpret
from cnnlang.weights import expected_shapes, load_weights

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
FILE = ROOT / "examples" / "squeezenet.cnn"
WEIGHTS = DATA / "squeezenet_v1_0.npz"

pytestmark = pytest.mark.skipif(not WEIGHTS.is_file(), reason="trained weights and photos are not beside the project")

NAMES = ("astronaut", "chelsea_cat", "coffee", "rocket")


@cache
def net() -> Net:
    return cnnlang.load(FILE, net="SqueezeNet1_0")


@cache
def expected() -> tuple[Any, Any]:
    """The photos, uint8 RGB [4, 227, 227, 3], and the logits that belong to them."""
    with np.load(DATA / "squeezenet_v1_0_expected.npz", allow_pickle=False) as file:
        assert tuple(file["names"]) == NAMES
        return file["input_u8_rgb_nhwc"], file["logits"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("사진")
    for name, pixels in zip(NAMES, expected()[0], strict=True):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in NAMES]


def prepared(photos: list[Path]) -> Any:
    return np.concatenate([load_input(path, net().program.inputs[0]) for path in photos])


def test_photos_are_prepared_as_caffe_does(photos: list[Path]) -> None:
    bgr = expected()[0][..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    np.testing.assert_array_equal(prepared(photos), bgr - np.array([104, 117, 123], np.float32)[:, None, None])


def test_the_weights_fit() -> None:
    weights = load_weights(WEIGHTS, expected_shapes(net().graph))
    assert sum(array.size for array in weights.values()) == net().params == 1_248_424


def test_the_reference_gives_the_logits(photos: list[Path]) -> None:
    weights = load_weights(WEIGHTS, expected_shapes(net().graph))
    (logits,) = interpret(net().graph, weights, prepared(photos))
    np.testing.assert_allclose(logits, expected()[1], atol=1e-3, rtol=0)


def test_the_compiled_model_gives_the_logits(photos: list[Path]) -> None:
    model = net().compile(WEIGHTS)
    np.testing.assert_allclose(model(prepared(photos)), expected()[1], atol=1e-3, rtol=0)
    np.testing.assert_allclose(model(prepared(photos[2:3])), expected()[1][2:3], atol=1e-3, rtol=0)


def test_the_command_gives_the_logits(photos: list[Path], tmp_path: Path) -> None:
    arguments = ["run", str(FILE), "--net", "SqueezeNet1_0", "--weights", str(WEIGHTS), *map(str, photos)]
    assert main([*arguments, "-o", str(tmp_path / "logits.npy")]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected()[1], atol=1e-3, rtol=0)


def test_the_command_names_the_coffee(photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "run",
        str(FILE),
        "--net",
        "SqueezeNet1_0",
        "--weights",
        str(WEIGHTS),
        "--format",
        "json",
        "--top",
        "3",
    ]
    assert main([*arguments, *map(str, photos)]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    classes = [[entry["class"] for entry in result["outputs"]["output"]["top"]] for result in results]
    names = (DATA / "imagenet_synsets.txt").read_text(encoding="utf-8").splitlines()
    best = [names[answer[0]].split(" ", 1)[1] for answer in classes]
    assert best[1:3] == ["Egyptian cat", "espresso"]
    np.testing.assert_array_equal(classes, np.argsort(-expected()[1], axis=1)[:, :3])


def test_a_photo_of_any_size_is_resized(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", str(FILE), "--net", "SqueezeNet1_0", "--weights", str(WEIGHTS), "--format", "json"]
    assert main([*arguments, str(ROOT / "examples" / "photos" / "coffee.jpg")]) == 0
    top = json.loads(capsys.readouterr().out)["results"][0]["outputs"]["output"]["top"]
    names = (DATA / "imagenet_synsets.txt").read_text(encoding="utf-8").splitlines()
    assert "espresso" in [names[entry["class"]].split(" ", 1)[1] for entry in top]

"""The networks in `examples/` and the blocks of `std`: their exact figures, names and answers.

The figures are counted here a second time, from lists of layers, by arithmetic that shares nothing with the compiler.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
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
from cnnlang.source import Source
from cnnlang.syntax import parse, read_source, tree
from cnnlang.syntax.walk import walk
from cnnlang.weights import expected_shapes, load_weights

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FILES = sorted(EXAMPLES.glob("*.cnn"))


@cache
def net(file: str, name: str | None = None) -> Net:
    return cnnlang.load(EXAMPLES / f"{file}.cnn", net=name)


# --- the figures, counted by hand -------------------------------------------------------------------------------------

Layer = tuple[int, int]  # parameters and multiply-accumulates


def conv(cin: int, cout: int, kernel: int, side: int, *, groups: int = 1, bias: bool = True) -> Layer:
    weights = kernel * kernel * (cin // groups) * cout
    return weights + (cout if bias else 0), weights * side * side


def conv_bn(cin: int, cout: int, kernel: int, side: int, *, groups: int = 1) -> Layer:
    params, macs = conv(cin, cout, kernel, side, groups=groups, bias=False)
    return params + 2 * cout, macs


def dense(inputs: int, units: int) -> Layer:
    return inputs * units + units, inputs * units


def lenet5() -> Iterator[Layer]:
    yield from (conv(1, 6, 5, 28), conv(6, 16, 5, 10), conv(16, 120, 5, 1), dense(120, 84), dense(84, 10))


def alexnet() -> Iterator[Layer]:
    yield from (conv(3, 96, 11, 55), conv(96, 256, 5, 27, groups=2), conv(256, 384, 3, 13))
    yield from (conv(384, 384, 3, 13, groups=2), conv(384, 256, 3, 13, groups=2))
    yield from (dense(256 * 6 * 6, 4096), dense(4096, 4096), dense(4096, 1000))


def vgg16() -> Iterator[Layer]:
    cin = 3
    for width, side, times in ((64, 224, 2), (128, 112, 2), (256, 56, 3), (512, 28, 3), (512, 14, 3)):
        for _ in range(times):
            yield conv(cin, width, 3, side)
            cin = width
    yield from (dense(512 * 7 * 7, 4096), dense(4096, 4096), dense(4096, 1000))


def googlenet() -> Iterator[Layer]:
    yield from (conv(3, 64, 7, 112), conv(64, 64, 1, 56), conv(64, 192, 3, 56))
    table = (
        (192, 28, (64, 96, 128, 16, 32, 32)),
        (256, 28, (128, 128, 192, 32, 96, 64)),
        (480, 14, (192, 96, 208, 16, 48, 64)),
        (512, 14, (160, 112, 224, 24, 64, 64)),
        (512, 14, (128, 128, 256, 24, 64, 64)),
        (512, 14, (112, 144, 288, 32, 64, 64)),
        (528, 14, (256, 160, 320, 32, 128, 128)),
        (832, 7, (256, 160, 320, 32, 128, 128)),
        (832, 7, (384, 192, 384, 48, 128, 128)),
    )
    for cin, side, (b1, r3, b3, r5, b5, proj) in table:
        yield from (conv(cin, b1, 1, side), conv(cin, r3, 1, side), conv(r3, b3, 3, side))
        yield from (conv(cin, r5, 1, side), conv(r5, b5, 5, side), conv(cin, proj, 1, side))
    yield dense(1024, 1000)


def resnet(depths: tuple[int, ...], deep: bool) -> Iterator[Layer]:
    yield conv_bn(3, 64, 7, 112)
    cin = 64
    for i, times in enumerate(depths):
        width, side = 64 * 2**i, 56 // 2**i
        cout = 4 * width if deep else width
        for j in range(times):
            before = 2 * side if i > 0 and j == 0 else side  # the stride sits in the first 3x3
            if deep:
                yield from (
                    conv_bn(cin, width, 1, before),
                    conv_bn(width, width, 3, side),
                    conv_bn(width, cout, 1, side),
                )
            else:
                yield from (conv_bn(cin, width, 3, side), conv_bn(width, cout, 3, side))
            if cin != cout:
                yield conv_bn(cin, cout, 1, side)
            cin = cout
    yield dense(cin, 1000)


def squeezenet(first: Layer, sides: tuple[int, ...], last: int) -> Iterator[Layer]:
    yield first
    cin = first[0] and (96 if first[0] > 10_000 else 64)
    rows = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    for (squeeze, expand), side in zip(rows, sides, strict=True):
        yield from (conv(cin, squeeze, 1, side), conv(squeeze, expand, 1, side), conv(squeeze, expand, 3, side))
        cin = 2 * expand
    yield conv(512, 1000, 1, last)


def mobilenetv2() -> Iterator[Layer]:
    yield conv_bn(3, 32, 3, 112)
    cin, side = 32, 112
    table = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip
    for expand, cout, times, stride in table:
        for j in range(times):
            wide = cin * expand
            if expand > 1:
                yield conv_bn(cin, wide, 1, side)
            side //= stride if j == 0 else 1
            yield from (conv_bn(wide, wide, 3, side, groups=wide), conv_bn(wide, cout, 1, side))
            cin = cout
    yield from (conv_bn(320, 1280, 1, 7), dense(1280, 1000))


def densenet121() -> Iterator[Layer]:
    yield conv_bn(3, 64, 7, 112)
    cin, side = 64, 56
    for i, times in enumerate((6, 12, 24, 16)):
        for _ in range(times):
            yield (2 * cin, 0)  # bn comes first
            yield from (conv_bn(cin, 128, 1, side), conv(128, 32, 3, side, bias=False))
            cin += 32
        yield (2 * cin, 0)
        if i < 3:
            yield conv(cin, cin // 2, 1, side, bias=False)
            cin, side = cin // 2, side // 2
    yield dense(1024, 1000)


def unet(side: int) -> Iterator[Layer]:
    cin = 3
    for level in range(5):
        width = 64 * 2**level
        yield from (conv(cin, width, 3, side >> level), conv(width, width, 3, side >> level))
        cin = width
    for level in reversed(range(4)):
        width = 64 * 2**level
        params, macs = conv(2 * width, width, 2, side >> (level + 1))  # a deconvolution counts where it reads
        yield (params, macs)
        yield from (conv(2 * width, width, 3, side >> level), conv(width, width, 3, side >> level))
    yield conv(64, 2, 1, side)


FIGURES: list[tuple[str, str, Callable[[], Iterator[Layer]], int]] = [
    ("lenet5", "LeNet5", lenet5, 5),
    ("alexnet", "AlexNet", alexnet, 8),
    ("vgg16", "VGG16", vgg16, 16),
    ("googlenet", "GoogLeNet", googlenet, 22),
    ("resnet", "ResNet18", lambda: resnet((2, 2, 2, 2), False), 18),
    ("resnet", "ResNet34", lambda: resnet((3, 4, 6, 3), False), 34),
    ("resnet", "ResNet50", lambda: resnet((3, 4, 6, 3), True), 50),
    ("resnet", "ResNet101", lambda: resnet((3, 4, 23, 3), True), 101),
    ("resnet", "ResNet152", lambda: resnet((3, 8, 36, 3), True), 152),
    ("squeezenet", "SqueezeNet1_0", lambda: squeezenet(conv(3, 96, 7, 111), (55, 55, 55, 27, 27, 27, 27, 13), 15), 18),
    ("squeezenet", "SqueezeNet1_1", lambda: squeezenet(conv(3, 64, 3, 113), (56, 56, 28, 28, 14, 14, 14, 14), 14), 18),
    ("mobilenetv2", "MobileNetV2", mobilenetv2, 53),
    ("densenet121", "DenseNet121", densenet121, 121),
]


@pytest.mark.parametrize(("file", "name", "layers", "depth"), FIGURES)
def test_figures_counted_by_hand(file: str, name: str, layers: Callable[[], Iterator[Layer]], depth: int) -> None:
    params, macs = map(sum, zip(*layers(), strict=True))
    found = net(file, name)
    assert (found.params, found.macs, found.depth) == (params, macs, depth)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 3)])
def test_figures_of_unet_counted_by_hand(h: int, w: int) -> None:
    params, macs = map(sum, zip(*unet(16), strict=True))
    found = cnnlang.load(EXAMPLES / "unet.cnn", set={"H": h, "W": w})
    assert (found.params, found.macs, found.depth) == (params, macs * h * w, 23)


# from the papers, and from torchvision's documentation
@pytest.mark.parametrize(
    ("file", "name", "params", "macs"),
    [
        ("lenet5", "LeNet5", 61_706, 416_520),
        ("alexnet", "AlexNet", 60_965_224, 724_406_816),
        ("vgg16", "VGG16", 138_357_544, 15_470_264_320),
        ("resnet", "ResNet18", 11_689_512, 1.814e9),
        ("resnet", "ResNet50", 25_557_032, 4.089e9),
        ("squeezenet", "SqueezeNet1_0", 1_248_424, 861_339_936),
        ("mobilenetv2", "MobileNetV2", 3_504_872, 300.8e6),
        ("densenet121", "DenseNet121", 7_978_856, 2.834e9),
    ],
)
def test_published_figures(file: str, name: str, params: int, macs: float) -> None:
    assert net(file, name).params == params
    if isinstance(macs, int):
        assert net(file, name).macs == macs
    else:
        np.testing.assert_allclose(net(file, name).macs, macs, rtol=5e-4)


def test_googlenet_trains_more_than_it_runs() -> None:
    found = net("googlenet")
    assert (found.params, found.params_train) == (6_998_552, 13_378_280)
    assert [(a.name, a.weight) for a in found.program.aux] == [("aux1", 0.3), ("aux2", 0.3)]


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_example_is_clean_and_formatted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--strict", str(path)]) == 0
    assert main(["fmt", "--check", str(path)]) == 0


STD = sorted(Path(cnnlang.__file__).parent.joinpath("std").glob("*.cnn"))


@pytest.mark.parametrize("path", STD, ids=lambda p: p.name)
def test_every_file_of_std_is_clean_and_formatted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--strict", str(path)]) == 0
    assert main(["fmt", "--check", str(path)]) == 0


def checked_figures(file: str, name: str) -> set[str]:
    """What the `check` section of a net compares, of parameters, multiply-accumulates and depth."""
    found, _ = parse(read_source(EXAMPLES / f"{file}.cnn"))
    assert found is not None
    (item,) = [i for i in found.items if isinstance(i, tree.Net | tree.Variant) and i.name.name == name]
    equalities = [
        c.first.name
        for section in walk(item)
        if isinstance(section, tree.Check)
        for c in section.conditions
        if isinstance(c, tree.Compare) and isinstance(c.first, tree.Name) and [op for op, _ in c.rest] == ["=="]
    ]
    return set(equalities)


@pytest.mark.parametrize(("file", "name"), [*[(f, n) for f, n, _, _ in FIGURES], ("unet", "UNet")])
def test_every_network_checks_its_figures(file: str, name: str) -> None:
    assert checked_figures(file, name) >= {"params", "macs", "depth"}


@pytest.mark.parametrize(("file", "most"), [("resnet", 45), ("googlenet", 40)])
def test_files_are_short(file: str, most: int) -> None:
    text = (EXAMPLES / f"{file}.cnn").read_text(encoding="utf-8")
    assert len(text.splitlines()) < most
    assert max(map(len, text.splitlines())) <= 120


# --- names of weights -------------------------------------------------------------------------------------------------


def bn_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{leaf}": (width,) for leaf in ("weight", "bias", "running_mean", "running_var")}


def torchvision_resnet(depths: tuple[int, ...], deep: bool) -> dict[str, tuple[int, ...]]:
    shapes = {"conv1.weight": (64, 3, 7, 7), **bn_shapes("bn1", 64)}
    cin = 64
    for i, times in enumerate(depths):
        width = 64 * 2**i
        cout = width * 4 if deep else width
        for j in range(times):
            at = f"layer{i + 1}.{j}"
            kernels = (
                [(cin, width, 1), (width, width, 3), (width, cout, 1)] if deep else [(cin, width, 3), (width, cout, 3)]
            )
            for k, (a, b, size) in enumerate(kernels, 1):
                shapes |= {f"{at}.conv{k}.weight": (b, a, size, size), **bn_shapes(f"{at}.bn{k}", b)}
            if j == 0 and cin != cout:
                shapes |= {f"{at}.downsample.0.weight": (cout, cin, 1, 1), **bn_shapes(f"{at}.downsample.1", cout)}
            cin = cout
    return shapes | {"fc.weight": (1000, cin), "fc.bias": (1000,)}


def torchvision_vgg16() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    cin, place = 3, 0
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if width:
            shapes |= {f"features.{place}.weight": (width, cin, 3, 3), f"features.{place}.bias": (width,)}
            cin = width
        place += 2 if width else 1  # a convolution and its relu, or a pooling
    for place, inputs, units in ((0, 25088, 4096), (3, 4096, 4096), (6, 4096, 1000)):
        shapes |= {f"classifier.{place}.weight": (units, inputs), f"classifier.{place}.bias": (units,)}
    return shapes


def torchvision_mobilenetv2() -> dict[str, tuple[int, ...]]:
    shapes = {"features.0.0.weight": (32, 3, 3, 3), **bn_shapes("features.0.1", 32)}
    cin, place = 32, 1
    for expand, cout, times in ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)):
        for _ in range(times):
            at, wide = f"features.{place}.conv", cin * expand
            if expand > 1:
                shapes |= {f"{at}.0.0.weight": (wide, cin, 1, 1), **bn_shapes(f"{at}.0.1", wide)}
            i = int(expand > 1)
            shapes |= {f"{at}.{i}.0.weight": (wide, 1, 3, 3), **bn_shapes(f"{at}.{i}.1", wide)}
            shapes |= {f"{at}.{i + 1}.weight": (cout, wide, 1, 1), **bn_shapes(f"{at}.{i + 2}", cout)}
            cin, place = cout, place + 1
    shapes |= {"features.18.0.weight": (1280, 320, 1, 1), **bn_shapes("features.18.1", 1280)}
    return shapes | {"classifier.1.weight": (1000, 1280), "classifier.1.bias": (1000,)}


def torchvision_densenet121() -> dict[str, tuple[int, ...]]:
    shapes = {"features.conv0.weight": (64, 3, 7, 7), **bn_shapes("features.norm0", 64)}
    cin = 64
    for i, times in enumerate((6, 12, 24, 16), 1):
        for j in range(1, times + 1):
            at = f"features.denseblock{i}.denselayer{j}"
            shapes |= {**bn_shapes(f"{at}.norm1", cin), f"{at}.conv1.weight": (128, cin, 1, 1)}
            shapes |= {**bn_shapes(f"{at}.norm2", 128), f"{at}.conv2.weight": (32, 128, 3, 3)}
            cin += 32
        if i < 4:
            at = f"features.transition{i}"
            shapes |= {**bn_shapes(f"{at}.norm", cin), f"{at}.conv.weight": (cin // 2, cin, 1, 1)}
            cin //= 2
    return shapes | {**bn_shapes("features.norm5", 1024), "classifier.weight": (1000, 1024), "classifier.bias": (1000,)}


def torchvision_squeezenet(first: int, kernel: int) -> dict[str, tuple[int, ...]]:
    """The names of Caffe's model; torchvision numbers the same layers otherwise."""
    shapes = {"conv1.weight": (first, 3, kernel, kernel), "conv1.bias": (first,)}
    cin = first
    for i, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), 2
    ):
        for name, a, b, size in (
            ("squeeze1x1", cin, squeeze, 1),
            ("expand1x1", squeeze, expand, 1),
            ("expand3x3", squeeze, expand, 3),
        ):
            shapes |= {f"fire{i}.{name}.weight": (b, a, size, size), f"fire{i}.{name}.bias": (b,)}
        cin = 2 * expand
    return shapes | {"conv10.weight": (1000, 512, 1, 1), "conv10.bias": (1000,)}


@pytest.mark.parametrize(
    ("file", "name", "shapes"),
    [
        ("resnet", "ResNet18", torchvision_resnet((2, 2, 2, 2), False)),
        ("resnet", "ResNet34", torchvision_resnet((3, 4, 6, 3), False)),
        ("resnet", "ResNet50", torchvision_resnet((3, 4, 6, 3), True)),
        ("resnet", "ResNet101", torchvision_resnet((3, 4, 23, 3), True)),
        ("resnet", "ResNet152", torchvision_resnet((3, 8, 36, 3), True)),
        ("vgg16", "VGG16", torchvision_vgg16()),
        ("mobilenetv2", "MobileNetV2", torchvision_mobilenetv2()),
        ("densenet121", "DenseNet121", torchvision_densenet121()),
        ("squeezenet", "SqueezeNet1_0", torchvision_squeezenet(96, 7)),
        ("squeezenet", "SqueezeNet1_1", torchvision_squeezenet(64, 3)),
    ],
)
def test_published_weights_need_no_map(file: str, name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    found = expected_shapes(net(file, name).graph)
    assert found == shapes
    assert list(found) == list(shapes)  # in the same order, too


def test_caffes_alexnet_needs_no_map() -> None:
    assert list(expected_shapes(net("alexnet").graph)) == [
        f"{name}.{leaf}"
        for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
        for leaf in ("weight", "bias")
    ]


# --- lectures ---------------------------------------------------------------------------------------------------------


def test_the_lectures_small_net() -> None:
    rows = {row.name: row for row in net("lecture", "Lecture").summary().rows}
    weighted = [rows[name] for name in ("c1", "c2", "d1", "d2", "d3")]
    assert [row.params for row in weighted] == [456, 2_416, 48_120, 10_164, 850]
    assert [row.type.elements for row in weighted] == [4_704, 1_600, 120, 84, 10]
    pools = [row for row in net("lecture", "Lecture").summary().rows if row.name == "maxpool"]
    assert [(row.type.elements, row.params) for row in pools] == [(1_176, 0), (400, 0)]
    assert rows["image"].type.elements == 3_072


def test_a_layer_fully_connected() -> None:
    (row,) = [r for r in net("lecture", "Lecture").summary().rows if r.name == "c1"]
    assert row.fully_connected == 3_072 * 4_704 == 14_450_688


def test_a_bottleneck_saves_work() -> None:
    assert net("lecture", "Direct").macs == 112_896_000
    assert net("lecture", "Narrowed").macs == 5_268_480


def answers(file: str, name: str, path: str, **weights: Any) -> dict[str, Any]:
    found = net(file, name)
    x = load_input(EXAMPLES / path, found.program.inputs[0])
    return dict(zip(found.graph.output_names, interpret(found.graph, weights, x), strict=True))


def test_a_kernel_slides_over_a_picture() -> None:
    found = answers("lecture", "Slide", "lecture_image.csv")
    np.testing.assert_array_equal(found["output"][0, 0], [[4, 3, 4], [2, 4, 3], [2, 3, 4]])


def test_pooling_by_hand() -> None:
    found = answers("lecture", "Pooling", "lecture_pooling.csv")
    np.testing.assert_array_equal(found["largest"][0, 0], [[20, 30], [111, 33]])
    np.testing.assert_array_equal(found["smallest"][0, 0], [[8, 0], [34, 5]])
    np.testing.assert_array_equal(found["average"][0, 0], [[13.25, 8.25], [73.75, 17.75]])


def test_the_keras_exercises() -> None:
    first = net("keras_exercises", "Exercise1").summary().rows
    assert [(str(r.type), r.params) for r in first[1:]] == [("[N, 32, 32, 32]", 896), ("[N, 32, 30, 30]", 9_248)]
    second = net("keras_exercises", "Exercise2").summary().rows
    assert [r.type.height for r in second if r.type.rank == 4][1:] == [150, 75, 72, 36]
    assert [r.type.channels for r in second if r.type.rank == 2] == [41_472, 256, 256, 5, 5]
    assert [r.params for r in second if r.params] == [896, 16_416, 10_617_088, 1_285]
    assert net("keras_exercises", "Exercise2").params == 10_635_685


def test_pooling_as_keras_pads_it() -> None:
    found = net("keras_exercises", "SamePooling")
    x = np.arange(16.0).reshape(1, 1, 4, 4) - 20  # all below 0: padding must not win
    padded = np.pad(x[0, 0], ((0, 1), (0, 1)), constant_values=-np.inf)
    wanted = np.lib.stride_tricks.sliding_window_view(padded, (2, 2)).max(axis=(2, 3))
    np.testing.assert_array_equal(interpret(found.graph, {}, x)[0][0, 0], wanted)


# --- edges ------------------------------------------------------------------------------------------------------------


def correlate(picture: Any, kernel: Any) -> Any:
    kernel = np.array(kernel, dtype=float)
    padded = np.pad(picture, len(kernel) // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return (windows * kernel).sum(axis=(2, 3))


@cache
def edges() -> tuple[Any, dict[str, Any]]:
    found = answers("edges", "Edges", "photos/coffee.jpg")
    with Image.open(EXAMPLES / "photos" / "coffee.jpg") as image:
        gray = np.asarray(image.convert("L")) / 255
    return gray, {name: value[0, 0] for name, value in found.items()}


SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("to_right", SOBEL),
        ("downwards", np.transpose(SOBEL)),
        ("blur", np.outer([1, 2, 1], [1, 2, 1]) / 16),
        ("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    ],
)
def test_edges_are_what_the_kernels_make(name: str, kernel: Any) -> None:
    gray, found = edges()
    np.testing.assert_allclose(found[name], correlate(gray, kernel), atol=1e-5)


def test_edges_are_the_stronger_of_both_directions() -> None:
    gray, found = edges()
    both = np.abs([correlate(gray, SOBEL), correlate(gray, np.transpose(SOBEL))])
    np.testing.assert_allclose(found["edges"], both.max(axis=0), atol=1e-5)


def test_pooling_keeps_one_pixel_of_64() -> None:
    gray, found = edges()
    tiles = gray.reshape(50, 8, 75, 8)
    np.testing.assert_allclose(found["brightest"], tiles.max(axis=(1, 3)), atol=1e-6)
    np.testing.assert_allclose(found["darkest"], tiles.min(axis=(1, 3)), atol=1e-6)
    np.testing.assert_allclose(found["average"], tiles.mean(axis=(1, 3)), atol=1e-6)


def test_the_curve_is_found_where_it_is_drawn() -> None:
    found = net("edges")
    stroke = np.zeros((21, 21))
    for row, column in ((7, 12), (8, 11), (9, 10), (10, 10), (11, 10), (12, 10), (13, 10)):
        stroke[row, column] = 1
    picture = np.cumsum(stroke, axis=1)  # so that `to_right` is largest along the stroke
    outputs = dict(zip(found.graph.output_names, interpret(found.graph, {}, picture[None, None]), strict=True))
    curve = outputs["curve"][0, 0]
    row, column = np.unravel_index(curve.argmax(), curve.shape)
    assert abs(row - 10) <= 1
    assert abs(column - 10) <= 1
    assert curve.min() == 0


def test_the_photo_is_small_and_free() -> None:
    assert (EXAMPLES / "photos" / "coffee.jpg").stat().st_size < 200_000
    assert "CC0" in (EXAMPLES / "photos" / "README.md").read_text(encoding="utf-8")


# --- std --------------------------------------------------------------------------------------------------------------


def made(body: str, imports: str, shape: str = "[N, 16, 32, 32]") -> Net:
    return cnnlang.loads(f"cnn 1\n{imports}\nnet A {{\n  input x: {shape}\n{body}\n}}\n")


STD_CASES = [
    ("conv import conv_bn", "conv_bn(8, 3, stride=2)", "[N, 8, 16, 16]", 16 * 8 * 9 + 16),
    ("conv import conv_bn_relu", "conv_bn_relu(8, 1)", "[N, 8, 32, 32]", 16 * 8 + 16),
    ("conv import separable", "separable(8, 5)", "[N, 8, 32, 32]", 16 * 25 + 32 + 16 * 8 + 16),
    ("resnet import basic", "basic(16)", "[N, 16, 32, 32]", 2 * (16 * 16 * 9 + 32)),
    ("resnet import basic", "basic(16, stride=2)", "[N, 16, 16, 16]", 2 * (16 * 16 * 9 + 32) + 16 * 16 + 32),
    ("resnet import bottleneck", "bottleneck(4)", "[N, 16, 32, 32]", 16 * 4 + 8 + 4 * 4 * 9 + 8 + 4 * 16 + 32),
    (
        "inception import inception",
        "inception(1, 2, 3, 4, 5, 6)",
        "[N, 15, 32, 32]",
        17 * 1 + 17 * 2 + (2 * 9 + 1) * 3 + 17 * 4 + (4 * 25 + 1) * 5 + 17 * 6,
    ),
    ("squeezenet import fire", "fire(4, 8)", "[N, 16, 32, 32]", 17 * 4 + 5 * 8 + 37 * 8),
    (
        "mobilenet import inverted_residual",
        "inverted_residual(6, 16)",
        "[N, 16, 32, 32]",
        16 * 96 + 192 + 96 * 9 + 192 + 96 * 16 + 32,
    ),
    ("mobilenet import narrow", "narrow(1, 8, stride=2)", "[N, 8, 16, 16]", 16 * 9 + 32 + 16 * 8 + 16),
    ("se import se", "se(4)", "[N, 16, 32, 32]", 16 * 4 + 4 + 4 * 16 + 16),
    ("densenet import dense_layer", "dense_layer(4)", "[N, 20, 32, 32]", 32 + 16 * 16 + 32 + 16 * 4 * 9),
    ("densenet import transition", "transition()", "[N, 8, 16, 16]", 32 + 16 * 8),
    ("unet import twice", "twice(4)", "[N, 4, 32, 32]", (16 * 9 + 1) * 4 + (4 * 9 + 1) * 4),
    (
        "unet import twice, up",
        "twice(4) as wide\n  maxpool(2) -> up(4, wide)",
        "[N, 4, 32, 32]",
        (16 * 9 + 1) * 4 + (4 * 9 + 1) * 4 + 4 * 4 * 4 + 4 + (8 * 9 + 1) * 4 + (4 * 9 + 1) * 4,
    ),
]


@pytest.mark.parametrize(("imports", "body", "result", "params"), STD_CASES)
def test_blocks_of_std(imports: str, body: str, result: str, params: int) -> None:
    found = made(f"  {body}", f"from std.{imports}")
    assert str(found.graph.outputs[0].type) == result
    assert found.params == params


def blocks(path: Path) -> dict[str, tree.Block]:
    found, _ = parse(read_source(path))
    assert found is not None
    return {item.name.name: item for item in found.items if isinstance(item, tree.Block)}


def test_every_block_of_std_is_tested() -> None:
    shipped = {f"{path.stem}.{name}" for path in STD for name in blocks(path)}
    tested = set()
    for imports, _, _, _ in STD_CASES:
        module, names = imports.split(" import ")
        tested |= {f"{module}.{name}" for name in names.split(", ")}
    assert shipped == tested


@pytest.mark.parametrize(
    ("example", "module", "names"),
    [
        ("resnet", "resnet", ["basic", "bottleneck"]),
        ("googlenet", "inception", ["inception"]),
        ("squeezenet", "squeezenet", ["fire"]),
        ("densenet121", "densenet", ["dense_layer", "transition"]),
    ],
)
def test_blocks_of_std_are_those_of_the_examples(example: str, module: str, names: list[str]) -> None:
    here, there = blocks(EXAMPLES / f"{example}.cnn"), blocks(STD[0].parent / f"{module}.cnn")
    for name in names:
        assert here[name] == there[name]


def test_the_names_of_std_are_those_of_torchvision() -> None:
    text = """cnn 1
from std.resnet import bottleneck
net A {
  input x: [N, 256, 8, 8]
  bottleneck(128, stride=2) as "layer2.0"
}
"""
    found = expected_shapes(cnnlang.loads(text).graph)
    wanted = torchvision_resnet((3, 4, 6, 3), True)
    assert found == {name: shape for name, shape in wanted.items() if name.startswith("layer2.0.")}


def test_sources_are_told_apart() -> None:
    """A syntax tree compares what is said, not where: the two tests above cannot pass by comparing places."""
    one, _ = parse(Source("a", "cnn 1\nblock a(c) { conv(c, 3) }\n"))
    other, _ = parse(Source("a", "cnn 1\nblock a(c) { conv(c, 5) }\n"))
    assert one != other


# --- LeNet-5's digits -------------------------------------------------------------------------------------------------


def test_the_shipped_weights_name_the_digits(capsys: pytest.CaptureFixture[str]) -> None:
    pictures = sorted(EXAMPLES.joinpath("digits").glob("*.png"))
    arguments = [
        "run",
        str(EXAMPLES / "lenet5.cnn"),
        "--weights",
        str(EXAMPLES / "lenet5.safetensors"),
        *map(str, pictures),
    ]
    assert main(arguments) == 0
    firsts = [line for line in capsys.readouterr().out.splitlines() if ".png: " in line]
    assert [line.rsplit("digits", 1)[1][1:] for line in firsts] == [f"{i}.png: {i}" for i in range(10)]


def train_lenet5() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("mlxtend")
    spec = importlib.util.spec_from_file_location("train_lenet5", EXAMPLES / "train_lenet5.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_weights_read_as_many_digits_as_the_script_says(tmp_path: Path) -> None:
    script = train_lenet5()
    images, labels = script.mnist_data()
    images = images.astype(np.uint8).reshape(-1, 28, 28)
    learnt, held_out = script.split(labels)
    assert len(learnt) == 4_000
    assert np.intersect1d(learnt, held_out).size == 0
    assert np.bincount(labels[held_out]).tolist() == [100] * 10

    found = net("lenet5")
    weights = load_weights(EXAMPLES / "lenet5.safetensors", expected_shapes(found.graph))
    digits = script.prepared(found, images[held_out], tmp_path).numpy()
    answers = interpret(found.graph, weights, digits)[0].argmax(axis=1)
    right = int((answers == labels[held_out]).sum())
    assert f"read {right} of the 1,000 digits correctly" in script.__doc__
    assert 955 <= right <= 966

    for digit in range(10):
        with Image.open(EXAMPLES / "digits" / f"{digit}.png") as picture:
            pixels = np.asarray(picture)
        same = (images == pixels).all(axis=(1, 2))
        assert labels[same].tolist() == [digit]
        assert np.flatnonzero(same)[0] in held_out


def test_the_training_script_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = train_lenet5()
    torch = script.torch
    torch.manual_seed(0)
    monkeypatch.setattr(script, "EPOCHS", 4)
    images, labels = script.mnist_data()
    few = np.flatnonzero(labels < 2)[::4]  # zeros and ones, which the first steps tell from the rest
    digits = script.prepared(net("lenet5"), images[few].astype(np.uint8).reshape(-1, 28, 28), tmp_path)
    model = script.emitted(net("lenet5"), tmp_path)
    wanted = torch.from_numpy(labels[few]).long()

    def loss() -> float:
        with torch.no_grad():
            return float(torch.nn.functional.nll_loss(model(digits).log(), wanted))

    before = loss()
    script.train(model, digits, wanted)
    assert loss() < 0.6 * before

"""Inputs from pictures, arrays and matrices, the metadata behind them, and outputs as files."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnlang import fonts
from cnnlang.colors import colored, peak_of, value_range
from cnnlang.dims import Term
from cnnlang.drawing import WIDTH, draw
from cnnlang.errors import InputError, OperatorError, UsageError
from cnnlang.expand import check
from cnnlang.images import load_input
from cnnlang.outputs import save_output
from cnnlang.preprocess import Preprocess
from cnnlang.program import InputInfo
from cnnlang.source import Source

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3


def info(shape: str, metadata: str = "") -> InputInfo:
    body = "dense(1)" if shape.count(",") == 1 else "global_avgpool -> dense(1)"
    text = f"cnn 1\nnet A {{\n  input image: {shape} {metadata}\n  {body}\n}}\n"
    checked = check(Source("net.cnn", text))
    assert not checked.has_errors, [d.message for d in checked.diagnostics]
    return checked.programs["A"].inputs[0]


def saved(folder: Path, array: Any, name: str = "a.png", mode: str | None = None, **options: Any) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(folder / name, **options)
    return folder / name


def expect(got: Any, wanted: Any, tolerance: float = 1e-6) -> None:
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pixels_run_from_0_to_1(tmp_path: Path) -> None:
    expect(load_input(saved(tmp_path, RGB), info("[N, 3, 4, 6]")), RGB.transpose(2, 0, 1)[None] / 255)


def test_scale_mean_and_std(tmp_path: Path) -> None:
    given = info("[N, 3, 4, 6]", "{ scale = 1/127, mean = [0.1, 0.2, 0.3], std = [1, 2, 4] }")
    mean, std = np.array([0.1, 0.2, 0.3])[:, None, None], np.array([1, 2, 4])[:, None, None]
    expect(load_input(saved(tmp_path, RGB), given), ((RGB.transpose(2, 0, 1) / 127 - mean) / std)[None])


def test_bgr_turns_the_channels_and_its_mean_is_in_their_order(tmp_path: Path) -> None:
    given = info("[N, 3, 4, 6]", '{ scale = 1, mean = [104, 117, 123], color = "bgr" }')
    wanted = RGB.transpose(2, 0, 1)[::-1] - np.array([104.0, 117, 123])[:, None, None]
    expect(load_input(saved(tmp_path, RGB), given), wanted[None])


def test_a_colour_picture_becomes_gray(tmp_path: Path) -> None:
    gray = np.round(RGB @ np.array([0.299, 0.587, 0.114]))
    expect(load_input(saved(tmp_path, RGB), info("[N, 1, 4, 6]", "{ scale = 1 }")), gray[None, None], 1)


def test_a_gray_picture_becomes_colour(tmp_path: Path) -> None:
    plane = RGB[:, :, 0]
    expect(load_input(saved(tmp_path, plane), info("[N, 3, 4, 6]", "{ scale = 1 }")), np.stack([plane] * 3)[None])


def test_invert(tmp_path: Path) -> None:
    given = info("[N, 1, 4, 6]", "{ invert = true, scale = 1, mean = 1 }")
    expect(load_input(saved(tmp_path, RGB[:, :, 0]), given), 254.0 - RGB[None, None, :, :, 0])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "CMYK", "RGB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_picture_is_white_where_it_is_white(tmp_path: Path, mode: str, channels: int) -> None:
    name = "a.tif" if mode == "CMYK" else "a.png"
    path = saved(tmp_path, np.full((4, 6, 3), 255, np.uint8), name, mode)
    expect(load_input(path, info(f"[N, {channels}, 4, 6]")), np.ones((1, channels, 4, 6)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 255))
    if mode == "P":
        indexed = Image.new("P", (2, 1), 0)
        indexed.putpalette([0, 0, 0, 0, 0, 0])
        indexed.putpixel((1, 0), 1)
        indexed.save(tmp_path / "a.png", transparency=0)
    else:
        picture.convert(mode).save(tmp_path / "a.png")
    expect(load_input(tmp_path / "a.png", info("[N, 1, 1, 2]")), [[[[1, 0]]]])


def test_16_bits_keep_their_fractions(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 300], [40000, 65535, 1]], np.uint16)
    path = saved(tmp_path, deep)
    expect(load_input(path, info("[N, 1, 2, 3]")), (deep / 65535)[None, None])
    expect(load_input(path, info("[N, 3, 2, 3]")), np.stack([deep / 65535] * 3)[None])
    inverted = info("[N, 1, 2, 3]", "{ invert = true }")
    expect(load_input(path, inverted), (1 - deep / 65535)[None, None])


def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    path = saved(tmp_path, RGB, exif=exif)
    expect(load_input(path, info("[N, 3, 6, 4]")), np.rot90(RGB, -1).transpose(2, 0, 1)[None] / 255)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("L", (3, 2), color) for color in (255, 0)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    expect(load_input(tmp_path / "a.gif", info("[N, 1, 2, 3]")), np.ones((1, 1, 2, 3)))


# --- resize and crop --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "metadata", "wanted"),
    [
        ((40, 60), "{ resize = 20 }", (20, 30)),
        ((60, 41), "{ resize = 20 }", (29, 20)),  # the longer side rounds down
        ((40, 60), "{ resize = 80 }", (80, 120)),
        ((40, 60), "{ resize = 20x20 }", (20, 20)),
        ((40, 60), "{ resize = 20, crop = 16 }", (16, 16)),
        ((40, 60), "{ crop = 16x24 }", (16, 24)),
    ],
)
def test_sizes_are_those_of_torchvision(
    tmp_path: Path, sides: tuple[int, int], metadata: str, wanted: tuple[int, int]
) -> None:
    path = saved(tmp_path, np.zeros(sides, np.uint8))
    assert load_input(path, info("[N, 1, H, W]", metadata)).shape == (1, 1, *wanted)


def test_resizing_is_bilinear_and_antialiased(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 60), dtype=np.uint8)
    path = saved(tmp_path, noise.transpose(1, 2, 0))
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(noise).float()[None], (20, 30), mode="bilinear", antialias=True, align_corners=False
    )
    expect(load_input(path, info("[N, 3, H, W]", "{ resize = 20, scale = 1 }")), wanted.numpy(), 1.01)


def test_a_crop_is_central(tmp_path: Path) -> None:
    plane = np.arange(5 * 6, dtype=np.uint8).reshape(5, 6)
    path = saved(tmp_path, plane)
    expect(load_input(path, info("[N, 1, 3, 2]", "{ crop = 3x2, scale = 1 }")), plane[None, None, 1:4, 2:4])


SIZES = [
    (
        "[N, 3, 8, 8]",
        "",
        "a.png: the picture is 4x6 (height x width), and `image` takes 8x8; "
        "add `resize = 8, crop = 8` to the input's { }",
    ),
    (
        "[N, 3, 8, 9]",
        "",
        "a.png: the picture is 4x6 (height x width), and `image` takes 8x9; add `resize = 8x9` to the input's { }",
    ),
    (
        "[N, 3, 8, 8]",
        "{ resize = 8 }",
        "a.png: the picture is 8x12 (height x width), and `image` takes 8x8; add `crop = 8` to the input's { }",
    ),
    (
        "[N, 3, 8, 8]",
        "{ crop = 8 }",
        "a.png: `crop` takes 8x8 out of a picture of 4x6 (height x width); a larger `resize` cures it",
    ),
    (
        "[N, 3, 4*H, 4*W]",
        "",
        "a.png: the picture is 4x6 (height x width), and `image` takes 4*Hx4*W; "
        "add a `resize` to the input's { } that makes it so (for example, resize = 256x256)",
    ),
    (
        "[N, 3, H, H]",
        "",
        "a.png: the picture is 4x6 (height x width), and `image` takes HxH; "
        "add a `resize` to the input's { } that makes it so (for example, resize = 256x256)",
    ),
    (
        "[N, 4, 4, 6]",
        "",
        "a.png: a picture has 1 or 3 channels and cannot be `image`, which takes [N, 4, 4, 6]; save it as .npy",
    ),
    ("[N, 3]", "", "a.png: a picture has 1 or 3 channels and cannot be `image`, which takes [N, 3]; save it as .npy"),
]


@pytest.mark.parametrize(("shape", "metadata", "message"), SIZES)
def test_another_size_is_an_error_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, metadata: str, message: str
) -> None:
    saved(tmp_path, RGB)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_input("a.png", info(shape, metadata))
    assert str(caught.value) == message


def test_the_cures_cure(tmp_path: Path) -> None:
    path = saved(tmp_path, RGB)
    for shape, metadata in (
        ("[N, 3, 8, 8]", "{ resize = 8, crop = 8 }"),
        ("[N, 3, 8, 9]", "{ resize = 8x9 }"),
        ("[N, 3, 4*H, 4*W]", "{ resize = 256x256 }"),
    ):
        assert load_input(path, info(shape, metadata)).shape[1] == 3


def test_symbolic_sizes_take_what_solves(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros((32, 48), np.uint8))
    assert load_input(path, info("[N, 1, 16*H, 16*W]")).shape == (1, 1, 32, 48)


# --- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "shape", "batched"),
    [
        ((3, 4, 6), "[N, 3, 4, 6]", (1, 3, 4, 6)),
        ((5, 3, 4, 6), "[N, 3, 4, 6]", (5, 3, 4, 6)),
        ((4, 6), "[N, 1, 4, 6]", (1, 1, 4, 6)),
        ((4, 6), "[N, 1, H, W]", (1, 1, 4, 6)),
        ((7,), "[N, 7]", (1, 7)),
        ((5, 7), "[N, 7]", (5, 7)),
        ((0, 7), "[N, 7]", (0, 7)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_float_arrays_are_taken_as_they_are(
    tmp_path: Path, sides: tuple[int, ...], shape: str, batched: tuple[int, ...], dtype: Any
) -> None:
    array = np.asfortranarray(np.random.default_rng(0).standard_normal(sides).astype(dtype))
    np.save(tmp_path / "a.npy", array)
    got = load_input(tmp_path / "a.npy", info(shape, "{ mean = 7 }"))
    expect(got, array.astype(np.float32).reshape(batched))


def test_uint8_arrays_are_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    expect(load_input(tmp_path / "a.npy", info("[N, 3, 8, 8]", "{ mean = 0.5 }")), pixels / 255 - 0.5)
    bgr = info("[N, 3, 8, 8]", '{ color = "bgr", scale = 1 }')
    expect(load_input(tmp_path / "a.npy", bgr), pixels[:, ::-1].astype(np.float32))


def test_uint8_arrays_are_resized_as_pictures_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12), dtype=np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    given = info("[N, 1, 6, 6]", "{ resize = 6, crop = 6, invert = true }")
    np.testing.assert_array_equal(load_input(tmp_path / "a.npy", given), load_input(saved(tmp_path, pixels), given))


def test_uint8_vectors_are_scaled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([0, 51, 255], np.uint8))
    expect(load_input(tmp_path / "a.npy", info("[N, 3]", "{ mean = [0, 0.2, 1] }")), [[0, 0, 0]])


def test_an_empty_array_of_pixels_is_a_batch_of_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 3, 8, 8), np.uint8))
    assert load_input(tmp_path / "a.npy", info("[N, 3, 8, 8]")).shape == (0, 3, 8, 8)


def test_channels_that_stand_last_are_told_so(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3)))
    with pytest.raises(
        InputError, match=r"takes \[N, 3, 8, 8\]; its channels stand last: save array.transpose\(2, 0, 1\)"
    ):
        load_input(tmp_path / "a.npy", info("[N, 3, 8, 8]"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 9, 8)), r"the array is \[3, 9, 8\], and `image` takes \[N, 3, 8, 8\]"),
        (np.zeros((1, 1, 3, 8, 8)), r"the array is \[1, 1, 3, 8, 8\], and"),
        (np.zeros((3, 8, 8), np.int64), "it holds int64; save floats, or pixels as uint8"),
        (np.zeros((3, 8, 8), complex), "it holds complex128"),
        (np.array([{}]), "it holds Python objects, which are never read"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: Any, message: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        load_input(tmp_path / "a.npy", info("[N, 3, 8, 8]"))


# --- matrices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["1,2,3\n4,5,6\n", "1 2 3\r\n4 5 6", "\ufeff1;2;3\n\n4; 5; 6", "1\t2\t3 # a comment\n# another\n4\t5\t6"],
)
@pytest.mark.parametrize("name", ["a.csv", "a.TXT"])
def test_matrices_are_read(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    expect(load_input(tmp_path / name, info("[N, 1, 2, 3]", "{ mean = 7 }")), [[[[1, 2, 3], [4, 5, 6]]]])


def test_rows_are_samples_of_a_vector(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2,-3.5\n4,5,6e2\n", encoding="utf-8")
    expect(load_input(tmp_path / "a.csv", info("[N, 3]")), [[1, 2, -3.5], [4, 5, 600]])


@pytest.mark.parametrize(
    ("data", "shape", "message"),
    [
        (b"1,2\n3,x\n", "[N, 1, 2, 2]", "a.csv, line 2: `x` is not a number"),
        (b"1,2\n\n3\n", "[N, 1, 2, 2]", "a.csv, line 3: 1 numbers, and 2 in the lines before"),
        (b"1,,2\n", "[N, 1, 1, 2]", "a.csv, line 1: `` is not a number"),
        (b"# nothing\n", "[N, 1, 2, 2]", "a.csv has no numbers"),
        (b"\xff\xfe1", "[N, 1, 2, 2]", "a.csv is not a text in UTF-8"),
        (b"1,2\n3,4\n", "[N, 1, 3, 3]", "a.csv: the matrix is [1, 2, 2], and `image` takes [N, 1, 3, 3]"),
        (b"1,2\n", "[N, 3]", "a.csv: the matrix is [1, 2], and `image` takes [N, 3]"),
        (b"1,2\n", "[N, 3, 1, 2]", "a.csv: a matrix has one channel, and `image` takes [N, 3, 1, 2]"),
    ],
)
def test_bad_matrices_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, shape: str, message: str
) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_input("a.csv", info(shape))
    assert str(caught.value) == message


# --- files that lie ---------------------------------------------------------------------------------------------------


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def npy_of(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


LIES = {
    "bomb.png": (png_of(100_000, 100_000), "the picture has more than 89,478,485 pixels"),
    "truncated.png": (png_of(100, 100, b"abc"), "the picture is damaged: image file is truncated"),
    "text.png": (b"hello", "is no picture that can be read"),
    "empty.jpg": (b"", "is no picture that can be read"),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture that can be read"),
    "vast.npy": (npy_of("(1, 2000000000, 1)"), "it ends early"),
    "vaster.npy": (npy_of("(2000000000, 2000000000)"), "it is too large"),
    "empty.npy": (b"", "it is not a .npy array"),
    "a.onnx": (b"", "inputs are pictures (.png, .jpg, ...), .npy arrays, and .csv or .txt matrices"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_an_error_in_words(tmp_path: Path, name: str) -> None:
    data, words = LIES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_input(tmp_path / name, info("[N, 1, H, W]"))
    assert words in str(caught.value)


def test_a_resize_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros((1, 40_000), np.uint8))
    with pytest.raises(InputError, match="`resize` would make 16384x655360000 of a picture of 1x40000"):
        load_input(path, info("[N, 1, H, W]", "{ resize = 16384 }"))


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.csv"])
def test_missing_files_and_folders_are_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load_input(tmp_path / name, info("[N, 1, H, W]"))
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="is a folder"):
        load_input(tmp_path / name, info("[N, 1, H, W]"))


def good_file(suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, np.ones((1, 4, 6), np.float32))
    else:
        Image.fromarray(RGB).convert("P" if suffix == ".gif" else "RGB").save(
            buffer, Image.registered_extensions()[suffix]
        )
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif", ".tif", ".ppm", ".webp", ".npy"])
def test_damaged_bytes_are_errors_in_words(tmp_path_factory: pytest.TempPathFactory, suffix: str) -> None:
    good = good_file(suffix)
    path = tmp_path_factory.mktemp("damaged") / f"a{suffix}"
    given_info = info("[N, 1, H, W]")
    changes = st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=4)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changes, st.integers(0, len(good)), st.binary(max_size=3))
    def damage(places: list[tuple[int, int]], length: int, more: bytes) -> None:
        data = bytearray(good)
        for place, value in places:
            data[place] = value
        path.write_bytes(data[: max(length, len(good) // 2)] + more)
        with contextlib.suppress(InputError):
            loaded = load_input(path, given_info)
            assert loaded.ndim == 4

    damage()


# --- metadata ---------------------------------------------------------------------------------------------------------

H, W = Term.variable("H"), Term.variable("W")

BAD = [
    ({"mean": [1, 2]}, 3, None, "mean", "`mean` has 2 numbers, and the input has 3 channels"),
    ({"std": [1, 0, 1]}, 3, None, "std", "`std` must be a number above 0, or a list with one a channel, not [1, 0, 1]"),
    ({"mean": "x"}, 3, None, "mean", '`mean` must be a number, or a list with one a channel, not "x"'),
    ({"mean": []}, 3, None, "mean", "`mean` must be a number, or a list with one a channel, not []"),
    ({"scale": 0}, 3, None, "scale", "`scale` must be a number above 0, not 0"),
    ({"scale": float("nan")}, 3, None, "scale", "`scale` must be a number above 0, not nan"),
    ({"color": "RGB"}, 3, None, "color", '`color` must be "rgb", "bgr" or "gray", not "RGB"'),
    ({"color": "gray"}, 3, None, "color", "gray pictures have 1 channel, and the input has 3"),
    ({"color": "bgr"}, 1, None, "color", "BGR pictures have 3 channels, and the input has 1"),
    ({"color": "rgb"}, 4, None, "color", "RGB pictures have 3 channels, and the input has 4"),
    (
        {"resize": 0},
        3,
        None,
        "resize",
        "`resize` must be the shorter side, from 1 to 16384, or a pair such as 224x224, not 0",
    ),
    ({"crop": True}, 3, None, "crop", "`crop` must be an integer from 1 to 16384, or a pair such as 224x192, not true"),
    (
        {"crop": 300, "resize": 256},
        3,
        None,
        "crop",
        "`crop` takes 300x300 out of a picture that `resize` makes of a shorter side of 256",
    ),
    (
        {"crop": (100, 300), "resize": (256, 256)},
        3,
        None,
        "crop",
        "`crop` takes 100x300 out of a picture that `resize` makes 256x256",
    ),
    ({"crop": 200}, 3, (224, 224), "crop", "`crop` gives 200x200, and the input takes 224x224"),
    ({"resize": 256}, 3, (224, 224), "resize", "`resize` gives a shorter side of 256, and the input takes 224x224"),
    ({"resize": (224, 225)}, 3, (224, 224), "resize", "`resize` gives 224x225, and the input takes 224x224"),
    ({"invert": 1}, 3, None, "invert", "`invert` must be true or false, not 1"),
    ({"resize": 8}, 3, (), "resize", "`resize` is for pictures, and the input is a vector [N, C]"),
    ({"means": 8}, 3, None, "means", "an input has no `means`"),
]


@pytest.mark.parametrize(("values", "channels", "sides", "argument", "message"), BAD)
def test_bad_metadata_is_named(values: Any, channels: int, sides: Any, argument: str, message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        Preprocess.make(values, channels, sides)
    assert (caught.value.code, caught.value.argument, caught.value.message) == ("E0318", argument, message)


@pytest.mark.parametrize(
    ("values", "channels", "sides"),
    [
        ({}, 7, (3, 3)),
        ({"mean": [1, 2, 3], "std": 2}, 3, (3, 3)),
        ({"resize": 256, "crop": (300, 200)}, 3, (300, 200)),
        ({"resize": 256, "crop": 224}, 3, (H, W)),
        ({"resize": 224}, 3, (224, 448)),
        ({"resize": (224, 448)}, 3, (224, 448)),
        ({"mean": 1.0}, 3, ()),
    ],
)
def test_good_metadata_passes(values: Any, channels: int, sides: Any) -> None:
    made = Preprocess.make(values, channels, sides)
    for name in values:
        shown = Preprocess.make({name: getattr(made, name)})
        assert getattr(shown, name) == getattr(made, name)  # a form converts to itself


def test_metadata_reads_as_it_is_written() -> None:
    assert (
        Preprocess.signature() == "input(scale=1/255, mean=0, std=1, color=none, resize=none, crop=none, invert=false)"
    )
    made = Preprocess.make({"scale": 1, "mean": [104, 117.5, 1e-7], "resize": (8, 8), "crop": (8, 8)})
    assert str(made) == "input(scale=1, mean=[104, 117.5, 1e-7], resize=8x8, crop=8)"


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_one_output_is_a_npy(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    save_output(tmp_path / "a.npy", {"output": array})
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), array)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


def test_several_outputs_are_a_npz(tmp_path: Path) -> None:
    outputs = {"a": np.ones((1, 2)), "결과": np.zeros((1, 2, 3, 3))}
    save_output(tmp_path / "a.npz", outputs)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert list(file) == ["a", "결과"]
        np.testing.assert_array_equal(file["결과"], outputs["결과"])
    with pytest.raises(UsageError, match=r"a \.npy file holds one array, and there are 2 outputs; write a \.npz file"):
        save_output(tmp_path / "a.npy", outputs)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"outputs are written to \.npy, \.npz and \.png files"):
        save_output(tmp_path / "a.jpg", {"a": np.ones((1, 2))})


def pixels_of(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_zero_is_black_above_it_warm_below_it_cold() -> None:
    colors = colored(np.array([0.0, 2.0, -2.0, 1.0, -1.0, np.nan, np.inf, -np.inf]), 2.0).astype(int)
    np.testing.assert_array_equal(colors[0], [0, 0, 0])
    np.testing.assert_array_equal(colors[[6, 7]], colors[[1, 2]])
    np.testing.assert_array_equal(colors[5], [255, 0, 255])
    assert (colors[[1, 3], 0] > colors[[1, 3], 2]).all()
    assert (colors[[2, 4], 0] < colors[[2, 4], 2]).all()


def test_brightness_grows_evenly_to_both_sides() -> None:
    at = np.linspace(0, 1, 200)
    for sign in (1, -1):
        luma = colored(sign * at, 1.0) @ np.array([0.299, 0.587, 0.114])
        assert (np.diff(luma) >= -0.5).all()
        np.testing.assert_allclose(luma, at * 250, atol=14)


def test_a_few_outliers_do_not_hide_the_rest() -> None:
    values = np.full(10_000, 1.0)
    values[:20] = 100
    assert peak_of(values) == 1
    assert peak_of(values[:100]) == 100
    values[30:] = 0
    values[:30] = 100
    assert peak_of(values) == 100  # nearly everything is 0


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([-2.8123, 3.0], "-2.81 to 3"),
        ([5.0, 5.0], "5"),
        ([-0.0, 0.0], "0"),
        ([1.0, np.nan], "1, and nan"),
        ([1.0, np.inf], "1, and inf"),
        ([np.nan], "no numbers"),
    ],
)
def test_ranges_are_short(values: list[float], text: str) -> None:
    assert value_range(np.array(values)) == text


def test_a_picture_shows_each_map_in_its_place(tmp_path: Path) -> None:
    maps = np.zeros((1, 4, 32, 32))
    maps[0, 1], maps[0, 2] = 1, -1
    save_output(tmp_path / "a.png", {"maps": maps})
    pixels = pixels_of(tmp_path / "a.png")
    assert pixels.shape[1] == WIDTH
    page = pixels[0, 0]
    for color in ([0, 0, 0], [255, 248, 228], [228, 248, 255]):
        area = (pixels == color).all(axis=2).sum()
        assert area > 300_000 * (2 if color == [0, 0, 0] else 0.9), color  # two maps are zero
    np.testing.assert_array_equal(page, [251, 250, 247])


@pytest.mark.parametrize(
    "outputs",
    [
        {"a": np.ones((1, 1, 1, 1))},
        {"a": np.ones((1, 1, 3000, 1))},
        {"a": np.ones((1, 1, 1, 3000))},
        {"a": np.full((1, 3, 2, 2), np.nan)},
        {"a": np.full((1, 3), np.nan), "b": np.full((1, 30), -np.inf)},
        {"a": np.zeros((1, 10)), "b": -np.ones((1, 10))},
        {"a": np.full((1, 2, 3, 3), 1e308), "b": np.full((1, 2, 3, 3), 1e-308)},
        {"a": np.ones((3, 2, 4, 4)), "b": np.ones((3, 5)), "c": np.ones((3, 1, 8, 8))},
        {"a": np.ones((0, 2, 4, 4))},
        {"x\ny" * 200: np.ones((1, 2, 4, 4))},
    ],
)
def test_any_outputs_can_be_drawn(outputs: dict[str, Any]) -> None:
    image = draw(outputs, titles=["사진.png"])
    assert image.width == WIDTH
    assert 60 < image.height < 5000


def test_thousands_of_maps_stay_one_picture() -> None:
    image = draw({"a": np.ones((40, 600, 8, 8))})
    assert image.height < 12_000


def test_the_answer_stands_out_among_the_bars() -> None:
    probabilities = np.full((1, 10), 0.02)
    probabilities[0, 7] = 0.82
    plain = np.asarray(draw({"p": probabilities}, labels=[str(i) for i in range(10)]))
    warm = (plain == [178, 110, 58]).all(axis=2).sum(axis=1)  # the length of the bar at each line of the page
    assert warm.max() > 20 * np.median(warm[warm > 0])


def test_the_largest_of_many_are_shown() -> None:
    values = np.arange(1000.0)[None]
    tall, small = draw({"a": values}).height, draw({"a": values[:, :20]}).height
    assert tall == small


# --- fonts ------------------------------------------------------------------------------------------------------------


def test_the_better_fonts_come_first(tmp_path: Path) -> None:
    for name in (
        "NanumGothic.ttf",
        "NanumGothicBold.ttf",
        "NotoSansCJK-Regular.ttc",
        "Comic.ttf",
        "malgun.TTF",
        "notes.txt",
    ):
        (tmp_path / name).touch()
    found = [p.name for p in fonts.font_files((tmp_path, tmp_path / "missing"))]
    assert found == ["NotoSansCJK-Regular.ttc", "malgun.TTF", "NanumGothic.ttf", "NanumGothicBold.ttf"]


def test_without_a_font_the_picture_is_drawn_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "NanumGothic.ttf").write_bytes(b"no font")
    monkeypatch.setattr(fonts, "font_folders", lambda: (tmp_path,))
    fonts.clear()
    assert fonts.font_for("고양이", 17) is fonts.font_for("고양이", 17)
    assert draw({"고양이": np.ones((1, 1, 4, 4))}).width == WIDTH
    fonts.clear()


def test_korean_letters_are_drawn_where_the_system_has_them() -> None:
    letters = frozenset("고양이")
    font = fonts.font_for("고양이", 16)
    if not isinstance(font, fonts.ImageFont.FreeTypeFont) or not fonts.has_letters(font, letters):
        pytest.skip("this system has no Korean font")
    assert len({bytes(font.getmask(letter)) for letter in letters}) == 3


def test_folders_of_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform, part in (("win32", "Fonts"), ("darwin", "Library"), ("linux", "fonts")):
        monkeypatch.setattr(fonts.sys, "platform", platform)
        assert any(part in str(folder) for folder in fonts.font_folders())

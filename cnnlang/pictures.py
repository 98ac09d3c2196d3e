"""Picture files as pixels, through Pillow. A file is untrusted: its size is tested before anything is decoded."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnlang.errors import InputError
from cnnlang.preprocess import Preprocess

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # none that starts another program, as EPS does

MAX_PIXELS = 2**28  # of a resized picture

_DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,  # Pillow's word for a damaged PNG
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
)


def read_pixels(path: str | os.PathLike[str], color: str) -> NDArray[Any]:
    """The pixels of a picture, [C, H, W] with channels in the order of `color`: uint8, or float32 from 16 bits.

    As a viewer would show it: turned as its EXIF says, palettes looked up, transparency over white, the first frame.
    Values run from 0 to 255; those of a 16-bit picture are 65535 / 255 = 257 times as large, and keep their fractions.

    Raises
    ------
    InputError
        The file is missing, damaged, no picture, or larger than Pillow's limit (89 million pixels).
    """
    try:  # Pillow loads its readers of the rarer formats when it comes to them
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that nobody asked for
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(Path(path), formats=FORMATS) as file:
                image: Image.Image = ImageOps.exif_transpose(file)
                return _channels(image, color)
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise InputError(msg) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        msg = f"{path}: the picture has more than {Image.MAX_IMAGE_PIXELS:,} pixels"
        raise InputError(msg) from None
    except UnidentifiedImageError:
        msg = f"{path} is no picture that can be read ({', '.join(FORMATS)})"
        raise InputError(msg) from None
    except (IsADirectoryError, PermissionError) as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise InputError(msg) from None
    except _DAMAGED as error:
        reason = str(error).split("\n", 1)[0][:200] or type(error).__name__
        msg = f"{path}: the picture is damaged: {reason}"
        raise InputError(msg) from None


def _channels(image: Image.Image, color: str) -> NDArray[Any]:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _deep(image, color)
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if color == "gray":
        return np.asarray(image.convert("L"))[None]
    return _ordered(np.asarray(image.convert("RGB")).transpose(2, 0, 1), color)


def _ordered(rgb: NDArray[Any], color: str) -> NDArray[Any]:
    return rgb[::-1] if color == "bgr" else rgb


def _deep(image: Image.Image, color: str) -> NDArray[Any]:
    """A gray picture of 16 bits; wider numbers have no scale that could be known."""
    values = np.asarray(image)
    if values.dtype.kind not in "iu" or values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise ValueError("its numbers are not 8 or 16 bits wide; save them as a .npy array")
    plane = (values / np.float32(257)).astype(np.float32)[None]
    return plane if color == "gray" else np.repeat(plane, 3, axis=0)


def arrange(pixels: NDArray[Any], how: Preprocess) -> NDArray[Any]:
    """Invert, resize and crop pixels [C, H, W] (uint8 or float32), as an input's metadata asks.

    Raises
    ------
    InputError
        `crop` is larger than the picture.
    """
    if how.invert:
        pixels = 255 - pixels
    height, width = pixels.shape[1:]
    sides = _resized(height, width, how.resize)
    if sides[0] * sides[1] > MAX_PIXELS:
        msg = f"`resize` would make {sides[0]}x{sides[1]} of a picture of {height}x{width} (height x width)"
        raise InputError(msg)
    if sides != (height, width):
        pixels = np.stack([_resize_plane(plane, sides) for plane in pixels])
    if how.crop:
        (height, width), (h, w) = sides, how.crop
        if h > height or w > width:
            size = f"{height}x{width} (height x width)"
            msg = f"`crop` takes {h}x{w} out of a picture of {size}; a larger `resize` cures it"
            raise InputError(msg)
        top, left = round((height - h) / 2), round((width - w) / 2)  # where torchvision's CenterCrop puts it
        pixels = pixels[:, top : top + h, left : left + w]
    return pixels


def _resized(height: int, width: int, resize: int | tuple[int, int] | None) -> tuple[int, int]:
    match resize:
        case None:
            return height, width
        case (h, w):
            return h, w
        case int(short) if height <= width:
            return short, short * width // height
        case int(short):
            return short * height // width, short
    raise AssertionError(resize)


def _resize_plane(plane: NDArray[Any], sides: tuple[int, int]) -> NDArray[Any]:
    image = Image.fromarray(np.ascontiguousarray(plane))  # uint8 becomes L, float32 F
    return np.asarray(image.resize(sides[::-1], Image.Resampling.BILINEAR))

"""A net's input from a file: a picture, a `.npy` array, a `.csv` or `.txt` matrix.

Pictures and uint8 arrays are pixels and go through the input's metadata (see `cnnlang.preprocess`); floats are taken as
they are. Everything a file may say is tested before it is believed: what is wrong ends in an `InputError`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cnnlang.dims import Dim, solve, substitute, variables
from cnnlang.errors import InputError
from cnnlang.ir import TensorType
from cnnlang.npy import Header, NotNpy, read_array
from cnnlang.pictures import SUFFIXES, arrange, read_pixels
from cnnlang.preprocess import Preprocess
from cnnlang.program import InputInfo

MAX_TEXT_BYTES = 16 * 2**20  # of a .csv or .txt matrix
MAX_ELEMENTS = 2**31  # of one input


def load_input(path: str | os.PathLike[str], info: InputInfo) -> NDArray[np.float32]:
    """Read one file as a net's input.

    Parameters
    ----------
    path
        A picture, a `.npy` array ([C, H, W], [N, C, H, W], or [H, W] where the input has one channel; [C] or [N, C] for
        a vector), or numbers in rows in a `.csv` or `.txt` file.
    info
        The input with its metadata.

    Returns
    -------
    ndarray
        float32 [N, C, H, W] or [N, C]; N is 1 unless the file is an array of several.

    Raises
    ------
    InputError
        The file cannot be read, or what it holds is not of the input's shape.
    """
    place = Path(path)
    how = Preprocess.make(info.metadata, info.node.type.channels)
    if place.is_dir():
        msg = f"{path} is a folder; an input is a file"
        raise InputError(msg)
    match place.suffix.lower():
        case ".npy":
            array = _from_array(path, _read_npy(place), info, how)
        case ".csv" | ".txt":
            array = _from_matrix(path, read_matrix(place), info)
        case suffix if suffix in SUFFIXES:
            array = _from_picture(path, info, how)
        case _:
            msg = f"{path}: inputs are pictures (.png, .jpg, ...), .npy arrays, and .csv or .txt matrices"
            raise InputError(msg)
    return np.ascontiguousarray(array, dtype=np.float32)


def _from_picture(path: str | os.PathLike[str], info: InputInfo, how: Preprocess) -> NDArray[Any]:
    type = info.node.type
    color = how.order(type.channels) if type.rank == 4 else None
    if color is None:
        msg = f"{path}: a picture has 1 or 3 channels and cannot be `{info.name}`, which takes {type}; save it as .npy"
        raise InputError(msg)
    pixels = _arranged(path, read_pixels(path, color), how)
    _fit(path, "picture", pixels.shape, info)
    return _scaled(pixels, how)[None]


def _from_array(path: str | os.PathLike[str], array: NDArray[Any], info: InputInfo, how: Preprocess) -> NDArray[Any]:
    type, shape = info.node.type, array.shape
    if type.rank == 4 and type.channels == 1 and array.ndim == 2:
        array = array[None]
    if array.ndim == type.rank - 1:
        array = array[None]
    if array.ndim != type.rank or array.shape[1] != type.channels:
        raise _misfit(path, "array", shape, info)
    if array.dtype != np.uint8:
        _fit(path, "array", array.shape[1:], info)
        return array.astype(np.float32)
    if type.rank == 2:
        return _scaled(array[:, :, None, None], how)[:, :, 0, 0]
    if how.order(type.channels) == "bgr":
        array = array[:, ::-1]  # arrays of pixels are RGB, as pictures are
    samples = [_arranged(path, sample, how) for sample in array]
    if samples:
        _fit(path, "array", samples[0].shape, info)
    return np.stack([_scaled(sample, how) for sample in samples]) if samples else _scaled(array, how)


def _from_matrix(path: str | os.PathLike[str], matrix: NDArray[np.float32], info: InputInfo) -> NDArray[Any]:
    type = info.node.type
    if type.rank == 2:
        if matrix.shape[1] != type.channels:
            raise _misfit(path, "matrix", matrix.shape, info)
        return matrix
    if type.channels != 1:
        msg = f"{path}: a matrix has one channel, and `{info.name}` takes {type}"
        raise InputError(msg)
    _fit(path, "matrix", (1, *matrix.shape), info)
    return matrix[None, None]


def _arranged(path: str | os.PathLike[str], pixels: NDArray[Any], how: Preprocess) -> NDArray[Any]:
    try:
        return arrange(pixels, how)
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from None


def _scaled(pixels: NDArray[Any], how: Preprocess) -> NDArray[np.float32]:
    """(pixel * scale - mean) / std for pixels [..., C, H, W]."""
    scaled = pixels.astype(np.float32)
    scaled *= np.float32(how.scale)
    scaled -= np.array(how.mean, dtype=np.float32)[:, None, None]
    scaled /= np.array(how.std, dtype=np.float32)[:, None, None]
    return scaled


def _fit(path: str | os.PathLike[str], noun: str, shape: tuple[int, ...], info: InputInfo) -> None:
    """Raise `InputError` unless a sample has the input's shape."""
    known: dict[str, int] = {}
    for dim, size in zip(info.node.type.shape[1:], shape, strict=True):
        dim = substitute(dim, dict(known))
        solved = solve(dim, size, known)
        if size < 1 or (solved is None and (isinstance(dim, int) or len(variables(dim)) == 1)):
            raise _misfit(path, noun, shape, info)
        known |= solved or {}


def _misfit(path: str | os.PathLike[str], noun: str, shape: tuple[int, ...], info: InputInfo) -> InputError:
    type = info.node.type
    message = f"{path}: the {noun} is {_sizes(noun, shape)}, and `{info.name}` takes {_wanted(noun, type)}"
    if noun == "array" and len(shape) in (3, 4) and type.rank == 4 and shape[-1] == type.channels != shape[-3]:
        axes = "2, 0, 1" if len(shape) == 3 else "0, 3, 1, 2"
        return InputError(f"{message}; its channels stand last: save array.transpose({axes})")
    if noun == "picture":
        message += f"; {_cure(type, info)}"
    return InputError(message)


def _cure(type: TensorType, info: InputInfo) -> str:
    match type.height, type.width:
        case int(h), int(w) if "resize" in info.metadata and "crop" not in info.metadata:
            return f"add `crop = {h if h == w else f'{h}x{w}'}` to the input's {{ }}"
        case int(h), int(w):
            return f"add `resize = {f'{h}, crop = {h}' if h == w else f'{h}x{w}'}` to the input's {{ }}"
    sides = [_multiple(d) for d in (type.height, type.width)]
    return f"add a `resize` to the input's {{ }} that makes it so (for example, resize = {sides[0]}x{sides[1]})"


def _multiple(dim: Dim) -> Dim:
    """A size of 256 or a little more that a symbolic side can have."""
    names = sorted(variables(dim))
    for value in range(1, 4096):
        size = substitute(dim, dict.fromkeys(names, value))
        if isinstance(size, int) and size >= 256:
            return size
    return 256


def _sizes(noun: str, shape: tuple[int, ...]) -> str:
    return f"{shape[-2]}x{shape[-1]} (height x width)" if noun == "picture" else str(list(shape))


def _wanted(noun: str, type: TensorType) -> str:
    return f"{type.height}x{type.width}" if noun == "picture" else str(type)


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        size = path.stat().st_size

        def approve(header: Header) -> None:
            if header.dtype.kind != "f" and header.dtype != np.uint8:
                raise NotNpy(f"it holds {header.dtype.name}; save floats, or pixels as uint8")
            if header.size > MAX_ELEMENTS or header.size * header.dtype.itemsize > size:
                raise NotNpy("it ends early" if header.size <= MAX_ELEMENTS else "it is too large")

        with path.open("rb") as file:
            return read_array(file, approve)
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
    except NotNpy as error:
        msg = f"{path} cannot be read as .npy: {error}"
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
    raise InputError(msg)


def read_matrix(path: Path) -> NDArray[np.float32]:
    """Rows of numbers, separated by commas, semicolons, tabs or spaces; what follows a `#` is a comment.

    Raises
    ------
    InputError
        The file cannot be read, holds something else, or its rows are not equally long.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        bare = line.split("#", 1)[0].strip()
        if not bare:
            continue
        separator = next((s for s in ",;\t" if s in bare), None)
        cells = [cell.strip() for cell in bare.split(separator)]
        row = [_number(cell) for cell in cells]
        if None in row:
            msg = f"{path}, line {number}: `{cells[row.index(None)][:40]}` is not a number"
            raise InputError(msg)
        if rows and len(row) != len(rows[0]):
            msg = f"{path}, line {number}: {len(row)} numbers, and {len(rows[0])} in the lines before"
            raise InputError(msg)
        rows.append([cell for cell in row if cell is not None])
    if not rows:
        msg = f"{path} has no numbers"
        raise InputError(msg)
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float32)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = _bounded(file)
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
    except UnicodeDecodeError:
        msg = f"{path} is not a text in UTF-8"
    raise InputError(msg)


def _bounded(file: IO[bytes]) -> bytes:
    data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        msg = f"{file.name}: a matrix of more than {MAX_TEXT_BYTES // 2**20} MiB; save it as .npy"
        raise InputError(msg)
    return data
